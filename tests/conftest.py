"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


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
