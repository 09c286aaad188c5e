"""A site sheet per asset: one page in Japanese and English, to be printed and filled in on site."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import geopandas as gpd
import jinja2
import numpy as np
from markupsafe import Markup
from pyproj import Transformer
from scipy.spatial import KDTree

from tdh import schemas
from tdh.exchange.text import kind_label, plain, slug

_NEAR_M = 500.0
_MOST_NEAR = 60
_MAP_PX = 360
_UNKNOWN = "―"


def write(offers: gpd.GeoDataFrame, head: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Name and content of each asset's sheet, in the offer's order.

    Everything that a register or a configuration says is escaped. What the register does not hold
    (structure, power, fibre, access, restrictions) has a line to be filled in on the survey.
    """
    template = _template()
    to_wgs84 = Transformer.from_crs(head["crs"]["geographic"], "EPSG:4326", always_xy=True)
    x, y = offers.geometry.x.to_numpy(), offers.geometry.y.to_numpy()
    near = _neighbours(np.column_stack([x, y]))
    for position, (asset, row) in enumerate(
        zip(offers.index, offers.drop(columns=offers.geometry.name).to_dict("records"), strict=True)
    ):
        lon, lat = to_wgs84.transform(row["longitude"], row["latitude"])
        page = template.render(
            head=head,
            asset=plain(str(asset)),
            name=_text(row["name"]),
            rows=_facts(row, head, (lon, lat), (x[position], y[position])),
            blanks=_BLANKS,
            reasons=(row["reason_ja"], row["reason_en"]),
            picture=Markup(_sketch(x, y, position, near[position])),
            synthetic=head["synthetic"],
        )
        yield f"sheets/{position + 1:05d}-{slug(str(asset))}.html", page.encode("utf-8")


_BLANKS = [
    ("地盤高(標高) / Ground elevation", "m"),
    ("面積 / Area", "m²"),
    ("構造・耐荷重 / Structure, load", ""),
    ("電源・受電盤 / Power, panel", ""),
    ("光ファイバ / Fibre", ""),
    ("搬入経路・作業制限 / Access, work restrictions", ""),
    ("使用条件・占用条件 / Restrictions", ""),
    ("非常用電源 / Backup power", "h"),
]


def _facts(
    row: Mapping[str, Any],
    head: Mapping[str, Any],
    wgs84: tuple[float, float],
    plane: tuple[float, float],
) -> list[tuple[str, str]]:
    label = _labels()
    facts = [(label["kind"], kind_label(str(row["kind"])))]
    facts += [
        (label[column], _text(row[column]))
        for column in ("owner", "bureau", "address", "municipality")
    ]
    jgd = (row["longitude"], row["latitude"])
    facts += [
        ("位置(JGD2011) / Position (JGD2011)", _position(*jgd)),
        ("位置(WGS 84) / Position (WGS 84)", _position(*wgs84)),
        (
            f"平面直角座標 / Plane coordinates ({head['crs']['plan']})",
            f"X(北 / north) {plane[1]:.2f} m, Y(東 / east) {plane[0]:.2f} m",
        ),
    ]
    for column in ("height_agl_m", "height_source", "placement", "mounting_height_m",
                   "exposure_distance_m", "bands", "people_alone", "people_gained",
                   "people_lost_without", "source", "source_row"):  # fmt: skip
        facts.append((label[column], _text(row[column])))
    return facts


@cache
def _labels() -> dict[str, str]:
    return {
        row.column: f"{schemas.label('offers', row.column, 'ja')} / {row.description}"
        for row in schemas.columns("offers").itertuples()
    }


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return _UNKNOWN
    if isinstance(value, float):
        return f"{value:,.1f}"
    return plain(str(value)) or _UNKNOWN


def _position(longitude: float, latitude: float) -> str:
    """Decimal degrees and degrees, minutes, seconds.

    >>> _position(139.6917, 35.6895)
    '35.6895000, 139.6917000 (35°41′22.20″N 139°41′30.12″E)'
    """
    parts = []
    for value, letters in ((latitude, "NS"), (longitude, "EW")):
        hundredths = round(abs(value) * 360_000)
        degrees, rest = divmod(hundredths, 360_000)
        minutes, rest = divmod(rest, 6_000)
        letter = letters[0] if value >= 0 else letters[1]
        parts.append(f"{degrees}°{minutes:02d}′{rest / 100:05.2f}″{letter}")
    return f"{latitude:.7f}, {longitude:.7f} ({' '.join(parts)})"


def _neighbours(xy: np.ndarray) -> list[list[int]]:
    """The nearest others of each point within the sketch, at most so many, nearest first."""
    if len(xy) < 2:
        return [[] for _ in xy]
    count = min(_MOST_NEAR + 1, len(xy))
    distance, index = KDTree(xy).query(xy, k=count, distance_upper_bound=_NEAR_M)
    return [
        [int(i) for i, d in zip(row, far, strict=True) if np.isfinite(d) and i != own]
        for own, (row, far) in enumerate(zip(index, distance, strict=True))
    ]


def _sketch(x: np.ndarray, y: np.ndarray, position: int, near: list[int]) -> str:
    """The asset among the carrier's other offered assets within 500 m, north up, to scale.

    Only numbers go into it.
    """
    half, scale = _MAP_PX / 2, _MAP_PX / (2 * _NEAR_M)
    dots = []
    for i in near:
        dx, dy = (x[i] - x[position]) * scale, (y[i] - y[position]) * scale
        dots.append(f'<circle cx="{half + dx:.1f}" cy="{half - dy:.1f}" r="4" fill="#888"/>')
        dots.append(f'<text x="{half + dx + 6:.1f}" y="{half - dy + 4:.1f}">{i + 1}</text>')
    bar = 100 * scale
    return (
        f'<svg viewBox="0 0 {_MAP_PX} {_MAP_PX}" width="{_MAP_PX}" height="{_MAP_PX}" role="img">'
        f'<rect width="{_MAP_PX}" height="{_MAP_PX}" fill="#f7f7f4" stroke="#999"/>'
        f'<circle cx="{half}" cy="{half}" r="{250 * scale}" fill="none" stroke="#ccc"/>'
        f"{''.join(dots)}"
        f'<circle cx="{half}" cy="{half}" r="7" fill="#0072b2" stroke="#fff" stroke-width="2"/>'
        f'<text x="{half + 9}" y="{half + 5}" font-weight="bold">{position + 1}</text>'
        f'<path d="M20 40 L26 18 L32 40 Z" fill="#333"/><text x="22" y="54">N</text>'
        f'<path d="M20 {_MAP_PX - 20} h{bar}" stroke="#333" stroke-width="3"/>'
        f'<text x="20" y="{_MAP_PX - 26}">100 m</text></svg>'
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(_PAGE)


_PAGE = """<!DOCTYPE html>
<html lang="ja"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{ asset }} {{ name }}</title>
<style>
body{font:14px/1.5 sans-serif;max-width:60rem;margin:1rem auto;padding:0 1rem;color:#222}
h1{font-size:1.3rem} table{border-collapse:collapse;width:100%}
th,td{border:1px solid #bbb;padding:.25rem .5rem;text-align:left;vertical-align:top}
th{width:45%;background:#f3f5f7;font-weight:normal}
.top{display:flex;gap:1rem;flex-wrap:wrap;margin:1rem 0}
.photo{flex:1;min-width:16rem;height:360px;border:1px dashed #999;display:flex;
align-items:center;justify-content:center;color:#777}
svg text{font:11px sans-serif} .warn{background:#fde7d9;padding:.4rem .6rem}
footer{font-size:.85rem;color:#555;margin-top:1rem}
@media print{body{margin:0} .warn{border:2px solid #c00}}
</style></head><body>
<h1>{{ asset }} — {{ name }}</h1>
<p>{{ head.round.id }} / {{ head.carrier.name }}</p>
{% if synthetic %}<p class="warn">{{ head.notices.ja[0] }}<br>{{ head.notices.en[0] }}</p>{% endif %}
<div class="top">{{ picture }}<div class="photo">写真 / Photo</div></div>
<table>{% for key, value in rows %}<tr><th>{{ key }}</th><td>{{ value }}</td></tr>
{% endfor %}{% for key, unit in blanks %}<tr><th>{{ key }}</th><td>台帳に記載なし / not in the \
register: ＿＿＿＿＿＿＿＿ {{ unit }}</td></tr>
{% endfor %}</table>
<p>{{ reasons[0] }}<br>{{ reasons[1] }}</p>
<footer>{% for line in head.attributions %}{{ line }}<br>{% endfor %}
{% for line in head.notices.ja %}{{ line }}<br>{% endfor %}\
{% for line in head.notices.en %}{{ line }}<br>{% endfor %}</footer>
</body></html>
"""
