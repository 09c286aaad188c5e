"""A finished run's tables counted again: whole runs agree, a damaged number is named."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from scipy import stats

from tdh.cli import main
from tdh.errors import InputError
from tdh.pipeline import checks, counted, facts, forms, kpis, tallies
from tdh.pipeline.context import Context
from tdh.results import Run, VersionWarning, read_run

TABLES = (
    "cells",
    "assets",
    "coverage",
    "present",
    "gaps",
    "candidates",
    "antennas",
    "profiles",
    "expected_people",
    "expected_municipalities",
    "site_load",
    "site_load_after",
    "gap_regions",
    "kpis",
    "score_weights",
    "scores",
    "scores_public",
)
COUNTED = TABLES[8:14] + TABLES[15:]


@pytest.fixture
def folder(demo_run: Run, tmp_path: Path) -> Path:
    shutil.copytree(demo_run.folder, tmp_path / "run", copy_function=shutil.copy2)
    return tmp_path / "run"


def test_a_run_agrees_with_its_recount(demo_run: Run) -> None:
    found = {tally.table: tally for tally in tallies.of_run(demo_run)}
    assert tuple(found) == TABLES
    for tally in found.values():
        assert tally.numbers > 20 and tally.skipped is None
        assert tally.problems == []
        # Sums differ by rounding; probabilities by how their integral is taken.
        assert tally.largest < (2.0 if tally.table.startswith("expected") else 1e-6)
    assert checks.verify(demo_run) == []


def test_scores_of_earlier_versions_are_not_counted_again(folder: Path) -> None:
    """Runs made before the values behind points were kept."""
    (folder / "score_weights.parquet").unlink()
    values = ["endurance", "ease_of_installation", "people_kept_if_neighbours_fail"]
    for name in ("scores", "scores_public"):
        path = folder / f"{name}.parquet"
        pd.read_parquet(path).drop(columns=values).to_parquet(path)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["versions"]["tdh"] = "0.0.1"
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.warns(VersionWarning):
        earlier = read_run(folder)
    found = tallies.of_run(earlier, ["scores", "scores_public"])
    assert [tally.table for tally in found] == ["scores", "scores_public"]
    for tally in found:
        assert tally.numbers == 0 and not tally.problems
        assert "earlier version" in tally.line.render("en")
        assert "以前の版" in tally.line.render("ja")


@pytest.mark.parametrize(
    ("table", "column", "row", "add"),
    [
        ("expected_people", "covered_after", 1, 1.0),
        ("scores", "people_newly_served", 2, 0.1),
        ("scores", "people_worse_off_newly_served", 0, 0.1),
        ("scores", "contribution_area", 5, 0.001),
        ("scores", "score", 9, 0.01),
        ("scores", "rank", 3, 1),
        ("scores_public", "gap_cells_closed", 1, 1),
        ("scores_public", "people_worse_off_newly_served", 0, 0.1),
        ("scores_public", "contribution_quality", 0, 0.001),
        ("expected_people", "expected_before", 4, 30.0),
        ("expected_municipalities", "covered_before", 3, 1.0),
        ("expected_municipalities", "expected_after", 0, 10.0),
        ("site_load", "customers_day", 7, 0.5),
        ("site_load", "capacity_mbps", 0, 1.0),
        ("site_load_after", "customers_after", -1, 0.5),
        ("site_load_after", "customers_before", 0, 0.5),
        ("gap_regions", "unmet_people", 0, 0.1),
        ("gap_regions", "places", 1, 1.0),
        ("gap_regions", "people_blocked", 2, 0.1),
        ("kpis", "covered_after", 3, 1.0),
        ("kpis", "before", -1, 0.001),
    ],
)
def test_a_damaged_number_is_named(
    folder: Path, table: str, column: str, row: int, add: float
) -> None:
    path = folder / f"{table}.parquet"
    geo = table == "gap_regions"
    frame = read_run(folder).gap_regions if geo else pd.read_parquet(path)
    assert frame is not None
    at = frame.columns.get_loc(column)
    frame.iloc[row, at] = float(np.nan_to_num(frame.iloc[row, at])) + add
    frame.to_parquet(path)
    (tally,) = tallies.of_run(read_run(folder), [table])
    problems = tally.problems
    assert problems
    named = "people_of_reasons" if column == "people_blocked" else column
    assert any(f"{table} (" in str(p) and f": {named}" in str(p) for p in problems)
    assert all(table in str(p) for p in problems)


def test_a_row_too_many_or_too_few_is_named(folder: Path) -> None:
    table = pd.read_parquet(folder / "kpis.parquet")
    table.drop(index=2).to_parquet(folder / "kpis.parquet")
    said = [str(p) for p in checks.verify(read_run(folder))]
    assert any(str(table.loc[2, "kpi"]) in text for text in said)


@pytest.mark.parametrize("name", COUNTED)
def test_rows_and_columns_that_are_missing_or_occur_twice(demo_run: Run, name: str) -> None:
    table = getattr(demo_run, name)
    numbers = table.select_dtypes("number")
    some = ("score", "covered_after", "customers", "customers_after", "cells")
    column = next(c for c in some if c in table)

    def found(wrong: pd.DataFrame) -> str:
        run = read_run(demo_run.folder)
        run.__dict__[name] = wrong
        (tally,) = tallies.of_run(run, [name])
        return " ".join(map(str, tally.problems))

    assert found(table) == ""
    assert "a row occurs twice" in found(pd.concat([table, table.iloc[:1]]))
    assert found(table.iloc[1:]) and found(table.iloc[:0])
    assert f"a column is missing: {column}" in found(table.drop(columns=column))
    assert found(table.astype({column: str}).replace({column: {str(table[column].iloc[0]): "x"}}))
    assert "a column is missing" in found(table.drop(columns=list(numbers)))
    key = next(c for c in ("asset_id", "carrier_id", "kpi") if c in table)
    assert f"a column is missing: {key}" in found(table.drop(columns=key))


@pytest.mark.parametrize("name", COUNTED)
def test_a_table_that_its_stage_wrote_is_there(folder: Path, name: str) -> None:
    (folder / f"{name}.parquet").unlink()
    (tally,) = tallies.of_run(read_run(folder), [name])
    assert [str(p) for p in tally.problems] == [f"{name}.parquet: the table is missing"]
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["versions"]["tdh"] = "0.0.1"
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    if not name.startswith("scores"):
        with pytest.warns(VersionWarning):
            earlier = read_run(folder)
        assert tallies.of_run(earlier, [name]) == []


def test_regions_of_a_carrier_that_are_gone_or_of_an_unknown_one(demo_run: Run) -> None:
    regions, carrier = demo_run.gap_regions, demo_run.carriers[0].id
    assert regions is not None
    run = read_run(demo_run.folder)
    own = regions["carrier_id"] == carrier
    for wrong in (regions[~own], regions.assign(carrier_id=regions["carrier_id"].mask(own, "x"))):
        run.__dict__["gap_regions"] = wrong
        (tally,) = tallies.of_run(run, ["gap_regions"])
        said = " ".join(map(str, tally.problems))
        assert f"gap_regions ({carrier}): " in said and "lie in no region" in said


def test_an_unknown_reason_of_a_region_is_found(demo_run: Run) -> None:
    run = read_run(demo_run.folder)
    assert demo_run.gap_regions is not None
    for reason, said in (
        ("none", "values are not allowed"),
        ("indoors_only", "the reason is not that of most"),
    ):
        run.__dict__["gap_regions"] = demo_run.gap_regions.assign(reason=reason)
        (tally,) = tallies.of_run(run, ["gap_regions"])
        assert said in " ".join(map(str, tally.problems))


def test_a_region_that_is_no_gap_and_a_gap_without_region(folder: Path) -> None:
    regions = read_run(folder).gap_regions
    assert regions is not None
    regions.iloc[1:].to_parquet(folder / "gap_regions.parquet")
    said = [str(p) for p in checks.verify(read_run(folder))]
    assert any("lie in no region" in text for text in said)
    moved = regions.copy()
    moved.loc[moved.index[0], "geometry"] = moved.geometry.iloc[0].buffer(60)
    moved.to_parquet(folder / "gap_regions.parquet")
    said = [str(p) for p in checks.verify(read_run(folder))]
    assert any("are no gap" in text for text in said)


def test_a_server_that_does_not_serve_is_found(folder: Path, demo_run: Run) -> None:
    carrier = demo_run.carriers[0]
    path = folder / f"coverage/{carrier.id}-{carrier.bands[0]}-server.tif"
    with rasterio.open(path) as raster:
        values, profile = raster.read(1), raster.profile
    row, col = np.argwhere(values >= 0)[0]
    values[row, col] = (values[row, col] + values.max() // 2) % (values.max() + 1)
    with rasterio.open(path, "w", **profile) as raster:
        raster.write(values, 1)
    said = [str(p) for p in checks.verify(read_run(folder))]
    assert any("a site that does not serve them" in text for text in said)


def test_many_damaged_numbers_are_told_shortly(folder: Path) -> None:
    table = pd.read_parquet(folder / "site_load.parquet")
    table["customers"] += 1.0
    table.to_parquet(folder / "site_load.parquet")
    (tally,) = tallies.of_run(read_run(folder), ["site_load"])
    assert len(tally.problems) == 6
    assert f"{len(table) - 5} more numbers" in str(tally.problems[-1])


def test_what_cannot_be_counted_is_told(folder: Path, demo_run: Run) -> None:
    carrier = demo_run.carriers[0]
    (folder / f"coverage/{carrier.id}-{carrier.bands[0]}-server.tif").unlink()
    (folder / "expected_municipalities.parquet").unlink()
    found = {t.table: t for t in tallies.of_run(read_run(folder))}
    (missing,) = found["expected_municipalities"].problems
    assert "the table is missing" in str(missing)
    assert "not counted again" in str(found["site_load"].line)
    assert "再集計なし" in found["site_load_after"].line.render("ja")


def test_command(demo_run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    main(["verify", str(demo_run.folder)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[: len(TABLES)]] == list(TABLES)
    assert all("largest difference" in line for line in lines[: len(TABLES)])
    main(["verify", str(demo_run.folder), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] and [t["table"] for t in told["tables"]] == list(TABLES)


def test_places_areas_and_roads_are_counted_again(
    folder: Path, demo_run: Run, tmp_path: Path
) -> None:
    """Shapes across the border and all directions, and places of known and other kinds."""
    rng = np.random.default_rng(3)
    x0, y0, x1, y1 = demo_run.municipalities.total_bounds
    wide, high = x1 - x0, y1 - y0
    lines = rng.uniform([x0 - 0.1 * wide, y0], [x1, y1 + 0.1 * high], (12, 7, 2))
    roads = gpd.GeoSeries(shapely.linestrings(lines), crs=demo_run.crs)
    roads.to_file(tmp_path / "roads.gpkg")
    spots = shapely.points(rng.uniform([x0, y0], [x1, y1], (9, 2)))
    areas = gpd.GeoSeries(shapely.buffer(spots, 333.3), crs=demo_run.crs)
    areas.to_file(tmp_path / "areas.gpkg")
    kinds = ["town_hall", "station", "school"] * 40
    at = rng.uniform([x0, y0], [x1, y1], (120, 2))
    gpd.GeoDataFrame(
        {"name": "p", "kind": kinds, "priority": 1.0},
        index=pd.Index([f"p{i}" for i in range(120)], name="place_id"),
        geometry=gpd.points_from_xy(*at.T),
        crs=demo_run.crs,
    ).to_parquet(folder / "places.parquet")
    given = {"commercial": tmp_path / "areas.gpkg", "roads": tmp_path / "roads.gpkg"}
    demand = demo_run.scenario.demand.model_copy(update=given)
    wanted = demo_run.scenario.model_copy(update={"demand": demand})
    context = Context(wanted, folder)
    context.run.manifest["grid"] = demo_run.manifest["grid"]
    kpis.goals(context)
    manifest = {**demo_run.manifest, "scenario": wanted.model_dump(mode="json")}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (tally,) = tallies.of_run(read_run(folder), ["kpis"])
    assert tally.problems == [] and tally.largest < 1e-6 and tally.skipped is None
    table = pd.read_parquet(folder / "kpis.parquet")
    assert {"commercial_uncovered_ha", "roads", "places_station", "places_other"} <= set(
        table.loc[table["total"] > 10, "kpi"]
    )
    table.loc[table["kpi"] == "roads", "covered_after"] += 0.01
    table.to_parquet(folder / "kpis.parquet")
    (tally,) = tallies.of_run(read_run(folder), ["kpis"])
    assert tally.problems and all("roads" in str(p) for p in tally.problems[:5])
    (tmp_path / "roads.gpkg").unlink()
    (tally,) = tallies.of_run(read_run(folder), ["kpis"])
    assert tally.problems == [] and "roads.gpkg" in str(tally.line)


def test_a_table_without_shapes_is_told_as_such(demo_run: Run, tmp_path: Path) -> None:
    path = tmp_path / "roads.csv"
    path.write_text("name,km\nKoshu,3\n", encoding="utf-8")
    with pytest.raises(InputError, match="no geometry"):
        kpis.of_run(demo_run, roads=path)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.5, 0.9])
def test_probability_of_two_against_the_bivariate_normal(rho: float) -> None:
    above = np.random.default_rng(2).normal(0, 1.5, (2, 20))
    both = [stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([a, b]) for a, b in above.T]
    assert np.allclose(tallies._at_least(above, 2, rho), both, atol=2e-5)


def test_a_score_that_is_not_the_sum_of_its_parts_is_told(folder: Path) -> None:
    """By more than 1e-9 of 100 points, though every part is right."""
    path = folder / "scores.parquet"
    table = pd.read_parquet(path)
    table.loc[9, "score"] += 1e-7
    table.to_parquet(path)
    (found,) = tallies.of_run(read_run(folder), only=["scores"])
    assert len(found.problems) == 1 and "sum_of_parts" in str(found.problems[0])


def test_a_register_of_places_given_twice_counts_once(
    demo_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = demo_run.municipalities.representative_point().to_crs("EPSG:6668")
    rows = [f"病院{i},{at.y:.6f},{at.x:.6f}" for i, at in enumerate(inside)]
    path = tmp_path / "hospitals.csv"
    path.write_text("\n".join(["名称,緯度,経度", *rows]), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    once = kpis.counted(demo_run, places=path)
    again = kpis.counted(demo_run, places=[path, path, Path("hospitals.csv")])
    pd.testing.assert_frame_equal(again, once)
    assert once.loc[once["kpi"] == "places", "total"].max() == len(inside)


def changed(table: pd.DataFrame, column: str, value: object) -> pd.DataFrame:
    """A table with another value in the middle of a column."""
    values = table[column].astype(object).tolist()
    values[len(values) // 2] = value
    return table.assign(**{column: pd.Series(values, index=table.index).infer_objects()})


def said_of(run: Run, **tables: object) -> str:
    """What is found of a run with other tables, by the tallies and forms of these alone."""
    wrong = read_run(run.folder)
    wrong.__dict__.update(tables)
    (name,) = tables
    problems = forms.of_table(wrong, name)
    if not problems:
        problems = [p for tally in tallies.of_run(wrong, [name]) for p in tally.problems]
    return " ".join(map(str, problems))


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("gaps", "band", "n28"),
        ("gaps", "rsrp_dbm", -110.25),
        ("gaps", "shortfall_db", 1.125),
        ("gaps", "shortfall_db", -1.0),
        ("gaps", "cell_id", "nowhere"),
        ("cells", "population", "12"),
        ("cells", "population", float("inf")),
        ("cells", "row", 3),
        ("cells", "municipality_code", "13101"),
        ("assets", "latitude", 35.7),
        ("assets", "in_area", False),
        ("assets", "placement", "tower"),
        ("present", "covered_cells", 7),
        ("present", "points", 7),
        ("present", "evidence", "measured"),
        ("candidates", "antenna_height_agl_m", 7.25),
        ("candidates", "placement", "ground"),
        ("candidates", "environment", "RMa"),
        ("candidates", "radius_m", 500.0),
        ("candidates", "exposure_distance_m", 0.5),
        ("candidates", "azimuths_deg", "0 north"),
        ("candidates", "asset_id", "nobody"),
        ("antennas", "azimuth_deg", 7.0),
        ("antennas", "eirp_dbm", 50.5),
        ("antennas", "band", "n257"),
        ("profiles", "people", 7.0),
        ("profiles", "rsrp_dbm", -60.25),
        ("profiles", "line_of_sight", True),
        ("profiles", "distance_m", [0.0, 5.0]),
        ("score_weights", "weight", 7.0),
        ("score_weights", "points", 7.0),
        ("score_weights", "scale", 7.0),
        ("scores", "people_db_lifted", 7.0),
        ("scores", "people_given_second_cover", 7.0),
        ("scores", "reason_en", "because"),
        ("kpis", "target", 0.5),
        ("kpis", "missing", 0.5),
        ("kpis", "total_unit", "km"),
        ("kpis", "level", "metropolis"),
        ("gap_regions", "shortfall_db", 7.0),
        ("gap_regions", "nearest_site_m", 7.0),
        ("gap_regions", "municipality", "elsewhere"),
        ("gap_regions", "threshold_dbm", -99.0),
        ("site_load", "customers_night", 7.0),
        ("site_load_after", "origin", "elsewhere"),
        ("expected_municipalities", "municipality", "elsewhere"),
    ],
)
def test_a_value_that_is_changed_is_found(
    demo_run: Run, name: str, column: str, value: object
) -> None:
    wrong = changed(getattr(demo_run, name), column, value)
    assert name in said_of(demo_run, **{name: wrong})


@pytest.mark.parametrize("name", TABLES)
def test_rows_columns_and_types_of_every_table(demo_run: Run, name: str) -> None:
    if name == "coverage":
        return
    table = getattr(demo_run, name)
    assert "a row occurs twice" in said_of(demo_run, **{name: pd.concat([table, table.iloc[:1]])})
    for column in table.columns.drop("geometry", errors="ignore"):
        if not column.startswith("population_"):
            missing = said_of(demo_run, **{name: table.drop(columns=column)})
            assert f"a column is missing: {column}" in missing
        if pd.api.types.is_numeric_dtype(table[column]) and table[column].notna().all():
            words = table.assign(**{column: table[column].astype(str)})
            assert column in said_of(demo_run, **{name: words})


@pytest.mark.parametrize("add", [1.0, float("nan")])
@pytest.mark.parametrize("when", ["after", "before"])
def test_a_raster_that_is_changed_is_found(folder: Path, when: str, add: float) -> None:
    run = read_run(folder)
    (carrier, band), level = next(iter(run.bands)), run.signal(*next(iter(run.bands)), "before")
    row, col = np.argwhere(level > -80)[0]
    path = folder / f"coverage/{carrier}-{band}-{when}.tif"
    with rasterio.open(path) as raster:
        values, profile = raster.read(1), raster.profile
    values[row, col] += add
    with rasterio.open(path, "w", **profile) as raster:
        raster.write(values, 1)
    (tally,) = tallies.of_run(read_run(folder), ["coverage"])
    assert any(f"{carrier}-{band}" in str(p) for p in tally.problems)
    with rasterio.open(path, "w", **{**profile, "crs": "EPSG:6678"}) as raster:
        raster.write(values, 1)
    (found,) = forms.of_bases(read_run(folder))
    assert "does not lie on the run's grid" in str(found)


def test_the_frame_of_the_manifest(demo_run: Run) -> None:
    def found(**changes: object) -> str:
        wrong = type(demo_run)(demo_run.folder, {**demo_run.manifest, **changes})
        return " ".join(map(str, facts.of_frame(wrong)))

    manifest = demo_run.manifest
    scenario, bands = manifest["scenario"], manifest["bands"]
    assert found() == ""
    said = found(scenario={**scenario, "carriers": "x", "more": 1})
    assert "scenario: carriers: it must be a list" in said and "more: the key is not known" in said
    for wrong in ([*bands, bands[0]], bands[1:], bands[::-1]):
        assert "the bands are not those of the scenario" in found(bands=wrong)
    for other in ("x", [{}], [{**bands[0], "band": {"id": "n78"}}]):
        assert "manifest.json: bands" in found(bands=other)
    assert "manifest.json: grid.n_rows" in found(grid={**manifest["grid"], "n_rows": 5})


def test_the_facts_of_the_manifest(demo_run: Run) -> None:
    plan, _ = counted.read(demo_run)
    assert plan is not None

    def found(**changes: object) -> list[str]:
        run = type(demo_run)(demo_run.folder, {**demo_run.manifest, **changes})
        run.__dict__.update({k: v for k, v in demo_run.__dict__.items() if k != "manifest"})
        return [str(p) for p in facts.of_stages(replace(plan, run=run))]

    stages, inputs = demo_run.manifest["stages"], demo_run.manifest["inputs"]
    assert found() == []
    assert "the stages are not those of a run" in " ".join(found(stages=stages[::-1]))
    for stage in stages:
        if stage["name"] == "plan":
            continue
        more = {**stage, "facts": {**stage["facts"], "more": 1}}
        others = [s for s in stages if s is not stage]
        for wrong in (more, {**stage, "facts": None}, {**stage, "seconds": -1}):
            at = stages.index(stage)
            said = found(stages=[*others[:at], wrong, *others[at:]])
            assert any(f"stages.{stage['name']}" in text for text in said)
        for name, value in stage["facts"].items():
            if isinstance(value, int) and name not in ("bytes", "floods_from_maps"):
                wrong = {**stage, "facts": {**stage["facts"], name: value + 1}}
                said = found(stages=[*others[:at], wrong, *others[at:]])
                assert any(f"stages.{stage['name']}.{name}" in text for text in said)
    for wrong in (
        [*inputs, inputs[0]],
        inputs[1:],
        [{**inputs[0], "synthetic": False}, *inputs[1:]],
    ):
        assert any("manifest.json: inputs" in text for text in found(inputs=wrong))
