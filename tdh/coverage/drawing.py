"""A link's path profile as a picture: SVG that stands alone, for pages, popups and printing."""

from __future__ import annotations

from html import escape

import numpy as np

from tdh.coverage.explain import Link
from tdh.errors import InputError, Problem
from tdh.language import Language, Text

_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 12.0, 46.0, 34.0
_CLEAR, _BLOCKED = "#1b7837", "#b2182b"


def profile_svg(
    link: Link, *, width: int = 640, height: int = 260, language: Language | None = None
) -> str:
    """Draw the cut from the site to the place: ground, buildings, the line and what blocks it.

    Parameters
    ----------
    link : Link
        From :func:`tdh.coverage.explain_link`, over a surface.
    width, height : int
        Size in pixels.
    language : {"en", "ja"}, optional
        By default the language in force.

    Returns
    -------
    str
        An ``<svg>`` element without links to anything outside; text from registers is escaped.

    Raises
    ------
    InputError
        If the link has no profile, because there is no surface.
    """
    if link.profile is None:
        raise InputError(
            Problem(
                Text("there is no profile without a surface", "地表面がないので断面図を描けません"),
                where=link.site_id,
            )
        )
    cut = link.profile
    low = float(min(cut.ground_m.min(), cut.line_m.min()))
    high = float(max(cut.top_m.max(), cut.line_m.max())) + 2.0
    span = max(high - low, 10.0)
    length = max(float(cut.distance_m[-1]), 1.0)

    def x(distance: float) -> float:
        return _LEFT + distance / length * (width - _LEFT - _RIGHT)

    def y(level: float) -> float:
        return height - _BOTTOM - (level - low) / span * (height - _TOP - _BOTTOM)

    def area(levels: np.ndarray) -> str:
        points = " ".join(
            f"{x(float(d)):.1f},{y(float(h)):.1f}"
            for d, h in zip(cut.distance_m, levels, strict=True)
        )
        return f"{x(0):.1f},{y(low):.1f} {points} {x(length):.1f},{y(low):.1f}"

    def label(text: Text) -> str:
        return escape(text.render(language))

    def word(px: float, py: float, text: str, anchor: str = "middle", color: str = "#333") -> str:
        return (
            f'<text x="{px:.1f}" y="{py:.1f}" text-anchor="{anchor}" fill="{color}">{text}</text>'
        )

    seen = bool(link.line_of_sight)
    color = _CLEAR if seen else _BLOCKED
    state = Text("in line of sight", "見通し内") if seen else Text("blocked", "見通し外")
    title = Text(
        "{site}, {band}: {rsrp:.1f} dBm, {state}, {d:.0f} m",
        "{site}・{band}:{rsrp:.1f} dBm、{state}、{d:.0f} m",
        site=link.site_id,
        band=link.band.id,
        rsrp=link.rsrp_dbm,
        state=state,
        d=link.distance_m,
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" font-family="sans-serif" font-size="11">',
        f"<title>{label(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        word(_LEFT, 18, label(title), "start", "#111"),
        f'<polygon points="{area(cut.top_m)}" fill="#b8b8c4"/>',
        f'<polygon points="{area(cut.ground_m)}" fill="#8c7b64"/>',
    ]
    for level in _ticks(low, low + span):
        parts.append(
            f'<line x1="{_LEFT}" x2="{width - _RIGHT}" y1="{y(level):.1f}" y2="{y(level):.1f}" '
            'stroke="#ddd" stroke-width="0.6"/>'
        )
        parts.append(word(_LEFT - 5, y(level) + 4, f"{level:g} m", "end"))
    for distance in _ticks(0.0, length):
        parts.append(word(x(distance), height - 18, f"{distance:g} m"))
    parts.append(
        f'<line x1="{x(0):.1f}" y1="{y(float(cut.line_m[0])):.1f}" x2="{x(length):.1f}" '
        f'y2="{y(float(cut.line_m[-1])):.1f}" stroke="{color}" stroke-width="1.6"/>'
    )
    for distance, level in ((0.0, cut.line_m[0]), (length, cut.line_m[-1])):
        parts.append(
            f'<circle cx="{x(distance):.1f}" cy="{y(float(level)):.1f}" r="3.5" fill="{color}"/>'
        )
    if link.edge is not None:
        at, top = x(link.edge.distance_m), y(link.edge.top_m)
        note = Text(
            "{m:.0f} m above the line", "見通し線より {m:.0f} m 高い", m=link.edge.above_line_m
        )
        parts.append(
            f'<path d="M{at:.1f} {top:.1f} l-4 -8 h8 z" fill="{_BLOCKED}"/>'
            + word(min(max(at, 110), width - 110), max(top - 11, 28), label(note), color=_BLOCKED)
        )
    ends = (Text("site", "設置点"), Text("place", "地点"))
    parts.append(word(x(0), height - 4, label(ends[0]), "start"))
    parts.append(word(x(length), height - 4, label(ends[1]), "end"))
    return "".join(parts) + "</svg>"


def _ticks(low: float, high: float) -> list[float]:
    """Round values within a range, four or so."""
    step = 10.0 ** np.floor(np.log10((high - low) / 3))
    while (high - low) / step > 6:
        step *= 2.0 if (high - low) / step < 12 else 2.5
    first = np.ceil(low / step) * step
    return [float(round(v, 6)) for v in np.arange(first, high, step)]
