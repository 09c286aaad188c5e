"""Findings for people: how many of each rule, examples, and how to mend them."""

from __future__ import annotations

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


def _examples(rows, language: Language) -> str:  # type: ignore[no-untyped-def]
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
