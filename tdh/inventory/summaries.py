"""Findings for people: how many of each rule, examples, and how to mend them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import pandas as pd

from tdh.inventory import findings
from tdh.inventory.tables import Register
from tdh.language import Language, Text, current

EXAMPLES = 3
_SIGNS = {"error": ("error", "誤り"), "warning": ("check", "確認"), "info": ("note", "参考")}


def summary_text(register: Register, language: Language | None = None) -> str:
    """A summary of a register to read on a console.

    Parameters
    ----------
    register : Register
    language : {"en", "ja"}, optional
        By default the one in force.
    """
    language = language or current()
    counts = Text(
        "{source}: {rows:,} records = {accepted:,} usable + {needs:,} without a position"
        " + {rejected:,} refused ({format}, {encoding})",
        "{source}: {rows:,} 件 = 使用可 {accepted:,} + 位置なし {needs:,} + 使用不可 {rejected:,}"
        "（{format}, {encoding}）",
        source=register.source,
        rows=register.rows,
        accepted=len(register.assets),
        needs=len(register.needs_position),
        rejected=len(register.rejected),
        format=register.format,
        encoding=register.encoding or "-",
    )
    lines = [counts.render(language), _mapping_line(register, language)]
    for item in rule_rows(register, language):
        lines.append(f"  [{item['sign']}] {item['count']:,} × {item['rule']}: {item['what']}")
        if item["examples"]:
            lines.append(f"      {item['examples']}")
        if item["severity"] != "info":
            lines.append(f"      → {item['fix']}")
    return "\n".join(lines)


def summary_html(registers: Sequence[Register], language: Language | None = None) -> str:
    """A page that says of every register how its records fared; it needs nothing but itself.

    Everything that comes from a register is escaped.

    Parameters
    ----------
    registers : sequence of Register
    language : {"en", "ja"}, optional
        By default the one in force.
    """
    language = language or current()
    title = Text("Registers", "台帳の確認結果").render(language)
    sections = "\n".join(_section(register, language) for register in registers)
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        f"<title>{title}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{title}</h1>\n{sections}\n</body></html>\n"
    )


_STYLE = (
    "body{font-family:sans-serif;margin:2em;max-width:75em}table{border-collapse:collapse}"
    "th,td{border:1px solid #999;padding:.3em .6em;text-align:left;vertical-align:top}"
    "td.n{text-align:right}.error{background:#fdd}.warning{background:#ffd}"
)
_HEADINGS = {
    "en": ("", "Count", "Rule", "What", "Examples", "How to mend"),
    "ja": ("", "件数", "規則", "内容", "例", "直し方"),
}


def _section(register: Register, language: Language) -> str:
    first, mapping, *_ = summary_text(register, language).split("\n")
    head = "".join(f"<th>{h}</th>" for h in _HEADINGS[language])
    rows = []
    for item in rule_rows(register, language):
        cells = [
            item["sign"],
            item["count"],
            item["rule"],
            item["what"],
            item["examples"],
            item["fix"],
        ]
        shown = "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
        rows.append(f'<tr class="{item["severity"]}">{shown}</tr>')
    table = f"<table><tr>{head}</tr>{''.join(rows)}</table>" if rows else ""
    return (
        f"<h2>{escape(register.source)}</h2><p>{escape(first)}</p><p>{escape(mapping)}</p>{table}"
    )


def _mapping_line(register: Register, language: Language) -> str:
    pairs = ", ".join(f"{k}={' '.join(v.split())}" for k, v in register.mapping.items())
    return f"  {'列' if language == 'ja' else 'columns'}: {pairs}"


def rule_rows(register: Register, language: Language) -> list[dict[str, object]]:
    """Per rule, the gravest first: severity, sign, count, wording, examples and how to mend."""
    table = register.findings
    order = {"error": 0, "warning": 1, "info": 2}
    out: list[dict[str, object]] = []
    for rule, rows in table.groupby("rule", sort=False):
        severity = str(rows["severity"].iloc[0])
        meta = findings.rules().loc[str(rule)]
        out.append(
            {
                "rule": str(rule),
                "severity": severity,
                "sign": _SIGNS[severity][1 if language == "ja" else 0],
                "count": len(rows),
                "what": findings.translate(str(rule), str(rows["message"].iloc[0]), language),
                "examples": _examples(rows, language),
                "fix": str(meta[f"fix_{language}"]),
            }
        )
    return sorted(out, key=lambda item: order[str(item["severity"])])


def _examples(rows: pd.DataFrame, language: Language) -> str:
    shown = []
    for row in rows.head(EXAMPLES).itertuples():
        place = f"{row.source_row}" if row.source_row else ""
        before = row.before if isinstance(row.before, str) else ""
        after = f" → {row.after}" if isinstance(row.after, str) else ""
        label = (f"{place}行" if language == "ja" else f"record {place}") if place else ""
        if label or before:
            shown.append(f"{label} {before[:60]}{after}".strip())
    more = "" if len(rows) <= EXAMPLES or not shown else " …"
    return "; ".join(shown) + more
