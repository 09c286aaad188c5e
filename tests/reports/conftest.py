"""The invented runs of the map's tests, for the reports."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest


def _maps_conftest() -> Any:
    name = "tdh_tests_maps_conftest"
    if name not in sys.modules:
        path = Path(__file__).parents[1] / "maps" / "conftest.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


_shared = _maps_conftest()
ATTACKS = _shared.ATTACKS
fake_run = _shared.fake_run
hostile_run = _shared.hostile_run
poor_run = _shared.poor_run


@pytest.fixture(scope="session")
def attacks() -> list[str]:
    """Texts that would do harm if they were read as more than text."""
    return list(ATTACKS)
