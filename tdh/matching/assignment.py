"""Rules that look at all requests together: most points in total, and fairness between carriers.

With requests of one place each, places and nested caps make a network, so that the linear program
has whole solutions and prices; the awards are exact, and the prices say what a refused request
lacked. Requests of several places make it a mixed-integer program.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse.csgraph import maximum_flow

from tdh.errors import NoSolutionError, Problem
from tdh.language import Text
from tdh.matching.award import Award, assemble
from tdh.matching.market import NO_CAP, Market, Room
from tdh.matching.sequential import SERVED, too_few_places


def assign(market: Market, rule: str) -> Award:
    """``welfare_maximal`` or ``lexicographic_fairness``, one class of priority after another."""
    room = Room(market)
    chosen = np.zeros(len(market), dtype=bool)
    needed = np.full(len(market), np.nan)
    for cls in np.unique(market.priority).tolist():
        rows = np.flatnonzero(market.priority == cls)
        rows = rows[[room.refusal(i) is None for i in rows.tolist()]]
        if not len(rows):
            continue
        part = _Part(market, rows, room)
        counts = None
        if rule == "lexicographic_fairness":
            if not market.simple:
                won = part.fairest_by_milp()
                chosen[rows[won]] = True
                for request in rows[won].tolist():
                    room.take(request)
                continue
            counts = part.fairest_counts()
        won, prices = part.most_points(counts)
        chosen[rows[won]] = True
        needed[rows] = prices
        for request in rows[won].tolist():
            room.take(request)
    why = {i: _reason(market, i, rule) for i in np.flatnonzero(chosen).tolist()}
    refused = {
        i: _refusal(market, i, rule, room.refusal(i) or "outweighed", float(needed[i]))
        for i in np.flatnonzero(~chosen).tolist()
    }
    none = np.zeros(len(market), dtype=np.int64)
    promises = {"stable": False, "strategy_proof": False}
    return assemble(market, rule, chosen, none, why, refused, promises)


class _Part:
    """The requests of one class, in the room that is left."""

    def __init__(self, market: Market, rows: np.ndarray, room: Room) -> None:
        self.market, self.rows, self.room = market, rows, room
        self.carrier, self.asset = market.carrier[rows], market.asset[rows]
        self.places = market.places[rows]
        n = len(rows)
        # Ties: seeded extras that are together worth less than the least difference of points.
        noise = 1.0 - market.lot[rows]
        self.scale = 1.0 if _whole(market.points) else 1e5 / max(market.points.max(), 1e-300)
        self.weight = market.points[rows] * self.scale + 0.5 * noise / n
        limits: list[tuple[np.ndarray, np.ndarray, float]] = []
        for asset, inside in _groups(self.asset):
            # An asset with room for all who ask binds nobody.
            if self.places[inside].sum() > room.places[asset]:
                limits.append((inside, self.places[inside], float(room.places[asset])))
        for carrier, inside in _groups(self.carrier):
            if len(inside) > room.cap[carrier]:
                limits.append((inside, np.ones(len(inside)), float(room.cap[carrier])))
        area = market.request_area[rows]
        for (carrier, zone), left in room.area.items():
            inside = np.flatnonzero((self.carrier == carrier) & (area == zone))
            if len(inside):
                limits.append((inside, np.ones(len(inside)), float(left)))
        position = np.full(len(market), -1)
        position[rows] = np.arange(n)
        for members in market.clashes:
            inside = position[members]
            inside = inside[inside >= 0]
            if len(inside) > 1:
                limits.append((inside, np.ones(len(inside)), 1.0))
        indptr = np.cumsum([0, *(len(inside) for inside, _, _ in limits)])
        self.matrix = sparse.csr_array(
            (
                np.concatenate([np.zeros(0), *(need for _, need, _ in limits)]).astype(float),
                np.concatenate(
                    [np.zeros(0, np.int64), *(inside for inside, _, _ in limits)]
                ).astype(np.int64),
                indptr,
            ),
            shape=(len(limits), n),
        )
        self.limit = np.array([most for _, _, most in limits])

    # --- most points -------------------------------------------------------------------------

    def most_points(self, counts: dict[int, int] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The awards with most points, and the points that each request would have needed.

        Parameters
        ----------
        counts : dict of carrier to int, optional
            Awards that each carrier is to have.

        Returns
        -------
        won : ndarray of bool
        prices : ndarray of float64
            NaN where the problem is not a network and has no prices.
        """
        wanted = self._count_rows(counts) if counts is not None else None
        if not self.market.simple:
            if wanted is not None:
                raise ValueError("counts are for requests of one place")
            return self._milp(self.weight), np.full(len(self.rows), np.nan)
        result = linprog(
            -self.weight,
            A_ub=self.matrix,
            b_ub=self.limit,
            A_eq=None if wanted is None else wanted[0],
            b_eq=None if wanted is None else wanted[1],
            bounds=(0, 1),
            method="highs-ds",
        )
        if result.status != 0:
            raise _no_solution(result.message)
        won = np.asarray(result.x) > 0.5
        price = self.matrix.T @ -result.ineqlin.marginals
        if wanted is not None:
            price = price + wanted[0].T @ -result.eqlin.marginals
        return won, price / self.scale

    def _milp(self, weight: np.ndarray) -> np.ndarray:
        result = milp(
            -weight,
            constraints=LinearConstraint(self.matrix, ub=self.limit),
            integrality=np.ones(len(weight)),
            bounds=Bounds(0, 1),
            options={"mip_rel_gap": 0.0},
        )
        if result.status != 0:
            raise _no_solution(result.message)
        return np.asarray(result.x) > 0.5

    def _count_rows(self, counts: dict[int, int]) -> tuple[sparse.csr_array, np.ndarray]:
        carriers = list(counts)
        matrix = np.array([self.carrier == carrier for carrier in carriers], dtype=float)
        return sparse.csr_array(matrix), np.array([counts[c] for c in carriers], dtype=float)

    # --- fairness ----------------------------------------------------------------------------

    def fairest_counts(self) -> dict[int, int]:
        """Awards per carrier, the fewest as many as can be, then the next fewest, and so on.

        Vectors of counts that can be reached are those of flows in a network, a polymatroid: so
        the level of all rises together, and a carrier that cannot rise alone stays behind for
        good.
        """
        flow = _Flow(self)
        rising = np.unique(self.carrier).tolist()
        rising.sort(key=lambda c: float(self.market.carrier_lot[c]))
        counts = dict.fromkeys(rising, 0)
        while rising:
            low, high = counts[rising[0]], len(self.rows)
            while low < high:  # the highest level that all who rise can reach together
                middle = (low + high + 1) // 2
                if flow.reaches({**counts, **dict.fromkeys(rising, middle)}):
                    low = middle
                else:
                    high = middle - 1
            counts.update(dict.fromkeys(rising, low))
            still = []
            for carrier in rising:  # in the order of the lottery
                if flow.reaches({**counts, carrier: low + 1}):
                    counts[carrier] = low + 1
                    still.append(carrier)
            rising = still
        return counts

    def fairest_by_milp(self) -> np.ndarray:
        """The same for requests of several places: sums of the k smallest, one after another.

        Maximise k t − Σ d with d ≥ t − count, d ≥ 0, for k = 1, 2, … (Ogryczak), each fixed before
        the next; then the points.
        """
        best = self._all_at_their_most()
        if best is not None:
            return best
        carriers = np.unique(self.carrier)
        n, m = len(self.rows), len(carriers)
        count = sparse.csr_array((self.carrier[None, :] == carriers[:, None]).astype(float))
        sums: list[float] = []
        solution = np.zeros(n)
        for k in range(1, m + 1):
            width = n + k * (1 + m)
            rows, lower, upper = self._stage_rows(count, k, width)
            for j, value in enumerate(sums):
                row = np.zeros(width)
                row[n + j * (1 + m)] = j + 1
                row[n + j * (1 + m) + 1 : n + (j + 1) * (1 + m)] = -1
                rows.append(sparse.csr_array(row[None, :]))
                lower.append(np.array([value - 1e-6]))
                upper.append(np.array([np.inf]))
            aim = np.zeros(width)
            aim[n + (k - 1) * (1 + m)] = -k
            aim[n + (k - 1) * (1 + m) + 1 :] = 1
            # A sum of counts is whole: once the bound is less than one above it, it is the greatest.
            solution = self._stage(aim, rows, lower, upper, gap=0.9 / max(float(n), 1.0))
            won = np.sort(count @ (solution[:n] > 0.5))
            sums.append(float(won[:k].sum()))
            if k == m:
                row = -aim
                rows.append(sparse.csr_array(row[None, :]))
                lower.append(np.array([sums[-1] - 1e-6]))
                upper.append(np.array([np.inf]))
                points = np.zeros(width)
                points[:n] = -self.weight
                solution = self._stage(points, rows, lower, upper)
        return solution[:n] > 0.5

    def _all_at_their_most(self) -> np.ndarray | None:
        """The awards if every carrier can have as many as if it were alone; None: it cannot.

        Nothing is fairer then, and the stages need not be gone through.
        """
        area = self.market.request_area[self.rows]
        most = []
        for carrier, inside in _groups(self.carrier):
            zones = ((zone, len(part)) for zone, part in _groups(area[inside] + 1))
            within = sum(min(n, self.room.area.get((carrier, zone - 1), n)) for zone, n in zones)
            most.append((inside, float(min(within, self.room.cap[carrier]))))
        floors = sparse.csr_array(
            (
                np.ones(len(self.rows)),
                np.concatenate([inside for inside, _ in most]),
                np.cumsum([0, *(len(inside) for inside, _ in most)]),
            ),
            shape=(len(most), len(self.rows)),
        )
        least = np.array([count for _, count in most])
        relaxed = linprog(
            np.zeros(len(self.rows)),
            A_ub=sparse.vstack([self.matrix, -floors]),
            b_ub=np.concatenate([self.limit, -least]),
            bounds=(0, 1),
            method="highs",
        )
        if relaxed.status != 0:
            return None
        result = milp(
            -self.weight,
            constraints=[
                LinearConstraint(self.matrix, ub=self.limit),
                LinearConstraint(floors, lb=least),
            ],
            integrality=np.ones(len(self.rows)),
            bounds=Bounds(0, 1),
            options={"mip_rel_gap": 0.0},
        )
        return np.asarray(result.x) > 0.5 if result.status == 0 else None

    def _stage_rows(
        self, count: sparse.csr_array, k: int, width: int
    ) -> tuple[list[sparse.csr_array], list[np.ndarray], list[np.ndarray]]:
        """Limits, and d ≥ t − count for each of the k sums."""
        n, m = len(self.rows), count.shape[0]
        pad = sparse.csr_array((self.matrix.shape[0], width - n))
        rows = [sparse.csr_array(sparse.hstack([self.matrix, pad]))]
        lower, upper = [np.full(len(self.limit), -np.inf)], [self.limit]
        for j in range(k):
            parts = [count, sparse.csr_array((m, j * (1 + m))), -np.ones((m, 1)),
                     sparse.eye_array(m), sparse.csr_array((m, width - n - (j + 1) * (1 + m)))]  # fmt: skip
            rows.append(sparse.csr_array(sparse.hstack([sparse.csr_array(p) for p in parts])))
            lower.append(np.zeros(m))
            upper.append(np.full(m, np.inf))
        return rows, lower, upper

    def _stage(
        self,
        aim: np.ndarray,
        rows: list[sparse.csr_array],
        lower: list[np.ndarray],
        upper: list[np.ndarray],
        gap: float = 0.0,
    ) -> np.ndarray:
        n = len(self.rows)
        result = milp(
            aim,
            constraints=LinearConstraint(
                sparse.vstack(rows), np.concatenate(lower), np.concatenate(upper)
            ),
            integrality=(np.arange(len(aim)) < n).astype(int),
            bounds=Bounds(0, np.where(np.arange(len(aim)) < n, 1.0, float(n))),
            options={"mip_rel_gap": gap},
        )
        if result.status != 0:
            raise _no_solution(result.message)
        return np.asarray(result.x)


class _Flow:
    """Source → carriers → their areas → assets → sink; whether given counts can be reached."""

    def __init__(self, part: _Part) -> None:
        market, room = part.market, part.room
        self.carriers = np.unique(part.carrier).tolist()
        area = market.request_area[part.rows].tolist()
        node = {("carrier", c): 1 + i for i, c in enumerate(self.carriers)}
        heads: list[int] = []
        edges: list[tuple[int, int, int]] = []
        for carrier, zone in zip(part.carrier.tolist(), area, strict=True):
            if (carrier, zone) in room.area:
                key = ("area", (carrier, zone))
                if key not in node:
                    node[key] = 1 + len(node)
                    edges.append((node["carrier", carrier], node[key], room.area[carrier, zone]))
                heads.append(node[key])
            else:
                heads.append(node["carrier", carrier])
        assets = np.unique(part.asset).tolist()
        for asset in assets:
            node["asset", asset] = 1 + len(node)
        self.sink = 1 + len(node)
        edges += [(node["asset", a], self.sink, int(room.places[a])) for a in assets]
        edges += [(h, node["asset", a], 1) for h, a in zip(heads, part.asset.tolist(), strict=True)]
        self.edges = np.array(edges, dtype=np.int64)
        self.most = {c: int(min(room.cap[c], NO_CAP)) for c in self.carriers}

    def reaches(self, counts: dict[int, int]) -> bool:
        """Whether every carrier can have as many awards as it is to have."""
        if any(count > self.most[carrier] for carrier, count in counts.items()):
            return False
        source = [(0, 1 + i, counts[c]) for i, c in enumerate(self.carriers)]
        edges = np.vstack([self.edges, np.array(source, dtype=np.int64)])
        graph = sparse.csr_array(
            (edges[:, 2].astype(np.int32), (edges[:, 0], edges[:, 1])),
            shape=(self.sink + 1, self.sink + 1),
        )
        graph.indices, graph.indptr = graph.indices.astype(np.int32), graph.indptr.astype(np.int32)
        return bool(maximum_flow(graph, 0, self.sink).flow_value == sum(counts.values()))


def _groups(values: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Each value with the positions at which it stands, in order."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.diff(values[order], prepend=-1))
    parts = np.split(order, starts[1:]) if len(values) else []
    return [(int(values[part[0]]), part) for part in parts]


def _whole(values: np.ndarray) -> bool:
    return bool((values % 1 == 0).all() and values.max(initial=0) < 1e7)


def _no_solution(message: str) -> NoSolutionError:
    return NoSolutionError(
        Problem(
            Text("the solver did not finish the assignment", "割当の最適化が完了しませんでした"),
            value=message,
        )
    )


# --- reasons -------------------------------------------------------------------------------------


def _reason(market: Market, request: int, rule: str) -> Text:
    if rule == "welfare_maximal":
        return Text(
            "one of the awards that together have most points",
            "得点の合計が最大になる組合せに含まれます",
        )
    return Text(
        "one of the awards that are fairest between carriers, and of those have most points",
        "事業者間で最も公平な組合せのうち、得点の合計が最大のものに含まれます",
    )


def _refusal(
    market: Market, request: int, rule: str, cause: str, needed: float
) -> tuple[str, Text, Text]:
    if market.capacity[market.asset[request]] < market.places[request]:
        return "full", *too_few_places(market, request)
    need = int(market.places[request])
    fair = rule == "lexicographic_fairness"
    reasons = {
        "full": Text("the asset's places are worth more elsewhere: with the awards made, "
                     + ("all its {n} are taken" if need == 1
                        else "fewer of its {n} are left than the {need} it needs"),
                     "アセットの共用数 {n} は、全体としてより良い組合せの要望で埋まりました"
                     + ("" if need == 1 else "(本要望に必要な {need} が残っていません)"),
                     n=int(market.capacity[market.asset[request]]), need=need),
        "cap": Text("the cap of {n} awards is filled by better requests of yours",
                    "上限 {n} 件が、全体としてより良い貴社の他の要望で埋まりました",
                    n=int(market.cap[market.carrier[request]])),
        "area_cap": Text("the cap of the area is filled by better requests of yours",
                         "区域の上限が、全体としてより良い貴社の他の要望で埋まりました"),
        "served": SERVED,
        "outweighed": Text("the award is not part of the best combination",
                           "最も良い組合せに含まれませんでした"),
    }  # fmt: skip
    if cause == "served":
        change = Text(
            "other tenants, or a place that is worth more than the award that was made there",
            "別の共用事業者であるか、そのアセットでの割当より得点が高ければ割り当てられた可能性があります",
        )
    elif fair and need > 1:
        change = Text(
            "more places on the asset, fewer tenants, or wishes for assets with free places, which "
            "cost no other carrier an award",
            "共用数がより多いか、共用事業者がより少ないか、他事業者の割当を減らさない空きのあるアセットを"
            "希望していれば割り当てられた可能性があります",
        )
    elif fair:
        change = Text(
            "another place on the asset; or wishes for assets with free places, which cost no "
            "other carrier an award",
            "共用数がもう1つあるか、他事業者の割当を減らさない空きのあるアセットを希望していれば"
            "割り当てられた可能性があります",
        )
    elif np.isfinite(needed):
        # Points themselves tell how long another carrier's list is, and the fraction (less than a
        # half), which is of the lots, how many requests there are: only whole points that lack.
        more = max(0.0, needed - float(market.points[request]))
        change = Text(
            "at least {more:g} points more, or another place on the asset",
            "少なくともあと {more:g} 点、または共用数がもう1つ必要でした",
            more=max(1, math.ceil(more - 0.5)) if _whole(market.points) else float(f"{more:.6g}"),
        )
    else:
        change = Text(
            "more points, more places on the asset, or fewer tenants",
            "より高い得点、より多い共用数、またはより少ない共用事業者が必要でした",
        )
    return cause, reasons[cause], change
