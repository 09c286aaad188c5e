"""One link, line by line: what reaches a place from a site, and why not more."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np

from tdh import units
from tdh.coverage.quality import Shadowing, probability
from tdh.coverage.receivers import Place
from tdh.coverage.sites import levels_dbm, site_arrays
from tdh.errors import InputError, Problem
from tdh.language import Text
from tdh.radio import p2108, prediction, tables, tr38901, vectors
from tdh.radio.bands import Band
from tdh.radio.model import Model
from tdh.surface import Surface


@dataclass(frozen=True)
class BudgetLine:
    """A line of a link budget.

    Parameters
    ----------
    label : Text
    value : float
    unit : str
        ``"dB"`` and ``"dBm"`` add up to the signal where ``counts`` is true.
    clause : str
        Source of the rule.
    counts : bool
        Whether the value is a term of the sum; others explain.
    """

    label: Text
    value: float
    unit: str
    clause: str
    counts: bool = True


@dataclass(frozen=True, eq=False)
class Profile:
    """The cut through the surface from the site (0 m) to the receiver; arrays of one length.

    Parameters
    ----------
    distance_m : ndarray
        From the site.
    ground_m, top_m : ndarray
        Ground, and ground with buildings, above the surface's datum.
    line_m : ndarray
        Height of the straight line between the antennas.
    """

    distance_m: np.ndarray
    ground_m: np.ndarray
    top_m: np.ndarray
    line_m: np.ndarray

    def thinned(self, most: int) -> Profile:
        """At most so many points; each stands for a stretch, with its highest top."""
        n = len(self.distance_m)
        if n <= most:
            return self
        starts = np.linspace(0, n, most, endpoint=False).astype(int)
        starts[-1] = n - 1  # both ends are kept as they are
        return Profile(
            self.distance_m[starts],
            self.ground_m[starts],
            np.maximum.reduceat(self.top_m, starts),
            self.line_m[starts],
        )


@dataclass(frozen=True)
class Edge:
    """The obstacle that rises most above the line."""

    distance_m: float
    top_m: float
    above_line_m: float


@dataclass(frozen=True, eq=False)
class Link:
    """A link explained: see :func:`explain_link`."""

    site_id: str
    band: Band
    x_m: float
    y_m: float
    distance_m: float
    line_of_sight: bool | None
    """None where there is no surface to decide it."""
    indoors: bool
    lines: list[BudgetLine]
    rsrp_dbm: float
    probability_covered: float
    edge: Edge | None
    profile: Profile | None

    @property
    def covered(self) -> bool:
        """Whether the median reaches the band's threshold."""
        return self.rsrp_dbm >= self.band.covered_dbm

    def to_dict(self, language: str | None = None) -> dict[str, Any]:
        """As plain values, for JSON; without the profile."""
        return {
            "site_id": self.site_id,
            "band": self.band.id,
            "distance_m": round(self.distance_m, 1),
            "line_of_sight": self.line_of_sight,
            "indoors": self.indoors,
            "lines": [
                {
                    "label": line.label.render(language),  # type: ignore[arg-type]
                    "value": round(line.value, 2),
                    "unit": line.unit,
                    "clause": line.clause,
                    "counts": line.counts,
                }
                for line in self.lines
            ],
            "rsrp_dbm": round(self.rsrp_dbm, 2),
            "covered": self.covered,
            "probability_covered": round(self.probability_covered, 3),
            "edge": None
            if self.edge is None
            else {
                "distance_m": round(self.edge.distance_m, 1),
                "top_m": round(self.edge.top_m, 1),
                "above_line_m": round(self.edge.above_line_m, 1),
            },
        }


def explain_link(
    sites: gpd.GeoDataFrame,
    site_id: str,
    x_m: float,
    y_m: float,
    surface: Surface | None,
    band: Band,
    *,
    receiver_height_m: float = 1.5,
    receiver_place: Place = "street",
    model: Model | None = None,
    shadowing: Shadowing | None = None,
) -> Link:
    """The budget of one link, by the same rules as :func:`tdh.coverage.compute`.

    Parameters
    ----------
    sites : GeoDataFrame
        As for :func:`tdh.coverage.compute`.
    site_id : str
        Which of them.
    x_m, y_m : float
        The receiver: easting and northing in metres.
    surface : Surface or None
    band : Band
    receiver_height_m : float
        Above what the receiver stands on.
    receiver_place : {"street", "roof"}
        In a building: indoors at street level, or on its roof.
    model : Model, optional
    shadowing : Shadowing, optional
        For the probability.

    Returns
    -------
    Link
        The values of the lines that count add up to ``rsrp_dbm``.

    Raises
    ------
    InputError
        If there is no such site, or the band is not used at it.
    """
    model, shadowing = model or Model(), shadowing or Shadowing()
    if site_id not in sites.index:
        raise InputError(
            Problem(
                Text("there is no such site", "その基地局はありません"),
                value=site_id,
                expected=", ".join(str(i) for i in sites.index[:5]) + ", …",
            )
        )
    row = sites.loc[[site_id]]
    arrays = site_arrays(row, surface, None)
    level = float(levels_dbm(arrays, band)[0])
    if math.isnan(level):
        raise InputError(
            Problem(
                Text("the band is not used at this site", "この基地局では使わないバンドです"),
                value=band.id,
                where=site_id,
                fix=Text(
                    "set eirp_pole_dbm of the band", "バンドの eirp_pole_dbm を指定してください"
                ),
            )
        )
    x1, y1, z1, roof, _ = arrays.numbers[0]
    indoors = False
    ground = 0.0
    if surface is not None:
        ground = float(surface.ground_m(x_m, y_m))
        building = float(surface.building_height_m(x_m, y_m))
        indoors = building > 0 and receiver_place == "street"
        ground += building if receiver_place == "roof" else 0.0
    z0 = ground + receiver_height_m
    east, north, up = x_m - x1, y_m - y1, z0 - z1
    distance = math.hypot(east, north)
    flat = max(distance, prediction.NEAREST_M)
    direct = math.hypot(flat, up)
    azimuths, tilt = arrays.antennas.azimuths, arrays.antennas.tilts[0]
    gain = float(prediction.antenna_gain_db(east, north, up, azimuths, 0, tilt, model.pattern))
    law = tables.law_constants(
        arrays.environments, arrays.heights_m, band.frequency_ghz, receiver_height_m, model
    )[0]
    los, nlos = (float(v) for v in prediction.law_db(law, math.log10(direct), flat, direct))
    scenario = tr38901.SCENARIOS[int(arrays.environments[0])]
    eirp = level - band.carrier_to_rsrp_db
    lines = [
        BudgetLine(Text("EIRP", "EIRP"), eirp, "dBm", f"bands.csv, {band.id}"),
        BudgetLine(
            Text("Antenna pattern towards the place", "アンテナ指向性(地点方向)"),
            gain,
            "dB",
            "TR 38.901, table 7.3-1",
        ),
        BudgetLine(
            Text("Carrier to one resource element", "搬送波からリソースエレメントへ"),
            band.carrier_to_rsrp_db,
            "dB",
            f"1/(12 · {band.n_rb} RB)",
        ),
        BudgetLine(
            Text("Path loss in line of sight ({s})", "見通し伝搬損失({s})", s=scenario),
            -los,
            "dB",
            "TR 38.901, 7.4.1",
        ),
    ]
    if tr38901.extrapolates(scenario, arrays.heights_m[0]):
        lines.append(
            BudgetLine(
                Text(
                    "Antenna height outside the law's fit: extrapolated",
                    "アンテナ高が式の適用条件外(外挿)",
                ),
                float(arrays.heights_m[0]),
                "m",
                "TR 38.901, table 7.4.1-1",
                counts=False,
            )
        )
    seen: bool | None = None
    edge, profile = None, None
    if surface is None:
        loss, more = _without_surface(
            scenario, flat, distance, receiver_height_m, band, los, nlos, model
        )
        lines += more
    else:
        seen, loss, more, stretch = _over_surface(
            surface, (x_m, y_m, z0), (x1, y1, z1), roof, indoors, band, los, nlos, law[8], model
        )
        lines += more
        profile, edge = _profile(surface, (x1, y1, z1), (x_m, y_m, z0), stretch, seen)
    signal = level + gain - loss
    rain = tables.rain_db_per_m(band.frequency_ghz, model) * direct
    if rain > 0:
        lines.append(
            BudgetLine(
                Text("Rain, {r} mm/h", "降雨 {r} mm/h", r=model.rain_rate_mm_h),
                -rain,
                "dB",
                "ITU-R P.838-3",
            )
        )
    if indoors or model.indoor is not None:
        rooms = model.indoor or model.indoor_cells
        elevation = int(abs(float(vectors.bearing_deg(up, distance))) + 0.5)
        table = tables.entry_table(band.frequency_ghz, rooms, model.entry_percent)
        entry = float(table[elevation])
        lines.append(
            BudgetLine(
                Text("Building entry ({b})", "建物侵入損失({b})", b=rooms),
                -entry,
                "dB",
                "ITU-R P.2109-1",
            )
        )
        signal -= entry
    signal -= rain
    sigma = shadowing.los_db if seen else shadowing.nlos_db
    return Link(
        site_id=str(site_id),
        band=band,
        x_m=float(x_m),
        y_m=float(y_m),
        distance_m=distance,
        line_of_sight=seen,
        indoors=indoors,
        lines=lines,
        rsrp_dbm=signal,
        probability_covered=float(probability(signal, band.covered_dbm, sigma)),
        edge=edge,
        profile=profile,
    )


def _without_surface(
    scenario: tr38901.Scenario,
    flat: float,
    distance: float,
    receiver_height_m: float,
    band: Band,
    los: float,
    nlos: float,
    model: Model,
) -> tuple[float, list[BudgetLine]]:
    share = float(tr38901.los_probability(scenario, distance, receiver_height_m))
    clutter = 0.0
    if flat >= 250.0:
        clutter = float(
            p2108.terrestrial_clutter_loss_db(
                band.frequency_ghz, flat / 1000.0, model.clutter_percent, outside="ignore"
            )
        )
    hidden = max(nlos, los + clutter)
    loss = float(prediction.expected_db(share, los, hidden))
    lines = [
        BudgetLine(
            Text("Probability of line of sight", "見通し確率"),
            share,
            "",
            "TR 38.901, 7.4.2",
            counts=False,
        ),
        BudgetLine(
            Text("Expected loss by being blocked (no surface)", "遮蔽による期待損失(地表面なし)"),
            los - loss,
            "dB",
            "TR 38.901, 7.4.1; ITU-R P.2108-1, 3.2",
        ),
    ]
    return loss, lines


def geometry_over(
    surface: Surface,
    rx: tuple[float, float, float],
    tx: tuple[float, float, float],
    roof_m: float,
    indoors: bool,
    model: Model,
) -> tuple[bool, float, float, float, float]:
    """:func:`tdh.radio.prediction.link_geometry` over a surface, ends as (x, y, z) in its CRS, m."""
    grid = surface.grid
    ends = [
        ((x - grid.x_min_m) / grid.cell_size_m, (grid.y_max_m - y) / grid.cell_size_m, z)
        for x, y, z in (rx, tx)
    ]
    found: tuple[bool, float, float, float, float] = prediction.link_geometry(
        surface.top_m,
        *ends[0],
        *ends[1],
        grid.cell_size_m,
        roof_m,
        indoors,
        model.own_building_m,
        model.diffraction,
    )
    return found


def _over_surface(
    surface: Surface,
    rx: tuple[float, float, float],
    tx: tuple[float, float, float],
    roof_m: float,
    indoors: bool,
    band: Band,
    los: float,
    nlos: float,
    weight: float,
    model: Model,
) -> tuple[bool, float, list[BudgetLine], tuple[float, float]]:
    blocked, nu, start, end, _ = geometry_over(surface, rx, tx, roof_m, indoors, model)
    lines = [
        BudgetLine(
            Text("In line of sight (1) or blocked (0)", "見通し内(1)・見通し外(0)"),
            float(not blocked),
            "",
            "surface",
            counts=False,
        )
    ]
    if not blocked:
        return True, los, lines, (start, end)
    loss = nlos
    lines.append(
        BudgetLine(
            Text("Path loss by the NLOS law", "見通し外の経験式による損失"),
            -nlos,
            "dB",
            "TR 38.901, 7.4.1",
            counts=False,
        )
    )
    if model.diffraction:
        distance = math.dist(rx[:2], tx[:2])
        shift = -0.5 * math.log2(float(units.wavelength_m(band.frequency_ghz)))
        edge = float(prediction.edge_loss_db(math.log2(max(nu, 1e-6)) + shift, distance))
        over = los + weight * edge + model.diffraction_offset_db
        loss = float(prediction.blend_db(los, nlos, over))
        lines.append(
            BudgetLine(
                Text("Path loss over the controlling edges", "支配的なエッジを越える回折損失"),
                -over,
                "dB",
                "ITU-R P.526-15, 4.5.1",
                counts=False,
            )
        )
    lines.append(
        BudgetLine(
            Text("Loss by being blocked (both ways added)", "遮蔽による損失(両経路の合成)"),
            los - loss,
            "dB",
            "TR 38.901, 7.4.1; ITU-R P.526-15",
        )
    )
    return False, loss, lines, (start, end)


def _profile(
    surface: Surface,
    tx: tuple[float, float, float],
    rx: tuple[float, float, float],
    stretch: tuple[float, float],
    seen: bool,
) -> tuple[Profile, Edge | None]:
    """The cut at half a cell's spacing, and the obstacle within the stretch that counts."""
    length = math.hypot(rx[0] - tx[0], rx[1] - tx[1])
    n = max(2, math.ceil(length / (surface.grid.cell_size_m / 2)) + 1)
    share = np.linspace(0.0, 1.0, n)
    x, y = tx[0] + share * (rx[0] - tx[0]), tx[1] + share * (rx[1] - tx[1])
    ground = surface.ground_m(x, y).astype(float)
    top = ground + surface.building_height_m(x, y)
    line = tx[2] + share * (rx[2] - tx[2])
    profile = Profile(share * length, ground, top, line)
    if seen:
        return profile, None
    from_rx = 1.0 - share
    counts = (from_rx >= stretch[0]) & (from_rx <= stretch[1])
    above = np.where(counts, top - line, -np.inf)
    i = int(np.argmax(above))
    return profile, Edge(float(share[i] * length), float(top[i]), float(above[i]))
