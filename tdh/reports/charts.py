"""Charts and a map picture as SVG, for reports that must print well without any script.

All text goes through ElementTree, which escapes it.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import shapely
from markupsafe import Markup

from tdh import display
from tdh.language import Language, Text

FONT = "'Noto Sans JP','Noto Sans CJK JP','Yu Gothic','Hiragino Sans',Meiryo,sans-serif"
INK, SOFT, LINE = "#1b2733", "#4c5b68", "#c9d3db"
SOME_GAP_COLOUR = "#f3c9a5"

# Value of the raster, colour, words; in the order of the legend.
LEGEND_ONE: tuple[tuple[int, str, Text], ...] = (
    (3, display.GAP_COLOUR, Text("gap that remains", "計画後も不足")),
    (2, display.CLOSED_COLOUR, Text("closed by the plan", "計画で解消")),
    (1, display.SERVED_COLOUR, Text("served today", "現状で充足")),
)
LEGEND_ALL: tuple[tuple[int, str, Text], ...] = (
    (4, display.GAP_COLOUR, Text("no carrier serves", "全社不足")),
    (2, SOME_GAP_COLOUR, Text("some carrier lacks", "一部の事業者が不足")),
    (3, display.CLOSED_COLOUR, Text("closed by the plan", "計画で不足を解消")),
    (1, display.SERVED_COLOUR, Text("all carriers serve", "現状で全社充足")),
)
SIMPLIFY_CELLS = 0.6
MOST_PIXELS = 1400


def new_svg(width: float, height: float, label: str) -> ET.Element:
    """An empty picture, named for readers who cannot see it."""
    root = ET.Element(
        "svg",
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
    )
    root.set("font-family", FONT)
    root.set("aria-label", label)
    return root


def draw_text(parent: ET.Element, x: float, y: float, text: str, **attributes: Any) -> ET.Element:
    """A text; attributes with ``_`` for ``-``."""
    node = ET.SubElement(parent, "text", x=f"{x:.1f}", y=f"{y:.1f}", fill=INK)
    node.set("font-size", "12")
    for name, value in attributes.items():
        node.set(name.replace("_", "-"), str(value))
    node.text = text
    return node


def draw_line(
    parent: ET.Element, x1: float, y1: float, x2: float, y2: float, stroke: str = LINE
) -> None:
    """A straight line."""
    ET.SubElement(
        parent,
        "line",
        x1=f"{x1:.1f}",
        y1=f"{y1:.1f}",
        x2=f"{x2:.1f}",
        y2=f"{y2:.1f}",
        stroke=stroke,
    )


def markup(root: ET.Element) -> Markup:
    """The picture as text that a template takes as it is."""
    return Markup(ET.tostring(root, encoding="unicode"))


def nice_step(largest: float, parts: int = 4) -> float:
    """A round step that divides an axis into about so many parts.

    >>> nice_step(930)
    200.0
    """
    if largest <= 0:
        return 1.0
    raw = largest / parts
    power = 10.0 ** math.floor(math.log10(raw))
    return float(next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.85))


def shape_path(shape: str, x: float, y: float, r: float) -> str:
    """The path of a carrier's mark, the same as on the map."""
    if shape == "circle":
        return f"M{x - r:.1f} {y:.1f}a{r} {r} 0 1 1 {2 * r} 0a{r} {r} 0 1 1 {-2 * r} 0Z"
    if shape == "square":
        s = 0.88 * r
        return f"M{x - s:.1f} {y - s:.1f}h{2 * s:.1f}v{2 * s:.1f}h{-2 * s:.1f}Z"
    corners = {"triangle": 3, "diamond": 4, "pentagon": 5}.get(shape, 6)
    far = r * (1.25 if corners == 3 else 1.15)
    points = [
        (
            x + far * math.cos(2 * math.pi * i / corners - math.pi / 2),
            y
            + (0.2 * r if corners == 3 else 0)
            + far * math.sin(2 * math.pi * i / corners - math.pi / 2),
        )
        for i in range(corners)
    ]
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points) + "Z"


def _mark(parent: ET.Element, shape: str, x: float, y: float, r: float, colour: str) -> None:
    ET.SubElement(
        parent,
        "path",
        {"d": shape_path(shape, x, y, r), "fill": colour, "stroke": "#fff", "stroke-width": "1.2"},
    )


def before_after(
    labels: Sequence[str], before: Sequence[float], after: Sequence[float], language: Language
) -> Markup:
    """Bars of people in a gap, today and with the plan, one pair a row."""
    words = {
        "title": Text("People in a gap", "不足人口"),
        "before": Text("today", "現状"),
        "after": Text("with the plan", "計画後"),
    }
    left, right, row, width = 150.0, 130.0, 40.0, 720.0
    height = row * len(labels) + 48
    root = new_svg(width, height, words["title"].render(language))
    largest = max([*before, *after, 1.0])
    step = nice_step(largest)
    scale = (width - left - right) / max(largest, step)
    ticks = int(largest // step)
    for k in range(ticks + 1):
        x = left + k * step * scale
        draw_line(root, x, 22, x, height - 22)
        draw_text(
            root, x, height - 7, f"{k * step:,.0f}", text_anchor="middle", font_size=11, fill=SOFT
        )
    for i, (key, colour) in enumerate((("before", "#e0955f"), ("after", display.CLOSED_COLOUR))):
        x = left + 130 * i
        ET.SubElement(root, "rect", x=f"{x}", y="3", width="12", height="12", fill=colour)
        draw_text(root, x + 17, 13, words[key].render(language))
    for i, (label, b, a) in enumerate(zip(labels, before, after, strict=True)):
        y = 24 + i * row
        draw_text(root, left - 8, y + 22, label, text_anchor="end", font_size=13)
        for value, colour, top in ((b, "#e0955f", y + 3), (a, display.CLOSED_COLOUR, y + 18)):
            ET.SubElement(
                root,
                "rect",
                x=f"{left}",
                y=f"{top}",
                width=f"{value * scale:.1f}",
                height="13",
                fill=colour,
            )
        change = a - b
        percent = f" ({change / b:+.1%})" if b > 0 else ""
        draw_text(
            root, left + max(a, b) * scale + 6, y + 22, f"{change:+,.0f}{percent}", font_size=12
        )
    return markup(root)


def gains(series: Sequence[tuple[str, str, str, Sequence[float]]], language: Language) -> Markup:
    """People gained, summed in the order of choice: where the curve flattens, more sites bring less.

    Parameters
    ----------
    series : sequence of (name, colour, shape, gains)
        One a carrier; gains in the order of choice.
    """
    title = Text("People gained by number of sites", "提供数と増分充足人口(累計)")
    width, height, left, right, bottom, top = 540.0, 300.0, 58.0, 158.0, 44.0, 16.0
    root = new_svg(width, height, title.render(language))
    sums = [np.concatenate([[0.0], np.cumsum(values)]) for *_, values in series]
    most = max((len(s) - 1 for s in sums), default=1) or 1
    largest = max((float(s[-1]) for s in sums), default=1.0) or 1.0
    step = nice_step(largest)
    ceiling = math.ceil(largest / step) * step
    sx, sy = (width - left - right) / most, (height - top - bottom) / ceiling
    for k in range(round(ceiling / step) + 1):
        y = height - bottom - k * step * sy
        draw_line(root, left, y, width - right, y)
        draw_text(
            root, left - 7, y + 4, f"{k * step:,.0f}", text_anchor="end", font_size=11, fill=SOFT
        )
    stride = max(1, round(nice_step(most, 6)))
    for k in range(0, most + 1, stride):
        draw_text(
            root,
            left + k * sx,
            height - bottom + 16,
            str(k),
            text_anchor="middle",
            font_size=11,
            fill=SOFT,
        )
    draw_text(
        root,
        (left + width - right) / 2,
        height - 6,
        Text("sites", "提供数(件)").render(language),
        text_anchor="middle",
    )
    ends: list[float] = []
    for (name, colour, shape, _), total in sorted(
        zip(series, sums, strict=True), key=lambda pair: -float(pair[1][-1])
    ):
        points = " ".join(
            f"{left + i * sx:.1f},{height - bottom - v * sy:.1f}" for i, v in enumerate(total)
        )
        ET.SubElement(
            root,
            "polyline",
            {"points": points, "fill": "none", "stroke": colour, "stroke-width": "2.4"},
        )
        x, y = left + (len(total) - 1) * sx, height - bottom - float(total[-1]) * sy
        _mark(root, shape, x, y, 5.5, colour)
        # Labels of curves that end close together are moved apart.
        place = max([y + 4, *(e + 15 for e in ends)])
        ends.append(place)
        draw_text(
            root,
            width - right + 14,
            place,
            f"{name} {total[-1]:,.0f}",
            fill=colour,
            font_weight=700,
        )
    return markup(root)


def png(pixels: np.ndarray) -> bytes:
    """An RGBA picture as PNG."""
    rows, cols, _ = pixels.shape
    raw = np.concatenate([np.zeros((rows, 1), np.uint8), pixels.reshape(rows, -1)], axis=1)

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", cols, rows, 8, 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(raw.tobytes(), 9))
        + chunk(b"IEND", b"")
    )


def _rgb(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def classes(
    run: Any, found: display.Service, carriers: Sequence[str], least: int = 1
) -> np.ndarray:
    """1 where at least so many of the carriers serve today, 2 where with the plan, 3 where not.

    Returns
    -------
    array of uint8, shape (rows, cols)
        0 outside the area.
    """
    before = np.sum([found.served[c, "before"] for c in carriers], axis=0) >= least
    after = np.sum([found.served[c, "after"] for c in carriers], axis=0) >= least
    out = np.zeros(run.grid.shape, dtype=np.uint8)
    cells = run.cells
    out[cells["row"].to_numpy(), cells["col"].to_numpy()] = np.where(
        before, 1, np.where(after, 2, 3)
    )
    return out


def overview(found: display.Service, n_carriers: int) -> np.ndarray:
    """What the plan does for all carriers at once, one value a cell.

    Returns
    -------
    array of uint8
        1 all carriers serve today, 2 a gap remains for some carrier, 3 the plan closes some
        carrier's gap, 4 no carrier serves even with the plan.
    """
    before, after = found.count("before"), found.count("after")
    out = np.where(before == n_carriers, 1, 2)
    out[after > before] = 3
    out[after == 0] = 4
    return out.astype(np.uint8)


def _shrink(values: np.ndarray) -> np.ndarray:
    """At most so many pixels a side; a block with any gap stays a gap."""
    factor = max(1, math.ceil(max(values.shape) / MOST_PIXELS))
    if factor == 1:
        return values
    rows, cols = (math.ceil(n / factor) * factor for n in values.shape)
    padded = np.zeros((rows, cols), dtype=values.dtype)
    padded[: values.shape[0], : values.shape[1]] = values
    blocks = padded.reshape(rows // factor, factor, cols // factor, factor)
    pooled: np.ndarray = blocks.max(axis=(1, 3))
    return pooled


def map_picture(
    run: Any,
    found: display.Service,
    carriers: Sequence[str],
    language: Language,
    *,
    number: bool = False,
) -> Markup:
    """The plan's map as SVG: what is served, closed and left, municipalities, chosen sites.

    With one carrier, its gaps (:func:`classes`); with several, :func:`overview`.
    """
    grid = run.grid
    if len(carriers) == 1:
        image, entries = classes(run, found, carriers), LEGEND_ONE
    else:
        image = np.zeros(run.grid.shape, dtype=np.uint8)
        cells = run.cells
        rows, cols = cells["row"].to_numpy(), cells["col"].to_numpy()
        image[rows, cols] = overview(found, len(carriers))
        entries = LEGEND_ALL
    shown = _shrink(image)
    solid = [[*_rgb(colour), 255] for _, colour, _ in sorted(entries, key=lambda e: e[0])]
    palette = np.array([[0, 0, 0, 0], *solid], dtype=np.uint8)
    width = 900.0
    scale = width / grid.n_cols
    map_height = grid.n_rows * scale
    root = new_svg(width, map_height + 30, Text("Map of the plan", "計画の地図").render(language))
    picture = base64.b64encode(png(palette[shown])).decode("ascii")
    factor = math.ceil(
        max(grid.n_rows, grid.n_cols) / shown.shape[0 if grid.n_rows >= grid.n_cols else 1]
    )
    ET.SubElement(
        root,
        "image",
        {
            "href": f"data:image/png;base64,{picture}",
            "width": f"{shown.shape[1] * factor * scale:.1f}",
            "height": f"{shown.shape[0] * factor * scale:.1f}",
            "preserveAspectRatio": "none",
            "style": "image-rendering:pixelated",
        },
    )

    def place(x: float, y: float) -> tuple[float, float]:
        unit = scale / grid.cell_size_m
        return (x - grid.x_min_m) * unit, (grid.y_max_m - y) * unit

    for geometry in run.municipalities.geometry:
        simple = geometry.simplify(SIMPLIFY_CELLS * grid.cell_size_m)
        for polygon in shapely.get_parts(simple):
            ring = shapely.get_coordinates(polygon.exterior)
            points = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in ring)
            ET.SubElement(
                root,
                "polygon",
                {"points": points, "fill": "none", "stroke": "#48535e", "stroke-width": "1"},
            )
    for name, point in zip(
        run.municipalities["municipality"], run.municipalities.representative_point(), strict=True
    ):
        x, y = place(point.x, point.y)
        draw_text(
            root,
            x,
            y,
            str(name),
            text_anchor="middle",
            font_size=14,
            font_weight=700,
            stroke="#fff",
            stroke_width=3,
            paint_order="stroke",
        )
    colours = display.colours(run)
    order = {c.id: i for i, c in enumerate(run.carriers)}
    for row in run.plan[run.plan["carrier_id"].isin(carriers)].itertuples():
        x, y = place(row.geometry.x, row.geometry.y)
        shape = display.SHAPES[order[row.carrier_id] % len(display.SHAPES)]
        offset = 0.0 if len(carriers) == 1 else (order[row.carrier_id] - (len(order) - 1) / 2) * 3
        _mark(root, shape, x + offset, y, 6.5, colours[row.carrier_id])
        if number:
            draw_text(
                root,
                x + 9,
                y + 4,
                str(row.order),
                font_size=11,
                font_weight=700,
                stroke="#fff",
                stroke_width=2.5,
                paint_order="stroke",
            )
    _furniture(root, map_height, scale / grid.cell_size_m, language, entries)
    return markup(root)


def _furniture(
    root: ET.Element,
    top: float,
    pixels_per_m: float,
    language: Language,
    entries: Sequence[tuple[int, str, Text]],
) -> None:
    """Legend, scale bar and north arrow."""
    for i, (_, colour, text) in enumerate(entries):
        left = 4 + 156 * i
        ET.SubElement(
            root,
            "rect",
            x=f"{left}",
            y=f"{top + 9:.1f}",
            width="20",
            height="13",
            fill=colour,
            stroke="#666",
        )
        draw_text(root, left + 26, top + 20, text.render(language), font_size=13)
    length = nice_step(105 / pixels_per_m, 1)
    x = 880 - length * pixels_per_m
    ET.SubElement(
        root,
        "path",
        {
            "d": f"M{x:.1f} {top + 10:.1f}v9H880v-9",
            "fill": "none",
            "stroke": INK,
            "stroke-width": "1.6",
        },
    )
    label = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    draw_text(root, x - 6, top + 20, label, text_anchor="end", font_size=12)
    ET.SubElement(root, "path", {"d": "M876 8l8 22-8-5-8 5Z", "fill": INK})
    draw_text(
        root, 876, 43, Text("N", "北").render(language), text_anchor="middle", font_weight=700
    )


def mark(shape: str, colour: str) -> Markup:
    """A carrier's mark, to stand in a line of text."""
    root = ET.Element("svg", {"class": "mark", "viewBox": "-10 -10 20 20", "aria-hidden": "true"})
    ET.SubElement(root, "path", {"d": shape_path(shape, 0, 0, 8), "fill": colour})
    return markup(root)
