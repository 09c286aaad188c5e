"""A round of offers: what it is called, when it runs, and by which published rules."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

RULES = (
    "serial_rotation",
    "serial_dictatorship",
    "deferred_acceptance",
    "welfare_maximal",
    "lexicographic_fairness",
)
RoundId = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]


class Round(BaseModel):
    """The facts of a round, the same for every carrier.

    A window programme (New York's, a council's) is a round with dates; a programme that is always
    open has none. Everything here is printed in every package, so nothing here may differ between
    carriers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: RoundId = Field(description="Name of the round; answers must repeat it")
    programme: str = Field(default="", max_length=200, description="Programme, as carriers know it")
    issued: date | None = Field(default=None, description="Date that the packages bear")
    opens: date | None = Field(default=None, description="First day on which answers are taken")
    closes: date | None = Field(default=None, description="Last day on which answers are taken")
    rule: Literal[
        "serial_rotation",
        "serial_dictatorship",
        "deferred_acceptance",
        "welfare_maximal",
        "lexicographic_fairness",
    ] = Field(default="serial_rotation", description="Rule by which conflicts will be resolved")
    seed: int = Field(default=0, ge=0, description="Published seed by which ties will be broken")
    sharing_capacity: int | None = Field(
        default=None, ge=1, le=20, description="Most carriers on one asset; empty: the plan's"
    )
    licence: str = Field(
        default="",
        max_length=500,
        description="Terms on which the package is given; empty: not stated",
    )
    contact: str = Field(default="", max_length=500, description="Where answers and questions go")

    @model_validator(mode="after")
    def _in_order(self) -> Round:
        if self.opens is not None and self.closes is not None and self.closes < self.opens:
            raise ValueError("closes lies before opens")
        return self
