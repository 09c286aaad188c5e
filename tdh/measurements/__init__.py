"""Drive tests, and coverage calibrated by them.

:func:`read_drive_test` reads what phones and scanners write, :func:`thin` averages points that say
the same thing, :func:`link_features` describes each point as seen from its cell, and
:class:`MeasuredCoverage` calibrates a law of propagation by them, learns the rest only where that
helps at places left out, and says how far it may be wrong. :func:`calibrate_model` corrects the
model that a run predicts with, by :func:`predict_links`.
"""

from tdh.measurements.calibrating import calibrate_model, cross_validate
from tdh.measurements.clutter import clutter_features
from tdh.measurements.estimator import MeasuredCoverage
from tdh.measurements.links import link_features, read_drive_test, thin
from tdh.measurements.models import kinds_of, model_of, read_kinds, read_model, write_model
from tdh.measurements.predicted import predict_links
from tdh.measurements.trust import trust_map

__all__ = [
    "MeasuredCoverage",
    "calibrate_model",
    "clutter_features",
    "cross_validate",
    "kinds_of",
    "link_features",
    "model_of",
    "predict_links",
    "read_drive_test",
    "read_kinds",
    "read_model",
    "thin",
    "trust_map",
    "write_model",
]
