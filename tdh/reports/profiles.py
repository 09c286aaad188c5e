"""The cut along one link as a file: SVG by hand, PNG by matplotlib."""

from __future__ import annotations

import os
from pathlib import Path

from tdh import coverage
from tdh.coverage import Link
from tdh.errors import InputError, Problem
from tdh.files import atomic
from tdh.language import Language, Text, current
from tdh.reports.slides import japanese_font


def write_profile(
    link: Link, path: str | os.PathLike[str], language: Language | None = None, *, dpi: int = 144
) -> Path:
    """Write a link's path profile as ``.svg`` or ``.png``.

    Parameters
    ----------
    link : Link
        From :func:`tdh.coverage.explain_link`, over a surface.
    path : path
    language : {"ja", "en"}, optional
        By default the language in force.
    dpi : int
        Pixels an inch of a PNG 8 by 3.5 inches large.

    Raises
    ------
    InputError
        If the name ends in neither, or the link has no profile.
    SlideError
        For a PNG, if matplotlib or a font for Japanese text is not installed.
    """
    target, language = Path(path), language or current()
    suffix = target.suffix.lower()
    if suffix not in {".svg", ".png"}:
        raise InputError(
            Problem(
                Text(
                    "a picture ends in .svg or .png", "図のファイル名は .svg か .png にしてください"
                ),
                value=target.name,
            )
        )
    drawn = coverage.profile_svg(link, language=language)
    with atomic(target) as draft:
        if suffix == ".svg":
            draft.write_text(drawn, encoding="utf-8")
        else:
            _png(link, draft, language, dpi)
    return target


def _png(link: Link, path: Path, language: Language, dpi: int) -> None:
    font = japanese_font()
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cut = link.profile
    assert cut is not None
    state = (
        Text("in line of sight", "見通し内") if link.line_of_sight else Text("blocked", "見通し外")
    )
    color = "#1b7837" if link.line_of_sight else "#b2182b"
    with mpl.rc_context({"font.family": [font, "DejaVu Sans"], "text.parse_math": False}):
        figure = Figure(figsize=(8.0, 3.5), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        low = float(min(cut.ground_m.min(), cut.line_m.min()))
        axes.fill_between(cut.distance_m, low, cut.top_m, color="#b8b8c4", step="mid", lw=0)
        axes.fill_between(cut.distance_m, low, cut.ground_m, color="#8c7b64", lw=0)
        axes.plot(cut.distance_m, cut.line_m, color=color, lw=1.6)
        axes.plot(cut.distance_m[[0, -1]], cut.line_m[[0, -1]], "o", color=color, ms=5)
        if link.edge is not None:
            axes.annotate(
                Text(
                    "{m:.0f} m above the line",
                    "見通し線より {m:.0f} m 高い",
                    m=link.edge.above_line_m,
                ).render(language),
                (link.edge.distance_m, link.edge.top_m),
                xytext=(0, 12),
                textcoords="offset points",
                ha="center",
                color=color,
                arrowprops={"arrowstyle": "->", "color": color},
            )
        axes.set_xlim(0.0, max(float(cut.distance_m[-1]), 1.0))
        axes.set_ylim(bottom=low)
        axes.margins(y=0.2)
        axes.set_xlabel(Text("distance from the site (m)", "設置点からの距離 (m)").render(language))
        axes.set_ylabel(Text("height (m)", "標高 (m)").render(language))
        axes.set_title(
            f"{link.site_id}  {link.band.id}  {link.rsrp_dbm:.1f} dBm  {state.render(language)}",
            loc="left",
            fontsize=10,
        )
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, format="png", dpi=dpi)
