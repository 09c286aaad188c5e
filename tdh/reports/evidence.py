"""What today's coverage stands on, in words: each kind of evidence apart."""

from __future__ import annotations

from typing import Any

from tdh import display, gaps, today
from tdh.language import Language, Text

MOST_REGIONS = 3
"""Regions told of each carrier and of each number of carriers."""

KINDS = display.EVIDENCE


def rows(run: Any, language: Language) -> list[dict[str, Any]]:
    """Rows of the report's table, a carrier's band after the other.

    Returns
    -------
    list of dict
        ``who``, ``band``, ``kind``, ``share`` of the cells, ``covered`` share of them, ``people`` who
        live there and ``covered_people`` of them, ``points``
        (0: none), ``difference_db`` (None: not known). Empty where all coverage is predicted, as
        the method says anyway, and in a run without table ``present``.
    """
    table = getattr(run, "present", None)
    if table is None:
        return []
    used = table[table["cells"] > 0]
    if set(used["evidence"]) <= {"predicted", "none"}:
        return []
    names = {c.id: c.name for c in run.carriers}
    total = table.groupby(["carrier_id", "band"])["cells"].sum()
    found = []
    for (carrier, band), own in used.groupby(["carrier_id", "band"], sort=False):
        by_kind = own.set_index("evidence")
        for kind, text in KINDS.items():
            if kind not in by_kind.index:
                continue
            row = by_kind.loc[kind]
            difference = float(row["difference_db"])
            found.append(
                {
                    "who": names.get(carrier, carrier),
                    "band": band,
                    "kind": text.render(language),
                    "share": float(row["cells"] / total[carrier, band]),
                    "covered": float(row["covered_cells"] / row["cells"]),
                    "people": float(row["people"]),
                    "covered_people": float(row["covered_people"]),
                    "points": int(row["points"]),
                    "difference_db": None if difference != difference else difference,
                }
            )
    return found


def shares(run: Any, language: Language) -> list[tuple[str, float]]:
    """How much of today's covered population stands on which evidence.

    Returns
    -------
    list of (str, float)
        Kind in words and its share, the strongest evidence first and the sum 1: of the covered
        residents, counted once for each band of each carrier. Empty in a run without table
        ``present``, and where nobody is covered.
    """
    table = getattr(run, "present", None)
    if table is None:
        return []
    people = table.groupby("evidence")["covered_people"].sum()
    total = float(people.sum())
    if total <= 0:
        return []
    return [
        (text.render(language), float(people[kind] / total))
        for kind, text in KINDS.items()
        if kind in people.index and people[kind] > 0
    ]


def regions(run: Any, found: display.Service, language: Language) -> list[dict[str, Any]]:
    """The largest gaps of today with their reasons; empty in a run without table ``gap_regions``.

    Returns
    -------
    list of dict
        ``who``, ``rank``, ``municipality``, ``people`` and ``after`` (None: not known), ``ha``,
        ``places`` (None: the scenario names none), ``named``, ``site_m`` (None: there is none),
        ``reason`` in words, and ``parts``: people of each reason (None: not known).
    """
    table = display.todays_regions(run, found, MOST_REGIONS)
    if table is None:
        return []
    names = {c.id: c.name for c in run.carriers}
    order = [*names, ""]
    parts = today.people_by_reason(table)
    rows = [
        {
            "who": who(row, names).render(language),
            "order": (
                order.index(row.carrier_id),
                row.reason == "capacity",
                row.at_least,
                row.rank,
            ),
            "rank": int(row.rank),
            "municipality": "" if row.municipality is None else row.municipality,
            "people": float(row.unmet_people),
            "after": _known(row.unmet_after),
            "ha": float(row.area_m2) / 1e4,
            "places": _known(row.places),
            "named": today.first_names(row.place_names),
            "site_m": _known(row.nearest_site_m),
            "reason": gaps.REASONS[row.reason].render(language),
            "parts": [_known(value) for value in shares],
        }
        for row, shares in zip(table.itertuples(), parts.to_numpy().tolist(), strict=True)
    ]
    return sorted(rows, key=lambda row: row["order"])


def who(row: Any, names: dict[str, str]) -> Text:
    """Whose gap a region is, in words."""
    if row.carrier_id:
        return Text("{c}", "{c}", c=names[row.carrier_id])
    if row.reason == "capacity":
        return Text("Slow, all carriers together (measured)", "速度が遅い地区(全社合計の実測)")
    if row.at_least == 1:
        return Text("No carrier", "どの事業者も届かない")
    return Text("Fewer than {n} carriers", "{n}社未満", n=row.at_least)


def _known(value: Any) -> float | None:
    return None if value is None or value != value else float(value)
