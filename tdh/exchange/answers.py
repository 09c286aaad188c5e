"""What a carrier answers: ranked requests and search rings; untrusted, and checked as a whole."""

from __future__ import annotations

import json
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from tdh.errors import ExchangeError, Problem, refused
from tdh.exchange import archive
from tdh.exchange.checks import load_json, problems_of
from tdh.exchange.rounds import TenantName
from tdh.language import Text

if TYPE_CHECKING:
    from tdh.exchange.offer import Offer

SCHEMA = "tdh-answer/1"
MAX_BYTES = 50_000_000
_MAX_TOTAL = 200_000_000
_EXAMPLES = 10
_WHOLE = ("rank", "antennas", "wanted_year", "places")

Short = Annotated[str, StringConstraints(max_length=200, strip_whitespace=True)]
Long = Annotated[str, StringConstraints(max_length=2000, strip_whitespace=True)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Request(_Strict):
    """One asset that a carrier wants."""

    asset_id: Short = Field(min_length=1, description="An asset of the package")
    rank: int = Field(
        ge=1, le=1_000_000, strict=True, description="1 is wanted most; no rank twice"
    )
    bands: tuple[Short, ...] = Field(
        default=(), max_length=20, description="Bands to be used there; empty: all"
    )
    antennas: int = Field(default=1, ge=1, le=64, strict=True, description="Antennas in all")
    weight_kg: float | None = Field(
        default=None, ge=0, le=10_000, description="Weight of the installation"
    )
    wanted_year: int | None = Field(
        default=None, ge=2020, le=2100, strict=True, description="Fiscal year of going on air"
    )
    conditions: Long = Field(default="", description="Conditions, in words")
    places: int = Field(default=1, ge=1, le=20, strict=True, description="Places that it takes")
    tenants: tuple[TenantName, ...] = Field(
        default=(), max_length=20, description="Carriers that a sharing firm would serve there"
    )


class SearchRing(_Strict):
    """Where a carrier looks for a site (a SARF): circle, heights and bands."""

    name: Short = Field(min_length=1, description="Name or number of the search area")
    latitude: float = Field(ge=20, le=46, description="Centre, degrees, JGD2011")
    longitude: float = Field(ge=122, le=154, description="Centre, degrees, JGD2011")
    radius_m: float = Field(ge=10, le=20_000, description="Radius in metres")
    height_min_m: float | None = Field(
        default=None, ge=0, le=750, description="Least height wanted"
    )
    height_max_m: float | None = Field(default=None, ge=0, le=750, description="Greatest height")
    bands: tuple[Short, ...] = Field(default=(), max_length=20, description="Bands")
    objective: Long = Field(default="", description="What it is for")


class Answer(_Strict):
    """A carrier's answer to one package.

    ``offer_sha256`` ties it to the package: an answer to another round, carrier or state of the
    package does not pass for an answer to this one.
    """

    schema_: Literal["tdh-answer/1"] = Field(default="tdh-answer/1", alias="schema")
    round: Short = Field(description="The round, as the package names it")
    carrier: Short = Field(description="The carrier, as the package names it")
    offer_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of the package's manifest")
    contact: Annotated[str, StringConstraints(max_length=500)] = ""
    requests: tuple[Request, ...] = Field(default=(), max_length=100_000)
    search_rings: tuple[SearchRing, ...] = Field(default=(), max_length=1_000)

    @property
    def table(self) -> pd.DataFrame:
        """The requests as :func:`tdh.matching.match` takes them (columns carrier, asset, rank …).

        ``tenants`` counts the carriers served: one, or those whom a sharing firm ``brings``.
        """
        names = ["carrier", "asset", "rank", "places", "tenants", "brings"]
        rows = [
            (self.carrier, r.asset_id, r.rank, r.places, max(1, len(r.tenants)),
             ", ".join(r.tenants))
            for r in self.requests
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=names).astype(
            dict.fromkeys(("carrier", "asset", "brings"), "str")
            | dict.fromkeys(("rank", "places", "tenants"), "int64")
        )

    def to_json(self) -> bytes:
        """The answer as JSON, in one canonical form."""
        content = self.model_dump(mode="json", by_alias=True)
        return json.dumps(content, ensure_ascii=False, indent=1).encode("utf-8")

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the answer as a zip (or as plain JSON where the name ends in ``.json``)."""
        content = self.to_json()
        if Path(path).suffix.lower() == ".json":
            from tdh.files import atomic

            with atomic(path) as draft:
                draft.write_bytes(content)
            return
        seal = f"{archive.digest(content)}  answer.json\n".encode()
        archive.write_zip(path, {"answer.json": content, "answer.sha256": seal})


def make(
    offer: Offer,
    requests: pd.DataFrame | Iterable[str | Mapping[str, Any]],
    search_rings: Iterable[SearchRing | Mapping[str, Any]] = (),
    contact: str = "",
) -> Answer:
    """An answer to a package; see :meth:`tdh.exchange.Offer.request`."""
    content = {
        "schema": SCHEMA,
        "round": offer.round.id,
        "carrier": offer.carrier_id,
        "offer_sha256": offer.sha256,
        "contact": contact,
        "requests": list(_rows(requests)),
        "search_rings": [r.model_dump() if isinstance(r, SearchRing) else r for r in search_rings],
    }
    answer = validate(content, "requests")
    problems = check(answer, offer, "requests")
    if problems:
        raise ExchangeError(*problems)
    return answer


def _rows(requests: pd.DataFrame | Iterable[str | Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    """Requests from a table, from mappings, or from names in the order of preference."""
    if isinstance(requests, pd.DataFrame):
        frame = requests.reset_index() if requests.index.name == "asset_id" else requests
        if "rank" in frame:  # as in the form: what has no rank is not wanted
            frame = frame[frame["rank"].notna()]
        known = [name for name in Request.model_fields if name in frame.columns]
        requests = [
            {
                k: v
                for k, v in row.items()
                if not (isinstance(v, float) and v != v) and v is not None
            }
            for row in frame[known].astype(object).to_dict("records")
        ]
    if isinstance(requests, str) or not isinstance(requests, Iterable):
        raise ExchangeError(_no_requests(requests, "requests"))
    for rank, row in enumerate(requests, start=1):
        if isinstance(row, str):
            row = {"asset_id": row}
        if not isinstance(row, Mapping):
            raise ExchangeError(_no_requests(row, f"requests[{rank - 1}]"))
        yield {"rank": rank, **{k: _plain(k, v) for k, v in row.items()}}


def _plain(name: str, value: Any) -> Any:
    """A value as JSON has it; ``"n78, n79"`` is a list of bands."""
    if name in ("bands", "tenants") and isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if hasattr(value, "tolist") and not isinstance(value, str):
        value = value.tolist()
    # A column with gaps is one of floats, also of ranks and years.
    return int(value) if name in _WHOLE and isinstance(value, float) and value % 1 == 0 else value


def _no_requests(value: Any, where: str) -> Problem:
    return Problem(
        Text(
            "it is neither an asset id nor a row of requests",
            "アセットIDでも要望の行でもありません",
        ),
        value=value,
        expected='["asset id", …], [{"asset_id": …, "rank": 1}, …], DataFrame',
        where=where,
    )


def validate(content: Any, where: str) -> Answer:
    """An answer of loose content, or an ExchangeError with all that is wrong with its form."""
    if isinstance(content, dict) and content.get("schema") != SCHEMA:
        raise ExchangeError(
            Problem(
                Text("the answer has another format", "回答の形式が違います"),
                value=content.get("schema"),
                expected=SCHEMA,
                where=where,
            )
        )
    try:
        return Answer.model_validate(content)
    except ValidationError as error:
        raise ExchangeError(*problems_of(error, where)) from None


def check(answer: Answer, offer: Offer, where: str) -> list[Problem]:
    """Everything in which an answer does not fit the package that it claims to answer."""
    problems = []
    for name, found, wanted, what in (
        ("round", answer.round, offer.round.id,
         Text("it answers another round", "別の募集回への回答です")),
        ("carrier", answer.carrier, offer.carrier_id,
         Text("it is another carrier's answer", "別の事業者の回答です")),
        ("offer_sha256", answer.offer_sha256, offer.sha256,
         Text("it answers another package, or another state of this one",
              "別のパッケージ、または別の版への回答です")),
    ):  # fmt: skip
        if found != wanted:
            # The desk may send this on: whoever wrote in another's name must not learn the hash
            # by which that carrier's answers are known.
            told = f"{wanted[:8]}…" if name == "offer_sha256" else wanted
            problems.append(Problem(what, value=found, expected=told, where=f"{where}: {name}"))
    known = set(offer.assets.index)
    for i, request in enumerate(answer.requests):
        place = f"{where}: requests[{i}]"
        if request.asset_id not in known:
            problems.append(
                Problem(
                    Text("the asset is not in the package", "パッケージにないアセットです"),
                    value=request.asset_id,
                    where=place,
                )
            )
        for band in sorted(set(request.bands) - set(offer.bands)):
            problems.append(
                Problem(
                    Text("the band is not one of the package's", "パッケージにないバンドです"),
                    value=band,
                    expected=", ".join(offer.bands),
                    where=place,
                )
            )
    problems += _tenants(answer, offer, where)
    for name, values, what in (
        ("asset_id", [r.asset_id for r in answer.requests],
         Text("an asset is requested twice", "同じアセットが2度要望されています")),
        ("rank", [r.rank for r in answer.requests],
         Text("a rank is given twice", "同じ順位が2度あります")),
        ("name", [r.name for r in answer.search_rings],
         Text("a search ring's name is given twice", "同じ名前の探索範囲が2つあります")),
    ):  # fmt: skip
        for value, count in Counter(values).items():
            if count > 1:
                problems.append(Problem(what, value=value, where=f"{where}: {name}"))
    problems += _odd_characters(answer, where)
    for i, ring in enumerate(answer.search_rings):
        low, high = ring.height_min_m, ring.height_max_m
        if low is not None and high is not None and low > high:
            problems.append(
                Problem(
                    Text("the least height is above the greatest", "最低高が最高高を超えています"),
                    value=f"{low:g} > {high:g}",
                    where=f"{where}: search_rings[{i}]",
                )
            )
    return problems


def _tenants(answer: Answer, offer: Offer, where: str) -> list[Problem]:
    """Whether tenants are those whom the firm may bring, and places are counted as the rules say."""
    round_, problems = offer.round, []
    may = round_.firms.get(answer.carrier, ())
    for i, request in enumerate(answer.requests):
        place = f"{where}: requests[{i}].tenants"
        named = len(request.tenants)
        for tenant, count in Counter(request.tenants).items():
            if count > 1:
                problems.append(
                    Problem(
                        Text("a tenant is named twice", "同じ共用事業者が2度あります"),
                        value=tenant,
                        where=place,
                    )
                )
            if round_.firms and tenant not in may:
                problems.append(
                    Problem(
                        Text(
                            "the round's rules do not let it bring this carrier",
                            "募集要領で認められていない共用事業者です",
                        ),
                        value=tenant,
                        expected=", ".join(may) or None,
                        where=place,
                    )
                )
        if may and not named:
            problems.append(
                Problem(
                    Text(
                        "a sharing firm says whom it would serve there",
                        "インフラシェアリング事業者は、共用する事業者名が必要です",
                    ),
                    value=request.asset_id,
                    expected=", ".join(may),
                    where=place,
                )
            )
        counted = round_.places_of(request.places, named)
        if request.places not in (1, counted):
            problems.append(
                Problem(
                    Text(
                        "the round's rules count the places, not the request",
                        "共用数は募集要領により数えます",
                    ),
                    value=request.places,
                    expected=str(counted),
                    where=f"{where}: requests[{i}].places",
                )
            )
    return problems


def _odd_characters(answer: Answer, where: str) -> list[Problem]:
    """Control characters, and those that turn the direction of writing, have no place in text."""
    problems = []
    texts = [("contact", answer.contact)]
    texts += [(f"requests[{i}].conditions", r.conditions) for i, r in enumerate(answer.requests)]
    for i, ring in enumerate(answer.search_rings):
        place = f"search_rings[{i}]"
        texts += [(f"{place}.name", ring.name), (f"{place}.objective", ring.objective)]
    for i, request in enumerate(answer.requests):
        texts += [(f"requests[{i}].tenants", tenant) for tenant in request.tenants]
    for place, text in texts:
        odd = [
            c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\r\t"
        ]
        if odd:
            problems.append(
                Problem(
                    Text("the text holds control characters", "制御文字が含まれています"),
                    value=repr("".join(odd[:_EXAMPLES])),
                    where=f"{where}: {place}",
                )
            )
    return problems


def read_answer(path: str | os.PathLike[str], offer: Offer | str | os.PathLike[str]) -> Answer:
    """Read a carrier's answer: the zip or JSON that tdh wrote, or the Excel form filled in by hand.

    Parameters
    ----------
    path : path
        What was sent. Nothing in it is trusted.
    offer : Offer or path
        The package that it should answer.

    Returns
    -------
    Answer

    Raises
    ------
    ExchangeError
        With everything that is wrong: sizes, paths, form, unknown assets, ranks given twice,
        another round, carrier or package.
    """
    from tdh.exchange.offer import Offer, read_offer

    if not isinstance(offer, Offer):
        offer = read_offer(offer)
    answer = read_form(path)
    problems = check(answer, offer, Path(path).name)
    if problems:
        raise ExchangeError(*problems)
    return answer


def read_form(path: str | os.PathLike[str]) -> Answer:
    """An answer as it was sent, of whichever package; only its form is checked.

    Raises
    ------
    ExchangeError
        With everything that is wrong with its form.
    """
    from tdh.exchange import form

    path = Path(path)
    where = path.name
    raw = _head(path)
    if raw[:2] != b"PK":
        content = load_json(raw, where)
    else:
        with archive.Archive(
            path, max_bytes=MAX_BYTES, max_members=1_000, max_total=_MAX_TOTAL
        ) as z:
            if "[Content_Types].xml" in z.names:
                content = form.read(raw, where)
            else:
                content = _unzipped(z)
    return validate(content, where)


def _head(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ExchangeError(
                Problem(
                    Text("the answer is larger than allowed", "回答ファイルが大きすぎます"),
                    value=f"{size:,} bytes",
                    expected=f"<= {MAX_BYTES:,} bytes",
                    where=path.name,
                )
            )
        return path.read_bytes()
    except OSError as error:
        raise ExchangeError(
            refused(error, path)
            or Problem(Text("the file cannot be read", "ファイルを読めません"),
                       value=error.strerror, where=path.name)
        ) from None  # fmt: skip


def _unzipped(package: archive.Archive) -> Any:
    where = package.path.name
    extra = sorted(set(package.names) - {"answer.json", "answer.sha256"})
    if "answer.json" not in package.names or extra:
        raise ExchangeError(
            Problem(
                Text("the zip is not an answer", "回答のzipではありません"),
                value=", ".join(extra[:_EXAMPLES]) or None,
                expected="answer.json, answer.sha256",
                where=where,
            )
        )
    raw = package.read("answer.json")
    if "answer.sha256" in package.names:
        sealed = package.read("answer.sha256").split(b" ")[0].decode("ascii", errors="replace")
        if sealed != archive.digest(raw):
            raise ExchangeError(
                Problem(
                    Text("the answer was changed after it was sealed (SHA-256)",
                         "封印後に内容が変わっています(SHA-256)"),
                    where=f"{where}/answer.json",
                    fix=Text("ask for it again", "再送を依頼してください"),
                )
            )  # fmt: skip
    return load_json(raw, f"{where}/answer.json")


def json_schema(
    round_id: str,
    carrier_id: str,
    offer_sha256: str,
    assets: Sequence[str],
    bands: Sequence[str],
    tenants: Sequence[str] = (),
) -> bytes:
    """The JSON Schema (2020-12) of answers to one package."""
    schema = Answer.model_json_schema(by_alias=True)
    properties = schema["properties"]
    for name, value in (
        ("round", round_id),
        ("carrier", carrier_id),
        ("offer_sha256", offer_sha256),
    ):
        properties[name] = {"const": value, "description": properties[name]["description"]}
    # A member that tdh fills in by itself must still stand in what others write.
    schema["required"] = ["schema", "round", "carrier", "offer_sha256", "requests"]
    request = schema["$defs"]["Request"]["properties"]
    if assets:
        request["asset_id"]["enum"] = list(assets)
    if bands:
        request["bands"]["items"] = {"enum": list(bands)}
    if tenants:
        request["tenants"]["items"] = {"enum": list(tenants)}
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(whole, ensure_ascii=False, indent=1).encode("utf-8")
