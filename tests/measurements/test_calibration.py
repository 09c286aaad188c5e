"""A model changed and found again by measurements, written, and used by a whole run."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

import tdh
from tdh import coverage, measurements
from tdh.coverage import Model
from tdh.errors import InputError, ScenarioError
from tdh.grid import Grid
from tdh.radio import bands
from tdh.results import Run
from tdh.scenario import scenario_from
from tdh.surface import Surface

CRS = "EPSG:6677"
TRUTH = Model(
    los_offset_db=3.0,
    nlos_offset_db=8.0,
    diffraction_offset_db=5.0,
    los_slope_db=2.0,
    nlos_slope_db=2.0,
)


def town() -> tuple[gpd.GeoDataFrame, Surface, gpd.GeoDataFrame, Grid]:
    """Streets of blocks, three roof sites, and squares of 10 m to drive over."""
    grid = Grid.around((-15000, -36000, -14200, -35200), 4.0, CRS)
    building = np.zeros(grid.shape, dtype=np.float32)
    rng = np.random.default_rng(3)
    for r in range(4, grid.n_rows, 14):
        for c in range(4, grid.n_cols, 14):
            building[r : r + 8, c : c + 8] = rng.uniform(6, 24)
    plan = Grid.around((-15000, -36000, -14200, -35200), 20.0, CRS)
    row, col = (a.ravel() for a in np.mgrid[: plan.n_rows, : plan.n_cols])
    ids = pd.Index([f"r{r:03d}c{c:03d}" for r, c in zip(row, col, strict=True)], name="cell_id")
    cells = gpd.GeoDataFrame(
        {"row": row, "col": col},
        geometry=gpd.points_from_xy(*plan.centres(row, col)),
        crs=CRS,
        index=ids,
    )
    sites = gpd.GeoDataFrame(
        {"antenna_height_agl_m": [30.0, 26.0, 34.0], "radius_m": 600.0},
        index=pd.Index(["a", "b", "c"], name="site"),
        geometry=gpd.points_from_xy([-14800, -14400, -14600], [-35700, -35600, -35400]),
        crs=CRS,
    )
    return sites, Surface(grid, building), cells, plan


def links(model: Model, azimuths_deg: list[float] | None = None) -> pd.DataFrame:
    """Every link as a drive test would see it, with signal and line of sight by a model."""
    sites, surface, cells, grid = town()
    if azimuths_deg is not None:
        sites["azimuth_deg"] = azimuths_deg
    found = coverage.compute(
        sites, surface, cells, bands.get("n78"), grid=grid, model=model, floor_dbm=-149.0
    )
    site = np.repeat(np.arange(len(sites)), np.diff(found.signal.indptr))
    at = found.signal.indices
    points = gpd.GeoDataFrame(
        {"site": sites.index.to_numpy()[site], "device": "p"},
        geometry=cells.geometry.to_numpy()[at],
        crs=CRS,
    )
    X = measurements.link_features(points, sites)
    X["line_of_sight"] = found.line_of_sight
    X["dbm"] = coverage.to_dbm(found.signal.data)
    return X.set_index(pd.MultiIndex.from_arrays([X["site"], at]))


def test_a_changed_model_is_found_again() -> None:
    X, truth = links(Model()), links(TRUTH)
    both = X.index.intersection(truth.index)
    X, truth = X.loc[both], truth.loc[both]
    assert 0.05 < X["line_of_sight"].mean() < 0.95
    y = truth["dbm"].to_numpy() + np.random.default_rng(0).normal(0, 4, len(X))
    X = X.rename(columns={"dbm": "predicted_dbm"})
    # Half of the town was driven; the other half is new.
    driven = (X["x_m"] < X["x_m"].median()).to_numpy()
    found = measurements.calibrate_model(X[driven], y[driven])
    assert found.los_offset_db == pytest.approx(3.0, abs=0.7)
    assert found.nlos_offset_db == pytest.approx(8.0, abs=0.7)
    assert found.los_slope_db == found.nlos_slope_db == pytest.approx(2.0, abs=1.2)
    again = links(found)["dbm"].reindex(X.index).to_numpy()
    new = ~driven & ~np.isnan(again)

    def rmse(of: np.ndarray) -> float:
        return float(np.sqrt(np.mean((of[new] - truth["dbm"].to_numpy()[new]) ** 2)))

    assert rmse(X["predicted_dbm"].to_numpy()) > 6.0
    assert rmse(again) < 0.7


def test_the_antennas_pattern_is_found_again() -> None:
    truth = Model(beamwidth_deg=95.0, pattern_limit_db=20.0, los_offset_db=2.0, nlos_offset_db=2.0)
    azimuths = [40.0, 200.0, 300.0]
    X, wanted = links(Model(), azimuths), links(truth, azimuths)
    both = X.index.intersection(wanted.index)
    X = X.loc[both].rename(columns={"dbm": "predicted_dbm"})
    rng = np.random.default_rng(1)
    y = wanted.loc[both, "dbm"].to_numpy() + rng.normal(0, 4, len(X))
    found = measurements.calibrate_model(X, y)
    assert found.beamwidth_deg == pytest.approx(95.0, abs=4.0)
    assert found.pattern_limit_db == pytest.approx(20.0, abs=1.0)
    assert found.los_offset_db == pytest.approx(2.0, abs=1.0)
    # Measured ahead of the antennas only: nothing is said of the pattern.
    ahead = (X["off_deg"] < 60).to_numpy()
    kept = measurements.calibrate_model(X[ahead], y[ahead])
    assert (kept.beamwidth_deg, kept.pattern_limit_db) == (65.0, 30.0)


def drive(
    truth: Model, seed: int, shares: int = 4
) -> tuple[pd.DataFrame, np.ndarray, gpd.GeoDataFrame, Surface]:
    """A town driven under three roofs and two poles, with what the plain model predicts."""
    sites, surface, cells, _ = town()
    poles = gpd.GeoDataFrame(
        {"antenna_height_agl_m": [8.0, 8.0], "placement": "pole", "eirp_dbm": 50.0},
        index=["p", "q"],
        geometry=gpd.points_from_xy([-14694, -14525], [-35602, -35490]),
        crs=CRS,
    )
    sites["azimuth_deg"], sites["tilt_deg"] = [40.0, 200.0, 300.0], 8.0
    sites = pd.concat([sites, poles]).rename_axis("site")
    rng = np.random.default_rng(seed)
    x, y = cells.geometry.x.to_numpy(), cells.geometry.y.to_numpy()
    street = np.flatnonzero(
        (surface.building_height_m(x, y) == 0) & (np.arange(len(x)) % shares == 0)
    )
    site = np.repeat(sites.index.to_numpy(), len(street))
    points = gpd.GeoDataFrame(
        {"site": site, "device": "p"},
        geometry=np.tile(cells.geometry.to_numpy()[street], len(sites)),
        crs=CRS,
    )
    near = points.distance(sites.geometry.loc[site].reset_index(drop=True)) < 600
    points = points[near].reset_index(drop=True)
    X = measurements.predict_links(points, sites, surface, bands.get("n78"))
    wanted = measurements.predict_links(points, sites, surface, bands.get("n78"), truth)
    y = wanted["predicted_dbm"].to_numpy() + rng.normal(0, 4, len(X))
    return X, y, sites, surface


def test_links_are_predicted_as_a_run_predicts_them() -> None:
    model = Model(
        nlos_offset_db=4.0,
        diffraction_weight_uma=0.7,
        diffraction_weight_umi=1.4,
        rain_rate_mm_h=20,
    )
    _, _, sites, surface = drive(Model(), 0, shares=40)
    rng = np.random.default_rng(0)
    at = gpd.points_from_xy(rng.uniform(-14990, -14210, 150), rng.uniform(-35990, -35210, 150))
    points = gpd.GeoDataFrame({"site": rng.choice(sites.index, 150)}, geometry=at, crs=CRS)
    X = measurements.predict_links(points, sites, surface, bands.get("n78"), model)
    assert 5 <= X["line_of_sight"].sum() <= 145
    assert 5 <= X["indoors"].sum() <= 145
    assert set(X["environment"]) == {"UMa", "UMi"}
    for (_, row), place in zip(
        X[~X["indoors"]].iterrows(), points[~X["indoors"]].geometry, strict=True
    ):
        link = coverage.explain_link(
            sites, row["site"], place.x, place.y, surface, bands.get("n78"), model=model
        )
        assert row["predicted_dbm"] == pytest.approx(link.rsrp_dbm, abs=0.02)
        assert row["line_of_sight"] == link.line_of_sight
    # The compiled core, at the cells whose centre is a street.
    _, _, cells, grid = town()
    found = coverage.compute(sites, surface, cells, bands.get("n78"), grid=grid, model=model)
    x, y = cells.geometry.x.to_numpy(), cells.geometry.y.to_numpy()
    site = np.repeat(sites.index.to_numpy(), np.diff(found.signal.indptr))
    at_street = (surface.building_height_m(x, y) == 0)[found.signal.indices]
    street = gpd.GeoDataFrame(
        {"site": site[at_street]},
        geometry=cells.geometry.to_numpy()[found.signal.indices[at_street]],
        crs=CRS,
    )
    X = measurements.predict_links(street, sites, surface, bands.get("n78"), model)
    stored = coverage.to_dbm(found.signal.data)[at_street]
    assert np.abs(X["predicted_dbm"] - stored).max() <= 0.35  # steps of half a decibel
    assert (X["line_of_sight"].to_numpy() == found.line_of_sight[at_street]).all()
    with pytest.raises(InputError, match="different CRS"):
        measurements.predict_links(points.to_crs(4326), sites, surface, bands.get("n78"))


def test_weights_of_diffraction_are_found_again_for_each_environment() -> None:
    truth = Model(
        diffraction_weight_uma=0.5,
        diffraction_weight_umi=0.7,
        los_offset_db=3.0,
        nlos_offset_db=6.0,
        diffraction_offset_db=3.0,
    )
    X, y, _, _ = drive(truth, 5)
    found = measurements.calibrate_model(X, y)
    assert found.diffraction_weight_uma == pytest.approx(0.5, abs=0.08)
    assert found.diffraction_weight_umi == pytest.approx(0.7, abs=0.12)
    assert found.diffraction_weight_rma == 1.0  # no such site
    assert found.los_offset_db == pytest.approx(3.0, abs=1.0)
    assert found.nlos_offset_db == pytest.approx(6.0, abs=1.0)
    # Links in sight say nothing of edges.
    seen = X["line_of_sight"].to_numpy()
    kept = measurements.calibrate_model(X[seen], y[seen])
    assert set(kept.diffraction_weights.values()) == {1.0}


def test_the_vertical_beamwidth_is_found_again_or_kept() -> None:
    truth = Model(vertical_beamwidth_deg=14.0, los_offset_db=2.0, nlos_offset_db=2.0)
    X, y, _, _ = drive(truth, 6)
    found = measurements.calibrate_model(X, y)
    assert found.vertical_beamwidth_deg == pytest.approx(14.0, abs=1.5)
    # Far away all links leave the antenna at the same small angle.
    far = (X["distance_m"] > 350).to_numpy()
    kept = measurements.calibrate_model(X[far], y[far])
    assert kept.vertical_beamwidth_deg == Model().vertical_beamwidth_deg
    # Nor is it fitted where the antennas' tilts are not told.
    kept = measurements.calibrate_model(X.drop(columns="tilt_deg"), y)
    assert kept.vertical_beamwidth_deg == Model().vertical_beamwidth_deg


def test_nothing_is_changed_that_was_right() -> None:
    X, y, _, _ = drive(Model(), 7)
    found = measurements.calibrate_model(X, y)
    assert found.los_offset_db == pytest.approx(0.0, abs=0.7)
    assert found.nlos_offset_db == pytest.approx(0.0, abs=0.7)
    assert found.diffraction_weight_uma == pytest.approx(1.0, abs=0.15)
    assert found.beamwidth_deg == pytest.approx(65.0, abs=4.0)


def test_a_model_goes_to_a_file_and_back(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    measurements.write_model(TRUTH, path)
    assert measurements.read_model(path) == TRUTH
    for wrong, named in (
        ('{"los_offset": 1}', "los_offset"),
        ('{"los_offset_db": "3"}', "los_offset_db"),
        ('{"diffraction": 1}', "diffraction"),
        ('{"indoor": "wood"}', "wood"),
        ('{"indoor": []}', "indoor"),
        ('{"indoor_cells": {}}', "indoor_cells"),
        ('{"los_offset_db": 1' + 400 * "0" + "}", "los_offset_db"),
        ('{"los_offset_db": 1e300}', "los_offset_db"),
        ('{"los_offset_db": NaN}', "los_offset_db"),
        (100_000 * "[", "does not hold a model"),
        ("[1]", "table"),
        ("{", "line 1"),
    ):
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(InputError, match=named):
            measurements.read_model(path)


def test_errors_at_what_a_calibration_did_not_see() -> None:
    """Two sites 3 dB louder, one 6 dB weaker: blocks of known sites tell less than new sites."""
    X, y, _, _ = drive(Model(), 8)
    X = X[X["site"].isin(["a", "b", "c"])]
    y = y[X.index] + X["site"].map({"a": 3.0, "b": 3.0, "c": -6.0}).to_numpy() + 5.0
    error = measurements.cross_validate(X, y)
    rmse = np.sqrt((error**2).mean())
    outdoors = X[~X["indoors"]]
    assert error.index.equals(outdoors.index)
    plain = y[~X["indoors"].to_numpy()] - outdoors["predicted_dbm"]
    assert error["before"].to_numpy() == pytest.approx(plain.to_numpy())
    # 4 dB of noise, 4.24 of the sites, 5 of all; a site left out is 4.5 or 9 dB from the others.
    assert rmse["before"] == pytest.approx(np.sqrt(16 + 18 + 25), abs=0.6)
    assert rmse["blocks"] == pytest.approx(np.sqrt(16 + 18), abs=0.6)
    assert rmse["sites"] > rmse["blocks"] + 1.0
    alone = (X["site"] == "a").to_numpy()
    assert measurements.cross_validate(X[alone], y[alone])["sites"].isna().all()


def test_too_little_or_no_prediction_is_refused() -> None:
    X = links(Model()).rename(columns={"dbm": "predicted_dbm"})
    with pytest.raises(InputError, match="too few"):
        measurements.calibrate_model(X.head(20), X["predicted_dbm"].head(20))
    with pytest.raises(InputError, match="predicted_dbm"):
        measurements.calibrate_model(X.drop(columns="predicted_dbm"), X["predicted_dbm"])


def test_a_run_predicts_with_its_calibration(demo_run: Run, tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    changed = Model(los_offset_db=6.0, nlos_offset_db=6.0)  # everything 6 dB weaker
    # Measured in all directions, in sight and blocked, up to 15 steps of distance: 178 m.
    far, off = np.meshgrid(10.0 ** (0.15 * np.arange(15) + 0.07), np.arange(0.0, 181.0, 20.0))
    driven = pd.DataFrame({"distance_m": far.ravel(), "off_deg": off.ravel()})
    measurements.write_model(changed, path, pd.concat([driven] * 5))
    settings = demo_run.scenario.coverage.model_copy(update={"calibration": path})
    run = tdh.run(demo_run.scenario.model_copy(update={"coverage": settings}), tmp_path / "run")
    for carrier, band in run.bands:
        plain, weaker = demo_run.signal(carrier, band), run.signal(carrier, band)
        both = ~np.isnan(plain) & ~np.isnan(weaker)
        assert both.any()
        # Stored in steps of half a decibel; over the edges the two ways move together.
        assert np.abs((plain - weaker)[both] - 6.0).max() <= 0.5
        assert demo_run.trust(carrier, band) is None
        _links_within(run, carrier, band, 10.0**2.25)
    assert run.summary["people_in_gap_before"] > demo_run.summary["people_in_gap_before"]
    told = [n.render("en") for n in run.notices if "calibrated" in n.render("en")]
    share = run.manifest["calibrated"]["like_measured"] / run.manifest["calibrated"]["cells"]
    assert 0.02 < share < 0.98
    assert f"{100 * (1 - share):.0f} %" in told[0]
    assert "trust.tif" in (run.folder / "report.html").read_text(encoding="utf-8")
    assert any(entry["part"] == "calibration" for entry in run.manifest["inputs"])
    record = json.loads((run.folder / "manifest.json").read_text(encoding="utf-8"))
    assert record["scenario"]["coverage"]["calibration"] == str(path)
    assert asdict(measurements.model_of(run.scenario)) == asdict(changed)


def test_a_file_that_does_not_tell_its_links_is_not_judged(demo_run: Run, tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    measurements.write_model(Model(los_offset_db=6.0, nlos_offset_db=6.0), path)
    settings = demo_run.scenario.coverage.model_copy(update={"calibration": path})
    run = tdh.run(demo_run.scenario.model_copy(update={"coverage": settings}), tmp_path / "run")
    assert all(run.trust(carrier, band) is None for carrier, band in run.bands)
    told = [n for n in run.notices if "calibrated" in n.render("en")]
    assert len(told) == 1
    assert "does not tell" in told[0].render("en")
    assert "較正ファイル" in told[0].render("ja")
    assert "trust.tif" not in (run.folder / "report.html").read_text(encoding="utf-8")


def _links_within(run: Run, carrier: str, band: str, reach_m: float) -> None:
    """The raster of trust tells the links up to a distance from all others."""
    trust, server = run.trust(carrier, band), run.server(carrier, band)
    assert trust is not None
    assert server is not None
    load = run.site_load
    assert load is not None
    ids = load[(load["carrier_id"] == carrier) & (load["band"] == band)].index.to_numpy()
    sites = run.sites[run.sites["band"] == band]
    row, col = run.cells["row"].to_numpy(), run.cells["col"].to_numpy()
    at = server[row, col]
    served = at >= 0
    own = sites.loc[ids[at[served]]]
    here = run.cells.geometry[served]
    flat = np.hypot(
        here.x.to_numpy() - own.geometry.x.to_numpy(), here.y.to_numpy() - own.geometry.y.to_numpy()
    )
    up = own["antenna_height_agl_m"].to_numpy() - run.scenario.coverage.receiver_height_m
    assert (trust[row, col][served] == np.where(np.hypot(flat, up) < reach_m, 1, 2)).all()
    assert (trust[row, col][np.isnan(run.signal(carrier, band)[row, col])] == 0).all()


def test_a_model_tells_what_it_was_learnt_from(tmp_path: Path) -> None:
    X, _, _, _ = drive(Model(), 0, shares=10)
    path = tmp_path / "model.json"
    measurements.write_model(TRUTH, path, X)
    assert measurements.read_model(path) == TRUTH
    kinds = measurements.read_kinds(path)
    assert kinds is not None
    assert len(kinds.measured) > 10
    like = kinds.like(*(X[c].to_numpy() for c in ("distance_m", "off_deg", "line_of_sight")))
    assert like.mean() > 0.8  # kinds with fewer than five links do not count
    assert not kinds.like(X["distance_m"].to_numpy() * 30, X["off_deg"], X["line_of_sight"]).any()
    measurements.write_model(TRUTH, path)
    assert measurements.read_kinds(path) is None
    steps = '"distance_step_decades": 0.15, "off_boresight_step_deg": 20.0'
    for wrong in (
        "[]",
        '{"kinds": []}',
        *(f'{{{steps}, "kinds": [[{kind}]]}}' for kind in ("1, 2", "1, 2, 5")),
    ):
        path.write_text(f'{{"learnt_from": {wrong}}}', encoding="utf-8")
        with pytest.raises(InputError, match="learnt_from"):
            measurements.read_model(path)


def test_a_scenario_names_a_file_that_is_not_there(demo_run: Run, tmp_path: Path) -> None:
    data = demo_run.scenario.model_dump(mode="json", exclude_none=True)
    data["coverage"]["calibration"] = "absent.json"
    with pytest.raises(ScenarioError, match=r"absent\.json"):
        scenario_from(data, tmp_path)
