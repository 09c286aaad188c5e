"""Figures of goals and of paths, as SVG that stands in a page without a script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from markupsafe import Markup

from tdh import display
from tdh.details import Profile
from tdh.language import Language, Text
from tdh.reports.charts import INK, LINE, SOFT, draw_line, draw_text, markup, new_svg, nice_step

BEFORE_COLOUR = "#e0955f"
WORSE_COLOUR = "#a63603"


@dataclass(frozen=True)
class Bullet:
    """A row of :func:`bullets`: shares from 0 to 1 of the track, and the words beside it."""

    label: str
    who: str
    before: float
    after: float
    target: float | None
    text: str
    met: bool | None


def bullets(rows: Sequence[Bullet], language: Language) -> Markup:
    """Goals as bullets: today, with the plan, and a stroke at the target."""
    title = Text("Goals: today, with the plan, target", "目標: 現状・計画後・目標値")
    left, right, row, top, width = 232.0, 236.0, 31.0, 24.0, 900.0
    height = top + row * len(rows) + 6
    root = new_svg(width, height, title.render(language))
    scale = width - left - right
    keys = (
        (Text("today", "現状"), BEFORE_COLOUR),
        (Text("with the plan", "計画後"), display.CLOSED_COLOUR),
        (Text("target", "目標"), INK),
    )
    for i, (text, colour) in enumerate(keys):
        x = left + 120 * i
        wide = 3 if i == 2 else 12
        _rect(root, x, 3, wide, 12, colour)
        draw_text(root, x + 17, 13, text.render(language))
    for i, bullet in enumerate(rows):
        y = top + i * row
        draw_text(root, left - 10, y + 13, bullet.label, text_anchor="end", font_size=12.5)
        draw_text(root, left - 10, y + 26, bullet.who, text_anchor="end", font_size=11, fill=SOFT)
        _rect(root, left, y + 5, scale, 18, "#e9eef2")
        _rect(root, left, y + 7, scale * bullet.before, 6, BEFORE_COLOUR)
        _rect(root, left, y + 14, scale * bullet.after, 7, display.CLOSED_COLOUR)
        if bullet.target is not None:
            _rect(root, left + scale * bullet.target - 1.5, y + 2, 3, 24, INK)
        missed = bullet.met is False
        draw_text(
            root,
            left + scale + 10,
            y + 19,
            bullet.text,
            font_size=12,
            font_weight=700 if missed else 400,
            fill=WORSE_COLOUR if missed else INK,
        )
    return markup(root)


def _rect(parent: ET.Element, x: float, y: float, w: float, h: float, fill: str) -> None:
    where = {"x": x, "y": y, "width": max(w, 0.0), "height": h}
    ET.SubElement(parent, "rect", {k: f"{v:.1f}" for k, v in where.items()} | {"fill": fill})


def profile(path: Profile, language: Language) -> Markup:
    """What stands between an antenna and a place: terrain, buildings, the line of sight."""
    words = {
        True: Text("Line of sight", "見通しあり"),
        False: Text("Blocked", "見通しなし(遮蔽)"),
    }
    state = words[path.line_of_sight].render(language)
    width, height, left, right, top, bottom = 430.0, 168.0, 42.0, 12.0, 24.0, 36.0
    root = new_svg(width, height, state)
    along = path.distance_m - path.distance_m[0]
    length = max(float(along[-1]), 1e-9)
    low = float(min(path.ground_m.min(), path.receiver_m))
    # A tower on which an end stands may be far higher than the path: it is cut off above.
    tallest = float(path.top_m[path.between].max(initial=low))
    high = max(tallest, path.antenna_m, path.receiver_m, low + 5.0)
    step = nice_step(high - low)
    floor = math.floor(low / step) * step
    ceiling = max(floor + step, math.ceil(high / step) * step)

    def sx(distance: Any) -> Any:
        return left + (width - left - right) * distance / length

    def sy(level: Any) -> Any:
        return height - bottom - (height - top - bottom) * (level - floor) / (ceiling - floor)

    for k in range(round((ceiling - floor) / step) + 1):
        y = sy(floor + k * step)
        draw_line(root, left, y, width - right, y, LINE)
        draw_text(
            root,
            left - 6,
            y + 4,
            f"{floor + k * step:g}",
            text_anchor="end",
            font_size=11,
            fill=SOFT,
        )
    far = nice_step(length, 5)
    for k in range(int(length // far) + 1):
        x = sx(k * far)
        draw_line(root, x, height - bottom, x, height - bottom + 4, SOFT)
        draw_text(
            root,
            x,
            height - bottom + 16,
            f"{k * far:g}",
            text_anchor="middle",
            font_size=11,
            fill=SOFT,
        )
    base = sy(floor)
    for levels, colour in (
        (np.minimum(path.top_m, ceiling), "#9aa6b1"),
        (path.ground_m, "#cdb892"),
    ):
        _area(root, sx(along), sy(levels), np.full(along.size, base), colour)
    sight = path.sight_m
    over = (path.top_m > sight) & path.between
    for stretch in _stretches(over):
        _area(root, sx(along[stretch]), sy(path.top_m[stretch]), sy(sight[stretch]), "#c8470b")
    draw_line(root, left, sy(path.ground_m[0]), left, sy(path.antenna_m), INK)
    ray = ET.SubElement(root, "path", {"fill": "none", "stroke-width": "2"})
    ray.set("stroke", display.CLOSED_COLOUR if path.line_of_sight else WORSE_COLOUR)
    ray.set("d", f"M{left:.1f} {sy(path.antenna_m):.1f}L{sx(length):.1f} {sy(path.receiver_m):.1f}")
    if not path.line_of_sight:
        ray.set("stroke-dasharray", "6 4")
    for x, level in ((left, path.antenna_m), (sx(length), path.receiver_m)):
        ET.SubElement(root, "circle", cx=f"{x:.1f}", cy=f"{sy(level):.1f}", r="4", fill=INK)
    draw_text(root, 4, 13, Text("Height above datum (m)", "標高 (m)").render(language), fill=SOFT)
    draw_text(
        root,
        width - right,
        height - 4,
        Text("Distance from the antenna (m)", "アンテナからの距離 (m)").render(language),
        text_anchor="end",
        fill=SOFT,
    )
    colour = "#0a4f96" if path.line_of_sight else WORSE_COLOUR
    draw_text(root, width - right, 13, state, text_anchor="end", font_weight=700, fill=colour)
    return markup(root)


def _area(
    parent: ET.Element, x: np.ndarray, upper: np.ndarray, lower: np.ndarray, fill: str
) -> None:
    there = [f"{a:.1f} {b:.1f}" for a, b in zip(x, upper, strict=True)]
    back = [f"{a:.1f} {b:.1f}" for a, b in zip(x[::-1], lower[::-1], strict=True)]
    if np.ptp(lower) == 0:  # a level floor needs only its corners
        back = [back[0], back[-1]]
    ET.SubElement(parent, "path", {"d": f"M{'L'.join(there + back)}Z", "fill": fill})


def _stretches(mask: np.ndarray) -> list[np.ndarray]:
    """Positions of each run of true values."""
    at = np.flatnonzero(mask)
    return [part for part in np.split(at, np.flatnonzero(np.diff(at) > 1) + 1) if part.size]
