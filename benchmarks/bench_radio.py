"""Line of sight and signals: how fast, beside the peers, and how near the truth.

``pytest benchmarks/bench_radio.py --benchmark-only`` times the pieces on an invented town.
``python benchmarks/bench_radio.py DATA`` times what the radio issue asks for on the buildings of
Shinjuku in the folder of real data: 1,000 sites, 500 m radius, 5 m cells, one thread; where they
are installed, gdal_viewshed and xarray-spatial on the same sites in the same run, with their
agreement with the exact answer.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from scipy.ndimage import distance_transform_edt

from tdh import coverage, surface
from tdh.grid import Grid
from tdh.radio import bands, line_of_sight, tr38901
from tdh.surface import Surface

CRS = "EPSG:6677"
RADIUS_M = 500.0
CELL_M = 5.0
BANDS = ("n28", "n78", "n79", "n257")
Site = tuple[int, int, float]


def town(size: int = 400) -> Surface:
    """An invented town of about a third built over."""
    rng = np.random.default_rng(1)
    building = np.zeros((size, size), dtype=np.float32)
    for _ in range(size * size // 45):
        r, c = rng.integers(0, size, 2)
        building[r : r + rng.integers(2, 6), c : c + rng.integers(2, 6)] = rng.gamma(4, 3) + 3
    side = size * CELL_M
    return Surface(Grid(0, side, CELL_M, size, size, CRS), building)


def all_cells(grid: Grid) -> gpd.GeoDataFrame:
    """Every cell of a grid."""
    row, col = (a.ravel() for a in np.mgrid[: grid.n_rows, : grid.n_cols])
    x, y = grid.centres(row, col)
    names = pd.Index(np.arange(row.size).astype(str), name="cell_id")
    return gpd.GeoDataFrame(
        {"row": row, "col": col}, geometry=gpd.points_from_xy(x, y), crs=grid.crs, index=names
    )


def to_sites(where: list[Site], on: Surface) -> gpd.GeoDataFrame:
    """Sites at cells' centres, as coverage takes them."""
    rows, cols, heights = (np.array(v) for v in zip(*where, strict=True))
    x, y = on.grid.centres(rows, cols)
    pole = on.building_m[rows, cols] == 0
    return gpd.GeoDataFrame(
        {
            "antenna_height_agl_m": heights,
            "placement": np.where(pole, "pole", "roof"),
            "azimuths_deg": np.where(pole, "", "0 120 240"),
            "tilt_deg": np.where(pole, np.nan, 4.0),
        },
        geometry=gpd.points_from_xy(x, y), crs=CRS,
        index=pd.Index([f"s{i}" for i in range(len(where))], name="site_id"),
    )  # fmt: skip


def test_line_of_sight_of_one_site(benchmark: Callable[..., np.ndarray]) -> None:
    raster = town().building_m
    line_of_sight.visible(raster, CELL_M, (200, 200, 25.0), 50.0)
    got = benchmark(line_of_sight.visible, raster, CELL_M, (200, 200, 25.0), RADIUS_M)
    assert got.any()


def test_path_loss_of_a_million_links(benchmark: Callable[..., np.ndarray]) -> None:
    distance = np.linspace(10, 1000, 1_000_000)
    assert benchmark(tr38901.path_loss_db, "UMa", False, distance, 3.65, 25.0, 1.5).size == 10**6


@pytest.mark.parametrize("n_bands", [1, 4])
def test_signals_of_fifty_sites(
    benchmark: Callable[..., dict[str, coverage.Coverage]], n_bands: int
) -> None:
    on = town()
    grid = Grid(0, on.grid.y_max_m, 25.0, 80, 80, CRS)
    rng = np.random.default_rng(2)
    where = [(int(r), int(c), 20.0) for r, c in rng.integers(0, 400, (50, 2))]
    sites, cells = to_sites(where, on), all_cells(grid)
    chosen = {name: bands.get(name) for name in BANDS[:n_bands]}
    coverage.compute_many(sites[:1], on, cells, chosen, grid=grid, threads=1)
    got = benchmark(
        coverage.compute_many, sites, on, cells, chosen, grid=grid, radius_m=RADIUS_M, threads=1
    )
    assert len(got) == n_bands


def pick_sites(on: Surface, assets: Path, n: int) -> list[Site]:
    """Real assets of the area first, then further places; half on roofs (3 m over), half 8 m poles."""
    table = pd.read_csv(assets, encoding="cp932")
    lat = next(c for c in table.columns if "緯度" in c)
    lon = next(c for c in table.columns if "経度" in c)
    points = gpd.points_from_xy(
        pd.to_numeric(table[lon], errors="coerce"), pd.to_numeric(table[lat], errors="coerce"),
        crs="EPSG:6668",
    ).to_crs(CRS)  # fmt: skip
    row, col = on.grid.rowcol(points.x, points.y)
    margin = int(RADIUS_M / CELL_M)
    inside = on.grid.contains(row - margin, col - margin) & on.grid.contains(
        row + margin, col + margin
    )
    found = list(dict.fromkeys(zip(row[inside].tolist(), col[inside].tolist(), strict=True)))
    rng = np.random.default_rng(0)
    order = rng.permutation(len(found))[:n]
    places = [found[i] for i in order]
    while len(places) < n:
        r = int(rng.integers(margin, on.grid.n_rows - margin))
        places.append((r, int(rng.integers(margin, on.grid.n_cols - margin))))
    tops = on.building_m
    # Every other asset stands on the roof nearest to it.
    roof_r, roof_c = distance_transform_edt(tops == 0, return_distances=False, return_indices=True)
    places[::2] = [(int(roof_r[p]), int(roof_c[p])) for p in places[::2]]
    return [(r, c, float(tops[r, c] + 3 if tops[r, c] > 0 else 8.0)) for r, c in places]


def seconds(work: Callable[[], object]) -> float:
    """Elapsed seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def cpu_seconds(work: Callable[[], object]) -> float:
    """Processor seconds of this process and those it started: other work hardly changes them."""

    def spent() -> float:
        return sum(os.times()[:4])

    start = spent()
    work()
    return spent() - start


def peer_gdal(on: Surface, where: list[Site]) -> tuple[float, list[np.ndarray]]:
    """gdal_viewshed, a process a site; its window around each site as bool arrays."""
    reach = int(RADIUS_M / CELL_M)
    out: list[np.ndarray] = []
    spent = 0.0
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.tif", Path(folder) / "out.tif"
        with rasterio.open(
            source, "w", driver="GTiff", count=1, dtype="float32", crs=CRS,
            width=on.grid.n_cols, height=on.grid.n_rows, transform=on.grid.transform,
        ) as raster:  # fmt: skip
            raster.write(on.building_m, 1)
        for r, c, z in where:
            x, y = on.grid.centres(r, c)
            command = [
                "gdal_viewshed", "-q", "-ox", f"{x}", "-oy", f"{y}", "-oz",
                f"{z - float(on.building_m[r, c])}", "-tz", "1.5", "-md", f"{RADIUS_M}", "-cc", "0",
                str(source), str(target),
            ]  # fmt: skip
            spent += cpu_seconds(lambda command=command: subprocess.run(command, check=True))  # type: ignore[misc]
            with rasterio.open(target) as raster:
                seen = raster.read(1) > 0
                row, col = raster.index(float(x), float(y))
            whole = np.zeros((2 * reach + 1, 2 * reach + 1), dtype=bool)
            place(seen, whole, reach - row, reach - col)
            out.append(whole)
    return spent, out


def peer_xrspatial(on: Surface, where: list[Site]) -> tuple[float, list[np.ndarray]]:
    """xarray-spatial on each site's own window."""
    import xarray as xr
    import xrspatial

    reach = int(RADIUS_M / CELL_M)
    rows, cols = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    near = np.hypot(rows, cols) * CELL_M <= RADIUS_M
    out, spent = [], 0.0
    for i, (r, c, z) in enumerate(where):
        window = on.building_m[r - reach : r + reach + 1, c - reach : c + reach + 1]
        side = np.arange(2 * reach + 1) * CELL_M
        raster = xr.DataArray(
            window.astype(float), dims=("y", "x"), coords={"y": side[::-1], "x": side}
        )
        middle = reach * CELL_M
        height = z - float(on.building_m[r, c])

        def run(raster: xr.DataArray = raster, middle: float = middle, h: float = height) -> object:
            return xrspatial.viewshed(raster, x=middle, y=middle, observer_elev=h, target_elev=1.5)

        if i == 0:
            run()  # compile
        seen: list[object] = []
        spent += cpu_seconds(lambda run=run, seen=seen: seen.append(run()))  # type: ignore[misc]
        out.append((np.asarray(seen[0]) >= 0) & near)
    return spent, out


def place(part: np.ndarray, whole: np.ndarray, row: int, col: int) -> None:
    """Put an array into another at an offset, as far as it fits."""
    r0, c0 = max(row, 0), max(col, 0)
    r1, c1 = min(row + part.shape[0], whole.shape[0]), min(col + part.shape[1], whole.shape[1])
    whole[r0:r1, c0:c1] = part[r0 - row : r1 - row, c0 - col : c1 - col]


def main() -> None:
    """Print the figures of the radio issue."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sites", type=int, default=1000)
    parser.add_argument("--peer-sites", type=int, default=20)
    options = parser.parse_args()
    folder = options.data / "tokyo"
    on = surface.read(
        folder / "buildings" / "shinjuku_buildings.parquet",
        bounds=(-15000, -36500, -9500, -32000), crs=CRS, cell_size_m=CELL_M,
    )  # fmt: skip
    where = pick_sites(on, folder / "assets" / "消火栓一覧.csv", options.sites)
    line_of_sight.visible(on.building_m, CELL_M, where[0], RADIUS_M)

    def exact(threads: int = 1, count: int | None = None) -> list[np.ndarray]:
        return [
            line_of_sight.visible(on.building_m, CELL_M, s, RADIUS_M, threads=threads)
            for s in where[:count]
        ]

    alone = min(cpu_seconds(exact) for _ in range(3))
    print(f"exact line of sight, {len(where)} sites, 1 thread: {alone:.2f} s (processor time)")
    sites, cells = to_sites(where, on), all_cells(on.grid)
    chosen = {name: bands.get(name) for name in BANDS}

    def signals(threads: int) -> object:
        return coverage.compute_many(
            sites, on, cells, chosen, grid=on.grid, radius_m=RADIUS_M, threads=threads
        )

    coverage.compute_many(sites[:1], on, cells, chosen, grid=on.grid, radius_m=100.0)
    busy = min(cpu_seconds(lambda: signals(1)) for _ in range(2))
    print(
        f"signals in {len(chosen)} bands, with line of sight and edges: {busy:.2f} s (processor time)"
    )
    one, two = seconds(lambda: signals(1)), seconds(lambda: signals(2))
    print(f"the same, elapsed: {one:.2f} s on 1 thread, {two:.2f} s on 2 ({one / two:.2f}x)")
    truth = exact(count=options.peer_sites)
    each = alone / len(where)
    for name, ready, peer in (
        ("gdal_viewshed", shutil.which("gdal_viewshed"), peer_gdal),
        ("xarray-spatial", importlib.util.find_spec("xrspatial"), peer_xrspatial),
    ):
        if not ready:
            print(f"{name}: not installed")
            continue
        spent, seen = peer(on, where[: options.peer_sites])
        both = sum(int((a & b).sum()) for a, b in zip(seen, truth, strict=True))
        either = sum(int((a | b).sum()) for a, b in zip(seen, truth, strict=True))
        more = sum(int(a.sum()) for a in seen) / sum(int(b.sum()) for b in truth) - 1
        per = spent / len(seen)
        print(
            f"{name}: {per * 1000:.0f} ms a site against {each * 1000:.2f}: {per / each:.0f}x; "
            f"IoU with the exact answer {both / either:.2f}, area seen {more:+.0%}"
        )


if __name__ == "__main__":
    main()
