"""Registers of assets as they are really published: load, repair, explain, lose nothing.

:func:`read_assets` turns a register in almost any container, encoding and schema into clean assets,
or says precisely why a record cannot be used; :func:`complete` adds municipality, height and
placement; :func:`deduplicate` finds one asset in many registers; :func:`check_files` and
:func:`summary_text` say what was found.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import PurePosixPath

from tdh.inventory import opening, records
from tdh.inventory.checking import check_files
from tdh.inventory.completing import complete
from tdh.inventory.deduplicating import Deduplicated, deduplicate
from tdh.inventory.geocoding import geocode
from tdh.inventory.joining import concat
from tdh.inventory.summaries import summary_html, summary_text
from tdh.inventory.tables import Register

__all__ = [
    "Deduplicated",
    "Register",
    "check_files",
    "complete",
    "concat",
    "deduplicate",
    "geocode",
    "read_assets",
    "summary_html",
    "summary_text",
]


def read_assets(
    path: str | os.PathLike[str],
    mapping: Mapping[str, str] | None = None,
    crs: str | None = None,
    *,
    kind: str | None = None,
    owner: str | None = None,
    source: str | None = None,
    synthetic: bool = False,
    plan_crs: str = "EPSG:6677",
) -> Register:
    """Read a register of assets.

    Parameters
    ----------
    path : str or path
        A file (CSV, TSV, Excel, JSON, GeoJSON, GeoPackage, Shapefile, GeoParquet, KML, GML, a zip of
        these), ``-`` for standard input, or a URL where fsspec is installed. The format is judged by
        content, not by the name.
    mapping : mapping of field to column, optional
        Overrules the recognition of headers; fields are those of ``headers.csv``. An empty column
        says that there is none.
    crs : str, optional
        CRS of the register's coordinates where it is not as recognised, such as ``"EPSG:4301"`` for
        the Tokyo datum or ``"EPSG:6677"`` for columns in metres.
    kind : str, optional
        Kind of all its assets, a kind of ``kinds.csv``; empty: from the register's words.
    owner : str, optional
        Owner where the register names none.
    source : str, optional
        Name of the register in all tables; empty: the file's name.
    synthetic : bool, default False
        True where the register is invented.
    plan_crs : str, default ``"EPSG:6677"``
        The plan's projected CRS.

    Returns
    -------
    Register

    Raises
    ------
    RegisterError
        If the register as a whole cannot be read. Single bad records are findings.
    """
    records.check_arguments(kind, plan_crs, crs)
    tables, name = opening.open_register(path)
    options = records.Options(
        source=source or name,
        mapping=mapping,
        crs=crs,
        kind=kind,
        owner=owner,
        synthetic=synthetic,
        plan_crs=plan_crs,
        words=(PurePosixPath(name).stem,),
    )
    return records.build(tables, options)
