"""What a run records of itself: inputs, versions, stages, seconds, memory, and the solver's word."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tdh.errors import InputError, Problem
from tdh.files import atomic
from tdh.language import Text

FORMAT = 1
"""Raised when the layout of a run folder changes in a way that readers must know."""

_PACKAGES = (
    "click",
    "folium",
    "geopandas",
    "numba",
    "numpy",
    "ortools",
    "pandas",
    "pyarrow",
    "pydantic",
    "pyogrio",
    "pyproj",
    "rasterio",
    "scikit-learn",
    "scipy",
    "shapely",
)


def versions() -> dict[str, str]:
    """Versions of tdh, Python, the platform and the libraries that decide a result."""
    found = {"tdh": importlib.metadata.version("tdh"), "python": platform.python_version()}
    found["platform"] = platform.platform()
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "-"
    return found


def peak_memory_mb() -> float:
    """The most memory that this process has held so far, in MB (0 where the system cannot tell)."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024), 1))


@dataclass
class StageRecord:
    """What a stage cost, and what it stood on."""

    name: str
    key: str
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    reused: bool = False
    outputs: dict[str, list[int]] = field(default_factory=dict)
    """Output to size in bytes and time of change in ns: a file that was touched is made again."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What the manifest shall say of the stage: rows, counts, solver status."""

    def stamp(self, folder: Path, outputs: list[str]) -> None:
        """Note the size and time of each output."""
        self.outputs = {}
        for name in outputs:
            stat = (folder / name).stat()
            self.outputs[name] = [stat.st_size, stat.st_mtime_ns]

    def holds(self, folder: Path, key: str) -> bool:
        """Whether the stage need not run again: same key, outputs untouched."""
        if self.key != key:
            return False
        for name, stamp in self.outputs.items():
            try:
                stat = (folder / name).stat()
            except OSError:
                return False
            if [stat.st_size, stat.st_mtime_ns] != stamp:
                return False
        return True


@contextmanager
def timed(record: StageRecord) -> Iterator[StageRecord]:
    """Fill in the seconds and the memory of a stage."""
    start = time.perf_counter()
    yield record
    record.seconds = round(time.perf_counter() - start, 3)
    record.peak_memory_mb = peak_memory_mb()


def write(folder: Path, content: Mapping[str, Any]) -> None:
    """Write ``manifest.json``; the time comes from SOURCE_DATE_EPOCH where that is set."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    whole = {
        "format": FORMAT,
        "created": moment.isoformat(timespec="seconds"),
        "versions": versions(),
        **content,
    }
    with atomic(folder / "manifest.json") as path:
        path.write_text(json.dumps(whole, ensure_ascii=False, indent=1), encoding="utf-8")


def read(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The manifest of a run folder.

    Raises
    ------
    InputError
        If the folder holds no finished run, or one of a newer format.
    """
    path = Path(folder) / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        within = sorted(str(found.parent) for found in Path(folder).glob("*/manifest.json"))
        raise InputError(
            Problem(
                Text(
                    "it is not the folder of a finished run", "完了した計算のフォルダではありません"
                ),
                where=str(folder),
                fix=Text("{folder} is one", "{folder} を指定してください", folder=within[0])
                if within
                else Text(
                    "make one with: tdh run SCENARIO --out DIR",
                    "tdh run シナリオ --out フォルダ で作れます",
                ),
            )
        ) from None
    except ValueError as error:
        raise InputError(
            Problem(
                Text("a file of the run is damaged", "計算結果のファイルが壊れています"),
                value=error,
                where=str(path),
                fix=Text("run the scenario again", "もう一度計算してください"),
            )
        ) from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else None
        raise InputError(
            Problem(
                Text("the run folder has another format", "計算フォルダの形式が違います"),
                value=found,
                expected=str(FORMAT),
                where=str(path),
                fix=Text(
                    "run the scenario again with this version", "この版でもう一度計算してください"
                ),
            )
        )
    return manifest
