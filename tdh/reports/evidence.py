"""What today's coverage stands on, in words: each kind of evidence apart."""

from __future__ import annotations

from typing import Any

from tdh.language import Language, Text

KINDS = {
    "measured": Text("measured", "実測"),
    "declared": Text("declared", "公表"),
    "predicted": Text("predicted", "予測"),
    "estimated": Text("estimated sites", "推定局からの予測"),
    "none": Text("nothing received or known", "受信なし・不明"),
}
"""Kinds of evidence, the strongest first, as people read them."""


def rows(run: Any, language: Language) -> list[dict[str, Any]]:
    """Rows of the report's table, a carrier's band after the other.

    Returns
    -------
    list of dict
        ``who``, ``band``, ``kind``, ``share`` of the cells, ``covered`` share of them, ``points``
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
                    "points": int(row["points"]),
                    "difference_db": None if difference != difference else difference,
                }
            )
    return found
