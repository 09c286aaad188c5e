"""Municipality, height and placement are filled in and marked; nothing stated is overwritten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from tdh import inventory, schemas

Write = Callable[..., Path]
HEADER = "名称,住所,緯度,経度,高さ\n"


class FlatBlocks:
    """A surface with one building of 30 m, a square of 40 m side around a point."""

    def __init__(self, x: float, y: float) -> None:
        self.centre = (x, y)

    def building_height_m(self, x: np.ndarray, y: np.ndarray, radius_m: float = 0.0) -> np.ndarray:
        """30 m where the square is within the radius, else 0."""
        away = np.maximum(np.abs(x - self.centre[0]), np.abs(y - self.centre[1])) - 20
        return np.where(away <= radius_m, 30.0, 0.0)


def squares(*centres: tuple[str, str, float, float]) -> gpd.GeoDataFrame:
    """Municipalities of 4 km side around points in plane coordinates."""
    frame = gpd.GeoDataFrame(
        {
            "municipality_code": [c for c, *_ in centres],
            "municipality": [n for _, n, *_ in centres],
            "geometry": [
                shapely.box(x - 2000, y - 2000, x + 2000, y + 2000) for *_, x, y in centres
            ],
        },
        crs="EPSG:6677",
    )
    return schemas.conform(frame, "municipalities")


def test_heights_from_register_surface_and_defaults(write: Write) -> None:
    path = write(
        "a.csv",
        HEADER + "東会館,,35.661111,139.701111,\n西会館,,35.671111,139.711111,\n"
        "南会館,,35.661111,139.701111,28\n北公園,,35.661111,139.701111,\n中街路灯,,35.66,139.7,6\n"
        "上消火栓,,35.66,139.7,\n下会館,,35.661111,139.701111,8\n",
    )
    assets = inventory.read_assets(path).assets
    surface = FlatBlocks(*assets.geometry.iloc[0].coords[0])
    done, found = inventory.complete(assets, surface)
    by_name = done.set_index("name")
    assert by_name["height_source"].fillna("").to_dict() == {
        "東会館": "surface", "西会館": "default", "南会館": "register", "北公園": "",
        "中街路灯": "register", "上消火栓": "", "下会館": "register",
    }  # fmt: skip
    assert by_name["height_agl_m"]["東会館"] == 30
    assert by_name["mounting_height_m"]["東会館"] == 33  # a mast of 3 m on the roof
    assert by_name["mounting_height_m"]["中街路灯"] == 6
    assert by_name["mounting_height_m"]["北公園"] == 15  # a new pole
    assert np.isnan(by_name["mounting_height_m"]["上消火栓"])
    assert by_name["placement"]["上消火栓"] == "none"
    counts = found["rule"].value_counts()
    assert counts["height_differs"] == 1  # 8 m in the register, 30 m on the surface: flagged, kept
    assert by_name["height_agl_m"]["下会館"] == 8
    assert set(found["source"]) == {"a.csv"}
    assert assets["height_agl_m"].isna().sum() == 4  # the input is not changed


def test_municipality_of_the_point(write: Write) -> None:
    path = write(
        "a.csv",
        HEADER + "東会館,,35.661111,139.701111,\n西会館,港区芝1,35.661111,139.701111,\n"
        "南会館,渋谷区神南1,35.661111,139.701111,\n北会館,,35.9,139.1,\n",
    )
    assets = inventory.read_assets(path).assets
    x, y = assets.geometry.iloc[0].coords[0]
    areas = squares(("13113", "渋谷区", x, y), ("13103", "港区", x + 9000, y))
    done, found = inventory.complete(assets, None, areas)
    codes = done.set_index("name")["municipality_code"]
    assert codes["東会館"] == "13113"
    assert codes["西会館"] == "13113"  # the point says so; that the address differs is a finding
    rows = found[found["source_row"] > 0].set_index("source_row")
    assert rows["rule"].to_dict() == {2: "municipality_differs", 4: "outside_municipalities"}
    assert rows["before"][2] == "港区" and rows["after"][2] == "渋谷区"


def test_points_near_the_boundary_belong_where_their_record_says(write: Write) -> None:
    path = write("a.csv", HEADER + "東会館,港区芝1,35.661111,139.701111,\n")
    assets = inventory.read_assets(path).assets
    x, y = assets.geometry.iloc[0].coords[0]
    areas = squares(("13113", "渋谷区", x - 1900, y), ("13103", "港区", x + 2100, y))
    done, found = inventory.complete(assets, None, areas)
    assert done["municipality"].tolist() == ["港区"]
    assert (found["source_row"] == 0).all()


def test_other_systems_and_no_assets(write: Write) -> None:
    path = write("a.csv", HEADER + "東会館,,35.661111,139.701111,\n")
    assets = inventory.read_assets(path).assets
    areas = squares(("13113", "渋谷区", *assets.geometry.iloc[0].coords[0])).to_crs("EPSG:6668")
    done, _ = inventory.complete(assets, None, areas)
    assert done["municipality_code"].tolist() == ["13113"]
    nothing, found = inventory.complete(assets.iloc[:0], FlatBlocks(0, 0), areas)
    assert nothing.empty and found.empty


def test_concat_keeps_identifiers_unique(write: Write, tmp_path: Path) -> None:
    text = HEADER + "東会館,,35.661111,139.701111,\n西会館,港区芝1,,,\n南,,,,x\n"
    (tmp_path / "b").mkdir()
    one, two = write("a.csv", text), write("b/a.csv", text)
    registers = [inventory.read_assets(one), inventory.read_assets(two)]
    both = inventory.concat(registers)
    assert both.rows == 6
    assert both.assets.index.tolist() == ["a-1", "a-1-2"]
    assert both.needs_position.index.tolist() == ["a-2", "a-2-2"]
    assert len(both.rejected) == 2
    again = inventory.concat(registers)
    assert again.assets.index.equals(both.assets.index)


def test_geocoding_by_a_table_and_by_a_function(write: Write) -> None:
    path = write(
        "a.csv",
        HEADER
        + "東会館,東京都港区芝一丁目２番３号,,,\n西会館,港区芝9-9,,,\n南会館,港区芝5-5,35.65,139.75,\n",
    )
    register = inventory.read_assets(path)
    table = write("g.csv", "住所,緯度,経度\n港区芝1-2-3,35.655555,139.755555\n")
    placed = inventory.geocode(register, table)
    assert placed.assets["name"].tolist() == ["東会館", "南会館"]
    assert placed.assets["latitude"].iloc[0] == 35.655555
    assert placed.needs_position["name"].tolist() == ["西会館"]
    assert (placed.findings["rule"] == "geocoded").sum() == 1
    assert len(register.assets) == 1  # the input is not changed
    every = inventory.geocode(register, lambda address: (35.6, 139.7))
    assert every.needs_position.empty
    with pytest.raises(ValueError, match="lacks columns"):
        inventory.geocode(register, write("h.csv", "名称,値\na,b\n"))


def test_ambiguous_addresses_are_not_placed(write: Write) -> None:
    register = inventory.read_assets(write("a.csv", HEADER + "東会館,港区芝1-2,,,\n"))
    table = write(
        "g.csv", "住所,緯度,経度\n港区芝1-2,35.655,139.755\n東京都港区芝１－２,35.6,139.7\n"
    )
    assert inventory.geocode(register, table).assets.empty


def test_check_files_adds_up(write: Write) -> None:
    path = write("a.csv", HEADER + "東会館,,35.661111,139.701111,\n西会館,港区芝1,,,\n南,,,,x\n")
    (one,) = inventory.check_files([path])
    assert set(one) == {
        "path", "format", "encoding", "rows", "accepted", "rejected", "needs_position", "mapping",
        "findings",
    }  # fmt: skip
    assert one["rows"] == one["accepted"] + one["rejected"] + one["needs_position"] == 3
    assert one["mapping"]["name"] == "名称"
    assert one["findings"]["rejected"] == 1
    with pytest.raises(ValueError, match=r"(?s)none.csv.*empty"):
        inventory.check_files([path.parent / "none.csv", path, write("e.csv", b"")])


@pytest.mark.parametrize("language", ["en", "ja"])
def test_summaries(language: str, write: Write) -> None:
    path = write(
        "<b>.csv",
        "名称,住所,緯度,経度\n<script>公園,,139.701111,35.661111\n,,,\n東会館,港区芝1,42.1,141.3\n"
        "西会館,東京都港区芝1,42.1,141.3\n",
    )
    register = inventory.read_assets(path)
    text = inventory.summary_text(register, language)  # type: ignore[arg-type]
    assert "swapped" in text
    assert ("東京都" in text) and ("{" not in text)
    if language == "ja":
        assert "the point lies" not in text
    page = inventory.summary_html([register], language)  # type: ignore[arg-type]
    assert "<script>" not in page and "<b>" not in page


def test_same_register_twice_is_the_same(write: Write) -> None:
    path = write("a.csv", HEADER + "東会館,港区芝1,35.661111,139.701111,\n西会館,,,,\n")
    one, two = inventory.read_assets(path), inventory.read_assets(path)
    assert one.assets.equals(two.assets)
    assert one.findings.equals(two.findings)
