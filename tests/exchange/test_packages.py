"""Packages: what is in them, what is not, and that a reader gets back what was written."""

from __future__ import annotations

import json
import sqlite3
import struct
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest

from tdh import coverage, exchange
from tdh.errors import ExchangeError
from tdh.exchange import archive
from tdh.exchange.offered import own_choice
from tdh.exchange.package import PARTS, offer_digest
from tdh.language import speaking
from tdh.scenario import models

NASTY = '=HYPERLINK("http://x","<b>&髙橋🗼'


JOINT = exchange.Round(id="試行2026", basis="joint")


@pytest.fixture
def package(tmp_path: Path, fake: Any) -> Path:
    """By the joint plan: A-1, A-2 and A-3."""
    path = tmp_path / "alpha.zip"
    exchange.write_package(fake.run(), "alpha", path, round=JOINT)
    return path


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path: Path, **changed: Any) -> None:
    """The zip with members replaced (None: taken out); the manifest stays as it is."""
    content = members(path)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**content, **changed}.items():
            if data is not None:
                archive.writestr(name, data)


def test_gains_are_the_carriers_own_and_add_up(package: Path) -> None:
    offer = exchange.read_offer(package)
    # A-3 serves 4 cells, A-1 three, A-2 two, of which one also by A-1 and one also by A-3.
    assert list(offer.assets.index) == ["A-3", "A-1", "A-2"]
    assert list(offer.assets["people_alone"]) == [40.0, 30.0, 20.0]
    assert list(offer.assets["people_gained"]) == [40.0, 30.0, 0.0]
    assert list(offer.assets["people_lost_without"]) == [30.0, 20.0, 0.0]
    assert offer.assets.crs == "EPSG:6677"
    assert offer.assets["exposure_distance_m"].gt(0).all()


def test_an_offer_goes_straight_into_coverage(package: Path) -> None:
    offer = exchange.read_offer(package)
    sites = coverage.candidate_sites(offer.assets)
    assert set(sites.index) <= set(offer.assets.index)
    assert offer.bands["n78"].frequency_mhz > 3000


def test_what_others_have_changes_no_byte(tmp_path: Path, fake: Any, package: Path) -> None:
    """Everything of beta differs: sites' source, bands, budget, share, offers, gap, footprints."""
    base = fake.scenario()
    alpha, beta = base.carriers
    other = beta.model_copy(
        update={
            "name": "ベータ",
            "bands": type(beta).model_validate({"id": "x", "bands": ["n257"]}).bands,
            "source": "another",
            "synthetic": True,
            "max_sites": 3,
        }
    )
    run = fake.run(
        scenario=base.model_copy(update={"carriers": [alpha, other]}),
        offered={"beta": ["A-1", "A-2", "A-4"], "alpha": ["A-3", "A-1", "A-2"]},
        unmet={"alpha": [10.0] * 10, "beta": [0.0] * 10},
        reach={"alpha": fake.reach, "beta": {asset: [1] for asset in fake.reach}},
    )
    exchange.write_package(run, "alpha", tmp_path / "again.zip", round=JOINT)
    assert (tmp_path / "again.zip").read_bytes() == package.read_bytes()
    assert b"beta" not in package.read_bytes()
    for content in members(package).values():
        assert b"beta" not in content and b"Beta" not in content and b"secret" not in content


def test_a_package_depends_on_nobody_else_unless_the_round_says_so(
    tmp_path: Path, fake: Any
) -> None:
    """Even the list: the joint plan gives alpha two quite different sets, and nothing changes."""
    spaced = fake.scenario(siting={"spacing_m": 150.0})
    packages = []
    for n, offered in enumerate((["A-1"], ["A-5", "A-2"])):
        run = fake.run(scenario=spaced, offered={"alpha": offered, "beta": ["A-3"]})
        exchange.write_package(run, "alpha", tmp_path / f"{n}.zip")
        packages.append((tmp_path / f"{n}.zip").read_bytes())
    assert packages[0] == packages[1]
    offer = exchange.read_offer(tmp_path / "0.zip")
    # A-3 (40 people) first; its neighbours, 143 m away, are too near; then A-1 (30) and A-5 (20).
    assert list(offer.assets.index) == ["A-3", "A-1", "A-5"]
    assert offer.round.basis == "own"
    assert any("Nothing in it depends" in str(text) for text in offer.notices)
    assert "提示の根拠: 自社(own)" in members(tmp_path / "0.zip")["README.txt"].decode("utf-8-sig")


def test_a_joint_plan_by_years_says_in_which_year(tmp_path: Path, fake: Any) -> None:
    by_year = {"A-1": "2027", "A-3": "2026", "A-2": "2028"}
    plan = fake.run(offered={"alpha": ["A-1", "A-3"], "beta": ["A-2"]}).plan
    plan = plan.assign(fiscal_year=plan["asset_id"].map(by_year))
    run = type("ByYears", (fake.run,), {"plan": plan})()
    exchange.write_package(run, "alpha", tmp_path / "joint.zip", round=JOINT)
    offer = exchange.read_offer(tmp_path / "joint.zip")
    assert offer.assets["fiscal_year"].to_dict() == {"A-3": "2026", "A-1": "2027"}
    inside = members(tmp_path / "joint.zip")
    table = inside["offers.csv"].decode("utf-8-sig")
    assert "2027" in table and "2028" not in table, "another carrier's year"
    first = next(data for name, data in inside.items() if name.startswith("sheets/00001-"))
    assert "年度" in first.decode() and ">2026<" in first.decode()
    exchange.write_package(run, "alpha", tmp_path / "own.zip")
    assert exchange.read_offer(tmp_path / "own.zip").assets["fiscal_year"].isna().all()


def test_a_budget_and_an_end_of_gains_bound_the_own_choice(tmp_path: Path, fake: Any) -> None:
    carriers = [{"id": "alpha", "bands": ["n78"], "new_entrant": True, "max_sites": 2}]
    run = fake.run(scenario=fake.scenario(carriers=carriers))
    assert own_choice(run, "alpha") == ["A-3", "A-1"]
    run = fake.run(unmet={"alpha": [0.0] * 8 + [5.0, 5.0]})
    assert own_choice(run, "alpha") == ["A-5"]


def test_what_the_planner_decided_stands_in_the_own_choice(fake: Any) -> None:
    choices = [
        {"carrier": "alpha", "asset": "A-4"},  # 10 people, still first
        {"carrier": "alpha", "asset": "A-3", "offer": False},
        {"carrier": "beta", "asset": "A-1", "offer": False},
    ]
    run = fake.run(scenario=fake.scenario(siting={"choices": choices}))
    assert own_choice(run, "alpha") == ["A-4", "A-1", "A-5", "A-2"]


def test_a_package_of_an_earlier_version_is_read(package: Path) -> None:
    """Its round has fewer terms, and another name for the joint plan."""
    content = members(package)
    manifest = json.loads(content["manifest.json"])
    manifest["round"]["basis"] = "plan"
    for later in ("contact", "area_caps"):
        del manifest["round"][later]
    hashes = {name: entry["sha256"] for name, entry in manifest["members"].items()}
    manifest["offer_sha256"] = offer_digest(manifest, hashes)
    rewrite(package, **{"manifest.json": json.dumps(manifest)})
    assert exchange.read_offer(package).round.basis == "joint"


def test_a_change_of_the_language_or_of_the_clock_changes_no_byte(
    tmp_path: Path, fake: Any, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Pacific/Honolulu")
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    with speaking("ja"):
        exchange.write_package(fake.run(), "alpha", tmp_path / "again.zip", round=JOINT)
    assert (tmp_path / "again.zip").read_bytes() == package.read_bytes()


def test_columns_that_are_not_listed_stay_at_home(tmp_path: Path, fake: Any) -> None:
    run = fake.run()
    run.assets["beta_interest"] = "beta wants it"
    exchange.write_package(run, "alpha", tmp_path / "p.zip")
    assert all(b"beta" not in content for content in members(tmp_path / "p.zip").values())


def test_manifest_says_what_it_must(package: Path) -> None:
    manifest = json.loads(members(package)["manifest.json"])
    assert manifest["schema"] == "tdh-offer/1"
    assert manifest["round"]["id"] == "試行2026"
    assert manifest["synthetic"] is True
    assert any("架空" in line for line in manifest["notices"]["ja"])
    assert any("depends on the other carriers" in line for line in manifest["notices"]["en"])
    assert manifest["round"]["basis"] == "joint"
    assert "東京都 (CC BY 4.0)" in manifest["attributions"]
    assert manifest["crs"] == {"plan": "EPSG:6677", "geographic": "EPSG:6668"}


def test_the_rounds_dates_and_terms_are_printed(tmp_path: Path, fake: Any) -> None:
    terms = exchange.Round(
        id="R1", issued="2026-12-01", closes="2027-01-31", rule="deferred_acceptance", seed=7,
        licence="CC BY 4.0",
    )  # fmt: skip
    exchange.write_package(fake.run(), "alpha", tmp_path / "p.zip", round=terms)
    offer = exchange.read_offer(tmp_path / "p.zip")
    assert offer.round == terms


def test_gdal_reads_every_vector_format_with_japanese_intact(tmp_path: Path, fake: Any) -> None:
    run = fake.run(assets=fake.assets({"A-1": NASTY}))
    exchange.write_package(run, "alpha", tmp_path / "p.zip", round=JOINT)
    offer = exchange.read_offer(tmp_path / "p.zip").assets
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        archive.extractall(tmp_path)
    for name in ("offers.gpkg", "offers.geojson"):
        frame = gpd.read_file(tmp_path / name, layer="offers").set_index("asset_id")
        assert list(frame["name"]) == list(offer["name"])
        apart = frame.to_crs(offer.crs).distance(offer)
        assert apart.max() < 0.001
    assert pyogrio.read_info(tmp_path / "offers.gpkg", layer="offers")["crs"] == "EPSG:6677"
    mif = gpd.read_file(tmp_path / "mapinfo/offers.mif").set_index("asset_id")
    assert mif.loc["A-2", "name"] == "都営バス停 髙橋町A-2～前"
    assert mif.loc["A-1", "name"] == NASTY.replace("🗼", "〓")
    assert (mif.geometry.x - offer["longitude"]).abs().max() < 1e-9
    kml = gpd.read_file(tmp_path / "offers.kml")
    assert list(kml["Name"]) == list(offer["name"])


def test_qgis_finds_its_style(package: Path, tmp_path: Path) -> None:
    (tmp_path / "o.gpkg").write_bytes(members(package)["offers.gpkg"])
    connection = sqlite3.connect(tmp_path / "o.gpkg")
    ((table, column, qml),) = connection.execute(
        "SELECT f_table_name, f_geometry_column, styleQML FROM layer_styles WHERE useAsDefault"
    )
    ((stated,),) = connection.execute("SELECT column_name FROM gpkg_geometry_columns")
    connection.close()
    assert (table, column) == ("offers", stated)
    ElementTree.fromstring(qml)


def test_csv_is_for_excel_and_holds_no_formula(tmp_path: Path, fake: Any) -> None:
    run = fake.run(assets=fake.assets({"A-1": NASTY, "A-2": "＝1+1"}))
    exchange.write_package(run, "alpha", tmp_path / "p.zip", round=JOINT)
    content = members(tmp_path / "p.zip")
    assert content["offers.csv"].startswith(b"\xef\xbb\xbf")
    for name, encoding in (("offers.csv", "utf-8-sig"), ("offers-cp932.csv", "cp932")):
        (tmp_path / name).write_bytes(content[name])
        frame = pd.read_csv(tmp_path / name, encoding=encoding).set_index("asset_id")
        assert frame.loc["A-1", "name"].startswith("'=")
        assert frame.loc["A-2", "name"].startswith("'＝")
        assert frame.loc["A-3", "people_alone"] == 40.0


def test_an_offer_of_nothing_is_an_offer(tmp_path: Path, fake: Any) -> None:
    run = fake.run(unmet={"alpha": [0.0] * 10})
    exchange.write_package(run, "alpha", tmp_path / "p.zip")
    assert exchange.read_offer(tmp_path / "p.zip").assets.empty


def test_an_unknown_carrier_is_refused(tmp_path: Path, fake: Any) -> None:
    with pytest.raises(ExchangeError, match="no such carrier"):
        exchange.write_package(fake.run(), "gamma", tmp_path / "p.zip")
    assert not (tmp_path / "p.zip").exists()


# --- damage ------------------------------------------------------------------------------------


def test_every_damage_is_reported_at_once(package: Path) -> None:
    rewrite(package, **{"offers.csv": b"x", "offers.kml": None, "extra.txt": b"!"})
    with pytest.raises(ExchangeError) as caught:
        exchange.read_offer(package)
    assert len(caught.value.problems) == 3


def test_a_manifest_for_another_carrier_is_found_out(package: Path) -> None:
    manifest = json.loads(members(package)["manifest.json"])
    manifest["carrier"]["id"] = "beta"
    rewrite(package, **{"manifest.json": json.dumps(manifest)})
    with pytest.raises(ExchangeError, match="offer_sha256"):
        exchange.read_offer(package)


@pytest.mark.parametrize(
    "name", ["../evil.txt", "/etc/passwd", "C:/x", "a\\..\\b", "a/../../b", "OFFERS.CSV"]
)
def test_paths_that_leave_the_package_are_refused(package: Path, name: str) -> None:
    with zipfile.ZipFile(package, "a") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(ExchangeError):
        exchange.read_offer(package)


def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b" " * 60_000_000)
    with pytest.raises(ExchangeError, match="larger than allowed"):
        exchange.read_offer(tmp_path / "b.zip")


def test_a_size_that_lies_is_found_out(package: Path) -> None:
    raw = bytearray(package.read_bytes())
    central = raw.find(b"PK\x01\x02")
    struct.pack_into("<I", raw, central + 24, 10)  # the directory's uncompressed size
    package.write_bytes(raw)
    with pytest.raises(ExchangeError):
        exchange.read_offer(package)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04" + b"\0" * 40])
def test_what_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(ExchangeError):
        exchange.read_offer(tmp_path / "x.zip")
    with pytest.raises(ExchangeError):
        exchange.read_offer(tmp_path / "absent.zip")


def test_no_cut_of_a_package_is_read(package: Path) -> None:
    raw = package.read_bytes()
    for length in range(0, len(raw), max(1, len(raw) // 60)):
        package.write_bytes(raw[:length])
        with pytest.raises(ExchangeError):
            exchange.read_offer(package)
    for at in range(0, len(raw), max(1, len(raw) // 60)):
        flipped = bytearray(raw)
        flipped[at] ^= 0x5A
        package.write_bytes(flipped)
        try:
            exchange.read_offer(package)
        except ExchangeError:
            continue  # whatever else: the content is as it was


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", '{"schema": "tdh-offer/2"}', '{"schema": "tdh-offer/1"}', "{", '{"a":1,"a":2}',
     "[" * 100_000, '{"schema": NaN}'],
)  # fmt: skip
def test_manifests_of_any_kind_are_errors_and_never_defects(tmp_path: Path, text: str) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("manifest.json", text)
    with pytest.raises(ExchangeError):
        exchange.read_offer(tmp_path / "x.zip")


def test_every_kind_of_input_has_a_name_of_its_own() -> None:
    kinds = {kind for kind in vars(models).values() if isinstance(kind, type)}
    inputs = {k for k in kinds if issubclass(k, models.Provenance)} - {models.Provenance}
    assert set(PARTS) == inputs
    assert len({part.render("ja") for part in PARTS.values()}) == len(inputs)


@pytest.mark.parametrize(
    ("key", "value"),
    [("asset_id", None), ("asset_id", 5), ("order", 10**30), ("longitude", [1]), ("latitude", 95)],
)
def test_a_table_that_is_none_is_refused_though_its_hashes_agree(
    package: Path, key: str, value: object
) -> None:
    content = members(package)
    table = json.loads(content["offers.geojson"])
    table["features"][0]["properties"][key] = value
    forge(package, json.loads(content["manifest.json"]), {"offers.geojson": table})
    with pytest.raises(ExchangeError):
        exchange.read_offer(package)


def test_a_manifest_that_contradicts_itself_is_refused(package: Path) -> None:
    manifest = json.loads(members(package)["manifest.json"])
    (band,) = manifest["bands"]
    notices = manifest["notices"]
    for change in (
        {"bands": [band, band]},
        {"bands": [band | {"id": ["n78"]}]},
        {"bands": [band | {"id": "n1"}]},
        {"notices": notices | {"en": notices["en"][1:]}},
    ):
        forge(package, manifest | change, {})
        with pytest.raises(ExchangeError):
            exchange.read_offer(package)
    forge(package, manifest, {})
    assert list(exchange.read_offer(package).bands) == [band["id"]]


def forge(package: Path, manifest: dict[str, Any], tables: dict[str, Any]) -> None:
    """Change members and the manifest, and count its hashes again."""
    content = {n: c for n, c in members(package).items() if n != "manifest.json"}
    content |= {name: json.dumps(table).encode() for name, table in tables.items()}
    hashes = {name: archive.digest(c) for name, c in content.items()}
    stated = {name: {"sha256": hashes[name], "bytes": len(c)} for name, c in content.items()}
    manifest = manifest | {"members": stated, "offer_sha256": offer_digest(manifest, hashes)}
    archive.write_zip(package, {"manifest.json": json.dumps(manifest).encode(), **content})
