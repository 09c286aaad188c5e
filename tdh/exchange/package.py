"""One zip per carrier: what is offered to it, in every format it may want, and nothing of others."""

from __future__ import annotations

import dataclasses
import json
import os
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from tdh.exchange import answers, archive, cuts, form, formats, sheets
from tdh.exchange.offered import offered_assets, own_gap
from tdh.exchange.rounds import Round
from tdh.exchange.surroundings import Surroundings
from tdh.language import Text
from tdh.scenario.models import (
    Area,
    AssetSource,
    Carrier,
    Costs,
    CoverageSource,
    Demand,
    DemandSource,
    FloodSource,
    PlaceSource,
    Provenance,
    Surface,
    ThroughputSource,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import geopandas as gpd

    from tdh.results import Run

SCHEMA = "tdh-offer/1"
GEOGRAPHIC_CRS = "EPSG:6668"
BASES = {
    "own": Text(
        "Basis of the offer: own. This package is made from the registers and from this carrier's "
        "own data only. Nothing in it depends on the data of other carriers; they may be offered "
        "the same assets.",
        "提示の根拠: 自社(own)。このパッケージは台帳と本事業者のデータだけから作られています。"
        "他事業者のデータに依存する内容はありません。同じアセットが他事業者にも提示されることがあります。",
    ),
    "joint": Text(
        "Basis of the offer: joint, by the round's rules. This package is made from the registers "
        "and from this carrier's own data. One thing depends on the other carriers: that an asset "
        "is offered at all, since the plan is made for all carriers together and an asset has a "
        "limited number of places. No other content does.",
        "提示の根拠: 全体計画(joint、募集要領による)。このパッケージは台帳と本事業者のデータだけから"
        "作られています。他事業者に左右されるのは、そのアセットが提示されるか否かだけです(計画は"
        "全事業者を合わせて作成し、1アセットの共用数に上限があるため)。それ以外の内容は他事業者の"
        "データに依存しません。",
    ),
}
"""What a package says of its own basis, by the round's."""
_NOT_MEASURED = Text(
    "Gains are modelled from predicted coverage, not measured",
    "充足人口は予測エリアに基づく計算値です。実測ではありません",
)


def write_package(
    run: Run,
    carrier_id: str,
    path: str | os.PathLike[str],
    *,
    round: Round | None = None,
    surroundings: Surroundings | None = None,
) -> None:
    """Write the package of one carrier.

    Parameters
    ----------
    run : Run
        A finished run.
    carrier_id : str
        One of its carriers.
    path : path
        The zip; it appears whole or not at all.
    round : Round, optional
        The round's published facts; by default the scenario's name without dates.
    surroundings : Surroundings, optional
        Buildings and boundaries for the sheets; by default read anew from the run's own files.

    Raises
    ------
    ExchangeError
        If the run has no such carrier.

    Notes
    -----
    For the same register and the same data of this carrier the zip is the same byte for byte,
    whatever the data of other carriers are: assets are chosen, and their gains and order counted,
    from this carrier's own footprints and gap (:mod:`tdh.exchange.offered`); attributions and
    notices name only common inputs and its own; no time of writing is recorded. Only a round whose
    rules say ``basis = "joint"`` takes the list of assets from the plan for all carriers together.
    The manifest and the README of the package say which it is.
    """
    round = round if round is not None else default_round(run)
    offers = offered_assets(run, carrier_id, round.basis)
    around = surroundings if surroundings is not None else Surroundings.of(run, offers)
    _fill_ground(offers, around)
    head = _head(run, carrier_id, offers, round)
    members = _data(offers, head)
    head["offer_sha256"] = offer_digest(head, {n: archive.digest(c) for n, c in members.items()})
    members["form/request.xlsx"] = form.write(offers, head)
    members["answer.schema.json"] = answers.json_schema(
        round.id,
        carrier_id,
        head["offer_sha256"],
        list(offers.index),
        head["carrier"]["bands"],
        round.firms.get(carrier_id, ()),
    )
    bands = {band: run.bands[carrier_id, band] for band in head["carrier"]["bands"]}
    drawn = cuts.links(
        run, carrier_id, list(offers.index), own_gap(run, carrier_id), bands, around.surface
    )
    members.update(sheets.write(offers, head, around, drawn))
    members["README.txt"] = _readme(head)
    head["members"] = {
        name: {"sha256": archive.digest(content), "bytes": len(content)}
        for name, content in members.items()
    }
    archive.write_zip(path, {"manifest.json": _json(head), **members})


def default_round(run: Run) -> Round:
    """A round without dates, named as the scenario."""
    return Round(
        id=run.scenario.name,
        seed=run.scenario.seed,
        sharing_capacity=run.scenario.siting.sharing_capacity,
    )


def offer_digest(head: Mapping[str, Any], hashes: Mapping[str, str]) -> str:
    """The hash by which an answer says what it answers.

    Over the round, the carrier and the hashes of the members that hold the offered assets; an
    answer that bears another one answers another package.
    """
    core = {
        "schema": head["schema"],
        "round": head["round"],
        "carrier": head["carrier"],
        "data": {name: hashes[name] for name in sorted(hashes) if name.startswith("offers.")},
    }
    return archive.digest(_json(core))


def _fill_ground(offers: gpd.GeoDataFrame, around: Surroundings) -> None:
    """Ground heights that the register does not give, from the terrain where that is known."""
    ground = around.ground_m(offers.geometry.x.to_numpy(), offers.geometry.y.to_numpy())
    filled = offers["ground_m"].isna().to_numpy() & np.isfinite(ground)
    offers.loc[filled, "ground_m"] = np.round(ground[filled], 1)
    offers.loc[filled, "ground_source"] = "surface"


def _data(offers: gpd.GeoDataFrame, head: Mapping[str, Any]) -> dict[str, bytes]:
    title = f"{head['round']['id']} — {head['carrier']['name']}"
    notes = [*head["notices"]["ja"], *head["notices"]["en"], *head["attributions"]]
    rows = formats.records(offers)
    mif, mid = formats.mif_mid(rows)
    return {
        "offers.gpkg": formats.geopackage(offers, title),
        "offers.geojson": formats.geojson(rows),
        "offers.csv": formats.csv_utf8(rows),
        "offers-cp932.csv": formats.csv_cp932(rows),
        "offers.kml": formats.kml(rows, title, notes),
        "mapinfo/offers.mif": mif,
        "mapinfo/offers.mid": mid,
    }


def _head(run: Run, carrier_id: str, offers: gpd.GeoDataFrame, round: Round) -> dict[str, Any]:
    carrier = next(c for c in run.carriers if c.id == carrier_id)
    own = next(c for c in run.scenario.carriers if c.id == carrier_id)
    # What another carrier's coverage was told from is that carrier's own.
    shared = [
        provenance
        for _, provenance in run.scenario.provenances()
        if not isinstance(provenance, Carrier | CoverageSource)
        or provenance is own
        or provenance in own.coverage
    ]
    invented = [PARTS[type(provenance)] for provenance in shared if provenance.synthetic]
    notices = [_NOT_MEASURED, BASES[round.basis]]
    if invented:
        notices.insert(
            0,
            Text(
                "Synthetic, not real: {parts_en}",
                "架空のデータ(実在しません): {parts_ja}",
                parts_en=", ".join(dict.fromkeys(part.render("en") for part in invented)),
                parts_ja="、".join(dict.fromkeys(part.render("ja") for part in invented)),
            ),
        )
    lines = [f"{p.source} ({p.licence})" if p.licence else p.source for p in shared if p.source]
    return {
        "schema": SCHEMA,
        "software": f"tdh {metadata.version('tdh')}",
        "round": round.model_dump(mode="json"),
        "carrier": {
            "id": carrier.id,
            "name": carrier.name,
            "bands": list(carrier.bands),
            "max_sites": carrier.max_sites,
        },
        "bands": [dataclasses.asdict(run.bands[carrier_id, band]) for band in carrier.bands],
        "crs": {"plan": run.crs, "geographic": GEOGRAPHIC_CRS},
        "rules": {"spacing_m": run.scenario.siting.spacing_m},
        "assets": len(offers),
        "synthetic": bool(invented or offers["synthetic"].any()),
        "notices": {
            "ja": [text.render("ja") for text in notices],
            "en": [text.render("en") for text in notices],
        },
        "attributions": list(dict.fromkeys(lines)),
    }


def _readme(head: Mapping[str, Any]) -> bytes:
    lines = [
        f"{head['round']['id']} — {head['carrier']['name']} ({head['assets']})",
        "",
        "offers.gpkg             GeoPackage, QGIS style inside; layer offers",
        "offers.geojson          longitude and latitude, JGD2011",
        "offers.csv              UTF-8 (BOM), for Excel; offers-cp932.csv: Shift_JIS (〓: 外字)",
        "offers.kml              Google Earth",
        "mapinfo/offers.mif/.mid MapInfo, WGS 84",
        "sheets/*.html           候補地カルテ / a site sheet per asset: facts, plan, path profile",
        "form/request.xlsx       要望記入様式 / the request form, to be sent back filled in",
        "answer.schema.json      JSON Schema of an answer",
        "manifest.json           SHA-256 of every file; round, rules, bands, CRS",
        "",
        "Python: import tdh; offer = tdh.read_offer('this.zip'); "
        "offer.request([asset ids, best first]).write('answer.zip')",
        "",
        *head["notices"]["ja"],
        *head["notices"]["en"],
        "",
        *head["attributions"],
        "",
    ]
    return "\ufeff".encode() + "\r\n".join(lines).encode("utf-8")


PARTS: dict[type[Provenance], Text] = {
    Area: Text("boundaries", "区域の境界"),
    AssetSource: Text("registers", "台帳"),
    Carrier: Text("the carrier and its network", "事業者とその局"),
    CoverageSource: Text("what is known of its coverage", "エリアの資料"),
    Surface: Text("buildings", "建物"),
    Demand: Text("residents", "人口"),
    DemandSource: Text("people by day, by night or in a disaster", "昼間・夜間・災害時の人口"),
    PlaceSource: Text("places to be served", "対象施設"),
    ThroughputSource: Text("measured throughput", "スループットの測定値"),
    FloodSource: Text("floods", "浸水想定"),
    Costs: Text("costs", "費用"),
}
"""Parts of the scenario in words; file names stay at home."""


def _json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False).encode("utf-8")
