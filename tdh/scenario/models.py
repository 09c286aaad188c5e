"""The tables and keys of a scenario. Every default stands once: here, and in ``people``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tdh.scenario.people import Demand, DemandSource, PlaceSource  # noqa: F401
from tdh.scenario.tables import Identifier, Provenance
from tdh.scenario.tables import Table as _Table
from tdh.seeds import LARGEST


class Area(Provenance):
    """The municipalities that the plan is for, and the size of its cells."""

    boundaries: Path = Field(
        description="Polygons of municipalities (KSJ N03 or with a code column)"
    )
    municipalities: list[str] = Field(
        [], description="Codes of five digits, or beginnings of codes such as 131; empty: all"
    )
    bounds: tuple[float, float, float, float] | None = Field(
        None, description="Longitude and latitude: west, south, east, north; empty: no clip"
    )
    cell_size_m: float = Field(25, ge=1, le=1000, description="Side of a cell in metres")
    max_cells: int = Field(
        20_000_000, ge=1, description="More cells than this are refused before anything is computed"
    )


class AssetSource(Provenance):
    """One register of assets."""

    path: Path = Field(description="The register's file")
    kind: str | None = Field(None, description="Kind of all its assets; empty: from its words")
    owner: str | None = Field(None, description="Owner where the register names none")
    crs: str | None = Field(None, description="CRS of its coordinates; empty: recognised")
    mapping: dict[str, str] | None = Field(
        None, description="Field to column, where the recognition of headers is to be overruled"
    )


class Inventory(_Table):
    """How registers are read."""

    kinds: list[Path] = Field(
        [], description="CSVs of kinds and words beyond tdh/inventory/kinds.csv, same columns"
    )
    geocoder: Path | None = Field(
        None,
        description="Table of addresses, latitudes and longitudes for records without a position",
    )


class Surface(Provenance):
    """Buildings and terrain, which decide line of sight."""

    buildings: list[Path] = Field([], description="GeoTIFF of heights, or outlines with a height")
    terrain: list[Path] = Field([], description="GeoTIFF or GSI FG-GML; empty: flat")
    cell_size_m: float | None = Field(
        None,
        ge=0.5,
        le=50,
        description="Cell of the surface in metres; empty: the raster's own, or 4",
    )


class Goals(_Table):
    """The programme's indicators (tdh kpi) and their targets."""

    year: int = Field(2026, ge=2019, le=2100, description="Fiscal year of the targets")
    rule: Literal[">=", ">"] = Field(
        ">=", description="A 500 m mesh counts from half of its area, or above half"
    )
    at_least: list[Annotated[int, Field(ge=1, le=20)]] = Field(
        [1, 2], min_length=1, description="Numbers of carriers that must serve: 1 is any of them"
    )
    targets: dict[str, Annotated[float, Field(ge=0)] | dict[int, Annotated[float, Field(ge=0)]]] = (
        Field({}, description="Indicator to target, or to fiscal years and targets")
    )
    count_estimated_sites: bool = Field(
        False,
        description="Whether sites estimated from cells seen (OpenCelliD) count as stations in a "
        "mesh: where one stands is known to hundreds of metres, its band not at all",
    )
    shadowing_db: float = Field(
        6.0,
        gt=0,
        le=30,
        description="Standard deviation of shadow fading behind expected people; 6 dB: TR 38.901, "
        "table 7.4.1-1, UMa without line of sight",
    )
    shadowing_correlation: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="Of the fading of two carriers at one place; 0.5: between sites in LTE studies "
        "(SEAMCAT Handbook, 9.11)",
    )

    @property
    def targets_by_year(self) -> dict[str, dict[int, float]]:
        """Own targets; one that names no year holds for the scenario's."""
        return {
            kpi: dict(target) if isinstance(target, dict) else {self.year: target}
            for kpi, target in self.targets.items()
        }


class BandSettings(_Table):
    """A band: a row of tdh/radio/bands.csv, with what this scenario changes."""

    id: Identifier
    frequency_mhz: float | None = Field(None, ge=400, le=100_000)
    bandwidth_mhz: float | None = Field(None, gt=0, le=2_000)
    subcarrier_spacing_khz: float | None = Field(None, gt=0)
    n_rb: int | None = Field(None, ge=1)
    eirp_roof_dbm: float | None = Field(None, ge=0, le=90)
    eirp_pole_dbm: float | None = Field(None, ge=0, le=90)
    covered_dbm: float | None = Field(
        None, ge=-140, le=-40, description="SS-RSRP from which a place counts as covered"
    )
    good_dbm: float | None = Field(None, ge=-140, le=-40)
    band_class: Literal["low", "sub6", "mmw"] | None = None

    def changes(self) -> dict[str, Any]:
        """What the scenario sets, without the id."""
        return {k: v for k, v in self.model_dump().items() if v is not None and k != "id"}


class CarrierBand(_Table):
    """A band as a carrier holds it."""

    band: Identifier
    frequency_mhz: float | None = Field(None, ge=400, le=100_000)
    bandwidth_mhz: float | None = Field(None, gt=0, le=2_000)


class CoverageSource(Provenance):
    """What is known of a carrier's coverage today beyond its list of sites."""

    path: Path = Field(description="The file")
    type: Literal["area", "raster", "drive_test", "opencellid"] = Field(
        description="area: declared service areas (polygons); raster: signal in dBm; drive_test: "
        "CSV of measured points; opencellid: CSV of cells seen, for sites that nobody tells"
    )
    band: Identifier | None = Field(
        None, description="The band that it is about; empty: the carrier's only one"
    )
    evidence: Literal["measured", "declared", "predicted"] | None = Field(
        None, description="Kind of evidence of an area or raster; empty: declared, predicted"
    )
    columns: dict[str, str] = Field(
        {},
        description="Field to column. area: level_dbm or class; drive_test: latitude, longitude, "
        "rsrp_dbm, technology, where the recognition is to be overruled",
    )
    select: dict[str, str | list[str]] = Field(
        {}, description="Column to the value or values of the rows that are wanted"
    )
    crs: str | None = Field(None, description="CRS where the file names none")
    level_dbm: float | None = Field(
        None, ge=-160, le=-20, description="area: level of all; empty: at least covered_dbm"
    )
    levels: dict[str, Annotated[float, Field(ge=-160, le=-20)]] = Field(
        {}, description="area: class to dBm"
    )
    outside: Literal["unknown", "not_served"] = Field(
        "unknown", description="area: what holds outside of it"
    )
    radio: Literal["NR", "LTE"] = Field(
        "NR", description="drive_test, opencellid: whose signal, or whose cells"
    )
    missing: Literal["ignore", "not_served"] = Field(
        "ignore", description="drive_test: what a row with a position but no signal means"
    )
    least_points: int = Field(
        1, ge=1, description="drive_test: points from which a cell counts as measured"
    )
    plmn: list[str] = Field([], description="opencellid: the carrier's network codes, as 440-10")
    antenna_height_agl_m: float = Field(
        25, gt=0, le=750, description="opencellid: what estimated sites are predicted with"
    )

    @property
    def kind(self) -> Literal["measured", "declared", "predicted", "estimated"]:
        """The kind of evidence."""
        if self.type == "opencellid":
            return "estimated"
        if self.type == "drive_test":
            return "measured"
        return self.evidence or ("declared" if self.type == "area" else "predicted")


class ThroughputSource(Provenance):
    """Throughput measured per tile, of all carriers together: Ookla's open data."""

    path: Path = Field(description="Parquet, CSV or Shapefile of tiles")


class FloodSource(Provenance):
    """A map of floods to expect, for assets whose register does not tell."""

    path: Path = Field(description="Polygons")
    depth: str = Field(description="Column of the depth in metres, or of its class")
    levels: dict[str, Annotated[float, Field(ge=0, le=100)]] = Field(
        {}, description="Class to depth in metres; empty: the column holds metres"
    )


class Carrier(Provenance):
    """A carrier: its spectrum, its present sites, and how many sites it is to be offered."""

    id: Identifier
    name: str = Field("", description="Name for people; empty: the id")
    bands: list[CarrierBand] = Field(
        min_length=1, description="Ids of bands, or tables {band, frequency_mhz, bandwidth_mhz}"
    )
    sites: Path | None = Field(
        None, description="CSV of its present sites; others' rows are skipped"
    )
    coverage: list[CoverageSource] = Field(
        [], description="Areas, rasters, drive tests: measured before declared before predicted"
    )
    new_entrant: bool = Field(False, description="True where it has no site yet, and that is right")
    market_share: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Share of residents who are its customers; empty: equal shares",
    )
    max_sites: int = Field(20, ge=1, le=100_000, description="Budget: most assets to offer it")
    budget_yen: float | None = Field(
        None, gt=0, description="Most that its offers may cost; needs [costs]"
    )

    @field_validator("bands", mode="before")
    @classmethod
    def _band_of_id(cls, value: Any) -> Any:
        if isinstance(value, list):
            return [{"band": band} if isinstance(band, str) else band for band in value]
        return value

    @property
    def label(self) -> str:
        """The name for people."""
        return self.name or self.id

    @property
    def band_ids(self) -> list[str]:
        """Bands' ids in the carrier's order."""
        return [b.band for b in self.bands]


class CoverageSettings(_Table):
    """How far and how finely signals are predicted."""

    radius_roof_m: float = Field(1000, ge=50, le=5000)
    radius_pole_m: float = Field(300, ge=20, le=5000)
    receiver_height_m: float = Field(1.5, ge=0.5, le=22.5)
    choose_antennas: bool = Field(
        True,
        description="Turn and tilt the sectors of each rooftop to what they close for the carrier; "
        "false: 0, 120 and 240 degrees, tilted to the edge",
    )
    calibration: Path | None = Field(
        None, description="Model that fits measurements (JSON of tdh.measurements.write_model)"
    )


class Scoring(_Table):
    """Weights of a score's components; those left out keep their defaults."""

    weights: dict[str, Annotated[float, Field(ge=0)]] = Field({})
    top: int = Field(
        50, ge=1, description="How many best assets stays_in_top is about, for each carrier"
    )
    neighbours_m: float = Field(
        500, gt=0, le=10_000, description="Sites this near an asset fail with its neighbourhood"
    )


class Choice(_Table):
    """A planner's own decision, around which the plan is completed."""

    carrier: Identifier
    asset: str = Field(min_length=1, description="asset_id, as in assets.parquet")
    offer: bool = Field(True, description="True: it must be offered; false: it must not")


class Costs(Provenance):
    """What an offered site costs."""

    yen: dict[str, Annotated[float, Field(gt=0)]] = Field(
        {}, description="Kind of asset, or placement (roof, pole, ground), to yen; empty: no costs"
    )
    shared_saving: float = Field(
        0,
        ge=0,
        le=1,
        description="Share of an asset's cost that each carrier after the first on it saves",
    )


class Floor(_Table):
    """How many people of the gaps the plan must serve somewhere."""

    municipality: str | None = Field(
        None, description="Code of five digits, or each; empty: the whole area"
    )
    carrier: Identifier | None = Field(
        None, description="The carrier whose gap it is; empty: all carriers together"
    )
    share: float | None = Field(
        None, gt=0, le=1, description="Least share of the people who are in the gap there"
    )
    people: float | None = Field(None, gt=0, description="Or: least number of people")

    @model_validator(mode="after")
    def _one_of_them(self) -> Floor:
        if (self.share is None) == (self.people is None):
            raise PydanticCustomError("share_or_people", "give share or people")
        return self


class FiscalYear(_Table):
    """What may be offered in one fiscal year."""

    fiscal_year: int = Field(ge=2019, le=2100, description="The year from April, such as 2026")
    max_sites: (
        Annotated[int, Field(ge=0)] | dict[Identifier, Annotated[int, Field(ge=0)]] | None
    ) = Field(
        None,
        description="Most new assets for each carrier, or carrier to number; empty: no limit "
        "but the carrier's over all years",
    )
    budget_yen: float | None = Field(
        None, ge=0, description="Most that the year's offers may cost; needs [costs]"
    )


class Backup(_Table):
    """Cover by a second station, for when one fails."""

    weight: float = Field(
        0.5, gt=0, le=1, description="What a second cover counts against a first one"
    )
    of: Literal["people", "places"] = Field(
        "people", description="What a second cover counts for: customers, or places by priority"
    )
    place_people: float = Field(
        1000, gt=0, description="People that a place of priority 1 counts for, where of = places"
    )


class Siting(_Table):
    """The rules of the plan."""

    sharing_capacity: int = Field(2, ge=1, le=20, description="Most carriers on one asset")
    spacing_m: float = Field(
        0, ge=0, le=10_000, description="Least distance between two assets of one carrier"
    )
    budget_yen: float | None = Field(
        None, gt=0, description="Most that all offers may cost together; needs [costs]"
    )
    first: list[Literal["places", "any_carrier", "two_carriers", "worst_municipality"]] = Field(
        [],
        description="What comes before people in a gap, in order: places by priority, people whom "
        "nobody serves, people whom fewer than two carriers serve; each is made as good as the "
        "earlier ones allow. Or, alone: the municipality of whose gap the smallest share is closed",
    )
    first_gives: float = Field(
        0.0,
        ge=0,
        le=0.2,
        description="Share of each of `first` that may be given up for what comes after it",
    )
    floors: list[Floor] = Field([], description="Least numbers of people to serve, by place")
    choices: list[Choice] = Field([], description="Assets that must, or must not, be offered")
    years: list[FiscalYear] = Field(
        [], description="Fiscal years in order; the plan then says in which year each offer is made"
    )
    carry_over: bool = Field(True, description="Whether what a year leaves may be used later")
    discount: float = Field(1.0, gt=0, le=1, description="What a person served a year later counts")
    backup: Backup | None = Field(
        None, description="Optimise for cover by a second station, too; empty: for people alone"
    )


class GapSettings(_Table):
    """How regions of gaps are told."""

    near_m: float = Field(
        300,
        gt=0,
        description="A site within this is near in any case: a gap there is blocked, or indoors",
    )
    least_cells: int = Field(4, ge=1, description="Regions of fewer cells are left out")
    least_download_mbps: float = Field(
        35,
        ge=0,
        description="Served, but measured slower than this ([[throughput]]): a gap of capacity. "
        "35 Mbit/s: the FCC's speed of 5G download (5G Fund, FCC 20-150)",
    )
    bits_per_hertz: float = Field(
        7.8,
        gt=0,
        le=50,
        description="What a site carries on average; 7.8: ITU-R M.2410, dense towns",
    )
    downlink_share: float = Field(
        0.75, gt=0, le=1, description="Share of the time that TDD bands transmit downlink"
    )
    busy_kbps: float | None = Field(
        None, gt=0, description="What a customer asks for in the busy hour, kbit/s; empty: no load"
    )


class Packages(_Table):
    """What the carriers' packages are made under."""

    round: Path | None = Field(
        None,
        description="Facts of the round (TOML: id, opens, closes, rule, basis, caps …); empty: the "
        "scenario's name, without dates, each carrier offered what gains it most by itself",
    )


class Scenario(_Table):
    """A whole scenario. ``tdh scenario schema`` prints its JSON Schema."""

    name: str = Field(min_length=1, max_length=200)
    crs: str = Field("EPSG:6677", description="Projected CRS of the plan, in metres")
    seed: int = Field(0, ge=0, le=LARGEST)
    area: Area
    assets: list[AssetSource] = Field(min_length=1)
    inventory: Inventory = Inventory()
    surface: Surface = Surface()
    demand: Demand
    places: list[PlaceSource] = Field([])
    bands: list[BandSettings] = Field([])
    carriers: list[Carrier] = Field(min_length=1)
    throughput: list[ThroughputSource] = Field([])
    floods: list[FloodSource] = Field([])
    coverage: CoverageSettings = CoverageSettings()
    gaps: GapSettings = GapSettings()
    scoring: Scoring = Scoring()
    costs: Costs = Costs()
    siting: Siting = Siting()
    goals: Goals = Goals()
    packages: Packages = Packages()

    @property
    def market_shares(self) -> dict[str, float]:
        """Carrier to share of residents; equal where none is given."""
        equal = 1 / len(self.carriers)
        return {c.id: equal if c.market_share is None else c.market_share for c in self.carriers}

    def inputs(self) -> dict[str, list[Path]]:
        """Files that each part of the scenario names."""
        sites = [c.sites for c in self.carriers if c.sites is not None]
        return {
            "area": [self.area.boundaries],
            "assets": [a.path for a in self.assets],
            "inventory": [
                *self.inventory.kinds,
                *([self.inventory.geocoder] if self.inventory.geocoder else []),
            ],
            "surface": [*self.surface.buildings, *self.surface.terrain],
            "demand": [
                path
                for path in (
                    self.demand.population,
                    self.demand.training,
                    self.demand.commercial,
                    self.demand.roads,
                    *(source.path for source in self.demand.sources),
                )
                if path is not None
            ],
            "places": [p.path for p in self.places],
            "carriers": list(dict.fromkeys(sites)),
            "coverage": list(dict.fromkeys(s.path for c in self.carriers for s in c.coverage)),
            "throughput": [t.path for t in self.throughput],
            "calibration": [self.coverage.calibration] if self.coverage.calibration else [],
            "floods": [f.path for f in self.floods],
            "packages": [self.packages.round] if self.packages.round else [],
        }

    def provenances(self) -> list[tuple[str, Provenance]]:
        """Every input with its provenance, named by its place in the scenario."""
        named: list[tuple[str, Provenance]] = [("area", self.area)]
        named += [(f"assets: {a.path.name}", a) for a in self.assets]
        if self.surface.buildings or self.surface.terrain:
            named.append(("surface", self.surface))
        named.append(("demand", self.demand))
        named += [
            (f"demand: {s.path.name}{' (derived from ratio)' if s.type == 'ratio' else ''}", s)
            for s in self.demand.sources
        ]
        named += [(f"places: {p.path.name}", p) for p in self.places]
        named += [(f"carriers: {c.label}", c) for c in self.carriers]
        named += [
            (f"coverage: {c.label}, {s.path.name} ({s.kind})", s)
            for c in self.carriers
            for s in c.coverage
        ]
        named += [(f"throughput: {t.path.name} (measured)", t) for t in self.throughput]
        named += [(f"floods: {f.path.name}", f) for f in self.floods]
        if self.costs.yen:
            named.append(("costs", self.costs))
        return named
