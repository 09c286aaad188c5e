"""What each asset would close for each carrier, as a score whose contributions are kept.

A score is a sum of contributions, from 0 to 100. Each is a component's value, from 0 to 1, times
its weight in points. The components:

people
    people of the carrier's gap whom the asset alone would serve
area
    gap cells that it alone would serve, inhabited or not
equity
    as people, weighted by how far their municipality is served worse than the carrier's mean
sharing
    people of the other carriers' gaps whom it would serve: the case for a shared site
places
    priority places of the gap (town halls, disaster hospitals, stations) that it would serve
quality
    decibels by which it would lift weak signals, times people (:func:`quality_lift`)
resilience
    what the site itself withstands: hours of backup, flood depth, fibre (:func:`endurance`)
installability
    how easily an antenna stands there: placement, height, mains, exposure
    (:func:`installability`)
daytime
    as people, of those who are there by day
second_cover
    customers who depend on a single site today and would have a second (:func:`second_cover`)
neighbours
    customers whom it would keep if all the carrier's sites around it failed
    (:func:`kept_if_neighbours_fail`)
cost
    how cheap it is against the cheapest (:func:`cheapness`)

Resilience, installability and cost are on a scale of their own; the others are measured against
the carrier's best asset. A component for which there are no data contributes nothing and gives its
weight to the others. An asset that closes nothing scores 0, however easy it would be to build.
"""

from tdh.scoring.ranking import stability
from tdh.scoring.scorer import SiteScorer
from tdh.scoring.table import (
    CLOSES,
    MEASURED,
    NOTHING,
    VALUES,
    Scored,
    reasons,
    score_assets,
    score_public,
    scored,
    scored_public,
)
from tdh.scoring.values import (
    EASE,
    cheapness,
    endurance,
    installability,
    kept_if_neighbours_fail,
    quality_lift,
    second_cover,
    sums,
)
from tdh.scoring.weights import DEFAULT_WEIGHTS, LABELS, OWN_SCALE, UNITS, resolve_weights

__all__ = [
    "CLOSES",
    "DEFAULT_WEIGHTS",
    "EASE",
    "LABELS",
    "MEASURED",
    "NOTHING",
    "OWN_SCALE",
    "UNITS",
    "VALUES",
    "Scored",
    "SiteScorer",
    "cheapness",
    "endurance",
    "installability",
    "kept_if_neighbours_fail",
    "quality_lift",
    "reasons",
    "resolve_weights",
    "score_assets",
    "score_public",
    "scored",
    "scored_public",
    "second_cover",
    "stability",
    "sums",
]
