"""What speaks against events: a broken chain, states that do not follow, steps out of turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from tdh.errors import Problem
from tdh.language import Text
from tdh.register.events import GENESIS, chained
from tdh.register.states import BY_STATE, allowed


def differences(frame: pd.DataFrame, standing: Sequence[tuple[Any, ...]]) -> list[Problem]:
    """Where events (table ``events``) are not what was recorded, or states do not follow from them.

    Parameters
    ----------
    frame : DataFrame
    standing : sequence of (round, asset, carrier, state, event)
    """
    problems: list[Problem] = []
    previous = GENESIS
    states: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for number, row in enumerate(frame.to_dict("records"), start=1):
        if row["id"] != number or row["previous"] != previous or row["hash"] != chained(row):
            problems.append(
                Problem(
                    Text(
                        "an event is not what was recorded, or one is missing before it",
                        "記録が書き換えられたか、直前の記録が失われています",
                    ),
                    value=row["id"],
                    where="events",
                )
            )
        previous = row["hash"]
        states[row["round"], row["asset"], row["carrier"]] = (row["state"], row["id"])
    held = {row[:3]: row[3:] for row in standing}
    if held != states:
        problems.append(
            Problem(
                Text("states do not follow from the events", "状態が記録と一致しません"),
                value=[k for k in {**held, **states} if held.get(k) != states.get(k)][:3],
                where="standing",
            )
        )
    return problems


def not_allowed(where: str, kind: str, state: str) -> Problem:
    label = BY_STATE[kind, state].label if state else Text("nothing recorded yet", "未登録")
    return Problem(
        Text("this may not follow", "この状態からはできません"),
        value=str(state) or "-",
        expected=", ".join(allowed(kind, state)) or "-",
        where=where,
        fix=Text("its state is: {label}", "現在の状態: {label}", label=label),
    )


def untimely(where: str, at: str, since: str, recorded: str) -> Problem:
    return Problem(
        Text("the time lies before the last event, or in the future", "直前の記録より前か、未来の日時です"),
        value=at,
        expected=f"{since or '…'} – {recorded}",
        where=where,
    )  # fmt: skip
