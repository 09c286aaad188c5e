"""Arguments of the siting problems, checked all at once and brought into one form.

Every public solver reads its arguments through :class:`Checks`, so that what is refused, and how it
is said, stands in one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import UnionType
from typing import Any, NamedTuple

import numpy as np
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
        self,
        en: str,
        ja: str,
        where: str,
        value: object = None,
        expected: object = None,
        fix: Text | None = None,
    ) -> None:
        """Note a problem of an argument."""
        text = None if expected is None else str(expected)
        self.problems.append(
            Problem(Text(en, ja), value=value, expected=text, where=where, fix=fix)
        )

    def done(self) -> None:
        """Raise if anything was wrong."""
        if self.problems:
            raise InputError(*self.problems)

    def kind(self, where: str, value: object, kind: type | UnionType, name: str) -> bool:
        """Whether an argument is of its kind; notes that it is not."""
        if isinstance(value, kind):
            return True
        self.add("it is of another kind", "種類が違います", where, type(value).__name__, name)
        return False

    def footprints(self, footprints: Iterable[Any]) -> list[sparse.csr_array]:
        """Canonical footprints of one shape."""
        fix = Text(
            "give a list of matrices (sites by cells), one a carrier",
            "事業者ごとに1つの行列(候補地×セル)をリストで指定してください",
        )
        # A matrix given for the list would be taken apart into its rows.
        alone = sparse.issparse(footprints) or not isinstance(footprints, Iterable)
        try:
            out = [] if alone else [canonical(f) for f in footprints]
        except (TypeError, ValueError) as error:
            self.add(
                "a footprint is no matrix",
                "フットプリントが行列ではありません",
                "footprints",
                error,
                fix=fix,
            )
            self.done()
        if alone or not out:
            self.add(
                "a list of footprints is expected, and there is none"
                if alone
                else "there is no footprint",
                "フットプリントのリストではありません" if alone else "フットプリントがありません",
                "footprints",
                fix=fix,
            )
            self.done()
        shapes = {f.shape for f in out}
        if len(shapes) > 1 or any(len(shape) != 2 for shape in shapes):
            self.add(
                "footprints differ in shape",
                "フットプリントの形が揃っていません",
                "footprints",
                sorted(shapes),
                "(n_sites, n_cells)",
            )
            self.done()
        return out

    def array(self, values: Any, where: str, dtype: Any = None) -> np.ndarray | None:
        """Values as an array, or None where they are none of the kind."""
        try:
            return np.asarray(values, dtype=dtype)
        except (TypeError, ValueError):
            # A table would be told over many lines.
            shown = values.tolist() if hasattr(values, "tolist") else values
            text = "numbers are expected" if dtype else "an even array is expected"
            ja = "数値ではありません" if dtype else "配列の形が揃っていません"
            self.add(text, ja, where, shown)
            return None

    def numbers(
        self,
        values: Any,
        shape: tuple[int, ...],
        where: str,
        *,
        least: float | None = 0.0,
        finite: bool = False,
    ) -> np.ndarray:
        """Numbers of a shape, broadcast.

        Parameters
        ----------
        values : array_like
        shape : tuple of int
        where : str
            The argument's name.
        least : float or None
            The least that is allowed.
        finite : bool
            Whether infinity (elsewhere a limit that is absent) is refused.

        Returns
        -------
        float64 array of the shape
            Zeros where a problem was noted.
        """
        given = self.array(values, where, np.float64)
        if given is None:
            return np.zeros(shape)
        try:
            array = np.array(np.broadcast_to(given, shape))
        except ValueError:
            self.add("it has the wrong shape", "形が違います", where, given.shape, shape)
            return np.zeros(shape)
        if np.isnan(array).any():
            self.add("a value is missing (NaN)", "値が欠けています(NaN)", where)
        elif finite and np.isinf(array).any():
            self.add("a value is infinite", "無限大の値があります", where)
        elif least is not None and (array < least).any():
            self.add(
                "a value is too small",
                "小さすぎる値があります",
                where,
                array.min(),
                f">= {least:g}",
            )
        else:
            return array
        return np.zeros(shape)

    def number(
        self, value: Any, where: str, *, least: float | None = 0.0, finite: bool = False
    ) -> float:
        """One number."""
        return float(self.numbers(value, (), where, least=least, finite=finite))

    def fraction(self, value: Any, where: str, *, zero: bool = False, one: bool = True) -> float:
        """A number between 0 and 1, which may be the one or the other."""
        known = len(self.problems)
        found = self.number(value, where, least=None)
        inside = 0 < found < 1 or (zero and found == 0) or (one and found == 1)
        if len(self.problems) == known and not inside:
            expected = f"{'[' if zero else '('}0, 1{']' if one else ')'}"
            self.add("it is out of range", "範囲外の値です", where, value, expected)
        return found

    def costs(self, values: Any, shape: tuple[int, int]) -> np.ndarray:
        """Cost of each choice, (n_carriers, n_sites); infinite is what cannot be had."""
        return self.numbers(1.0 if values is None else values, shape, "cost")

    def payable(self, cost: np.ndarray, fixed: np.ndarray, where: str = "cost") -> None:
        """Refuse choices that are fixed but cannot be had for money."""
        lost = np.argwhere(fixed & np.isinf(cost))
        if len(lost):
            self.add(
                "a fixed choice has an infinite cost, which means that it cannot be had",
                "固定した選択の費用が無限大(利用できないことを表す)になっています",
                where,
                lost[:3].tolist(),
                fix=Text(
                    "give it a cost, or take it out of the fixed choices",
                    "費用を指定するか、固定した選択から外してください",
                ),
            )

    def limits(self, values: Any, n: int, where: str) -> np.ndarray:
        """One limit a carrier; None is no limit."""
        if values is None:
            return np.full(n, np.inf)
        single = isinstance(values, str) or not isinstance(values, Iterable)
        if single or getattr(values, "ndim", 1) == 0:
            return self.numbers(values, (n,), where)
        return self.numbers([np.inf if v is None else v for v in values], (n,), where)

    def sites(self, values: Any, n_sites: int, where: str) -> np.ndarray:
        """Sites within range, by position or as a mask, as a bool array (n_sites,).

        Examples
        --------
        >>> Checks().sites([2, 0, 2], 3, "fixed").tolist()
        [True, False, True]
        """
        out = np.zeros(n_sites, dtype=bool)
        array = self.array([] if values is None else values, where)
        if array is None or (array.size == 0 and array.dtype != bool):
            return out
        if array.dtype == bool and array.shape == out.shape:
            return array.copy()
        if array.ndim > 1 or not np.issubdtype(array.dtype, np.integer):
            self.add(
                "positions of sites, or a bool mask of them, are expected",
                "候補地の位置か、その真偽値マスクが必要です",
                where,
                f"{array.dtype} {array.shape}",
                f"(n,) int, bool ({n_sites},)",
                Text(
                    "give whole numbers from 0, or one truth value a site",
                    "0から始まる整数か、候補地ごとの真偽値を指定してください",
                ),
            )
            return out
        positions = np.atleast_1d(array)
        inside = (positions >= 0) & (positions < n_sites)
        if not inside.all():
            self._out_of_range(where, positions[~inside], str(n_sites))
        out[positions[inside]] = True
        return out

    def _out_of_range(self, where: str, positions: np.ndarray, limit: str) -> None:
        self.add(
            "positions are out of range",
            "範囲外の位置があります",
            where,
            positions[:3].tolist(),
            f"0 … < {limit}",
            Text(
                "positions count from 0 in the order of the footprints' rows",
                "位置はフットプリントの行の順に0から数えます",
            ),
        )

    def pairs(self, values: Any, n_carriers: int, n_sites: int, where: str) -> np.ndarray:
        """Pairs (carrier, site) within range, as a bool array (n_carriers, n_sites)."""
        out = np.zeros((n_carriers, n_sites), dtype=bool)
        array = self.array([] if values is None else values, where)
        if array is None or (array.size == 0 and array.dtype != bool):
            return out
        if array.dtype == bool and array.shape == out.shape:
            return array.copy()
        if array.ndim != 2 or array.shape[1] != 2 or not np.issubdtype(array.dtype, np.integer):
            self.add(
                "pairs of carrier and site are expected",
                "事業者と候補地の組が必要です",
                where,
                f"{array.dtype} {array.shape}",
                f"(n, 2) int, bool ({n_carriers}, {n_sites})",
                Text(
                    "give (carrier, site) by position, or one truth value a carrier and site",
                    "(事業者, 候補地)の位置の組か、事業者×候補地の真偽値を指定してください",
                ),
            )
            return out
        inside = ((array >= 0) & (array < [n_carriers, n_sites])).all(axis=1)
        if not inside.all():
            self._out_of_range(where, array[~inside], f"({n_carriers}, {n_sites})")
        out[tuple(array[inside].T)] = True
        return out

    def floors(
        self, floors: Sequence[tuple[Any, ...]] | None, n_cells: int, n_carriers: int = 1
    ) -> list[Floor]:
        """Masks over cells with the least demand to cover, over all carriers or of one."""
        out = []
        for k, floor in enumerate(() if floors is None else floors):
            where = f"floors[{k}]"
            if not isinstance(floor, Sequence) or len(floor) not in (2, 3):
                self.add(
                    "a floor is a mask, a number and perhaps a carrier",
                    "下限はマスク、数値、必要なら事業者の組です",
                    where,
                    f"{len(floor)} values" if isinstance(floor, Sequence) else floor,
                    "(mask, need), (mask, need, carrier)",
                )
                continue
            known = len(self.problems)
            mask = self.mask(floor[0], n_cells, where)
            need = self.number(floor[1], where, least=None, finite=True)
            carrier = floor[2] if len(floor) == 3 else None
            if carrier is not None and not _is_one_of(carrier, n_carriers):
                self.add(
                    "there is no such carrier",
                    "その事業者はありません",
                    where,
                    carrier,
                    f"0 … {n_carriers - 1}",
                    Text(
                        "name a carrier by its position among the footprints",
                        "事業者はフットプリントの並びでの位置(0から)で指定してください",
                    ),
                )
            if len(self.problems) == known:
                out.append(Floor(mask, need, None if carrier is None else int(carrier)))
        return out

    def mask(self, values: Any, n_cells: int, where: str) -> np.ndarray:
        """A bool mask of the cells."""
        array = self.array(values, where)
        if array is not None and array.dtype == bool and array.shape == (n_cells,):
            return array
        if array is not None:
            self.add(
                "a bool mask of the cells is expected",
                "セルの真偽値マスクが必要です",
                where,
                f"{array.dtype} {array.shape}",
                f"bool ({n_cells},)",
            )
        return np.zeros(n_cells, dtype=bool)

    def sets(
        self, at_most: Sequence[tuple[Any, float]] | None, n_carriers: int, n_sites: int
    ) -> list[tuple[np.ndarray, float]]:
        """Sets of pairs with the most of them that may be chosen."""
        out = []
        for k, item in enumerate(() if at_most is None else at_most):
            where = f"at_most[{k}]"
            if not isinstance(item, Sequence) or len(item) != 2:
                self.add(
                    "a limit of a set is its pairs and a number",
                    "集合の上限は、組の一覧と数値です",
                    where,
                    item,
                    "(pairs, number)",
                )
                continue
            pairs, limit = item
            out.append((self.pairs(pairs, n_carriers, n_sites, where), self.number(limit, where)))
        return out


def _is_one_of(position: Any, n: int) -> bool:
    whole = isinstance(position, int | np.integer) and not isinstance(position, bool)
    return whole and 0 <= position < n
