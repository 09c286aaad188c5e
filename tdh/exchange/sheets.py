"""A site sheet per asset: one page in Japanese and English, to be printed and filled in on site."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import geopandas as gpd
import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup
from pyproj import Transformer
from scipy.spatial import KDTree

from tdh import schemas
from tdh.coverage import Link, profile_svg
from tdh.exchange.surroundings import HALF_M, Surroundings
from tdh.exchange.text import kind_label, slug
from tdh.language import Text, plain

_NEAR_M = HALF_M * math.sqrt(2)
_MOST_NEAR = 60


def write(
    offers: gpd.GeoDataFrame,
    head: Mapping[str, Any],
    around: Surroundings,
    links: Mapping[str, Link],
) -> Iterator[tuple[str, bytes]]:
    """Name and content of each asset's sheet, in the offer's order.

    Everything that a register or a configuration says is escaped. What the register does not hold
    says so, with a line to be filled in on the survey.

    Parameters
    ----------
    offers : GeoDataFrame
        Table ``offers``.
    head : mapping
        The package's manifest.
    around : Surroundings
        For the plan.
    links : mapping of asset id to Link
        For the path profile: the carrier's own.
    """
    template = _template()
    to_wgs84 = Transformer.from_crs(head["crs"]["geographic"], "EPSG:4326", always_xy=True)
    x, y = offers.geometry.x.to_numpy(), offers.geometry.y.to_numpy()
    near = _neighbours(np.column_stack([x, y]))
    for position, (asset, row) in enumerate(
        zip(offers.index, offers.drop(columns=offers.geometry.name).to_dict("records"), strict=True)
    ):
        lon, lat = to_wgs84.transform(row["longitude"], row["latitude"])
        others = [(i + 1, float(x[i]), float(y[i])) for i in near[position]]
        link = links.get(str(asset))
        page = template.render(
            head=head,
            asset=plain(str(asset)),
            name=_text(row["name"]),
            rows=_facts(row, head, (lon, lat), (x[position], y[position])),
            reasons=(row["reason_ja"], row["reason_en"]),
            plan=Markup(around.plan(float(x[position]), float(y[position]), others)),
            buildings=around.surface is not None,
            profile=None if link is None else Markup(profile_svg(link, language="ja")),
            cut=_cut(link, around),
            synthetic=head["synthetic"],
        )
        yield f"sheets/{position + 1:05d}-{slug(str(asset))}.html", page.encode("utf-8")


_SURVEYED = {"ground_m", "height_agl_m", "mounting_height_m", "area_m2", "structure", "power",
             "backup_hours", "fibre", "access", "restrictions", "flood_depth_m"}  # fmt: skip
"""What the survey on site is to find out where the register does not say."""
_ABSENT = "台帳に記載なし / not in the register"
_WORDS = {
    "register": "台帳 / register",
    "surface": "地表面データ / surface data",
    "default": "種別の標準値 / default of the kind",
    "roof": "屋上 / roof",
    "pole": "柱上 / pole",
    "ground": "地上 / ground",
    "none": "設置不可 / none",
}


def _facts(
    row: Mapping[str, Any],
    head: Mapping[str, Any],
    wgs84: tuple[float, float],
    plane: tuple[float, float],
) -> list[tuple[str, str]]:
    label = _labels()

    def fact(column: str) -> tuple[str, str]:
        value = row[column]
        if column in ("ground_source", "height_source", "placement"):
            value = _WORDS.get(str(value), value)
        return label[column], _text(value, survey=column in _SURVEYED)

    jgd = (row["longitude"], row["latitude"])
    by_years = isinstance(row.get("fiscal_year"), str)
    return [
        (label["kind"], kind_label(str(row["kind"]))),
        *map(fact, ("fiscal_year",) if by_years else ()),
        *map(fact, ("owner", "bureau", "published_id", "address", "municipality")),
        ("位置(WGS 84) / Position (WGS 84)", _position(*wgs84)),
        ("位置(JGD2011) / Position (JGD2011)", _position(*jgd)),
        (
            f"平面直角座標 / Plane coordinates ({head['crs']['plan']})",
            f"X(北 / north) {plane[1]:.2f} m, Y(東 / east) {plane[0]:.2f} m",
        ),
        *map(fact, ("ground_m", "ground_source", "height_agl_m", "height_source", "placement",
                    "mounting_height_m", "floors", "area_m2", "structure", "year_built", "power",
                    "backup_hours", "fibre", "access", "restrictions", "flood_depth_m",
                    "exposure_distance_m", "bands", "people_alone", "people_gained",
                    "people_lost_without", "source", "source_row")),
    ]  # fmt: skip


def _cut(link: Link | None, around: Surroundings) -> tuple[str, str]:
    """What the path profile shows, or why there is none."""
    if link is None and around.surface is None:
        text = Text(
            "No path profile: no heights of buildings are given.",
            "断面図なし:建物高のデータがありません。",
        )
    elif link is None:
        text = Text(
            "No path profile: the asset reaches none of your unmet people.",
            "断面図なし:貴社の未充足人口に届きません。",
        )
    else:
        text = Text(
            "Cut to the cell with most of your unmet people that it would serve, {band}: "
            "{distance:,.0f} m, {rsrp:.1f} dBm, {state} (predicted).",
            "貴社の未充足人口が最も多いセルへの断面({band}):{distance:,.0f} m、{rsrp:.1f} dBm、{state}"
            "(予測値)。",
            band=link.band.id,
            distance=link.distance_m,
            rsrp=link.rsrp_dbm,
            state=Text("in line of sight", "見通し内")
            if link.line_of_sight
            else Text("blocked", "見通し外"),
        )
    return text.render("ja"), text.render("en")


@cache
def _labels() -> dict[str, str]:
    return {
        row.column: f"{schemas.label('offers', row.column, 'ja')} / {row.description}"
        for row in schemas.columns("offers").itertuples()
    }


def _text(value: Any, *, survey: bool = False) -> str:
    """A fact in words, never blank; what is missing may leave room for the survey.

    >>> _text(None), _text(1234.5), _text("RC")
    ('台帳に記載なし / not in the register', '1,234.5', 'RC')
    """
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        shown = ""
    elif isinstance(value, float):
        shown = f"{value:,.1f}"
    else:
        shown = plain(str(value)).strip()
    if shown:
        return shown
    return f"{_ABSENT}: ＿＿＿＿＿＿＿＿" if survey else _ABSENT


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
    """The nearest others of each point within the plan, at most so many, nearest first."""
    if len(xy) < 2:
        return [[] for _ in xy]
    count = min(_MOST_NEAR + 1, len(xy))
    distance, index = KDTree(xy).query(xy, k=count, distance_upper_bound=_NEAR_M)
    return [
        [int(i) for i, d in zip(row, far, strict=True) if np.isfinite(d) and i != own]
        for own, (row, far) in enumerate(zip(index, distance, strict=True))
    ]


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
figure{margin:0 0 1rem} figcaption{font-size:.85rem;color:#555}
.plan{max-width:360px}
svg text{font:11px sans-serif} .warn{background:#fde7d9;padding:.4rem .6rem}
footer{font-size:.85rem;color:#555;margin-top:1rem}
@media print{body{margin:0} .warn{border:2px solid #c00}}
</style></head><body>
<h1>{{ asset }} — {{ name }}</h1>
<p>{{ head.round.id }} / {{ head.carrier.name }}</p>
{% if synthetic %}<p class="warn">{{ head.notices.ja[0] }}<br>{{ head.notices.en[0] }}</p>{% endif %}
<div class="top"><figure class="plan">{{ plan }}<figcaption>{% if buildings %}\
建物は高さデータから描いた概形(濃い順に 31 m 超、10 m 超、10 m 以下)、紫は区市町村界 /
Buildings drawn from heights (darker: above 10 m, above 31 m); purple: municipal boundaries\
{% else %}建物高データなし / no heights of buildings{% endif %}</figcaption></figure>
<div class="photo">写真 / Photo</div></div>
<figure>{% if profile %}{{ profile }}{% endif %}
<figcaption>{{ cut[0] }}<br>{{ cut[1] }}</figcaption></figure>
<table>{% for key, value in rows %}<tr><th>{{ key }}</th><td>{{ value }}</td></tr>
{% endfor %}</table>
<p>{{ reasons[0] }}<br>{{ reasons[1] }}</p>
<footer>{% for line in head.attributions %}{{ line }}<br>{% endfor %}
{% for line in head.notices.ja %}{{ line }}<br>{% endfor %}\
{% for line in head.notices.en %}{{ line }}<br>{% endfor %}</footer>
</body></html>
"""
