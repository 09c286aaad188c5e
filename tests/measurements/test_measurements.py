"""Calibration: an invented truth found again, and measured cells left out in turn."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from tdh import measurements
from tdh.errors import DomainError, InputError
from tdh.measurements.conformal import half_width_db
from tdh.measurements.places import Places

CRS = "EPSG:32617"


def invented(seed: int, n: int = 900, trees: float = 0.0) -> tuple[pd.DataFrame, np.ndarray]:
    """Three sites with a known law, device offsets of ±4 dB and 5 dB of noise."""
    rng = np.random.default_rng(seed)
    site = rng.integers(0, 3, n)
    sites = gpd.GeoDataFrame(
        {"antenna_height_agl_m": [25.0, 25.0, 30.0], "azimuth_deg": [0.0, 120.0, 250.0]},
        index=pd.Index(["1", "2", "3"], name="site"),
        geometry=gpd.points_from_xy([0, 800, 400], [0, 0, 700]),
        crs=CRS,
    )
    angle, far = rng.uniform(0, 2 * np.pi, n), rng.uniform(20, 600, n)
    points = gpd.GeoDataFrame(
        {
            "site": sites.index.to_numpy()[site],
            "device": np.where(rng.random(n) < 0.5, "p", "q"),
        },
        geometry=gpd.points_from_xy(
            sites.geometry.x.to_numpy()[site] + far * np.sin(angle),
            sites.geometry.y.to_numpy()[site] + far * np.cos(angle),
        ),
        crs=CRS,
    )
    X = measurements.link_features(points, sites)
    X["clutter_m"] = rng.uniform(0, 20, n)
    pattern = 22.0 * -np.expm1(-12 * (X["off_deg"] / 60.0) ** 2 / 22.0)
    y = -85.0 - 38.0 * np.log10(X["distance_m"] / 100) - pattern
    y += np.where(points["device"] == "p", 4.0, -4.0) - trees * (X["clutter_m"] > 10)
    return X, (y + rng.normal(0, 5, n)).to_numpy()


def test_an_invented_law_is_found_again() -> None:
    X, y = invented(0)
    model = measurements.MeasuredCoverage().fit(X, y)
    law = model.law_
    assert law["slope_db"] + law["far_slope_db"] == pytest.approx(-38.0, abs=3.0)
    assert law["beamwidth_deg"] == pytest.approx(60.0, abs=6.0)
    assert law["limit_db"] == pytest.approx(22.0, abs=3.0)
    assert model.device_offsets_["p"] - model.device_offsets_["q"] == pytest.approx(8.0, abs=1.0)
    fresh, truth = invented(1)
    assert np.sqrt(np.mean((truth - model.predict(fresh)) ** 2)) < 5.6
    low, high = model.predict_interval(fresh, 0.8)
    assert 0.75 <= np.mean((truth >= low) & (truth <= high)) <= 0.87
    assert not model.residual_used_  # there is nothing left to learn


def test_a_common_error_of_the_azimuths_is_found() -> None:
    """Magnetic bearings in the register: every antenna points 9° short of what it says."""
    X, y = invented(7)
    told = X.assign(turn_deg=(X["turn_deg"] - 9.0 + 180.0) % 360.0 - 180.0)
    model = measurements.MeasuredCoverage(residual="never").fit(told, y)
    assert model.law_["turn_deg"] == pytest.approx(-9.0, abs=1.5)
    blind = measurements.MeasuredCoverage(residual="never")
    blind.fit(told.assign(off_deg=told["turn_deg"].abs()).drop(columns="turn_deg"), y)
    errors = [np.std(y - m.predict(told)) for m in (model, blind)]
    assert errors[0] < errors[1] - 0.1


def test_trees_are_used_where_there_is_something_to_learn() -> None:
    X, y = invented(2, trees=15.0)
    model = measurements.MeasuredCoverage().fit(X, y)
    assert model.residual_used_
    assert model.block_rmse_["residual"] < model.block_rmse_["calibrated"] - 1.0
    fresh, truth = invented(3, trees=15.0)
    plain = measurements.MeasuredCoverage(residual="never").fit(X, y)
    errors = [np.std(truth - m.predict(fresh)) for m in (model, plain)]
    assert errors[0] < errors[1] - 1.0


def shadowed(seed: int, sites: str = "123") -> tuple[pd.DataFrame, np.ndarray]:
    """The invented law under a roof of shadows, 7 dB strong, that all three sites share."""
    X, y = invented(seed, n=1500)
    waves = np.random.default_rng(99)  # the same ground whatever the seed of the links
    k, phase = waves.normal(0, 1 / 40.0, (60, 2)), waves.uniform(0, 2 * np.pi, 60)
    field = np.cos(X[["x_m", "y_m"]].to_numpy() @ k.T + phase).sum(axis=1) * 7.0 / np.sqrt(30.0)
    own = X["site"].isin(list(sites)).to_numpy()
    return X[own], (y + field)[own]


def test_places_are_carried_to_blocks_and_sites_left_out() -> None:
    X, y = shadowed(0)
    model = measurements.MeasuredCoverage().fit(X, y)
    assert model.places_used_
    assert model.block_rmse_["places"] < model.block_rmse_["calibrated"] - 0.5
    plain = measurements.MeasuredCoverage(residual="never").fit(X, y)
    assert not plain.places_used_
    fresh, truth = shadowed(1)
    errors = [np.std(truth - m.predict(fresh)) for m in (model, plain)]
    assert errors[0] < errors[1] - 1.0
    # A third site over ground that two others have shown.
    two = measurements.MeasuredCoverage().fit(*shadowed(0, "12"))
    blind = measurements.MeasuredCoverage(residual="never").fit(*shadowed(0, "12"))
    third, truth = shadowed(0, "3")
    errors = [np.std(truth - m.predict(third)) for m in (two, blind)]
    assert errors[0] < errors[1] - 0.15
    far = third.assign(x_m=third["x_m"] + 1e5)  # nothing was measured there
    assert two.predict(far) == pytest.approx(blind.predict(far))


def test_intervals_hold_at_blocks_left_out() -> None:
    X, y = shadowed(0)
    y = y + X["site"].map({"1": 9.0, "2": 0.0, "3": -9.0}).to_numpy(float)
    new = (X["x_m"] // 100 + X["y_m"] // 100).to_numpy() % 4 == 0
    model = measurements.MeasuredCoverage().fit(X[~new], y[~new])
    low, high = model.predict_interval(X[new], 0.8)
    assert 0.75 <= np.mean((y[new] >= low) & (y[new] <= high)) <= 0.87
    assert model.guaranteed(X[new], 0.8).all()
    # A site that was not measured: its own level is not known, and three sites promise nothing.
    other = X[new].assign(site="9")
    wide = model.predict_interval(other, 0.8)
    assert (wide[1] - wide[0]).min() > (high - low).max()
    assert not model.guaranteed(other, 0.8).any()
    assert model.guaranteed(other, 0.7).all()


def test_conformal_width_holds_for_a_new_group_of_any_size() -> None:
    """Groups of unequal sizes with levels of their own: drawn anew a thousand times."""
    rng = np.random.default_rng(0)
    share, guaranteed = [], []
    for _ in range(1000):
        size = rng.integers(1, 40, 7)
        group = np.repeat(np.arange(7), size)
        error = np.abs(rng.normal(0, 6, 7)[group] + rng.normal(0, 4, len(group)))
        half, sure = half_width_db(error[group < 6], group[group < 6], 0.8)
        share.append(np.mean(error[group == 6] <= half))
        guaranteed.append(sure)
    assert all(guaranteed)
    assert 0.79 <= np.mean(share) <= 0.95


def test_other_sites_do_not_crowd_out_a_places_own() -> None:
    """A hundred cells heard at the very place say less than the own one 10 m away."""
    others = [f"o{i}" for i in range(100)]
    xy = np.array([[0.0, 0.0]] * 100 + [[10.0, 0.0]] * 40)
    site = np.array(others + ["own"] * 40)
    residual = np.array([0.0] * 100 + [12.0] * 40)
    here = np.zeros((1, 2))
    assert Places(xy, site, residual).predict(here, np.array(["own"]))[0] > 5.0
    # Where the nearest hold the own ones already, none counts twice.
    few = np.r_[0:20, 100:110]
    near = Places(xy[few], site[few], residual[few]).predict(here, np.array(["own"]))[0]
    far = np.linalg.norm(xy[few, None] - xy[None, few], axis=-1)
    same = site[few, None] == site[None, few]
    between = 36.0 * np.exp(-far / 50.0) * np.where(same, 1.0, 0.5)
    np.fill_diagonal(between, 36.0 + 16.0)
    towards = 36.0 * np.exp(-xy[few, 0] / 50.0) * np.where(site[few] == "own", 1.0, 0.5)
    assert near == pytest.approx(towards @ np.linalg.solve(between, residual[few]))


def test_one_site_promises_nothing_of_others() -> None:
    X, y = invented(8)
    own = (X["site"] == "1").to_numpy()
    model = measurements.MeasuredCoverage(residual="never").fit(X[own], y[own])
    assert model.n_sites_ == 1
    assert model.guaranteed(X[own]).all()
    assert not model.guaranteed(X[~own]).any()


def test_links_without_a_device_share_an_offset_of_their_own() -> None:
    X, y = invented(9)
    told = X.assign(device=X["device"].where(X["device"] == "p"))  # the weak phone is not named
    assert told["device"].isna().any()
    model = measurements.MeasuredCoverage(residual="never").fit(told, y)
    assert {device for _, device in model.offsets_} == {"p", ""}
    assert model.device_offsets_["p"] - model.device_offsets_[""] == pytest.approx(8.0, abs=1.0)
    named = measurements.MeasuredCoverage(residual="never").fit(X, y)
    assert model.predict(told) == pytest.approx(named.predict(X), abs=0.01)
    # Nor does it matter what stands in a name.
    odd = measurements.MeasuredCoverage(residual="never").fit(X.assign(device="a\nb"), y)
    assert {pair[1:] for pair in odd.offsets_} == {("a\nb",)}
    guess = y - np.where(X["device"] == "p", 4.0, -4.0) - 3.0
    models = [
        measurements.calibrate_model(frame.assign(predicted_dbm=guess), y) for frame in (X, told)
    ]
    assert models[0].los_offset_db == pytest.approx(models[1].los_offset_db, abs=0.01)


def test_a_prediction_is_corrected() -> None:
    X, y = invented(4)
    noise = np.random.default_rng(0).normal(0, 5, len(y))
    X["predicted_dbm"] = y + 12.0 + noise
    model = measurements.MeasuredCoverage(residual="never").fit(X, y)
    assert np.sqrt(np.mean((y - model.predict(X)) ** 2)) < 5.5


def test_links_unlike_any_measured_are_not_trusted() -> None:
    X, y = invented(5)
    model = measurements.MeasuredCoverage(residual="never").fit(X, y)
    assert model.trusted(X).all()
    far = X.assign(distance_m=X["distance_m"] * 20)
    assert not model.trusted(far)[far["distance_m"] > 3000].any()


def test_too_little_is_refused_with_every_reason() -> None:
    X, y = invented(6)
    with pytest.raises(InputError, match="too few measurements"):
        measurements.MeasuredCoverage().fit(X[:40], y[:40])
    near = X.assign(x_m=1.0, y_m=1.0)
    with pytest.raises(InputError, match="too close together"):
        measurements.MeasuredCoverage().fit(near, y)


@pytest.mark.parametrize("column", ["x_m", "y_m", "distance_m", "predicted_dbm"])
def test_missing_numbers_are_refused_by_column_and_count(column: str) -> None:
    X, y = invented(6)
    X = X.assign(predicted_dbm=y + 3.0).reset_index(drop=True)
    X.loc[[3, 8], column] = np.nan
    for learn in (measurements.MeasuredCoverage().fit, measurements.calibrate_model):
        with pytest.raises(InputError, match=f"{column}: numbers are missing: 2"):
            learn(X, y)


def test_links_to_predict_are_complete() -> None:
    X, y = invented(6)
    X["predicted_dbm"] = y + 3.0
    model = measurements.MeasuredCoverage(residual="always").fit(X, y)
    holes = X.assign(clutter_m=np.nan)
    assert np.isfinite(model.predict(holes)).all()  # trees bear an unknown feature
    holes.loc[[3, 8], "distance_m"] = np.nan
    with pytest.raises(InputError, match="distance_m: numbers are missing: 2"):
        model.predict(holes)
    with pytest.raises(InputError, match=r"(?s)expected: clutter_m.*expected: off_deg"):
        model.predict(X.drop(columns=["off_deg", "clutter_m"]))
    with pytest.raises(InputError, match="expected: device"):
        measurements.MeasuredCoverage().fit(X.drop(columns="device"), y)
    with pytest.raises(InputError, match="expected: predicted_dbm"):
        measurements.MeasuredCoverage("never").fit(X, y).predict(X.drop(columns="predicted_dbm"))
    without = X.drop(columns="predicted_dbm")
    law = measurements.MeasuredCoverage("never").fit(without, y)
    assert (law.predict(X) == law.predict(without)).all()


def test_signals_are_as_many_as_links() -> None:
    X, y = invented(6)
    X = X.assign(predicted_dbm=y, indoors=False)
    for learn in (measurements.MeasuredCoverage().fit, measurements.calibrate_model):
        with pytest.raises(InputError, match=r"y: not one signal.*899.*900"):
            learn(X, y[:-1])


def test_levels_are_probabilities_and_no_links_have_no_signals() -> None:
    X, y = invented(2, n=300)
    model = measurements.MeasuredCoverage(residual="always").fit(X, y)
    for level in (80, 0.0, 1.0, -0.1, np.nan):
        with pytest.raises(DomainError, match="0 < level < 1"):
            model.predict_interval(X, level)
        with pytest.raises(DomainError, match="0 < level < 1"):
            model.guaranteed(X, level)
    none = X.iloc[:0]
    assert model.predict(none).shape == (0,)
    assert [bound.shape for bound in model.predict_interval(none)] == [(0,), (0,)]


def test_a_map_of_where_not_to_trust() -> None:
    X, y = invented(0)
    model = measurements.MeasuredCoverage().fit(X, y)
    sites = gpd.GeoDataFrame(
        {"antenna_height_agl_m": [25.0, 25.0], "azimuth_deg": [0.0, 180.0]},
        index=pd.Index(["1", "new"], name="site"),
        geometry=gpd.points_from_xy([0, 10_000], [0, 0]),
        crs=CRS,
    )
    cells = gpd.GeoDataFrame(
        index=["near", "far", "by the new site", "between"],
        geometry=gpd.points_from_xy([30, 0, 10_030, 5_000], [200, 3_000, -200, 0]),
        crs=CRS,
    )
    table = measurements.trust_map(model, cells, sites)
    assert table["site"].tolist()[:3] == ["1", "1", "new"]
    # What counts is what kind of link it is, not where: links were measured up to 600 m.
    assert table["trusted"].tolist() == [True, False, True, False]
    assert (table["strangeness"] <= 1).tolist() == table["trusted"].tolist()
    assert table["strangeness"]["far"] > table["strangeness"]["near"]
    one = measurements.link_features(
        gpd.GeoDataFrame({"site": ["new"]}, geometry=cells.geometry.to_numpy()[[2]]), sites
    )
    assert table["rsrp_dbm"]["by the new site"] == pytest.approx(float(model.predict(one)[0]))


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("lat,lon,ss_rsrp,pci\n35.1,139.1,-95,7\n35.2,139.2,-,7\n0,0,-90,7\n", "7"),
        (
            "# craxiom\n# version\ndeviceTime;latitude;longitude;pci;rsrp\n"
            "1;35.1;139.1;12;-95\n2;35.2;139.2;12;-\n3;;;12;-80\n",
            "12",
        ),
        ("緯度,経度,RSRP\n35.1,139.1,-95\n35.2,139.2,5\n-,-,-80\n", ""),
        ("lat,lon,rsrp,pci,site_id\n35.1,139.1,-95,7,A\n35.2,139.2,-,7,A\n-,-,-80,7,A\n", "A"),
    ],
)
def test_layouts_of_drive_tests(tmp_path: Path, text: str, site: str) -> None:
    path = tmp_path / "drive.csv"
    path.write_bytes(text.encode("cp932"))
    points, rejected = measurements.read_drive_test(path)
    assert points["rsrp_dbm"].tolist() == [-95.0]
    assert points["site"].tolist() == [site]
    assert points.geometry.iloc[0].coords[0] == (139.1, 35.1)
    assert rejected["source_row"].tolist() == [2, 3]
    assert rejected["reason"].tolist() == ["no signal", "no position"]


def test_a_drive_test_without_signals_names_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "drive.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        measurements.read_drive_test(path)
    assert len(caught.value.problems) == 3


@pytest.fixture(scope="module")
def campus(data_dir: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """Three cells at 3.6 GHz, without building data: links up to 1,000 m."""
    folder = data_dir / "measured"
    points, rejected = measurements.read_drive_test(folder / "duke_cbrs_rsrp.csv")
    assert len(points) == 26_430
    assert rejected.empty
    table = pd.read_csv(folder / "duke_cbrs_sites.csv").set_index("PCI")
    table = table.rename(columns={"antenna_height_m": "antenna_height_agl_m"})
    at = gpd.points_from_xy(table["longitude"], table["latitude"], crs="EPSG:4326")
    sites = gpd.GeoDataFrame(table, geometry=at).to_crs(CRS)
    mean = measurements.thin(points.to_crs(CRS))
    X = measurements.link_features(mean, sites)
    near = (X["distance_m"] < 1000).to_numpy()
    return X[near].reset_index(drop=True), mean["rsrp_dbm"].to_numpy()[near]


@pytest.mark.real
def test_measured_cells_left_out_in_turn(campus: tuple[pd.DataFrame, np.ndarray]) -> None:
    """A regression guard, not the goal.

    The goals of 7.5 dB calibrated and 6.5 dB with the residual are not reached: 8.2 and 8.0 dB,
    each cell's and phone's mean removed. The 80 % intervals hold over all, not in every cell.
    """
    X, y = campus
    error, held = pd.Series(np.zeros(len(y))), np.zeros(len(y), dtype=bool)
    for cell in ("A", "C", "E"):
        out = (X["site"] == cell).to_numpy()
        model = measurements.MeasuredCoverage().fit(X[~out], y[~out])
        error[out] = y[out] - model.predict(X[out])
        low, high = model.predict_interval(X[out], 0.8)
        held[out] = (y[out] >= low) & (y[out] <= high)
        assert not model.guaranteed(X[out], 0.8).any()  # by two cells nothing is promised
    error -= error.groupby([X["site"], X["device"]]).transform("mean")
    assert np.sqrt((error**2).mean()) <= 8.1
    assert 0.75 <= held.mean() <= 0.85


@pytest.mark.real
def test_blocks_of_measured_cells_left_out(campus: tuple[pd.DataFrame, np.ndarray]) -> None:
    """In cells that were driven, blocks of 100 m that were not: places take 40 % of the variance."""
    X, y = campus
    model = measurements.MeasuredCoverage().fit(X, y)
    assert model.places_used_
    assert not model.residual_used_
    assert model.block_rmse_["calibrated"] >= 7.7
    assert model.block_rmse_["places"] <= 6.4
    new = ((X["x_m"] // 100 + 2 * (X["y_m"] // 100)) % 5 == 0).to_numpy()
    model = measurements.MeasuredCoverage().fit(X[~new], y[~new])
    assert np.sqrt(np.mean((y[new] - model.predict(X[new])) ** 2)) <= 6.4
    low, high = model.predict_interval(X[new], 0.8)
    assert 0.73 <= np.mean((y[new] >= low) & (y[new] <= high)) <= 0.87
    assert model.guaranteed(X[new], 0.8).all()
