"""Scores that can be added up by hand, and against a recount without sparse products."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from tdh import gaps, scoring
from tdh.errors import InputError


def cells_of(population: np.ndarray, codes: list[str]) -> gpd.GeoDataFrame:
    n = len(population)
    return gpd.GeoDataFrame(
        {"row": 0, "col": np.arange(n), "population": population, "municipality_code": codes},
        index=pd.Index([f"c{i}" for i in range(n)], name="cell_id"),
        geometry=gpd.points_from_xy(np.arange(n), np.zeros(n)),
        crs="EPSG:6677",
    )


def assets_of(placement: list[str]) -> pd.DataFrame:
    n = len(placement)
    return pd.DataFrame(
        {
            "placement": placement,
            "height_source": ["register"] * n,
            "mounting_height_m": [10.0] * n,
            "backup_hours": [np.nan] * n,
            "flood_depth_m": [np.nan] * n,
        },
        index=pd.Index([f"x{i}" for i in range(n)], name="asset_id"),
    )


def parts_of(table: pd.DataFrame) -> pd.DataFrame:
    return table[[c for c in table.columns if c.startswith("contribution_")]]


def test_by_hand() -> None:
    """Two carriers, three assets, four cells; only people, sharing and installability weigh."""
    cells = cells_of(np.array([100.0, 50.0, 0.0, 10.0]), ["13101"] * 4)
    unmet = np.array([[50.0, 25.0, 0.0, 0.0], [0.0, 25.0, 0.0, 5.0]])
    reach = sparse.csr_array(np.array([[1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]], dtype=bool))
    weights = dict.fromkeys(scoring.DEFAULT_WEIGHTS, 0.0)
    weights |= {"people": 60.0, "sharing": 20.0, "installability": 20.0}
    table = scoring.score_assets(
        assets_of(["roof", "pole", "roof"]),
        {"a": reach, "b": reach},
        unmet,
        weights,
        cells=cells,
        gap_cells=np.array([[True, True, True, False], [False, True, False, True]]),
    ).set_index(["carrier_id", "asset_id"])
    a = table.loc["a"]
    assert a["people_newly_served"].tolist() == [50.0, 25.0, 0.0]
    assert a["gap_cells_closed"].tolist() == [2, 1, 1]
    # x0: all of people (60), none of sharing, a roof (20).
    # x1: half of people (30), the best for the other carrier (20), a pole (10).
    # x2: an empty gap cell: only its roof counts.
    assert a["score"].tolist() == [80.0, 60.0, 20.0]
    assert a["rank"].tolist() == [1, 2, 3]
    b = table.loc["b"]
    assert b["people_newly_served"].tolist() == [0.0, 30.0, 0.0]
    # x0 and x2 close nothing of b's gap and earn nothing, though x0 would help a.
    assert b["score"].tolist() == [0.0, 60.0 + 20.0 + 10.0, 0.0]
    assert "未充足人口30人" in b.loc["x1", "reason_ja"]
    assert b.loc["x0", "reason_en"] == "Closes nothing of the carrier's gap"


def random_case(
    seed: int,
) -> tuple[pd.DataFrame, dict[tuple[str, str], sparse.csr_array], np.ndarray, gpd.GeoDataFrame]:
    rng = np.random.default_rng(seed)
    n_assets, n_cells = 40, 300
    people = rng.uniform(0, 30, n_cells)
    cells = cells_of(people, rng.choice(["13101", "13102", "13103"], n_cells).tolist())
    footprints = {
        (carrier, band): sparse.random_array(
            (n_assets, n_cells), density=0.08, rng=rng, format="csr"
        ).astype(bool)
        for carrier in ("a", "b", "c")
        for band in ("n78", "n257")
    }
    unmet = np.where(rng.random((3, n_cells)) < 0.4, people / 3, 0.0)
    assets = assets_of(rng.choice(["roof", "pole", "ground"], n_assets).tolist())
    return assets, footprints, unmet, cells


@pytest.mark.parametrize("seed", range(3))
def test_contributions_sum_to_the_score_and_counts_are_right(seed: int) -> None:
    assets, footprints, unmet, cells = random_case(seed)
    table = scoring.score_assets(assets, footprints, unmet, cells=cells)
    assert np.abs(parts_of(table).to_numpy().sum(axis=1) - table["score"]).max() < 1e-9
    assert table["score"].between(0, 100).all()
    dense = {k: v.toarray() for k, v in footprints.items()}
    for k, carrier in enumerate(("a", "b", "c")):
        own = table[table["carrier_id"] == carrier].set_index("asset_id")
        assert sorted(own["rank"]) == list(range(1, 41))
        for i, asset in enumerate(assets.index):
            reached = dense[carrier, "n78"][i] | dense[carrier, "n257"][i]
            people = sum(unmet[k, j] for j in range(300) if reached[j])
            assert own.loc[asset, "people_newly_served"] == pytest.approx(people, rel=1e-12)
            assert own.loc[asset, "gap_cells_closed"] == (reached & (unmet[k] > 0)).sum()


def test_the_order_of_assets_does_not_matter() -> None:
    assets, footprints, unmet, cells = random_case(5)
    turned = np.arange(len(assets))[::-1]
    one = scoring.score_assets(assets, footprints, unmet, cells=cells)
    two = scoring.score_assets(
        assets.iloc[turned], {k: v[turned] for k, v in footprints.items()}, unmet, cells=cells
    )
    keys = ["carrier_id", "asset_id"]
    a, b = (t.sort_values(keys, ignore_index=True) for t in (one, two))
    pd.testing.assert_frame_equal(a, b)


def test_footprints_in_chunks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    matrix = sparse.random_array((50, 200), density=0.1, rng=rng, format="csr").astype(bool)
    values = rng.uniform(0, 1, (200, 2))
    whole = scoring.sums(matrix, values)
    monkeypatch.setattr(scoring.values, "_CHUNK", 7)
    assert np.allclose(scoring.sums(matrix, values), whole, rtol=1e-14)


def test_equity_counts_only_municipalities_below_the_mean() -> None:
    cells = cells_of(np.full(4, 100.0), ["13101", "13101", "13102", "13102"])
    unmet = np.array([100.0, 50.0, 10.0, 0.0])
    # Unserved: 75 % and 5 %, 40 % together: (0.75 - 0.4) / 0.6.
    got = gaps.deficit(cells, unmet, 1.0)
    assert got == pytest.approx([0.35 / 0.6] * 2 + [0.0] * 2)
    assert gaps.deficit(cells, np.full(4, 100.0), 1.0).tolist() == [0.0] * 4


def test_priority_places_count_by_priority() -> None:
    assets, footprints, unmet, cells = random_case(2)
    places = np.zeros(len(cells))
    places[:50] = 2.0
    only = {**dict.fromkeys(scoring.DEFAULT_WEIGHTS, 0.0), "places": 1.0}
    table = scoring.score_assets(assets, footprints, unmet, only, cells=cells, places=places)
    own = table[table["carrier_id"] == "a"].set_index("asset_id")
    reached = (footprints["a", "n78"] + footprints["a", "n257"]).toarray()
    expected = 2.0 * (reached & (unmet[0] > 0))[:, :50].sum(axis=1)
    assert own["contribution_places"].to_numpy() == pytest.approx(100 * expected / expected.max())


def test_the_scorer_is_a_scikit_learn_transformer() -> None:
    X = pd.DataFrame({"people": [1.0, 3.0, 2.0], "sharing": [5.0, 0.0, 5.0]})
    scorer = clone(scoring.SiteScorer({"people": 1.0, "sharing": 1.0}))
    out = make_pipeline(FunctionTransformer(), scorer).fit_transform(X)
    assert out["score"].to_numpy() == pytest.approx([50 / 3 + 50, 50.0, 100 / 3 + 50])
    names = ["people", "sharing"]
    plain = scoring.SiteScorer({"people": 1.0, "sharing": 1.0}, names).fit(X.to_numpy())
    assert np.allclose(plain.transform(X.to_numpy()), out.to_numpy())
    assert scorer.get_params()["weights"] == {"people": 1.0, "sharing": 1.0}


def test_weights_are_checked_all_at_once() -> None:
    with pytest.raises(InputError) as caught:
        scoring.resolve_weights({"people": -1.0, "beauty": 1.0, "area": float("nan")})
    assert len(caught.value.problems) == 3
    with pytest.raises(InputError, match="zero"):
        scoring.resolve_weights(dict.fromkeys(scoring.DEFAULT_WEIGHTS, 0.0))


def test_matrices_of_the_wrong_shape_are_refused() -> None:
    assets, footprints, unmet, cells = random_case(0)
    with pytest.raises(InputError, match="differs"):
        scoring.score_assets(assets.iloc[:-1], footprints, unmet, cells=cells)
    with pytest.raises(InputError, match="carriers or cells differs"):
        scoring.score_assets(assets, footprints, unmet[:2], cells=cells)


def test_stability_is_certain_where_one_asset_is_best_in_everything() -> None:
    assets, footprints, unmet, cells = random_case(4)
    table = scoring.score_assets(assets, footprints, unmet, cells=cells)
    often = scoring.stability(table, 10, samples=200)
    assert often.between(0, 1).all()
    per_carrier = often.groupby(table["carrier_id"]).sum()
    assert per_carrier.to_numpy() == pytest.approx([10.0] * 3)
    never_moved = scoring.stability(table, 10, samples=50, spread=0.0)
    assert (never_moved == (table["rank"] <= 10)).all()
    assert often[table["rank"] == 1].min() > often[table["rank"] == 20].max()


def test_quality_lift_by_hand() -> None:
    levels = -150.5 + 0.5 * np.arange(256.0)
    signal = sparse.csr_array(np.array([[101, 0, 61], [121, 81, 0]], dtype=np.uint8))
    before = np.array([-110.0, np.nan, -115.0])
    people = np.array([1.0, 2.0, 3.0])
    # Site 0: -100 over -110 for 1 person; -120 below -115. Site 1: capped at -95; -110 over -125.
    got = scoring.quality_lift(signal, levels, before, people, good_dbm=-95.0)
    assert got.tolist() == [10.0, 15.0 + 30.0]


def test_the_public_score_counts_all_carriers() -> None:
    assets, footprints, unmet, cells = random_case(7)
    each = scoring.score_assets(assets, footprints, unmet, cells=cells)
    public = scoring.score_public(assets, footprints, unmet, cells=cells).set_index("asset_id")
    people = each.groupby("asset_id")["people_newly_served"].sum()
    closed = each.groupby("asset_id")["gap_cells_closed"].sum()
    assert set(public["carrier_id"]) == {"public"}
    assert public["people_newly_served"].to_numpy() == pytest.approx(people[public.index])
    assert (public["gap_cells_closed"] == closed[public.index]).all()
    total = parts_of(public).to_numpy().sum(axis=1)
    assert np.abs(total - public["score"]).max() < 1e-9


def test_what_a_site_withstands() -> None:
    assets = assets_of(["roof"] * 4)
    assert scoring.endurance(assets) is None
    assets["backup_hours"] = [np.nan, 3.0, 24.0, 72.0]
    assets["flood_depth_m"] = [2.0, 2.0, np.nan, 0.0]
    assert scoring.endurance(assets) == pytest.approx([0.0, 2 / 24, 2 / 3, 1.0])


def test_a_second_cover_and_neighbours_that_fail_against_a_recount() -> None:
    rng = np.random.default_rng(3)
    reach = sparse.random_array((12, 200), density=0.2, rng=rng, format="csr").astype(bool)
    network = sparse.random_array((9, 200), density=0.15, rng=rng, format="csr").astype(bool)
    customers = rng.uniform(0, 5, 200)
    assets, sites = rng.uniform(0, 1000, (12, 2)), rng.uniform(0, 1000, (9, 2))
    depth = network.toarray().sum(axis=0)
    twice = scoring.second_cover(reach, depth, customers)
    kept = scoring.kept_if_neighbours_fail(reach, assets, network, sites, customers, 400.0)
    assert kept.max() > 0
    for i in range(12):
        mine = reach.toarray()[i]
        assert twice[i] == pytest.approx(customers[mine & (depth == 1)].sum())
        stands = np.hypot(*(sites - assets[i]).T) > 400.0
        left = network.toarray()[stands].sum(axis=0)
        assert kept[i] == pytest.approx(customers[mine & (depth > 0) & (left == 0)].sum())
    nothing = sparse.csr_array((0, 200), dtype=bool)
    none = scoring.kept_if_neighbours_fail(reach, assets, nothing, np.zeros((0, 2)), customers)
    assert none.tolist() == [0.0] * 12


def test_power_fibre_exposure_and_cost() -> None:
    assets = assets_of(["roof", "roof", "pole", "ground"])
    plain = scoring.installability(assets)
    assets["power"] = ["無", "あり", None, "なし"]
    fenced = np.array([False, True, False, False])
    got = scoring.installability(assets, fenced)
    assert (got / plain).tolist() == pytest.approx([0.7, 0.8, 1.0, 0.7])
    assets["fibre"] = ["あり", "なし", None, "光"]
    assert scoring.endurance(assets) == pytest.approx([0.25, 0.0, 0.0, 0.25])
    costs = {"roof": 8.0, "pole": 2.0}
    assert scoring.cheapness(assets, costs) == pytest.approx([0.25, 0.25, 1.0, 0.0])
    assert scoring.cheapness(assets, {}) is None


def test_what_was_measured_stands_beside_the_points() -> None:
    assets, footprints, unmet, cells = random_case(3)
    rng = np.random.default_rng(0)
    lift = {carrier: rng.uniform(0, 9, len(assets)) for carrier in "abc"}
    table = scoring.score_assets(
        assets,
        footprints,
        unmet,
        cells=cells,
        daytime=2.0 * unmet,
        more={"quality": lift},
        same={"cost": np.full(len(assets), 0.5)},
    )
    assert np.abs(parts_of(table).to_numpy().sum(axis=1) - table["score"]).max() < 1e-9
    assert table["daytime_people_newly_served"].to_numpy() == pytest.approx(
        2.0 * table["people_newly_served"].to_numpy()
    )
    for carrier, values in lift.items():
        own = table[table["carrier_id"] == carrier].set_index("asset_id")
        assert own.loc[assets.index, "people_db_lifted"].to_numpy() == pytest.approx(values)
    assert table["people_given_second_cover"].isna().all()  # nobody has measured it
    assert (table["contribution_second_cover"] == 0).all()
    assert table["contribution_cost"].max() > 0
