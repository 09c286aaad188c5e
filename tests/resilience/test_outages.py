"""Outages of a run, counted again cell by cell and by hand."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import openpyxl
import pytest
import shapely

from tdh import language
from tdh.cli import main
from tdh.errors import InputError
from tdh.pipeline import outages, standing
from tdh.results import Run
from tdh.scenario import FloodSource


def served_cells(run: Run, carrier: str, when: str, failed: set[str]) -> set[int]:
    """Cells that what stands serves, with sets and loops only."""
    network = standing.network(run, carrier, when)  # type: ignore[arg-type]
    cells: set[int] = set()
    for footprint in network.footprints.values():
        for i, members in enumerate(network.stations["members"]):
            if failed.isdisjoint(members):
                cells |= set(footprint.indices[footprint.indptr[i] : footprint.indptr[i + 1]])
    return cells


@pytest.fixture(scope="module")
def failed(demo_run: Run) -> list[str]:
    """Two present sites of one carrier and the first offer of another."""
    first, second = demo_run.carriers[:2]
    sites = demo_run.sites.index[demo_run.sites["carrier_id"] == first.id][:2].tolist()
    offers = demo_run.plan[demo_run.plan["carrier_id"] == second.id]
    return [*sites, str(offers["asset_id"].iloc[0])]


def test_people_and_cells_by_recount(demo_run: Run, failed: list[str]) -> None:
    found = outages.outage(demo_run, [",".join(failed)])
    people = demo_run.cells["population"].to_numpy()
    table = found.people.set_index(["state", "carrier_id"])
    for when in ("before", "after"):
        standing_any: set[int] = set()
        normal_any: set[int] = set()
        for carrier in demo_run.carriers:
            normal = served_cells(demo_run, carrier.id, when, set())
            left = served_cells(demo_run, carrier.id, when, set(failed))
            row = table.loc[when, carrier.id]
            share = carrier.market_share
            assert row["people_served"] == pytest.approx(people[sorted(normal)].sum() * share)
            lost = people[sorted(normal - left)].sum() * share
            assert row["people_lost"] == pytest.approx(lost, abs=1e-9)
            standing_any |= left
            normal_any |= normal
        lost = people[sorted(normal_any - standing_any)].sum()
        assert table.loc[(when, "any"), "people_lost"] == pytest.approx(lost, abs=1e-9)
    first, second = demo_run.carriers[:2]
    assert table.loc[("before", first.id), "stations_failed"] == 2
    assert table.loc[("before", second.id), "stations_failed"] == 0  # its offer is not on air yet
    assert table.loc[("after", second.id), "stations_failed"] >= 1
    assert table.loc[("after", second.id), "people_lost"] > 0
    assert set(failed) <= set(found.failed["station_id"])


def test_indicators_fall_and_come_from_the_same_counts(demo_run: Run, failed: list[str]) -> None:
    table = outages.outage(demo_run, [",".join(failed)]).indicators(demo_run)
    wide = table[table["kpi"] == "population"].pivot_table(
        index="carrier_id", columns="state", values="covered", observed=True
    )
    assert list(outages.STATES) == ["before", "before_outage", "after", "after_outage"]
    assert (wide["before_outage"] <= wide["before"]).all()
    assert (wide["after_outage"] <= wide["after"]).all()
    everything = ",".join([*demo_run.sites.index, *demo_run.plan["asset_id"].astype(str).unique()])
    dark = outages.outage(demo_run, [everything])
    assert dark.people["people_lost"].tolist() == pytest.approx(
        dark.people["people_served"].tolist()
    )
    off = dark.counts[dark.counts["state"].str.endswith("outage")]
    shares = off[off["kpi"].isin(["population", "sub6", "infrastructure"])]
    assert (shares["covered"] == 0).all()


def test_single_failures_by_hand(demo_run: Run) -> None:
    table = outages.single_failures(demo_run)
    assert table["people_lost"].is_monotonic_decreasing
    people = demo_run.cells["population"].to_numpy()
    shares = {c.id: c.market_share for c in demo_run.carriers}
    for row in [*table.head(3).itertuples(), *table.tail(2).itertuples()]:
        network = standing.network(demo_run, row.carrier_id, "after")
        members = set(network.stations.loc[row.station_id, "members"])
        normal = served_cells(demo_run, row.carrier_id, "after", set())
        gone = normal - served_cells(demo_run, row.carrier_id, "after", members)
        assert row.cells_lost == len(gone)
        lost = people[sorted(gone)].sum() * shares[row.carrier_id]
        assert row.people_lost == pytest.approx(lost, abs=1e-9)


def test_top_flood_district_and_backup(demo_run: Run, tmp_path: Path) -> None:
    worst = outages.single_failures(demo_run).head(3)
    top = outages.outage(demo_run, ["top:3"]).failed
    assert top[["carrier_id", "station_id"]].equals(worst[["carrier_id", "station_id"]])
    x_min, y_min, x_max, y_max = demo_run.grid.bounds
    west = gpd.GeoDataFrame(
        geometry=[shapely.box(x_min - 5000, y_min - 5000, (x_min + x_max) / 2, y_max + 5000)],
        crs=demo_run.crs,
    )
    west.to_file(tmp_path / "west.geojson")
    inside = demo_run.sites.index[demo_run.sites.geometry.x < (x_min + x_max) / 2]
    on_roof = demo_run.sites.index[demo_run.sites["placement"] == "roof"]
    district = outages.outage(demo_run, ["district:west.geojson"], base=tmp_path).failed
    flood = outages.outage(demo_run, ["flood:west.geojson"], base=tmp_path).failed
    of_today = district["origin"] == "present"
    assert set(district.loc[of_today, "station_id"]) == set(inside)
    wet = set(flood.loc[flood["origin"] == "present", "station_id"])
    assert wet == set(inside) - set(on_roof)
    assert 0 < len(wet) < len(inside)
    # No register of the sample tells hours of backup: what is not known fails.
    dark = outages.outage(demo_run, ["backup:24"])
    assert np.allclose(dark.people["people_lost"], dark.people["people_served"])


def test_a_municipality_by_name_or_code(demo_run: Run) -> None:
    ward = demo_run.municipalities.geometry["13114"]
    inside = set(demo_run.sites.index[demo_run.sites.within(ward)])
    for spec in ("municipality:中野区", "municipality:13114", "municipality:中野"):
        failed = outages.outage(demo_run, [spec]).failed
        assert set(failed.loc[failed["origin"] == "present", "station_id"]) == inside
    assert 0 < len(inside) < len(demo_run.sites)
    for wrong, words in (("区", "several municipalities match"), ("131149", "check digit")):
        with pytest.raises(InputError, match=words):
            outages.outage(demo_run, [f"municipality:{wrong}"])


def test_deeper_floods_than_so_many_metres(
    demo_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stations of today by the scenario's map, assets by what their register tells, else the map."""
    x_min, y_min, x_max, y_max = demo_run.grid.bounds
    middle = (x_min + x_max) / 2
    maps = gpd.GeoDataFrame(
        {"depth": [0.3, 2.0]},
        geometry=[
            shapely.box(x_min - 5e3, y_min - 5e3, middle, y_max + 5e3),
            shapely.box(middle, y_min - 5e3, x_max + 5e3, y_max + 5e3),
        ],
        crs=demo_run.crs,
    )
    maps.to_file(tmp_path / "floods.geojson")
    source = FloodSource(path=tmp_path / "floods.geojson", depth="depth")
    run = Run(demo_run.folder, demo_run.manifest)
    run.__dict__["scenario"] = demo_run.scenario.model_copy(update={"floods": [source]})
    offers = run.plan[run.assets["placement"].reindex(run.plan["asset_id"]).to_numpy() != "roof"]
    low = str(offers["asset_id"].iloc[0])
    run.__dict__["assets"] = run.assets.assign(
        flood_depth_m=np.where(run.assets.index == low, 9.0, np.nan)
    )
    east = run.sites.geometry.x > middle
    off_roof = run.sites["placement"] != "roof"
    for metres, wet in (("0.5", east & off_roof), ("0", off_roof), ("2", east & False)):
        failed = outages.outage(run, [f"flood:{metres}"]).failed
        of_today = failed["origin"] == "present"
        assert set(failed.loc[of_today, "station_id"]) == set(run.sites.index[wet])
        assert low in set(failed.loc[~of_today, "station_id"])
    with pytest.raises(InputError, match=r"flood:0\.5: .* no map of floods"):
        outages.outage(demo_run, ["flood:0.5"])


def test_all_problems_at_once(demo_run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        outages.outage(
            demo_run,
            ["nobody-1,nobody-2", "top:none", "flood:absent.geojson", "municipality:八王子市"],
            base=tmp_path,
        )
    words = str(caught.value)
    assert "nobody-1, nobody-2" in words and "none" in words and "absent.geojson" in words
    assert "八王子市" in words and len(caught.value.problems) == 4


def test_command(
    demo_run: Run, failed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = tmp_path / "outage.xlsx"
    command = ["kpi", str(demo_run.folder), "--outage", ",".join(failed), "--worst", "4"]
    before = language.current()
    try:
        main([*command, "--json", "--xlsx", str(book), "--lang", "en"])
        found = json.loads(capsys.readouterr().out)
        for spoken, words in (("ja", "サービスを失う人口"), ("en", "Who loses service")):
            main([*command, "--lang", spoken])
            assert words in capsys.readouterr().out
        with pytest.raises(SystemExit) as stopped:
            main(["kpi", str(demo_run.folder), "--outage", "nobody"])
    finally:
        language.use(before)
    assert stopped.value.code == 3 and "nobody" in capsys.readouterr().err
    assert len(found["worst"]) == 4
    expected = outages.outage(demo_run, [",".join(failed)])
    lost = {(r["state"], r["carrier_id"]): r["people_lost"] for r in found["people"]}
    for row in expected.people.itertuples():
        assert lost[row.state, row.carrier_id] == pytest.approx(row.people_lost, abs=1e-6)
    sheets = openpyxl.load_workbook(book)
    assert len(sheets.sheetnames) == 5
    shown = [row[4].value for row in sheets.worksheets[0].iter_rows(min_row=2)]
    assert shown == pytest.approx(expected.people["people_lost"].tolist())
