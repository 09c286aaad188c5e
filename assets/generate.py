"""Write the sample's inputs: what ``tdh demo`` runs on.

The same seed gives the same bytes. Real are only the facts of ``facilities.csv`` and
``towers.csv``; all else is invented and says so in a column, a name or a note.
"""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from tdh.files import atomic
from tdh.sample import carriers, city, place, registers


def write_inputs(folder: str | os.PathLike[str], seed: int = 0) -> None:
    """Write the demo's scenario and what it names, the same bytes for the same seed.

    Parameters
    ----------
    folder : path
        Where to; it is made if it is not there. Files of the same names are replaced.
    seed : int
        Of everything that is invented.

    Notes
    -----
    ``demo.toml``
        The scenario, ready for :func:`tdh.read_scenario`.
    ``facilities.csv``
        Real public facilities: facts with their sources.
    ``buildings.parquet``
        GeoParquet outlines with ``height_m`` in EPSG:6677. Invented, but for the heights whose
        ``height_source`` names a table of facts.
    ``population.csv``
        Invented residents in meshes of 250 m (JIS X 0410, ten digits).
    ``people_by_day.csv``
        Invented people by day in the same meshes: residents at home and workers.
    ``municipalities.geojson``
        Three wards, simplified by hand.
    ``sites.csv``
        Four invented carriers' present sites.
    ``ward_register_synthetic_cp932.csv``, ``ward_register_synthetic.xlsx``
        Invented, messy registers of street furniture.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    # One stream for each product, so that a change to one leaves the others as they were.
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(4)]
    houses = city.buildings(streams[0])
    for name in ("demo.toml", "facilities.csv"):
        with atomic(target / name) as draft:
            draft.write_bytes(files("tdh.sample").joinpath(name).read_bytes())
    with atomic(target / "buildings.parquet") as draft:
        houses.to_parquet(draft)
    _write_csv(population(houses, city.residents(houses)), target / "population.csv")
    _write_csv(population(houses, city.people_by_day(houses)), target / "people_by_day.csv")
    with atomic(target / "municipalities.geojson") as draft:
        draft.write_text(place.wards().to_json(ensure_ascii=False) + "\n", encoding="utf-8")
    _write_csv(carriers.sites(houses, streams[1]), target / "sites.csv")
    registers.write_lights(target / "ward_register_synthetic_cp932.csv", streams[2])
    registers.write_signs(target / "ward_register_synthetic.xlsx", streams[3])


def population(houses: gpd.GeoDataFrame, persons: np.ndarray) -> pd.DataFrame:
    """Invented people of buildings per 250 m mesh: ``KEY_CODE, population, synthetic``."""
    centres = houses.geometry.centroid
    lonlat = place.to_degrees(np.column_stack([centres.x, centres.y]))
    codes = mesh_codes(lonlat[:, 0], lonlat[:, 1])
    people = pd.Series(persons).groupby(codes).sum().round().astype("int64")
    return pd.DataFrame({"KEY_CODE": people.index, "population": people.to_numpy()}).assign(
        synthetic=True
    )


def mesh_codes(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Ten-digit codes of JIS X 0410 meshes of 250 m.

    >>> mesh_codes(np.array([139.6917]), np.array([35.6895]))
    array(['5339452532'], dtype=object)
    """
    # A first-order mesh is 2/3 by 1 degree; 320 meshes of 250 m lie along each of its sides.
    row = np.floor(latitude * 480).astype(int)
    col = np.floor((longitude - 100) * 320).astype(int)
    digits = [
        row // 320 * 100 + col // 320,
        row % 320 // 40 * 10 + col % 320 // 40,
        row % 40 // 4 * 10 + col % 40 // 4,
        1 + row % 4 // 2 * 2 + col % 4 // 2,
        1 + row % 2 * 2 + col % 2,
    ]
    return np.array(
        [f"{a:04d}{b:02d}{c:02d}{d}{e}" for a, b, c, d, e in zip(*digits, strict=True)], object
    )


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    with atomic(path) as draft:
        table.to_csv(draft, index=False, lineterminator="\n")
