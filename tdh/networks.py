"""Carriers' present sites, as they or the metropolis know them.

A file of sites is a CSV with a row a site or sector: ``carrier_id, latitude, longitude,
antenna_height_agl_m, band, frequency_mhz, eirp_dbm``, and optionally ``site_id, bandwidth_mhz,
azimuth_deg, tilt_deg, environment``. Coordinates are in JGD2011 (WGS 84 differs by less than a
metre). Rows of other carriers and of bands that the scenario does not name are skipped and counted.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from tdh import schemas
from tdh.errors import InputError, Problem
from tdh.language import Text

GEOGRAPHIC_CRS = "EPSG:6668"

SMALL_CELL_BELOW_DBM = 55.0
"""Below this EIRP a site counts as a small cell: street furniture, modelled as UMi."""

_REQUIRED = (
    "carrier_id",
    "latitude",
    "longitude",
    "antenna_height_agl_m",
    "band",
    "frequency_mhz",
    "eirp_dbm",
)


@dataclass(frozen=True)
class Network:
    """The sites of a carrier that a plan uses, and what was skipped.

    Attributes
    ----------
    sites : GeoDataFrame
        Table ``sites``, with ``placement`` (roof or pole) beside it.
    other_bands : dict of str to int
        Bands that the scenario does not give the carrier, with their numbers of rows.
    """

    sites: gpd.GeoDataFrame
    other_bands: dict[str, int]


def read_sites(
    path: str | os.PathLike[str],
    carrier_id: str,
    bands: Collection[str],
    crs: str,
    synthetic: bool = False,
) -> Network:
    """Read one carrier's present sites.

    Parameters
    ----------
    path : path
        CSV in UTF-8 (a byte order mark is fine) or CP932.
    carrier_id : str
        The carrier whose rows are wanted.
    bands : collection of str
        Bands that the scenario gives the carrier.
    crs : str
        The plan's CRS.
    synthetic : bool
        Whether the sites are invented.

    Raises
    ------
    InputError
        With every problem: columns that are missing, values out of range, no row of the carrier.
    """
    where = Path(path).name
    table = _read_csv(Path(path))
    missing = [c for c in _REQUIRED if c not in table.columns]
    if missing:
        raise InputError(
            *(
                Problem(
                    Text("a column is missing", "列がありません"),
                    value=column,
                    expected=", ".join(_REQUIRED),
                    where=where,
                    fix=Text(
                        "name the columns as expected; found: {found}",
                        "列名を合わせてください。現在の列: {found}",
                        found=", ".join(map(str, table.columns[:20])),
                    ),
                )
                for column in missing
            )
        )
    table["source_row"] = np.arange(1, len(table) + 1)
    own = table[table["carrier_id"].astype("str") == carrier_id].copy()
    if own.empty:
        known = sorted(table["carrier_id"].dropna().astype("str").unique())
        raise InputError(
            Problem(
                Text("the carrier has no site in the file", "この事業者の局がファイルにありません"),
                value=carrier_id,
                expected=", ".join(known[:20]) or "-",
                where=where,
                fix=Text(
                    "correct the id, or say new_entrant = true and leave sites out",
                    "idを直すか、局がない事業者なら sites を消して new_entrant = true にしてください",
                ),
            )
        )
    used = own["band"].isin(list(bands))
    others = own.loc[~used, "band"].astype("str").value_counts().to_dict()
    if not used.any():
        raise InputError(
            Problem(
                Text(
                    "none of the carrier's {n} sites in the file is in its bands",
                    "この事業者の局{n}件に、シナリオのバンドの局が1件もありません",
                    n=len(own),
                ),
                value=list(bands),
                expected=", ".join(f"{band} ({n})" for band, n in others.items()),
                where=where,
                fix=Text(
                    "correct the bands, or, if it has none in them yet, say new_entrant = true and "
                    "leave sites out",
                    "bands を直すか、そのバンドの局がまだなければ sites を消して new_entrant = true に"
                    "してください",
                ),
            )
        )
    own = own[used]
    problems = _out_of_range(own, where)
    if problems:
        raise InputError(*problems)
    return Network(
        _as_sites(own, carrier_id, crs, synthetic), {k: int(v) for k, v in others.items()}
    )


def no_sites(crs: str) -> gpd.GeoDataFrame:
    """An empty table of sites, for a carrier without a network."""
    empty: dict[str, list[object]] = {
        c: [] for c in schemas.columns("sites")["column"] if c != "geometry"
    }
    frame = gpd.GeoDataFrame({**empty, "placement": []}, geometry=[], crs=crs)
    return schemas.conform(frame, "sites")


def _read_csv(path: Path) -> pd.DataFrame:
    content = path.read_bytes()
    for encoding in ("utf-8-sig", "cp932"):
        try:
            content.decode(encoding)
        except UnicodeDecodeError:
            continue
        try:
            return pd.read_csv(path, encoding=encoding)
        except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
            raise InputError(
                Problem(
                    Text("it is not a CSV file", "CSVとして読めません"),
                    value=str(error),
                    where=path.name,
                )
            ) from None
    raise InputError(
        Problem(
            Text("the encoding is not known", "文字コードが分かりません"),
            expected="UTF-8, CP932",
            where=path.name,
        )
    )


def _out_of_range(own: pd.DataFrame, where: str) -> list[Problem]:
    problems = []
    limits = {
        "latitude": (20.0, 46.0),
        "longitude": (122.0, 154.0),
        "antenna_height_agl_m": (0.0, 750.0),
        "frequency_mhz": (400.0, 100_000.0),
        "eirp_dbm": (0.0, 90.0),
    }
    for column, (low, high) in limits.items():
        values = pd.to_numeric(own[column], errors="coerce")
        bad = ~values.between(low, high)
        if bad.any():
            first = own[bad].iloc[0]
            problems.append(
                Problem(
                    Text(
                        "{column} is missing or out of range in {n} rows",
                        "{column} が空か範囲外の行が {n} 行あります",
                        column=column,
                        n=int(bad.sum()),
                    ),
                    value=first[column],
                    expected=f"{low:g} … {high:g}",
                    where=Text(
                        "{file}, row {row}",
                        "{file} {row}行目",
                        file=where,
                        row=first["source_row"] + 1,
                    ),
                )
            )
    return problems


def _as_sites(own: pd.DataFrame, carrier_id: str, crs: str, synthetic: bool) -> gpd.GeoDataFrame:
    points = gpd.points_from_xy(own["longitude"], own["latitude"], crs=GEOGRAPHIC_CRS).to_crs(crs)
    eirp = own["eirp_dbm"].astype(float)
    small = eirp < SMALL_CELL_BELOW_DBM
    if "site_id" in own.columns:
        listed = own["site_id"].astype("str")
        again = listed.groupby(listed).cumcount()
        ids = listed.where(again == 0, listed + "-" + (again + 1).astype("str"))
    else:
        listed = ids = carrier_id + "-" + own["source_row"].astype("str")
    sites = gpd.GeoDataFrame(
        {
            "site_id": ids.to_numpy(),
            "carrier_id": carrier_id,
            "listed_id": listed.to_numpy(),
            "band": own["band"].astype("str").to_numpy(),
            "frequency_mhz": own["frequency_mhz"].to_numpy(float),
            "bandwidth_mhz": _optional(own, "bandwidth_mhz", 100.0),
            "eirp_dbm": eirp.to_numpy(),
            "antenna_height_agl_m": own["antenna_height_agl_m"].to_numpy(float),
            "azimuth_deg": _optional(own, "azimuth_deg", np.nan),
            "tilt_deg": _optional(own, "tilt_deg", np.nan),
            "environment": own["environment"].to_numpy()
            if "environment" in own.columns
            else np.where(small, "UMi", "UMa"),
            "placement": np.where(small, "pole", "roof"),
            "synthetic": synthetic,
        },
        geometry=points,
        crs=crs,
    )
    return schemas.conform(sites, "sites")


def _optional(own: pd.DataFrame, column: str, default: float) -> np.ndarray:
    if column not in own.columns:
        return np.full(len(own), default)
    return pd.to_numeric(own[column], errors="coerce").fillna(default).to_numpy(float)
