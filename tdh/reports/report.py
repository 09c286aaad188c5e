"""The report: two pages for whoever decides, and behind them what each number stands on."""

from __future__ import annotations

import os
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup

from tdh import details, display, gaps, units
from tdh.files import atomic
from tdh.inventory import findings
from tdh.language import Language, Text, plain
from tdh.reports import charts, evidence, figures, goals, network

MOST_SHEETS = 1000
MOST_PROFILES = 500


def write_report(run: Any, path: str | os.PathLike[str], language: Language = "ja") -> None:
    """Write the report of a run as one HTML file without scripts or outside references.

    Parameters
    ----------
    run : Run
        A finished run.
    path : path
        The HTML file.
    language : {"ja", "en"}
        Its language.
    """
    with atomic(path) as draft:
        draft.write_text(render(run, language), encoding="utf-8", newline="\n")


def render(run: Any, language: Language = "ja") -> str:
    """The report as HTML."""
    folder = files("tdh.reports")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["n"] = lambda value, digits=0: f"{float(value):,.{digits}f}"
    environment.filters["pct"] = units.percent
    environment.filters["anchor"] = lambda value: f"asset-{quote(str(value))}"
    environment.filters["address"] = lambda value: quote(str(value))
    environment.globals["say"] = lambda en, ja: ja if language == "ja" else en
    template = environment.from_string(folder.joinpath("report.html").read_text(encoding="utf-8"))
    page = template.render(
        language=language,
        css=Markup(folder.joinpath("report.css").read_text(encoding="utf-8")),
        **_facts(run, language),
    )
    return plain(page)  # names in registers may hold control characters


def _facts(run: Any, language: Language) -> dict[str, Any]:
    found = display.service(run)
    ids = [c.id for c in run.carriers]
    summary = run.summary
    return {
        "name": run.name,
        "made": display.made_on(run),
        "synthetic": run.synthetic,
        "notices": [text.render(language) for text in run.notices],
        "attributions": run.attributions,
        "crs": run.crs,
        "grid": run.grid,
        "summary": summary,
        "status": display.status(str(summary.get("status", ""))).render(language),
        "before": float(summary["people_in_gap_before"]),
        "after": float(summary["people_in_gap_after"]),
        "offers": len(run.plan),
        "objectives": [
            {
                **o,
                "label": display.objective(o["name"]).render(language),
                **{key: display.amount(o["name"], o[key]) for key in ("value", "bound")},
            }
            for o in summary.get("objectives", [])
        ],
        "places": int(run.plan["asset_id"].nunique()),
        "candidates": int(run.scores["asset_id"].nunique()),
        "carriers": _carriers(run, found, language),
        "shares": _shares(run, found),
        "kpi": _kpi(run, found),
        "goals": goals.facts(run, language),
        "evidence": evidence.rows(run, language),
        "evidence_shares": evidence.shares(run, language),
        "regions": evidence.regions(run, found, language),
        "reasons": [text.render(language) for text in gaps.REASONS.values()],
        "network": network.facts(run, found, language),
        "bars": charts.before_after(
            [c.name for c in run.carriers],
            [float(summary["carriers"][c]["people_in_gap_before"]) for c in ids],
            [float(summary["carriers"][c]["people_in_gap_after"]) for c in ids],
            language,
        ),
        "gains": charts.gains(_gains(run), language),
        "picture": charts.map_picture(run, found, ids, language),
        "sites": _sites(run, language),
        "top": run.scenario.scoring.top,
        "findings": _findings(run, language),
        "inputs": run.manifest.get("inputs", []),
        "versions": run.manifest.get("versions", {}),
        "bands": sorted({(b.id, b.frequency_mhz, b.covered_dbm) for b in run.bands.values()}),
    }


def _marks(run: Any) -> dict[str, Any]:
    colours = display.colours(run)
    return {
        c.id: charts.mark(display.SHAPES[i % len(display.SHAPES)], colours[c.id])
        for i, c in enumerate(run.carriers)
    }


def _carriers(run: Any, found: display.Service, language: Language) -> list[dict[str, Any]]:
    marks = _marks(run)
    return [
        {
            "id": c.id,
            "name": c.name,
            "bands": ", ".join(c.bands),
            "mark": marks[c.id],
            "synthetic": c.synthetic,
            "share": c.market_share,
            **{k: v for k, v in run.summary["carriers"][c.id].items() if k != "bands"},
            "picture": charts.map_picture(run, found, [c.id], language, number=True),
        }
        for c in run.carriers
    ]


def _gains(run: Any) -> list[tuple[str, str, str, list[float]]]:
    colours = display.colours(run)
    series = []
    for i, carrier in enumerate(run.carriers):
        mine = run.plan[run.plan["carrier_id"] == carrier.id].sort_values("order")
        shape = display.SHAPES[i % len(display.SHAPES)]
        series.append(
            (carrier.name, colours[carrier.id], shape, mine["people_gained"].astype(float).tolist())
        )
    return series


def _shares(run: Any, found: display.Service) -> list[dict[str, float]]:
    """Share of people and of area that at least k carriers serve, before and after."""
    people = run.cells["population"].to_numpy()
    counts = {when: found.count(when) for when in ("before", "after")}
    rows = []
    for k in range(1, len(run.carriers) + 1):
        row: dict[str, float] = {"k": k}
        for when, count in counts.items():
            row[f"people_{when}"] = float(people[count >= k].sum() / max(people.sum(), 1e-9))
            row[f"area_{when}"] = float(np.mean(count >= k)) if len(count) else 0.0
        rows.append(row)
    return rows


def _kpi(run: Any, found: display.Service) -> list[dict[str, Any]]:
    table = display.by_municipality(run, found)
    rows = []
    for code, mine in table.groupby("municipality_code", sort=False):
        per = {
            r.carrier_id: {
                "before": 1 - r.gap_before / r.people if r.people > 0 else None,
                "after": 1 - r.gap_after / r.people if r.people > 0 else None,
            }
            for r in mine.itertuples()
        }
        rows.append(
            {
                "code": code,
                "name": mine["municipality"].iloc[0],
                "people": float(mine["people"].sum()),
                "before": float(mine["gap_before"].sum()),
                "after": float(mine["gap_after"].sum()),
                "sites": int(mine["sites"].sum()),
                "carriers": per,
            }
        )
    return rows


def _stays(score: pd.Series) -> str | None:
    """How often an asset stays among the best; None where it was not counted."""
    share = score["stays_in_top"]
    return None if pd.isna(share) else units.percent(share, 0)


def _sites(run: Any, language: Language) -> list[dict[str, Any]]:
    """One sheet per offered asset, in the order of all its gains."""
    kinds = display.kind_labels(language)
    names, marks = {c.id: c.name for c in run.carriers}, _marks(run)
    scores = run.scores.set_index(["asset_id", "carrier_id"])
    paths, drawn = details.profiles(run), 0
    sectors = _sectors(run)
    total = run.plan.groupby("asset_id")["people_gained"].sum()
    sheets = []
    for asset_id in total.sort_values(ascending=False, kind="stable").index[:MOST_SHEETS]:
        asset = run.assets.loc[asset_id]
        offers = []
        for row in run.plan[run.plan["asset_id"] == asset_id].itertuples():
            key = (asset_id, row.carrier_id)
            score = scores.loc[key] if key in scores.index else None
            path = paths.get(key) if drawn < MOST_PROFILES else None
            drawn += path is not None
            offers.append(
                {
                    "carrier": names[row.carrier_id],
                    "mark": marks[row.carrier_id],
                    "order": row.order,
                    "bands": row.bands,
                    "gained": row.people_gained,
                    "lost": row.people_lost_without,
                    "score": None if score is None else float(score["score"]),
                    "rank": None if score is None else int(score["rank"]),
                    "stays": None if score is None else _stays(score),
                    "reason": row.reason_ja if language == "ja" else row.reason_en,
                    "path": None if path is None else _path(path, language),
                    "sectors": sectors.get(key, []),
                }
            )
        placement = display.PLACEMENTS.get(asset["placement"], Text("", ""))
        sheets.append(
            {
                "id": asset_id,
                "name": asset["name"],
                "kind": kinds.get(asset["kind"], asset["kind"]),
                "placement": placement.render(language),
                "offers": offers,
                "synthetic": bool(asset["synthetic"]),
                **{
                    key: "" if asset[key] is None or asset[key] != asset[key] else asset[key]
                    for key in (
                        "owner",
                        "address",
                        "municipality",
                        "height_agl_m",
                        "mounting_height_m",
                        "latitude",
                        "longitude",
                        "source",
                        "source_row",
                        "height_source",
                    )
                },
            }
        )
    return sheets


def _path(path: details.Profile, language: Language) -> dict[str, Any]:
    """The section from an antenna to the place that it is offered for."""
    return {
        "picture": figures.profile(path, language),
        "band": path.band,
        "distance": float(path.distance_m[-1] - path.distance_m[0]),
        "rsrp": path.rsrp_dbm,
        "people": path.people,
    }


def _sectors(run: Any) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """(asset, carrier) to its antennas, one entry a band."""
    table = details.antennas(run)
    if table is None:
        return {}
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for key, rows in table.groupby(["asset_id", "carrier_id", "band"], sort=False):
        azimuths = sorted(rows["azimuth_deg"].dropna())
        first = rows.iloc[0]
        found.setdefault((key[0], key[1]), []).append(
            {
                "band": key[2],
                "azimuths": ", ".join(f"{a:.0f}°" for a in azimuths),
                "tilt": None if first["tilt_deg"] != first["tilt_deg"] else first["tilt_deg"],
                "height": first["height_agl_m"],
                "eirp": first["eirp_dbm"],
            }
        )
    return found


def _findings(run: Any, language: Language) -> list[dict[str, Any]]:
    table = run.findings
    if table.empty:
        return []
    table = table.assign(message=findings.messages(table, language))
    grouped = table.groupby(["source", "severity", "rule"], sort=True)
    return [
        {
            "source": source,
            "severity": severity,
            "rule": rule,
            "n": len(rows),
            "example": rows["message"].iloc[0],
        }
        for (source, severity, rule), rows in grouped
    ]
