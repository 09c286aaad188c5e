"""What the parts of a page are gathered in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tdh.language import Text

MISSING_U16 = 65535


@dataclass
class Content:
    """The parts of a page: ``meta`` becomes JSON, ``blocks`` are packed texts by element id."""

    meta: dict[str, Any] = field(default_factory=dict)
    blocks: dict[str, str] = field(default_factory=dict)


def both(text: Text) -> dict[str, str]:
    """A text in both languages."""
    return {"ja": text.render("ja"), "en": text.render("en")}


def u16(values: pd.Series, scale: float = 10) -> np.ndarray:
    """Tenths, 65535 where missing.

    >>> u16(pd.Series([1.25, None])).tolist()
    [12, 65535]
    """
    numbers = np.rint(pd.to_numeric(values).to_numpy(dtype=float, na_value=np.nan) * scale)
    return np.where(np.isnan(numbers), MISSING_U16, np.clip(numbers, 0, MISSING_U16 - 1)).astype(
        int
    )
