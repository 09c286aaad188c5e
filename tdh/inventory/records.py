"""From tables of text to a register: every record becomes an asset, waits for a position, or is refused."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely

from tdh import schemas
from tdh.errors import Problem, RegisterError
from tdh.inventory import (
    addresses,
    arrowtext,
    coordinates,
    headers,
    kinds,
    notes,
    positions,
    strays,
)
from tdh.inventory.findings import Findings, text
from tdh.inventory.tables import RawTable, Register
from tdh.language import Text

_RANGES = {
    "height": (0.1, 700),
    "height_ft": (0.4, 2300),
    "floors": (0, 200),
    "area_m2": (0, 1e9),
    "backup_hours": (0, 9998),
    "flood_depth_m": (0, 100),
    "elevation": (-20, 3776),
}
_WORDS = ("power", "fibre", "year_built", "structure", "access", "restrictions")
"""Columns that are kept as they were published."""
_ADDRESS_PARTS = ("address_prefecture", "address_city", "address_town", "address_block")
FEET_M = 0.3048


@dataclass(frozen=True)
class Options:
    """How a register is to be read; see :func:`tdh.inventory.read_assets`."""

    source: str
    mapping: Mapping[str, str] | None = None
    crs: str | None = None
    kind: str | None = None
    owner: str | None = None
    synthetic: bool = False
    plan_crs: str = "EPSG:6677"
    words: tuple[str, ...] = ()


def check_arguments(kind: str | None, plan_crs: str, crs: str | None) -> None:
    """Refuse a kind or a CRS that there is not, before anything is read."""
    if kind is not None:
        kinds.check(kind)
    positions.user_crs(crs)
    known = positions.user_crs(plan_crs)
    if known is None or known.is_geographic:
        raise RegisterError(
            Problem(
                Text(
                    "the plan's CRS must be projected, in metres",
                    "計画の座標系は平面（メートル）でなければなりません",
                ),
                value=plan_crs,
                expected="EPSG:6677",
                where="plan_crs",
            )
        )


def slug(name: str) -> str:
    """ASCII letters and digits of a name, and a hash where any of it was lost.

    >>> slug("130001_public_wireless_lan"), slug("給水拠点一覧")
    ('130001_public_wireless_lan', 'register-9208b7')
    """
    folded = unicodedata.normalize("NFKC", name).strip()
    plain = re.sub(r"[^A-Za-z0-9._]+", "-", folded).strip("-._")
    if plain == folded:
        return plain
    digest = hashlib.sha1(folded.encode("utf-8", errors="replace")).hexdigest()[:6]
    return f"{plain or 'register'}-{digest}"[:80]


def build(tables: Sequence[RawTable], options: Options) -> Register:
    """A register of one or more tables, whose records are numbered through.

    Parameters
    ----------
    tables : sequence of RawTable
        At least one.
    options : Options

    Raises
    ------
    RegisterError
        If the mapping or the CRS names something that there is not.
    """
    findings = Findings(options.source)
    parts: list[pd.DataFrame] = []
    offset, mapping = 0, dict[str, str]()
    for table in tables:
        part, columns = _records(table, offset, options, findings)
        parts.append(part)
        offset += len(part)
        if not mapping:
            mapping = columns.columns
    records = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    records["asset_id"] = _identifiers(records, slug(_stem(options.source)), findings)
    return _sort(records, options, findings, tables, mapping)


def _stem(source: str) -> str:
    name = source.rsplit("/", 1)[-1]
    return re.sub(r"(\.[A-Za-z0-9]{1,8}){1,2}$", "", name) or name


def _records(
    table: RawTable, offset: int, options: Options, findings: Findings
) -> tuple[pd.DataFrame, headers.ColumnMap]:
    """One table's records with all fields of an asset, latitude and longitude."""
    for rule, column, before, values in table.notes:
        findings.add(rule, 0, column=column, before=before, **values)
    columns = headers.map_columns(table, options.mapping)
    for name, column in columns.guessed.items():
        findings.add("guessed_column", column=column, field=name)
    for name, others in columns.duplicates.items():
        findings.add("several_columns", column=columns.columns[name], columns=", ".join(others))
    notes.drop(table, columns, findings)
    frame = table.frame
    rows = np.arange(offset + 1, offset + len(frame) + 1)
    prefecture = _prefecture(frame, columns)
    context = positions.Context(table, columns, rows, prefecture, options.crs, findings)
    points = positions.locate(context)
    out = _fields(context, options)
    out["latitude"], out["longitude"] = points.lat, points.lon
    out["repaired"] = points.swapped | points.respelled
    _reasons(out, points)
    _check_places(context, out, points.respelled)
    notes.check_cells(table, columns, rows, findings)
    _original(table, out)
    return out, columns


def _prefecture(frame: pd.DataFrame, columns: headers.ColumnMap) -> pd.Series:
    """Codes of the prefectures that records name: by address, by column, by code, in this order."""
    out = pd.Series(None, index=frame.index, dtype="str")
    known = addresses.prefecture_codes()
    for name in ("address", "address_prefecture", "prefecture"):
        if name in columns.columns:
            cells = frame[columns.columns[name]].str.strip()
            found = addresses.prefectures(cells) if name == "address" else cells.map(known)
            out = out.fillna(found.astype("str"))
    if "municipality_code" in columns.columns:
        codes, _ = addresses.municipality_codes(frame[columns.columns["municipality_code"]])
        whole = arrowtext.extract(
            frame[columns.columns["municipality_code"]], r"^\s*(?P<v>\d\d)000\d?\s*$"
        )
        out = out.fillna(codes.str[:2]).fillna(whole.astype("str"))
    return out


def _fields(context: positions.Context, options: Options) -> pd.DataFrame:
    """Names, kinds, addresses, owners and numbers of a table's records."""
    table, columns, findings, rows = context.table, context.columns, context.findings, context.rows
    out = pd.DataFrame(index=table.frame.index)
    out["source_row"] = rows
    out["published_id"] = context.text("id")
    names = context.text("name")
    judged = _judge(context, names, options)
    out["kind"] = judged.kind.to_numpy()
    for basis, rule in (("unknown", "kind_unknown"), ("majority", "kind_by_majority")):
        findings.add(rule, rows[judged.basis == basis])
    out["name"] = _names(context, names, out["kind"], columns)
    out["address"] = _address(context)
    out["owner"] = context.text("owner").where(context.text("owner") != "", options.owner or "")
    out["bureau"] = context.text("bureau")
    _municipality(context, out)
    for name in _RANGES:
        out[name] = _number(context, name)
    feet = out.pop("height_ft") * FEET_M
    out["height_agl_m"] = out.pop("height").fillna(feet)
    out["height_source"] = pd.Series("register", index=out.index, dtype="str").where(
        out["height_agl_m"].notna()
    )
    # An altitude is above sea level where the register does not say that it is of another kind.
    reference = context.text("height_reference")
    ground = (reference == "") | arrowtext.contains(reference, r"標高|海抜|sea|elevation")
    out["ground_m"] = out.pop("elevation").where(ground)
    for name in _WORDS:
        out[name] = context.text(name)
    out["year_built"] = _dates(out["year_built"])
    out["synthetic"] = options.synthetic
    out["repaired"] = False
    return out.reset_index(drop=True)


def _judge(context: positions.Context, names: pd.Series, options: Options) -> kinds.Judgement:
    table, columns = context.table, context.columns
    header = columns.columns.get("name", "")
    words = [*options.words, table.part, table.title]
    # "公園名" says that the records are parks; "名称" says nothing.
    words.append(re.sub(r"(の?名称?|_?name)$", "", header))
    register_kind = kinds.of_register(words, [str(c) for c in table.frame.columns])
    return kinds.judge(names, context.text("kind"), context.text("id"), register_kind, options.kind)


def _names(
    context: positions.Context, names: pd.Series, kind: pd.Series, columns: headers.ColumnMap
) -> np.ndarray:
    blank = (names == "").to_numpy()
    if not blank.any():
        return names.to_numpy(dtype=object)
    for other in ("name_en", "name_kana", "address_building"):
        if other in columns.columns:
            spare = context.text(other)
            names = names.where(names != "", spare)
    still = (names == "").to_numpy()
    labels = kind.map(kinds.table()["label_ja"])
    numbers = context.text("id")
    numbers = numbers.where(numbers != "", pd.Series(context.rows.astype(str), numbers.index))
    called = (labels + " " + numbers).to_numpy(dtype=object)
    if "name" in columns.columns:
        context.findings.add("blank_name", context.rows[blank], column=columns.columns["name"])
    elif still.all():
        context.findings.add("no_name_column")
    return np.where(still, called, names.to_numpy(dtype=object))


def _address(context: positions.Context) -> pd.Series:
    whole = context.text("address")
    if context.has("address_city") or context.has("address_town"):
        parts = context.text(_ADDRESS_PARTS[0])
        for name in _ADDRESS_PARTS[1:]:
            parts = parts + context.text(name)
        whole = whole.where(whole != "", parts)
    elif context.has("address_block"):
        # 所在 and 地番 in two columns, as in registers of land
        block = context.text("address_block")
        whole = whole.where((whole == "") | arrowtext.contains(whole, r"\d\s*$"), whole + block)
    return whole


def _municipality(context: positions.Context, out: pd.DataFrame) -> None:
    """Code and name of the municipality that the record names, by address, code or column."""
    column = context.columns.columns.get("municipality_code")
    stated = context.text("municipality_code")
    name = context.text("municipality")
    # PLATEAU and others give the municipality by its code.
    numeric = arrowtext.contains(name, r"^\d{5,6}$")
    stated, name = stated.where(~numeric, name), name.where(~numeric, "")
    codes, wrong = addresses.municipality_codes(stated)
    if wrong.any():
        before = stated[wrong].to_numpy(dtype=object)
        context.findings.add("wrong_code", context.rows[wrong], column=column, before=before)
    named = addresses.named_municipality(out["address"], context.prefecture)
    city = context.text("address_city")
    name = city.where(city != "", name)
    by_name = named
    if (name != "").any():
        by_name = addresses.named_municipality(name, context.prefecture)
    differs = (named.notna() & codes.notna() & (named != codes)).to_numpy(dtype=bool)
    if differs.any():
        context.findings.add(
            "code_differs", context.rows[differs], column=column,
            before=codes[differs].to_numpy(dtype=object),
            after=named[differs].to_numpy(dtype=object),
        )  # fmt: skip
    out["municipality_code"] = named.fillna(by_name).fillna(codes).astype("str")
    table = addresses.municipalities().set_index("code")["municipality"]
    known = out["municipality_code"].map(table)
    out["municipality"] = known.fillna(name.where(name != "")).astype("str")


def _number(context: positions.Context, name: str) -> np.ndarray:
    column = context.text(name)
    if not context.has(name):
        return np.full(len(column), np.nan)
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan).copy()
    odd = np.isnan(values) & (column != "").to_numpy()
    if odd.any():
        texts = column[odd].str.normalize("NFKC").str.replace(",", "")
        found = texts.str.extract(r"(-?\d+(?:\.\d+)?)", expand=False)
        values[odd] = pd.to_numeric(found, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        bad = np.isnan(values) & odd & ~column.isin(["-", "－", "不明", "なし", "―"]).to_numpy()
        context.findings.add(
            "bad_number",
            context.rows[bad],
            column=context.columns.columns[name],
            before=column[bad].to_numpy(dtype=object),
        )
    # PLATEAU and others write -9999 and 9999 where nothing is known.
    low, high = _RANGES[name]
    values[~np.isfinite(values) | (values < low) | (values > high)] = np.nan
    return values


def _dates(column: pd.Series) -> pd.Series:
    """Dates as published; serial numbers of a spreadsheet as dates.

    >>> _dates(pd.Series(["36617", "1987", "昭和62年"])).tolist()
    ['2000-04-01', '1987', '昭和62年']
    """
    serial = arrowtext.contains(column, r"^[1-6]\d{4}$")
    if not serial.any():
        return column
    days = pd.to_timedelta(pd.to_numeric(column[serial]), unit="D")
    column = column.copy()
    column[serial] = (pd.Timestamp("1899-12-30") + days).dt.strftime("%Y-%m-%d")
    return column


def _reasons(out: pd.DataFrame, points: coordinates.Points) -> None:
    """Why a record has no usable point, as the name of a rule; blank where it has one."""
    reason = np.full(len(out), "", dtype=object)
    for rule, mask in (
        ("blank_coordinates", points.blank),
        ("zero_coordinates", points.zero),
        ("unreadable_coordinates", points.unreadable),
        ("outside_japan", points.outside),
    ):
        reason[mask & (reason == "")] = rule
    reason[np.isnan(points.lat) & (reason == "")] = "blank_coordinates"
    out["reason"] = reason


def _check_places(context: positions.Context, out: pd.DataFrame, respelled: np.ndarray) -> None:
    """Flag points that contradict their own record: another prefecture, too few decimals."""
    findings, rows = context.findings, context.rows
    lat, lon = out["latitude"].to_numpy(), out["longitude"].to_numpy()
    known = np.isfinite(lat)
    for name, code in addresses.prefecture_codes().items():
        here = known & context.prefecture.eq(code).to_numpy(dtype=bool, na_value=False)
        if not here.any():
            continue
        away = here & ~coordinates.in_prefecture(code, lat, lon)
        away &= coordinates.in_japan(lat, lon)
        if away.any():
            shown = [f"{a:.8g},{b:.9g}" for a, b in zip(lat[away], lon[away], strict=True)]
            findings.add("outside_prefecture", rows[away], before=shown, prefecture=name)
            # Which of the two is right cannot be known: the point is not used.
            out.loc[away, "reason"] = "outside_prefecture"
    if context.has("latitude", "longitude") and context.table.geometry is None:
        lat_digits = coordinates.decimals(context.text("latitude"))
        lon_digits = coordinates.decimals(context.text("longitude"))
        coarse = known & ~respelled & (np.maximum(lat_digits, lon_digits) <= 3)
        findings.add("coarse_coordinates", rows[coarse])
    _check_same_position(context, out, known)
    usable = (out["reason"] == "").to_numpy()
    stray = strays.find(
        np.where(usable, lat, np.nan), np.where(usable, lon, np.nan), out["municipality_code"]
    )
    if len(stray):
        before = out["municipality"].iloc[stray].fillna("").to_numpy(dtype=object)
        findings.add("stray", rows[stray], before=before)


def _check_same_position(context: positions.Context, out: pd.DataFrame, known: np.ndarray) -> None:
    """Flag positions that many records with different addresses share."""
    # Without addresses, names tell whether records are different things.
    told_by = "address" if (out["address"] != "").any() else "name"
    places = out[known & (out[told_by] != "").to_numpy()]
    if len(places) < 10:
        return
    places = places[places.duplicated(["latitude", "longitude"], keep=False)]
    groups = places.groupby(["latitude", "longitude"], sort=False)[told_by]
    different = groups.transform("nunique")
    shared = different >= max(10, 0.01 * int(known.sum()))
    if shared.any():
        context.findings.add(
            "same_position", places.loc[shared, "source_row"], n=int(different.max())
        )


def _original(table: RawTable, out: pd.DataFrame) -> None:
    """Keep the cells as published of records that may be refused."""
    doubtful = (out["reason"] != "").to_numpy()
    out["original"] = None
    if doubtful.any():
        cells = table.frame[doubtful]
        json = cells.to_json(orient="records", lines=True, force_ascii=False)
        text_lines = json.rstrip("\n").split("\n")
        out.loc[doubtful, "original"] = np.array(text_lines, dtype=object)


def _identifiers(records: pd.DataFrame, prefix: str, findings: Findings) -> pd.Series:
    """Stable identifiers: the register's slug with the published identifier or the record number."""
    published = records["published_id"]
    filled = (published != "").to_numpy()
    twice = published.duplicated(keep=False).to_numpy() & filled
    if twice.any():
        before = published[twice].to_numpy(dtype=object)
        findings.add("duplicate_id", records.loc[twice, "source_row"], before=before)
    numbers = records["source_row"].astype("str")
    if not filled.any() or (filled & ~twice).sum() < 0.5 * len(records):
        return prefix + "-" + numbers
    plain = arrowtext.contains(published, r"^[A-Za-z0-9._:\-]{1,80}$")
    usable = filled & ~twice & plain
    # A record number among published identifiers is marked, so that the two never meet.
    tail = published.where(usable, "r" + numbers)
    again = tail.duplicated(keep=False)
    return prefix + "-" + tail.mask(again, "r" + numbers)


def _sort(
    records: pd.DataFrame,
    options: Options,
    findings: Findings,
    tables: Sequence[RawTable],
    mapping: dict[str, str],
) -> Register:
    records["source"] = pd.Series(options.source, index=records.index, dtype="str")
    crs = positions.user_crs(options.plan_crs)
    assert crs is not None
    usable = (records["reason"] == "").to_numpy()
    x, y = np.full(len(records), np.nan), np.full(len(records), np.nan)
    if usable.any():
        transformer = pyproj.Transformer.from_crs(positions.JGD2011, crs, always_xy=True)
        x[usable], y[usable] = transformer.transform(
            records.loc[usable, "longitude"].to_numpy(), records.loc[usable, "latitude"].to_numpy()
        )
    lost = usable & ~(np.isfinite(x) & np.isfinite(y))
    if lost.any():
        findings.add("outside_plan", records.loc[lost, "source_row"])
        records.loc[lost, "reason"] = "outside_plan"
        kept = records.loc[lost, ["name", "address", "latitude", "longitude"]]
        json = kept.to_json(orient="records", lines=True, force_ascii=False)
        records.loc[lost, "original"] = np.array(json.rstrip("\n").split("\n"), dtype=object)
        usable &= ~lost
    waiting = ~usable & (records["address"] != "").to_numpy()
    refused = ~usable & ~waiting
    findings.add("rejected", records.loc[refused, "source_row"])
    for name in ("published_id", *_WORDS, "owner", "bureau", "address"):
        records[name] = records[name].astype("str").replace("", None)
    records = _place(records)
    extra = ["reason", "original"]
    assets = gpd.GeoDataFrame(
        records[usable].drop(columns=extra),
        geometry=shapely.points(x[usable], y[usable]),
        crs=crs,
    )
    needs = records[waiting].drop(columns=["original"]).set_index("asset_id")
    needs.index = needs.index.astype("str")
    rejected = records.loc[refused, ["source", "source_row", "reason", "original"]]
    rejected = rejected.reset_index(drop=True)
    rejected["reason"] = rejected["reason"].map(lambda rule: str(text(rule)))
    encodings = [t.encoding for t in tables if t.encoding]
    return Register(
        assets=schemas.conform(assets, "assets"),
        rejected=schemas.conform(rejected, "rejected"),
        needs_position=needs,
        findings=findings.frame(),
        rows=len(records),
        mapping=dict(mapping),
        format=tables[0].format if tables else "",
        encoding=encodings[0] if encodings else None,
        source=options.source,
    )


def _place(records: pd.DataFrame) -> pd.DataFrame:
    """Placement by kind; the mounting height follows in :func:`tdh.inventory.complete`."""
    records["placement"] = records["kind"].map(kinds.table()["placement"]).astype("str")
    records["mounting_height_m"] = np.nan
    return records
