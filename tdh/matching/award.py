"""What a round decides: awards and refusals, each with its reason, and the rule in words."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tdh.language import Language, Text
from tdh.matching.market import NO_CAP, Market

_LANGUAGES: tuple[Language, ...] = ("ja", "en")
Refusal = tuple[str, Text, Text]
"""Cause, reason, and what would have changed it."""

RULE_TEXT: dict[str, Text] = {
    "serial_rotation": Text(
        "Serial rotation: a lottery by the published seed sets the order of carriers. In each pass "
        "every carrier in turn takes the asset it ranks best among those with a place; the order "
        "reverses from pass to pass. Classes of priority draft one after another.",
        "順番選択方式:公表済みの乱数種による抽選で事業者の順番を決め、各巡で順に、空きのあるアセットの"
        "うち最上位の希望を1件ずつ選びます。巡ごとに順番を逆にします。優先区分は上位から順に行います。",
    ),
    "serial_dictatorship": Text(
        "Serial order: a lottery by the published seed sets the order of carriers. Each in turn "
        "takes all it may, by its own ranking, among assets with a place. Classes of priority come "
        "one after another.",
        "一括順番方式:公表済みの乱数種による抽選で事業者の順番を決め、順に、空きのあるアセットを希望順位"
        "どおり上限まで選びます。優先区分は上位から順に行います。",
    ),
    "deferred_acceptance": Text(
        "Deferred acceptance: carriers apply by their own ranking up to their caps; an asset keeps "
        "applicants by class of priority, then by its own lottery with the published seed, as long "
        "as its places last, and nobody jumps that queue; those refused apply further down.",
        "受入保留方式:事業者は希望順位に従い上限まで申し込み、各アセットは優先区分、次に公表済みの乱数種に"
        "よるアセットごとの抽選の順に、共用数の範囲で仮に受け入れます(追い越しはありません)。断られた"
        "事業者は次の希望に申し込みます。",
    ),
    "welfare_maximal": Text(
        "Welfare-maximal: of all awards that the places and caps allow, those with the most points "
        "in total; an award's points are its stated value, or the length of the longest list plus "
        "one minus its place in its carrier's list, times the tenants it serves. Ties by the "
        "published seed. Classes of priority are settled one after another.",
        "総得点最大方式:共用数と上限の範囲で、得点の合計が最大になる組合せとします。得点は申告価値、または"
        "(最長の希望数+1-自社の希望の中での順番)に、利用事業者数を掛けたものです。同点は公表済みの乱数種で決め、"
        "優先区分は上位から順に決めます。",
    ),
    "lexicographic_fairness": Text(
        "Lexicographic fairness: the carrier with the fewest awards gets as many as can be, then "
        "the next, and so on; ties between carriers by the published seed; among all such awards "
        "those with the most points. Classes of priority are settled one after another.",
        "辞書式公平方式:割当数が最も少ない事業者の数を最大にし、次に少ない事業者、と順に最大にします。"
        "事業者間の同順は公表済みの乱数種で決め、その中で得点の合計が最大の組合せとします。優先区分は"
        "上位から順に決めます。",
    ),
}


@dataclass(frozen=True, eq=False)
class Award:
    """The result of a round.

    Attributes
    ----------
    rule : str
        Its name; :attr:`rule_text` is its wording.
    seed : int
        The published seed.
    awards : DataFrame
        Table ``awards`` of columns.csv: carrier, asset, rank, class, turn, reason.
    refusals : DataFrame
        Table ``refusals``: carrier, asset, rank, class, cause, reason, and what would have changed
        it. Reasons name no other carrier.
    summary : DataFrame
        One row per carrier: requests, awards, first choices, points, cap.
    promises : dict of str to bool
        Whether this rule, on this round, promises ``stable`` (no carrier and asset would both
        rather have each other by the published order) and ``strategy_proof`` (no carrier gains by
        a ranking that is not its own).
    points : float
        Total of the points awarded; NaN in one carrier's part.
    """

    rule: str
    seed: int
    awards: pd.DataFrame = field(repr=False)
    refusals: pd.DataFrame = field(repr=False)
    summary: pd.DataFrame = field(repr=False)
    promises: dict[str, bool]
    points: float

    @property
    def rule_text(self) -> Text:
        """The rule in words, to be printed with the result."""
        return RULE_TEXT[self.rule]

    @property
    def pairs(self) -> set[tuple[str, str]]:
        """(carrier, asset) awarded."""
        return set(zip(self.awards["carrier"], self.awards["asset"], strict=True))

    def of(self, carrier: str) -> Award:
        """One carrier's part, to be sent to it; nothing in it counts others' requests or awards.

        Its turns are numbered among its own, since those between are others' awards. Points, which
        go by the longest list of any carrier, are left out (``points`` is NaN). ``promises`` are
        those of the whole round.
        """
        mine = self.awards[self.awards["carrier"] == carrier].reset_index(drop=True)
        drafted = mine["turn"].where(mine["turn"] > 0)
        turn = drafted.rank().fillna(0).astype("int64")
        summary = self.summary[self.summary["carrier"] == carrier].reset_index(drop=True)
        return Award(
            rule=self.rule,
            seed=self.seed,
            awards=mine.assign(turn=turn),
            refusals=self.refusals[self.refusals["carrier"] == carrier].reset_index(drop=True),
            summary=summary.drop(columns="points"),
            promises=self.promises,
            points=float("nan"),
        )


def assemble(
    market: Market,
    rule: str,
    chosen: np.ndarray,
    turn: np.ndarray,
    why: dict[int, Text],
    refused: dict[int, Refusal],
    promises: dict[str, bool],
) -> Award:
    """Tables from positions of requests."""
    names, assets = np.array(market.carriers, object), np.array(market.assets, object)

    def base(rows: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "carrier": pd.Series(names[market.carrier[rows]], dtype="str"),
                "asset": pd.Series(assets[market.asset[rows]], dtype="str"),
                "rank": market.rank[rows],
                "class": market.priority[rows],
                "places": market.places[rows],
                "tenants": pd.Series(
                    [market.brings[i] or None for i in rows.tolist()], dtype="str"
                ),
            }
        )

    def reason(request: int) -> Text:
        """Why it was awarded, and what it takes where that is more than one carrier's place."""
        if market.places[request] == 1 and not market.brings[request]:
            return why[request]
        return Text(
            "{reason}; takes {need} of the asset's {has} places{whom}",
            "{reason}。アセットの共用数 {has} のうち {need} を使用{whom}",
            reason=why[request],
            need=int(market.places[request]),
            has=int(market.capacity[market.asset[request]]),
            whom=Text(" for {names}", "(共用事業者: {names})", names=market.brings[request])
            if market.brings[request]
            else Text("", ""),
        )

    won, lost = np.flatnonzero(chosen), np.flatnonzero(~chosen)
    awards = base(won)
    awards["turn"] = turn[won]
    for language in _LANGUAGES:
        awards[f"reason_{language}"] = pd.Series(
            [reason(i).render(language) for i in won.tolist()], dtype="str"
        )
    refusals = base(lost)
    refusals["cause"] = pd.Series([refused[i][0] for i in lost.tolist()], dtype="str")
    for language in _LANGUAGES:
        reasons = [refused[i][1].render(language) for i in lost.tolist()]
        changes = [refused[i][2].render(language) for i in lost.tolist()]
        refusals[f"reason_{language}"] = pd.Series(reasons, dtype="str")
        refusals[f"change_{language}"] = pd.Series(changes, dtype="str")
    count = len(market.carriers)
    first = chosen & (market.rank == 1)
    summary = pd.DataFrame(
        {
            "carrier": pd.Series(names, dtype="str"),
            "requests": np.bincount(market.carrier, minlength=count),
            "awards": np.bincount(market.carrier[chosen], minlength=count),
            "first_choices": np.bincount(market.carrier[first], minlength=count),
            "points": np.bincount(
                market.carrier[chosen], weights=market.points[chosen], minlength=count
            ),
            "cap": pd.array([None if c >= NO_CAP else int(c) for c in market.cap], dtype="Int64"),
        }
    )
    total = float(market.points[chosen].sum())
    return Award(rule, market.seed, awards, refusals, summary, promises, total)
