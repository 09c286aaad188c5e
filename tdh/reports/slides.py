"""The plan's maps as pictures for slides, drawn by matplotlib."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import shapely

from tdh import details, display
from tdh.errors import Problem, TdhError
from tdh.files import atomic
from tdh.language import Language, Text
from tdh.reports import charts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FONTS = (
    "Noto Sans CJK JP",
    "Noto Sans JP",
    "IPAexGothic",
    "IPAGothic",
    "Yu Gothic",
    "Hiragino Sans",
    "Meiryo",
    "TakaoGothic",
    "VL Gothic",
)
MARKERS = {
    "circle": "o",
    "square": "s",
    "triangle": "^",
    "diamond": "D",
    "pentagon": "p",
    "cross": "P",
}
SIZE_IN = (13.3334, 7.5)  # a 16:9 slide


class SlideError(TdhError):
    """Pictures cannot be drawn: matplotlib or a Japanese font is missing."""


def write_slides(
    run: Any, folder: str | os.PathLike[str], language: Language = "ja", *, dpi: int = 144
) -> list[Path]:
    """Write 16:9 pictures: the whole plan, and the gap of each carrier.

    Parameters
    ----------
    run : Run
        A finished run.
    folder : path
        Folder of the files; made if it is missing.
    language : {"ja", "en"}
    dpi : int
        Pixels an inch: 144 makes 1920 × 1080.

    Returns
    -------
    list of Path
        ``plan.png`` and ``gap-<carrier>.png``.

    Raises
    ------
    SlideError
        If matplotlib, or a font for Japanese text, is not installed.
    """
    font = japanese_font()
    found = display.service(run)
    everybody = [c.id for c in run.carriers]
    written = []
    for carrier in (None, *everybody):
        name = "plan.png" if carrier is None else f"gap-{carrier}.png"
        path = Path(folder) / name
        chosen = everybody if carrier is None else [carrier]
        with atomic(path) as draft:
            _draw(run, found, chosen, draft, language, font, dpi)
        written.append(path)
    return written


def japanese_font() -> str:
    """A font with Japanese characters that matplotlib knows.

    Raises
    ------
    SlideError
        If matplotlib, or such a font, is not installed.
    """
    try:
        from matplotlib import font_manager
    except ImportError as error:
        raise SlideError(
            Problem(
                Text("matplotlib is not installed", "matplotlibが入っていません"),
                fix=Text("pip install 'tdh[plots]'", "pip install 'tdh[plots]' を実行してください"),
            )
        ) from error
    known = {f.name for f in font_manager.fontManager.ttflist}
    for name in FONTS:
        if name in known:
            return name
    raise SlideError(
        Problem(
            Text("no font for Japanese text is installed", "日本語フォントが入っていません"),
            expected=", ".join(FONTS[:4]),
            fix=Text("install Noto Sans CJK JP", "Noto Sans CJK JP を入れてください"),
        )
    )


def _draw(
    run: Any,
    found: display.Service,
    carriers: list[str],
    path: Path,
    language: Language,
    font: str,
    dpi: int,
) -> None:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({"font.family": font, "axes.unicode_minus": False}):
        figure = Figure(figsize=SIZE_IN, dpi=dpi, facecolor="#ffffff")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.02, 0.06, 0.70, 0.80))
        entries = _raster(axes, run, found, carriers)
        _lines(axes, run)
        _marks(axes, run, carriers)
        _furniture(axes, run, language)
        _words(figure, run, found, carriers, entries, language)
        # No date in the file: the same run gives the same bytes.
        figure.savefig(path, format="png", metadata={"Software": "tdh"})


def _raster(axes: Axes, run: Any, found: display.Service, carriers: list[str]) -> Any:
    """Who lacks service, as coloured cells; the legend's entries."""
    grid = run.grid
    if len(carriers) == 1:
        image, entries = charts.classes(run, found, carriers), charts.LEGEND_ONE
    else:
        image = np.zeros(grid.shape, dtype=np.uint8)
        cells = run.cells
        served = charts.overview(found, len(carriers))
        image[cells["row"].to_numpy(), cells["col"].to_numpy()] = served
        entries = charts.LEGEND_ALL
    palette = np.zeros((5, 4), dtype=np.uint8)
    for code, colour, _ in entries:
        palette[code] = [*(int(colour[i : i + 2], 16) for i in (1, 3, 5)), 255]
    left, bottom, right, top = grid.bounds
    axes.imshow(palette[image], extent=(left, right, bottom, top), interpolation="nearest")
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_aspect("equal")
    axes.set_axis_off()
    return entries


def _lines(axes: Axes, run: Any) -> None:
    from matplotlib import patheffects

    halo = [patheffects.withStroke(linewidth=3, foreground="white")]
    shapes: gpd.GeoSeries = run.municipalities.geometry
    for shape in shapely.coverage_simplify(shapes.to_numpy(), run.grid.cell_size_m * 0.6):
        for polygon in shapely.get_parts(shape):
            x, y = polygon.exterior.xy
            axes.plot(x, y, color="#48535e", linewidth=0.8)
    points = shapes.representative_point()
    for name, point in zip(run.municipalities["municipality"], points, strict=True):
        axes.text(
            point.x,
            point.y,
            _plain(name),
            ha="center",
            va="center",
            fontsize=9,
            fontweight="bold",
            color="#25323d",
            path_effects=halo,
        )
    places = details.places(run)
    if places is not None:
        inside = places[places["kind"] != "station"].to_crs(run.crs)
        spots = inside.geometry.representative_point()
        axes.scatter(spots.x, spots.y, marker="s", s=16, color="#0b3d63", linewidths=0.6,
                     edgecolors="white", zorder=3)  # fmt: skip


def _marks(axes: Axes, run: Any, carriers: list[str]) -> None:
    colours = display.colours(run)
    for i, carrier in enumerate(run.carriers):
        if carrier.id not in carriers:
            continue
        mine = run.plan[run.plan["carrier_id"] == carrier.id]
        # Marks of one asset stand side by side.
        others = run.plan[run.plan["carrier_id"].isin(carriers)]
        order = others.groupby("asset_id").cumcount()[mine.index].to_numpy()
        of = others["asset_id"].map(others["asset_id"].value_counts())[mine.index].to_numpy()
        width = 0.011 * (run.grid.bounds[2] - run.grid.bounds[0])
        axes.scatter(
            mine.geometry.x + (order - (of - 1) / 2) * width,
            mine.geometry.y,
            marker=MARKERS[display.SHAPES[i % len(display.SHAPES)]],
            s=70,
            color=colours[carrier.id],
            edgecolors="white",
            linewidths=1.2,
            zorder=4,
            label=_plain(carrier.name),
        )


def _plain(text: object) -> str:
    """Text that matplotlib does not read as mathematics, of characters that can be printed."""
    return "".join(c for c in str(text) if c.isprintable()).replace("$", r"\$")


def _furniture(axes: Axes, run: Any, language: Language) -> None:
    """Scale bar and north arrow."""
    from matplotlib import patheffects

    left, bottom, right, _ = run.grid.bounds
    length = charts.nice_step((right - left) / 4, 1)
    x, y = left + (right - left) * 0.02, bottom + (right - left) * 0.02
    for colour, width in (("white", 7), ("#1b2733", 3)):
        axes.plot([x, x + length], [y, y], color=colour, linewidth=width, solid_capstyle="butt")
    label = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    axes.annotate(
        label,
        (x + length / 2, y),
        path_effects=[patheffects.withStroke(linewidth=3, foreground="white")],
        xytext=(0, 5),
        textcoords="offset points",
        ha="center",
        fontsize=9,
    )
    axes.annotate(
        Text("N", "北").render(language),
        xy=(0.97, 0.98),
        xytext=(0.97, 0.89),
        xycoords="axes fraction",
        ha="center",
        fontsize=12,
        fontweight="bold",
        arrowprops={"arrowstyle": "-|>", "color": "#1b2733", "linewidth": 1.6},
    )


def _words(
    figure: Any,
    run: Any,
    found: display.Service,
    carriers: list[str],
    entries: Any,
    language: Language,
) -> None:
    """Title, figures, legend, notices and sources."""
    from matplotlib.patches import Patch

    names = {c.id: c.name for c in run.carriers}
    topic = (
        Text("Plan for all carriers", "全事業者の計画")
        if len(carriers) > 1
        else Text("Gap of {c}", "{c}の不足と解消", c=names[carriers[0]])
    )
    figure.text(0.02, 0.945, _plain(run.name), fontsize=12, color="#4c5b68")
    figure.text(0.02, 0.89, _plain(topic.render(language)), fontsize=24, fontweight="bold")
    parts = [run.summary["carriers"][c] for c in carriers]
    before, after = (sum(p[f"people_in_gap_{w}"] for p in parts) for w in ("before", "after"))
    facts = [
        (Text("Offers", "提供数"), f"{sum(p['sites'] for p in parts):,.0f}"),
        (Text("People in a gap, today", "不足人口(現状)"), f"{before:,.0f}"),
        (Text("People in a gap, with the plan", "不足人口(計画後)"), f"{after:,.0f}"),
    ]
    for i, (label, value) in enumerate(facts):
        y = 0.80 - 0.11 * i
        figure.text(0.745, y, label.render(language), fontsize=12, color="#4c5b68")
        figure.text(0.745, y - 0.052, value, fontsize=26, fontweight="bold", color="#0b5cad")
    axes = figure.axes[0]
    handles = [
        Patch(facecolor=colour, edgecolor="#666", label=text.render(language))
        for _, colour, text in entries
    ]
    marks, labels = axes.get_legend_handles_labels()
    figure.legend(
        [*handles, *marks],
        [*(h.get_label() for h in handles), *labels],
        loc="upper left",
        bbox_to_anchor=(0.735, 0.50),
        frameon=False,
        fontsize=12,
    )
    lines = [f"※ {_plain(n.render(language))}" for n in run.notices]
    lines.append(_plain(" / ".join(run.attributions)))
    figure.text(0.02, 0.012, "\n".join(lines), fontsize=7.5, color="#4c5b68", linespacing=1.35)
