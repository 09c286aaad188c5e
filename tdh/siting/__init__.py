"""Siting: which assets to offer to which carriers, with a proven bound on every plan."""

from __future__ import annotations

from tdh.siting.allocation import solve_allocation
from tdh.siting.backup import BackupPlan, solve_backup_cover
from tdh.siting.explaining import Reason, explain_unchosen
from tdh.siting.exploring import alternatives, compare, cost_curve, coverage_curve
from tdh.siting.faces import (
    PlacedPlan,
    plan_backup,
    plan_cover,
    plan_in_order,
    plan_max_min,
    plan_shared_cost,
    plan_years,
)
from tdh.siting.fair import FairPlan, solve_max_min
from tdh.siting.frames import SitePlan, plan_sites
from tdh.siting.layered import Objective
from tdh.siting.lexicographic import LexicographicPlan, solve_lexicographic
from tdh.siting.mclp import solve_mclp
from tdh.siting.partial import Cover, solve_partial_cover
from tdh.siting.plan import Plan, Status
from tdh.siting.recounting import (
    verify_backup,
    verify_cover,
    verify_lexicographic,
    verify_max_min,
    verify_shared_cost,
    verify_years,
)
from tdh.siting.solving import Effort
from tdh.siting.tenancy import TenancyPlan, solve_shared_cost
from tdh.siting.verifying import verify
from tdh.siting.years import YearsPlan, solve_years

__all__ = [
    "BackupPlan",
    "Cover",
    "Effort",
    "FairPlan",
    "LexicographicPlan",
    "Objective",
    "PlacedPlan",
    "Plan",
    "Reason",
    "SitePlan",
    "Status",
    "TenancyPlan",
    "YearsPlan",
    "alternatives",
    "compare",
    "cost_curve",
    "coverage_curve",
    "explain_unchosen",
    "plan_backup",
    "plan_cover",
    "plan_in_order",
    "plan_max_min",
    "plan_shared_cost",
    "plan_sites",
    "plan_years",
    "solve_allocation",
    "solve_backup_cover",
    "solve_lexicographic",
    "solve_max_min",
    "solve_mclp",
    "solve_partial_cover",
    "solve_shared_cost",
    "solve_years",
    "verify",
    "verify_backup",
    "verify_cover",
    "verify_lexicographic",
    "verify_max_min",
    "verify_shared_cost",
    "verify_years",
]
