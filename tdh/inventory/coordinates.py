"""Coordinates as registers write them, turned into decimal degrees: read, repaired, or refused.

What is certain is repaired (another spelling of the same angle; latitude and longitude in each
other's column) and says so. What is doubtful is flagged and left as it is. Everything works on
whole columns; the slow path sees only the distinct texts that are not plain numbers.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

from tdh.inventory import arrowtext

LATITUDES = (20.0, 46.0)
LONGITUDES = (122.0, 154.0)
_NUMBER = r"\d+(?:\.\d+)?"
_DEGREE = "[°度゜º˚dD]"
_MINUTE = "[′'’‘´`分ʹm]"
_SECOND = "(?:[″\"”“秒ʺs]|''|′′|’’)"
_DMS = (
    # 35°41′22.5″ and 35度41分22秒, with minutes or seconds left out
    re.compile(
        rf"^({_NUMBER}){_DEGREE}(?:({_NUMBER}){_MINUTE}(?:({_NUMBER}){_SECOND}?)?)?$"
    ),
    # 35:41:22.5, 35-41-22, 35 41 22
    re.compile(rf"^(\d{{1,3}})[:\-_](\d{{1,2}})(?:[:\-_]({_NUMBER}))?$"),
    # 35.41.22 and 35.41.22.5
    re.compile(r"^(\d{1,3})\.(\d{1,2})\.(\d{1,2}(?:\.\d+)?)$"),
)  # fmt: skip
_DECIMAL = re.compile(r"^(\d{1,3})[,/、・。，．‚](\d{2,})$")


def parse_angle(text: str) -> float:
    """Decimal degrees of one angle in any usual spelling; NaN if it is none.

    >>> round(parse_angle("35°41′22″"), 6), round(parse_angle("東経１３９度４１分３０秒"), 6)
    (35.689444, 139.691667)
    >>> parse_angle("35,689"), parse_angle("N35.689"), round(parse_angle("35.41.22"), 6)
    (35.689, 35.689, 35.689444)
    >>> parse_angle("near the station")
    nan
    """
    if len(text) > 100:
        return np.nan
    shown = unicodedata.normalize("NFKC", text).strip().strip("'\"") if text else ""
    shown = text.strip() if "″" in text or "′" in text else shown
    shown = unicodedata.normalize("NFKC", shown.replace("″", '"').replace("′", "'"))
    shown = re.sub(r"\s+", "" if re.search(r"[°度゜.]", shown) else ":", shown.strip())
    sign = -1.0 if re.search(r"[SWsw]$|^[SWsw]|南緯|西経", shown) and "秒" not in shown else 1.0
    shown = re.sub(r"^(北緯|東経|南緯|西経|緯度|経度|[NSEWnsew])[:=]?|[NSEWnsew]$", "", shown)
    if shown.startswith(("-", "+")):
        sign, shown = (-sign if shown[0] == "-" else sign), shown[1:]
    shown = re.sub(r"\.{2,}", ".", shown).rstrip(".")
    if re.fullmatch(_NUMBER, shown):
        return sign * float(shown)
    if match := _DECIMAL.match(shown):
        return sign * float(f"{match[1]}.{match[2]}")
    for pattern in _DMS:
        if match := pattern.match(shown):
            degrees, minutes, seconds = (float(part or 0) for part in match.groups())
            if minutes < 60 and seconds < 60:
                return sign * (degrees + minutes / 60 + seconds / 3600)
    return np.nan


def parse_angles(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Decimal degrees of a column of texts, and which of them were not plain numbers.

    Parameters
    ----------
    column : Series of str, shape (n,)

    Returns
    -------
    values : ndarray of float, shape (n,)
        NaN where a text is blank or no angle.
    respelled : ndarray of bool, shape (n,)
        True where an angle was written in another way than as a decimal number.
    """
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan).copy()
    values[~np.isfinite(values)] = np.nan
    odd = np.isnan(values) & (column != "").to_numpy()
    respelled = np.zeros(len(values), dtype=bool)
    if odd.any():
        texts = column[odd]
        distinct = {text: parse_angle(text) for text in texts.unique()}
        values[odd] = texts.map(distinct).to_numpy(dtype=float)
        respelled[odd] = ~np.isnan(values[odd])
    return values, respelled


def split_pairs(column: pd.Series) -> tuple[pd.Series, pd.Series]:
    """The two angles of texts such as ``35.68,139.69``, as two columns of text, in their order.

    >>> first, second = split_pairs(pd.Series(["(35.68, 139.69)", "北緯35度41分 東経139度41分"]))
    >>> list(zip(first, second))
    [('35.68', '139.69'), ('35°41′0″', '139°41′0″')]
    """
    distinct = {text: _split_pair(text) for text in column.unique()}
    first = column.map({text: pair[0] for text, pair in distinct.items()})
    second = column.map({text: pair[1] for text, pair in distinct.items()})
    return first.astype("str"), second.astype("str")


def _split_pair(text: str) -> tuple[str, str]:
    shown = unicodedata.normalize("NFKC", text[:200])
    numbers = re.findall(r"-?\d+(?:\.\d+)?", shown)
    if len(numbers) == 2:
        return numbers[0], numbers[1]
    if len(numbers) in (4, 6) and re.search(r"[°度゜'′分:]", shown):
        half = len(numbers) // 2
        parts = [numbers[:half] + ["0"] * (3 - half), numbers[half:] + ["0"] * (3 - half)]
        one, two = ("{}°{}′{}″".format(*(p.lstrip("-") for p in part)) for part in parts)
        return one, two
    return text, ""


def unpack_integers(lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Angles that are written as one whole number: DDMMSS, milliseconds, microdegrees.

    Returns
    -------
    lat, lon : ndarray of float, shape (n,)
    unpacked : ndarray of bool, shape (n,)

    Examples
    --------
    >>> lat, lon, done = unpack_integers(np.array([354122.0]), np.array([1394130.0]))
    >>> round(float(lat[0]), 6), round(float(lon[0]), 6), bool(done[0])
    (35.689444, 139.691667, True)
    """
    lat, lon = lat.copy(), lon.copy()
    done = np.zeros(len(lat), dtype=bool)
    with np.errstate(invalid="ignore"):
        big = (np.abs(lat) > 1000) & (np.abs(lon) > 1000)
        if not big.any():
            return lat, lon, done
        for unpack in (_from_dms, lambda v: v / 3.6e6, lambda v: v / 1e6):
            for a, b in ((lat, lon), (lon, lat)):  # either may stand in the other's column
                new_a, new_b = unpack(a), unpack(b)
                fits = big & ~done & _within(new_a, LATITUDES) & _within(new_b, LONGITUDES)
                a[fits], b[fits] = new_a[fits], new_b[fits]
                done |= fits
    return lat, lon, done


def _from_dms(value: np.ndarray) -> np.ndarray:
    degrees = np.floor(value / 10_000)
    minutes = np.floor(value / 100) % 100
    seconds = value % 100
    return np.where(
        (minutes < 60) & (seconds < 60), degrees + minutes / 60 + seconds / 3600, np.nan
    )


def _within(value: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    return (value >= bounds[0]) & (value <= bounds[1])


def in_japan(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Whether points lie in the range of latitudes and longitudes that Japan spans."""
    return _within(lat, LATITUDES) & _within(lon, LONGITUDES)


@dataclass
class Points:
    """Points of a register, and what happened to them.

    Parameters
    ----------
    lat, lon : ndarray of float, shape (n,)
        Degrees; NaN where there is no usable point.
    respelled, swapped : ndarray of bool, shape (n,)
        Which were repaired.
    blank, zero, unreadable, outside : ndarray of bool, shape (n,)
        Why there is no point (``outside``: of Japan).
    """

    lat: np.ndarray
    lon: np.ndarray
    respelled: np.ndarray
    swapped: np.ndarray
    blank: np.ndarray
    zero: np.ndarray
    unreadable: np.ndarray
    outside: np.ndarray


def repair(lat: np.ndarray, lon: np.ndarray, written: np.ndarray, respelled: np.ndarray) -> Points:
    """Repair what is certain and sort out what is not a point in Japan.

    Latitudes and longitudes of Japan do not overlap, so that a swapped pair is certain wherever
    it lies, on remote islands too.

    Parameters
    ----------
    lat, lon : ndarray of float, shape (n,)
        Degrees as parsed.
    written : ndarray of bool, shape (n,)
        Where anything was written at all.
    respelled : ndarray of bool, shape (n,)
        Where the spelling was not a plain number.
    """
    lat, lon, unpacked = unpack_integers(lat, lon)
    missing = np.isnan(lat) | np.isnan(lon)
    zero = (np.where(missing, 1, lat) == 0) | (np.where(missing, 1, lon) == 0)
    swapped = _within(lat, LONGITUDES) & _within(lon, LATITUDES)
    lat, lon = np.where(swapped, lon, lat), np.where(swapped, lat, lon)
    outside = ~missing & ~zero & ~in_japan(lat, lon)
    points = Points(
        lat,
        lon,
        (respelled | unpacked) & ~missing,
        swapped,
        blank=missing & ~written,
        zero=zero,
        unreadable=missing & written,
        outside=outside,
    )
    # A register that lies elsewhere as a whole is foreign, not wrong.
    possible = outside & (np.abs(lat) <= 90) & (np.abs(lon) <= 180)
    usable = int((~missing & ~zero).sum())
    if usable and possible.sum() > 0.8 * usable:
        points.outside = outside & ~possible
    gone = missing | zero | points.outside
    points.lat = np.where(gone, np.nan, lat)
    points.lon = np.where(gone, np.nan, lon)
    return points


def decimals(column: pd.Series) -> np.ndarray:
    """Digits behind the point of a column of plain decimal texts; 99 where it is something else.

    >>> decimals(pd.Series(["35.6", "139", "35°41′"])).tolist()
    [1, 0, 99]
    """
    plain = arrowtext.contains(column, r"^\s*-?\d+(\.\d*)?\s*$")
    digits = arrowtext.extract(column, r"\.(?P<v>\d*)\s*$").str.len()
    return np.where(plain, digits.fillna(0).to_numpy(dtype=float), 99).astype(int)


@cache
def prefecture_boxes() -> pd.DataFrame:
    """Boxes of longitude and latitude around each prefecture's land, islands apart."""
    with files("tdh.inventory").joinpath("prefectures.csv").open(encoding="utf-8") as handle:
        return pd.read_csv(handle, dtype={"code": "str"})


def in_prefecture(code: str, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Whether points lie in a prefecture's boxes.

    >>> in_prefecture("13", np.array([27.09, 42.56]), np.array([142.19, 141.35])).tolist()
    [True, False]
    """
    boxes = prefecture_boxes()
    inside = np.zeros(len(lat), dtype=bool)
    for box in boxes[boxes["code"] == code].itertuples():
        inside |= (lat >= box.south) & (lat <= box.north) & (lon >= box.west) & (lon <= box.east)
    return inside
