"""From a scenario to a run folder: ``run``, ``check``, ``demo``, ``init``.

The stages stand in the modules beside this one, what skips them when nothing has changed in
:mod:`tdh.pipeline.engine`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from tdh import manifest as manifests
from tdh import measurements, seeds
from tdh.errors import Problem, TdhError
from tdh.files import atomic, must_not_exist
from tdh.language import Text
from tdh.pipeline import (
    chosen,
    covered,
    known,
    kpis,
    offered,
    planned,
    regions,
    scored,
    shows,
    stages,
)
from tdh.pipeline.checks import check
from tdh.pipeline.context import Context
from tdh.pipeline.engine import Report, Stage, file_hash, run_stages
from tdh.results import Run, read_run
from tdh.scenario import Provenance, Scenario, read_scenario

__all__ = ["STAGES", "Report", "check", "demo", "init", "run"]


def _surface(scenario: Scenario) -> Any:
    source = scenario.surface
    return [source.buildings, source.terrain, source.cell_size_m]


def _bands(scenario: Scenario) -> Any:
    return [
        [b.model_dump() for b in scenario.bands],
        [[c.id, [b.model_dump() for b in c.bands]] for c in scenario.carriers],
    ]


def _known(scenario: Scenario) -> Any:
    """What is known of coverage beyond sites; who published it changes nothing of the result."""
    return [
        [
            [{**s.model_dump(exclude={"source", "licence"}), "path": known.files_of(s.path)}
             for s in c.coverage]
            for c in scenario.carriers
        ],
        [known.files_of(t.path) for t in scenario.throughput],
    ]  # fmt: skip


def _tables(*names: str) -> Any:
    return lambda scenario: [f"{name}.parquet" for name in names]


def _per_band(pattern: str) -> Any:
    return lambda scenario: [
        pattern.format(carrier=c.id, band=band) for c in scenario.carriers for band in c.band_ids
    ]


def _files(*names: str) -> Any:
    return lambda scenario: list(names)


STAGES: tuple[Stage, ...] = (
    Stage(
        "area",
        Text("area", "対象区域"),
        stages.area,
        lambda s: [
            s.crs,
            s.area.boundaries,
            s.area.municipalities,
            s.area.bounds,
            s.area.cell_size_m,
        ],
        _tables("municipalities"),
    ),
    Stage(
        "assets",
        Text("registers and assets", "台帳とアセット"),
        stages.assets,
        lambda s: [
            [a.model_dump(mode="python") for a in s.assets],
            s.inventory.model_dump(mode="python"),
            [f.model_dump(mode="python") for f in s.floods],
            _surface(s),
        ],
        _files(
            "assets.parquet", "findings.csv", "rejected.csv", "merged.csv", "needs_position.csv"
        ),
        after=("area",),
    ),
    Stage(
        "choices",
        Text("the planner's own choices", "固定した選択"),
        chosen.choices,
        lambda s: [
            s.siting.model_dump(exclude={"floors", "first", "first_gives", "backup", "discount"}),
            [s.costs.yen, s.costs.shared_saving],
            [[c.id, c.name, c.max_sites, c.budget_yen] for c in s.carriers],
        ],
        lambda s: [],
        after=("assets",),
    ),
    Stage(
        "cells",
        Text("people and cells", "人口とセル"),
        stages.cells,
        lambda s: [
            s.demand.population,
            [s.demand.placing, s.demand.training, s.demand.placing == "learnt" and s.seed],
            _surface(s),
            [source.model_dump(mode="python") for source in s.demand.sources],
        ],
        _tables("cells"),
        after=("area",),
    ),
    Stage(
        "places",
        Text("places that must be served", "重点施設"),
        stages.places,
        lambda s: [p.model_dump(mode="python") for p in s.places],
        lambda s: ["places.parquet"] if s.places else [],
        after=("area",),
    ),
    Stage(
        "present",
        Text("present coverage", "現在のエリア"),
        covered.present,
        lambda s: [
            _bands(s),
            [[c.id, c.sites, c.synthetic] for c in s.carriers],
            _known(s),
            s.coverage.model_dump(),
            _surface(s),
            [s.market_shares, s.gaps.bits_per_hertz, s.gaps.downlink_share, s.gaps.busy_kbps],
        ],
        lambda s: [
            "sites.parquet",
            "border_sites.parquet",
            "site_load.parquet",
            "present.parquet",
            *(["throughput.parquet"] if s.throughput else []),
            *_per_band("coverage/{carrier}-{band}-before.tif")(s),
            *_per_band("coverage/{carrier}-{band}-source.tif")(s),
            *_per_band("coverage/{carrier}-{band}-server.tif")(s),
            *_per_band("footprints/present-{carrier}-{band}.parquet")(s),
            *(
                _per_band("coverage/{carrier}-{band}-trust.tif")(s)
                if measurements.kinds_of(s) is not None
                else []
            ),
        ],
        after=("cells",),
    ),
    Stage(
        "gaps",
        Text("gaps", "ギャップ"),
        covered.gap_table,
        lambda s: s.market_shares,
        _tables("gaps"),
        after=("cells", "present"),
    ),
    Stage(
        "regions",
        Text("gaps as areas", "ギャップ区域"),
        regions.gap_regions,
        lambda s: [s.gaps.model_dump(), s.market_shares],
        _tables("gap_regions"),
        after=("area", "cells", "present", "places"),
    ),
    Stage(
        "candidates",
        Text("what each asset would serve", "各アセットの予測エリア"),
        covered.candidates,
        lambda s: [_bands(s), s.coverage.model_dump(), _surface(s)],
        lambda s: ["candidates.parquet", *_per_band("footprints/{carrier}-{band}.npz")(s)],
        after=("assets", "cells", "gaps"),
    ),
    Stage(
        "scores",
        Text("scores", "スコア"),
        scored.scores,
        lambda s: [s.scoring.model_dump(), s.seed, s.costs.yen, s.market_shares],
        _tables("scores", "scores_public", "score_weights"),
        after=("present", "candidates", "gaps", "places"),
    ),
    Stage(
        "plan",
        Text("plan", "配置計画"),
        planned.plan,
        lambda s: [
            s.seed,
            s.siting.model_dump(),
            [s.costs.yen, s.costs.shared_saving],
            [[c.max_sites, c.budget_yen] for c in s.carriers],
        ],
        lambda s: [
            "plan.parquet",
            "plan.json",
            *_per_band("coverage/{carrier}-{band}-after.tif")(s),
        ],
        after=("present", "candidates", "gaps", "places"),
    ),
    Stage(
        "links",
        Text("antennas and path profiles", "アンテナと断面図"),
        offered.links,
        lambda s: [],
        _tables("antennas", "profiles"),
        after=("plan",),
    ),
    Stage(
        "kpis",
        Text("indicators of the programme", "事業の指標"),
        kpis.goals,
        lambda s: [s.goals.model_dump(), s.demand.commercial, s.demand.roads],
        _files(
            "kpis.parquet",
            "kpis.csv",
            "expected_people.parquet",
            "expected_municipalities.parquet",
            "site_load_after.parquet",
        ),
        after=("plan", "places"),
    ),
    Stage(
        "tables",
        Text("workbook and GeoPackage", "Excelとジオパッケージ"),
        shows.tables,
        shows.labels,
        _files("offers.xlsx", "plan.gpkg"),
        after=("plan", "scores", "links", "kpis"),
    ),
    Stage(
        "map",
        Text("map", "地図"),
        shows.map_page,
        shows.labels,
        _files("map.html"),
        after=("plan", "scores", "links", "kpis"),
    ),
    Stage(
        "report",
        Text("report", "報告書"),
        shows.report,
        shows.labels,
        _files("report.html"),
        after=("plan", "scores", "links", "kpis"),
    ),
    Stage(
        "packages",
        Text("packages for carriers", "事業者向けパッケージ"),
        shows.packages,
        lambda s: [shows.labels(s), s.packages.round],
        lambda s: [f"packages/{c.id}.zip" for c in s.carriers],
        after=("plan", "scores", "links", "kpis"),
    ),
)


def run(
    scenario: Scenario | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    report: Report | None = None,
) -> Run:
    """Compute a scenario into a run folder.

    Parameters
    ----------
    scenario : Scenario or path
    out : path
        The run folder. Stages whose inputs have not changed since an earlier run into it are
        skipped; a run that was interrupted goes on where it stopped.
    overwrite : bool
        Whether a finished run in ``out`` may be replaced.
    report : callable, optional
        Called with (what is being done, how much is done, of how much).

    Raises
    ------
    OverwriteError
        If ``out`` holds a finished run, or files that are not a run's.
    InputError
        If the scenario or an input cannot be used.
    InfeasibleError, NoSolutionError
        If there is no plan.
    """
    if not isinstance(scenario, Scenario):
        scenario = read_scenario(scenario)
    folder = Path(out)
    context = Context(scenario, folder, report)
    with _held(folder, overwrite):
        records = run_stages(STAGES, context, report)
        manifests.write(
            folder,
            {
                **context.run.manifest,
                "inputs": _inputs(scenario),
                "seed": scenario.seed,
                "stages": [
                    {
                        "name": r.name,
                        "seconds": r.seconds,
                        "peak_memory_mb": r.peak_memory_mb,
                        "reused": r.reused,
                        "facts": r.facts,
                    }
                    for r in records
                ],
            },
        )
    return read_run(folder)


@contextlib.contextmanager
def _held(folder: Path, overwrite: bool) -> Iterator[None]:
    """Take hold of a run folder: one run at a time, nobody's files overwritten unasked."""
    unfinished = (folder / ".stages").is_dir() and not (folder / "manifest.json").exists()
    if not unfinished:
        must_not_exist(folder, overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / ".running"
    if _alive(lock):
        raise TdhError(
            Problem(
                Text("another run is writing there", "別の計算が書き込み中です"),
                where=str(folder),
                fix=Text(
                    "wait for it, or choose another folder",
                    "終わるのを待つか、別のフォルダにしてください",
                ),
            )
        )
    lock.write_text(str(os.getpid()), encoding="ascii")
    # While a run is under way the folder is not a finished one.
    (folder / "manifest.json").unlink(missing_ok=True)
    (folder / ".stages").mkdir(exist_ok=True)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _alive(lock: Path) -> bool:
    try:
        process = int(lock.read_text(encoding="ascii"))
        os.kill(process, 0)
    except (OSError, ValueError):
        return False
    return process != os.getpid()


def _inputs(scenario: Scenario) -> list[dict[str, Any]]:
    """Every file that was read, with its hash and where it comes from."""
    provenances = {
        "area": scenario.area,
        "surface": scenario.surface,
        "demand": scenario.demand,
    }
    listed = []
    for part, paths in scenario.inputs().items():
        for path in paths:
            origin: Provenance | None = provenances.get(part, Provenance())
            if part == "assets":
                origin = next(a for a in scenario.assets if a.path == path)
            elif part == "demand":
                sources = scenario.demand.sources
                origin = next((d for d in sources if d.path == path), scenario.demand)
            elif part == "places":
                origin = next(p for p in scenario.places if p.path == path)
            elif part == "carriers":
                origin = next(c for c in scenario.carriers if c.sites == path)
            elif part == "coverage":
                told = (s for c in scenario.carriers for s in c.coverage)
                origin = next(s for s in told if s.path == path)
            elif part == "throughput":
                origin = next(t for t in scenario.throughput if t.path == path)
            elif part == "floods":
                origin = next(f for f in scenario.floods if f.path == path)
            assert origin is not None
            listed.append(
                {
                    "part": part,
                    "path": str(path),
                    "sha256": file_hash(path),
                    "source": origin.source,
                    "licence": origin.licence,
                    "synthetic": origin.synthetic,
                }
            )
    return listed


def demo(
    out: str | os.PathLike[str] = "tdh-demo",
    *,
    seed: int = 0,
    overwrite: bool = False,
    report: Report | None = None,
) -> Run:
    """Write the bundled sample (Nishi-Shinjuku; people, buildings and networks invented) and run it.

    The inputs and the scenario go to ``out/inputs``, the run to ``out/run``.
    """
    from tdh.sample import generate

    seed = seeds.whole(seed)
    folder = Path(out)
    must_not_exist(folder, overwrite or (folder / "inputs" / "demo.toml").exists())
    inputs = folder / "inputs"
    if overwrite or not (inputs / "demo.toml").exists():
        generate.write_inputs(inputs, seed=seed)
    return run(
        read_scenario(inputs / "demo.toml"), folder / "run", overwrite=overwrite, report=report
    )


def init(folder: str | os.PathLike[str] = ".", *, overwrite: bool = False) -> Path:
    """Write a commented scenario to start from; return its path."""
    target = Path(folder) / "scenario.toml"
    must_not_exist(target, overwrite)
    template = files("tdh.sample").joinpath("template.toml").read_text(encoding="utf-8")
    with atomic(target) as path:
        path.write_text(template, encoding="utf-8")
    return target
