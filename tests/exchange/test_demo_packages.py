"""Packages of a real run: gains that agree with the plan, and nothing of the other carriers."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely import box

import tdh
from tdh import exchange
from tdh.grid import Grid
from tdh.surface import Surface

if TYPE_CHECKING:
    from tdh.results import Run


def test_gains_counted_again_add_up_to_the_plans(demo_run: Run, tmp_path: Path) -> None:
    terms = exchange.Round(id="R", basis="joint")
    for carrier in demo_run.carriers:
        exchange.write_package(demo_run, carrier.id, tmp_path / "p.zip", round=terms)
        offer = tdh.read_offer(tmp_path / "p.zip")
        plan = demo_run.plan[demo_run.plan["carrier_id"] == carrier.id]
        assert set(offer.assets.index) == set(plan["asset_id"])
        assert offer.assets["people_gained"].sum() == pytest.approx(plan["people_gained"].sum())
        lost = plan.set_index("asset_id")["people_lost_without"]
        own = offer.assets["people_lost_without"]
        assert own.to_dict() == pytest.approx(lost.to_dict(), abs=1e-6)


def test_a_package_is_the_same_whatever_the_others_have(demo_run: Run, tmp_path: Path) -> None:
    """Through whole runs: another network, budget, band and share of every other carrier."""
    mine, others = "carrier-a", ("carrier-b", "carrier-c", "carrier-d")
    inputs = tmp_path / "inputs"
    shutil.copytree(demo_run.folder.parent / "inputs", inputs)
    sites = pd.read_csv(inputs / "sites.csv", dtype=str)
    theirs = sites.isin(others).any(axis=1)
    assert theirs.any() and not theirs.all()
    sites[~theirs | (theirs.cumsum() % 3 == 0)].to_csv(inputs / "sites.csv", index=False)
    scenario = inputs / "demo.toml"
    head, _, tail = scenario.read_text(encoding="utf-8").partition('id = "carrier-b"')
    tail = tail.replace("max_sites = 6", "max_sites = 2").replace("3950", "3990")
    tail = tail.replace("market_share = 0.28", "market_share = 0.2")
    scenario.write_text(head + 'id = "carrier-b"' + tail, encoding="utf-8")
    run = tdh.run(scenario, tmp_path / "run")
    changed = set(demo_run.plan["asset_id"]) ^ set(run.plan["asset_id"])
    assert changed, "the joint plan is another"
    package = f"packages/{mine}.zip"
    assert (run.folder / package).read_bytes() == (demo_run.folder / package).read_bytes()


def test_no_member_names_another_carrier(demo_run: Run) -> None:
    carriers = [carrier.id for carrier in demo_run.carriers]
    for carrier in carriers:
        with zipfile.ZipFile(demo_run.folder / f"packages/{carrier}.zip") as package:
            for name in package.namelist():
                content = package.read(name)
                found = [o for o in carriers if o != carrier and o.encode() in content]
                assert not found, (carrier, name)


def test_a_run_in_which_all_of_the_others_differs_gives_the_same_package(
    demo_run: Run, tmp_path: Path
) -> None:
    """The others' sites, gaps, scores, footprints, coverage, names and sources: changed or gone."""
    mine = demo_run.carriers[0].id
    folder = tmp_path / "run"
    shutil.copytree(demo_run.folder, folder)
    for table, column in (("gaps", "unmet_people"), ("scores", "people_newly_served")):
        frame = pd.read_parquet(folder / f"{table}.parquet")
        frame[column] = frame[column].where(frame["carrier_id"] == mine, 0.0)
        frame.to_parquet(folder / f"{table}.parquet")
    for table in ("plan", "sites"):
        places = gpd.read_parquet(folder / f"{table}.parquet")
        places[places["carrier_id"] == mine].to_parquet(folder / f"{table}.parquet")
    for path in [*folder.glob("footprints/*"), *folder.glob("coverage/*")]:
        if not path.name.startswith(f"{mine}-"):
            path.unlink()
    for name in ("plan.json", "map.html", "report.html", "offers.xlsx", "plan.gpkg"):
        (folder / name).unlink()
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for carrier in manifest["scenario"]["carriers"]:
        if carrier["id"] != mine:
            carrier |= {"name": "another", "source": "elsewhere", "synthetic": False}
            carrier["max_sites"] = 1
    manifest["created"] = "1999-01-01T00:00:00+00:00"
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    exchange.write_package(tdh.read_run(folder), mine, tmp_path / "p.zip")
    again = (tmp_path / "p.zip").read_bytes()
    assert again == (demo_run.folder / f"packages/{mine}.zip").read_bytes()


def test_sheets_draw_the_surroundings_and_the_carriers_own_link(
    demo_run: Run, tmp_path: Path
) -> None:
    """Buildings and path profile without any request; the link is the one that the run explains."""
    mine = demo_run.carriers[1].id
    terms = exchange.Round(id="R", basis="joint")
    exchange.write_package(demo_run, mine, tmp_path / "p.zip", round=terms)
    offer = tdh.read_offer(tmp_path / "p.zip")
    known = demo_run.profiles
    assert known is not None
    known = known[known["carrier_id"] == mine].set_index("asset_id")
    with zipfile.ZipFile(tmp_path / "p.zip") as package:
        pages = [package.read(n).decode() for n in package.namelist() if n.startswith("sheets/")]
    assert len(pages) == len(offer.assets)
    for asset, page in zip(offer.assets.index, pages, strict=True):
        assert page.count("<svg") == 3, "plan, its buildings, path profile"
        assert 'fill-rule="evenodd"' in page
        outside = page.replace("http://www.w3.org/2000/svg", "")
        assert "://" not in outside and "src=" not in page and "url(" not in page
        assert f"{known.loc[asset, 'rsrp_dbm']:.1f} dBm" in page


def test_the_plan_shows_buildings_where_they_stand_and_boundaries() -> None:
    """A block of 40 m by 20 m, 50 m east and 25 m north of the asset; a boundary 75 m west of it."""
    grid = Grid(0.0, 400.0, 5.0, 80, 80, "EPSG:6677")
    heights = np.zeros(grid.shape, dtype=np.float32)
    heights[31:35, 50:58] = 40.0  # x from 250 to 290, y from 225 to 245
    town = gpd.GeoDataFrame(geometry=[box(-999, -999, 125, 999)], crs=grid.crs)
    around = exchange.Surroundings(Surface(grid, heights), town)
    drawn = around.plan(200.0, 200.0, [(7, 230.0, 200.0)])
    ((place, scale),) = re.findall(r"translate\(([-\d. ]+)\) scale\(([\d.]+)\)", drawn)
    (outline,) = re.findall(r'evenodd" d="M(\d+) (\d+)v4h8v-4z"', drawn)
    left, top = (
        float(offset) + float(at) * float(scale)
        for offset, at in zip(place.split(), outline, strict=True)
    )
    pixels = 360 / 300
    assert (left, top) == pytest.approx((180 + 50 * pixels, 180 - 45 * pixels), abs=0.1)
    assert f'd="M{(125 - 50) * pixels:.1f} ' in drawn  # the boundary
    assert f'<circle cx="{180 + 30 * pixels:.1f}" cy="180.0"' in drawn and ">7</text>" in drawn


def test_ground_heights_come_from_the_register_else_from_the_terrain(
    demo_run: Run, tmp_path: Path
) -> None:
    mine = demo_run.carriers[0].id
    grid = demo_run.grid
    flat = np.zeros(grid.shape, dtype=np.float32)
    around = exchange.Surroundings(
        Surface(grid, flat, flat + np.float32(31.25)), demo_run.municipalities
    )
    run = tdh.read_run(demo_run.folder)
    first = exchange.read_offer(demo_run.folder / f"packages/{mine}.zip").assets.index[0]
    run.assets.loc[first, "ground_m"] = 12.5
    exchange.write_package(run, mine, tmp_path / "p.zip", surroundings=around)
    offers = exchange.read_offer(tmp_path / "p.zip").assets
    assert (offers.loc[first, "ground_m"], offers.loc[first, "ground_source"]) == (12.5, "register")
    rest = offers.drop(index=first)
    assert set(rest["ground_source"]) == {"surface"} and rest["ground_m"].between(31.2, 31.3).all()
