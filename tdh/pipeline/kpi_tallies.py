"""The indicators of a finished run counted again, by arithmetic on the cells alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import Transformer

from tdh.files import sha256
from tdh.kpi import KPIS, PLACE_KINDS, target_of
from tdh.kpi.targets import OF_EACH_CARRIER
from tdh.language import Text
from tdh.pipeline.tallies import Ground, Tally, compared
from tdh.results import When
from tdh.scenario import Goals

_DEGREES = "EPSG:6668"
_LESS = "commercial_uncovered_ha"
_UNITS = {
    "population": "people",
    "sub6": "meshes",
    "infrastructure": "meshes",
    "places": "places",
    _LESS: "ha",
    "roads": "km",
}
_JUST = 1e-9  # shares nearer to a limit than this are equal to it

Weights = tuple[str, str, pd.DataFrame]
"""Indicator, kind of places, and what is to be covered: columns ``cell`` and ``weight``."""


def kpis(ground: Ground) -> Tally:
    """Table ``kpis``: all that is covered, out of how much, by municipality and carrier.

    With targets and what is missing to them; notes stand as they are told.
    """
    run = ground.run
    said = run.kpis
    assert said is not None
    keys = ["kpi", "place_kind", "municipality_code", "carrier"]
    said = said.assign(**{k: said[k].fillna("") for k in keys}).set_index(keys)
    fixed, skipped = _fixed(ground)
    parts = []
    for when in ("before", "after"):
        rows = pd.DataFrame(
            list(_rows(ground, fixed, when)),
            columns=[*keys, f"covered_{when}", "total"],
        ).set_index(keys)
        parts.append(rows if when == "before" else rows[[f"covered_{when}"]])
    counted = parts[0].join(parts[1])
    less = counted.index.get_level_values("kpi") == _LESS
    for when in ("before", "after"):
        share = (counted[f"covered_{when}"] / counted["total"]).where(counted["total"] > 0)
        left = counted["total"] - counted[f"covered_{when}"]
        counted[when] = share.where(~less, left)
    rest = [name for name in KPIS if name not in {*counted.index.unique("kpi"), *dict(skipped)}]
    absent = pd.MultiIndex.from_tuples([(name, "", "", "") for name in rest], names=keys)
    counted = pd.concat([counted, pd.DataFrame(index=absent, columns=counted.columns, dtype=float)])
    _add_words(counted, run.scenario.goals)
    kinds = said.index.get_level_values("kpi")
    told = said[~kinds.isin([name for name, _ in skipped])]
    what = Text(
        "what is covered of people, meshes, places, ha and km, by municipality and carrier, "
        "before and after, from the rasters",
        "人口・メッシュ・施設・ha・kmのカバー量を、市区町村・事業者別、計画前後についてラスタから",
    )
    note = None
    if skipped:
        note = Text(
            "not counted again, for its file is gone or has changed since the run: {names}",
            "再集計なし(計算後にファイルが変わったか、ありません): {names}",
            names=", ".join(f"{name} ({path.name})" for name, path in skipped),
        )
    return compared("kpis", what, told, counted, skipped=note)


def _add_words(counted: pd.DataFrame, goals: Goals) -> None:
    """Level, units and targets of each row, and what is missing to the target."""
    names = counted.index.get_level_values("kpi").to_series(index=counted.index)
    codes, who = (counted.index.get_level_values(k) for k in ("municipality_code", "carrier"))
    less, local = (names == _LESS).to_numpy(), codes != ""
    counted["level"] = np.where(local, "municipality", "metropolis")
    counted["unit"] = np.where(less, "ha", "")
    counted["total_unit"] = names.str.replace(r"^places_.*", "places", regex=True).map(_UNITS)
    # Some targets are each carrier's, the others about any of them; none is about several.
    meant = np.where(names.isin(OF_EACH_CARRIER), who != "", who == "")
    meant &= ~who.str.startswith("at_least_") & ~(local & less)
    found = [
        (target_of(str(name), goals.year, goals.targets_by_year) if on else None)
        or (np.nan, np.nan)
        for name, on in zip(names, meant, strict=True)
    ]
    counted[["target", "target_year"]] = np.array(found, dtype=float).reshape(-1, 2)
    for when, column in (("before", "missing_before"), ("after", "missing")):
        lack = counted["target"] - counted[when]
        counted[column] = np.maximum(np.where(less, -lack, lack), 0.0)


def _rows(ground: Ground, fixed: list[Weights], when: When) -> Iterator[tuple[object, ...]]:
    """kpi, kind, municipality, carrier, what is covered, and the total."""
    run = ground.run
    everywhere = ground.by_carrier(when)
    high, sub6 = ground.by_carrier(when, ["sub6", "mmw"]), ground.by_carrier(when, ["sub6"])
    stations = _stations(ground, when)
    half, kilometre, ten = _meshes(ground)
    names = [c.id for c in run.carriers]
    asked = [(name, [i], 1) for i, name in enumerate(names)]
    asked += [
        ("" if k == 1 else f"at_least_{k}", list(range(len(names))), k)
        for k in run.scenario.goals.at_least
    ]
    codes = pd.Series(ground.municipality)
    known = sorted(codes.dropna().astype(str).unique())
    main = _main_municipality(kilometre, codes)
    for who, which, k in asked:
        share = pd.Series(everywhere[which].sum(axis=0) >= k).groupby(half).mean()
        reached = share >= 0.5 - _JUST if run.scenario.goals.rule == ">=" else share > 0.5 + _JUST
        people = pd.DataFrame(
            {
                "code": codes,
                "weight": ground.people,
                "good": ground.people * reached.reindex(half).to_numpy(),
            }
        )
        yield from _sums("population", "", who, people, known)
        if not who.startswith("at_least_"):
            own = stations[stations["carrier_id"].isin([names[i] for i in which])]
            share = pd.Series(sub6[which].any(axis=0)).groupby(kilometre).mean()
            near = own.loc[own["band_class"] == "sub6", "kilometre"]
            good = (share >= 0.75 - _JUST) | share.index.isin(near)
            table = pd.DataFrame({"code": main.reindex(share.index), "weight": 1.0, "good": good})
            yield from _sums("sub6", "", who, table.astype({"good": float}), known)
            tens = pd.Index(pd.unique(ten))
            wide = own.loc[own["band_class"].isin(["sub6", "mmw"]), "ten"]
            yield "infrastructure", "", "", who, float(tens.isin(wide).sum()), float(len(tens))
        good_high = high[which].sum(axis=0) >= k
        for kpi, kind, weights in fixed:
            cell = weights["cell"].to_numpy(int)
            table = pd.DataFrame({"code": codes.to_numpy()[cell], "weight": weights["weight"]})
            table["good"] = table["weight"] * good_high[cell]
            yield from _sums(kpi, kind, who, table, known)


def _sums(
    kpi: str, kind: str, who: str, table: pd.DataFrame, known: list[str]
) -> Iterator[tuple[object, ...]]:
    whole = table[["good", "weight"]].sum()
    yield kpi, kind, "", who, float(whole["good"]), float(whole["weight"])
    local = table.groupby("code")[["good", "weight"]].sum().reindex(known, fill_value=0.0)
    for code, row in local.iterrows():
        yield kpi, kind, str(code), who, float(row["good"]), float(row["weight"])


def _centres(ground: Ground) -> tuple[np.ndarray, np.ndarray]:
    grid = ground.run.grid
    x = grid.x_min_m + (ground.col + 0.5) * grid.cell_size_m
    return x, grid.y_max_m - (ground.row + 0.5) * grid.cell_size_m


def _mesh(lon: np.ndarray, lat: np.ndarray, per_degree: int) -> np.ndarray:
    """A number for each mesh of 1/per_degree of latitude and 1.5 times that of longitude."""
    north = np.floor(np.asarray(lat) * per_degree).astype(np.int64)
    east = np.floor((np.asarray(lon) - 100) * per_degree / 1.5).astype(np.int64)
    return np.asarray(north * 1_000_000 + east)


def _meshes(ground: Ground) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The 500 m, 1 km and 10 km mesh of each cell (JIS X 0410 divides as these do)."""
    turn = Transformer.from_crs(ground.run.crs, _DEGREES, always_xy=True)
    lon, lat = turn.transform(*_centres(ground))
    return _mesh(lon, lat, 240), _mesh(lon, lat, 120), _mesh(lon, lat, 12)


def _main_municipality(mesh: np.ndarray, codes: pd.Series) -> pd.Series:
    """The municipality of most cells of each mesh; of equals the first code."""
    counts = pd.DataFrame({"mesh": mesh, "code": codes}).dropna().value_counts().reset_index()
    counts = counts.sort_values(["mesh", "count", "code"], ascending=[True, False, True])
    return counts.drop_duplicates("mesh").set_index("mesh")["code"]


def _stations(ground: Ground, when: When) -> pd.DataFrame:
    """Stations that count: ``carrier_id``, ``band_class``, mesh of 1 km and of 10 km."""
    run = ground.run
    tables = [t for t in (run.sites, run.border_sites) if t is not None and len(t)]
    rows = [
        (str(s.carrier_id), str(s.band), s.geometry.x, s.geometry.y)
        for table in tables
        for s in table.itertuples()
        if run.scenario.goals.count_estimated_sites or getattr(s, "evidence", None) != "estimated"
    ]
    if when == "after":
        rows += [
            (carrier, band, s.geometry.x, s.geometry.y)
            for s in run.plan.itertuples()
            for carrier, band in run.bands
            if carrier == s.carrier_id
        ]
    table = pd.DataFrame(rows, columns=["carrier_id", "band", "x", "y"])
    table["band_class"] = [
        run.bands[c, b].band_class if (c, b) in run.bands else ""
        for c, b in zip(table["carrier_id"], table["band"], strict=True)
    ]
    turn = Transformer.from_crs(run.crs, _DEGREES, always_xy=True)
    lon, lat = turn.transform(table["x"].to_numpy(float), table["y"].to_numpy(float))
    return table.assign(kilometre=_mesh(lon, lat, 120), ten=_mesh(lon, lat, 12))


def _fixed(ground: Ground) -> tuple[list[Weights], list[tuple[str, Path]]]:
    """Places, commercial areas and roads by cell; and which of them cannot be read as they were."""
    run = ground.run
    found: list[Weights] = []
    if run.places is not None:
        x, y = run.places.geometry.x.to_numpy(float), run.places.geometry.y.to_numpy(float)
        table = pd.DataFrame({"cell": _cell_near(ground, x, y), "weight": 1.0})
        kinds = run.places["kind"].astype(str).to_numpy() if "kind" in run.places else None
        found.append(("places", "", table[table["cell"] >= 0]))
        if kinds is not None:
            kinds = np.where(np.isin(kinds, list(PLACE_KINDS)), kinds, "other")
            for kind in sorted(set(kinds)):
                own = table[(kinds == kind) & (table["cell"] >= 0)]
                found.append((f"places_{kind}", kind, own))
    skipped: list[tuple[str, Path]] = []
    hashes = {entry["path"]: entry["sha256"] for entry in run.manifest.get("inputs", [])}
    given = run.scenario.demand
    for name, path in ((_LESS, given.commercial), ("roads", given.roads)):
        if path is None:
            continue
        if not path.is_file() or hashes.get(str(path), sha256(path)) != sha256(path):
            skipped.append((name, path))
            continue
        shapes = gpd.read_file(path)
        shapes = shapes if shapes.crs is not None else shapes.set_crs(_DEGREES)
        parts = shapes.geometry.to_crs(run.crs).explode()
        table = _areas(ground, parts) if name != "roads" else _lengths(ground, parts)
        found.append((name, "", table))
    return found, skipped


def _cell_of(ground: Ground, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The cell in which each point lies, −1 outside the plan."""
    grid = ground.run.grid
    col = np.floor((x - grid.x_min_m) / grid.cell_size_m).astype(np.int64)
    row = np.floor((grid.y_max_m - y) / grid.cell_size_m).astype(np.int64)
    keys = pd.Index(ground.row.astype(np.int64) * 10_000_000 + ground.col)
    at = keys.get_indexer(row * 10_000_000 + col)
    return np.asarray(np.where((row < 0) | (col < 0), -1, at))


def _cell_near(ground: Ground, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The same; a point outside goes to the nearest cell within a diagonal."""
    at = _cell_of(ground, x, y)
    centre_x, centre_y = _centres(ground)
    for i in np.flatnonzero(at < 0):
        far = np.hypot(centre_x - x[i], centre_y - y[i])
        if far.size and far.min() < np.sqrt(2) * ground.run.grid.cell_size_m:
            at[i] = int(far.argmin())
    return at


def _areas(ground: Ground, parts: gpd.GeoSeries) -> pd.DataFrame:
    """Cells whose centres lie in polygons, each with its hectares."""
    polygons = parts[parts.geom_type == "Polygon"].to_numpy()
    points = shapely.points(*_centres(ground))
    cell, _ = shapely.STRtree(polygons).query(points, predicate="within")
    hectares = ground.run.grid.cell_size_m**2 / 10_000
    return pd.DataFrame({"cell": np.unique(cell), "weight": hectares})


def _lengths(ground: Ground, parts: gpd.GeoSeries) -> pd.DataFrame:
    """Kilometres of lines in each cell: stretches of at most a quarter of a cell, by their middle."""
    whole = ground.run.municipalities.union_all()
    lines = parts[parts.geom_type == "LineString"].to_numpy()
    cut = shapely.get_parts(shapely.intersection(lines, whole))
    cut = shapely.get_parts(cut)
    cut = cut[shapely.get_type_id(cut) == 1]
    ends, line = shapely.get_coordinates(cut, return_index=True)
    joined = line[1:] == line[:-1]
    start, step = ends[:-1][joined], (ends[1:] - ends[:-1])[joined]
    length = np.hypot(step[:, 0], step[:, 1])
    pieces = np.maximum(1, np.ceil(length / (ground.run.grid.cell_size_m / 4))).astype(int)
    of = np.repeat(np.arange(length.size), pieces)
    number = np.arange(of.size) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    middle = start[of] + step[of] * ((number + 0.5) / pieces[of])[:, None]
    table = pd.DataFrame(
        {
            "cell": _cell_of(ground, middle[:, 0], middle[:, 1]),
            "weight": length[of] / pieces[of] / 1000,
        }
    )
    return table[table["cell"] >= 0].groupby("cell", as_index=False).sum()
