"""CityGML and FG-GML: what they say, what they leave out, and what they must not do."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from pyproj import Transformer

from tdh import surface
from tdh.errors import InputError
from tdh.grid import Grid
from tdh.surface import citygml, fg_gml

CRS = "EPSG:6677"
LAT, LON = 35.69, 139.70


def posts(x: float, y: float, size: float, z: float) -> str:
    """A square as latitude, longitude, height."""
    corners = [(x, y), (x + size, y), (x + size, y + size), (x, y + size), (x, y)]
    back = Transformer.from_crs(CRS, "EPSG:6668", always_xy=True)
    parts = []
    for east, north in corners:
        lon, lat = back.transform(east, north)
        parts.append(f"{lat!r} {lon!r} {z}")
    return " ".join(parts)


def polygon(text: str) -> str:
    return (
        "<gml:surfaceMember><gml:Polygon><gml:exterior><gml:LinearRing><gml:posList>"
        f"{text}</gml:posList></gml:LinearRing></gml:exterior></gml:Polygon></gml:surfaceMember>"
    )


def building(body: str, tag: str = "Building") -> str:
    return f"<bldg:{tag}>{body}</bldg:{tag}>"


def lod0(x: float, y: float, size: float) -> str:
    return f"<bldg:lod0RoofEdge>{polygon(posts(x, y, size, 5))}</bldg:lod0RoofEdge>"


def solid(x: float, y: float, size: float, low: float, high: float) -> str:
    faces = polygon(posts(x, y, size, low)) + polygon(posts(x, y, size, high))
    return f"<bldg:lod1Solid><gml:Solid><gml:exterior>{faces}</gml:exterior></gml:Solid></bldg:lod1Solid>"


def model(*members: str) -> str:
    inside = "".join(f"<core:cityObjectMember>{m}</core:cityObjectMember>" for m in members)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<core:CityModel xmlns:core="c" xmlns:bldg="b" xmlns:gml="g">'
        '<gml:Envelope srsName="http://www.opengis.net/def/crs/EPSG/0/6697" srsDimension="3"/>'
        f"{inside}</core:CityModel>"
    )


def height(value: float) -> str:
    return f"<bldg:measuredHeight>{value}</bldg:measuredHeight>"


def read_buildings(path: Path) -> np.ndarray:
    bounds = (-12100.0, -34300.0, -12000.0, -34200.0)
    return surface.read(path, bounds=bounds, crs=CRS, cell_size_m=2.0).building_m


def test_measured_heights_and_their_substitutes(tmp_path: Path) -> None:
    path = tmp_path / "a.gml"
    path.write_text(
        model(
            building(height(12.5) + lod0(-12090, -34290, 10)),
            building(height(9999) + lod0(-12070, -34290, 10) + solid(-12070, -34290, 10, 3, 21)),
            building(height(-9999) + "<bldg:storeysAboveGround>4</bldg:storeysAboveGround>"
                     + lod0(-12050, -34290, 10)),
            building("<bldg:storeysAboveGround>9999</bldg:storeysAboveGround>"
                     + lod0(-12030, -34290, 10)),
            building(height(7) + solid(-12090, -34260, 10, 3, 10)),
        )
    )  # fmt: skip
    frame = citygml.read(path)
    np.testing.assert_allclose(frame["height_m"], [12.5, 18, 12, np.nan, 7])
    np.testing.assert_allclose(frame.to_crs(CRS).area, 100, rtol=1e-3)
    burnt = read_buildings(path)
    assert {round(float(h), 1) for h in np.unique(burnt)} == {0, 7, 12, 12.5, 18}
    assert (burnt == 18).sum() == 25


def test_parts_of_a_building_have_their_own_heights(tmp_path: Path) -> None:
    path = tmp_path / "a.gml"
    low = building(lod0(-12090, -34290, 10), "BuildingPart")
    high = building(height(40) + lod0(-12080, -34290, 10), "BuildingPart")
    path.write_text(
        model(building(height(9) + f"<bldg:consistsOfBuildingPart>{low}{high}</bldg:consistsOfBuildingPart>"))
    )  # fmt: skip
    assert citygml.read(path)["height_m"].tolist() == [9, 40]


def test_a_zip_and_a_folder_of_documents(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.gml").write_text(model(building(height(5) + lod0(-12090, -34290, 10))))
    with zipfile.ZipFile(tmp_path / "d" / "b.zip", "w") as archive:
        archive.writestr("udx/b.gml", model(building(height(6) + lod0(-12070, -34290, 10))))
        archive.writestr("readme.txt", "no")
    burnt = read_buildings(tmp_path / "d")
    assert np.unique(burnt).tolist() == [0, 5, 6]


BOMB = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;">]>
<CityModel><Building><measuredHeight>&y;</measuredHeight></Building></CityModel>"""
FETCH = """<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>"""


@pytest.mark.parametrize("text", [BOMB, FETCH])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_unread(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "bomb.gml"
    path.write_bytes(text.replace('1.0"', f'1.0" encoding="{encoding}"', 1).encode(encoding))
    with pytest.raises(InputError, match="DOCTYPE"):
        read_buildings(path)
    with pytest.raises(InputError, match="DOCTYPE"):
        surface.read([], path, bounds=(0, 0, 10, 10), crs=CRS)


@pytest.mark.parametrize("text", ["", "<a>", "hello", "<a></b>"])
def test_what_is_not_xml_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.gml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"broken\.gml"):
        read_buildings(path)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(InputError, match=r"a\.zip"):
        read_buildings(path)


@pytest.mark.real
def test_plateau_s_own_document(data_dir: Path) -> None:
    # It uses a prefix that it does not declare, and holes that lie kilometres away.
    frame = citygml.read(data_dir / "tokyo" / "buildings" / "53392642_bldg_6697_op2.gml")
    assert frame["height_m"].tolist() == [2.8, 3.6, 3.6, 16.1, 9.3, 3.9, 11.6, 5.1]
    assert frame.crs.to_epsg() == 6668
    west, south, east, north = frame.total_bounds
    assert (139.77 < west < east < 139.78) and (35.53 < south < north < 35.55)
    assert frame.to_crs(CRS).area.between(20, 30_000).all()


def dem(
    tuples: str, start: str = "0 0", size: int = 3, kind: str = "5mメッシュ（標高）DEM5A"
) -> str:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Dataset xmlns:gml="http://www.opengis.net/gml/3.2"><DEM><type>{kind}</type><coverage>
<gml:boundedBy><gml:Envelope srsName="fguuid:jgd2011.bl"><gml:lowerCorner>{LAT} {LON}</gml:lowerCorner>
<gml:upperCorner>{LAT + 0.003} {LON + 0.003}</gml:upperCorner></gml:Envelope></gml:boundedBy>
<gml:gridDomain><gml:Grid><gml:limits><gml:GridEnvelope><gml:low>0 0</gml:low>
<gml:high>{size - 1} {size - 1}</gml:high></gml:GridEnvelope></gml:limits></gml:Grid></gml:gridDomain>
<gml:rangeSet><gml:DataBlock><gml:tupleList>
{tuples}
</gml:tupleList></gml:DataBlock></gml:rangeSet>
<gml:coverageFunction><gml:GridFunction><gml:sequenceRule order="+x-y">Linear</gml:sequenceRule>
<gml:startPoint>{start}</gml:startPoint></gml:GridFunction></gml:coverageFunction>
</coverage></DEM></Dataset>"""


def test_every_no_data_convention_of_the_elevation_model(tmp_path: Path) -> None:
    path = tmp_path / "FG-GML-5339-45-00-DEM5A-20240101.xml"
    path.write_text(
        dem(
            "地表面,12.30\n海水面,-9999.\nデータなし,-9999.\n内水面,396.63\nその他,-9999.00\nその他,4.5",
            start="1 0",
        )
    )
    (tile,) = fg_gml.read(path)
    np.testing.assert_allclose(
        tile.height_m,
        np.array([[np.nan, 12.3, 0], [np.nan, 396.63, np.nan], [4.5, np.nan, np.nan]]),
        rtol=1e-6,
    )


def test_terrain_lies_where_it_should(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    # Heights rise by 10 m a cell to the east and by 100 m to the south.
    path.write_text(
        dem("\n".join(f"地表面,{100 * r + 10 * c}" for r in range(3) for c in range(3)))
    )
    west, south = Transformer.from_crs("EPSG:6668", CRS, always_xy=True).transform(LON, LAT)
    grid = Grid.around((west - 50, south - 50, west + 350, south + 400), 5.0, CRS)
    rows, columns, height = fg_gml.lay(fg_gml.read(path)[0], grid) or pytest.fail("no overlap")
    whole = np.full(grid.shape, np.nan)
    whole[rows, columns] = height
    to_plane = Transformer.from_crs("EPSG:6668", CRS, always_xy=True)
    for r in range(3):
        for c in range(3):
            x, y = to_plane.transform(LON + (c + 0.5) * 0.001, LAT + (2.5 - r) * 0.001)
            at = tuple(int(i) for i in grid.rowcol(x, y))
            assert whole[at] == pytest.approx(100 * r + 10 * c, abs=4)
    got = surface.read([], path, bounds=grid.bounds, crs=CRS, cell_size_m=5.0)
    assert got.terrain_m is not None
    assert got.terrain_m[0, 0] == 0  # off the mesh: no terrain is known


def test_the_finer_survey_wins_and_the_coarser_fills(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("1.xml", dem("\n".join(["地表面,10"] * 9), kind="10mメッシュ DEM10B"))
        archive.writestr("2.xml", dem("地表面,5\n" * 6))
    west, south = Transformer.from_crs("EPSG:6668", CRS, always_xy=True).transform(LON, LAT)
    bounds = (west + 20, south + 20, west + 250, south + 310)
    got = surface.read([], tmp_path / "a.zip", bounds=bounds, crs=CRS, cell_size_m=5.0)
    assert got.terrain_m is not None
    assert got.terrain_m[2, 20] == 5 and got.terrain_m[-2, 20] == 10


@pytest.mark.parametrize(
    "text",
    [
        "<a/>",
        dem("地表面;12"),
        dem("地表面,x"),
        dem("地表面,1\n" * 10),
        dem("地表面,1", start="9 9"),
        dem("地表面,1", size=100_000),
    ],
)
def test_damaged_elevation_models_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.xml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"broken\.xml"):
        fg_gml.read(path)
