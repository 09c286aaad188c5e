"""Reading registers: the speed that issue 3 asks for.

Run with ``pytest benchmarks/bench_inventory.py --benchmark-only`` (TDH_DATA names the real data).
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tdh import inventory

MILLION = 1_000_000


def hydrants() -> Path:
    """The register of 134,734 hydrants in CP932."""
    folder = os.environ.get("TDH_DATA")
    if not folder:
        pytest.skip("TDH_DATA is not set: no real data")
    return Path(folder) / "tokyo" / "assets" / "消火栓一覧.csv"


def test_hydrants_against_pandas(benchmark: Any) -> None:
    path = hydrants()
    register = benchmark.pedantic(inventory.read_assets, (path,), rounds=3)
    assert len(register.assets) == 134_734
    if not benchmark.enabled:  # the smoke test: a busy machine may take any time
        return
    start = time.process_time()
    pd.read_csv(path, encoding="cp932")
    plain = time.process_time() - start
    start = time.process_time()
    inventory.read_assets(path)
    ours = time.process_time() - start
    benchmark.extra_info["pandas_cpu_seconds"] = plain
    benchmark.extra_info["ours_cpu_seconds"] = ours
    # Time of the processor, so that a busy machine does not spoil the comparison.
    assert ours <= 3 * plain + 2


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A million invented records with seven columns in CP932, 86 MB."""
    rng = np.random.default_rng(0)
    number = np.arange(MILLION)
    kinds = rng.choice(["公園", "小学校", "街路灯", "都営住宅"], MILLION)
    frame = pd.DataFrame(
        {
            "全国地方公共団体コード": "131016",
            "ID": np.char.mod("A%07d", number),
            "名称": np.char.add(np.char.add("千代田第", number.astype(str)), kinds),
            "住所": np.char.add("東京都千代田区丸の内", number.astype(str)),
            "緯度": rng.uniform(35.6, 35.8, MILLION).round(6),
            "経度": rng.uniform(139.6, 139.8, MILLION).round(6),
            "備考": "",
        }
    )
    path = tmp_path_factory.mktemp("bench") / "million.csv"
    frame.to_csv(path, index=False, encoding="cp932")
    return path


@pytest.mark.slow
def test_million_records(benchmark: Any, million: Path) -> None:
    start = time.process_time()
    register = benchmark.pedantic(inventory.read_assets, (million,), rounds=1)
    assert len(register.assets) == MILLION
    benchmark.extra_info["cpu_seconds"] = time.process_time() - start


def test_deduplicate(benchmark: Any) -> None:
    folder = hydrants().parent
    names = ["tmg_public_facilities.csv", "130001_evacuation_area.csv", "toei_bus_stops.json"]
    register = inventory.concat(inventory.read_assets(folder / name) for name in names)
    done = benchmark.pedantic(inventory.deduplicate, (register.assets,), rounds=3)
    assert len(done.assets) < len(register.assets)
