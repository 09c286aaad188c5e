"""A run calibrated by a drive test: from the command line, on an invented truth."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import tdh
from tdh import measurements
from tdh.cli import group
from tdh.coverage import Model
from tdh.errors import InputError, OverwriteError
from tdh.language import speaking
from tdh.pipeline import calibrating, links
from tdh.results import Run

TRUTH = Model(los_offset_db=4.0, nlos_offset_db=9.0, diffraction_offset_db=5.0)


@pytest.fixture(scope="module")
def driven(demo_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drive test under the first carrier's sites, 4 dB of noise, as a phone in Japan writes it."""
    key, band = next(iter(demo_run.bands.items()))
    sites = demo_run.sites[demo_run.sites["carrier_id"] == key[0]]
    x_min, y_min, x_max, y_max = demo_run.grid.bounds
    bounds = (x_min - 1500, y_min - 1500, x_max + 1500, y_max + 1500)
    surface = links.read_surface(demo_run, bounds)
    assert surface is not None
    rng = np.random.default_rng(0)
    x, y = rng.uniform(x_min, x_max, 1200), rng.uniform(y_min, y_max, 1200)
    at = gpd.points_from_xy(x, y, crs=demo_run.crs)
    street = gpd.GeoDataFrame(geometry=at)[surface.building_height_m(x, y) == 0]
    near = street.sjoin_nearest(sites[["geometry"]].rename_axis("site").reset_index())
    points = near[~near.index.duplicated()].drop(columns="index_right")
    signal = measurements.predict_links(points, sites, surface, band, TRUTH)["predicted_dbm"]
    place = points.to_crs(4326).geometry
    told = pd.DataFrame({"緯度": place.y, "経度": place.x, "SS-RSRP": signal, "局": points["site"]})
    told["SS-RSRP"] = (signal + rng.normal(0, 4, len(signal))).map("{:.1f}".format)
    told.loc[told.index[:5], "SS-RSRP"] = "-"
    told.loc[told.index[5:12], "局"] = "elsewhere"
    path = tmp_path_factory.mktemp("driven") / "走行.csv"
    told.to_csv(path, index=False, encoding="cp932")
    return path


def call(*arguments: object) -> Result:
    result = CliRunner().invoke(group(), [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_truth_is_found_and_written_for_the_next_run(
    demo_run: Run, driven: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model.json"
    asked = ("calibrate", demo_run.folder, driven, "--column", "site=局", "--out", out)
    result = call(*asked, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["helps"]
    assert told["left_out"]["no signal"] == 5
    assert told["left_out"]["another site"] == 7
    model, kinds = measurements.read_model(out), measurements.read_kinds(out)
    assert kinds is not None
    assert kinds.measured
    assert model.los_offset_db == pytest.approx(4.0, abs=1.5)
    assert model.nlos_offset_db == pytest.approx(9.0, abs=1.5)
    rmse = told["rmse_db"]
    assert rmse["before"]["blocks"] > 8.0
    assert rmse["calibrated"]["blocks"] == pytest.approx(4.0, abs=0.5)
    assert rmse["calibrated"]["sites"] == pytest.approx(4.0, abs=0.5)
    assert all(set(row) == {"blocks", "sites"} for row in rmse.values())
    assert sum(site["squares"] for site in told["sites"]) == told["squares"]
    mean = sum(site["squares"] * site["after"] for site in told["sites"]) / told["squares"]
    assert mean == pytest.approx(0.0, abs=0.7)
    with pytest.raises(OverwriteError, match=r"model\.json"):
        call(*asked)
    with speaking("ja"):
        shown = call("calibrate", demo_run.folder, driven, "--column", "site=局").output
    assert "較正後" in shown
    assert "除外: 計算にない局 7点" in shown


def test_rows_of_lte_are_left_out_as_such(demo_run: Run, driven: Path, tmp_path: Path) -> None:
    table = pd.read_csv(driven, encoding="cp932").rename(columns={"SS-RSRP": "RSRP"})
    table["technology"] = np.where(np.arange(len(table)) < 100, "LTE", "NR")
    path = tmp_path / "both.csv"
    table.to_csv(path, index=False)
    found = tdh.calibrate(demo_run, [path], columns={"site": "局"})
    assert found.left_out["other radio"] == 100
    assert "no signal" not in found.left_out  # the five without one are among them
    shown = call("calibrate", demo_run.folder, path, "--column", "site=局").output
    assert "left out: 100 points of another radio technology" in shown


def test_a_run_that_is_calibrated_is_corrected_from_there(
    demo_run: Run, driven: Path, tmp_path: Path
) -> None:
    right = tmp_path / "right.json"
    measurements.write_model(TRUTH, right)
    coverage = demo_run.scenario.coverage.model_copy(update={"calibration": right})
    scenario = demo_run.scenario.model_copy(update={"coverage": coverage})
    told = {**demo_run.manifest, "scenario": scenario.model_dump(mode="json")}
    found = tdh.calibrate(Run(demo_run.folder, told), [driven], columns={"site": "局"})
    assert found.base == TRUTH
    assert found.errors.loc["before", "blocks"] == pytest.approx(4.0, abs=0.4)
    before, after = found.changes()["nlos_offset_db"]
    assert before == 9.0
    assert after == pytest.approx(9.0, abs=1.5)


def test_sectors_and_bands_of_one_name(demo_run: Run) -> None:
    """Three sectors share an id: a point is of that which points there; a second band has its own."""
    at = gpd.points_from_xy([0, 0, 0, 500, 500], [0, 0, 0, 0, 0], crs=demo_run.crs)
    sites = gpd.GeoDataFrame(
        {
            "listed_id": ["M", "M", "M", "N", None],
            "azimuth_deg": [30.0, 150.0, 270.0, np.nan, 90.0],
        },
        geometry=at,
        index=pd.Index(["M", "M-2", "M-3", "N-4", "guess"], name="site_id"),
    )
    place = {"east": (100, 10), "south": (10, -100), "west": (-100, 0), "far": (600, 0)}
    named = [
        ("M", "east"),
        ("M", "south"),
        ("M", "west"),
        ("N", "far"),
        ("M-3", "east"),
        ("x", "far"),
    ]
    points = gpd.GeoDataFrame(
        {"site": [site for site, _ in named] + ["guess"]},
        geometry=gpd.points_from_xy(
            *np.array([place[where] for _, where in named] + [place["far"]]).T, crs=demo_run.crs
        ),
    )
    found = calibrating._serving(points, sites)
    assert pd.isna(found[5])
    assert np.delete(found, 5).tolist() == ["M", "M-2", "M-3", "N-4", "M-3", "guess"]


def test_what_no_surrounding_explains_is_said(demo_run: Run, driven: Path, tmp_path: Path) -> None:
    """Louder by 45 dB: an EIRP that is wrong. Signals that do not fall with distance: refused."""
    told = pd.read_csv(driven, encoding="cp932")
    signal = pd.to_numeric(told["SS-RSRP"], errors="coerce")
    path = tmp_path / "wrong.csv"
    told.assign(**{"SS-RSRP": signal + 45.0}).to_csv(path, index=False, encoding="cp932")
    result = call("calibrate", demo_run.folder, path, "--column", "site=局", "--json")
    doubts = json.loads(result.stdout)["doubts"]
    assert any("los_offset_db -" in doubt for doubt in doubts)
    assert all(doubt in result.stderr for doubt in doubts)
    told.assign(**{"SS-RSRP": -90.0}).to_csv(path, index=False, encoding="cp932")
    with pytest.raises(InputError, match="not fall with distance"):
        tdh.calibrate(demo_run, [path], columns={"site": "局"})


def test_what_cannot_be_used_is_refused_with_how_to_mend_it(
    demo_run: Run, driven: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"(?s)no measured point names a site.*--column site=NAME"):
        tdh.calibrate(demo_run, [driven])
    with pytest.raises(InputError, match="no such carrier and band: nobody"):
        tdh.calibrate(demo_run, [driven], carrier="nobody")
    with pytest.raises(InputError, match=r"no drive test is given.*carrier-a n78"):
        tdh.calibrate(demo_run)
    few = tmp_path / "few.csv"
    lines = driven.read_text(encoding="cp932").splitlines()
    few.write_text("\n".join([lines[0], *lines[13:40]]), encoding="cp932")
    with pytest.raises(InputError, match="too few measurements"):
        tdh.calibrate(demo_run, [few], columns={"site": "局"})
    table = pd.read_csv(driven, encoding="cp932")
    sites = demo_run.sites[demo_run.sites["carrier_id"] == "carrier-a"]
    first = sites.to_crs(4326).geometry.iloc[0]  # a mast on a roof
    table["局"], table["緯度"], table["経度"] = sites.index[0], first.y, first.x
    table.to_csv(few, index=False, encoding="cp932")
    left = r"(?s)too few measurements: 0.*left out: \d+ points without a signal.*inside buildings"
    with pytest.raises(InputError, match=left):
        tdh.calibrate(demo_run, [few], columns={"site": "局"})
    far = pd.read_csv(driven, encoding="cp932")
    far["緯度"] -= 0.5
    far.to_csv(few, index=False, encoding="cp932")
    with pytest.raises(InputError, match=r"where the run follows its site: 54\d{3} m"):
        tdh.calibrate(demo_run, [few], columns={"site": "局"})
    result = call("calibrate", demo_run.folder, driven, "--column", "局")
    assert result.exit_code == 2
    assert "FIELD=NAME" in result.output
