"""Today's network in the report and the workbook: what was measured, and what sites carry."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tdh import details, display, gaps, today
from tdh.language import Language, Text
from tdh.reports import evidence
from tdh.reports.book import Book, Column

MOST_SITES = 20
"""Present sites told of in the report, the busiest first."""

SITES = Text("Present sites", "既存の基地局")
COVERED = Text("People covered", "カバー人口")
SPEEDS = Text("Measured throughput", "速度の実測")
REGIONS = Text("Gaps of today", "不足地区(現状)")
PLACES = Text("Covered by municipality", "市区町村別カバー人口")
CARRIED = Text("Load of offers", "提供局の負荷")

_MEANINGS = (
    (
        REGIONS,
        Text(
            "The largest gaps of today, as on the map: people, what the plan leaves, and why.",
            "現状の大きな不足地区(地図と同じ)。不足人口、計画後の人口、理由別の人口。",
        ),
    ),
    (
        COVERED,
        Text(
            "Residents covered by yes or no, and expected by probability.",
            "カバー人口(届く・届かないで数えた値と、確率による期待値)。",
        ),
    ),
    (
        PLACES,
        Text("The same of each municipality.", "同じ値の市区町村別。"),
    ),
    (
        CARRIED,
        Text(
            "What each offer would carry with the plan on air (modelled).",
            "提供局ごとに受け持つ利用者と負荷率(計画後の計算値)。",
        ),
    ),
    (
        SITES,
        Text(
            "Present sites, the busiest first: customers, capacity and load (modelled).",
            "既存の基地局(混雑している順)。利用者数・容量・負荷率は計算値です。",
        ),
    ),
    (
        SPEEDS,
        Text(
            "People by the download measured where they live; of all carriers together.",
            "居住地で実測された下り速度ごとの人口(全社合計の実測値)。",
        ),
    ),
)


def facts(run: Any, found: display.Service, language: Language) -> dict[str, Any]:
    """What the report tells of today's network.

    Returns
    -------
    dict
        ``speeds`` (None: nothing was measured), ``day`` (None: no people by day are known),
        ``expected``, ``places`` and ``sites`` (rows, empty where the run has none), ``what`` (the
        meaning of expected people), ``by_load`` and ``level`` of busy sites, and whether loads
        ``after`` the plan are known.
    """
    names = {c.id: c.name for c in run.carriers}
    held = today.sites(run)
    by_day = today.people_by_day(run, found.served)
    table = today.expected(run)
    return {
        "speeds": _speeds(run),
        "day": None
        if by_day is None
        else {
            "carriers": by_day.to_dict("index"),
            **{k: float(by_day[k].sum()) for k in ("before", "after")},
        },
        "what": today.EXPECTED.render(language),
        "expected": []
        if table is None
        else [
            {"who": details.who_label(row.carrier_id, names).render(language), **row._asdict()}
            for row in table.itertuples()
        ],
        "places": _places(run, names, language),
        "by_load": held.by_load,
        "after": held.after,
        "busy_after": int(held.table["busy_after"].sum()),
        "by_day": held.table["customers_day"].notna().any(),
        "level": held.level,
        "busy": int(held.table["busy"].sum()),
        "sites": _sites(held, names) if held.known else [],
    }


def _speeds(run: Any) -> dict[str, Any] | None:
    found = today.throughput(run)
    if found is None:
        return None
    return {
        "classes": found.classes.to_dict("records"),
        "least": found.least_mbps,
        "below": found.below,
        "unmeasured": found.unmeasured,
        "sources": found.sources,
        "tiles": len(found.tiles),
        "tests": int(found.tiles["tests"].sum()),
        "by_day": "people_day" in found.classes,
    }


def _places(run: Any, names: dict[str, str], language: Language) -> list[dict[str, Any]]:
    """People covered in each municipality by any carrier and by several."""
    table = today.expected_municipalities(run)
    if table is None:
        return []
    return [
        {"who": details.who_label(row.carrier_id, names).render(language), **row._asdict()}
        for row in table[~table["carrier_id"].isin(names)].itertuples()
    ]


def _sites(held: today.Sites, names: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "id": row.Index,
            "who": names.get(row.carrier_id, row.carrier_id),
            "band": row.band,
            "height": row.antenna_height_agl_m,
            "customers": row.customers,
            "day": row.customers_day,
            "capacity": row.capacity_mbps,
            "kbps": row.kbps_per_customer,
            "load": row.load,
            "busy": bool(row.busy),
            "customers_after": row.customers_after,
            "kbps_after": row.kbps_after,
            "load_after": row.load_after,
        }
        for row in today.busiest(held).head(MOST_SITES).itertuples()
    ]


# --- sheets --------------------------------------------------------------------------------------


def sheets(run: Any) -> list[tuple[Text, Text]]:
    """What the sheets of this module are, of those that the run has."""
    held = {
        REGIONS: getattr(run, "gap_regions", None) is not None,
        COVERED: today.expected(run) is not None,
        PLACES: today.expected_municipalities(run) is not None,
        CARRIED: today.offers(run) is not None,
        SITES: today.sites(run).known,
        SPEEDS: today.throughput(run) is not None,
    }
    return [entry for entry in _MEANINGS if held[entry[0]]]


def write(book: Book, run: Any) -> None:
    """The sheets of what the run has."""
    writers = {
        REGIONS: _region_sheet,
        COVERED: _covered_sheet,
        PLACES: _place_sheet,
        CARRIED: _offer_sheet,
        SITES: _site_sheet,
        SPEEDS: _speed_sheet,
    }
    for name, _ in sheets(run):
        writers[name](book, run)


_HEADS = {
    "people": Text("Residents (people)", "居住人口 (人)"),
    "covered_before": Text("Covered, today (people)", "カバー人口 現状 (人)"),
    "expected_before": Text("Expected, today (people)", "期待カバー人口 現状 (人)"),
    "covered_after": Text("Covered, with the plan (people)", "カバー人口 計画後 (人)"),
    "expected_after": Text("Expected, with the plan (people)", "期待カバー人口 計画後 (人)"),
}


def _region_sheet(book: Book, run: Any) -> None:
    table = display.todays_regions(run)
    assert table is not None
    names = {c.id: c.name for c in run.carriers}
    who = [book.say(evidence.who(row, names)) for row in table.itertuples()]
    parts = today.people_by_reason(table)
    book.table(
        REGIONS,
        [
            Column(Text("Whose gap", "だれの不足か"), who, 26),
            Column(Text("Rank", "順位"), table["rank"].tolist(), 7, "int"),
            Column(Text("Municipality", "市区町村"), table["municipality"].tolist(), 12),
            Column(
                Text("In a gap, today (people)", "不足人口 現状 (人)"),
                table["unmet_people"].tolist(),
                12,
                "int",
                "bad",
            ),
            Column(
                Text("In a gap by day, today (people)", "昼間の不足人口 現状 (人)"),
                table["unmet_people_day"].tolist(),
                12,
                "int",
            ),
            Column(
                Text("In a gap, with the plan (people)", "不足人口 計画後 (人)"),
                table["unmet_after"].tolist(),
                12,
                "int",
                "bad",
            ),
            Column(
                Text("Main reason", "主な理由"),
                [book.say(gaps.REASONS[r]) for r in table["reason"]],
                26,
            ),
            *(
                Column(Text("{r} (people)", "{r} (人)", r=text), parts[reason].tolist(), 14, "int")
                for reason, text in gaps.REASONS.items()
            ),
            Column(Text("Area (ha)", "面積 (ha)"), (table["area_m2"] / 1e4).tolist(), 9, "number"),
            Column(Text("Priority places", "重点施設数"), table["places"].tolist(), 9, "int"),
            Column(Text("Their names", "重点施設"), table["place_names"].tolist(), 40),
            Column(
                Text("Nearest site (m)", "最寄り局 (m)"),
                table["nearest_site_m"].tolist(),
                10,
                "int",
            ),
            Column(Text("Id", "地区ID"), table.index.tolist(), 13),
        ],
        frozen=3,
    )


def _place_sheet(book: Book, run: Any) -> None:
    table = today.expected_municipalities(run)
    assert table is not None
    names = {c.id: c.name for c in run.carriers}
    where = run.municipalities["municipality"].reindex(table["municipality_code"])
    who = [book.say(details.who_label(c, names)) for c in table["carrier_id"]]
    book.table(
        PLACES,
        [
            Column(Text("Code", "コード"), table["municipality_code"].tolist(), 8),
            Column(Text("Municipality", "市区町村"), where.tolist(), 14),
            Column(Text("Carrier", "事業者"), who, 20),
            *(Column(text, table[name].tolist(), 15, "int") for name, text in _HEADS.items()),
        ],
        frozen=3,
    )


def _offer_sheet(book: Book, run: Any) -> None:
    table = today.offers(run)
    assert table is not None
    names = {c.id: c.name for c in run.carriers}
    assets = run.assets["name"].reindex(table["asset_id"]).tolist()
    book.table(
        CARRIED,
        [
            Column(Text("Asset", "名称"), assets, 34),
            Column(Text("Id", "アセットID"), table["asset_id"].tolist(), 20),
            Column(Text("Carrier", "提供先"), table["carrier_id"].map(names).tolist(), 18),
            Column(Text("Band", "バンド"), table["band"].tolist(), 9),
            Column(
                Text("Capacity (Mbit/s)", "容量 (Mbit/s)"),
                table["capacity_mbps"].tolist(),
                11,
                "int",
            ),
            *_after_columns(table),
        ],
    )


def _after_columns(table: pd.DataFrame) -> list[Column]:
    """Customers, capacity for each and load with the plan on air."""
    return [
        Column(
            Text("Customers, with the plan (people)", "利用者 計画後 (人)"),
            table["customers_after"].tolist(),
            12,
            "int",
        ),
        Column(
            Text(
                "Capacity for each customer, with the plan (kbit/s)",
                "1人あたり容量 計画後 (kbit/s)",
            ),
            table["kbps_after"].tolist(),
            14,
            "int",
        ),
        Column(
            Text("Load in the busy hour, with the plan (%)", "負荷率 計画後 (%)"),
            table["load_after"].tolist(),
            11,
            "share",
            "bad",
        ),
    ]


def _covered_sheet(book: Book, run: Any) -> None:
    table = today.expected(run)
    assert table is not None
    names = {c.id: c.name for c in run.carriers}
    who = [book.say(details.who_label(c, names)) for c in table["carrier_id"]]
    note = [book.say(today.EXPECTED), *[""] * (len(table) - 1)]
    book.table(
        COVERED,
        [
            Column(Text("Carrier", "事業者"), who, 20),
            *(Column(text, table[name].tolist(), 15, "int") for name, text in _HEADS.items()),
            Column(Text("What it means", "説明"), note, 80),
        ],
    )


def _site_sheet(book: Book, run: Any) -> None:
    held = today.sites(run)
    # Those that serve nobody come last.
    table = held.table.sort_values("kbps_per_customer", kind="stable", na_position="last")
    names = {c.id: c.name for c in run.carriers}
    places = {k: book.say(v) for k, v in display.PLACEMENTS.items()}
    evidence = table.get("evidence", pd.Series("known", index=table.index))
    guess = book.say(Text("estimated", "推定"))
    busy = [("●" if b else "") for b in table["busy"]]
    book.table(
        SITES,
        [
            Column(Text("Id", "基地局ID"), table.index.tolist(), 22),
            Column(Text("Carrier", "事業者"), table["carrier_id"].map(names).tolist(), 18),
            Column(Text("Band", "バンド"), table["band"].tolist(), 9),
            Column(Text("Azimuth (deg)", "方位 (度)"), table["azimuth_deg"].tolist(), 9, "int"),
            Column(
                Text("Height above ground (m)", "地上高 (m)"),
                table["antenna_height_agl_m"].tolist(),
                10,
                "number",
            ),
            Column(
                Text("Placement", "設置形態"),
                [places.get(p, p) for p in table["placement"]],
                10,
            ),
            Column(
                Text("Customers (people)", "利用者 (人)"), table["customers"].tolist(), 11, "int"
            ),
            Column(
                Text("Customers by day (people)", "昼間の利用者 (人)"),
                table["customers_day"].tolist(),
                11,
                "int",
            ),
            Column(
                Text("Capacity (Mbit/s)", "容量 (Mbit/s)"),
                table["capacity_mbps"].tolist(),
                11,
                "int",
            ),
            Column(
                Text("Capacity for each customer (kbit/s)", "1人あたり容量 (kbit/s)"),
                table["kbps_per_customer"].tolist(),
                13,
                "int",
            ),
            Column(
                Text("Load in the busy hour (%)", "負荷率 (%)"),
                table["load"].tolist(),
                10,
                "share",
                "bad",
            ),
            *(_after_columns(table) if held.after else []),
            Column(Text("Busy", "混雑"), busy, 7),
            Column(
                Text("Evidence", "根拠"), [guess if e == "estimated" else "" for e in evidence], 9
            ),
            Column(Text("Synthetic", "架空"), ["●" if s else "" for s in table["synthetic"]], 7),
        ],
    )


def _speed_sheet(book: Book, run: Any) -> None:
    found = today.throughput(run)
    assert found is not None
    table = found.classes
    missing = book.say(Text("not measured", "実測なし"))
    below = book.say(Text("below {m:g} Mbit/s", "{m:g} Mbit/s 未満", m=found.least_mbps))
    ranges = [
        f"{row.low:g}–{row.high:g}" if row.high != float("inf") else f"≥ {row.low:g}"
        for row in table.itertuples()
    ]

    def values(name: str) -> list[float]:
        return [*table[name].tolist(), found.unmeasured[name], found.below[name]]

    columns = [
        Column(
            Text("Measured download (Mbit/s)", "実測の下り (Mbit/s)"), [*ranges, missing, below], 22
        ),
        Column(Text("Residents (people)", "居住人口 (人)"), values("people"), 14, "int"),
    ]
    if "people_day" in table:
        day = Text("People by day (people)", "昼間人口 (人)")
        columns.append(Column(day, values("people_day"), 14, "int"))
    columns.append(Column(Text("Cells", "セル数"), values("cells"), 10, "int"))
    sources = ["; ".join(found.sources), *[""] * (len(ranges) + 1)]
    columns.append(Column(Text("Files", "ファイル"), sources, 40))
    book.table(SPEEDS, columns)
