"""What a siting problem answers: the plan, its proven bound, and how both were found."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import pandas as pd


class Status(StrEnum):
    """How far a plan is proven."""

    OPTIMAL = "optimal"
    """No plan is better (by more than one part in a million)."""
    FEASIBLE = "feasible"
    """The plan keeps every limit; a better one may exist, but none above the bound."""

    @classmethod
    def of(cls, objective: float, bound: float) -> Status:
        """What a bound proves of a plan.

        >>> str(Status.of(99.0, 100.0)), str(Status.of(0.0, 0.0))
        ('feasible', 'optimal')
        """
        return cls.OPTIMAL if bound - objective <= 1e-6 * bound else cls.FEASIBLE


@dataclass(frozen=True, eq=False)
class Plan:
    """A plan that keeps every limit, with a bound that no plan exceeds.

    Attributes
    ----------
    assignments : DataFrame
        One row per choice: ``carrier`` and ``site`` (positions, int), ``order`` (from 1, in which
        the choices were made greedily; fixed ones first), ``gain`` (demand that it adds to those
        before it) and ``loss_without`` (demand lost if this choice alone is dropped).
    selected : ndarray of int
        Positions of sites, ascending; for an allocation the pairs (carrier, site), shape (n, 2).
    objective : float
        Demand covered, counted again from the footprints.
    bound : float
        No plan that keeps the limits covers more, whatever found this one.
    status : Status
        Whether it is proven optimal.
    method : str
        What found the plan and what proved the bound.
    reproducible : bool
        False where a time limit, and not a work limit, ended the search.
    seconds : float
        Time taken; no part of equality.
    """

    assignments: pd.DataFrame
    selected: np.ndarray
    objective: float
    bound: float
    status: Status
    method: str
    reproducible: bool = True
    seconds: float = field(default=0.0, repr=False)

    @property
    def gap(self) -> float:
        """The share of the bound that is not proven to be out of reach.

        >>> Plan(pd.DataFrame(), np.array([0]), 99.0, 100.0, Status.FEASIBLE, "greedy").gap
        0.01
        """
        return (self.bound - self.objective) / self.bound if self.bound > 0 else 0.0

    @property
    def pairs(self) -> np.ndarray:
        """``selected`` as pairs (carrier, site), (n, 2); sites alone are those of carrier 0.

        >>> Plan(pd.DataFrame(), np.array([4]), 1.0, 1.0, Status.OPTIMAL, "greedy").pairs.tolist()
        [[0, 4]]
        """
        if self.selected.ndim == 2:
            return self.selected
        return np.column_stack([np.zeros_like(self.selected), self.selected])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Plan):
            return NotImplemented
        return (
            self.assignments.equals(other.assignments)
            and np.array_equal(self.selected, other.selected)
            and (self.objective, self.bound, self.status, self.method)
            == (other.objective, other.bound, other.status, other.method)
        )

    def __hash__(self) -> int:
        return hash((self.objective, self.bound, self.selected.tobytes()))
