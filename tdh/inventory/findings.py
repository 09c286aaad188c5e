"""Findings: what was repaired, noted, doubted or refused in a register, row by row.

``rules.csv`` names every rule with its severity and its wording in English and Japanese. A rule's
rows are added together, as arrays, so that a register of a million records costs no loop.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tdh import schemas
from tdh.language import Text

COLUMNS = ["source", "source_row", "rule", "severity", "column", "before", "after", "message"]
SEVERITIES = ("info", "warning", "error")


@cache
def rules() -> pd.DataFrame:
    """All rules, by name: severity, wording (en, ja) and how to mend it (fix_en, fix_ja).

    >>> str(rules().loc["swapped", "severity"])
    'info'
    """
    with files("tdh.inventory").joinpath("rules.csv").open(encoding="utf-8") as handle:
        return pd.read_csv(handle, dtype=str, keep_default_na=False).set_index("rule")


def text(rule: str, **values: object) -> Text:
    """The wording of a rule."""
    row = rules().loc[rule]
    return Text(str(row["en"]), str(row["ja"]), **values)


def translate(rule: str, message: str, language: str) -> str:
    """A finding's message, written in one language, in another.

    >>> translate("blank_rows", "3 blank lines were skipped", "ja")
    '空行 3 行を読み飛ばしました'
    """
    row = rules().loc[rule]
    for template in (str(row["en"]), str(row["ja"])):
        parts = re.split(r"\{(\w+)[^}]*\}", template)
        pattern = "".join(
            f"(?P<{part}>.*)" if i % 2 else re.escape(part) for i, part in enumerate(parts)
        )
        if match := re.fullmatch(pattern, message, flags=re.DOTALL):
            values = {"axis_ja": _AXES.get(match.groupdict().get("axis", ""), "")}
            return str(row[language]).format(**{**values, **match.groupdict()})
    return message


def messages(table: pd.DataFrame, language: str) -> pd.Series:
    """The messages of a table ``findings`` in a language, whatever language it was written in."""
    known = rules().index
    told = {
        (rule, message): translate(rule, message, language) if rule in known else message
        for rule, message in table[["rule", "message"]].drop_duplicates().itertuples(index=False)
    }
    pairs = zip(table["rule"], table["message"], strict=True)
    return pd.Series([told[pair] for pair in pairs], index=table.index, dtype="str")


_AXES = {"northing": "北方向", "easting": "東方向"}


def fix(rule: str) -> Text:
    """How to mend what a rule found."""
    row = rules().loc[rule]
    return Text(str(row["fix_en"]), str(row["fix_ja"]))


class Findings:
    """Collects the findings of one register.

    Parameters
    ----------
    source : str
        The register, as findings name it.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._parts: list[pd.DataFrame] = []

    def add(
        self,
        rule: str,
        rows: ArrayLike = 0,
        *,
        column: str | None = None,
        before: object = None,
        after: object = None,
        **values: object,
    ) -> None:
        """Add a rule's findings.

        Parameters
        ----------
        rule : str
            A rule of ``rules.csv``.
        rows : array_like of int, shape (n,), default 0
            Record numbers; 0 is the register as a whole.
        column : str, optional
            The register's column.
        before, after : str or array_like of str, shape (n,), optional
            The value as published and as used.
        **values
            What the rule's wording names.
        """
        numbers = np.atleast_1d(np.asarray(rows, dtype=np.int64))
        if numbers.size == 0:
            return
        part = pd.DataFrame({"source_row": numbers})
        part["rule"] = rule
        part["severity"] = rules().loc[rule, "severity"]
        part["column"] = column
        for name, value in (("before", before), ("after", after)):
            part[name] = value if value is None or isinstance(value, str) else np.asarray(value)
        part["message"] = str(text(rule, **values))
        for name in ("rule", "severity", "column", "before", "after", "message"):
            part[name] = part[name].astype("str")
        self._parts.append(part)

    def counts(self) -> dict[str, int]:
        """Findings per rule."""
        return self.frame()["rule"].value_counts(sort=False).to_dict()

    def frame(self) -> pd.DataFrame:
        """The table ``findings``, in the order of the records."""
        if not self._parts:
            return empty()
        out = pd.concat(self._parts, ignore_index=True)
        out.insert(0, "source", pd.Series(self.source, index=out.index, dtype="str"))
        out = out.sort_values("source_row", kind="stable", ignore_index=True)
        return schemas.conform(out[COLUMNS], "findings")


def empty() -> pd.DataFrame:
    """A table ``findings`` without rows."""
    frame = pd.DataFrame({name: pd.Series(dtype="str") for name in COLUMNS})
    frame["source_row"] = frame["source_row"].astype("int64")
    return schemas.conform(frame, "findings")


def of(source: str, register_rows: ArrayLike, rule: str, **kwargs: object) -> pd.DataFrame:
    """Findings of one rule as a table, for stages that are not readers."""
    collector = Findings(source)
    collector.add(rule, register_rows, **kwargs)  # type: ignore[arg-type]
    return collector.frame()
