"""3D Tiles: the shape, the place and the colour of buildings, read back from the bytes."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from pyproj import Transformer

from tdh import reports
from tdh.errors import InputError
from tdh.reports import tiles3d

KINDS = {5126: np.float32, 5121: np.uint8, 5125: np.uint32}
WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}


def parse(content: bytes) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The JSON and the accessors of a binary glTF."""
    magic, version, size = struct.unpack_from("<4sII", content)
    assert (magic, version, size) == (b"glTF", 2, len(content))
    length, kind = struct.unpack_from("<I4s", content, 12)
    assert kind == b"JSON" and length % 4 == 0
    document = json.loads(content[20 : 20 + length])
    binary = content[20 + length + 8 :]
    assert struct.unpack_from("<I4s", content, 20 + length) == (len(binary), b"BIN\0")
    arrays = []
    for accessor in document["accessors"]:
        view = document["bufferViews"][accessor["bufferView"]]
        kind, width = KINDS[accessor["componentType"]], WIDTHS[accessor["type"]]
        assert view["byteOffset"] % np.dtype(kind).itemsize == 0
        raw = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        array = np.frombuffer(raw, kind).reshape(-1, width)
        assert len(array) == accessor["count"]
        arrays.append(array)
    return document, arrays


@pytest.fixture
def houses(fake_run: Any) -> gpd.GeoDataFrame:
    """A box and an L with a court, in the middle of the area."""
    left, bottom, right, top = fake_run.grid.bounds
    x, y = (left + right) / 2, (bottom + top) / 2
    court = shapely.box(x + 60, y + 10, x + 70, y + 20)
    block = shapely.box(x + 50, y, x + 90, y + 30).difference(court)
    corner = shapely.box(x + 75, y + 30, x + 90, y + 60)
    shapes = [shapely.box(x, y, x + 20, y + 10), shapely.union(block, corner)]
    return gpd.GeoDataFrame({"height_m": [12.0, 30.0]}, geometry=shapes, crs=fake_run.crs)


def test_volume_and_outward_normals(
    fake_run: Any, houses: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    reports.write_3d_tiles(fake_run, tmp_path, houses, "docomo")
    document, (xyz, normals, _, faces) = parse((tmp_path / "0.glb").read_bytes())
    assert document["accessors"][0]["min"] == xyz.min(0).tolist()
    a, b, c = (xyz[faces.ravel()[k::3]].astype(float) for k in range(3))
    area_vectors = np.cross(b - a, c - a) / 2
    unit = area_vectors / np.linalg.norm(area_vectors, axis=1)[:, None]
    assert np.allclose((unit * normals[faces.ravel()[::3]]).sum(1), 1, atol=1e-3)
    # Without a floor: the divergence theorem with heights from the ground.
    up = (a[:, 1] + b[:, 1] + c[:, 1]) / 3 - xyz[:, 1].min()
    volume = (area_vectors[:, 1] * up).sum()
    expected = (houses.area * houses["height_m"]).sum()
    assert volume == pytest.approx(expected, rel=2e-3)  # the plane scales lengths by 0.9999


def test_buildings_stand_where_they_should(
    fake_run: Any, houses: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    houses["ground"] = 5.0
    reports.write_3d_tiles(fake_run, tmp_path, houses, "docomo", ground="ground", geoid_m=36.7)
    tileset = json.loads((tmp_path / "tileset.json").read_text(encoding="utf-8"))
    tile = tileset["root"]["children"][0]
    _, (xyz, *_) = parse((tmp_path / tile["content"]["uri"]).read_bytes())
    matrix = np.array(tile["transform"]).reshape(4, 4).T
    turned = np.column_stack([xyz[:, 0], -xyz[:, 2], xyz[:, 1], np.ones(len(xyz))])
    earth = (turned @ matrix.T)[:, :3]
    lon, lat, up = Transformer.from_crs("EPSG:4978", "EPSG:4979", always_xy=True).transform(
        *earth.T
    )
    assert up.min() == pytest.approx(41.7, abs=0.01)
    assert up.max() == pytest.approx(71.7, abs=0.01)
    x, y = Transformer.from_crs("EPSG:6668", fake_run.crs, always_xy=True).transform(lon, lat)
    corners = shapely.get_coordinates(houses.geometry.to_numpy())
    nearest = np.hypot(x[:, None] - corners[:, 0], y[:, None] - corners[:, 1]).min(axis=1)
    assert nearest.max() < 0.02
    *around, low, high = tile["boundingVolume"]["region"]
    lon, lat = np.radians(lon), np.radians(lat)
    assert around == pytest.approx([lon.min(), lat.min(), lon.max(), lat.max()], abs=1e-9)
    assert (low, high) == pytest.approx((41.7, 71.7))
    assert tileset["asset"]["version"] == "1.1"
    assert any("架空" in text for text in tileset["asset"]["extras"]["notices"])


def test_colours_follow_the_signal(fake_run: Any, tmp_path: Path) -> None:
    cells = fake_run.cells.iloc[::97]
    shapes = cells.geometry.buffer(4, cap_style="square")
    frame = gpd.GeoDataFrame(
        {"height_m": [9.0] * len(shapes)}, geometry=shapes.to_numpy(), crs=fake_run.crs
    )
    found = tiles3d._colours(fake_run, frame, "kddi", "before")
    margin = np.full(len(cells), -np.inf)
    for (owner, band), spec in fake_run.bands.items():
        if owner == "kddi":
            signal = fake_run.signal(owner, band, "before")[cells["row"], cells["col"]]
            margin = np.fmax(margin, signal - spec.covered_dbm)
    assert (found == tiles3d.margin_colours(margin)).all()
    served = margin >= 0
    assert (found[served, 2] > found[served, 0]).all()
    weak = (margin < 0) & np.isfinite(margin)
    assert (found[weak, 0] > found[weak, 2]).all()


def test_many_buildings_are_cut_into_tiles(fake_run: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(tiles3d, "MOST_BUILDINGS", 20)
    shapes = fake_run.assets.geometry.iloc[:150].buffer(3)
    frame = gpd.GeoDataFrame(
        {"height_m": [7.0] * len(shapes)}, geometry=shapes.to_numpy(), crs=fake_run.crs
    )
    reports.write_3d_tiles(fake_run, tmp_path, frame.to_crs("EPSG:4326"), "docomo")
    tiles = json.loads((tmp_path / "tileset.json").read_text(encoding="utf-8"))["root"]["children"]
    roofs = 0
    for tile in tiles:
        _, (_, normals, _, _) = parse((tmp_path / tile["content"]["uri"]).read_bytes())
        roofs += int((normals[:, 1] > 0.9).sum())
    each = len(shapely.get_parts(shapely.constrained_delaunay_triangles(frame.geometry.iloc[0])))
    assert roofs == pytest.approx(150 * 3 * each, rel=0.01)
    assert len(tiles) > 7


def test_files_of_buildings(houses: gpd.GeoDataFrame, tmp_path: Path) -> None:
    houses.rename(columns={"height_m": "measuredHeight"}).to_file(tmp_path / "a.gpkg")
    assert reports.read_buildings(tmp_path / "a.gpkg")["height_m"].tolist() == [12.0, 30.0]
    houses[["geometry"]].to_file(tmp_path / "b.gpkg")
    with pytest.raises(InputError, match="heights"):
        reports.read_buildings(tmp_path / "b.gpkg")
    (tmp_path / "c.gpkg").write_text("nothing")
    with pytest.raises(InputError, match="cannot be read"):
        reports.read_buildings(tmp_path / "c.gpkg")


def test_wrong_requests(fake_run: Any, houses: gpd.GeoDataFrame, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such carrier"):
        reports.write_3d_tiles(fake_run, tmp_path / "x", houses, "nobody")
    with pytest.raises(InputError, match="no column of heights"):
        reports.write_3d_tiles(fake_run, tmp_path / "x", houses[["geometry"]], "docomo")
    far = houses.translate(1e6, 0)
    with pytest.raises(InputError, match="no building"):
        reports.write_3d_tiles(fake_run, tmp_path / "x", houses.set_geometry(far), "docomo")
    assert not (tmp_path / "x").exists()


def test_roofs_show_the_legend_s_colours_by_day_and_by_night(
    fake_run: Any, houses: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    reports.write_3d_tiles(fake_run, tmp_path, houses, "docomo")
    document, (xyz, normals, colours, _) = parse((tmp_path / "0.glb").read_bytes())
    # Without it the viewer's sun decides what a colour says.
    assert "KHR_materials_unlit" in document["extensionsUsed"]
    assert "KHR_materials_unlit" in document["materials"][0]["extensions"]
    linear = colours[:, :3] / 255
    shown = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    expected = tiles3d._colours(fake_run, houses, "docomo", "after") / 255
    roof = normals[:, 1] > 0.9
    for house, tall in zip(expected, (12.0, 30.0), strict=True):
        mine = roof & (abs(xyz[:, 1] - xyz[:, 1].min() - tall) < 0.5)
        assert mine.any()
        assert shown[mine] == pytest.approx(np.tile(house, (mine.sum(), 1)), abs=0.03)
    # Walls are darker, and not all alike, so that shapes are seen.
    assert shown[~roof].max() < shown[roof].max()
    assert len(np.unique(colours[~roof], axis=0)) >= 4
