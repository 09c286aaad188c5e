"""What is known of coverage, through whole runs of the bundled sample."""

from __future__ import annotations

import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine

import tdh
from tdh.errors import InputError
from tdh.pipeline import kpis
from tdh.present import CODES
from tdh.results import Run
from tdh.scenario import CoverageSource, Scenario, ThroughputSource

SERVED_DBM = -100.0
"""The demo's threshold of n78 and n77."""


def changed(run: Run, carrier: int, *coverage: CoverageSource, **more: object) -> Scenario:
    """The demo with sources of coverage for one carrier, and for that one alone."""
    carriers = list(run.scenario.carriers)
    carriers[carrier] = carriers[carrier].model_copy(update={"coverage": list(coverage)})
    return run.scenario.model_copy(update={"carriers": carriers, **more})


def degrees(run: Run, shapes: gpd.GeoSeries) -> gpd.GeoSeries:
    return shapes.set_crs(run.crs).to_crs("EPSG:4326")


@pytest.fixture(scope="module")
def sources(demo_run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """A declared block in the west, and a drive along two rows of cells.

    In the block's northern half the drive finds a signal that serves, in its own southern row one
    that does not; where both lie, the drive must count.
    """
    folder = tmp_path_factory.mktemp("sources")
    cells, grid = demo_run.cells, demo_run.grid
    row, col = cells["row"].to_numpy(), cells["col"].to_numpy()
    inside = (col >= 10) & (col < 40) & (row >= 20) & (row < 50)
    left, top = grid.x_min_m + 10 * grid.cell_size_m, grid.y_max_m - 20 * grid.cell_size_m
    side = 30 * grid.cell_size_m
    block = gpd.GeoSeries([shapely.box(left, top - side, left + side, top)])
    degrees(demo_run, block).to_file(folder / "area.geojson")
    weak = (row == 30) & (col >= 5) & (col < 60)
    strong = (row == 70) & (col >= 5) & (col < 60)
    lines = ["TIME_STAMP,GPS Lat,GPS Lon,Operator,5G KPI PCell RF Serving SS-RSRP [dBm]"]
    for picked, levels in ((weak, "-110 -112 -90"), (strong, "-60 -95 -130")):
        x, y = grid.centres(row[picked], col[picked])
        at = degrees(demo_run, gpd.GeoSeries(gpd.points_from_xy(x, y)))
        for point in at:
            lines += [f"0,{point.y:.8f},{point.x:.8f},A,{level}" for level in levels.split()]
            lines.append(f"0,{point.y:.8f},{point.x:.8f},B,-50")
            lines.append(f"0,{point.y:.8f},{point.x:.8f},A,-")
    (folder / "drive.csv").write_text("\n".join(lines), encoding="utf-8")
    return {"folder": folder, "inside": inside, "weak": weak, "strong": strong}


@pytest.mark.usefixtures("rough_plan")
def test_a_declared_area_and_a_drive_test_change_the_gap(
    demo_run: Run, sources: dict[str, object], tmp_path: Path
) -> None:
    folder = sources["folder"]
    assert isinstance(folder, Path)
    inside, weak, strong = (np.asarray(sources[k]) for k in ("inside", "weak", "strong"))
    scenario = changed(
        demo_run,
        0,
        CoverageSource(
            path=folder / "area.geojson", type="area", source="carrier-a's map", licence="own"
        ),
        CoverageSource(path=folder / "drive.csv", type="drive_test", select={"Operator": "A"}),
    )
    assert tdh.check(scenario).ok
    told = tdh.check(scenario).facts["coverage"]
    assert told[0]["areas"] == 1 and told[1]["rejected"] == int(weak.sum() + strong.sum())
    run = tdh.run(scenario, tmp_path / "run")
    carrier, band = run.carriers[0].id, run.carriers[0].bands[0]
    cells = run.cells
    rows, cols = cells["row"].to_numpy(), cells["col"].to_numpy()
    before = demo_run.signal(carrier, band)[rows, cols]
    after = run.signal(carrier, band)[rows, cols]
    # By hand, from the old raster and the three masks alone.
    expected = np.where(inside, np.fmax(before, SERVED_DBM), before)
    expected = np.where(weak, -110.0, np.where(strong, -95.0, expected))
    np.testing.assert_allclose(after, expected, atol=1e-4)
    share = run.scenario.market_shares[carrier]
    people = cells["population"].to_numpy() * share
    open_people = people[~(expected >= SERVED_DBM)].sum()
    gaps = run.gaps[run.gaps["carrier_id"] == carrier]
    assert gaps["unmet_people"].sum() == pytest.approx(open_people)
    old = demo_run.gaps[demo_run.gaps["carrier_id"] == carrier]["unmet_people"].sum()
    assert open_people != pytest.approx(old)
    assert run.summary["objective"] > 0
    # Other carriers' coverage is as it was.
    other, its_band = run.carriers[1].id, run.carriers[1].bands[0]
    np.testing.assert_array_equal(run.signal(other, its_band), demo_run.signal(other, its_band))
    # Which evidence each cell stands on.
    codes = run.evidence(carrier, band)
    assert codes is not None
    source = codes[rows, cols]
    assert (source[weak | strong] == CODES["measured"]).all()
    assert (source[inside & ~weak] == CODES["declared"]).all()
    assert set(np.unique(source[~inside & ~weak & ~strong])) <= {CODES["none"], CODES["predicted"]}
    table = run.present
    assert table is not None
    own = table[(table["carrier_id"] == carrier)].set_index("evidence")
    assert own["cells"].sum() == len(cells)
    assert own.loc["measured", "cells"] == (weak | strong).sum()
    assert own.loc["measured", "covered_cells"] == strong.sum()
    assert own.loc["measured", "points"] == 3 * (weak | strong).sum()
    assert own.loc["declared", "covered_cells"] == own.loc["declared", "cells"]
    assert own["covered_people"].sum() * share == pytest.approx(people.sum() - open_people)
    both = (weak | strong) & ~np.isnan(before)
    assert own.loc["measured", "difference_db"] == pytest.approx(
        np.median((expected - before)[both]), abs=1e-4
    )
    # It is said wherever results are shown.
    assert "carrier-a's map (own)" in run.attributions
    assert any("declared, measured" in text.render("en") for text in run.notices)
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "carrier-a&#39;s map" in page
    told_of = [line for line in page.splitlines() if f'<td class="left">{band}</td>' in line]
    assert any(f"<td>{int(own.loc['measured', 'points']):,}</td>" in line for line in told_of)
    inputs = {Path(i["path"]).name: i for i in run.manifest["inputs"]}
    assert inputs["area.geojson"]["part"] == "coverage"
    # A package of another carrier does not tell what this one gave.
    import zipfile

    for name in (carrier, other):
        with zipfile.ZipFile(run.folder / f"packages/{name}.zip") as packed:
            content = b"".join(packed.read(n) for n in packed.namelist() if n.endswith(".json"))
        assert (b"carrier-a's map" in content) == (name == carrier)


@pytest.mark.usefixtures("rough_plan")
def test_a_carrier_without_sites_stands_on_a_raster_and_estimated_sites(
    demo_run: Run, tmp_path: Path
) -> None:
    cells, grid = demo_run.cells, demo_run.grid
    east = grid.n_cols // 2
    values = np.full(grid.shape, -9999.0, dtype=np.float32)
    values[:, east:] = -70.0
    with rasterio.open(
        tmp_path / "signal.tif",
        "w",
        driver="GTiff",
        width=grid.n_cols,
        height=grid.n_rows,
        count=1,
        dtype="float32",
        crs=grid.crs,
        nodata=-9999.0,
        transform=Affine(*grid.transform[:6]),
    ) as target:
        target.write(values, 1)
    x, y = grid.centres(grid.n_rows // 2, 10)
    at = degrees(demo_run, gpd.GeoSeries(gpd.points_from_xy([float(x)], [float(y)]))).iloc[0]
    row = f"NR,440,10,1,{77 << 12},,{at.x:.6f},{at.y:.6f},300,5,1,1,2,\r\n"
    (tmp_path / "cells.csv").write_bytes(row.encode())
    tiles = pd.DataFrame(
        {
            "quadkey": tdh_quadkey(at.x, at.y),
            "avg_d_kbps": [50_000],
            "avg_u_kbps": [5_000],
            "avg_lat_ms": [30],
            "tests": [9],
            "devices": [3],
        }
    )
    tiles.to_parquet(tmp_path / "tiles.parquet")
    scenario = changed(
        demo_run,
        1,
        CoverageSource(path=tmp_path / "signal.tif", type="raster"),
        CoverageSource(path=tmp_path / "cells.csv", type="opencellid", plmn=["440-10"]),
        throughput=[ThroughputSource(path=tmp_path / "tiles.parquet")],
    )
    carriers = list(scenario.carriers)
    carriers[1] = carriers[1].model_copy(update={"sites": None})
    scenario = scenario.model_copy(update={"carriers": carriers})
    run = tdh.run(scenario, tmp_path / "run")
    carrier, band = run.carriers[1].id, run.carriers[1].bands[0]
    rows, cols = cells["row"].to_numpy(), cells["col"].to_numpy()
    codes = run.evidence(carrier, band)
    assert codes is not None
    signal, source = run.signal(carrier, band)[rows, cols], codes[rows, cols]
    assert (signal[cols >= east] == -70.0).all()
    assert (source[cols >= east] == CODES["predicted"]).all()
    west = source[cols < east]
    assert set(np.unique(west)) == {CODES["none"], CODES["estimated"]}
    assert np.isnan(signal[source == CODES["none"]]).all()
    sites = run.sites[run.sites["carrier_id"] == carrier]
    assert sites["evidence"].tolist() == ["estimated"]
    assert sites.index.tolist() == [f"{carrier}-{band}-opencellid-nr-44010-77"]
    assert (run.sites.loc[run.sites["carrier_id"] != carrier, "evidence"] == "known").all()
    throughput = run.throughput
    assert throughput is not None and throughput["download_mbps"].unique().tolist() == [50.0]
    # Where an estimated site stands is not known well enough to count it as a station …
    assert kpis.service(run, "before").meshes_with_station(carrier, "sub6").size == 0
    table = run.kpis
    assert table is not None
    own = table[table["carrier"] == carrier].set_index("kpi")
    assert own.loc["infrastructure", "covered_before"].max() == 0
    assert own.loc["infrastructure", "note_en"].endswith("(1) do not count as stations")
    assert "推定した局1件" in own.loc["infrastructure", "note_ja"]
    assert not own.loc["population", "note_en"].any()
    # … unless it is asked for.
    goals = scenario.goals.model_copy(update={"count_estimated_sites": True})
    manifest = {
        **run.manifest,
        "scenario": scenario.model_copy(update={"goals": goals}).model_dump(mode="json"),
    }
    counting = Run(run.folder, manifest)
    assert kpis.service(counting, "before").meshes_with_station(carrier, "sub6").size == 1
    wide = kpis.compared(counting, year=2027)
    assert wide.loc[wide["kpi"] == "sub6", "note_en"].str.endswith("count as stations").all()
    assert not wide["note_en"].str.contains("do not count").any()
    # Without the tiles the folder forgets them.
    again = tdh.run(
        scenario.model_copy(update={"throughput": []}), tmp_path / "run", overwrite=True
    )
    assert again.throughput is None
    np.testing.assert_array_equal(again.evidence(carrier, band), codes)


def tdh_quadkey(lon: float, lat: float) -> list[str]:
    from tdh.present import ookla

    return list(ookla.quadkeys(np.array([lon]), np.array([lat]), 16))


def test_all_that_is_wrong_with_the_sources_is_told_at_once(demo_run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("lat,lon\n1,2\n")
    (tmp_path / "b.geojson").write_text("?")
    (tmp_path / "t.csv").write_text("quadkey\n1\n")
    scenario = changed(
        demo_run,
        0,
        CoverageSource(path=tmp_path / "a.csv", type="drive_test"),
        CoverageSource(path=tmp_path / "b.geojson", type="area"),
        throughput=[ThroughputSource(path=tmp_path / "t.csv")],
    )
    said = "\n".join(str(p) for p in tdh.check(scenario).problems)
    for words in ("a.csv: no column holds rsrp_dbm", "b.geojson: it is not a file of areas"):
        assert words in said
    # A source that lies elsewhere stops the run, with its name.
    (tmp_path / "a.csv").write_text("lat,lon,rsrp\n43.06,141.35,-90\n")
    shutil.copytree(demo_run.folder, tmp_path / "run")
    elsewhere = changed(demo_run, 0, CoverageSource(path=tmp_path / "a.csv", type="drive_test"))
    with pytest.raises(InputError, match=r"a\.csv: it says nothing of the plan's area"):
        tdh.run(elsewhere, tmp_path / "run", overwrite=True)


def test_a_scenario_says_what_does_not_fit(demo_run: Run, tmp_path: Path) -> None:
    inputs = tmp_path / "inputs"
    shutil.copytree(demo_run.folder.parent / "inputs", inputs)
    path = inputs / "demo.toml"
    text = path.read_text(encoding="utf-8")
    first = text.index("[[carriers]]", text.index("[[carriers]]") + 1)
    extra = """
[[carriers.coverage]]
path = "sites.cvs"
type = "area"
band = "n257"
plmn = ["440-10"]
crs = "EPSG:0"

[[carriers.coverage]]
path = "sites.csv"
type = "opencellid"

"""
    path.write_text(text[:first] + extra + text[first:], encoding="utf-8")
    with pytest.raises(InputError) as caught:
        tdh.read_scenario(path)
    said = str(caught.value)
    for words in (
        "carriers[0].coverage[0].path: the file is not there",
        "did you mean sites.csv?",
        "coverage[0].band: the carrier does not hold the band: n257",
        "coverage[0].plmn: the key has no meaning here",
        "coverage[0].crs: the CRS is not known",
        "coverage[1].plmn: the carrier's network codes are missing",
    ):
        assert words in said
