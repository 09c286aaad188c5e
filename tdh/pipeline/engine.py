"""Stages that run only when what they stand on has changed.

A stage is a function that writes files into the run folder. Its key is a hash of the code, of the
part of the scenario that it reads (with each file replaced by the hash of its content) and of the
keys of the stages before it. Where the key is the same and the outputs are untouched, the stage is
skipped. Records live in ``.stages/`` inside the run folder, written after the outputs have been
moved into place: a run that is interrupted goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import tdh
from tdh.errors import TdhError
from tdh.files import atomic, sha256
from tdh.language import Text
from tdh.manifest import StageRecord, timed
from tdh.scenario import Scenario

Report = Callable[[Text, int, int], None]
"""Called as a run goes on: what is being done, how much of it is done, of how much."""


@dataclass(frozen=True)
class Stage:
    """One step of the pipeline.

    Parameters
    ----------
    name : str
        Name in the manifest and of its record.
    title : Text
        What people read while it runs.
    work : callable
        ``work(context) -> facts``: writes the outputs, returns what the manifest shall say.
    reads : callable
        The part of the scenario that it depends on, as plain data; files as :class:`Path`.
    outputs : callable
        The files that it writes, relative to the run folder.
    after : sequence of str
        Stages whose outputs it reads.
    """

    name: str
    title: Text
    work: Callable[[Any], dict[str, Any]]
    reads: Callable[[Scenario], Any]
    outputs: Callable[[Scenario], list[str]]
    after: Sequence[str] = ()


def run_stages(
    stages: Sequence[Stage],
    context: Any,
    report: Report | None = None,
) -> list[StageRecord]:
    """Run what has to be run, in order; return all records.

    ``context`` has ``scenario``, ``folder`` and ``finished(record)``, which is told of each stage
    as it ends, run or skipped.
    """
    folder: Path = context.folder
    _clear(stages, context.scenario, folder)
    records: dict[str, StageRecord] = {}
    for number, stage in enumerate(stages):
        if report is not None:
            report(stage.title, number, len(stages))
        key = _key(stage, context.scenario, [records[name].key for name in stage.after])
        old = _read_record(folder, stage.name)
        if old is not None and old.holds(folder, key):
            record = old
            record.reused = True
        else:
            record_path(folder, stage.name).unlink(missing_ok=True)
            record = StageRecord(stage.name, key)
            with timed(record):
                record.facts = stage.work(context)
            record.stamp(folder, stage.outputs(context.scenario))
            with atomic(record_path(folder, stage.name)) as path:
                path.write_text(json.dumps(asdict(record), ensure_ascii=False), encoding="utf-8")
        records[stage.name] = record
        context.finished(record)
    if report is not None:
        report(Text("done", "完了"), len(stages), len(stages))
    return list(records.values())


def _clear(stages: Sequence[Stage], scenario: Scenario, folder: Path) -> None:
    """Take away what the run will make anew: if it fails, nothing of another scenario is left.

    Who opens a map of the folder does not look whether the folder is that of a finished run.
    """
    keys: dict[str, str | None] = {}
    for stage in stages:
        old, upstream = _read_record(folder, stage.name), [keys[name] for name in stage.after]
        known = [key for key in upstream if key is not None]
        try:
            keys[stage.name] = _key(stage, scenario, known) if len(known) == len(upstream) else None
        except (OSError, TdhError):  # it is told when the stage's turn comes
            keys[stage.name] = None
        key = keys[stage.name]
        if old is not None and key is not None and old.holds(folder, key):
            continue
        for name in {*stage.outputs(scenario), *(old.outputs if old is not None else ())}:
            (folder / name).unlink(missing_ok=True)
        record_path(folder, stage.name).unlink(missing_ok=True)


def record_path(folder: Path, name: str) -> Path:
    """Where a stage's record is kept."""
    return folder / ".stages" / f"{name}.json"


def _read_record(folder: Path, name: str) -> StageRecord | None:
    try:
        return StageRecord(**json.loads(record_path(folder, name).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _key(stage: Stage, scenario: Scenario, upstream: list[str]) -> str:
    content = [stage.name, _code(), _hashable(stage.reads(scenario)), upstream]
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _code() -> str:
    """A hash of the package: after a change of the code nothing old is used again."""
    root = Path(tdh.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.suffix in {".py", ".csv", ".js", ".css", ".html"} and path.is_file():
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _hashable(value: Any) -> Any:
    """Plain data with each file replaced by its name and the hash of its content."""
    if isinstance(value, Path):
        return [value.name, file_hash(value)]
    if isinstance(value, dict):
        return {str(k): _hashable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_hashable(v) for v in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)  # a default of 500 is read back as 500.0
    return value


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, or of a folder's files with their names."""
    if not path.is_dir():
        stat = path.stat()
        return _hash_of(str(path), stat.st_size, stat.st_mtime_ns)
    digest = hashlib.sha256()
    for member in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(member.relative_to(path).as_posix().encode())
        digest.update(sha256(member).encode())
    return digest.hexdigest()


@cache
def _hash_of(path: str, size: int, changed_ns: int) -> str:
    return sha256(path)
