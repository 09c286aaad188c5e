"""JSON of strangers, and what pydantic says of it, as problems."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from tdh.errors import ExchangeError, Problem
from tdh.language import Text


def load_json(raw: bytes, where: str) -> Any:
    """JSON of a stranger: strict UTF-8, no NaN, no key twice, not too deep."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        twice = sorted({key for key in keys if keys.count(key) > 1}) if len(keys) < 200 else []
        if twice or len(set(keys)) < len(keys):
            raise ValueError(f"key twice: {', '.join(twice)}")
        return dict(pairs)

    def refuse(constant: str) -> Any:
        raise ValueError(f"not JSON: {constant}")

    try:
        return json.loads(raw.decode("utf-8-sig"), object_pairs_hook=once, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ExchangeError(
            Problem(
                Text("it is not sound JSON", "JSONとして読めません"), value=str(error), where=where
            )
        ) from None


def problems_of(error: ValidationError, where: str) -> list[Problem]:
    """Pydantic's findings as problems, each at its place."""
    problems = []
    for detail in error.errors(include_url=False):
        place = ".".join(str(part) for part in detail["loc"]).replace("schema_", "schema")
        value = detail.get("input")
        problems.append(
            Problem(
                Text("the value is not right: {message}", "値が正しくありません: {message}",
                     message=detail["msg"]),
                value=None if isinstance(value, dict | list) else value,
                where=f"{where}: {place}",
            )
        )  # fmt: skip
    return problems
