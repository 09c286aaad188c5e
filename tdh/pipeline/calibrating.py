"""A run's model calibrated by drive tests, for ``[coverage] calibration`` of the next run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from tdh import measurements
from tdh.errors import InputError, Problem
from tdh.language import Text
from tdh.measurements import MeasuredCoverage
from tdh.measurements.links import half_turn
from tdh.pipeline import known, links
from tdh.present import drive_tests
from tdh.present.drive_tests import DriveTest
from tdh.radio.model import Model
from tdh.results import Run, read_run
from tdh.surface import Surface

_BEYOND = {"offsets": "calibrated", "trees": "residual", "places": "places", "both": "both"}
"""What :class:`MeasuredCoverage` may add, by its own name for it."""
_MARGIN_M = 100.0
"""Of buildings around the links: more than any roof an antenna or a receiver stands at."""
_USUAL_DB = 10.0
_MOST_CHANGED_DB = {"offset_db": 20.0, "slope_db": 10.0}
"""Errors, and changes of a law, beyond which something else is likely to be wrong."""
_LEFT_OUT = {
    "no position": Text("without a position", "位置がない"),
    "other radio": Text("of another radio technology", "別の無線方式"),
    "no signal": Text("without a signal", "信号がない"),
    "another site": Text("of no site of the run", "計算にない局"),
    "beyond the radius": Text("beyond the sites' radius", "局の計算半径の外"),
    "indoors": Text("inside buildings", "建物の中"),
}


@dataclass(frozen=True, eq=False)
class Calibration:
    """What drive tests say of a model.

    Attributes
    ----------
    carrier_id, band_id : str
    base, model : Model
        Before and after.
    links : DataFrame
        What it was learnt from, a row a site, device and square of 10 m:
        :func:`tdh.measurements.predict_links` by ``base``, with ``rsrp_dbm``.
    left_out : dict of str to int
        Points that were not used, by reason: "no position", "other radio", "no signal",
        "another site", "beyond the radius", "indoors".
    errors : DataFrame
        RMSE in dB at ``blocks`` of 100 m and whole ``sites`` left out (NaN with one site), index:
        ``before`` and ``calibrated``, which a run can use; and :class:`MeasuredCoverage` on the
        prediction before: its law with ``offsets`` of each site and device, with ``trees``,
        ``places`` and ``both``.
    sites : DataFrame
        Index ``site``: mean error in dB (measured minus predicted) ``before`` and ``after``, and
        the number of ``squares``.
    """

    carrier_id: str
    band_id: str
    base: Model
    model: Model
    links: pd.DataFrame
    left_out: dict[str, int]
    errors: pd.DataFrame
    sites: pd.DataFrame

    @property
    def helps(self) -> bool:
        """Whether it errs less at blocks left out than the model before."""
        at = self.errors["blocks"]
        return bool(at["calibrated"] < at["before"])

    def doubts(self) -> list[Text]:
        """What speaks against using it, in words."""
        out = []
        if not self.helps:
            out.append(
                Text(
                    "calibrated it errs no less at blocks left out: keep the model as it is",
                    "除外した区画での誤差が減りません。いまのモデルのままにしてください",
                )
            )
        rmse = float(self.errors.loc["calibrated", "blocks"])
        if rmse > _USUAL_DB:
            out.append(
                Text(
                    "it still errs by {rmse:.1f} dB, where 6 to 10 are usual",
                    "較正後も誤差が{rmse:.1f} dBあります(通常は6〜10 dB)",
                    rmse=rmse,
                )
            )
        far = [
            f"{name} {after - before:+.1f}"
            for name, (before, after) in self.changes().items()
            if abs(after - before) > _MOST_CHANGED_DB.get(name.partition("_")[2], np.inf)
        ]
        if far:
            out.append(
                Text(
                    "more dB than a surrounding explains: {far}; do rows name the right site, and "
                    "are positions and the sites' EIRP right?",
                    "環境で説明できない大きな変化です(dB): {far}。局名・位置・局のEIRPが正しいか"
                    "確かめてください",
                    far=", ".join(far),
                )
            )
        return out

    def changes(self) -> dict[str, tuple[float, float]]:
        """What is not as before: the model's parameter to its values before and after."""
        return {
            name: (before, getattr(self.model, name))
            for name, before in vars(self.base).items()
            if getattr(self.model, name) != before
        }


def calibrate(
    run: Run | str | os.PathLike[str],
    tests: Sequence[str | os.PathLike[str]] = (),
    *,
    carrier: str | None = None,
    band: str | None = None,
    columns: Mapping[str, str] | None = None,
    out: str | os.PathLike[str] | None = None,
) -> Calibration:
    """Calibrate the model of a run by drive tests.

    Parameters
    ----------
    run : Run or path
        Its surface, its present sites and its model are used.
    tests : sequence of path
        CSV files of one carrier and band, whose rows name the site (``site_id`` of the carrier's
        list). None: the drive tests that the run's scenario gives the carrier.
    carrier, band : str, optional
        By default the run's first.
    columns : mapping, optional
        Field to column, where :func:`tdh.present.drive_tests.read` is to be overruled.
    out : path, optional
        Where to write the model, for ``coverage.calibration`` of a scenario.

    Raises
    ------
    InputError
        If the run has no such carrier and band or no surface, a file cannot be read, no point
        belongs to a site of the run, or there is too little to learn from.
    """
    opened = run if isinstance(run, Run) else read_run(run)
    key, problems = links.known_band(opened, carrier, band)
    if key is None:
        raise InputError(*problems)
    base = measurements.model_of(opened.scenario)
    sites = opened.sites[(opened.sites[["carrier_id", "band"]] == list(key)).all(axis=1)]
    points, left_out = _points_of(_read(opened, key, tests, columns or {}), sites)
    measured = measurements.thin(points)
    near = _followed(opened, measured, sites)
    left_out["beyond the radius"] = int(measured["points"][~near].sum())
    measured = measured[near].reset_index(drop=True)
    around = _surface_around(opened, measured, sites)

    def predicted(model: Model) -> pd.DataFrame:
        height = opened.scenario.coverage.receiver_height_m
        return measurements.predict_links(measured, sites, around, opened.bands[key], model, height)

    X, y = predicted(base), measured["rsrp_dbm"].to_numpy(float)
    outdoors = ~X["indoors"].to_numpy(bool)
    left_out["indoors"] = int(measured["points"][~outdoors].sum())
    left = {reason: n for reason, n in left_out.items() if n}
    try:
        model = measurements.calibrate_model(X, y, base)
    except InputError as error:
        told = (Problem(left_out_words(reason, n)) for reason, n in left.items())
        raise InputError(*error.problems, *told) from error
    after = y - predicted(model)["predicted_dbm"].to_numpy()
    X, y, after = X[outdoors], y[outdoors], after[outdoors]
    errors = measurements.cross_validate(X, y, base)
    by_site = pd.DataFrame({"before": errors["before"], "after": after}).groupby(X["site"])
    sites_of = by_site.mean().assign(squares=by_site.size())
    found = _rmse(errors, X, y)
    if out is not None:
        measurements.write_model(model, out, X)
    return Calibration(*key, base, model, X.assign(rsrp_dbm=y), left, found, sites_of)


def left_out_words(reason: str, n: int) -> Text:
    """How many points were not used, and why (a key of :attr:`Calibration.left_out`)."""
    return Text("left out: {n:,} points {why}", "除外: {why} {n:,}点", n=n, why=_LEFT_OUT[reason])


def _rmse(errors: pd.DataFrame, X: pd.DataFrame, y: np.ndarray) -> pd.DataFrame:
    """In dB, of the model before and after, and of what may be learnt beyond it."""
    found = np.sqrt((errors**2).mean())
    rows = {"before": (found["before"],) * 2, "calibrated": (found["blocks"], found["sites"])}
    rest = MeasuredCoverage().fit(X, y)
    for name, part in _BEYOND.items():
        rows[name] = (
            rest.block_rmse_[part],
            rest.site_rmse_[part] if rest.n_sites_ > 1 else np.nan,
        )
    return pd.DataFrame.from_dict(rows, orient="index", columns=["blocks", "sites"])


def _read(
    run: Run,
    key: tuple[str, str],
    tests: Sequence[str | os.PathLike[str]],
    columns: Mapping[str, str],
) -> list[tuple[str, DriveTest]]:
    """Each drive test with the name of its file."""
    found: list[tuple[str, DriveTest]] = []
    problems: list[Problem] = []
    for path in tests:
        try:
            found.append((Path(path).name, drive_tests.read(path, columns=columns)))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)
    if not tests:
        own = [k for k in known.read(run.scenario) if (k.carrier_id, k.band) == key]
        found = [(k.where, k.content) for k in own if isinstance(k.content, DriveTest)]
    if not found:
        raise InputError(
            Problem(
                Text(
                    "no drive test is given, and the scenario has none of this carrier and band",
                    "走行測定のファイルがなく、シナリオにもこの事業者・バンドの走行測定がありません",
                ),
                value=" ".join(key),
                fix=Text("name CSV files", "CSVファイルを指定してください"),
            )
        )
    return found


def _points_of(
    tests: list[tuple[str, DriveTest]], sites: gpd.GeoDataFrame
) -> tuple[gpd.GeoDataFrame, dict[str, int]]:
    """The points that a site of the run served, in its CRS, and how many rows are left out."""
    parts = [test.points.to_crs(sites.crs) for _, test in tests]
    points = pd.concat(parts, ignore_index=True)
    points["site"] = _serving(points, sites)
    heard, own = points["rsrp_dbm"].notna(), points["site"].notna()
    if not (heard & own).any():
        named = [name for part in parts for name in part["site"].unique() if name]
        raise InputError(
            Problem(
                Text(
                    "no measured point names a site of the run",
                    "計算にある局の名前がついた測定点がありません",
                ),
                value=named[:5] or Text("no column of sites", "局の列がありません"),
                expected=", ".join(_listed(sites).unique()[:5]) or Text("a site", "局"),
                where=", ".join(where for where, _ in tests),
                fix=Text(
                    "write each point's site_id (of the carrier's list of sites) into a column "
                    "site; --column site=NAME takes another",
                    "測定点ごとに局の site_id(事業者の局リストと同じもの)を列 site に書いてください。"
                    "別の列なら --column site=列名",
                ),
            )
        )
    left_out = {"no position": 0, "other radio": 0, "no signal": int((~heard).sum())}
    for _, test in tests:
        for reason, n in test.rejected["reason"].value_counts().items():
            left_out[str(reason)] += int(n)
    left_out["another site"] = int((heard & ~own).sum())
    return points[heard & own].reset_index(drop=True), left_out


def _listed(sites: gpd.GeoDataFrame) -> pd.Series:
    """What the carrier's list calls each site; sectors may share it."""
    own = pd.Series(sites.index, sites.index)
    return sites["listed_id"].fillna(own) if "listed_id" in sites else own


def _serving(points: gpd.GeoDataFrame, sites: gpd.GeoDataFrame) -> np.ndarray:
    """The site that each point names, of sectors of one name that which points there most.

    Returns
    -------
    ndarray of object, shape (n,)
        Ids of ``sites``; NaN where a point names none of them.
    """
    listed = _listed(sites)
    sector = listed.groupby(listed).cumcount()
    out = points["site"].where(points["site"].isin(sites.index)).to_numpy(dtype=object)
    least = np.full(len(points), np.inf)
    for k in range(int(sector.max()) + 1 if len(sector) else 0):
        own = sites[sector == k]
        at = pd.Index(listed[own.index]).get_indexer(points["site"])
        here = np.flatnonzero(at >= 0)
        east, north = (
            points.geometry.get_coordinates().to_numpy()[here]
            - own.geometry.get_coordinates().to_numpy()[at[here]]
        ).T
        azimuth = own["azimuth_deg"].to_numpy(float)[at[here]]
        off = np.nan_to_num(np.abs(half_turn(np.degrees(np.arctan2(east, north)) - azimuth)))
        better = off < least[here]
        here, at = here[better], at[here][better]
        out[here], least[here] = own.index.to_numpy()[at], off[better]
    return out


def _followed(run: Run, measured: gpd.GeoDataFrame, sites: gpd.GeoDataFrame) -> np.ndarray:
    """Whether each point lies within the radius to which a run follows its site: bool (n,)."""
    settings = run.scenario.coverage
    radius = sites["placement"].map({"roof": settings.radius_roof_m}).fillna(settings.radius_pole_m)
    far = measured.distance(sites.geometry.loc[measured["site"]], align=False)
    near: np.ndarray = far.to_numpy() <= radius.loc[measured["site"]].to_numpy()
    if not near.any():
        raise InputError(
            Problem(
                Text(
                    "no measured point lies where the run follows its site",
                    "局の計算半径の中に測定点がありません",
                ),
                value=f"{far.min():.0f} m",
                expected=f"<= {radius.max():g} m",
                where="coverage.radius_roof_m, radius_pole_m",
                fix=Text(
                    "positions are read as longitude and latitude in WGS 84; are these, and the "
                    "sites' names, right?",
                    "位置は経度・緯度(WGS 84)として読みます。位置と局名が正しいか確かめてください",
                ),
            )
        )
    return near


def _surface_around(run: Run, measured: gpd.GeoDataFrame, sites: gpd.GeoDataFrame) -> Surface:
    ends = pd.concat([measured.geometry, sites.geometry.loc[measured["site"].unique()]])
    found = links.read_surface(run, shapely.box(*ends.total_bounds).buffer(_MARGIN_M).bounds)
    if found is None:
        raise InputError(
            Problem(
                Text(
                    "without buildings or terrain nothing tells links in sight from blocked ones",
                    "建物も地形もないと、見通し内と見通し外の回線を区別できません",
                ),
                where="surface",
            )
        )
    return found
