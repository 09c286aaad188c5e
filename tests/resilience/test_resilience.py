"""Failures counted by hand, and against taking sites away one by one."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from scipy import sparse

from tdh import resilience
from tdh.errors import InputError

FOOT = sparse.csr_array(
    np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 1, 0]], dtype=bool)
)
IDS = pd.Index(["a", "b", "c", "d"])
PEOPLE = np.array([10.0, 20.0, 40.0, 80.0])


def test_by_hand() -> None:
    assert resilience.depth(FOOT).tolist() == [1, 2, 2, 0]
    lost = resilience.single_failures(FOOT, IDS, {"people": PEOPLE})
    assert lost["people_lost"].to_dict() == {"a": 10.0, "b": 0.0, "c": 0.0, "d": 0.0}
    assert lost.index[0] == "a"
    both = resilience.outage(FOOT, IDS, np.array([False, True, False, True]), {"people": PEOPLE})
    assert both.lost.tolist() == [False, False, True, False]
    assert both.totals == {"people": (70.0, 40.0)}
    assert list(both.failed) == ["b", "d"]


def test_single_failures_against_taking_each_site_away() -> None:
    rng = np.random.default_rng(0)
    matrix = sparse.random_array((30, 400), density=0.04, rng=rng, format="csr").astype(bool)
    people = rng.uniform(0, 10, 400)
    ids = pd.Index([f"s{i}" for i in range(30)])
    lost = resilience.single_failures(matrix, ids, {"people": people})
    for i, name in enumerate(ids):
        failed = np.arange(30) == i
        one = resilience.outage(matrix, ids, failed, {"people": people})
        assert lost.loc[name, "people_lost"] == pytest.approx(one.totals["people"][1])
        assert lost.loc[name, "cells_lost"] == one.lost.sum()


def test_what_fails() -> None:
    sites = gpd.GeoDataFrame(
        {
            "backup_hours": [np.nan, 3.0, 24.0, 72.0],
            "flood_depth_m": [2.0, 2.0, np.nan, 0.0],
            "placement": ["roof", "pole", "pole", "ground"],
        },
        geometry=gpd.points_from_xy([0, 1, 2, 3], [0, 0, 0, 0]),
        crs="EPSG:6677",
    )
    assert resilience.without_backup(sites, 24).tolist() == [True, True, False, False]
    assert resilience.without_backup(sites, 24, False).tolist() == [False, True, False, False]
    assert resilience.below_flood(sites).tolist() == [False, True, False, False]
    area = gpd.GeoSeries([shapely.box(0.5, -1, 2.5, 1)], crs="EPSG:6677")
    assert resilience.in_district(sites, area).tolist() == [False, True, True, False]


def test_which_assets_keep_places_connected() -> None:
    """All fail; places in cells 1 and 2: b serves both, then a or d gives the second cover."""
    places = np.array([0.0, 1.0, 3.0, 5.0])
    everything = np.ones(4, dtype=bool)
    chosen = resilience.keep_connected(FOOT, IDS, everything, places)
    assert chosen["site_id"].tolist() == ["b"]
    assert chosen["gained"].tolist() == [4.0]
    twice = resilience.keep_connected(FOOT, IDS, everything, places, fold=2)
    assert twice["site_id"].tolist() == ["b", "d", "a"]
    assert twice["gained"].tolist() == [4.0, 3.0, 1.0]
    nothing = resilience.keep_connected(FOOT, IDS, ~everything, places)
    assert nothing.empty


def test_sites_of_another_number_are_refused() -> None:
    with pytest.raises(InputError, match="number"):
        resilience.depth(FOOT, np.ones(3, dtype=bool))
