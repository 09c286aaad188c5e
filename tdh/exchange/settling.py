"""From packages and answers to awards: a whole round, by its published facts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import xlsxwriter

from tdh import matching, schemas
from tdh.errors import ExchangeError, Problem, TdhError
from tdh.exchange.answers import Answer, check, read_form
from tdh.exchange.offer import Offer, read_offer
from tdh.exchange.receipts import Receipt, check_dates, find, read_receipts
from tdh.exchange.rounds import Round
from tdh.files import atomic
from tdh.language import Language, Text, plain
from tdh.matching import Award
from tdh.register import Event, Register

Path_ = str | os.PathLike[str]


def match_round(
    packages: Iterable[Path_],
    answers: Iterable[Path_],
    *,
    received: Mapping[str, date | datetime] | date | datetime | None = None,
    receipts: Path_ | None = None,
    register: Register | None = None,
    who: str = "desk",
    progress: Callable[[int, int], None] | None = None,
) -> Award:
    """Read a round's packages and answers, and resolve it by the rule that the packages print.

    Parameters
    ----------
    packages : paths
        The packages that were sent out, one per carrier.
    answers : paths
        What came back; each is held against the package that it answers.
    received : mapping of path or file name to date or datetime, or one for all answers, optional
        When answers arrived, as stated by ``who``; a date is a day in Japan.
    receipts : path, optional
        The list of receipts in which the desk noted it (:func:`tdh.exchange.note_receipts`).
    register : Register, optional
        Where offers, requests and awards are to be recorded (offers only where they are not yet).
    who : str
        Who settles the round, for the register.
    progress : callable, optional
        Told (files read, files in all).

    Returns
    -------
    Award

    Raises
    ------
    ExchangeError
        With everything that is wrong with any of the files: also packages of different rounds or
        rules, two packages or two answers of one carrier, and answers of which it is not noted
        that they arrived between the round's dates. A file's own date never counts.
    """
    paths = [Path(path) for path in packages]
    files = [Path(path) for path in answers]
    problems: list[Problem] = []
    offers: dict[str, Offer] = {}
    for done, path in enumerate(paths, start=1):
        try:
            offer = read_offer(path)
        except ExchangeError as error:
            problems += error.problems
        else:
            if offer.carrier_id in offers:
                problems.append(_twice(path, offer.carrier_id))
            offers.setdefault(offer.carrier_id, offer)
        if progress is not None:
            progress(done, len(paths) + len(files))
    facts = {offer.round.model_dump_json(): offer.round for offer in offers.values()}
    if len(facts) > 1:
        problems.append(
            Problem(
                Text("the packages are of different rounds", "募集回の異なるパッケージがあります"),
                value=sorted({round.id for round in facts.values()}),
            )
        )
    arrived: dict[Path, Receipt] = {}
    try:
        listed = read_receipts(receipts) if receipts is not None else []
        arrived = find(files, listed, received, who)
    except ExchangeError as error:
        problems += error.problems
    read: dict[str, Answer] = {}
    taken: dict[str, Receipt] = {}
    for done, path in enumerate(files, start=len(paths) + 1):
        answer, found = _answer(path, list(offers.values()))
        problems += found
        if answer is not None:
            receipt = arrived.get(path)
            problems += check_dates(offers[answer.carrier].round, path, receipt)
            if receipt is not None:
                taken.setdefault(answer.carrier, receipt)
            if answer.carrier in read:
                problems.append(_twice(path, answer.carrier))
            read.setdefault(answer.carrier, answer)
        if progress is not None:
            progress(done, len(paths) + len(files))
    if not offers and not problems:
        problems.append(Problem(Text("there is no package", "パッケージがありません")))
    if problems:
        raise ExchangeError(*problems)
    award = resolve(next(iter(facts.values())), list(offers.values()), list(read.values()))
    if register is not None:
        _record(register, list(offers.values()), list(read.values()), taken, award, who)
    return award


def resolve(round: Round, offers: Sequence[Offer], answers: Sequence[Answer]) -> Award:
    """The awards of a round whose packages and answers have been read.

    Every offered asset has the round's ``sharing_capacity`` of places (2 where it states none);
    what takes them is what the round's ``capacity_counts`` says. A cap counts a firm's awards as
    anybody's, however many carriers they serve. Tenants weigh in points where the round says who
    may bring them, or where they take places.
    """
    tables = [answer.table for answer in answers]
    for table in tables:
        pairs = zip(table["places"], table["tenants"], strict=True)
        table["places"] = [round.places_of(stated, tenants) for stated, tenants in pairs]
        if not round.firms and round.capacity_counts != "tenants":
            # Whom anybody may name at no cost weighs nothing.
            table["tenants"] = 1
    columns = ["carrier", "asset", "rank", "places", "tenants", "brings"]
    requests = pd.concat(tables) if tables else pd.DataFrame(columns=columns)
    places = 2 if round.sharing_capacity is None else round.sharing_capacity
    areas: dict[str, str] = {}
    for offer in offers:
        column = offer.assets[round.area].dropna()
        zones = {area: round.zone_of(area) for area in column.astype(str).unique()}
        areas.update(dict(zip(column.index, column.astype(str).map(zones), strict=True)))
    known = set(areas.values())
    # A cap for an area in which nothing is offered binds nobody.
    limits = {k: v for k, v in round.limits.items() if isinstance(k, str) or k[1] in known}
    capacity = {asset: places for offer in offers for asset in offer.assets.index}
    return matching.match(
        requests.reset_index(drop=True),
        capacity,
        round.rule,
        priority=dict(round.priority.items()) or None,
        caps=limits or None,
        seed=round.seed,
        areas=areas,
        once=round.once,
    )


def _answer(path: Path, offers: list[Offer]) -> tuple[Answer | None, list[Problem]]:
    """An answer against the package of the carrier that it names; else why it fits none."""
    try:
        answer = read_form(path)
    except TdhError as error:
        return None, list(error.problems)
    if not offers:
        return None, []
    for offer in offers:
        if offer.carrier_id == answer.carrier:
            problems = check(answer, offer, path.name)
            return (None, problems) if problems else (answer, [])
    return None, [
        Problem(
            Text("it is the answer of a carrier without a package here",
                 "パッケージが指定されていない事業者の回答です"),
            value=answer.carrier,
            expected=", ".join(offer.carrier_id for offer in offers),
            where=f"{path.name}: carrier",
        )
    ]  # fmt: skip


def _twice(path: Path, carrier: str) -> Problem:
    return Problem(
        Text("the carrier is there twice", "同じ事業者のファイルが2つあります"),
        value=carrier,
        where=path.name,
    )


def _record(
    register: Register,
    offers: list[Offer],
    answers: list[Answer],
    receipts: Mapping[str, Receipt],
    award: Award,
    who: str,
) -> None:
    round_id = offers[0].round.id
    events = []
    for offer in offers:
        held = register.events(round=round_id, carrier=offer.carrier_id)["asset"]
        events += [
            Event("offer", who, asset=str(asset), carrier=offer.carrier_id, round=round_id,
                  details={"offer_sha256": offer.sha256})
            for asset in offer.assets.index.difference(pd.Index(held))
        ]  # fmt: skip
    for answer in answers:
        receipt = receipts.get(answer.carrier)
        arrival = (
            {}
            if receipt is None
            else {
                "received": receipt.received.isoformat(),
                "received_by": receipt.who,
                "answer_sha256": receipt.sha256,
            }
        )
        events += [
            Event("request", answer.carrier, asset=r.asset_id, carrier=answer.carrier,
                  round=round_id, why=r.conditions,
                  details=r.model_dump(mode="json", exclude={"asset_id", "conditions"}) | arrival)
            for r in answer.requests
        ]  # fmt: skip
    register.settle(round_id, events, award, who)


# --- results ---------------------------------------------------------------------------------


def write_award(award: Award, path: Path_, language: Language = "ja") -> None:
    """Write a result: a workbook where the name ends in ``.xlsx``, otherwise JSON.

    The rule in words, its seed and what it promises stand before the awards. For a carrier, write
    ``award.of(carrier)``: nothing in it is about others.
    """
    if Path(path).suffix.lower() == ".xlsx":
        _workbook(award, path, language)
        return
    content = {
        "rule": award.rule,
        "rule_text": {"ja": award.rule_text.render("ja"), "en": award.rule_text.render("en")},
        "seed": award.seed,
        "promises": award.promises,
        "summary": _records(award.summary),
        "awards": _records(award.awards),
        "refusals": _records(award.refusals),
    }
    with atomic(path) as draft:
        draft.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(frame.to_json(orient="records"))
    return records


def _workbook(award: Award, path: Path_, language: Language) -> None:
    other = "en" if language == "ja" else "ja"
    with atomic(path) as draft:
        options = {"strings_to_formulas": False, "strings_to_urls": False}
        book = xlsxwriter.Workbook(draft, options)
        bold = book.add_format({"bold": True, "bg_color": "#DCE6F1", "text_wrap": True})
        wrap = book.add_format({"text_wrap": True, "valign": "top"})
        sheet = book.add_worksheet("ルール" if language == "ja" else "Rule")
        sheet.set_column(0, 0, 110)
        promises = Text(
            "Stable: {stable}. Strategy-proof: {proof}.",
            "安定性の保証: {stable}。正直な申告が最善であることの保証: {proof}。",
            stable=_yes(award.promises["stable"]),
            proof=_yes(award.promises["strategy_proof"]),
        )
        seed = f"seed: {award.seed} — SHA-256(seed|asset|carrier), SHA-256(seed|carrier)"
        for row, line in enumerate(
            (award.rule_text.render(language), promises.render(language), seed)
        ):
            sheet.write_string(row, 0, line, wrap)
        for name, title, frame in (
            ("awards", Text("Awards", "割当"), award.awards),
            ("refusals", Text("Refusals", "不割当"), award.refusals),
            ("", Text("Summary", "集計"), award.summary),
        ):
            columns = [c for c in frame.columns if not c.endswith(f"_{other}")]
            sheet = book.add_worksheet(title.render(language))
            for column, key in enumerate(columns):
                label = (
                    schemas.label(name, key, language) if name else _SUMMARY[key].render(language)
                )
                sheet.write_string(0, column, label, bold)
                sheet.set_column(column, column, 60 if key.startswith(("reason", "change")) else 14)
                for row, value in enumerate(frame[key].tolist(), start=1):
                    if isinstance(value, str):
                        sheet.write_string(row, column, plain(value), wrap)
                    elif not pd.isna(value):
                        sheet.write_number(row, column, value)
            sheet.freeze_panes(1, 0)
            if len(frame):
                sheet.autofilter(0, 0, len(frame), len(columns) - 1)
        book.close()


_SUMMARY = {
    "carrier": Text("carrier", "事業者"),
    "requests": Text("requests", "要望数"),
    "awards": Text("awards", "割当数"),
    "first_choices": Text("first_choices", "第1希望の割当数"),
    "points": Text("points", "点数"),
    "cap": Text("cap", "割当の上限"),
}


def _yes(value: bool) -> Text:
    return Text("yes", "あり") if value else Text("no", "なし")
