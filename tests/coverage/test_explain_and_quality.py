"""One link against the whole computation; probability, overlap and SINR against simple counts."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from scipy.stats import norm

from tdh import coverage
from tdh.coverage import Coverage, Model, Shadowing, explain_link
from tdh.errors import DomainError, InputError
from tdh.grid import Grid
from tdh.language import speaking
from tdh.radio import bands
from tdh.surface import Surface


@pytest.mark.parametrize("band", ["n78", "n257"])
@pytest.mark.parametrize("with_surface", [True, False])
def test_a_link_says_what_coverage_computed(
    sites: gpd.GeoDataFrame, town: Surface, cells: gpd.GeoDataFrame, plan_grid: Grid,
    band: str, with_surface: bool,
) -> None:  # fmt: skip
    surface = town if with_surface else None
    model = Model(rain_rate_mm_h=30.0, nlos_offset_db=1.0, own_building_m=30.0)
    got = coverage.compute(
        sites, surface, cells, bands.get(band), grid=plan_grid, model=model, floor_dbm=-150
    )
    points = coverage.receivers(cells, surface, plan_grid).points
    rng = np.random.default_rng(2)
    for s in rng.choice(len(sites), 12, replace=False):
        columns = got.signal[[s]].indices
        for k in rng.choice(columns, 8, replace=False):
            link = explain_link(
                sites, sites.index[s], *points[k, :2], surface, bands.get(band), model=model
            )
            stored = -150.5 + 0.5 * float(got.signal[s, k])
            tolerance = 0.2501 if with_surface else 0.6  # without: tables in steps of 1 and 10 m
            assert abs(link.rsrp_dbm - stored) <= tolerance
            total = sum(line.value for line in link.lines if line.counts)
            assert total == pytest.approx(link.rsrp_dbm, abs=1e-9)


def test_a_blocked_link_names_its_edge(plan_grid: Grid) -> None:
    grid = Grid.around(plan_grid.bounds, 4.0, plan_grid.crs)
    building = np.zeros(grid.shape, dtype=np.float32)
    building[:, 100:102] = 40.0  # a wall 8 m thick, 400 m from the west
    wall = Surface(grid, building)
    site = gpd.GeoDataFrame(
        {"antenna_height_agl_m": [20.0]},
        geometry=gpd.points_from_xy([-14702.0], [-35602.0]), crs=plan_grid.crs, index=["a"],
    )  # fmt: skip
    near = explain_link(site, "a", -14650.0, -35602.0, wall, bands.get("n78"))
    assert near.line_of_sight and near.edge is None
    far = explain_link(site, "a", -14500.0, -35602.0, wall, bands.get("n78"))
    assert far.line_of_sight is False
    assert far.edge is not None
    assert far.edge.distance_m == pytest.approx(106, abs=5)
    assert far.edge.top_m == 40.0
    assert far.profile is not None and far.profile.top_m.max() == 40.0
    assert far.rsrp_dbm < near.rsrp_dbm
    inside = explain_link(site, "a", -14598.0, -35602.0, wall, bands.get("n78"))
    assert inside.indoors
    assert any("P.2109" in line.clause for line in inside.lines)


def test_a_link_speaks_both_languages_and_json(sites: gpd.GeoDataFrame, town: Surface) -> None:
    point = sites.geometry.iloc[1]
    link = explain_link(sites, sites.index[1], point.x + 90, point.y, town, bands.get("n78"))
    with speaking("ja"):
        assert "見通し" in json.dumps(link.to_dict(), ensure_ascii=False)
    assert "line of sight" in json.dumps(link.to_dict("en"))


def test_the_profile_is_a_picture_that_asks_nobody(sites: gpd.GeoDataFrame, town: Surface) -> None:
    point = sites.geometry.iloc[1]
    evil = sites.rename(index={sites.index[1]: "<script>alert(1)</script>"})
    for dx in (15.0, 300.0):
        link = explain_link(evil, evil.index[1], point.x - dx, point.y + 5, town, bands.get("n78"))
        picture = coverage.profile_svg(link, language="ja")
        root = ElementTree.fromstring(picture)
        assert root.tag.endswith("svg")
        assert "<script" not in picture and "href" not in picture
        assert ("見通し内" in picture) == link.line_of_sight
    bare = explain_link(sites, sites.index[1], point.x, point.y + 50, None, bands.get("n78"))
    with pytest.raises(InputError, match="profile"):
        coverage.profile_svg(bare)


def test_links_that_cannot_be_are_refused(sites: gpd.GeoDataFrame, town: Surface) -> None:
    with pytest.raises(InputError, match="no such site"):
        explain_link(sites, "nowhere", 0, 0, town, bands.get("n78"))
    pole = sites.index[sites["placement"] == "pole"][0]
    with pytest.raises(InputError, match="not used"):
        explain_link(sites, pole, 0, 0, town, bands.get("n28"))


def made(rows: list[list[int]], seen: bool = True) -> Coverage:
    signal = csr_array(np.array(rows, dtype=np.uint8))
    return Coverage(
        bands.get("n78"),
        pd.Index([f"s{i}" for i in range(signal.shape[0])]),
        pd.Index([f"c{i}" for i in range(signal.shape[1])]),
        signal,
        np.full(signal.nnz, seen),
    )


def test_one_site_s_probability_is_phi() -> None:
    got = coverage.probability_covered(made([[81, 89, 0, 41]], seen=False))
    wanted = norm.cdf(np.array([0, 4, -np.inf, -20]) / 6.0)
    np.testing.assert_allclose(got, wanted, atol=2e-3)


def test_more_sites_are_more_probable_and_correlation_takes_some_back() -> None:
    one = coverage.probability_covered(made([[81, 60]]))
    two = coverage.probability_covered(made([[81, 60], [81, 60]]))
    free = coverage.probability_covered(
        made([[81, 60], [81, 60]]), shadowing=Shadowing(correlation=0.0)
    )
    assert (two > one).all()
    assert free[0] == pytest.approx(0.75, abs=1e-6)
    assert one[0] < two[0] < free[0]
    # Two standard normals of correlation 1/2: both fail with probability 1/3.
    assert two[0] == pytest.approx(2 / 3, abs=0.01)


def test_overlap_counts_sites_near_the_best() -> None:
    got = coverage.overlap(made([[101, 101, 70], [95, 88, 0], [90, 0, 0]]), within_db=6.0)
    assert got.tolist() == [3, 1, 0]


def test_sinr_against_a_count_by_hand() -> None:
    got = coverage.sinr_db(made([[101, 101, 0], [101, 0, 0]]), load=0.5, noise_figure_db=7.0)
    noise = -174 + 10 * np.log10(30e3) + 7
    assert got[0] == pytest.approx(10 * np.log10(1 / (0.5 + 10 ** ((noise + 100) / 10))), abs=1e-3)
    assert got[1] == pytest.approx(-100 - noise, abs=1e-3)
    assert np.isnan(got[2])


def test_impossible_shadowing_is_refused() -> None:
    with pytest.raises(DomainError):
        Shadowing(correlation=1.0)
