"""What the register holds, told to people: a history in words, and counts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from tdh.language import Text, current
from tdh.register.events import JAPAN, day_in_japan
from tdh.register.states import BY_ACTION, BY_STATE, SAME

HISTORY = ("day", "round", "asset", "carrier", "who", "action", "text", "id")
KINDS = {
    "asset": Text("asset", "アセット"),
    "round": Text("round", "募集回"),
    "case": Text("case", "案件"),
}
WHO = {
    "desk": Text("desk", "窓口"),
    "bureau": Text("bureau", "所管局"),
    "carrier": Text("carriers", "事業者"),
}
GROUPS = ("kind", "round", "state", "carrier", "municipality")


def history(events: pd.DataFrame) -> pd.DataFrame:
    """Events in words, in the order in which they happened (table ``history``)."""
    rows = [
        {
            "day": day_in_japan(row.at).isoformat(),
            "round": row.round, "asset": row.asset, "carrier": row.carrier, "who": row.who,
            "action": row.action, "text": str(sentence(row._asdict())), "id": row.id,
        }
        for row in events.sort_values(["at", "id"]).itertuples(index=False)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(HISTORY)).astype({"id": "int64"})


def sentence(event: Mapping[str, Any]) -> Text:
    """One event in words: what, by whom, why, by which paper, until when.

    >>> event = {"action": "refuse", "who": "desk", "why": "屋上に余地なし", "details": "{}"}
    >>> sentence(event).render("ja"), sentence(event).render("en")
    ('不割当・不許可(desk)。理由: 屋上に余地なし', 'refused (by desk). Reason: 屋上に余地なし')
    """
    details: dict[str, Any] = json.loads(event["details"])
    en = f"{BY_ACTION[event['action']].label.render('en')} (by {event['who']})"
    ja = f"{BY_ACTION[event['action']].label.render('ja')}({event['who']})"
    why = str(event["why"])
    parts = [
        ("Reason", "理由", str(details.get("reason_en") or why), why),
        ("What would have changed it", "変わり得た条件", details.get("change_en"),
         details.get("change_ja")),
        ("Document", "文書番号", details.get("document"), details.get("document")),
        ("Due", "期限", details.get("due"), details.get("due")),
    ]  # fmt: skip
    for head_en, head_ja, text_en, text_ja in parts:
        en += f". {head_en}: {str(text_en).rstrip('.')}" if text_en else ""
        ja += f"。{head_ja}: {str(text_ja).rstrip('。')}" if text_ja else ""
    return Text(_printable(en), _printable(ja))


STEPS = {
    "offer": "offered", "request": "requested", "award": "awarded", "survey": "surveyed",
    "apply": "applied", "permit": "permitted", "contract": "contracted", "on_air": "on_air",
}  # fmt: skip
"""Actions of a case that goes well, and the column of :func:`cases` that holds their day."""
PAPERS = ("apply", "permit", "contract")


def cases(events: pd.DataFrame, facts: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row a case, with the day of each step and the numbers of its papers (table ``cases``).

    Parameters
    ----------
    events : DataFrame
        Table ``events``.
    facts : mapping
        Asset to what the register knows of it.
    """
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for event in events[events["carrier"] != ""].itertuples(index=False):
        key = (event.round, event.asset, event.carrier)
        row = rows.setdefault(key, {})
        transition = BY_ACTION[event.action]
        if transition.after == SAME:
            continue
        day = day_in_japan(event.at).isoformat()
        row["state"], row["why"] = event.state, event.why
        row["ended"] = "" if event.action in STEPS else day
        if event.action in STEPS:
            row[STEPS[event.action]] = day
        if event.action in PAPERS:
            row[f"{event.action}_document"] = str(json.loads(event.details).get("document", ""))
    columns = ["state", *STEPS.values(), "ended", *(f"{a}_document" for a in PAPERS), "why"]
    table = pd.DataFrame(
        [
            {
                "round": key[0], "asset": key[1],
                "name": str(facts.get(key[1], {}).get("name", "")),
                "municipality": str(facts.get(key[1], {}).get("municipality", "")),
                "carrier": key[2], **{c: row.get(c, "") for c in columns},
            }
            for key, row in rows.items()
        ],
        columns=["round", "asset", "name", "municipality", "carrier", *columns],
    ).astype("str")  # fmt: skip
    return table.sort_values(["round", "asset", "carrier"], ignore_index=True)


def counts(
    standing: pd.DataFrame, facts: Mapping[str, Mapping[str, Any]], by: Sequence[str] = ("state",)
) -> pd.DataFrame:
    """How many assets, rounds and cases are in each state (table ``register_counts``).

    Parameters
    ----------
    standing : DataFrame
        Table ``standing``.
    facts : mapping
        Asset to what the register knows of it.
    by : sequence of {"state", "round", "carrier", "municipality"}
        What to count by, besides the kind and the state.

    Returns
    -------
    DataFrame
        kind, state, what else was asked for, and ``n``; the states in their order.
    """
    table = standing.copy()
    table["municipality"] = [
        str(facts.get(asset, {}).get("municipality", "")) for asset in table["asset"]
    ]
    columns = ["kind", "state", *(c for c in GROUPS if c in by and c not in ("kind", "state"))]
    grouped = table.groupby(columns, sort=False).size().rename("n").reset_index()
    places = {key: place for place, key in enumerate(BY_STATE)}
    grouped["_"] = [places[key] for key in zip(grouped["kind"], grouped["state"], strict=True)]
    return grouped.sort_values(["_", *columns[2:]]).drop(columns="_").reset_index(drop=True)


def word(name: str, row: Mapping[Any, Any]) -> Any:
    """A cell of a table of the register as people read it, in the language in force.

    >>> word("may_follow", {"may_follow": "award, refuse"})
    'awarded, refused'
    """
    value = row[name]
    if name == "state":
        return str(BY_STATE[row.get("kind", "case"), value].label)
    if name == "kind":
        return str(KINDS[value])
    if name == "waits_for":
        return str(WHO.get(value, value))
    if name == "may_follow":
        labels = [str(BY_ACTION[action].label) for action in value.split(", ") if action]
        return str(Text(", ", "、")).join(labels)
    return value


def in_words(table: pd.DataFrame) -> pd.DataFrame:
    """A table for people to read: words of their language, times of Japan.

    In English, states and actions keep the names by which they are recorded.
    """
    out = table.copy()
    if current() == "ja":
        rows = table.to_dict("records")
        for name in ("kind", "state", "waits_for", "may_follow"):
            if name in out:
                out[name] = [word(name, row) for row in rows]
    for name in ("name", "municipality"):
        if name in out:
            out[name] = [_printable(value) for value in out[name]]
    for name in ("since", "at", "recorded"):
        if name in out:
            out[name] = [_in_japan(value) for value in out[name]]
    return out


def _printable(text: str) -> str:
    """Text that moves no cursor: of what strangers wrote, control characters are left out."""
    return "".join(c for c in text if c.isprintable() or c in "\n\u3000")


def _in_japan(at: str) -> str:
    if "T" not in at:
        return at
    return datetime.fromisoformat(at).astimezone(JAPAN).strftime("%Y-%m-%d %H:%M")
