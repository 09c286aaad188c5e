"""When answers arrived, as the desk noted it: what decides whether they came within the round's dates.

A file's own date says when it was last copied, so it never counts. What counts is a list of
receipts kept in the round's folder (``receipts.csv``: file, SHA-256, when, by whom), or a date that
the desk states.
"""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

from tdh.errors import ExchangeError, Problem, refused
from tdh.exchange.rounds import Round
from tdh.exchange.text import neutral
from tdh.files import atomic, sha256
from tdh.language import Text

JAPAN = timezone(timedelta(hours=9))
_COLUMNS = ("file", "sha256", "received", "who")


@dataclass(frozen=True)
class Receipt:
    """That a file arrived.

    Attributes
    ----------
    file : str
        Its name.
    sha256 : str
        Of its content: by this it is known again, whatever it is called.
    received : date or datetime
        A date is a day in Japan, a time without a zone is Japan's.
    who : str
        Who noted it.
    """

    file: str
    sha256: str
    received: date | datetime
    who: str

    @property
    def day(self) -> date:
        """The day in Japan on which it arrived.

        >>> Receipt("a.zip", "", datetime.fromisoformat("2027-03-31T20:00:00Z"), "").day
        datetime.date(2027, 4, 1)
        """
        if not isinstance(self.received, datetime):
            return self.received
        if self.received.tzinfo is None:
            return self.received.date()
        return self.received.astimezone(JAPAN).date()


def parse_received(text: str) -> date | datetime:
    """A day (2027-03-31) or a time (2027-03-31T17:15, with or without a zone).

    Raises
    ------
    ValueError
        If it is neither.
    """
    text = text.strip()
    return date.fromisoformat(text) if len(text) <= 10 else datetime.fromisoformat(text)


def note_receipts(
    path: str | os.PathLike[str],
    answers: Sequence[str | os.PathLike[str]],
    who: str,
    received: date | datetime | None = None,
) -> list[Receipt]:
    """Note that answers arrived: append them to a list of receipts.

    Parameters
    ----------
    path : path
        The list, ``receipts.csv`` in the round's folder; made where there is none.
    answers : paths
        What arrived.
    who : str
        Who notes it.
    received : date or datetime, optional
        When; by default now.

    Returns
    -------
    list of Receipt
        What was added. A file that is in the list already is not added again: the first receipt
        stands.

    Raises
    ------
    ExchangeError
        With all files and lines that cannot be read.
    """
    held = read_receipts(path) if Path(path).exists() else []
    known = {receipt.sha256 for receipt in held}
    when = datetime.now(JAPAN).replace(microsecond=0) if received is None else received
    added: list[Receipt] = []
    problems: list[Problem] = []
    for answer in answers:
        try:
            digest = sha256(answer)
        except OSError as error:
            problems.append(_unreadable(Path(answer), error))
            continue
        if digest not in known:
            # A name from a zip of another encoding need not be text; the hash is what counts.
            name = Path(answer).name.encode("utf-8", errors="replace").decode("utf-8")
            added.append(Receipt(name, digest, when, who))
            known.add(digest)
    if problems:
        raise ExchangeError(*problems)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for receipt in [*held, *added]:
        writer.writerow(
            [
                neutral(receipt.file),
                receipt.sha256,
                receipt.received.isoformat(),
                neutral(receipt.who),
            ]
        )
    with atomic(path) as draft:
        draft.write_text(buffer.getvalue(), encoding="utf-8-sig", newline="")
    return added


def read_receipts(path: str | os.PathLike[str]) -> list[Receipt]:
    """A list of receipts, in its order.

    Raises
    ------
    ExchangeError
        With all lines that are not right.
    """
    where = Path(path).name
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ExchangeError(_unreadable(Path(path), error)) from None
    except UnicodeDecodeError as error:
        raise ExchangeError(
            Problem(
                Text("the text is not UTF-8", "UTF-8ではありません"), value=str(error), where=where
            )
        ) from None
    found: list[Receipt] = []
    problems: list[Problem] = []
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise ExchangeError(
            Problem(
                Text("columns are missing in the list of receipts", "受領一覧の列が足りません"),
                value=", ".join(missing),
                expected=", ".join(_COLUMNS),
                where=where,
            )
        )
    for row in reader:
        try:
            received = parse_received(row["received"] or "")
        except ValueError:
            problems.append(_no_date(row["received"], f"{where}: {reader.line_num}"))
            continue
        digest = (row["sha256"] or "").strip().lower()
        found.append(Receipt(row["file"] or "", digest, received, row["who"] or ""))
    if problems:
        raise ExchangeError(*problems)
    return found


def find(
    answers: Sequence[Path],
    receipts: Sequence[Receipt],
    stated: Mapping[str, date | datetime] | date | datetime | None,
    who: str,
) -> dict[Path, Receipt]:
    """The receipt of each answer: what is stated goes before the list, in the list the earliest.

    Parameters
    ----------
    answers : sequence of Path
    receipts : sequence of Receipt
    stated : mapping of path or file name to date or datetime, or one for all, optional
    who : str
        Who states it.

    Raises
    ------
    ExchangeError
        If something is stated by a name that several answers bear.
    """
    names = Counter(path.name for path in answers)
    if isinstance(stated, Mapping):
        unclear = [name for name, count in names.items() if count > 1 and name in stated]
        if unclear:
            raise ExchangeError(
                Problem(
                    Text(
                        "a date of receipt is stated by a name that several answers bear",
                        "受領日の指定に使われた名前の回答が複数あります",
                    ),
                    value=", ".join(unclear),
                    fix=Text("state it by the path", "パスで指定してください"),
                )
            )
    first: dict[str, Receipt] = {}
    for receipt in receipts:
        held = first.get(receipt.sha256)
        if held is None or _moment(receipt) < _moment(held):
            first[receipt.sha256] = receipt
    found: dict[Path, Receipt] = {}
    for path in answers:
        try:
            digest = sha256(path)
        except OSError:
            continue  # what reads the answer says so
        when = (
            stated.get(str(path), stated.get(path.name)) if isinstance(stated, Mapping) else stated
        )
        if when is not None:
            found[path] = Receipt(path.name, digest, when, who)
        elif digest in first:
            found[path] = first[digest]
    return found


def check_dates(round: Round, path: Path, receipt: Receipt | None) -> list[Problem]:
    """Whether an answer came while the round was open; nothing, where it has no dates."""
    if round.opens is None and round.closes is None:
        return []
    window = f"{round.opens or ''} – {round.closes or ''}"
    if receipt is None:
        return [
            Problem(
                Text(
                    "it is not noted when the answer was received, and the round has dates",
                    "募集回に受付期間がありますが、回答の受領日が記録されていません",
                ),
                expected=window,
                where=path.name,
                fix=Text(
                    "note it with tdh match --receive, or state it with --received",
                    "tdh match --receive で記録するか、--received で指定してください",
                ),
            )
        ]
    if round.open_on(receipt.day):
        return []
    early = round.opens is not None and receipt.day < round.opens
    return [
        Problem(
            Text("the answer was received before the round opened", "受付開始前に受領した回答です")
            if early
            else Text(
                "the answer was received after the round closed", "受付終了後に受領した回答です"
            ),
            value=receipt.received.isoformat(),
            expected=window,
            where=f"{path.name} ({receipt.who})",
            fix=Text(
                "ask for it again while the round is open", "受付期間内に再提出を依頼してください"
            )
            if early
            else Text(
                "leave it out; the carrier may answer the next round",
                "この回答を除いてください。次回の募集には応募できます",
            ),
        )
    ]


def _moment(receipt: Receipt) -> datetime:
    """A receipt's time; a day counts as its end, since nothing more is known."""
    at = receipt.received
    if not isinstance(at, datetime):
        return datetime(at.year, at.month, at.day, 23, 59, 59, tzinfo=JAPAN)
    return at if at.tzinfo is not None else at.replace(tzinfo=JAPAN)


def _no_date(value: str | None, where: str) -> Problem:
    return Problem(
        Text("the date of receipt cannot be read", "受領日を読めません"),
        value=value,
        expected="2027-03-31, 2027-03-31T17:15+09:00",
        where=where,
    )


def _unreadable(path: Path, error: OSError) -> Problem:
    return refused(error, path) or Problem(
        Text("the file cannot be read", "ファイルを読めません"),
        value=error.strerror,
        where=path.name,
    )
