"""What all tables of a scenario share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")]
"""Lower-case letters, digits, ``-`` and ``_``: it becomes part of file names."""


class Table(BaseModel):
    """A table: immutable, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Provenance(Table):
    """Where an input comes from; shown wherever the input is shown."""

    source: str = Field("", description="Who published it, as the licence wants it named")
    licence: str = Field("", description="Licence, such as CC BY 4.0")
    synthetic: bool = Field(
        False, description="True where it is invented; every output then says so"
    )
