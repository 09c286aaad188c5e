"""What readers hand on: a table of text as published, and the register that is made of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import geopandas as gpd
import numpy as np
import pandas as pd


@dataclass(eq=False)
class RawTable:
    """One table of a file: a sheet, a layer, a member of a zip, as published.

    Parameters
    ----------
    frame : DataFrame of str, shape (n, n_columns)
        The cells as text, ``""`` where empty; the columns' names are unique.
    format : str
        Such as ``csv``, ``xlsx``, ``geojson``.
    encoding : str, optional
        The text's encoding, where there is one.
    geometry : array of shapely geometries, shape (n,), optional
        None where a record has none.
    crs : str, optional
        The geometry's CRS as the file states it.
    part : str
        Sheet, layer or member, where a file holds several.
    title : str
        Words around the table (title lines, names of sheets), for judging the kind.
    has_header : bool
        False where the columns have no names.
    notes : list of (rule, column, before, values)
        What the reader found about the table as a whole.
    """

    frame: pd.DataFrame
    format: str
    encoding: str | None = None
    geometry: np.ndarray | None = None
    crs: str | None = None
    part: str = ""
    title: str = ""
    has_header: bool = True
    notes: list[tuple[str, str | None, str | None, dict[str, object]]] = field(default_factory=list)

    def note(
        self, rule: str, column: str | None = None, before: str | None = None, **values: object
    ) -> None:
        """Remember something about the table as a whole."""
        self.notes.append((rule, column, before, values))


@dataclass(frozen=True)
class Register:
    """A register of assets, sorted into what can be used and what cannot.

    Every record read is in exactly one of the three tables:
    ``rows == len(assets) + len(rejected) + len(needs_position)``.

    Parameters
    ----------
    assets : GeoDataFrame
        Table ``assets``: the records with a usable position, in the plan's CRS.
    rejected : DataFrame
        Table ``rejected``: source, source_row, reason, original (JSON text of the cells).
    needs_position : DataFrame
        As ``assets``, without geometry: records that have an address but no usable point.
    findings : DataFrame
        Table ``findings``.
    rows : int
        Records read.
    mapping : dict
        Field to the register's column.
    format : str
        The container, such as ``csv`` or ``zip:shp``.
    encoding : str or None
        The text's encoding.
    source : str
        The register's name.
    """

    assets: gpd.GeoDataFrame
    rejected: pd.DataFrame
    needs_position: pd.DataFrame
    findings: pd.DataFrame
    rows: int
    mapping: dict[str, str]
    format: str
    encoding: str | None
    source: str

    def __post_init__(self) -> None:
        if self.rows != len(self.assets) + len(self.rejected) + len(self.needs_position):
            raise AssertionError("records were lost between reading and sorting")
