"""Schemas, files, grids, errors: what every module stands on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdh import schemas
from tdh.errors import OverwriteError, Problem, SchemaError, TdhError
from tdh.files import atomic, must_not_exist
from tdh.grid import Grid
from tdh.language import Text, speaking


def sites(**changes: object) -> gpd.GeoDataFrame:
    columns: dict[str, object] = {
        "site_id": ["1", "2"],
        "carrier_id": "a",
        "band": "n78",
        "frequency_mhz": 3650,
        "bandwidth_mhz": 100,
        "eirp_dbm": 61,
        "antenna_height_agl_m": 20,
        "synthetic": True,
        **changes,
    }
    return gpd.GeoDataFrame(columns, geometry=gpd.points_from_xy([0, 1], [0, 1]), crs="EPSG:6677")


def test_conform_casts_orders_and_fills() -> None:
    table = schemas.conform(sites(), "sites")
    assert table.index.name == "site_id"
    assert table["frequency_mhz"].dtype == float
    assert table["azimuth_deg"].isna().all()
    assert table.crs == "EPSG:6677"


def test_conform_reports_every_problem() -> None:
    bad = sites(site_id=["1", "1"], eirp_dbm=[61, 200], environment="UMx").drop(columns="band")
    with pytest.raises(SchemaError) as caught:
        schemas.conform(bad, "sites")
    said = str(caught.value)
    assert "expected: band" in said
    assert "sites.eirp_dbm" in said
    assert "UMx" in said
    assert "identifiers occur more than once" in said


def test_every_check_of_columns_csv_is_known() -> None:
    tables = pd.read_csv(Path(schemas.__file__).parent / "columns.csv", dtype=str)["table"].unique()
    for table in tables:
        for row in schemas.columns(table).itertuples():
            if row.check:
                sample = pd.Series(["11111"] if row.dtype in ("str", "index") else [1.0])
                schemas._satisfies(sample, row.check)
            assert row.description and row.label_ja, f"{table}.{row.column} is not described"


def test_atomic_leaves_nothing_behind_a_failure(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic(target) as path:
        path.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_killed_writer_leaves_no_half_file(tmp_path: Path) -> None:
    target = tmp_path / "big.txt"
    code = (
        "import sys\nfrom tdh.files import atomic\n"
        f"with atomic({str(target)!r}) as p:\n"
        "    f = p.open('w'); f.write('half'); f.flush(); print('in', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"in\n"
        child.send_signal(signal.SIGKILL)
    assert not target.exists()


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    must_not_exist(tmp_path)  # an empty folder is free
    (tmp_path / "a").write_text("x")
    with pytest.raises(OverwriteError, match="--overwrite"):
        must_not_exist(tmp_path)
    must_not_exist(tmp_path, overwrite=True)


@given(
    x=st.floats(-1e5, 1e5),
    y=st.floats(-1e5, 1e5),
    size=st.sampled_from([1.0, 4.0, 5.0, 25.0]),
)
def test_a_point_lies_in_the_cell_that_it_is_given(x: float, y: float, size: float) -> None:
    grid = Grid.around((x - 60, y - 60, x + 60, y + 60), size, "EPSG:6677")
    row, col = grid.rowcol(x, y)
    assert bool(grid.contains(row, col))
    centre_x, centre_y = grid.centres(row, col)
    assert max(abs(centre_x - x), abs(centre_y - y)) <= size / 2 * (1 + 1e-9)


def test_grids_of_one_cell_size_fall_on_each_other() -> None:
    a = Grid.around((3, 3, 97, 97), 25, "EPSG:6677")
    b = Grid.around((55, -20, 300, 44), 25, "EPSG:6677")
    assert (a.x_min_m - b.x_min_m) % 25 == 0
    assert (a.y_max_m - b.y_max_m) % 25 == 0


def test_errors_speak_both_languages_and_stay_short() -> None:
    problem = Problem(Text("bad", "不正"), value=1, expected="2", where="a.csv")
    error = TdhError(*[problem] * 60)
    assert "… and 10 more" in str(error)
    with speaking("ja"):
        assert "不正: 1 (正しくは: 2)" in str(error)
    assert np.all([p == problem for p in error.problems])


def test_what_a_stranger_wrote_cannot_speak_for_tdh() -> None:
    """Neither a value nor its place clears the screen, feigns a message or floods the terminal."""
    evil = "x\x1b[2J\x07\u202e\u2028\ud800\nError:\r none"
    shown = str(TdhError(Problem("bad", value=evil, where=f"a.json: {evil}")))
    assert shown.isprintable() and shown.count("\\x1b[2J") == 2
    assert len(str(TdhError(Problem("bad", value="k" * 10**7, where="k" * 10**7)))) < 2_000
