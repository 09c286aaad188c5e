"""What ``manifest.json`` says of a finished run, against its scenario and its tables.

Not counted again: seconds, memory, versions, the hashes of inputs (which may have changed since),
the size of the map, how people were placed in their meshes, and what was read that is in no table:
people of each source, sites far away, places outside, floods from maps.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from tdh import demand
from tdh.errors import InputError, Problem, TdhError
from tdh.language import Text
from tdh.manifest import versions
from tdh.pipeline import claims
from tdh.pipeline.context import carrier_bands
from tdh.pipeline.counted import Counted
from tdh.present import CODES
from tdh.radio.bands import Band
from tdh.results import Run
from tdh.scenario import Provenance, Scenario
from tdh.scenario.problems import problem_of

_FILE = "manifest.json"
_DAMAGED = Text("it is not as a run writes it", "計算が書いた形ではありません")


def of_frame(run: Run) -> list[Problem]:
    """Scenario, bands and grid, without which nothing can be read."""
    try:
        scenario = run.scenario
    except KeyError:
        return [Problem(_DAMAGED, where=f"{_FILE}: scenario")]
    except ValidationError as error:
        return [problem_of(details, f"{_FILE}: scenario") for details in error.errors()]
    try:
        bands = carrier_bands(scenario)
        written = [(c.id, b) for c in scenario.carriers for b in c.band_ids]
        told = [(e["carrier_id"], Band(**e["band"])) for e in run.manifest["bands"]]
    except TdhError as error:
        return list(error.problems)
    except (KeyError, TypeError, ValueError):
        return [Problem(_DAMAGED, where=f"{_FILE}: bands")]
    if told != [(carrier, bands[carrier, band]) for carrier, band in written]:
        what = Text("the bands are not those of the scenario", "周波数帯がシナリオと違います")
        value = ", ".join(f"{carrier}: {band.id}" for carrier, band in told)
        expected = ", ".join(f"{carrier}: {band}" for carrier, band in written)
        return [Problem(what, value=value, expected=expected, where=f"{_FILE}: bands")]
    try:
        west, south, east, north = run.municipalities.total_bounds
    except InputError as error:
        return list(error.problems)
    size = scenario.area.cell_size_m
    left, top = math.floor(west / size), math.ceil(north / size)
    grid = {
        "x_min_m": left * size,
        "y_max_m": top * size,
        "cell_size_m": size,
        "n_rows": top - math.floor(south / size),
        "n_cols": math.ceil(east / size) - left,
        "crs": scenario.crs,
    }
    return claims.differences({"grid": run.manifest.get("grid")}, {"grid": grid}, _FILE)


def of_stages(plan: Counted) -> list[Problem]:
    """What is told of the inputs and of each stage but the plan; nothing in another version."""
    from tdh.pipeline import STAGES

    run, manifest = plan.run, plan.run.manifest
    if not isinstance(claims.block(manifest, "versions").get("tdh"), str):
        return [Problem(_DAMAGED, where=f"{_FILE}: versions")]
    if not same_version(run):
        return []
    stages = claims.entries(manifest.get("stages"))
    names = [s.get("name") for s in stages]
    if names != [s.name for s in STAGES]:
        what = Text("the stages are not those of a run", "段階が計算のものと違います")
        expected = ", ".join(s.name for s in STAGES)
        value = ", ".join(map(str, names))
        return [Problem(what, value=value, expected=expected, where=f"{_FILE}: stages")]
    facts = {s["name"]: claims.block(s, "facts") for s in stages}
    counted = {name: count(plan, facts[name]) for name, count in _FACTS.items()}
    counted |= {name: {} for name in ("tables", "report", "packages")}
    counted["map"] = {"bytes": _whole(facts["map"], "bytes")}
    said = {name: facts[name] for name in counted}
    return [
        *_costs(stages),
        *claims.differences({"stages": said}, {"stages": counted}, _FILE),
        *claims.differences(_about(manifest), _about_counted(run, facts), _FILE),
    ]


def same_version(run: Run) -> bool:
    """Whether this version made the run: others may tell other things."""
    return claims.block(run.manifest, "versions").get("tdh") == versions()["tdh"]


def _costs(stages: list[dict[str, Any]]) -> list[Problem]:
    def counts(value: Any) -> bool:
        return claims.is_number(value) and value >= 0

    right: dict[str, Callable[[Any], bool]] = {
        "seconds": counts,
        "peak_memory_mb": counts,
        "reused": lambda value: isinstance(value, bool),
        "facts": lambda value: isinstance(value, dict),
    }
    return [
        Problem(_DAMAGED, value=stage.get(name), where=f"{_FILE}: stages.{stage['name']}.{name}")
        for stage in stages
        for name, is_right in right.items()
        if not is_right(stage.get(name))
    ]


def _about(manifest: dict[str, Any]) -> dict[str, Any]:
    return {name: manifest.get(name) for name in ("inputs", "placing", "calibrated")}


def _about_counted(run: Run, facts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Inputs as the scenario names them, the hashes as they are told."""
    told = claims.entries(run.manifest.get("inputs"))
    named = [(part, path) for part, paths in run.scenario.inputs().items() for path in paths]
    return {
        "inputs": [
            {
                "part": part,
                "path": str(path),
                "sha256": own.get("sha256")
                if _is_hash(own.get("sha256"))
                else Text("SHA-256", "SHA-256"),
                **_origin(run.scenario, part, path).model_dump(include=_ORIGIN),
            }
            for (part, path), own in zip(named, [*told, *({} for _ in named)], strict=False)
        ],
        "placing": facts["cells"].get("placing"),
        "calibrated": facts["present"].get("calibrated"),
    }


_ORIGIN = {"source", "licence", "synthetic"}


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _origin(scenario: Scenario, part: str, path: Path) -> Provenance:
    """Who published an input: its own entry of the scenario, or that of its part."""
    own = [
        origin
        for name, origin in scenario.provenances()
        if name.startswith(part) and path in (getattr(origin, a, None) for a in ("path", "sites"))
    ]
    whole = {"area": scenario.area, "surface": scenario.surface, "demand": scenario.demand}
    return own[0] if own else whole.get(part, Provenance())


def _whole(said: dict[str, Any], name: str, least: int = 0, most: float = np.inf) -> Any:
    """A number that no recount gives, as it is told if it can be."""
    value = said.get(name)
    right = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    return value if right else Text(f"{least} … {most:g}", f"{least} … {most:g}")


# --- what each stage tells -----------------------------------------------------------------------


def _area(plan: Counted, said: dict[str, Any]) -> dict[str, Any]:
    areas = plan.run.municipalities
    km2 = round(float(areas.area.sum()) / 1e6, 3)
    return {"municipalities": len(areas), "area_km2": km2, "grid": plan.run.manifest["grid"]}


def _assets(plan: Counted, said: dict[str, Any]) -> dict[str, Any]:
    assets = plan.run.assets
    rows = {n: _rows_of(plan.run, n) for n in ("merged", "rejected", "needs_position")}
    accepted = len(assets) + rows["merged"]
    return {
        "rows": accepted + rows["rejected"] + rows["needs_position"],
        "accepted": accepted,
        **rows,
        "assets": len(assets),
        "in_area": int(assets["in_area"].sum()),
        "candidates": int((assets["in_area"] & (assets["placement"] != "none")).sum()),
        "floods_from_maps": _whole(said, "floods_from_maps", most=len(assets)),
        "findings": plan.run.findings["rule"].value_counts().to_dict(),
    }


def _rows_of(run: Run, name: str) -> int:
    return len(pd.read_csv(run.folder / f"{name}.csv", dtype=str, encoding="utf-8-sig"))


def _cells(plan: Counted, said: dict[str, Any]) -> dict[str, Any]:
    cells, sources = plan.run.cells, plan.scenario.demand.sources
    people = {"people": "population"} | {f"people_{m}": f"population_{m}" for m in demand.MOMENTS}
    told = [*claims.entries(said.get("sources")), *({} for _ in sources)]
    return {
        "cells": len(cells),
        **{k: round(float(cells[c].sum()), 1) for k, c in people.items() if c in cells},
        "placing": said.get("placing") or Text("words", "語句"),
        "sources": [
            {**own, "file": s.path.name, "moment": s.moment, "type": s.type}
            for s, own in zip(sources, told, strict=False)
        ],
    }


def _places(plan: Counted, said: dict[str, Any]) -> dict[str, Any]:
    n = 0 if plan.run.places is None else len(plan.run.places)
    if not plan.scenario.places:
        return {"places": n}
    names = ("rows", "without_position", "outside")
    return {**{name: _whole(said, name) for name in names}, "places": n}


def _present(plan: Counted, said: dict[str, Any]) -> dict[str, Any]:
    run, counted = plan.run, {}
    row, col = run.cells["row"].to_numpy(), run.cells["col"].to_numpy()
    sites, guessed = run.sites, (run.sites["evidence"] == "estimated").to_numpy()
    for carrier in run.scenario.carriers:
        own = (sites["carrier_id"] == carrier.id).to_numpy()
        told = claims.block(said, carrier.id)
        n = int((own & ~guessed).sum())
        facts: dict[str, Any] = {
            "sites": _whole(told, "sites", n),
            "sites_near": n,
            "rows_of_other_bands": told.get("rows_of_other_bands"),
        }
        if any(s.type == "opencellid" for s in carrier.coverage):
            facts["sites_estimated"] = int((own & guessed).sum())
        for band in carrier.band_ids:
            level, evidence = run.signal(carrier.id, band)[row, col], run.evidence(carrier.id, band)
            served = np.asarray(level >= run.bands[carrier.id, band].covered_dbm)
            codes = np.zeros(0) if evidence is None else evidence[row, col]
            of_kind = {kind: int((codes == code).sum()) for kind, code in CODES.items()}
            facts[band] = {
                "sites": int((sites["band"][own & ~guessed] == band).sum()),
                "area_covered": round(float(served.mean()), 4),
                "cells": {kind: cells for kind, cells in of_kind.items() if cells},
            }
        counted[carrier.id] = facts
    if run.throughput is not None:
        tiles, cells = (int(run.throughput[c].nunique()) for c in ("quadkey", "cell_id"))
        counted["throughput"] = {"tiles": tiles, "cells": cells}
    if run.scenario.coverage.calibration is not None:
        rasters = [run.trust(*key) for key in run.bands]
        codes = np.concatenate([r[row, col] for r in rasters if r is not None] or [np.zeros(0)])
        like = {"cells": int((codes > 0).sum()), "like_measured": int((codes == 1).sum())}
        counted["calibrated"] = like if codes.size else {}
    return counted


def _gaps(plan: Counted, said: dict[str, Any]) -> dict[str, Any]:
    people = plan.unmet.sum(axis=1)
    cells = plan.missing.sum(axis=1)
    each = {c: round(float(people[k]), 1) for k, c in enumerate(plan.carriers) if cells[k]}
    return {"rows": int(plan.missing.sum()), "people": each}


def _regions(plan: Counted, said: dict[str, Any]) -> dict[str, Any]:
    regions = plan.run.gap_regions
    assert regions is not None
    return {"regions": len(regions), "reasons": regions["reason"].value_counts().to_dict()}


def _candidates(plan: Counted, said: dict[str, Any]) -> dict[str, Any]:
    return {"assets": len(plan.ids), "signals": plan.stored}


def _scores(plan: Counted, said: dict[str, Any]) -> dict[str, Any]:
    table = plan.run.scores
    parts = [c for c in table if c.startswith("contribution_")]
    silent = [c.removeprefix("contribution_") for c in parts if not table[c].gt(0).any()]
    return {"rows": len(table), "components_without_points": silent}


def _links(plan: Counted, said: dict[str, Any]) -> dict[str, Any]:
    antennas, profiles = plan.run.antennas, plan.run.profiles
    assert antennas is not None and profiles is not None
    return {"sectors": len(antennas), "profiles": len(profiles)}


def _kpis(plan: Counted, said: dict[str, Any]) -> dict[str, Any]:
    table, likely = plan.run.kpis, plan.run.expected_people
    assert table is not None and likely is not None
    whole = table[(table["level"] == "metropolis") & (table["carrier"] == "")].set_index("kpi")
    after = whole["after"].round(6).astype(object)
    people = likely[likely["band"] == ""].set_index("carrier_id")
    people = people[["expected_before", "expected_after"]].round(1)
    return {
        "year": plan.scenario.goals.year,
        "after": after.where(after.notna(), None).to_dict(),
        "expected_people": {name: row.tolist() for name, row in people.iterrows()},
    }


_FACTS: dict[str, Callable[[Counted, dict[str, Any]], dict[str, Any]]] = {
    "area": _area,
    "assets": _assets,
    "choices": lambda plan, said: {"choices": len(plan.scenario.siting.choices)},
    "cells": _cells,
    "places": _places,
    "present": _present,
    "gaps": _gaps,
    "regions": _regions,
    "candidates": _candidates,
    "scores": _scores,
    "links": _links,
    "kpis": _kpis,
}
"""Stage to what it tells; the plan's are those of ``plan.json``."""
