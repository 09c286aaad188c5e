"""The programme's goals as a report tells them: what was met, what is missing, what is not known."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from tdh import details
from tdh.details import Goal
from tdh.language import Language, Text
from tdh.reports.figures import Bullet, bullets
from tdh.units import percent

MOST_BULLETS = 9


def value_text(value: float | None, unit: str, *, difference: bool = False) -> Text:
    """A goal's value with its unit; shares in percent, their differences in points."""
    if value is None:
        return Text("–", "–")
    if unit:
        return Text("{v:,.1f} {unit}", "{v:,.1f} {unit}", v=value, unit=unit)
    if difference:
        return Text("{v:.1f} points", "{v:.1f}ポイント", v=100 * value)
    return Text("{v}", "{v}", v=percent(value))


def state(goal: Goal) -> Text:
    """Whether a goal is met, and if not what is missing; empty without a target."""
    if goal.met is None or goal.target is None or goal.after is None:
        return Text("", "")
    if goal.met:
        return Text("met", "達成")
    missing = abs(goal.target - goal.after)
    return Text("{n} to go", "あと{n}", n=value_text(missing, goal.unit, difference=True))


def facts(run: Any, language: Language) -> dict[str, Any] | None:
    """The rows of the whole area, their picture, and what was not measured; None without goals."""
    names = {c.id: c.name for c in run.carriers}
    found = [goal for goal in details.goals(run) if not goal.municipality_code]
    if not found:
        return None
    rows = [_row(goal, names, language) for goal in found]
    return {
        "rows": [row for row in rows if row["measured"]],
        "unknown": [row for row in rows if not row["measured"]],
        "picture": _picture(found, names, language),
        "met": sum(goal.met is True for goal in found),
        "judged": sum(goal.met is not None for goal in found),
    }


def _row(goal: Goal, names: dict[str, str], language: Language) -> dict[str, Any]:
    return {
        "label": details.goal_label(goal.kpi).render(language),
        "who": details.who_label(goal.carrier_id, names).render(language),
        "carrier": goal.carrier_id,
        "before": value_text(goal.before, goal.unit).render(language),
        "after": value_text(goal.after, goal.unit).render(language),
        "target": value_text(goal.target, goal.unit).render(language),
        "year": goal.target_year,
        "state": state(goal).render(language),
        "met": goal.met,
        "measured": goal.measured,
        "note": goal.note.render(language),
    }


def _picture(found: list[Goal], names: dict[str, str], language: Language) -> Markup | None:
    """Goals with a target first, then the others that count any carrier or several."""
    drawn = [g for g in found if g.before is not None and g.after is not None]
    several = [g for g in drawn if g.target is None and g.carrier_id not in names]
    rows = [g for g in drawn if g.target is not None] + several
    if not rows:
        return None
    return bullets([_bullet(g, names, language) for g in rows[:MOST_BULLETS]], language)


def _bullet(goal: Goal, names: dict[str, str], language: Language) -> Bullet:
    before, after = goal.before or 0.0, goal.after or 0.0
    # Shares fill the track at one; amounts at the largest of what is shown.
    whole = max(before, after, goal.target or 0.0, 1e-9) if goal.unit else 1.0
    words = Text(
        "{before} → {after}",
        "{before} → {after}",
        before=value_text(before, goal.unit),
        after=value_text(after, goal.unit),
    ).render(language)
    told = state(goal).render(language)
    return Bullet(
        details.goal_label(goal.kpi).render(language),
        details.who_label(goal.carrier_id, names).render(language),
        min(before / whole, 1.0),
        min(after / whole, 1.0),
        None if goal.target is None else min(goal.target / whole, 1.0),
        f"{words}  {told}" if told else words,
        goal.met,
    )
