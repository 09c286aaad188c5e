"""JIS X 0410: published check values, round trips, neighbours that meet."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdh import mesh
from tdh.errors import DomainError

LEVELS = list(mesh.SIZE_IN_EIGHTHS)
CHECKS = {
    4: "5339",
    6: "533945",
    8: "53394525",
    9: "533945253",
    10: "5339452532",
    11: "53394525323",
}


@pytest.mark.parametrize("digits", LEVELS)
def test_check_values(digits: int) -> None:
    assert str(mesh.from_lonlat(139.6917, 35.6895, digits)) == CHECKS[digits]


def test_third_order_by_the_textbook_formula() -> None:
    """Third-order meshes by the standard's own steps, minute by minute, at random places."""
    rng = np.random.default_rng(0)
    lat, lon = rng.uniform(20, 46, 2000), rng.uniform(122, 154, 2000)
    for code, y, x in zip(mesh.from_lonlat(lon, lat, 8), lat, lon, strict=True):
        p, a = divmod(y * 60, 40)
        q, b = divmod(a, 5)
        r = (b * 60) // 30
        u, f = divmod(x - 100, 1)
        v, g = divmod(f * 60, 7.5)
        w = (g * 60) // 45
        assert code == f"{int(p):02}{int(u):02}{int(q)}{int(v)}{int(r)}{int(w)}"


@given(st.floats(20, 46), st.floats(122, 153.9), st.sampled_from(LEVELS))
def test_a_point_lies_in_its_mesh(lat: float, lon: float, digits: int) -> None:
    code = mesh.from_lonlat(lon, lat, digits)
    west, south, east, north = mesh.bounds([str(code)])[0]
    tiny = 1e-9
    assert west - tiny <= lon <= east + tiny
    assert south - tiny <= lat <= north + tiny


@pytest.mark.parametrize("digits", LEVELS)
def test_centres_and_south_west_corners_come_back(digits: int) -> None:
    rng = np.random.default_rng(digits)
    codes = mesh.from_lonlat(rng.uniform(122, 154, 500), rng.uniform(20, 46, 500), digits)
    assert (mesh.from_lonlat(*mesh.to_lonlat(codes), digits) == codes).all()
    west, south, _, _ = mesh.bounds(codes).T
    assert (mesh.from_lonlat(west, south, digits) == codes).all()
    assert mesh.valid(codes).all()


def test_decimal_borders_fall_north_and_east() -> None:
    # 35.675 N is a border of third-order meshes (35 + 81/120); 139.7 E is 139 + 56/80.
    assert str(mesh.from_lonlat(139.7, 35.675, 8)) == "53394516"


@pytest.mark.parametrize(("above", "below"), [(4, 6), (6, 8), (8, 9), (8, 11), (9, 10)])
def test_children_tile_their_parent(above: int, below: int) -> None:
    parent = CHECKS[above]
    parts = mesh.children([parent], below)[0]
    assert np.unique(parts).size == parts.size
    assert (mesh.parents(parts, above) == parent).all()
    west, south, east, north = mesh.bounds(parts).T
    whole = mesh.bounds([parent])[0]
    assert np.allclose([west.min(), south.min(), east.max(), north.max()], whole, atol=1e-12)
    area = ((east - west) * (north - south)).sum()
    assert area == pytest.approx((whole[2] - whole[0]) * (whole[3] - whole[1]), rel=1e-12)


def test_polygons_are_indexed_and_projected() -> None:
    metres = mesh.polygons(["533945253", "533945254"], "EPSG:6677")
    assert list(metres.index) == ["533945253", "533945254"]
    assert metres.area.between(2.0e5, 3.0e5).all()  # about 463 m by 565 m
    assert metres.iloc[0].intersection(metres.iloc[1]).length == pytest.approx(463, abs=2)


def test_every_bad_code_is_refused_and_counted() -> None:
    bad = ["53394", "533985", "53394525a", "533945250", "533945255", "", "５３３９", "-339"]
    assert not mesh.valid(bad).any()
    with pytest.raises(DomainError, match="8 values"):
        mesh.bounds(["5339", *bad])


def test_swapped_coordinates_and_unknown_levels_are_refused() -> None:
    with pytest.raises(DomainError, match="swapped"):
        mesh.from_lonlat([35.0], [139.0])
    with pytest.raises(DomainError, match="level"):
        mesh.from_lonlat(139.0, 35.0, 7)
    with pytest.raises(DomainError, match="no parent"):
        mesh.parents(["5339"], 8)
    with pytest.raises(DomainError, match="one level"):
        mesh.children(["5339", "533945"], 8)


def test_empty_in_empty_out() -> None:
    assert mesh.bounds([]).shape == (0, 4)
    assert mesh.from_lonlat([], [], 9).shape == (0,)
