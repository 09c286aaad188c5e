"""tdh: which public assets to offer to which mobile carrier for 5G, why, and how near the best.

The pipeline, in the order of the modules: registers become assets, buildings and terrain a
surface, census meshes demand; radio prediction gives coverage, coverage and demand give gaps, gaps
give scores, scores and budgets a plan with a proven bound; maps, reports and packages show it.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# Resolved on first use, so that ``import tdh`` and ``tdh --help`` stay quick.
_LAZY = {
    "Offer": "tdh.exchange",
    "Run": "tdh.results",
    "calibrate": "tdh.pipeline.calibrating",
    "check": "tdh.pipeline",
    "demo": "tdh.pipeline",
    "equity": "tdh.pipeline.ranking",
    "explain_score": "tdh.pipeline.ranking",
    "init": "tdh.pipeline",
    "read_offer": "tdh.exchange",
    "read_run": "tdh.results",
    "read_scenario": "tdh.scenario",
    "run": "tdh.pipeline",
    "score": "tdh.pipeline.ranking",
}

__all__ = [*_LAZY, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    try:
        return importlib.import_module(f"tdh.{name}")
    except ModuleNotFoundError as error:
        if error.name == f"tdh.{name}":
            raise AttributeError(f"module 'tdh' has no attribute {name!r}") from None
        raise


def __dir__() -> list[str]:
    return sorted(__all__)
