"""A scenario says everything that is wrong with it, at once, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from tdh.errors import ScenarioError
from tdh.scenario import Scenario, read_scenario, reading

GOOD = """
name = "small"
[area]
boundaries = "boundaries.geojson"
[[assets]]
path = "assets.csv"
[demand]
population = "people.csv"
[[carriers]]
id = "a"
bands = ["n78", {band = "n79", frequency_mhz = 4550}]
sites = "sites.csv"
[[carriers]]
id = "b"
bands = ["n77"]
new_entrant = true
[overrides.dense]
siting.spacing_m = 100
carriers.a.max_sites = 7
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("boundaries.geojson", "assets.csv", "people.csv", "sites.csv"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "scenario.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str, **more: object) -> str:
    with pytest.raises(ScenarioError) as caught:
        read_scenario(write(folder, text), **more)  # type: ignore[arg-type]
    assert isinstance(caught.value, ValueError)
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_defaults_and_paths(folder: Path) -> None:
    scenario = read_scenario(write(folder, GOOD))
    assert scenario.crs == "EPSG:6677"
    assert scenario.area.boundaries == (folder / "boundaries.geojson").resolve()
    assert scenario.carriers[0].band_ids == ["n78", "n79"]
    assert scenario.carriers[0].bands[1].frequency_mhz == 4550
    assert scenario.market_shares == {"a": 0.5, "b": 0.5}


def test_every_path_starts_from_the_folder_of_the_scenario() -> None:
    """A new field of the models that is a path must be among those that are made absolute."""

    def paths(model: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        for name, field in model.model_fields.items():
            kinds, found = [field.annotation], []
            while kinds:
                kind = kinds.pop()
                found.append(kind)
                kinds += get_args(kind)
            if Path in found:
                yield (*at, name)
            for kind in found:
                if isinstance(kind, type) and issubclass(kind, BaseModel):
                    yield from paths(kind, (*at, name))

    named = set(paths(Scenario))
    assert ("demand", "sources", "path") in named
    assert named == set(reading._PATH_KEYS)


def test_a_byte_order_mark_is_fine(folder: Path) -> None:
    path = write(folder, GOOD)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_scenario(path).name == "small"


def test_it_survives_json(folder: Path) -> None:
    scenario = read_scenario(write(folder, GOOD))
    assert Scenario.model_validate(scenario.model_dump(mode="json")) == scenario


def test_override_then_settings(folder: Path) -> None:
    path = write(folder, GOOD)
    scenario = read_scenario(path, "dense", ["siting.spacing_m=50", "carriers.1.max_sites=3"])
    assert scenario.siting.spacing_m == 50
    assert [c.max_sites for c in scenario.carriers] == [7, 3]
    assert read_scenario(path).siting.spacing_m == 0


def test_environment_variables_in_paths(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMEWHERE", str(folder))
    text = GOOD.replace('"assets.csv"', '"${SOMEWHERE}/assets.csv"')
    assert read_scenario(write(folder, text)).assets[0].path == (folder / "assets.csv").resolve()
    monkeypatch.delenv("SOMEWHERE")
    assert "SOMEWHERE" in problems(folder, text)


def test_all_problems_at_once(folder: Path) -> None:
    text = (
        GOOD.replace('name = "small"', 'name = "small"\ncrs = "EPSG:4326"\nseeed = 1')
        .replace("people.csv", "peple.csv")
        .replace("new_entrant = true", "max_sites = 0")
        .replace('boundaries = "', 'cell_size = 3\nboundaries = "')
    )
    said = problems(folder, text)
    for expected in (
        "seeed: the key is not known",
        "did you mean seed?",
        "did you mean cell_size_m?",
        "demand.population: the file is not there",
        "did you mean people.csv?",
        "carriers[1].max_sites: the value is too small",
        "give at least 1",
        "not projected in metres",
    ):
        assert expected in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("new_entrant = true", ""), "no file of present sites"),
        (('id = "b"', 'id = "a"'), "listed more than once"),
        (('id = "b"', 'id = "../b"'), "only lower-case letters"),
        (('["n77"]', "[]"), "must not be empty"),
        (('bands = ["n77"]', 'bands = ["n77", "n77"]'), "a band is listed more than once"),
        (('id = "b"', 'id = "b"\nmarket_share = 0.3'), "some carriers have a market share"),
        (('name = "small"', 'name = "small"\ncrs = "EPSG:3857"'), "Web Mercator"),
        (('name = "small"', 'name = "small"\ncrs = "EPSG:99"'), "CRS is not known"),
        (("[area]", "[area]\nbounds = [35.6, 139.6, 35.8, 139.8]"), "west, south, east, north"),
        (('name = "small"', "name = small"), "not valid TOML"),
    ],
)
def test_one_problem(folder: Path, change: tuple[str, str], said: str) -> None:
    assert said in problems(folder, GOOD.replace(*change))


def test_unknown_override_and_setting(folder: Path) -> None:
    said = problems(
        folder, GOOD, override="sparse", settings=["nonsense", "carriers.z.max_sites=1"]
    )
    assert "there is no such override: sparse (expected: dense)" in said
    assert "not of the form key=value: nonsense" in said
    assert "there is no such entry: z (expected: a, b)" in said


def test_a_missing_scenario_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="tdh init"):
        read_scenario(tmp_path / "none.toml")


def test_a_floor_without_a_number_hides_no_other_fault(folder: Path) -> None:
    floors = '\n[[siting.floors]]\nmunicipality = "each"\n[[siting.floors]]\ncarrier = "q"\nshare = 0.1\n'
    with pytest.raises(ScenarioError) as caught:
        read_scenario(write(folder, GOOD + floors))
    text = caught.value.render("ja")
    assert "siting.floors[0]: 下限は share か people" in text and "Value error" not in text
    assert "siting.floors[1]: その事業者はありません: q" in text
