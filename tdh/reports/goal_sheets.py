"""Sheets of the programme's goals and of antennas, where a run holds them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tdh import details
from tdh.language import Text
from tdh.reports import goals as told
from tdh.reports.book import Book, Column

ANTENNAS = Text("Antennas", "アンテナ諸元")
GOALS = Text("Goals", "目標と指標")

_MEANINGS = (
    (
        ANTENNAS,
        Text(
            "One row per sector of each offer: direction, tilt, height and power assumed.",
            "提供案ごとのセクタ。想定した方位・チルト・高さ・電力です。",
        ),
    ),
    (
        GOALS,
        Text(
            "The programme's goals before and after the plan, of the area and of municipalities.",
            "プログラムの目標の現状と計画後(全域・市区町村別)。",
        ),
    ),
)


def sheets(run: Any, others: Iterable[tuple[Text, Text]]) -> list[tuple[Text, Text]]:
    """What the workbook's sheets are, with those of this module after the first."""
    held = {ANTENNAS: details.antennas(run) is not None, GOALS: bool(details.goals(run))}
    first, *rest = others
    return [first, *(entry for entry in _MEANINGS if held[entry[0]]), *rest]


def goals(book: Book, run: Any) -> None:
    """All goals, those of the whole area first; shares as percent, others in their unit."""
    found = details.goals(run)
    if not found:
        return
    found = sorted(found, key=lambda g: bool(g.municipality_code))
    carriers = {c.id: c.name for c in run.carriers}
    places = run.municipalities["municipality"]
    whole = book.say(Text("whole area", "全域"))
    share = book.say(Text("share (%)", "割合 (%)"))

    def values(name: str) -> list[float | None]:
        numbers = [getattr(goal, name) for goal in found]
        scaled = zip(numbers, found, strict=True)
        return [v if v is None or goal.unit else 100 * v for v, goal in scaled]

    book.table(
        GOALS,
        [
            Column(Text("Goal", "指標"), [book.say(details.goal_label(g.kpi)) for g in found], 30),
            Column(
                Text("Carrier", "事業者"),
                [book.say(details.who_label(g.carrier_id, carriers)) for g in found],
                18,
            ),
            Column(
                Text("Where", "範囲"),
                [places.get(g.municipality_code, whole) for g in found],
                14,
            ),
            Column(Text("Unit", "単位"), [g.unit or share for g in found], 10),
            Column(Text("Today", "現状"), values("before"), 10, "number"),
            Column(Text("With the plan", "計画後"), values("after"), 10, "number"),
            Column(Text("Target", "目標"), values("target"), 10, "number"),
            Column(
                Text("Target year (fiscal)", "目標年度"),
                ["" if g.target_year is None else str(g.target_year) for g in found],
                9,
            ),
            Column(Text("State", "達成状況"), [_state(book, g) for g in found], 16),
            Column(Text("Counted in all", "総数"), [g.total for g in found], 12, "int"),
            Column(Text("Unit of the count", "総数の単位"), [g.total_unit for g in found], 10),
            Column(Text("Note", "注記"), [book.say(g.note) for g in found], 60),
        ],
        frozen=3,
    )


def _state(book: Book, goal: details.Goal) -> str:
    if not goal.measured:
        return book.say(Text("not measured", "未計測"))
    return book.say(told.state(goal))


def antennas(book: Book, run: Any) -> None:
    """Sectors of the offers."""
    table = details.antennas(run)
    if table is None:
        return
    carriers = {c.id: c.name for c in run.carriers}
    names = run.assets["name"].reindex(table["asset_id"]).tolist()
    round_about = book.say(Text("all round", "無指向"))
    book.table(
        ANTENNAS,
        [
            Column(Text("Asset", "名称"), names, 34),
            Column(Text("Id", "アセットID"), table["asset_id"].tolist(), 20),
            Column(Text("Carrier", "提供先"), table["carrier_id"].map(carriers).tolist(), 20),
            Column(Text("Band", "バンド"), table["band"].tolist(), 9),
            Column(Text("Azimuth (deg)", "方位 (度)"), table["azimuth_deg"].tolist(), 10, "int"),
            Column(
                Text("Pattern", "指向性"),
                [round_about if a != a else "" for a in table["azimuth_deg"]],
                10,
            ),
            Column(Text("Tilt (deg)", "チルト (度)"), table["tilt_deg"].tolist(), 9, "number"),
            Column(
                Text("Height above ground (m)", "地上高 (m)"),
                table["height_agl_m"].tolist(),
                11,
                "number",
            ),
            Column(Text("EIRP (dBm)", "EIRP (dBm)"), table["eirp_dbm"].tolist(), 10, "number"),
        ],
    )
