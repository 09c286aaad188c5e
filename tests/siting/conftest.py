"""Enumeration of all plans, written from the definitions, for every problem's oracle."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

Pairs = list[tuple[int, int]]


@pytest.fixture(scope="session")
def every_plan() -> Callable[[dict[str, Any]], Iterator[Pairs]]:
    """Lists of (carrier, site) that keep the limits of a problem of one or two carriers."""
    return _every_plan


def _every_plan(problem: dict[str, Any]) -> Iterator[Pairs]:
    n_carriers = len(problem["footprints"])
    n_sites = problem["footprints"][0].shape[0]
    most = np.broadcast_to(problem["max_sites"], (n_carriers,))
    xy, spacing = problem.get("xy_m"), problem.get("spacing_m", 0.0)
    cost = np.broadcast_to(problem.get("cost", 1.0), (n_carriers, n_sites))
    capacity = np.broadcast_to(problem.get("sharing_capacity", 1), (n_sites,))
    fixed = problem.get("fixed") or []
    forbidden = {tuple(p) for p in problem.get("forbidden") or []}
    budget = np.broadcast_to(problem.get("budget", np.inf), (n_carriers,))
    own = []
    for c in range(n_carriers):
        sets = []
        for k in range(min(int(most[c]), n_sites) + 1):
            for s in itertools.combinations(range(n_sites), k):
                near = spacing > 0 and any(
                    np.hypot(*(xy[a] - xy[b])) < spacing for a, b in itertools.combinations(s, 2)
                )
                if near or any((c, i) in forbidden for i in s):
                    continue
                if sum(cost[c, i] for i in s) > budget[c] + 1e-9:
                    continue
                if all(i in s for carrier, i in fixed if carrier == c):
                    sets.append([(c, i) for i in s])
        own.append(sets)
    for parts in itertools.product(*own):
        pairs = [p for part in parts for p in part]
        used = np.bincount([i for _, i in pairs], minlength=n_sites)
        if (used > capacity).any():
            continue
        if sum(cost[p] for p in pairs) > problem.get("programme_budget", np.inf):
            continue
        if any(len(set(pairs) & set(of)) > n for of, n in problem.get("at_most", [])):
            continue
        yield pairs
