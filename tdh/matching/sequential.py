"""Rules in which carriers choose in turn: rotation with reversing order, and all at once."""

from __future__ import annotations

import math

import numpy as np

from tdh.language import Text
from tdh.matching.award import Award, assemble
from tdh.matching.market import Market, Room

_NEVER = math.inf
_MORE = Text(
    "an earlier place in the lottery, a higher class, or one more place on the asset",
    "抽選順・優先区分が上か、共用数がもう1つあれば割り当てられました",
)
_FEWER = Text(
    "an earlier place in the lottery, a higher class, more places on the asset, or fewer tenants",
    "抽選順・優先区分が上か、共用数がより多いか、共用事業者がより少なければ割り当てられた可能性があります",
)
_OTHERS = Text(
    "an earlier place in the lottery, a higher class, or other tenants",
    "抽選順・優先区分が上か、別の共用事業者であれば割り当てられた可能性があります",
)
SERVED = Text(
    "a carrier that it would serve is served there already, and the round serves nobody twice on "
    "an asset",
    "提供先の事業者がこのアセットですでに割当を受けています(同じアセットで重ねて割り当てない規則)",
)


class _Draft:
    """A draft as it goes on: who took what in which turn, and when each door closed."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.room = Room(market)
        self.turn = np.zeros(len(market), dtype=np.int64)
        self.picks: list[list[int]] = [[] for _ in market.carriers]
        self.turns = 0
        self.left: dict[int, list[tuple[int, int]]] = {}
        """Asset to (turn, places left after it)."""
        self.served: dict[int, int] = {}
        """Group of requests that rule one another out, to the turn in which one was taken."""
        self.cap_closed: dict[int, int] = {
            c: 0 for c in range(len(market.cap)) if not market.cap[c]
        }
        self.area_closed: dict[tuple[int, int], int] = {
            key: 0 for key, cap in market.area_cap.items() if cap == 0
        }

    def pick(self, request: int) -> None:
        market, room = self.market, self.room
        carrier, asset = int(market.carrier[request]), int(market.asset[request])
        self.turns += 1
        self.turn[request] = self.turns
        self.picks[carrier].append(request)
        room.take(request)
        self.left.setdefault(asset, []).append((self.turns, int(room.places[asset])))
        for group in market.clashes_of.get(request, ()):
            self.served.setdefault(group, self.turns)
        if room.cap[carrier] == 0:
            self.cap_closed[carrier] = self.turns
        key = (carrier, int(market.request_area[request]))
        if room.area.get(key) == 0:
            self.area_closed.setdefault(key, self.turns)

    def full_since(self, request: int) -> float:
        """The turn after which the asset could not take the request; 0: from the start."""
        asset, need = int(self.market.asset[request]), int(self.market.places[request])
        if self.market.capacity[asset] < need:
            return 0
        return next((turn for turn, left in self.left.get(asset, []) if left < need), _NEVER)

    # --- reasons -----------------------------------------------------------------------------
    # They go to one carrier: picks are numbered among its own, since the turns between tell how
    # many awards the others have.

    def reason(self, request: int) -> Text:
        return Text(
            "your pick {pick}: the best ranked of the assets that had a place",
            "貴社の {pick} 番目の選択:空きのあるアセットの中で最上位の希望",
            pick=self._next_pick(request, int(self.turn[request])),
        )

    def _next_pick(self, request: int, turn: int) -> int:
        """The number, among its carrier's picks, of the first that comes in a turn or after."""
        picks = self.picks[int(self.market.carrier[request])]
        return 1 + sum(int(self.turn[pick]) < turn for pick in picks)

    def refusal(self, request: int) -> tuple[str, Text, Text]:
        market = self.market
        carrier = int(market.carrier[request])
        key = (carrier, int(market.request_area[request]))
        groups = market.clashes_of.get(request, ())
        doors = (
            (min((self.served.get(g, _NEVER) for g in groups), default=_NEVER), "served"),
            (self.full_since(request), "full"),
            (self.cap_closed.get(carrier, _NEVER), "cap"),
            (self.area_closed.get(key, _NEVER), "area_cap"),
        )
        closed, cause = min(doors, key=lambda door: door[0])  # the first of equals stands
        if cause == "served":
            before = self._before(request, int(closed))
            return cause, SERVED, self._instead(before) if before is not None else _OTHERS
        if cause == "full":
            return cause, *self._full(request, int(closed))
        words = _capped(market, carrier, key[1], cause)
        last = next((p for p in self.picks[carrier] if self.turn[p] == closed), None)
        if last is not None and market.priority[last] == market.priority[request]:
            return cause, words, self._instead(last)
        return cause, words, Text("a greater cap", "上限が大きければ割り当てられた可能性があります")

    def _full(self, request: int, closed: int) -> tuple[Text, Text]:
        market = self.market
        if closed == 0:
            return too_few_places(market, request)
        need = int(market.places[request])
        if need == 1:
            words = (
                "its {n} places were taken before your pick {pick}",
                "共用数 {n} は貴社の {pick} 番目の選択より前に埋まりました",
            )
        else:
            words = (
                "it needs {need} places, and before your pick {pick} fewer of the asset's {n} were left",
                "必要な共用数 {need} に対し、貴社の {pick} 番目の選択より前に、アセットの共用数 {n} の"
                "残りが不足しました",
            )
        reason = Text(
            *words,
            n=int(market.capacity[market.asset[request]]),
            pick=self._next_pick(request, closed),
            need=need,
        )
        before = self._before(request, closed)
        if before is not None:
            return reason, self._instead(before)
        return reason, Text(
            "no other ranking of yours: the places were gone before your turn; {more}",
            "順位を変えても同じ結果でした(貴社の番より前に埋まったため)。{more}",
            more=_MORE if need == 1 else _FEWER,
        )

    def _before(self, request: int, closed: int) -> int | None:
        """What its carrier took last, in its class, before a turn."""
        market = self.market
        picks = [
            pick
            for pick in self.picks[int(market.carrier[request])]
            if self.turn[pick] < closed and market.priority[pick] == market.priority[request]
        ]
        return picks[-1] if picks else None

    def _instead(self, pick: int) -> Text:
        return Text(
            "ranked above {asset} (your rank {rank}), it would have been awarded instead of that",
            "{asset}(貴社の第 {rank} 希望)より上位にしていれば、代わりに割り当てられました",
            asset=self.market.assets[int(self.market.asset[pick])],
            rank=int(self.market.rank[pick]),
        )


def too_few_places(market: Market, request: int) -> tuple[Text, Text]:
    """Reason and change for a request that no turn of events could have served."""
    need, has = int(market.places[request]), int(market.capacity[market.asset[request]])
    return (
        Text(
            "it needs {need} places and the asset has {has}",
            "必要な共用数 {need} に対し、アセットの共用数は {has} です",
            need=need,
            has=has,
        ),
        Text(
            "a request for at most {has} places",
            "共用数 {has} 以下での要望であれば対象になりました",
            has=has,
        ),
    )


def _capped(market: Market, carrier: int, area: int, cause: str) -> Text:
    if cause == "cap":
        return Text(
            "the cap of {cap} awards was reached",
            "上限 {cap} 件に達しました",
            cap=int(market.cap[carrier]),
        )
    return Text(
        "the cap of {cap} awards in {area} was reached",
        "{area} の上限 {cap} 件に達しました",
        cap=market.area_cap[carrier, area],
        area=market.areas[area],
    )


def draft(market: Market, rule: str) -> Award:
    """Serial rotation, or with ``serial_dictatorship`` each carrier all at once.

    Notes
    -----
    Serial rotation is not strategy-proof: who knows that others want his second choice may take
    it first. Serial order is, as long as a carrier's requests are of one class and each takes one
    place: taking the best that is left is then the best that a carrier can do.
    """
    state = _Draft(market)
    order = np.lexsort((np.arange(len(market.carriers)), market.carrier_lot)).tolist()
    for cls in np.unique(market.priority).tolist():
        lists = {c: [i for i in market.of_carrier[c].tolist() if market.priority[i] == cls]
                 for c in order}  # fmt: skip
        at = dict.fromkeys(order, 0)
        passed, moved = 0, True
        while moved:
            passed, moved = passed + 1, False
            for carrier in order if passed % 2 else reversed(order):
                while at[carrier] < len(lists[carrier]):
                    request = lists[carrier][at[carrier]]
                    at[carrier] += 1
                    if state.room.refusal(request) is None:
                        state.pick(request)
                        moved = True
                        if rule == "serial_rotation":
                            break
    chosen = state.turn > 0
    why = {i: state.reason(i) for i in np.flatnonzero(chosen).tolist()}
    refused = {i: state.refusal(i) for i in np.flatnonzero(~chosen).tolist()}
    one_class = all(len(np.unique(market.priority[rows])) <= 1 for rows in market.of_carrier)
    promises = {
        "stable": False,
        "strategy_proof": rule == "serial_dictatorship" and one_class and market.simple,
    }
    return assemble(market, rule, chosen, state.turn, why, refused, promises)
