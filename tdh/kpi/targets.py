"""The programme's targets by fiscal year, as data, and which of them holds in a year."""

from __future__ import annotations

from collections.abc import Mapping

TARGETS: dict[str, dict[int, float]] = {
    "places": {2023: 0.83, 2024: 0.85, 2025: 0.88, 2026: 0.96},
    "commercial_uncovered_ha": {2023: 300.0, 2024: 250.0, 2025: 150.0, 2026: 0.0},
    "roads": {2023: 0.88, 2024: 0.90, 2025: 0.93, 2026: 0.97},
    "sub6": {2027: 0.80},
    "population": {2025: 0.97, 2030: 0.99},
}
"""KPI to fiscal year to target; 2023 is the state of 2023-12. Sources: つながる東京
3か年アクションプラン; 総務省 (sub6 per carrier, FY2027; population, national)."""

OF_EACH_CARRIER = frozenset({"sub6", "infrastructure"})
"""Targets that each carrier has; the others are about coverage by any of them."""


def target_of(
    kpi: str, year: int, own: Mapping[str, Mapping[int, float]] | None = None
) -> tuple[float, int] | None:
    """A KPI's target in a fiscal year, and the year that it was set for.

    Parameters
    ----------
    kpi : str
    year : int
    own : mapping of KPI to mapping of year to target, optional
        A scenario's targets, instead of the programme's.

    Returns
    -------
    tuple of float and int, or None
        The target of the first year that is not before ``year``, otherwise the last; None where
        nobody has set one.

    Examples
    --------
    >>> target_of("places", 2025), target_of("sub6", 2026), target_of("infrastructure", 2026)
    ((0.88, 2025), (0.8, 2027), None)
    >>> target_of("places", 2026, {"places": {2026: 1.0}})
    (1.0, 2026)
    """
    years = {**TARGETS, **(own or {})}.get(kpi)
    if not years:
        return None
    chosen = min((y for y in years if y >= year), default=max(years))
    return years[chosen], chosen


def applies(kpi: str, carrier: str) -> bool:
    """Whether the KPI's target is about these carriers (an id, ``any`` or ``at_least_k``).

    >>> applies("places", "any"), applies("places", "carrier-a"), applies("sub6", "carrier-a")
    (True, False, True)
    """
    if carrier.startswith("at_least_"):
        return False  # 2030: by more than one carrier; no figure is set yet
    return (carrier != "any") == (kpi in OF_EACH_CARRIER)
