"""What ``tdh check`` prints: per file, what it is and how its records fared."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from tdh.errors import Problem, RegisterError
from tdh.inventory.tables import Register


def check_files(
    paths: Iterable[str | os.PathLike[str]],
    mapping: Mapping[str, str] | None = None,
    crs: str | None = None,
    *,
    kind: str | None = None,
    plan_crs: str = "EPSG:6677",
) -> list[dict[str, Any]]:
    """Read registers and say, for each, format, encoding, mapping, counts and findings.

    Parameters
    ----------
    paths : iterable of str or path
    mapping, crs, kind, plan_crs
        As for :func:`tdh.inventory.read_assets`.

    Returns
    -------
    list of dict
        With ``path, format, encoding, rows, accepted, rejected, needs_position, mapping, findings``;
        ``rows == accepted + rejected + needs_position``.

    Raises
    ------
    RegisterError
        With the problems of all files that cannot be read.
    """
    from tdh.inventory import read_assets

    out: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            register = read_assets(path, mapping, crs, kind=kind, plan_crs=plan_crs)
        except RegisterError as error:
            problems.extend(error.problems)
            continue
        out.append(describe(register, os.fspath(path)))
    if problems:
        raise RegisterError(*problems)
    return out


def describe(register: Register, path: str) -> dict[str, Any]:
    """One register as ``tdh check --json`` shows it."""
    return {
        "path": path,
        "format": register.format,
        "encoding": register.encoding,
        "rows": register.rows,
        "accepted": len(register.assets),
        "rejected": len(register.rejected),
        "needs_position": len(register.needs_position),
        "mapping": dict(register.mapping),
        "findings": {
            str(rule): int(n)
            for rule, n in register.findings["rule"].value_counts(sort=False).items()
        },
    }
