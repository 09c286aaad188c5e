"""Arguments of the siting problems, checked all at once and brought into one form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from tdh.errors import InputError, Problem
from tdh.language import Text
from tdh.siting.model import canonical


class Floor(NamedTuple):
    """Least demand to cover within a mask of the cells.

    Attributes
    ----------
    mask : (n_cells,) bool
    need : float
    carrier : int or None
        Whose demand counts; None: that of all carriers.
    """

    mask: np.ndarray
    need: float
    carrier: int | None = None


class Checks:
    """Collects problems; raises once."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(
        self, en: str, ja: str, where: str, value: object = None, expected: object = None
    ) -> None:
        """Note a problem of an argument."""
        text = None if expected is None else str(expected)
        self.problems.append(Problem(Text(en, ja), value=value, expected=text, where=where))

    def done(self) -> None:
        """Raise if anything was wrong."""
        if self.problems:
            raise InputError(*self.problems)

    def footprints(self, footprints: Iterable[Any]) -> list[sparse.csr_array]:
        """Canonical footprints of one shape."""
        out = [canonical(sparse.csr_array(f)) for f in footprints]
        if not out:
            self.add("there is no footprint", "フットプリントがありません", "footprints")
            self.done()
        shapes = {f.shape for f in out}
        if len(shapes) > 1:
            self.add(
                "footprints differ in shape",
                "フットプリントの形が揃っていません",
                "footprints",
                sorted(shapes),
            )
            self.done()
        return out

    def numbers(
        self, values: ArrayLike, shape: tuple[int, ...], where: str, *, least: float | None = 0.0
    ) -> np.ndarray:
        """Finite numbers (or infinity, where a limit may be absent) of a shape, broadcast."""
        array = np.asarray(values, dtype=np.float64)
        try:
            array = np.array(np.broadcast_to(array, shape))
        except ValueError:
            self.add("it has the wrong shape", "形が違います", where, array.shape, shape)
            return np.zeros(shape)
        if np.isnan(array).any():
            self.add("a value is missing (NaN)", "値が欠けています(NaN)", where)
        elif least is not None and (array < least).any():
            self.add(
                "a value is too small",
                "小さすぎる値があります",
                where,
                array.min(),
                f">= {least:g}",
            )
        return array

    def limits(self, values: Any, n: int, where: str) -> np.ndarray:
        """One limit a carrier; None is no limit."""
        if values is None:
            return np.full(n, np.inf)
        if np.ndim(values) == 0:
            values = [values] * n
        return self.numbers([np.inf if v is None else v for v in values], (n,), where)

    def pairs(self, values: Any, n_carriers: int, n_sites: int, where: str) -> np.ndarray:
        """Pairs (carrier, site) within range, as a bool array (n_carriers, n_sites)."""
        out = np.zeros((n_carriers, n_sites), dtype=bool)
        if values is None or len(values) == 0:
            return out
        array = np.asarray(values)
        if array.dtype == bool and array.shape == out.shape:
            return array.copy()
        if array.ndim != 2 or array.shape[1] != 2 or not np.issubdtype(array.dtype, np.integer):
            self.add(
                "pairs of carrier and site are expected",
                "事業者と候補地の組が必要です",
                where,
                array.shape,
                "(n, 2) int",
            )
            return out
        inside = ((array >= 0) & (array < [n_carriers, n_sites])).all(axis=1)
        if not inside.all():
            self.add(
                "positions are out of range",
                "範囲外の位置があります",
                where,
                array[~inside][:3].tolist(),
                f"< ({n_carriers}, {n_sites})",
            )
        out[tuple(array[inside].T)] = True
        return out

    def floors(
        self, floors: Sequence[tuple[Any, ...]] | None, n_cells: int, n_carriers: int = 1
    ) -> list[Floor]:
        """Masks over cells with the least demand to cover, over all carriers or of one."""
        out = []
        for k, floor in enumerate(floors or ()):
            where = f"floors[{k}]"
            if len(floor) not in (2, 3):
                self.add(
                    "a floor is a mask, a number and perhaps a carrier",
                    "下限はマスク、数値、必要なら事業者の組です",
                    where,
                    len(floor),
                    "2, 3",
                )
                continue
            mask, need, carrier = (*floor, None)[:3]
            array = np.asarray(mask)
            if array.dtype != bool or array.shape != (n_cells,):
                self.add(
                    "a bool mask of the cells is expected",
                    "セルの真偽値マスクが必要です",
                    where,
                    f"{array.dtype} {array.shape}",
                    f"bool ({n_cells},)",
                )
                continue
            if not np.isfinite(need):
                self.add("a floor is not finite", "下限値が有限ではありません", where, need)
                continue
            if carrier is not None and not 0 <= carrier < n_carriers:
                self.add(
                    "there is no such carrier",
                    "その事業者はありません",
                    where,
                    carrier,
                    f"0 … {n_carriers - 1}",
                )
                continue
            out.append(Floor(array, float(need), None if carrier is None else int(carrier)))
        return out
