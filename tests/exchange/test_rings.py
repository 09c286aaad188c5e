"""Search rings come back with the assets inside them, and nothing else."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest
from click.testing import CliRunner

import tdh
from tdh import exchange
from tdh.cli import package
from tdh.errors import ExchangeError

if TYPE_CHECKING:
    from tdh.results import Run

RINGS = [
    {
        "name": "=西新宿",
        "latitude": 35.681,
        "longitude": 139.691,
        "radius_m": 200,
        "bands": ["n78"],
    },
    {"name": "空", "latitude": 35.60, "longitude": 139.60, "radius_m": 50, "height_min_m": 10},
]


@pytest.fixture
def asked(tmp_path: Path, fake: Any) -> tuple[Any, exchange.Answer]:
    run = fake.run(assets=fake.assets({"A-1": "=1+1"}))
    run.assets["beta_interest"] = "secret"
    exchange.write_package(run, "alpha", tmp_path / "p.zip")
    return run, exchange.read_offer(tmp_path / "p.zip").request([], search_rings=RINGS)


def test_rings_are_answered_in_one_zip(asked: tuple[Any, exchange.Answer], tmp_path: Path) -> None:
    run, answer = asked
    counts = exchange.write_rings(run, answer, tmp_path / "r.zip")
    assert counts.to_dict("list") == {"ring": ["=西新宿", "空"], "assets": [3, 0]}
    exchange.write_rings(run, answer, tmp_path / "again.zip")
    assert (tmp_path / "r.zip").read_bytes() == (tmp_path / "again.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "r.zip") as archive:
        archive.extractall(tmp_path / "r")
        assert all(b"secret" not in archive.read(name) for name in archive.namelist())
    table = pd.read_csv(tmp_path / "r/assets.csv", encoding="utf-8-sig")
    assert [c.split(" / ")[1] for c in table.columns[:4]] == [
        "ring",
        "asset_id",
        "distance_m",
        "name",
    ]
    assert list(table.iloc[:, 1]) == ["A-2", "A-1", "A-3"]  # by distance: 0, 143, 143 m
    assert set(table.iloc[:, 0]) == {"'=西新宿"} and "'=1+1" in set(table.iloc[:, 3])
    assert dict(pyogrio.list_layers(tmp_path / "r/rings.gpkg").tolist()) == {
        "assets": "Point", "rings": "Polygon",
    }  # fmt: skip
    circle = gpd.read_file(tmp_path / "r/rings.gpkg", layer="rings").geometry.iloc[0]
    inside = gpd.read_file(tmp_path / "r/rings.gpkg", layer="assets")
    assert inside.within(circle).all() and circle.area == pytest.approx(3.14 * 200**2, rel=0.01)
    manifest = json.loads((tmp_path / "r/manifest.json").read_text(encoding="utf-8"))
    assert [ring["assets"] for ring in manifest["rings"]] == [3, 0]
    nowhere = answer.model_copy(update={"search_rings": answer.search_rings[1:]})
    assert list(exchange.write_rings(run, nowhere, tmp_path / "none.zip")["assets"]) == [0]
    with pytest.raises(ExchangeError, match="no search ring"):
        exchange.write_rings(
            run, answer.model_copy(update={"search_rings": ()}), tmp_path / "x.zip"
        )


def test_the_desk_answers_them_from_the_command_line(demo_run: Run, tmp_path: Path) -> None:
    carrier = demo_run.carriers[0].id
    sent = demo_run.folder / f"packages/{carrier}.zip"
    place = tdh.read_offer(sent).assets.iloc[0]
    ring = {"name": "r1", "latitude": place.latitude, "longitude": place.longitude, "radius_m": 300}
    tdh.read_offer(sent).request([], search_rings=[ring]).write(tmp_path / "a.zip")
    out = tmp_path / "rings.zip"
    done = CliRunner().invoke(
        package.command,
        [str(demo_run.folder), "--carrier", carrier, "--rings", str(tmp_path / "a.zip"),
         "--out", str(out)],
    )  # fmt: skip
    assert done.exit_code == 0 and done.stdout.strip() == str(out)
    with zipfile.ZipFile(out) as archive:
        (found,) = json.loads(archive.read("manifest.json"))["rings"]
    assert found["assets"] >= 1


def test_rings_of_another_carrier_are_not_filed_as_ones_own(demo_run: Run, tmp_path: Path) -> None:
    """Named for one carrier, the zip would take the other's search rings to it."""
    one, other = (carrier.id for carrier in demo_run.carriers[:2])
    sent = demo_run.folder / f"packages/{other}.zip"
    ring = {"name": "secret", "latitude": 35.69, "longitude": 139.69, "radius_m": 300}
    tdh.read_offer(sent).request([], search_rings=[ring]).write(tmp_path / "a.zip")
    arguments = [str(demo_run.folder), "--carrier", one, "--rings", str(tmp_path / "a.zip")]
    done = CliRunner().invoke(
        package.command, [*arguments, "--sent", str(sent), "--out", str(tmp_path / "r.zip")]
    )
    assert isinstance(done.exception, ExchangeError) and not (tmp_path / "r.zip").exists()
    assert "another carrier's answer" in str(done.exception)
