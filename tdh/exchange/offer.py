"""The carrier's side: a package read back, every hash checked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pyproj import CRS
from pyproj.exceptions import CRSError

from tdh import schemas
from tdh.errors import ExchangeError, Problem, SchemaError
from tdh.exchange import answers, archive
from tdh.exchange.checks import load_json, problems_of
from tdh.exchange.package import SCHEMA, offer_digest
from tdh.exchange.rounds import Round
from tdh.language import Text
from tdh.radio.bands import Band

MAX_MANIFEST_BYTES = 50_000_000


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Member(_Strict):
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class _Carrier(_Strict):
    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")
    name: str = Field(max_length=200)
    bands: list[str]
    max_sites: int = Field(ge=0)


class _Crs(_Strict):
    plan: str = Field(max_length=5000)
    geographic: str = Field(max_length=200)


class _Notices(_Strict):
    ja: list[str]
    en: list[str]

    @model_validator(mode="after")
    def _in_pairs(self) -> _Notices:
        if len(self.ja) != len(self.en):
            raise ValueError("as many notices in Japanese as in English")
        return self


class _Manifest(_Strict):
    schema_: Literal["tdh-offer/1"] = Field(alias="schema")
    software: str = Field(max_length=200)
    round: Round
    carrier: _Carrier
    bands: list[dict[str, Any]]
    crs: _Crs
    rules: dict[str, float]
    assets: int = Field(ge=0)
    synthetic: bool
    notices: _Notices
    attributions: list[str]
    offer_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    members: dict[str, _Member]


@dataclass(frozen=True)
class Offer:
    """A package as a carrier reads it.

    Attributes
    ----------
    path : Path
        The zip.
    manifest : dict
        ``manifest.json``.
    round : Round
        The round's published facts.
    carrier_id : str
        Whom it is for.
    assets : GeoDataFrame
        Table ``offers``, index ``asset_id``, in the plan's CRS; :mod:`tdh.coverage` takes it as it
        takes a planner's assets.
    bands : dict of str to Band
        The carrier's bands as the plan reckoned with them.
    sha256 : str
        What an answer must repeat.
    """

    path: Path
    manifest: dict[str, Any] = field(repr=False)
    round: Round
    carrier_id: str
    assets: gpd.GeoDataFrame = field(repr=False)
    bands: dict[str, Band] = field(repr=False)
    sha256: str

    def request(
        self,
        requests: pd.DataFrame | Iterable[str | Mapping[str, Any]],
        *,
        search_rings: Iterable[answers.SearchRing | Mapping[str, Any]] = (),
        contact: str = "",
    ) -> answers.Answer:
        """Ranked requests for assets of this package, to be written with ``.write(path)``.

        Parameters
        ----------
        requests : DataFrame, or iterable of str or mappings
            Asset ids in the order of preference; or rows with ``asset_id`` and any field of
            :class:`tdh.exchange.Request` (``rank``: by default the place in the order; rows of a
            table whose ``rank`` is missing are not requested).
        search_rings : iterable of SearchRing or mappings
            Where the carrier looks for sites beyond what is offered.
        contact : str
            Whom to ask.

        Raises
        ------
        ExchangeError
            With everything that is wrong with it.
        """
        return answers.make(self, requests, search_rings, contact)

    @property
    def crs(self) -> str:
        """The plan's CRS."""
        return str(self.manifest["crs"]["plan"])

    @property
    def synthetic(self) -> bool:
        """Whether anything in it is invented."""
        return bool(self.manifest["synthetic"])

    @property
    def notices(self) -> list[Text]:
        """What must be said wherever it is shown."""
        shown = self.manifest["notices"]
        # Braces in a stranger's words are not places to fill in; Text fills only if values follow.
        return [Text(en, ja) for en, ja in zip(shown["en"], shown["ja"], strict=True)]

    @property
    def attributions(self) -> list[str]:
        """Sources and licences that must be named wherever it is shown."""
        return list(self.manifest["attributions"])


def read_offer(path: str | os.PathLike[str]) -> Offer:
    """Read a package and check all of it: paths, sizes, hashes, manifest, table.

    Parameters
    ----------
    path : path
        The zip that :func:`tdh.exchange.write_package` wrote.

    Returns
    -------
    Offer

    Raises
    ------
    ExchangeError
        With everything that is wrong with it.
    """
    with archive.Archive(path) as package:
        manifest, content = _manifest(package)
        problems = _check_members(package, manifest, content)
        if problems:
            raise ExchangeError(*problems)
        table = package.read("offers.geojson")
    where = package.path.name
    bands, problems = _bands(manifest, where)
    assets, more = _table(table, manifest, where)
    problems += more
    if problems or assets is None:
        raise ExchangeError(*problems)
    return Offer(
        path=Path(path),
        manifest=content,
        round=manifest.round,
        carrier_id=manifest.carrier.id,
        assets=assets,
        bands=bands,
        sha256=manifest.offer_sha256,
    )


def _manifest(package: archive.Archive) -> tuple[_Manifest, dict[str, Any]]:
    where = f"{package.path.name}/manifest.json"
    if "manifest.json" not in package.names:
        raise ExchangeError(
            Problem(
                Text("it is not an offer package: no manifest", "提示パッケージではありません"),
                expected="manifest.json",
                where=package.path.name,
            )
        )
    raw = package.read("manifest.json")
    if len(raw) > MAX_MANIFEST_BYTES:
        raise ExchangeError(
            Problem(Text("the manifest is too large", "manifestが大きすぎます"), where=where)
        )
    content = load_json(raw, where)
    if isinstance(content, dict) and content.get("schema") != SCHEMA:
        raise ExchangeError(
            Problem(
                Text("the package has another format", "パッケージの形式が違います"),
                value=content.get("schema"),
                expected=SCHEMA,
                where=where,
                fix=Text(
                    "read it with the version of tdh that made it",
                    "作成時と同じ版の tdh で読んでください",
                ),
            )
        )
    try:
        return _Manifest.model_validate(content), content
    except ValidationError as error:
        raise ExchangeError(*problems_of(error, where)) from None


def _check_members(
    package: archive.Archive, manifest: _Manifest, content: dict[str, Any]
) -> list[Problem]:
    problems = []
    listed, present = set(manifest.members), set(package.names) - {"manifest.json"}
    for name in sorted({"offers.geojson", *listed} - present):
        problems.append(
            Problem(
                Text("a member is missing", "ファイルが足りません"), value=name,
                where=package.path.name,
            )
        )  # fmt: skip
    for name in sorted(present - listed):
        problems.append(
            Problem(
                Text("a member is not in the manifest", "manifestにないファイルがあります"),
                value=name,
                where=package.path.name,
            )
        )
    hashes: dict[str, str] = {}
    for name in sorted(listed & present):
        try:
            hashes[name] = archive.digest(package.read(name))
        except ExchangeError as error:
            problems += error.problems
            continue
        if hashes[name] != manifest.members[name].sha256:
            problems.append(
                Problem(
                    Text(
                        "a member is not what the manifest says (SHA-256)",
                        "ファイルの内容がmanifestと違います(SHA-256)",
                    ),
                    where=f"{package.path.name}/{name}",
                    fix=Text("ask for the package again", "パッケージを再度受け取ってください"),
                )
            )
    # As it was written, not as it was understood: a later version knows more terms of a round.
    if not problems and offer_digest(content, hashes) != manifest.offer_sha256:
        problems.append(
            Problem(
                Text(
                    "the manifest's offer_sha256 does not belong to its content",
                    "manifestのoffer_sha256が内容と合いません",
                ),
                where=f"{package.path.name}/manifest.json",
            )
        )
    return problems


def _bands(manifest: _Manifest, where: str) -> tuple[dict[str, Band], list[Problem]]:
    bands, problems = {}, []
    for i, entry in enumerate(manifest.bands):
        try:
            band = Band(**entry)
            if band.id in bands or band.id not in manifest.carrier.bands:
                raise ValueError(f"{band.id}: not one of the carrier's bands, each once")
        except (TypeError, ValueError) as error:
            problems.append(
                Problem(
                    Text("a band cannot be read", "バンドを読めません"),
                    value=str(error),
                    where=f"{where}/manifest.json: bands[{i}]",
                )
            )
            continue
        bands[band.id] = band
    return bands, problems


def _table(
    raw: bytes, manifest: _Manifest, where: str
) -> tuple[gpd.GeoDataFrame | None, list[Problem]]:
    place = f"{where}/offers.geojson"
    try:
        crs = CRS.from_user_input(manifest.crs.plan)
        geographic = CRS.from_user_input(manifest.crs.geographic)
    except CRSError as error:
        return None, [
            Problem(Text("the CRS is not known", "座標系が不明です"), value=str(error), where=where)
        ]
    content = load_json(raw, place)
    try:
        rows = [feature["properties"] for feature in content["features"]]
        frame = pd.DataFrame(rows, columns=None if rows else _columns())
        if len(frame) != manifest.assets:
            raise ValueError(f"{len(frame)} rows, {manifest.assets} in the manifest")
        if not all(isinstance(row.get("asset_id"), str) and row["asset_id"] for row in rows):
            raise ValueError("an asset_id is missing")
        longitude = frame["longitude"].to_numpy(dtype=float)
        latitude = frame["latitude"].to_numpy(dtype=float)
        if not (np.isfinite(longitude).all() and np.isfinite(latitude).all()):
            raise ValueError("a position is missing")
        points = gpd.points_from_xy(longitude, latitude, crs=geographic).to_crs(crs)
        return schemas.conform(gpd.GeoDataFrame(frame, geometry=points), "offers"), []
    except SchemaError as error:
        return None, list(error.problems)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        return None, [
            Problem(
                Text("the table of assets cannot be read", "アセットの表を読めません"),
                value=str(error),
                where=place,
            )
        ]


def _columns() -> list[str]:
    return [c for c in schemas.columns("offers")["column"] if c != "geometry"]
