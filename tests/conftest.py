"""What all tests share."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

if TYPE_CHECKING:
    from tdh.results import Run

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-precise-memory-info",
]


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data that ``TDH_DATA`` names; the test is skipped without it."""
    folder = os.environ.get("TDH_DATA")
    if not folder:
        pytest.skip("TDH_DATA is not set: no real data")
    path = Path(folder)
    if not path.is_dir():
        pytest.fail(f"TDH_DATA names a folder that is not there: {path}")
    return path


@contextlib.contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Of the processes that share the tests, one at a time; the system lets go when one dies."""
    with path.open("w") as held:
        if fcntl is not None:
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The bundled sample, run once for all tests; they must not change its folder.

    With pytest-xdist the first process makes it, and the others wait for it: one of them
    compiles the kernels, and all find them compiled.
    """
    import tdh

    if "PYTEST_XDIST_WORKER" not in os.environ or fcntl is None:
        return tdh.demo(tmp_path_factory.mktemp("demo"))
    shared = tmp_path_factory.getbasetemp().parent
    with one_at_a_time(shared / "demo.lock"):
        if (shared / "demo" / "run" / "manifest.json").exists():
            return tdh.read_run(shared / "demo" / "run")
        return tdh.demo(shared / "demo", overwrite=True)


@pytest.fixture
def rough_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans within five per cent of the best, for runs in which the plan is beside the point."""
    from tdh.siting.solving import Effort

    monkeypatch.setattr(Effort.__init__, "__defaults__", (0.05, 0.1, None))


@pytest.fixture(scope="session")
def recount() -> Callable[[Run], dict[str, float]]:
    """Count again, from the files of a run and nothing of tdh, the people whom the plan serves.

    Returns carrier to people; the sum is the plan's objective.
    """

    def count(run: Run) -> dict[str, float]:
        cells = pq.read_table(run.folder / "cells.parquet", columns=["cell_id"])["cell_id"]
        position = pd.Series(np.arange(len(cells)), index=cells.to_pandas())
        gaps = pq.read_table(run.folder / "gaps.parquet").to_pandas()
        plan = pq.read_table(run.folder / "plan.parquet").to_pandas()
        thresholds = {
            (entry["carrier_id"], entry["band"]["id"]): entry["band"]["covered_dbm"]
            for entry in run.manifest["bands"]
        }
        people = {}
        for carrier, rows in gaps.groupby("carrier_id", observed=True):
            unmet = np.zeros(len(cells))
            unmet[position[rows["cell_id"].astype(str)].to_numpy()] = rows["unmet_people"]
            served = np.zeros(len(cells), dtype=bool)
            for (owner, band), threshold in thresholds.items():
                if owner != carrier:
                    continue
                with np.load(run.folder / f"footprints/{owner}-{band}.npz") as stored:
                    ids = np.array(stored["site_ids"].tobytes().decode().split("\n"))
                    starts, levels = stored["indptr"], stored["signal"]
                    columns = np.cumsum(stored["column_steps"], dtype=np.int64)
                for asset in plan.loc[plan["carrier_id"] == carrier, "asset_id"]:
                    row = int(np.flatnonzero(ids == asset)[0])
                    span = slice(starts[row], starts[row + 1])
                    rsrp_dbm = -150.5 + 0.5 * levels[span].astype(float)
                    served[columns[span][rsrp_dbm >= threshold]] = True
            people[str(carrier)] = float(unmet[served].sum())
        return people

    return count


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium; the test is skipped where there is none."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("no chromium on this machine")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=executable, headless=True, args=CHROMIUM_FLAGS
        )
        yield opened
        opened.close()


@pytest.fixture
def context(browser: Any) -> Iterator[Any]:
    """A fresh profile; what the page asks for and says is recorded on it."""
    made = browser.new_context(viewport={"width": 1500, "height": 900}, accept_downloads=True)
    made.set_default_timeout(60_000)  # the machine may be busy
    yield made
    made.close()
