"""Siting: which assets to offer to which carriers, with a proven bound on every plan."""

from __future__ import annotations

from tdh.siting.allocation import solve_allocation
from tdh.siting.mclp import solve_mclp
from tdh.siting.plan import Plan, Status
from tdh.siting.solving import Effort
from tdh.siting.verifying import verify

__all__ = ["Effort", "Plan", "Status", "solve_allocation", "solve_mclp", "verify"]
