"""What the user writes: a scenario in TOML, checked as a whole before anything is computed.

A scenario names the inputs (registers, buildings, population, networks), the carriers with their
bands and budgets, and the rules. Paths are relative to the scenario's file and may use environment
variables (``${TDH_DATA}/…``). :func:`read_scenario` reports all problems at once;
``[overrides.NAME]`` tables and ``key=value`` settings change a scenario without editing it.
"""

from tdh.scenario.models import (
    Area,
    AssetSource,
    BandSettings,
    Carrier,
    CarrierBand,
    Choice,
    Costs,
    CoverageSettings,
    CoverageSource,
    Demand,
    DemandSource,
    FloodSource,
    Floor,
    Goals,
    Inventory,
    PlaceSource,
    Provenance,
    Scenario,
    Scoring,
    Siting,
    Surface,
    ThroughputSource,
)
from tdh.scenario.reading import read_scenario, scenario_from

__all__ = [
    "Area",
    "AssetSource",
    "BandSettings",
    "Carrier",
    "CarrierBand",
    "Choice",
    "Costs",
    "CoverageSettings",
    "CoverageSource",
    "Demand",
    "DemandSource",
    "FloodSource",
    "Floor",
    "Goals",
    "Inventory",
    "PlaceSource",
    "Provenance",
    "Scenario",
    "Scoring",
    "Siting",
    "Surface",
    "ThroughputSource",
    "read_scenario",
    "scenario_from",
]
