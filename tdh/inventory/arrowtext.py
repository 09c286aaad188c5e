"""Patterns over whole columns of text, by Arrow instead of a loop in Python.

Patterns are RE2's: no look-around, ``\\s`` and ``\\d`` are ASCII.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


def _array(column: pd.Series) -> pa.Array:
    array = pa.array(column, type=pa.large_string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _series(array: pa.Array, column: pd.Series) -> pd.Series:
    return pd.Series(pd.array(array, dtype="str"), index=column.index)


def contains(column: pd.Series, pattern: str, *, ignore_case: bool = False) -> np.ndarray:
    """Whether texts contain a pattern; NA does not.

    >>> contains(pd.Series(["a1", "b"]), r"\\d$").tolist()
    [True, False]
    """
    found = pc.match_substring_regex(_array(column), pattern, ignore_case=ignore_case)
    return np.asarray(found.fill_null(False).to_numpy(zero_copy_only=False), dtype=bool)


def extract(column: pd.Series, pattern: str) -> pd.Series:
    """What the group ``v`` of a pattern matches; NA where the pattern does not.

    >>> extract(pd.Series(["a1", "b"]), r"(?P<v>\\d)").tolist()[0]
    '1'
    """
    match = pc.extract_regex(_array(column), pattern=pattern)
    value = pc.struct_field(match, "v")
    return _series(pc.if_else(match.is_valid(), value, pa.scalar(None, value.type)), column)


def replace(column: pd.Series, pattern: str, by: str) -> pd.Series:
    """Every match of a pattern replaced.

    >>> replace(pd.Series(["a1b2"]), r"\\d", "").tolist()
    ['ab']
    """
    return _series(pc.replace_substring_regex(_array(column), pattern, by), column)


def nfkc(column: pd.Series) -> pd.Series:
    """Texts in the compatibility form: full and half width become one."""
    return _series(pc.utf8_normalize(_array(column), form="NFKC"), column)
