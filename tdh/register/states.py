"""Which step may follow which: the table of transitions of assets, rounds and cases.

A case is one carrier's matter with one asset in one round. Who must act next, and how long that
may take, stands beside each state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tdh.language import Text

Kind = Literal["asset", "round", "case"]
NEW = ""
"""The state of what the register has not heard of."""
SAME = "="
"""Leads nowhere: a note, a later deadline, corrected facts."""


@dataclass(frozen=True)
class Transition:
    """An action, the states from which it is allowed, and the state that it leads to."""

    kind: Kind
    action: str
    before: tuple[str, ...]
    after: str
    """:data:`SAME`: what it was before."""
    label: Text
    needs_reason: bool = False
    needs_document: bool = False
    """Whether the number of a paper must stand in the details, as ``document``."""


@dataclass(frozen=True)
class State:
    """Who has to act while something is in this state, and within how many days.

    A day that an event names (``due`` in its details) goes before the days of the table.
    """

    kind: Kind
    name: str
    label: Text
    waits_for: str | None = None
    days: int | None = None


_UNDER_WAY = ("awarded", "surveyed", "applied", "permitted", "contracted")
_OPEN = ("offered", "requested", *_UNDER_WAY, "on_air")

TRANSITIONS: tuple[Transition, ...] = (
    Transition("asset", "list", (NEW, "unlisted"), "listed", Text("listed", "掲載")),
    Transition("asset", "unlist", ("listed",), "unlisted", Text("taken off", "掲載取下げ"), True),
    Transition("asset", "amend", ("listed",), SAME, Text("facts corrected", "諸元訂正"), True),
    Transition("round", "announce", (NEW,), "announced", Text("announced", "公表")),
    Transition("round", "open", ("announced",), "open", Text("opened", "受付開始")),
    Transition("round", "close", ("open",), "closed", Text("closed", "受付終了")),
    Transition("round", "reopen", ("closed",), "open", Text("opened again", "受付再開"), True),
    Transition("round", "settle", ("closed",), "settled", Text("settled", "結果確定")),
    Transition("round", "cancel", ("announced", "open", "closed"), "cancelled",
               Text("cancelled", "中止"), True),
    Transition("case", "offer", (NEW,), "offered", Text("offered", "提示")),
    Transition("case", "revoke", ("offered", "requested"), "revoked",
               Text("offer revoked", "提示取消"), True),
    Transition("case", "lapse", ("offered",), "lapsed", Text("no request in time", "期限内要望なし")),
    Transition("case", "request", ("offered",), "requested", Text("requested", "要望")),
    Transition("case", "award", ("requested",), "awarded", Text("awarded", "割当")),
    Transition("case", "refuse", ("requested", "awarded", "surveyed", "applied"), "refused",
               Text("refused", "不割当・不許可"), True),
    Transition("case", "survey", ("awarded",), "surveyed", Text("surveyed", "現地調査済")),
    Transition("case", "apply", ("surveyed",), "applied",
               Text("use applied for", "使用許可申請"), needs_document=True),
    Transition("case", "permit", ("surveyed", "applied"), "permitted",
               Text("use permitted", "使用許可"), needs_document=True),
    Transition("case", "contract", ("permitted",), "contracted",
               Text("contracted", "契約"), needs_document=True),
    Transition("case", "on_air", ("contracted",), "on_air", Text("on air", "運用開始")),
    Transition("case", "terminate", ("permitted", "contracted", "on_air"), "terminated",
               Text("permit or contract ended by the owner", "許可取消・契約解除"), True),
    Transition("case", "remove", ("on_air", "terminated"), "removed",
               Text("removed", "撤去"), True),
    Transition("case", "withdraw", ("requested", *_UNDER_WAY), "withdrawn",
               Text("withdrawn by the carrier", "事業者による取下げ"), True),
    Transition("case", "extend", _OPEN, SAME, Text("deadline moved", "期限変更"), True),
    Transition("case", "note", _OPEN, SAME, Text("noted", "経過記録"), True),
)  # fmt: skip

STATES: tuple[State, ...] = (
    State("asset", "listed", Text("listed", "掲載中")),
    State("asset", "unlisted", Text("taken off", "取下げ")),
    State("round", "announced", Text("announced", "公表済"), "desk"),
    State("round", "open", Text("open", "受付中"), "carrier"),
    State("round", "closed", Text("closed", "受付終了"), "desk", 14),
    State("round", "settled", Text("settled", "結果確定")),
    State("round", "cancelled", Text("cancelled", "中止")),
    State("case", "offered", Text("offered", "提示中"), "carrier", 60),
    State("case", "revoked", Text("revoked", "提示取消")),
    State("case", "lapsed", Text("lapsed", "失効")),
    State("case", "requested", Text("requested", "要望あり"), "desk", 30),
    State("case", "awarded", Text("awarded", "割当済"), "bureau", 45),
    State("case", "refused", Text("refused", "不割当・不許可")),
    State("case", "surveyed", Text("surveyed", "現地調査済"), "carrier", 30),
    State("case", "applied", Text("applied for", "許可申請中"), "bureau", 60),
    State("case", "permitted", Text("permitted", "使用許可済"), "carrier", 60),
    State("case", "contracted", Text("contracted", "契約済"), "carrier", 365),
    State("case", "on_air", Text("on air", "運用中")),
    State("case", "terminated", Text("ended by the owner", "許可取消・契約解除"), "carrier", 90),
    State("case", "removed", Text("removed", "撤去済")),
    State("case", "withdrawn", Text("withdrawn", "取下げ")),
)

BY_ACTION: dict[str, Transition] = {t.action: t for t in TRANSITIONS}
BY_STATE: dict[tuple[str, str], State] = {(s.kind, s.name): s for s in STATES}


def allowed(kind: str, state: str) -> list[str]:
    """The actions that may follow a state.

    >>> allowed("case", "requested")
    ['revoke', 'award', 'refuse', 'withdraw', 'extend', 'note']
    """
    return [t.action for t in TRANSITIONS if t.kind == kind and state in t.before]
