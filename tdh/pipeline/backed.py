"""The plan that also counts cover by a second station, so that one may fail."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from tdh import gaps, resilience, siting
from tdh.pipeline import standing
from tdh.pipeline.context import Context
from tdh.pipeline.objectives import Answer, assignments, with_today, without_today
from tdh.pipeline.scored import place_priorities
from tdh.results import Run
from tdh.siting import infeasible
from tdh.siting.allocation import check


def served_once(run: Run) -> np.ndarray:
    """Cells that depend on one station of today's network: bool, (n_carriers, n_cells).

    A gap is not among them, nor is a cell whose service no known station explains.
    """
    carriers = [c.id for c in run.carriers]
    depth = np.vstack([resilience.depth(standing.network(run, c).footprint) for c in carriers])
    once: np.ndarray = (depth == 1) & ~gaps.gap_matrix(run.gaps, run.cells, carriers)
    return once


def worth(context: Context) -> np.ndarray:
    """What a second cover of each cell counts for, (n_carriers, n_cells): customers or places."""
    scenario, cells = context.scenario, context.run.cells
    backup = scenario.siting.backup
    assert backup is not None
    if backup.of == "people":
        shares = np.array([scenario.market_shares[c.id] for c in scenario.carriers])
        return shares[:, None] * cells["population"].to_numpy(float)
    priorities = place_priorities(context)
    none = np.zeros(len(cells))
    each = backup.place_people * (none if priorities is None else priorities)
    return np.broadcast_to(each, (len(scenario.carriers), len(cells)))


def backed(
    context: Context,
    footprints: list[sparse.csr_array],
    unmet: np.ndarray,
    limits: dict[str, Any],
) -> Answer:
    r"""The plan that serves most people, second covers weighted in.

    For people, a customer in a gap counts 1 when served and w when served twice, and a customer
    who depends on one station today counts w for a second. For places, people in a gap count when
    served, and a place as many people as it is worth: once when served, w when served twice.

    All is one backup covering problem (:func:`tdh.siting.solve_backup_cover`): cells that one
    station serves today are covered by a site that is fixed. Where second covers count for places
    alone, cells of people are covered by it as well, and count 1/w: what they then gain is their
    second cover, w · 1/w.

    Parameters
    ----------
    context : Context
    footprints : list of csr_array, shape (n_sites, n_cells)
        All cells.
    unmet : ndarray of float, shape (n_carriers, n_cells)
    limits : dict
        With floors over all cells.
    """
    scenario, run = context.scenario, context.run
    backup = scenario.siting.backup
    assert backup is not None
    infeasible.check_fixed(check(footprints, unmet, **limits))
    weight, of_people = backup.weight, backup.of == "people"
    once = served_once(run)
    missing = gaps.gap_matrix(run.gaps, run.cells, [c.id for c in scenario.carriers])
    value = worth(context) * (once if of_people else once | missing)
    gap_cells = np.flatnonzero(unmet.any(axis=0))
    more_cells = np.flatnonzero(value.any(axis=0))
    columns = [sparse.hstack([f[:, gap_cells], f[:, more_cells]], format="csr") for f in footprints]
    of_gap, of_more = unmet[:, gap_cells], value[:, more_cells]
    covered = np.hstack([np.full(of_gap.shape, not of_people), once[:, more_cells]])
    demand = np.hstack([of_gap if of_people else of_gap / weight, of_more])
    given, bounds_of = with_today([sparse.csr_array(f) for f in columns], limits, covered)
    none = np.zeros(more_cells.size, dtype=bool)
    bounds_of["floors"] = [
        (np.concatenate([mask[gap_cells], none]), *need) for mask, *need in limits["floors"]
    ]
    weights = (1.0, weight)
    found = siting.solve_backup_cover(given, demand, weights, seed=scenario.seed, **bounds_of)
    broken = siting.verify_backup(found, given, demand, weights, **bounds_of)
    # What is covered whatever is chosen is no merit of the plan.
    given_free = float((demand * covered).sum())
    objective, bound = found.plan.objective - given_free, found.plan.bound - given_free
    selected = without_today(found.plan.selected, footprints)
    table = assignments(footprints, unmet, limits, selected)
    people = float(table["gain"].sum())
    gap = (bound - objective) / bound if bound > 0 else 0.0
    plan = siting.Plan(
        table,
        selected,
        people,
        people + (bound - objective),
        siting.Status.of(people, people + (bound - objective)),
        found.plan.method,
        found.plan.reproducible,
        found.plan.seconds,
    )
    broken += siting.verify(plan, footprints, unmet, **limits)
    facts = {
        "backup": {
            "of": backup.of,
            "weight": weight,
            "value": objective - people,
            "objective": objective,
            "bound": bound,
            "gap": gap,
            "status": str(siting.Status.of(objective, bound)),
        }
    }
    return Answer(plan, facts, broken=broken)
