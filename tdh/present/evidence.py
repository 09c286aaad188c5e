"""What is known of today's coverage, from several sources, as one signal with its source.

Four kinds of evidence, from strongest to weakest; :func:`combine` takes, cell by cell, the
strongest that says something there:

=========== ================================================= ====
kind        from                                              code
=========== ================================================= ====
measured    drive tests                                       4
declared    service areas that the carrier declares           3
predicted   the model over known sites; predictions' rasters  2
estimated   the model over sites estimated from cells seen    1
none        nothing is received, nothing is known             0
=========== ================================================= ====
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["estimated", "predicted", "declared", "measured"]

CODES: dict[str, int] = {"none": 0, "estimated": 1, "predicted": 2, "declared": 3, "measured": 4}
"""What the rasters ``coverage/{carrier}-{band}-source.tif`` hold."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What one source says of a carrier's band.

    Parameters
    ----------
    kind : {"estimated", "predicted", "declared", "measured"}
    rsrp_dbm : ndarray of float, shape (n_cells,)
        SS-RSRP; NaN: no service, where something is said at all.
    said : ndarray of bool, shape (n_cells,)
        The cells of which it says something.
    at_least : bool
        Whether the level is only a lower bound, as of an area that is declared without levels: a
        stronger signal of a weaker kind of evidence then keeps its level.
    points : ndarray of int, shape (n_cells,), optional
        How many measurements stand behind each cell.
    """

    kind: Kind
    rsrp_dbm: np.ndarray
    said: np.ndarray
    at_least: bool = False
    points: np.ndarray | None = None

    @classmethod
    def of_signal(cls, kind: Kind, rsrp_dbm: np.ndarray) -> Evidence:
        """Evidence that speaks wherever it holds a signal."""
        return cls(kind, rsrp_dbm, ~np.isnan(rsrp_dbm))


def combine(evidence: Iterable[Evidence], n_cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Today's signal, and which kind of evidence it stands on.

    Measured goes before declared, declared before predicted, predicted before estimated, in each
    cell by itself; of several sources of one kind the strongest signal counts.

    Returns
    -------
    rsrp_dbm : ndarray of float32, shape (n_cells,)
        NaN where nothing is received.
    source : ndarray of uint8, shape (n_cells,)
        :data:`CODES`.

    Examples
    --------
    >>> predicted = Evidence.of_signal("predicted", np.array([-90.0, -120.0, np.nan]))
    >>> inside = np.array([True, True, False])
    >>> declared = Evidence("declared", np.full(3, -110.0), inside, at_least=True)
    >>> combine([declared, predicted], 3)
    (array([ -90., -110.,   nan], dtype=float32), array([3, 3, 0], dtype=uint8))
    """
    layers = list(evidence)
    rsrp = np.full(n_cells, np.nan)
    source = np.zeros(n_cells, dtype=np.uint8)
    for kind, code in CODES.items():
        own = [layer for layer in layers if layer.kind == kind]
        if not own:
            continue
        best = np.full(n_cells, np.nan)
        said = np.zeros(n_cells, dtype=bool)
        for layer in own:
            level = np.where(layer.said, layer.rsrp_dbm, np.nan)
            if layer.at_least:
                below = np.where(layer.said, rsrp, np.nan)
                level = np.where(np.isnan(level), np.nan, np.fmax(level, below))
            best = np.fmax(best, level)
            said |= layer.said
        rsrp[said] = best[said]
        source[said] = code
    return rsrp.astype(np.float32), source
