"""From a TOML file, an override and settings to a checked scenario."""

from __future__ import annotations

import copy
import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tdh.errors import Problem, ScenarioError, refused
from tdh.language import Text
from tdh.scenario.models import Scenario
from tdh.scenario.problems import contradictions, crs_problems, problem_of, unknown_carriers


def read_scenario(
    path: str | os.PathLike[str],
    override: str | None = None,
    settings: Iterable[str] = (),
) -> Scenario:
    """Read and check a scenario.

    Parameters
    ----------
    path : path
        A TOML file.
    override : str, optional
        Name of an ``[overrides.NAME]`` table of the file to apply.
    settings : iterable of str
        ``key=value`` settings applied last, such as ``siting.spacing_m=300`` or
        ``carriers.carrier-a.max_sites=40``; the value is TOML, or else a plain string.

    Raises
    ------
    ScenarioError
        With every problem: syntax, unknown keys, wrong values, missing files, contradictions.
    """
    file = Path(path)
    try:
        raw = tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise ScenarioError(
            Problem(
                Text("the scenario is not there", "シナリオがありません"),
                where=str(file),
                fix=Text("write one with: tdh init", "tdh init で雛形を作れます"),
            )
        ) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ScenarioError(
            Problem(
                Text("it is not UTF-8", "UTF-8ではありません"),
                value=error.object[error.start : error.start + 4].hex(" "),
                where=Text("{file}, line {n}", "{file} {n}行", file=file, n=line),
                fix=Text("save it as UTF-8", "文字コードをUTF-8にして保存し直してください"),
            )
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(
            Problem(
                Text("it is not valid TOML", "TOMLとして読めません"),
                value=str(error),
                where=str(file),
                fix=Text(
                    "save it as UTF-8 and correct the named line",
                    "UTF-8で保存し、示された行を直してください",
                ),
            )
        ) from None
    except OSError as error:
        unread = Text("the scenario cannot be read", "シナリオを読めません")
        raise ScenarioError(
            refused(error) or Problem(unread, value=error.strerror, where=str(file))
        ) from None
    raw = _overridden(raw, override, settings, str(file))
    return scenario_from(raw, base=file.parent, where=file.name)


def scenario_from(raw: Mapping[str, Any], base: Path, where: str = "scenario") -> Scenario:
    """A checked scenario from plain dictionaries; relative paths start at ``base``."""
    problems: list[Problem] = []
    data = _with_paths(copy.deepcopy(dict(raw)), base, where, problems)
    scenario = None
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError as error:
        problems += [problem_of(details, where) for details in error.errors()]
        carriers = data.get("carriers")
        listed = carriers if isinstance(carriers, list) else []
        ids = [str(c.get("id")) for c in listed if isinstance(c, dict)]
        problems += unknown_carriers(data.get("siting"), ids, where)
    problems += crs_problems(data.get("crs", Scenario.model_fields["crs"].default), where)
    if scenario is not None:
        problems += contradictions(scenario, where)
    if problems:
        raise ScenarioError(*problems)
    assert scenario is not None
    return scenario


# --- overrides and settings ----------------------------------------------------------------------


def _overridden(
    raw: dict[str, Any], override: str | None, settings: Iterable[str], where: str
) -> dict[str, Any]:
    overrides = raw.pop("overrides", {})
    problems: list[Problem] = []
    if override is not None:
        if isinstance(overrides, dict) and override in overrides:
            _merge(raw, overrides[override], f"overrides.{override}", problems)
        else:
            problems.append(
                Problem(
                    Text("there is no such override", "その名前のoverridesはありません"),
                    value=override,
                    expected=", ".join(overrides) or "-",
                    where=where,
                )
            )
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            problems.append(
                Problem(
                    Text(
                        "a setting is not of the form key=value",
                        "設定が key=value の形ではありません",
                    ),
                    value=setting,
                    expected="siting.spacing_m=300",
                    where="--set",
                )
            )
            continue
        change: Any = _toml_value(value.strip())
        for part in reversed(key.strip().split(".")):
            change = {part: change}
        _merge(raw, change, f"--set {key.strip()}", problems)
    if problems:
        raise ScenarioError(*problems)
    return raw


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _merge(target: dict[str, Any], change: Any, where: str, problems: list[Problem]) -> None:
    """Merge tables into tables; lists of tables are addressed by id, name or position."""
    if not isinstance(change, dict):
        problems.append(
            Problem(Text("a table was expected", "表(table)が必要です"), value=change, where=where)
        )
        return
    for key, value in change.items():
        present = target.get(key)
        if isinstance(value, dict) and isinstance(present, list):
            for name, part in value.items():
                entry = _entry(present, name)
                if entry is None:
                    problems.append(
                        Problem(
                            Text("there is no such entry", "その項目はありません"),
                            value=name,
                            expected=", ".join(_names(present)),
                            where=f"{where}: {key}",
                        )
                    )
                else:
                    _merge(entry, part, f"{where}.{name}", problems)
        elif isinstance(value, dict) and isinstance(present, dict):
            _merge(present, value, f"{where}.{key}", problems)
        else:
            target[key] = copy.deepcopy(value)


def _names(entries: Sequence[Any]) -> list[str]:
    return [
        str(e.get("id") or e.get("name") or e.get("path") or i) if isinstance(e, dict) else str(i)
        for i, e in enumerate(entries)
    ]


def _entry(entries: Sequence[Any], name: str) -> dict[str, Any] | None:
    for position, (entry, known) in enumerate(zip(entries, _names(entries), strict=True)):
        if isinstance(entry, dict) and name in (known, str(position)):
            return entry
    return None


# --- paths ---------------------------------------------------------------------------------------

_PATH_KEYS: tuple[tuple[str, ...], ...] = (
    ("area", "boundaries"),
    ("assets", "path"),
    ("inventory", "kinds"),
    ("inventory", "geocoder"),
    ("surface", "buildings"),
    ("surface", "terrain"),
    ("demand", "population"),
    ("demand", "training"),
    ("demand", "commercial"),
    ("demand", "roads"),
    ("demand", "sources", "path"),
    ("places", "path"),
    ("carriers", "sites"),
    ("carriers", "coverage", "path"),
    ("coverage", "calibration"),
    ("throughput", "path"),
    ("floods", "path"),
    ("packages", "round"),
)


def _with_paths(
    data: dict[str, Any], base: Path, where: str, problems: list[Problem]
) -> dict[str, Any]:
    """Expand variables and make paths absolute; note every file that is not there."""
    seen: set[str] = set()
    for *sections, key in _PATH_KEYS:
        for place, table in _tables_at(data, sections):
            value = table.get(key)
            at = f"{where}: {place}.{key}"
            if isinstance(value, str | Path):
                table[key] = _resolved(str(value), base, at, problems, seen)
            elif isinstance(value, list):
                table[key] = [
                    _resolved(v, base, at, problems, seen) if isinstance(v, str) else v
                    for v in value
                ]
    return data


def _tables_at(
    table: dict[str, Any], sections: Sequence[str], place: str = ""
) -> list[tuple[str, dict[str, Any]]]:
    """The tables that a chain of keys leads to, each with its place in words."""
    if not sections:
        return [(place, table)]
    name, *rest = sections
    below = table.get(name)
    at = f"{place}.{name}" if place else name
    if isinstance(below, list):
        entries = [(f"{at}[{i}]", entry) for i, entry in enumerate(below)]
    else:
        entries = [(at, below)]
    return [
        found
        for where, entry in entries
        if isinstance(entry, dict)
        for found in _tables_at(entry, rest, where)
    ]


def _resolved(text: str, base: Path, where: str, problems: list[Problem], seen: set[str]) -> str:
    unset = [n for n in re.findall(r"\$\{?(\w+)\}?", text) if n not in os.environ]
    if unset:
        problems.append(
            Problem(
                Text("an environment variable is not set", "環境変数が設定されていません"),
                value=", ".join(unset),
                where=where,
                fix=Text(
                    "export {name}=… or write the path out",
                    "export {name}=… とするか、パスを直接書いてください",
                    name=unset[0],
                ),
            )
        )
        return text
    path = Path(os.path.expandvars(text)).expanduser()
    path = path if path.is_absolute() else base / path
    resolved = str(path.resolve())
    if not path.exists() and resolved not in seen:
        seen.add(resolved)
        near = difflib.get_close_matches(
            path.name, [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else [], n=1
        )
        problems.append(
            Problem(
                Text("the file is not there", "ファイルがありません"),
                value=str(path),
                where=where,
                fix=Text("did you mean {name}?", "{name} ではありませんか", name=near[0])
                if near
                else Text(
                    "paths are relative to the scenario's folder: {base}",
                    "パスはシナリオのあるフォルダから始まります: {base}",
                    base=str(base.resolve()),
                ),
            )
        )
    return resolved
