"""Messy registers of invented street furniture, in the form in which wards publish theirs.

Every trouble that ``tdh check`` knows how to find is in them once or twice: a title above the
header, full-width digits, latitude and longitude swapped, a blank coordinate, a position far away,
a row twice, degrees with minutes and seconds, a note below. Names, owner and notes say that it is
all invented (架空).
"""

from __future__ import annotations

import csv
import datetime
from io import StringIO
from pathlib import Path

import numpy as np
import shapely
import xlsxwriter

from tdh.files import atomic
from tdh.sample import place

OWNER = "架空区"
REMARK = "架空データ"

# The beginning of the recommended data set (推奨データセット) of Japanese municipalities.
_HEADER = [
    "都道府県コード又は市区町村コード",
    "NO",
    "都道府県名",
    "市区町村名",
    "名称",
    "名称_カナ",
    "種別",
    "住所",
    "緯度",
    "経度",
    "高さ(m)",
    "設置者",
    "備考",
]
_WIDE = str.maketrans("0123456789.", "０１２３４５６７８９．")


def write_lights(path: Path, rng: np.random.Generator, n: int = 90) -> None:
    """A CSV register of street lights in CP932, with a title, a note and spoilt rows."""
    rows = [
        _row(i, f"架空街路灯{i:03d}", "街路灯", lonlat, 8.0)
        for i, lonlat in enumerate(_street_points(n, rng), start=1)
    ]
    at = {name: _HEADER.index(name) for name in _HEADER}
    for i in (4, 17):
        for column in ("緯度", "経度", "高さ(m)"):
            rows[i][at[column]] = rows[i][at[column]].translate(_WIDE)
    rows[9][at["緯度"]], rows[9][at["経度"]] = rows[9][at["経度"]], rows[9][at["緯度"]]
    rows[21][at["緯度"]] = rows[21][at["経度"]] = ""
    rows[30][at["緯度"]] = rows[30][at["経度"]] = "0"
    rows[38][at["緯度"]] = _sexagesimal(float(rows[38][at["緯度"]]))
    rows[38][at["経度"]] = _sexagesimal(float(rows[38][at["経度"]]))
    rows[45] = list(rows[44])
    rows[60][at["高さ(m)"]] = "約8m"
    rows[70][at["名称"]] = "　" + rows[70][at["名称"]] + " "

    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    blank = [""] * (len(_HEADER) - 1)
    writer.writerow(["架空区 街路灯台帳(架空データ。実在の設備ではありません)", *blank])
    writer.writerow(_HEADER)
    writer.writerows(rows[:50])
    writer.writerow(["", *blank])
    writer.writerows(rows[50:])
    writer.writerow(["※この台帳は動作確認用の架空データです。Ver.1", *blank])
    with atomic(path) as draft:
        draft.write_bytes(text.getvalue().encode("cp932"))


def write_signs(path: Path, rng: np.random.Generator, n: int = 40) -> None:
    """An Excel register of signs and disaster radios: a title, a legend sheet, a merged heading."""
    kinds = rng.choice(["案内板", "防災行政無線", "バス停上屋"], n, p=[0.5, 0.2, 0.3])
    height = {"案内板": 2.5, "防災行政無線": 15.0, "バス停上屋": 3.0}
    points = _street_points(n, rng, side=-1)
    rows = [
        _row(i, f"架空{kind}{i:02d}", kind, lonlat, height[kind])
        for i, (kind, lonlat) in enumerate(zip(kinds, points, strict=True), start=1)
    ]
    with atomic(path) as draft:
        book = xlsxwriter.Workbook(draft, {"strings_to_formulas": False})
        # Excel's own stamp would make two runs differ.
        created = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        book.set_properties({"title": "架空区 案内板等台帳(架空データ)", "created": created})
        legend = book.add_worksheet("凡例")
        legend.write_column(0, 0, ["この台帳は架空データです。", "緯度・経度は世界測地系です。"])
        sheet = book.add_worksheet("台帳")
        sheet.merge_range(
            0, 0, 0, len(_HEADER) - 1, "架空区 案内板等台帳(架空データ)", book.add_format()
        )
        sheet.write_row(2, 0, _HEADER)
        numeric = {_HEADER.index(c) for c in ("緯度", "経度", "高さ(m)")}
        for r, row in enumerate(rows, start=3):
            for c, value in enumerate(row):
                if c in numeric and r % 7:
                    sheet.write_number(r, c, float(value))
                else:
                    sheet.write_string(r, c, value)
        sheet.write_string(len(rows) + 4, 0, "※架空データ。実在の設備ではありません。")
        book.close()


def _row(number: int, name: str, kind: str, lonlat: np.ndarray, height_m: float) -> list[str]:
    return [
        "",
        str(number),
        "東京都",
        OWNER,
        name,
        "",
        kind,
        f"{OWNER}架空町{1 + number % 5}-{1 + number % 19}",
        f"{lonlat[1]:.6f}",
        f"{lonlat[0]:.6f}",
        f"{height_m:g}",
        OWNER,
        REMARK,
    ]


def _street_points(n: int, rng: np.random.Generator, side: int = 1) -> np.ndarray:
    """Longitudes and latitudes beside main roads and in quiet streets, half and half."""
    inside = place.area_m(-60)
    kerbs = [
        place.road_m(name).offset_curve(side * (width / 2 - 3)).intersection(inside)
        for name, (width, _) in place.ROADS.items()
        if name != "鉄道"
    ]
    line = shapely.union_all(kerbs)
    along = np.sort(rng.uniform(0, 1, n // 2))
    parts = shapely.get_parts(line)
    which = rng.choice(len(parts), n // 2, p=shapely.length(parts) / shapely.length(parts).sum())
    kerb = shapely.line_interpolate_point(parts[which], along, normalized=True)
    x0, y0, x1, y1 = inside.bounds
    quiet = rng.uniform((x0, y0), (x1, y1), (n - n // 2, 2))
    return place.to_degrees(np.vstack([shapely.get_coordinates(kerb), quiet]))


def _sexagesimal(degrees: float) -> str:
    seconds = round(degrees * 3600, 2)
    whole, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{int(whole)}度{int(minutes)}分{seconds:.2f}秒"
