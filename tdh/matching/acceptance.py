"""Deferred acceptance with caps, places and classes, and the check of what it promises."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tdh.language import Text
from tdh.matching.award import Award, assemble
from tdh.matching.market import Market
from tdh.matching.sequential import SERVED, too_few_places


def carrier_choice(market: Market, carrier: int, allowed: np.ndarray) -> list[int]:
    """What a carrier takes of what is allowed: best ranks first, as far as its caps go.

    Caps of areas lie within the carrier's cap, so that going by rank is the best choice
    (a laminar matroid), and a choice that another offer never makes it regret.
    """
    cap = int(market.cap[carrier])
    area = {a: n for (c, a), n in market.area_cap.items() if c == carrier}
    if not area:
        mine = market.of_carrier[carrier]
        return [int(i) for i in mine[allowed[mine]][:cap]]
    taken: list[int] = []
    for request in market.of_carrier[carrier][allowed[market.of_carrier[carrier]]].tolist():
        if len(taken) >= cap:
            break
        zone = int(market.request_area[request])
        if area.get(zone, 1) < 1:
            continue
        if zone in area:
            area[zone] -= 1
        taken.append(request)
    return taken


def asset_choice(market: Market, asset: int, applicants: Iterable[int]) -> list[int]:
    """Whom an asset keeps: by class, then lot, until the first that does not fit.

    Where nobody is served twice, whoever would serve one whom a kept request serves is passed over.

    Nobody behind that one is taken, even where it would fit: the queue is not jumped, and who was
    refused once would be refused again whoever else applies.
    """
    waiting = set(applicants)
    left, kept = int(market.capacity[asset]), []
    served: set[int] = set()
    for request in market.of_asset[asset].tolist():
        if request not in waiting:
            continue
        groups = market.clashes_of.get(request, ())
        if not served.isdisjoint(groups):
            continue
        left -= int(market.places[request])
        if left < 0:
            break
        served.update(groups)
        kept.append(request)
    return kept


def accept(market: Market) -> Award:
    """Carriers apply, assets keep or refuse, until nobody is refused any more.

    Notes
    -----
    The result is stable: no carrier and asset would both rather have each other, the carrier by
    its ranking and caps, the asset by class and lot. It is strategy-proof where every carrier may
    win one asset at most, or all it asks for; with caps between, no stable rule is (Roth 1985).
    Both are promised for requests of one place each. With larger ones what holds is the queue:
    nobody is kept behind whom a refused applicant stands.
    """
    refused = np.zeros(len(market), dtype=bool)
    held: dict[int, set[int]] = {}
    impossible = market.capacity[market.asset] < market.places
    refused[impossible] = True
    dirty = set(range(len(market.carriers)))
    proposing: list[set[int]] = [set() for _ in market.carriers]
    while dirty:
        touched: set[int] = set()
        for carrier in dirty:
            choice = set(carrier_choice(market, carrier, ~refused))
            for request in choice - proposing[carrier]:
                asset = int(market.asset[request])
                held.setdefault(asset, set()).add(request)
                touched.add(asset)
            # Refusals only open room: what was proposed before and stands is proposed again.
            proposing[carrier] = choice
        dirty = set()
        for asset in touched:
            kept = set(asset_choice(market, asset, held[asset]))
            for request in held[asset] - kept:
                refused[request] = True
                dirty.add(int(market.carrier[request]))
            held[asset] = kept
    chosen = np.zeros(len(market), dtype=bool)
    chosen[[request for kept in held.values() for request in kept]] = True
    promises = {"stable": market.simple, "strategy_proof": _strategy_proof(market)}
    won = np.bincount(market.carrier[chosen], minlength=len(market.carriers))
    why = {i: _reason(market, i) for i in np.flatnonzero(chosen).tolist()}
    causes = {
        i: _refusal(market, i, held, won, bool(refused[i]), bool(impossible[i]), promises)
        for i in np.flatnonzero(~chosen).tolist()
    }
    return assemble(
        market,
        "deferred_acceptance",
        chosen,
        np.zeros(len(market), dtype=np.int64),
        why,
        causes,
        promises,
    )


def _strategy_proof(market: Market) -> bool:
    if not market.simple:
        return False
    if (market.cap <= 1).all():
        return True
    asked = np.array([len(rows) for rows in market.of_carrier])
    zones: dict[tuple[int, int], int] = {}
    for carrier, area in zip(market.carrier.tolist(), market.request_area.tolist(), strict=True):
        zones[carrier, area] = zones.get((carrier, area), 0) + 1
    loose = all(zones.get(key, 0) <= cap for key, cap in market.area_cap.items())
    return bool((asked <= market.cap).all() and loose)


def blocking_pairs(market: Market, chosen: np.ndarray) -> list[int]:
    """Requests whose carrier and asset would both rather have each other than what they have.

    Parameters
    ----------
    market : Market
    chosen : ndarray of bool, shape (n_requests,)
        The awards.

    Returns
    -------
    list of int
        Positions of requests that were refused although the carrier would take the asset (if need
        be, instead of one that it ranks lower) and the asset would take the carrier (if need be,
        instead of one behind it). Empty for a stable award.
    """
    held: dict[int, list[int]] = {}
    for request in np.flatnonzero(chosen).tolist():
        held.setdefault(int(market.asset[request]), []).append(request)
    blocking = []
    for request in np.flatnonzero(~chosen).tolist():
        carrier, asset = int(market.carrier[request]), int(market.asset[request])
        allowed = chosen & (market.carrier == carrier)
        allowed[request] = True
        if request not in carrier_choice(market, carrier, allowed):
            continue
        if request in asset_choice(market, asset, [*held.get(asset, []), request]):
            blocking.append(request)
    return blocking


# --- reasons -------------------------------------------------------------------------------------


def _reason(market: Market, request: int) -> Text:
    """Why the asset kept it; how many applied is not for one applicant to know."""
    return Text(
        "the asset kept it: by class and lot its places last for it (class {cls}, lot {lot:.4f})",
        "優先区分・抽選番号の順で共用数の範囲に入り、受け入れられました"
        "(優先区分 {cls}、抽選番号 {lot:.4f})",
        cls=int(market.priority[request]),
        lot=float(market.lot[request]),
    )


def _refusal(
    market: Market,
    request: int,
    held: dict[int, set[int]],
    won: np.ndarray,
    refused: bool,
    impossible: bool,
    promises: dict[str, bool],
) -> tuple[str, Text, Text]:
    if impossible:
        return "full", *too_few_places(market, request)
    asset, carrier = int(market.asset[request]), int(market.carrier[request])
    groups = market.clashes_of.get(request, ())
    if refused and any(
        market.clashes_of.get(other) and not set(groups).isdisjoint(market.clashes_of[other])
        for other in held.get(asset, ())
    ):
        return (
            "served",
            SERVED,
            Text(
                "a higher class, or other tenants",
                "優先区分が上か、別の共用事業者であれば割り当てられた可能性があります",
            ),
        )
    if refused:
        need = int(market.places[request])
        more = (
            Text("one more place on the asset", "共用数がもう1つ")
            if need == 1
            else Text(
                "more places on the asset, or fewer tenants",
                "より多い共用数か、より少ない共用事業者",
            )
        )
        reason = Text(
            "the asset's {n} places went to requests ahead of it by class or lot "
            "(this one: class {cls}, lot {lot:.4f})",
            "共用数 {n} は優先区分・抽選番号が先の要望で埋まりました"
            "(本要望:優先区分 {cls}、抽選番号 {lot:.4f})",
            n=int(market.capacity[asset]),
            cls=int(market.priority[request]),
            lot=float(market.lot[request]),
        )
        if promises["strategy_proof"]:
            return (
                "full",
                reason,
                Text(
                    "a higher class or one more place on the asset; another ranking would not",
                    "優先区分が上か、共用数がもう1つあれば割り当てられました(順位の変更では変わりません)",
                ),
            )
        return (
            "full",
            reason,
            Text(
                "a higher class or {more}",
                "優先区分が上か、{more}であれば割り当てられた可能性があります",
                more=more,
            ),
        )
    cause = "cap" if won[carrier] >= market.cap[carrier] else "area_cap"
    area = int(market.request_area[request])
    where = Text("", "") if cause == "cap" else Text(
        " in {area}", "({area})", area=market.areas[area]
    )  # fmt: skip
    limit = int(market.cap[carrier]) if cause == "cap" else market.area_cap[carrier, area]
    reason = Text(
        "the cap of {cap} awards{where} was filled by requests ranked higher",
        "上限 {cap} 件{where}が、より上位の希望で埋まりました",
        cap=limit,
        where=where,
    )
    if request in asset_choice(market, asset, {*held.get(asset, set()), request}):
        return (
            cause,
            reason,
            Text(
                "one more award under the cap: as things stand the asset would take it",
                "上限がもう1件あれば割り当てられました(現状でアセットに受入可能)",
            ),
        )
    return (
        cause,
        reason,
        Text(
            "not a greater cap alone: as things stand the asset has no place for it either",
            "上限を増やすだけでは割り当てられません(現状でアセットにも空きがありません)",
        ),
    )
