"""The workbook of offers: what a planner opens in Excel, filters, and hands on."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote

import pandas as pd
from xlsxwriter.worksheet import Worksheet

from tdh import display, today
from tdh.files import atomic
from tdh.inventory import findings
from tdh.language import Language, Text
from tdh.reports import goal_sheets, network
from tdh.reports.book import Book, Column

MAX_FINDINGS = 50_000


def write_workbook(run: Any, path: str | os.PathLike[str], language: Language = "ja") -> None:
    """Write the offers and everything behind them as an Excel workbook.

    Parameters
    ----------
    run : Run
        A finished run.
    path : path
        The ``.xlsx`` file.
    language : {"ja", "en"}
        Language of headings and explanations.

    Notes
    -----
    Texts of registers are written as text cells, never as formulas or links.
    """
    with atomic(path) as draft:
        book = Book(str(draft), language)
        _explanations(book, run)
        _offers(book, run)
        goal_sheets.antennas(book, run)
        goal_sheets.goals(book, run)
        _carriers(book, run)
        _municipalities(book, run)
        network.write(book, run)
        _assets(book, run)
        _findings(book, run)
        book.book.set_properties({"title": run.name, "comments": f"tdh {display.made_on(run)}"})
        book.book.close()


OFFERS = Text("Offers", "提供計画")
CARRIERS = Text("Carriers", "事業者別")
MUNICIPALITIES = Text("Municipalities", "市区町村別")
ASSETS = Text("Assets", "アセット評価")
FINDINGS = Text("Findings", "データ品質")


def _explanations(book: Book, run: Any) -> None:
    sheet = book.book.add_worksheet(book.say(Text("Read me", "説明")))
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 1, 100)
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    book.text(sheet, 0, 0, run.name, "title")
    sheet.set_row(0, 26)
    row = 1
    for notice in run.notices:
        sheet.merge_range(row, 0, row, 1, "", book.formats["warn"])
        book.text(sheet, row, 0, f"※ {book.say(notice)}", "warn")
        row += 1
    status = display.status(str(run.summary.get("status", "")))
    facts = [
        (Text("Made", "作成日"), display.made_on(run)),
        (Text("CRS", "座標系"), run.crs),
        (
            Text("People in a gap, today", "不足人口(現状)"),
            f"{run.summary.get('people_in_gap_before', 0):,.0f}",
        ),
        (
            Text("People in a gap, with the plan", "不足人口(計画後)"),
            f"{run.summary.get('people_in_gap_after', 0):,.0f}",
        ),
        (
            Text("Quality of the plan", "計画の質"),
            f"{book.say(status)} ({float(run.summary.get('gap') or 0):.2%})",
        ),
    ]
    cost, budget = run.summary.get("cost_yen"), run.summary.get("budget_yen")
    if cost is not None:
        of = "" if budget is None else f" / {budget / 1e6:,.1f}"
        facts.append((Text("Cost (million yen)", "費用 (百万円)"), f"{cost / 1e6:,.1f}{of}"))
    row = _section(book, sheet, row + 1, Text("The plan", "計画の概要"))
    for label, value in facts:
        book.text(sheet, row, 0, book.say(label), "plain")
        book.text(sheet, row, 1, value, "plain")
        row += 1
    row = _section(book, sheet, row + 1, Text("Sheets", "シートの説明"))
    for name, meaning in _sheets(run):
        sheet.write_url(
            row, 0, f"internal:'{book.say(name)}'!A1", book.formats["link"], book.say(name)
        )
        book.text(sheet, row, 1, book.say(meaning), "plain")
        row += 1
    row = _section(book, sheet, row + 1, Text("Words", "用語"))
    for name, meaning in _WORDS:
        book.text(sheet, row, 0, book.say(name), "plain")
        book.text(sheet, row, 1, book.say(meaning), "plain")
        row += 1
    row = _section(book, sheet, row + 1, Text("Sources", "出典"))
    for line in run.attributions:
        book.text(sheet, row, 0, line, "plain")
        row += 1
    for label, target in (
        (Text("Open the map", "地図を開く"), "map.html"),
        (Text("Open the report", "報告書を開く"), "report.html"),
    ):
        sheet.write_url(row + 1, 0, f"external:{target}", book.formats["link"], book.say(label))
        row += 1


def _sheets(run: Any) -> list[tuple[Text, Text]]:
    """What the sheets are, in their order."""
    told = goal_sheets.sheets(run, _SHEETS)
    at = [name for name, _ in told].index(ASSETS)
    return [*told[:at], *network.sheets(run), *told[at:]]


def _section(book: Book, sheet: Worksheet, row: int, title: Text) -> int:
    book.text(sheet, row, 0, book.say(title), "h2")
    book.text(sheet, row, 1, "", "h2")
    return row + 1


_SHEETS = (
    (
        OFFERS,
        Text(
            "One row per offered asset and carrier, in the order of choice.",
            "提供するアセットと提供先の組。選定順に並べています。",
        ),
    ),
    (
        CARRIERS,
        Text(
            "What each carrier is offered, and how its gap changes.",
            "事業者ごとの提供数と不足人口の変化。",
        ),
    ),
    (
        MUNICIPALITIES,
        Text("People in a gap by municipality and carrier.", "市区町村・事業者ごとの不足人口。"),
    ),
    (
        ASSETS,
        Text(
            "All assets with their scores, chosen or not.",
            "すべてのアセットのスコア(未選定も含みます)。",
        ),
    ),
    (
        FINDINGS,
        Text(
            "What was repaired, doubted or rejected in the registers.",
            "台帳の修復・疑義・却下の記録。",
        ),
    ),
)

_WORDS = (
    (
        Text("Gap", "不足(ギャップ)"),
        Text(
            "A cell where none of a carrier's bands reaches its threshold.",
            "事業者のどのバンドも判定しきい値に届かないセル。",
        ),
    ),
    (
        Text("People in a gap", "不足人口"),
        Text(
            "Residents of gap cells times the carrier's market share.",
            "不足セルの居住人口 × 事業者の市場占有率。",
        ),
    ),
    (
        Text("People gained", "増分充足人口"),
        Text(
            "People whom this choice serves and no earlier choice does.",
            "先に選んだものでは届かず、この選定で新たに充足する人口。",
        ),
    ),
    (
        Text("People lost without", "単独充足人口"),
        Text(
            "People who would lose service if only this choice were dropped.",
            "この選定だけを外したときに充足を失う人口。",
        ),
    ),
    (
        Text("Score", "スコア"),
        Text(
            "0 to 100 for each carrier; rank 1 is best.", "事業者ごとの0〜100の評価。順位1が最良。"
        ),
    ),
    (
        Text("In best N", "上位N維持率"),
        Text(
            "How often the asset stays among the carrier's N best when all weights are uncertain by "
            "some 25 %.",
            "重みがどれも25%程度不確かなときに、事業者の上位N件に残る割合。",
        ),
    ),
    (
        Text("For the public", "公共スコア"),
        Text(
            "The same score of all carriers' gaps together.",
            "全事業者のギャップを合わせた同じ評価。",
        ),
    ),
    (
        Text("SS-RSRP", "SS-RSRP"),
        Text(
            "Received power of the 5G reference signal, in dBm.", "5Gの参照信号の受信電力 (dBm)。"
        ),
    ),
)


def _offers(book: Book, run: Any) -> None:
    plan = run.plan
    names = {c.id: c.name for c in run.carriers}
    assets = run.assets.reindex(plan["asset_id"])
    scores = run.scores.set_index(["asset_id", "carrier_id"])
    mine = scores.reindex(pd.MultiIndex.from_frame(plan[["asset_id", "carrier_id"]]))
    kinds = display.kind_labels(book.language)
    reason = plan["reason_ja" if book.language == "ja" else "reason_en"]
    open_map = book.say(Text("map", "地図"))
    links = [(f"external:map.html#asset={quote(str(i))}", open_map) for i in plan["asset_id"]]
    book.table(
        OFFERS,
        [
            Column(Text("Carrier", "提供先"), plan["carrier_id"].map(names).tolist(), 18),
            Column(Text("Order", "選定順"), plan["order"].tolist(), 8, "int"),
            *_years(plan),
            Column(Text("Asset", "アセット名称"), assets["name"].tolist(), 34),
            Column(Text("Kind", "種別"), [kinds.get(k, k) for k in assets["kind"]], 16),
            Column(Text("Municipality", "市区町村"), assets["municipality"].tolist(), 12),
            Column(Text("Address", "所在地"), assets["address"].tolist(), 30),
            Column(Text("Owner", "所有者"), assets["owner"].tolist(), 14),
            Column(Text("Height (m)", "高さ (m)"), assets["height_agl_m"].tolist(), 9, "number"),
            Column(
                Text("Mounting height (m)", "設置可能高 (m)"),
                assets["mounting_height_m"].tolist(),
                11,
                "number",
            ),
            Column(Text("Bands", "バンド"), plan["bands"].tolist(), 12),
            Column(
                Text("People gained (people)", "増分充足人口 (人)"),
                plan["people_gained"].tolist(),
                13,
                "int",
                "good",
            ),
            Column(
                Text("People lost without (people)", "単独充足人口 (人)"),
                plan["people_lost_without"].tolist(),
                13,
                "int",
            ),
            *_cost([plan["cost_yen"].tolist()] if "cost_yen" in run.summary else []),
            Column(
                Text("Score (0–100)", "スコア (0–100)"),
                mine["score"].tolist(),
                10,
                "number",
                "good",
            ),
            Column(Text("Rank", "順位"), mine["rank"].tolist(), 8, "int"),
            Column(
                Text("In best {n} (%)", "上位{n}維持率 (%)", n=run.scenario.scoring.top),
                (100 * mine["stays_in_top"].astype(float)).tolist(),
                10,
                "number",
            ),
            Column(Text("Latitude (°)", "緯度 (度)"), assets["latitude"].tolist(), 12, "degrees"),
            Column(Text("Longitude (°)", "経度 (度)"), assets["longitude"].tolist(), 12, "degrees"),
            Column(Text("Why", "理由"), reason.tolist(), 60),
            Column(Text("Synthetic", "架空"), ["●" if s else "" for s in assets["synthetic"]], 7),
            Column(Text("Id", "アセットID"), plan["asset_id"].tolist(), 20),
            Column(Text("Map", "地図"), links, 8, "link"),
        ],
        frozen=3,
    )


def _years(plan: pd.DataFrame) -> list[Column]:
    """The fiscal year of each offer, where the scenario plans by years."""
    if "fiscal_year" not in plan or plan["fiscal_year"].isna().all():
        return []
    # A text: as a number it would have a thousands separator.
    return [Column(Text("Fiscal year", "年度"), plan["fiscal_year"].astype(str).tolist(), 9)]


def _cost(yen: list[list[float]]) -> list[Column]:
    return [
        Column(Text("Cost (million yen)", "費用 (百万円)"), [v / 1e6 for v in own], 11, "number")
        for own in yen
    ]


def _carriers(book: Book, run: Any) -> None:
    rows = [(c, run.summary["carriers"][c.id]) for c in run.carriers]
    book.table(
        CARRIERS,
        [
            Column(Text("Carrier", "事業者"), [c.name for c, _ in rows], 20),
            Column(Text("Bands", "バンド"), [", ".join(c.bands) for c, _ in rows], 16),
            Column(
                Text("Budget (sites)", "上限 (件)"), [s["max_sites"] for _, s in rows], 10, "int"
            ),
            Column(Text("Offered (sites)", "提供 (件)"), [s["sites"] for _, s in rows], 10, "int"),
            *_cost([[s["cost_yen"] for _, s in rows]] if "cost_yen" in run.summary else []),
            Column(
                Text("In a gap, today (people)", "不足人口 現状 (人)"),
                [s["people_in_gap_before"] for _, s in rows],
                15,
                "int",
                "bad",
            ),
            Column(
                Text("In a gap, with the plan (people)", "不足人口 計画後 (人)"),
                [s["people_in_gap_after"] for _, s in rows],
                15,
                "int",
                "bad",
            ),
            *_by_day(run),
            Column(
                Text("Change (people)", "増減 (人)"),
                [s["people_in_gap_after"] - s["people_in_gap_before"] for _, s in rows],
                12,
                "int",
            ),
            Column(
                Text("Covered, today (%)", "人口カバー率 現状 (%)"),
                [s["covered_share_before"] for _, s in rows],
                12,
                "share",
            ),
            Column(
                Text("Covered, with the plan (%)", "人口カバー率 計画後 (%)"),
                [s["covered_share_after"] for _, s in rows],
                12,
                "share",
            ),
            Column(Text("Synthetic", "架空"), ["●" if c.synthetic else "" for c, _ in rows], 7),
        ],
    )


def _by_day(run: Any) -> list[Column]:
    """The same of people by day, where the run has them."""
    table = today.people_by_day(run, display.service(run).served)
    if table is None:
        return []
    heads = {
        "before": Text("In a gap by day, today (people)", "昼間の不足人口 現状 (人)"),
        "after": Text("In a gap by day, with the plan (people)", "昼間の不足人口 計画後 (人)"),
    }
    return [Column(text, table[name].tolist(), 15, "int") for name, text in heads.items()]


def _municipalities(book: Book, run: Any) -> None:
    table = display.by_municipality(run)
    names = {c.id: c.name for c in run.carriers}
    people = table["people"].where(table["people"] > 0)
    book.table(
        MUNICIPALITIES,
        [
            Column(Text("Code", "コード"), table["municipality_code"].tolist(), 8),
            Column(Text("Municipality", "市区町村"), table["municipality"].tolist(), 14),
            Column(Text("Carrier", "事業者"), table["carrier_id"].map(names).tolist(), 20),
            Column(
                Text("Customers (people)", "契約人口 (人)"), table["people"].tolist(), 13, "int"
            ),
            Column(Text("Offered (sites)", "提供 (件)"), table["sites"].tolist(), 10, "int"),
            Column(
                Text("In a gap, today (people)", "不足人口 現状 (人)"),
                table["gap_before"].tolist(),
                14,
                "int",
                "bad",
            ),
            Column(
                Text("In a gap, with the plan (people)", "不足人口 計画後 (人)"),
                table["gap_after"].tolist(),
                14,
                "int",
                "bad",
            ),
            Column(
                Text("Covered, today (%)", "人口カバー率 現状 (%)"),
                (1 - table["gap_before"] / people).tolist(),
                12,
                "share",
            ),
            Column(
                Text("Covered, with the plan (%)", "人口カバー率 計画後 (%)"),
                (1 - table["gap_after"] / people).tolist(),
                12,
                "share",
            ),
        ],
        frozen=2,
    )


def _assets(book: Book, run: Any) -> None:
    best = display.best_scores(run.scores)
    assets = run.assets.loc[run.assets.index.isin(best.index)]
    assets = assets.loc[best.index.intersection(assets.index, sort=False)]
    kinds = display.kind_labels(book.language)
    placements = {k: book.say(v) for k, v in display.PLACEMENTS.items()}
    chosen = run.plan.groupby("asset_id")["carrier_id"].agg(set)
    public = run.scores_public.set_index("asset_id").reindex(assets.index)
    columns = [
        Column(Text("Id", "アセットID"), assets.index.tolist(), 20),
        Column(Text("Asset", "名称"), assets["name"].tolist(), 34),
        Column(Text("Kind", "種別"), [kinds.get(k, k) for k in assets["kind"]], 16),
        Column(Text("Municipality", "市区町村"), assets["municipality"].tolist(), 12),
        Column(Text("Owner", "所有者"), assets["owner"].tolist(), 14),
        Column(Text("Placement", "設置形態"), assets["placement"].map(placements).tolist(), 10),
        Column(Text("Height (m)", "高さ (m)"), assets["height_agl_m"].tolist(), 9, "number"),
        Column(
            Text("Best score (0–100)", "最高スコア (0–100)"),
            best["score"].reindex(assets.index).tolist(),
            10,
            "number",
            "good",
        ),
        Column(
            Text("For the public: score (0–100)", "公共スコア (0–100)"),
            public["score"].tolist(),
            10,
            "number",
            "good",
        ),
        Column(Text("For the public: rank", "公共スコア順位"), public["rank"].tolist(), 8, "int"),
    ]
    for carrier in run.carriers:
        mine = run.scores[run.scores["carrier_id"] == carrier.id].set_index("asset_id")
        mine = mine.reindex(assets.index)
        mark = ["●" if carrier.id in chosen.get(i, ()) else "" for i in assets.index]
        name = carrier.name
        columns += [
            Column(Text("{c}: offered", "{c} 提供", c=name), mark, 9),
            Column(
                Text("{c}: people newly served (people)", "{c} 新規充足人口 (人)", c=name),
                mine["people_newly_served"].tolist(),
                13,
                "int",
                "good",
            ),
            Column(Text("{c}: rank", "{c} 順位", c=name), mine["rank"].tolist(), 8, "int"),
        ]
    columns += [
        Column(Text("Latitude (°)", "緯度 (度)"), assets["latitude"].tolist(), 12, "degrees"),
        Column(Text("Longitude (°)", "経度 (度)"), assets["longitude"].tolist(), 12, "degrees"),
        Column(Text("Register", "台帳"), assets["source"].tolist(), 24),
        Column(Text("Record", "行"), assets["source_row"].tolist(), 8, "int"),
        Column(Text("Synthetic", "架空"), ["●" if s else "" for s in assets["synthetic"]], 7),
    ]
    book.table(ASSETS, columns, frozen=2)


def _findings(book: Book, run: Any) -> None:
    table = run.findings
    more = len(table) - MAX_FINDINGS
    table = table.head(MAX_FINDINGS)
    sheet = book.table(
        FINDINGS,
        [
            Column(Text("Register", "台帳"), table["source"].tolist(), 26),
            Column(Text("Record", "行"), table["source_row"].tolist(), 8, "int"),
            Column(Text("Severity", "重要度"), table["severity"].tolist(), 10),
            Column(Text("Rule", "規則"), table["rule"].tolist(), 24),
            Column(Text("Column", "列"), table["column"].tolist(), 14),
            Column(Text("Before", "修復前"), table["before"].tolist(), 28),
            Column(Text("After", "修復後"), table["after"].tolist(), 28),
            Column(Text("In words", "内容"), findings.messages(table, book.language).tolist(), 60),
        ],
    )
    if more > 0:
        text = Text(
            "… and {n} more in findings.csv", "… ほか{n}件は findings.csv にあります", n=more
        )
        book.text(sheet, len(table) + 1, 0, book.say(text))
