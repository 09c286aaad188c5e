"""The map's layers one by one, for any ``folium.Map``.

Each function returns a folium layer whose data lie in the page as packed blocks and are drawn on
canvas, so that a million cells or 50,000 assets open as quickly as a few. Text of registers stays
text.

Examples
--------
>>> import folium, tdh
>>> from tdh.maps import layers
>>> run = tdh.read_run("run")  # doctest: +SKIP
>>> drawn = folium.Map([35.69, 139.70], zoom_start=14)
>>> _ = layers.gap_layer(run, "carrier-a").add_to(drawn)  # doctest: +SKIP
>>> _ = layers.assets_layer(run).add_to(drawn)  # doctest: +SKIP
>>> _ = folium.LayerControl().add_to(drawn)  # doctest: +SKIP
"""

from __future__ import annotations

from html import escape
from typing import Any, Literal

import folium
import numpy as np
import pandas as pd
import shapely
from branca.element import Figure
from folium.map import Layer
from folium.template import Template

from tdh import details, display, gaps, today
from tdh.errors import InputError, Problem
from tdh.language import Language, Text
from tdh.maps import codec, georeference, page
from tdh.maps.parts import u16

When = Literal["before", "after"]

GLYPHS: dict[str, Text] = {
    "town_hall": Text("G", "庁"),
    "disaster_hospital": Text("H", "病"),
    "temporary_stay": Text("S", "滞"),
    "evacuation_area": Text("E", "避"),
    "station": Text("R", "駅"),
    "other": Text("P", "他"),
}


class CanvasLayer(Layer):
    """A layer of packed data, drawn by ``kit.js``.

    Parameters
    ----------
    kind : {"raster", "points"}
        How it is drawn.
    spec : dict
        What the drawing needs to know; becomes JSON.
    blocks : dict of str
        Packed data by the end of their element's id.
    name : str
        Name in a ``folium.LayerControl``.
    show : bool
        Whether it is on when the map opens.
    """

    _template = Template(
        "{% macro script(this, kwargs) %}\n"
        'var {{ this.get_name() }} = TDH.kit.{{ this.kind }}("{{ this.get_name() }}-spec");\n'
        "{% endmacro %}"
    )

    def __init__(
        self, kind: str, spec: dict[str, Any], blocks: dict[str, str], name: str, show: bool = True
    ) -> None:
        # The control writes names as HTML, after folium has read them as a template.
        safe = escape(name).replace("{", "&#123;").replace("}", "&#125;")
        super().__init__(name=safe, overlay=True, control=True, show=show)
        self._name = "CanvasLayer"
        self.kind = kind
        self.spec = spec
        self.blocks = blocks

    def render(self, **kwargs: Any) -> str:
        """Put the library, once a page, and the data into the figure."""
        figure = self.get_root()
        if not isinstance(figure, Figure):
            raise TypeError("add the layer to a map first")
        library = page.Raw(f"<script>{page.kit()}</script>")
        figure.header.add_child(library, name="tdh_kit")
        own = f"{self.get_name()}-spec"
        parts = [
            f'<script type="application/json" id="{own}">{codec.json_block(self.spec)}</script>'
        ]
        parts += [
            f'<script type="text/plain" id="{own}-{key}">{text}</script>'
            for key, text in self.blocks.items()
        ]
        figure.html.add_child(page.Raw("\n".join(parts)), name=own)
        super().render(**kwargs)
        return ""


def _carrier(run: Any, carrier: str) -> Any:
    """A carrier of the run by its id."""
    for known in run.carriers:
        if known.id == carrier:
            return known
    raise InputError(
        Problem(
            Text("the run has no such carrier", "その事業者は計算結果にありません"),
            value=carrier,
            expected=", ".join(c.id for c in run.carriers),
        )
    )


def _raster(
    run: Any, codes: np.ndarray, name: str, show: bool, opacity: float, **spec: Any
) -> CanvasLayer:
    grid = run.grid
    spec |= {
        "grid": {"rows": grid.n_rows, "cols": grid.n_cols, "cell_m": grid.cell_size_m},
        "geo": georeference.polynomials(grid),
        "opacity": opacity,
    }
    return CanvasLayer("raster", spec, {"data": codec.raster(codes)}, name, show)


def signal_layer(
    run: Any,
    carrier: str,
    band: str,
    when: When = "after",
    *,
    threshold_dbm: float | None = None,
    opacity: float = 0.8,
    name: str | None = None,
    language: Language = "ja",
    show: bool = True,
) -> CanvasLayer:
    """The best server's SS-RSRP: orange below a threshold and blue above it.

    Parameters
    ----------
    run : Run
        A finished run.
    carrier, band : str
        Whose signal.
    when : {"before", "after"}
        Without or with the plan.
    threshold_dbm : float, optional
        Where the colours meet; by default the level from which the band counts as covered.
    opacity : float
        0 to 1.
    name : str, optional
        Name in a layer control.
    language : {"ja", "en"}
    show : bool
        Whether it is on when the map opens.

    Raises
    ------
    InputError
        If the run has no such carrier or band.
    """
    found = _carrier(run, carrier)
    if band not in found.bands:
        raise InputError(
            Problem(
                Text("the carrier has no such band", "その事業者にそのバンドはありません"),
                value=band,
                expected=", ".join(found.bands),
            )
        )
    inside = np.zeros(run.grid.shape, dtype=bool)
    inside[run.cells["row"].to_numpy(), run.cells["col"].to_numpy()] = True
    codes = codec.signal_codes(run.signal(carrier, band, when), inside)
    level = run.bands[carrier, band].covered_dbm if threshold_dbm is None else threshold_dbm
    words = Text("signal {c} {b}, {w}", "電波 {c} {b} {w}", c=found.name, b=band, w=_when(when))
    return _raster(
        run,
        codes,
        name or words.render(language),
        show,
        opacity,
        threshold=int(np.ceil((level - codec.FLOOR_DBM) / codec.STEP_DB)),
        predicted=True,
        pool="min",
    )


def _when(when: str) -> Text:
    return Text("today", "現状") if when == "before" else Text("with the plan", "計画後")


def gap_layer(
    run: Any,
    carrier: str | None = None,
    *,
    at_least: int = 1,
    opacity: float = 0.75,
    name: str | None = None,
    language: Language = "ja",
    show: bool = True,
) -> CanvasLayer:
    """Where service is missing: what the plan closes (blue) and what it leaves (orange).

    Parameters
    ----------
    run : Run
        A finished run.
    carrier : str, optional
        Whose gap; by default where fewer than ``at_least`` carriers serve.
    at_least : int
        How many carriers must serve, where no carrier is named.
    opacity, name, language, show
        As for :func:`signal_layer`.

    Raises
    ------
    InputError
        If the run has no such carrier.
    """
    found = display.service(run)
    if carrier is None:
        before, after = (found.count(when) >= at_least for when in ("before", "after"))
        words = Text("gap ({n} or more)", "不足({n}社以上)", n=at_least)
    else:
        known = _carrier(run, carrier)
        before, after = (found.served[carrier, when] for when in ("before", "after"))
        words = Text("gap of {c}", "{c}の不足", c=known.name)
    codes = np.zeros(run.grid.shape, dtype=np.uint8)
    rows, cols = run.cells["row"].to_numpy(), run.cells["col"].to_numpy()
    codes[rows, cols] = np.where(before, 1, np.where(after, 2, 3))
    colours = [None, display.SERVED_COLOUR, display.CLOSED_COLOUR, display.GAP_COLOUR]
    return _raster(
        run,
        codes,
        name or words.render(language),
        show,
        opacity,
        colours=colours,
        predicted=True,
        pool="max",
    )


def _lonlat(geometry: Any) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Millionths of a degree from an origin south-west of all points, and the origin."""
    points = geometry.to_crs(georeference.GEOGRAPHIC_CRS)
    lon, lat = points.x.to_numpy(), points.y.to_numpy()
    if not len(lon):
        return lon, lat, [0.0, 0.0]
    origin = [round(float(v.min()) - 0.001, 6) for v in (lon, lat)]
    return np.rint((lon - origin[0]) * 1e6), np.rint((lat - origin[1]) * 1e6), origin


class _Points:
    """Columns, texts and facts of a layer of points, gathered one by one."""

    def __init__(self, geometry: Any) -> None:
        lon, lat, self.origin = _lonlat(geometry)
        self.n = len(lon)
        self.columns: dict[str, tuple[Any, str]] = {"lon": (lon, "u32d"), "lat": (lat, "u32d")}
        self.lists: list[str] = []
        self.facts: list[dict[str, Any]] = []
        self.blocks: dict[str, str] = {}

    def number(self, column: str, word: str, values: Any, unit: str = "") -> None:
        """A fact in tenths; missing values are not shown."""
        self.columns[column] = (u16(pd.Series(values)), "u16")
        fact = {"word": word, "column": column, "scale": 10, "less": 0, "unit": unit}
        self.facts.append(fact)

    def text(self, column: str, word: str, values: Any) -> None:
        """A fact in words that repeat."""
        cleaned = pd.Series(values, dtype=object).fillna("").astype(str)
        codes, texts = pd.factorize(cleaned)
        self.columns[column] = (codes, "u32")
        self.facts.append({"word": word, "column": column, "texts": len(self.lists)})
        self.lists += [str(t) for t in texts]

    def layer(self, draw: str, names: Any, title: str, show: bool, **spec: Any) -> CanvasLayer:
        """The layer of all that was gathered."""
        layout, self.blocks["data"] = codec.columns(self.columns)
        if names is not None:
            self.blocks["names"] = codec.words(names)
        self.blocks["lists"] = codec.words(self.lists)
        spec |= {"draw": draw, "layout": layout, "n": self.n, "origin": self.origin}
        spec |= {"facts": self.facts, "lists": len(self.lists), "named": names is not None}
        return CanvasLayer("points", spec, self.blocks, title, show)


def assets_layer(
    run: Any, *, name: str | None = None, language: Language = "ja", show: bool = True
) -> CanvasLayer:
    """Assets as dots, darker the higher their best score; far out they are counted.

    A click tells an asset's name, kind, owner, height and best score.

    Parameters
    ----------
    run : Run
        A finished run.
    name, language, show
        As for :func:`signal_layer`.
    """
    frame = run.assets
    if "in_area" in frame.columns:
        frame = frame[frame["in_area"].fillna(True).astype(bool)]
    best = display.best_scores(run.scores)["score"].reindex(frame.index).fillna(0)
    kinds = display.kind_labels(language)
    say = {k: t.render(language) for k, t in _FACTS.items()}
    points = _Points(frame.geometry)
    points.columns["score"] = (np.rint(best), "u8")
    points.text("kind", say["kind"], [kinds.get(k, k) for k in frame["kind"]])
    points.text("owner", say["owner"], frame["owner"])
    points.number("height", say["height"], frame["height_agl_m"], " m")
    points.number("best", say["score"], best)
    title = name or Text("assets", "アセット").render(language)
    return points.layer("dot", frame["name"], title, show)


_FACTS: dict[str, Text] = {
    "kind": Text("Kind", "種別"),
    "owner": Text("Owner", "所有者"),
    "height": Text("Height", "高さ"),
    "score": Text("Best score", "最高スコア"),
    "carrier": Text("Carrier", "事業者"),
    "band": Text("Band", "バンド"),
    "order": Text("Choice", "選定順"),
    "evidence": Text("Evidence", "根拠"),
    "customers": Text("Customers (modelled)", "利用者(計算値)"),
    "kbps": Text("For each of them", "1人あたり容量"),
    "gained": Text("People gained", "増分充足人口"),
}


_SITE_KINDS = {
    "known": Text("known site", "既知の局"),
    "estimated": Text("estimated site", "推定した局"),
}


def sites_layer(
    run: Any,
    carrier: str | None = None,
    *,
    name: str | None = None,
    language: Language = "ja",
    show: bool = True,
) -> CanvasLayer:
    """Present sites with the directions of their sectors, of one carrier or of all.

    A click tells carrier, band, height, whether the site is known or estimated and, where the run
    has loads, its customers and what is left for each.

    Parameters
    ----------
    run : Run
        A finished run.
    carrier : str, optional
        Whose sites.
    name, language, show
        As for :func:`signal_layer`.

    Raises
    ------
    InputError
        If the run has no such carrier.
    """
    held = today.sites(run)
    frame = held.table
    title = Text("present sites", "既存の基地局")
    if carrier is not None:
        title = Text("{c}: present sites", "{c} 既存局", c=_carrier(run, carrier).name)
        frame = frame[frame["carrier_id"] == carrier]
    ids = [c.id for c in run.carriers]
    points = _Points(frame.geometry)
    points.columns["azimuth"] = (u16(frame["azimuth_deg"] % 360), "u16")
    points.columns["carrier"] = (frame["carrier_id"].map(ids.index), "u8")
    names = {c.id: c.name for c in run.carriers}
    points.text("who", _FACTS["carrier"].render(language), frame["carrier_id"].map(names))
    points.text("band", _FACTS["band"].render(language), frame["band"])
    say = {k: t.render(language) for k, t in _FACTS.items()}
    points.number("height", say["height"], frame["antenna_height_agl_m"], " m")
    if "evidence" in frame:
        kinds = {k: t.render(language) for k, t in _SITE_KINDS.items()}
        points.text("evidence", say["evidence"], frame["evidence"].map(kinds))
    if held.known:
        for column, key, unit in (
            ("customers", "customers", ""),
            ("kbps_per_customer", "kbps", " kbit/s"),
        ):
            told = [f"{v:,.0f}{unit}" if v == v else "" for v in frame[column]]
            points.text(key, say[key], told)
    return points.layer(
        "site",
        None,
        name or title.render(language),
        show,
        colours=[display.colours(run)[c] for c in ids],
        beam=details.BEAM_DEG,
    )


def offers_layer(
    run: Any,
    carrier: str | None = None,
    *,
    name: str | None = None,
    language: Language = "ja",
    show: bool = True,
) -> CanvasLayer:
    """Chosen assets with the directions of their antennas, of one carrier or of all.

    Parameters
    ----------
    run : Run
        A finished run; one without antennas shows marks only.
    carrier : str, optional
        To whom they are offered.
    name, language, show
        As for :func:`signal_layer`.

    Raises
    ------
    InputError
        If the run has no such carrier.
    """
    frame = run.plan
    title = Text("chosen assets", "選定したアセット")
    if carrier is not None:
        title = Text("{c}: chosen", "{c} 選定", c=_carrier(run, carrier).name)
        frame = frame[frame["carrier_id"] == carrier]
    ids = [c.id for c in run.carriers]
    names = {c.id: c.name for c in run.carriers}
    sectors: dict[tuple[str, str], list[float | None]] = {}
    table = details.antennas(run)
    if table is not None:
        unique = table.drop_duplicates(["asset_id", "carrier_id", "azimuth_deg"])
        for row in unique.itertuples():
            azimuth = None if row.azimuth_deg != row.azimuth_deg else float(row.azimuth_deg)
            sectors.setdefault((row.asset_id, row.carrier_id), []).append(azimuth)
    points = _Points(frame.geometry)
    points.columns["carrier"] = (frame["carrier_id"].map(ids.index), "u8")
    points.text("who", _FACTS["carrier"].render(language), frame["carrier_id"].map(names))
    points.number("order", _FACTS["order"].render(language), frame["order"])
    points.text(
        "gained", _FACTS["gained"].render(language), [f"{v:,.0f}" for v in frame["people_gained"]]
    )
    return points.layer(
        "offer",
        run.assets["name"].reindex(frame["asset_id"]),
        name or title.render(language),
        show,
        colours=[display.colours(run)[c] for c in ids],
        shapes=[display.SHAPES[i % len(display.SHAPES)] for i in range(len(ids))],
        sectors=[
            sectors.get(key, []) for key in zip(frame["asset_id"], frame["carrier_id"], strict=True)
        ],
        beam=details.BEAM_DEG,
    )


def places_layer(
    run: Any, *, name: str | None = None, language: Language = "ja", show: bool = True
) -> CanvasLayer:
    """Priority places and stations.

    Parameters
    ----------
    run : Run
        A finished run.
    name, language, show
        As for :func:`signal_layer`.

    Raises
    ------
    InputError
        If the run names no places.
    """
    frame = details.places(run)
    if frame is None:
        raise InputError(
            Problem(
                Text("the run has no places", "計算結果に施設がありません"),
                fix=Text("name them in the scenario", "シナリオに施設を書いてください"),
            )
        )
    kinds = list(details.PLACE_KINDS)
    found = [details.place_kind(k) for k in frame["kind"]]
    points = _Points(frame.geometry.representative_point())
    points.columns["kind"] = (np.array([kinds.index(k) for k in found]), "u8")
    labels = [details.PLACE_KINDS[k].render(language) for k in found]
    points.text("what", _FACTS["kind"].render(language), labels)
    return points.layer(
        "place",
        frame["name"],
        name or Text("places", "重点施設・駅").render(language),
        show,
        kinds=[{"id": k, "glyph": GLYPHS[k].render(language)} for k in kinds],
    )


def regions_layer(
    run: Any, carrier: str, *, name: str | None = None, language: Language = "ja", show: bool = True
) -> folium.FeatureGroup:
    """Outlines of a carrier's largest gaps of today, the regions that the plan's own map shows.

    A click tells people, what the plan leaves of them, and the reason. A run without table
    ``gap_regions`` shows the gaps that remain after the plan.

    Parameters
    ----------
    run : Run
        A finished run.
    carrier : str
        Whose gaps.
    name, language, show
        As for :func:`signal_layer`.

    Raises
    ------
    InputError
        If the run has no such carrier.
    """
    known = _carrier(run, carrier)
    table = display.todays_regions(run)
    if table is None:
        title = Text("{c}: gaps that remain", "{c} 残る不足地区", c=known.name)
        table = display.gap_regions(run)
    else:
        title = Text("{c}: gaps of today", "{c} 不足地区(現状)", c=known.name)
    safe = escape(name or title.render(language)).replace("{", "&#123;").replace("}", "&#125;")
    group = folium.FeatureGroup(name=safe, show=show)
    table = table[table["carrier_id"] == carrier]
    shapes = table.geometry.simplify(run.grid.cell_size_m).to_crs(georeference.GEOGRAPHIC_CRS)
    for row, shape in zip(table.itertuples(), shapes, strict=True):
        words = _region_words(row, language)
        for part in shapely.get_parts(shape):
            ring = [(y, x) for x, y in part.exterior.coords]
            # All of it is numbers and words of our own: nothing in it comes from a register.
            folium.Polygon(
                ring,
                color=display.colours(run)[carrier],
                weight=2.2,
                dash_array="5 4",
                fill=False,
                tooltip=words,
            ).add_to(group)
    return group


def _region_words(row: Any, language: Language) -> str:
    """Rank, people and reason of a region; of a gap that remains, rank and people."""
    if not hasattr(row, "reason"):
        text = Text("#{r}: {n:,.0f} people", "#{r}: {n:,.0f} 人", r=row.rank, n=row.people)
        return text.render(language)
    people = Text("#{r}: {n:,.0f} people", "#{r}: {n:,.0f} 人", r=row.rank, n=row.unmet_people)
    return f"{people.render(language)} ({gaps.REASONS[row.reason].render(language)})"


__all__ = [
    "CanvasLayer",
    "assets_layer",
    "gap_layer",
    "offers_layer",
    "places_layer",
    "regions_layer",
    "signal_layer",
    "sites_layer",
]
