"""Each source of present coverage, by small files whose answers are visible by eye."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio import warp

from tdh.errors import InputError
from tdh.grid import Grid
from tdh.present import CODES, Evidence, areas, combine, drive_tests, ookla, open_cell_id, rasters

CRS = "EPSG:6677"
# Twenty cells a side of 20 m in Nishi-Shinjuku.
GRID = Grid(-12_400.0, -34_000.0, 20.0, 20, 20, CRS)


@pytest.fixture(scope="module")
def cells() -> pd.DataFrame:
    row, col = np.mgrid[0:20, 0:20].reshape(2, -1)
    index = pd.Index([f"c{i}" for i in range(400)], name="cell_id")
    return pd.DataFrame({"row": row, "col": col}, index=index)


def lon_lat(row: float, col: float) -> tuple[float, float]:
    x, y = GRID.centres(row, col)
    point = gpd.GeoSeries(gpd.points_from_xy([float(x)], [float(y)]), crs=CRS).to_crs("EPSG:4326")
    return float(point.x.iloc[0]), float(point.y.iloc[0])


def drive(
    tmp_path: Path, text: str, encoding: str = "utf-8", **more: object
) -> drive_tests.DriveTest:
    path = tmp_path / "drive.csv"
    path.write_bytes(text.encode(encoding))
    return drive_tests.read(path, **more)  # type: ignore[arg-type]


# --- combining -----------------------------------------------------------------------------------


def test_the_strongest_kind_of_evidence_decides_cell_by_cell() -> None:
    nan = np.nan
    predicted = Evidence.of_signal("predicted", np.array([-90.0, -90.0, -90.0, nan, nan, -90.0]))
    estimated = Evidence.of_signal("estimated", np.array([-70.0, nan, nan, -105.0, nan, nan]))
    everywhere = np.array([True, True, False, False, False, False])
    declared = Evidence("declared", np.full(6, -100.0), everywhere)
    measured = Evidence(
        "measured",
        np.array([nan, -118.0, nan, nan, nan, nan]),
        np.array([False, True, False, False, False, True]),
    )
    # The order in which sources are given does not matter.
    for order in (
        [predicted, estimated, declared, measured],
        [measured, declared, estimated, predicted],
    ):
        rsrp, source = combine(order, 6)
        np.testing.assert_array_equal(rsrp, [-100, -118, -90, -105, nan, nan])
        names = [next(k for k, v in CODES.items() if v == s) for s in source]
        assert names == ["declared", "measured", "predicted", "estimated", "none", "measured"]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_cell_is_what_counting_by_hand_says(data: st.DataObject) -> None:
    """Brute force: walk down the kinds, one cell at a time."""
    level = st.one_of(st.none(), st.integers(-120, -60))
    spoken = st.tuples(
        st.sampled_from(["estimated", "predicted", "declared", "measured"]),
        level,
        st.booleans(),
        st.booleans(),
    )
    told = data.draw(st.lists(spoken, max_size=6))
    rsrp, source = combine(
        [
            Evidence(kind, np.array([np.nan if value is None else value]), np.array([said]), least)  # type: ignore[arg-type]
            for kind, value, said, least in told
        ],
        1,
    )
    best: float | None = None
    stands = "none"
    for kind in ("estimated", "predicted", "declared", "measured"):
        own = [(value, least) for k, value, said, least in told if k == kind and said]
        if not own:
            continue
        found = [
            max(value, best) if least and best is not None else value
            for value, least in own
            if value is not None
        ]
        best, stands = max(found, default=None), kind
    assert source[0] == CODES[stands]
    assert np.isnan(rsrp[0]) if best is None else rsrp[0] == best


def test_of_one_kind_the_strongest_signal_counts() -> None:
    a = Evidence.of_signal("predicted", np.array([-90.0, -80.0, np.nan]))
    b = Evidence.of_signal("predicted", np.array([-85.0, -95.0, np.nan]))
    np.testing.assert_array_equal(combine([a, b], 3)[0], [-85, -80, np.nan])
    assert combine([], 2)[1].tolist() == [0, 0]


# --- drive tests ---------------------------------------------------------------------------------

LAYOUTS = {
    "phone, comments": (
        "# csv version 1\n#\ndeviceTime,latitude,longitude,altitude,mcc,pci,ssRsrp,ssRsrq\n"
        "1,35.69,139.69,3,440,12,-101,-11\n2,35.69,139.69,3,440,12,-,-\n"
    ),
    "android names": (
        "timestamp,lat,lng,lte_rsrp,nr_ssRsrp,nr_ssSinr\n1,35.69,139.69,-80,-101,5\n"
        "2,35.69,139.69,-80,,\n"
    ),
    "tab, tracker": (
        "Timestamp\tLongitude\tLatitude\tOperatorname\tNetworkTech\tLevel\tQual\n"
        "a\t139.69\t35.69\tX\t5G\t-101\t-9\na\t139.69\t35.69\tX\t4G\t-77\t-9\n"
    ),
    "kpi names, quoted units": (
        'TIME_STAMP,"GPS Lon","GPS Lat","LTE KPI PCell Serving RSRP[dBm]",'
        '"5G KPI SCell[1] RF Serving SS-RSRP [dBm]","5G KPI PCell RF Serving SS-RSRP [dBm]"\n'
        "0,139.69,35.69,-80,-60,-101\n0,139.69,35.69,-80,-60,-\n"
    ),
    "pipes and a title": (
        "User plane drive test data\n\nTimestamp|Longitude|Latitude|Serving RSRP(dBm)|"
        "Neighbor 1 SS-RSRP\n0|139.69|35.69|-101|-60\n0|139.69|35.69||-60\n"
    ),
    "call columns, zero-width": (
        "\u200bLatitude;Longitude;SS-RSRP (NR SpCell);RSRP (LTE PCell)\n"
        "35,69;139,69;-101,0;-80\n35,69;139,69;;-80\n"
    ),
    "coordinates named": (
        "x;y;epsg;coveragename;coverage\n139.69;35.69;epsg:4326;A;-101 dBm\n139.69;35.69;epsg:4326;A;-\n"
    ),
    "neighbours beside": (
        "Timestamp,Longitude,Latitude,NetworkMode,RSRP,State,NRxRSRP\n"
        "0,139.69,35.69,5G,-101,D,-60\n0,139.69,35.69,LTE,-80,D,-60\n"
    ),
    "japanese": "日時,緯度,経度,NR RSRP,端末\n0,35.69,139.69,-101,甲\n0,35.69,139.69,-,甲\n",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_drive_tests(layout: str, tmp_path: Path) -> None:
    test = drive(tmp_path, LAYOUTS[layout], "cp932" if layout == "japanese" else "utf-8")
    assert test.points["rsrp_dbm"].tolist() == [-101.0]
    at = test.points.geometry.iloc[0]
    assert (at.x, at.y) == pytest.approx((139.69, 35.69))
    assert len(test.rejected) == 1
    assert test.rejected["reason"].iloc[0] in {"no signal", "other radio"}


@pytest.mark.parametrize(
    "rows", ["35.69,139.69,-101,\n35.69,139.69,-,\n", "35.69,139.69,-101,5,6,7\n35.69,139.69\n"]
)
def test_lines_of_uneven_length(rows: str, tmp_path: Path) -> None:
    test = drive(tmp_path, f"lat,lon,ss_rsrp\n{rows}")
    assert test.points["rsrp_dbm"].tolist() == [-101.0]
    assert test.rejected["reason"].tolist() == ["no signal"]
    assert test.rejected["source_row"].tolist() == [2]


def test_lte_is_read_where_it_is_wanted(tmp_path: Path) -> None:
    test = drive(tmp_path, LAYOUTS["kpi names, quoted units"], radio="LTE")
    assert test.points["rsrp_dbm"].tolist() == [-80.0, -80.0]
    assert test.columns["rsrp_dbm"] == "LTE KPI PCell Serving RSRP[dBm]"


def test_projected_coordinates_and_selection(tmp_path: Path) -> None:
    text = "x,y,operator,rsrp\n-12390,-34010,A,-90\n-12390,-34010,B,-99\n"
    test = drive(tmp_path, text, crs=CRS, select={"operator": "B"})
    assert test.points["rsrp_dbm"].tolist() == [-99.0]
    assert test.points["source_row"].tolist() == [2]
    assert test.points.crs == CRS


def test_cells_hold_the_median_of_their_points(tmp_path: Path, cells: pd.DataFrame) -> None:
    rows = []
    for (row, col), levels in {
        (0, 0): ["-90", "-100", "-120"],
        (3, 5): ["-80"],
        (7, 7): ["-", "-", "-95"],
        (19, 19): ["-95", "-", "-97"],
    }.items():
        lon, lat = lon_lat(row, col)
        rows += [f"{lat:.8f},{lon:.8f},{level}" for level in levels]
    rows.append("35.0,139.0,-70")  # outside the plan
    text = "latitude,longitude,ss_rsrp\n" + "\n".join(rows) + "\n"
    ignored = drive_tests.on_cells([drive(tmp_path, text)], cells, GRID)
    assert {i: float(ignored.rsrp_dbm[i]) for i in np.flatnonzero(ignored.said)} == {
        0: -100.0,
        3 * 20 + 5: -80.0,
        7 * 20 + 7: -95.0,
        399: -96.0,
    }
    assert ignored.points is not None and ignored.points.sum() == 7
    silent = drive(tmp_path, text, missing="not_served")
    served = drive_tests.on_cells([silent], cells, GRID)
    assert served.said[147] and np.isnan(served.rsrp_dbm[147])  # two of three found nothing
    assert served.rsrp_dbm[399] == -97.0  # the middle of -95, -97 and nothing
    firm = drive_tests.on_cells([silent], cells, GRID, least_points=2)
    assert np.flatnonzero(firm.said).tolist() == [0, 147, 399]
    twice = drive_tests.on_cells([silent, silent], cells, GRID, least_points=2)
    assert twice.said[65]


def test_a_drive_test_says_all_that_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        drive(tmp_path, "a,b\n1,2\n", select={"operator": "A"}, crs="EPSG:99999")
    said = str(caught.value)
    for words in ("latitude", "longitude", "rsrp_dbm", "select by", "CRS is not known"):
        assert words in said
    with pytest.raises(InputError, match="no position: 1"):
        drive(tmp_path, "lat,lon,rsrp\n0,0,-90\n")
    with pytest.raises(InputError, match="empty"):
        drive(tmp_path, "\n\n")
    with pytest.raises(InputError, match="mapping names something unknown"):
        drive(tmp_path, "lat,lon,rsrp\n35,139,-90\n", columns={"rsrp_dbm": "power"})
    with pytest.raises(InputError, match="no row has the value"):
        drive(tmp_path, "lat,lon,rsrp\n35,139,-90\n", select={"rsrp": "-91"})


# --- areas ---------------------------------------------------------------------------------------


def box(row0: int, col0: int, row1: int, col1: int) -> shapely.Polygon:
    """Whole cells from one to before another."""
    x = GRID.x_min_m + np.array([col0, col1]) * 20
    y = GRID.y_max_m - np.array([row1, row0]) * 20
    return shapely.box(x[0], y[0], x[1], y[1])


def write_areas(path: Path, crs: str = "EPSG:6668") -> Path:
    frame = gpd.GeoDataFrame(
        {"grade": ["good", "fair", "planned"], "dbm": [-85.0, -105.0, None]},
        geometry=[box(0, 0, 2, 3), box(0, 2, 2, 6), box(10, 10, 11, 11)],
        crs=CRS,
    )
    frame.to_crs(crs).to_file(path)
    return path


@pytest.mark.parametrize("name", ["area.geojson", "area.gpkg", "area.shp"])
def test_areas_with_classes(name: str, tmp_path: Path, cells: pd.DataFrame) -> None:
    path = write_areas(tmp_path / name)
    read = areas.read(
        path,
        columns={"class": "grade"},
        levels={"good": -85, "fair": -105},
        select={"grade": ["good", "fair"]},
    )
    (found,) = areas.on_cells(read, cells, GRID, served_dbm=-100)
    assert found.said.sum() == 12
    levels = found.rsrp_dbm.reshape(20, 20)
    assert levels[0, :6].tolist() == [-85, -85, -85, -105, -105, -105]  # the higher one in both


def test_an_area_without_levels_says_served_at_least(tmp_path: Path, cells: pd.DataFrame) -> None:
    read = areas.read(write_areas(tmp_path / "a.gpkg", CRS), select={"grade": "good"})
    found = areas.on_cells(read, cells, GRID, served_dbm=-100, outside="not_served")
    predicted = Evidence.of_signal("predicted", np.where(cells["col"] < 1, -60.0, -110.0))
    rsrp, source = combine([predicted, *found], 400)
    assert rsrp.reshape(20, 20)[0, :4].tolist()[:3] == [-60, -100, -100]
    assert np.isnan(rsrp.reshape(20, 20)[0, 3])
    assert (source == CODES["declared"]).all()


def test_levels_and_unlevelled_areas_in_one_file(tmp_path: Path, cells: pd.DataFrame) -> None:
    read = areas.read(write_areas(tmp_path / "a.gpkg", CRS), columns={"level_dbm": "dbm"})
    found = areas.on_cells(read, cells, GRID, served_dbm=-100)
    assert [e.at_least for e in found] == [False, True]
    assert [int(e.said.sum()) for e in found] == [12, 1]


def test_areas_say_all_that_is_wrong(tmp_path: Path) -> None:
    path = write_areas(tmp_path / "a.geojson")
    with pytest.raises(InputError) as caught:
        areas.read(path, columns={"class": "grade"}, levels={"good": -85}, select={"x": "1"})
    assert "classes have no level: fair, planned" in str(caught.value)
    assert "select by: x" in str(caught.value)
    with pytest.raises(InputError, match="mapping names something unknown: level"):
        areas.read(path, columns={"level": "dbm"})
    with pytest.raises(InputError, match="not dBm"):
        areas.read(path, level_dbm=85)
    bad = tmp_path / "b.geojson"
    bad.write_text("nothing")
    with pytest.raises(InputError, match="not a file of areas"):
        areas.read(bad)
    lines = gpd.GeoDataFrame(geometry=[shapely.LineString([(139, 35), (140, 36)])], crs="EPSG:4326")
    lines.to_file(bad)
    with pytest.raises(InputError, match="no area"):
        areas.read(bad)


# --- rasters -------------------------------------------------------------------------------------


def origin(west: float, north: float, size: float) -> Affine:
    return Affine(size, 0, west, 0, -size, north)


def write_raster(path: Path, values: np.ndarray, size: float, **more: object) -> Path:
    profile = {
        "driver": "GTiff",
        "height": values.shape[0],
        "width": values.shape[1],
        "count": 1,
        "dtype": values.dtype,
        "crs": CRS,
        "transform": origin(GRID.x_min_m, GRID.y_max_m, size),
        **more,
    }
    with rasterio.open(path, "w", **profile) as target:
        target.write(values, 1)
    return path


def test_a_finer_raster_is_averaged_without_its_missing_values(
    tmp_path: Path, cells: pd.DataFrame
) -> None:
    fine = np.full((80, 80), -9999.0, dtype=np.float32)  # 5 m, and nodata that no tag names
    fine[0:4, 0:4] = -100
    fine[0:2, 0:4] = -90
    fine[4:8, 4:6] = -80
    found = rasters.on_cells(rasters.read(write_raster(tmp_path / "r.tif", fine, 5)), cells, GRID)
    assert found.kind == "predicted"
    assert np.flatnonzero(found.said).tolist() == [0, 21]
    assert found.rsrp_dbm[[0, 21]].tolist() == [-95.0, -80.0]


def test_a_coarser_raster_and_one_of_another_crs(tmp_path: Path, cells: pd.DataFrame) -> None:
    coarse = np.full((2, 2), -110, dtype=np.int16)
    coarse[0, 0], coarse[1, 1] = -90, 0  # 0 is no signal
    path = write_raster(tmp_path / "r.tif", coarse, 200)
    plain = rasters.on_cells(rasters.read(path), cells, GRID).rsrp_dbm.reshape(20, 20)
    assert (plain[:10, :10] == -90).all() and (plain[:10, 10:] == -110).all()
    assert np.isnan(plain[10:, 10:]).all()
    # The same drawn anew in degrees: nearest cells differ by no more than their borders.
    west, south, east, north = warp.transform_bounds(CRS, "EPSG:4326", *GRID.bounds)
    degrees = np.zeros((400, 400), dtype=np.int16)
    transform = Affine((east - west) / 400, 0, west, 0, (south - north) / 400, north)
    warp.reproject(
        coarse,
        degrees,
        src_transform=origin(GRID.x_min_m, GRID.y_max_m, 200),
        src_crs=CRS,
        dst_transform=transform,
        dst_crs="EPSG:4326",
    )
    path = write_raster(tmp_path / "d.tif", degrees, 1, crs="EPSG:4326", transform=transform)
    found = rasters.on_cells(rasters.read(path), cells, GRID).rsrp_dbm.reshape(20, 20)
    inner = np.ix_([2, 5, 14, 17], [2, 5, 14, 17])
    np.testing.assert_array_equal(found[inner], plain[inner])


def test_scale_and_offset_of_a_raster_are_applied(tmp_path: Path, cells: pd.DataFrame) -> None:
    packed = np.full((10, 10), 100, dtype=np.uint8)  # covers a quarter of the plan
    path = write_raster(tmp_path / "r.tif", packed, 20)
    with rasterio.open(path, "r+") as target:
        target.scales, target.offsets = (0.5,), (-150.0,)
    found = rasters.on_cells(rasters.read(path), cells, GRID, "measured")
    assert (found.rsrp_dbm[found.said] == -100.0).all()
    assert found.said.sum() == 100 and found.kind == "measured"


def test_rasters_that_cannot_be_used(tmp_path: Path, cells: pd.DataFrame) -> None:
    text = tmp_path / "t.tif"
    text.write_text("no")
    with pytest.raises(InputError, match="not a raster"):
        rasters.read(text)
    heights = write_raster(tmp_path / "h.tif", np.full((4, 4), 30, dtype=np.uint8), 20, crs=None)
    with pytest.raises(InputError) as caught:
        rasters.read(heights)
    assert "no known CRS" in str(caught.value) and "no signal in dBm: 30 … 30" in str(caught.value)
    far = origin(500_000, 500_000, 20)
    away = write_raster(tmp_path / "f.tif", np.full((4, 4), -90.0), 20, transform=far)
    assert not rasters.on_cells(rasters.read(away), cells, GRID).said.any()


# --- OpenCelliD ----------------------------------------------------------------------------------


def open_cells(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "cells.csv"
    path.write_bytes(("\r\n".join(rows) + "\r\n").encode())
    return path


def cell(radio: str, net: int, number: int, lon: float, lat: float, reach: object = 500) -> str:
    return f"{radio},440,{net},1,{number},,{lon},{lat},{reach},7,1,1600000000,1700000000,"


def test_cells_of_one_station_become_one_site(tmp_path: Path) -> None:
    station = 5 << 12
    path = open_cells(
        tmp_path,
        cell("NR", 10, station, 139.690, 35.690),
        cell("NR", 10, station + 1, 139.692, 35.690),
        cell("NR", 10, station + 2, 139.691, 35.693),
        cell("NR", 10, 6 << 12, 139.70, 35.70),
        cell("NR", 10, 7 << 12, 139.71, 35.71, 20_000),  # heard too widely
        cell("NR", 11, station, 139.75, 35.75),  # another carrier's
        cell("LTE", 10, 9 << 8, 139.60, 35.60),
        "GSM,440,10,1,,,139.6,35.6,,1,1,,,",
    )
    sites = open_cell_id.read_sites(path, ["440-10"], crs="EPSG:4326")
    assert sites.index.tolist() == ["opencellid-nr-44010-5", "opencellid-nr-44010-6"]
    first = sites.iloc[0]
    assert (first.geometry.x, first.geometry.y) == pytest.approx((139.691, 35.690))
    assert (first["cells"], first["samples"]) == (3, 21)
    both = open_cell_id.read_sites(path, ["44010"], radios=["NR", "LTE"], crs="EPSG:4326")
    assert len(both) == 3


def test_opencellid_says_what_is_wrong(tmp_path: Path) -> None:
    path = open_cells(tmp_path, cell("NR", 11, 4096, 139.7, 35.7))
    with pytest.raises(InputError, match=r"no cell of the carrier.*440-11 NR: 1"):
        open_cell_id.read_sites(path, ["440-10"], crs=CRS)
    with pytest.raises(InputError, match="not mcc and mnc: docomo"):
        open_cell_id.read_sites(path, ["docomo"], crs=CRS)
    other = open_cells(tmp_path, "a,b,c", "1,2,3")
    with pytest.raises(InputError, match="not an export of OpenCelliD"):
        open_cell_id.read_sites(other, ["440-10"], crs=CRS)


# --- Ookla ---------------------------------------------------------------------------------------


def tiles() -> pd.DataFrame:
    lon, lat = lon_lat(0, 0)
    key = ookla.quadkeys(np.array([lon]), np.array([lat]), 16)[0]
    return pd.DataFrame(
        {
            "quadkey": [key, key, "0" * 16],
            "tile": "POLYGON EMPTY",
            "avg_d_kbps": [100_000, 200_000, 1],
            "avg_u_kbps": [10_000, 20_000, 1],
            "avg_lat_ms": [20, 40, 1],
            "tests": [1, 3, 1],
            "devices": [1, 2, 1],
        }
    )


@pytest.mark.parametrize("suffix", ["csv", "parquet", "shp"])
def test_throughput_of_tiles_on_cells(suffix: str, tmp_path: Path, cells: pd.DataFrame) -> None:
    path = tmp_path / f"tiles.{suffix}"
    table = tiles()
    if suffix == "csv":
        table.to_csv(path, index=False)
    elif suffix == "parquet":
        table.to_parquet(path)
    else:
        frame = gpd.GeoDataFrame(table, geometry=[shapely.box(0, 0, 1, 1)] * 3, crs="EPSG:4326")
        frame.to_file(path)
    found = ookla.on_cells(ookla.read(path), cells, GRID)
    assert 0 < len(found) <= 400 and "c0" in set(found["cell_id"])
    assert found["download_mbps"].unique().tolist() == [175.0]  # weighted by tests
    assert found["latency_ms"].unique().tolist() == [35.0]
    assert found["tests"].unique().tolist() == [4]
    # A tile's outline holds exactly the cells whose centres lie in it.
    x, y = GRID.centres(cells["row"], cells["col"])
    at = gpd.GeoSeries(gpd.points_from_xy(x, y), crs=CRS).to_crs("EPSG:3857")
    side = 2 * 20037508.342789244 / 2**16
    same = (at.x // side == at.x.iloc[0] // side) & (at.y // side == at.y.iloc[0] // side)
    assert sorted(found["cell_id"]) == sorted(cells.index[same.to_numpy()])


def test_tiles_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("quadkey,avg_d_kbps\n01,5\n")
    with pytest.raises(InputError) as caught:
        ookla.read(path)
    assert len(caught.value.problems) == 3
    path.write_text("quadkey,avg_d_kbps,avg_u_kbps,avg_lat_ms,tests\nxy,1,1,1,1\n")
    with pytest.raises(InputError, match="no tile"):
        ookla.read(path)


# --- real data -----------------------------------------------------------------------------------


@pytest.mark.real
def test_the_measured_cells_are_read(data_dir: Path) -> None:
    test = drive_tests.read(data_dir / "measured" / "duke_cbrs_rsrp.csv")
    assert len(test.points) + len(test.rejected) == 26_430
    assert len(test.points) > 26_000
    projected = test.points.to_crs("EPSG:32617")
    x_min, y_min, x_max, y_max = projected.total_bounds
    grid = Grid.around((x_min, y_min, x_max, y_max), 25, "EPSG:32617")
    row, col = np.mgrid[0 : grid.n_rows, 0 : grid.n_cols].reshape(2, -1)
    table = pd.DataFrame({"row": row, "col": col})
    found = drive_tests.on_cells([test], table, grid)
    assert found.points is not None
    assert found.points.sum() == len(test.points)
    # One cell counted again by hand.
    fullest = int(np.argmax(found.points))
    inside = np.floor((projected.geometry.x - grid.x_min_m) / 25).eq(col[fullest]) & np.floor(
        (grid.y_max_m - projected.geometry.y) / 25
    ).eq(row[fullest])
    assert found.points[fullest] == inside.sum()
    assert found.rsrp_dbm[fullest] == np.median(projected["rsrp_dbm"][inside])
