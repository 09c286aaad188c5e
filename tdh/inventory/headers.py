"""Headers: which column holds what, by name and never by position.

``headers.csv`` lists, per field, the names that registers use, the commonest first. A header is
compared after normalisation (width, case, spaces, punctuation, numbering), then without what
stands in brackets, then by general patterns, and at last, where a column has no name or an unknown
one, by what it contains. Every guess is reported.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.resources import files

import numpy as np
import pandas as pd

from tdh.errors import Problem, RegisterError
from tdh.inventory.tables import RawTable
from tdh.language import Text

_SCAN_ROWS = 30
WEAK = 48.0
_NUMBERING = re.compile(r"^(?:[(\[【<]?\d{1,3}[)\]】>.,、:：_ ]+|[①-⑳]\s*|[a-z]\d?[.)、]\s*)")
_MARKS = re.compile(r"[\s_\-‐―・:;/.,、。()\[\]{}<>「」『』【】〈〉'\"*※☆★#&|~〜]+")
_BRACKETS = re.compile(r"[(\[【<{「].*?[)\]】>}」]")
_KANA = re.compile(r"(よみ|読み|かな|カナ|ふりがな|フリガナ)(がな|仮名)?$")
_DECORATION = re.compile(r"必須|任意|推奨|入力|例.*$")
_TOKYO = re.compile(r"日本測地|旧測地|旧日本|tokyodatum|tokyo97|tky")
_NOT_A_NAME = re.compile(
    r"都道府県|市区|市町|区市|町村|団体|担当|課名|路線|系統|法人|部署|部局|会社|地区名|町名|字名|管理|所有|代表者|"
    r"ファイル|カナ|かな|ふりがな|フリガナ|英|画像|曜日|電話|品名|氏名|作成|機関|事業者|郡|元号|ローマ"
)
_NOT_A_NAME_EN = re.compile(
    r"city|boro|owner|agency|street|county|file|user|zone|state|country|kana|route|contact|company|"
    r"layer|field|username|nick|first|last|author|publisher|localgov|department|operator"
)
# (pattern on the normalised header, pattern that forbids it, field, score)
_PATTERNS: tuple[tuple[re.Pattern[str], re.Pattern[str] | None, str, int], ...] = (
    (re.compile(r"緯度.*経度|lat(itude)?(and)?(lon|lng)"), None, "lat_lon", 70),
    (re.compile(r"経度.*緯度|(lon|lng|longitude)(and)?lat"), None, "lon_lat", 70),
    (re.compile(r"緯度|北緯|latitude|^lat\d*$|^lat(dd|deg|dec)"), re.compile(r"測地|\d\d"), "latitude", 65),
    (re.compile(r"経度|東経|longitude|^l(on|ng)\d*$|^lo?ng?(dd|deg|dec)"), re.compile(r"測地|\d\d"),
     "longitude", 65),
    (re.compile(r"緯度|latitude"), None, "latitude", 60),
    (re.compile(r"経度|longitude"), None, "longitude", 60),
    (re.compile(r"(住所|所在地|所在場所|address)"),
     re.compile(r"カナ|かな|コード|電話|mail|メール|url|web|ip|郵便|方書|英|法人|code|type|都道府県"),
     "address", 55),
    (re.compile(r"(名|名称|めい)$"), _NOT_A_NAME, "name", 50),
    (re.compile(r"name$|title$"), _NOT_A_NAME_EN, "name", 50),
    (re.compile(r"名称|施設名"), _NOT_A_NAME, "name", 45),
    (re.compile(r"type$|category$"), re.compile(r"file|mime|data|event"), "kind", 40),
    (re.compile(r"番号$|no$"), re.compile(r"電話|法人|郵便|内線|fax|許可|登録|連絡|tel|系統|路線"), "id", 40),
    (re.compile(r"(種別|種類|区分|分類)$"), re.compile("料金|利用|測地|高度|災害|路線|都道府県"), "kind", 40),
    (re.compile(r"所管|担当(局|課|部)"), re.compile("電話|メール|tel|url|コード"), "bureau", 50),
    (re.compile(r"所有者|設置者|設置主体"), re.compile("電話|コード"), "owner", 50),
    (re.compile(r"高さ|建物高|heightm?$"), re.compile("天井|手すり|海抜|標高|制限|幅"), "height", 45),
    (re.compile(r"標高|海抜|elevation"), None, "elevation", 45),
    (re.compile(r"階数"), re.compile("地下"), "floors", 45),
    (re.compile(r"(敷地|延床|延べ床|建物|土地|建築)?面積"), None, "area_m2", 45),
    (re.compile(r"(建築|建設|竣工|設置|取得|完成|架設|開設|開園|築造)年"), None, "year_built", 45),
    (re.compile(r"浸水深"), None, "flood_depth_m", 45),
    (re.compile(r"(市区町村|区市町村|自治体|地方公共団体|行政区域)(コード|cd)"), None,
     "municipality_code", 50),
    (re.compile(r"(市区町村|区市町村|市町村)"), re.compile("コード|cd|カナ|かな"), "municipality", 50),
)  # fmt: skip


def normalise(header: str) -> str:
    """A header without width, case, spaces, punctuation and numbering.

    >>> normalise("１．名称_ｶﾅ"), normalise("区市町村\\nコード"), normalise("建物名等（方書）")
    ('名称カナ', '区市町村コード', '建物名等方書')
    """
    text = unicodedata.normalize("NFKC", header).lower().strip()
    shorter = _NUMBERING.sub("", text)
    return _MARKS.sub("", shorter or text)


@cache
def fields() -> dict[str, list[str]]:
    """Fields and the headers by which registers name them."""
    with files("tdh.inventory").joinpath("headers.csv").open(encoding="utf-8") as handle:
        lines = handle.read().splitlines()[1:]
    # A header may hold a comma ("lat,lon"): only the first comma of a line parts it.
    return {name: words.split("|") for name, words in (line.split(",", 1) for line in lines)}


@cache
def _synonyms() -> dict[str, tuple[str, float]]:
    table: dict[str, tuple[str, float]] = {}
    for name, words in fields().items():
        for rank, word in enumerate(words):
            # A word with a tilde is weak: it may mean something else beside a better column.
            weak = word.startswith("~")
            score = WEAK if weak else 100 - 0.1 * rank
            table.setdefault(normalise(word.lstrip("~")), (name, score))
    return table


@lru_cache(maxsize=10_000)
def classify(header: str, truncated: bool = False) -> tuple[str, float] | None:
    """The field that a header names, and how surely (0 to 100); None if it names none.

    Parameters
    ----------
    header : str
        As published.
    truncated : bool
        True where headers are cut at ten bytes (Shapefile).

    Examples
    --------
    >>> classify("所在地_連結標記")[0], classify("施設の緯度（度）")[0], classify("標高(m)")[0]
    ('address', 'latitude', 'elevation')
    >>> classify("緯度（日本測地系）")[0], classify("都道府県名")[0]
    ('latitude_tokyo', 'prefecture')
    """
    if len(header) > 200:
        return None
    text = normalise(header)
    if not text:
        return None
    synonyms = _synonyms()
    if text in synonyms:
        return synonyms[text]
    if _TOKYO.search(text):
        for word, name in (("緯度", "latitude"), ("lat", "latitude"), ("経度", "longitude"),
                           ("lon", "longitude"), ("lng", "longitude")):  # fmt: skip
            if word in text:
                return f"{name}_tokyo", 70
    folded = unicodedata.normalize("NFKC", header).lower()
    bare = normalise(_BRACKETS.sub("", folded))
    if _KANA.search(text) and text != bare:
        return "name_kana", 80
    last = normalise(folded.rsplit("_", 1)[-1])
    for candidate in (bare, _DECORATION.sub("", text), last):
        if candidate == last and _NOT_A_NAME_EN.search(text):
            continue
        if candidate in synonyms and len(candidate) > 1:
            name, score = synonyms[candidate]
            return name, score - 15
    if truncated and (found := truncated_fields(header)):
        return found[0][1], found[0][0]
    for pattern, forbidden, name, pattern_score in _PATTERNS:
        if pattern.search(text) and not (forbidden and forbidden.search(text)):
            return name, pattern_score
    return None


def truncated_fields(header: str) -> list[tuple[float, str]]:
    """What a header cut at ten bytes may have begun, the likeliest first, with scores.

    >>> [field for _, field in truncated_fields("市区町村コ")]
    ['municipality_code']
    """
    # Drivers number headers that became the same.
    stem = re.sub(r"( \(\d+\)|_?\d{1,2})$", "", header).rstrip("\ufffd")
    if not 6 <= len(stem.encode("utf-8")) <= 16:
        return []
    best: dict[str, float] = {}
    for name, words in fields().items():
        for rank, word in enumerate(words):
            if word.startswith(stem) and word != stem:
                best[name] = max(best.get(name, 0), 46 - 0.1 * rank)
    return sorted(((score, name) for name, score in best.items()), reverse=True)


def _by_content(column: pd.Series, header: str) -> tuple[str, float] | None:
    """Of the fields that a cut header may have named, the likeliest that its cells allow."""
    sample = _sample(column)
    # What can be told by its cells comes before what cannot.
    candidates = sorted(truncated_fields(header), key=lambda pair: pair[1] not in _CONTENT)
    for score, name in candidates:
        if name == "other" or sample.empty:
            continue
        pattern = _CONTENT.get(name)
        fits = pattern is None or sample.str.fullmatch(pattern).mean() > 0.8
        if name in ("address", "name"):
            address = sample.str.contains(_ADDRESS, regex=True).mean() > 0.5
            fits = fits and (address == (name == "address"))
        if fits:
            return name, score
    return None


_CONTENT = {
    "municipality_code": r"\d{5,6}(\.0)?",
    "prefecture": r".{2,3}[都道府県]",
    "address_prefecture": r".{2,3}[都道府県]",
    "municipality": r"\D{1,9}[市区町村]",
    "address_city": r"\D{1,9}[市区町村]",
    "latitude": r"-?\d+(\.\d+)?",
    "longitude": r"-?\d+(\.\d+)?",
    "address": r".*\D.*",
    "name": r".*\D.*",
    "id": r"[\x21-\x7e]+",
}


def recognised(cells: Iterable[str]) -> int:
    """How many cells of a row are headers that are known by name."""
    known = {}
    for cell in cells:
        if 0 < len(cell) <= 60 and (match := classify(cell)) and match[1] >= 60:
            known[cell] = True
    return len(known)


def _is_number(cell: str) -> bool:
    return bool(re.fullmatch(r"\s*-?\d+(\.\d+)?\s*", unicodedata.normalize("NFKC", cell)))


def set_header(table: RawTable, grid: pd.DataFrame) -> None:
    """Find the header in a grid of cells and make a table of it.

    Title lines above the header go to ``table.title``; a header of two rows becomes one. Where no
    row is a header, columns are called ``column 1`` and so on, and ``has_header`` is false.
    """
    width = grid.shape[1]
    head = [[str(c).strip() for c in row] for row in grid.iloc[:_SCAN_ROWS].to_numpy(dtype=object)]
    scores = [recognised(row) for row in head]
    best = max(scores, default=0)
    if best == 0:
        _without_known_header(table, grid, head)
        return
    at = scores.index(best)
    top, bottom, names = at, at, list(head[at])
    for neighbour in (at + 1, at - 1):
        if 0 <= neighbour < len(head):
            joined = _join_rows(head, min(at, neighbour), max(at, neighbour))
            if joined and (recognised(joined) > best or scores[neighbour] >= max(2, best // 2)):
                top, bottom = min(at, neighbour), max(at, neighbour)
                names = joined
                table.note("two_row_header", before=" / ".join(c for c in head[top] if c)[:80])
                break
    titles = [" ".join(c for c in row if c) for row in head[:top]]
    titles = [title for title in titles if title]
    if titles:
        table.title = " ".join([table.title, *titles]).strip()
        table.note("title_lines", before=titles[0][:200], n=len(titles))
    body = grid.iloc[bottom + 1 :].reset_index(drop=True)
    _name_columns(table, body, names[:width])


def _join_rows(head: list[list[str]], upper: int, lower: int) -> list[str] | None:
    """Two header rows as one; None if either is a row of data."""
    if any(_is_number(c) for c in head[upper] + head[lower]):
        return None
    if not any(head[lower]) or sum(map(bool, head[upper])) < 2:
        return None
    out, above = [], ""
    for up, low in zip(head[upper], head[lower], strict=False):
        above = up or (above if low else "")
        if low and (not above or classify(low)):
            out.append(low)
        else:
            out.append("_".join(part for part in (above, low) if part))
    return out


def _without_known_header(table: RawTable, grid: pd.DataFrame, head: list[list[str]]) -> None:
    first = next((i for i, row in enumerate(head) if any(row)), 0)
    if head and any(_is_number(cell) for cell in head[first]):
        table.has_header = False
        table.note("no_header")
        _name_columns(table, grid, [f"column {i + 1}" for i in range(grid.shape[1])])
        return
    # A row of words above rows of data is a header even if none of its words is known.
    names = head[first] if head else []
    _name_columns(table, grid.iloc[first + 1 :].reset_index(drop=True), names)


def _name_columns(table: RawTable, body: pd.DataFrame, names: list[str]) -> None:
    seen: dict[str, int] = {}
    unique = []
    for i, name in enumerate(names):
        base = name or f"column {i + 1}"
        seen[base] = seen.get(base, 0) + 1
        if seen[base] > 1 and name:
            table.note("duplicate_header", column=base)
        unique.append(base if seen[base] == 1 else f"{base} ({seen[base]})")
    body.columns = pd.Index(unique)
    last = max((i for i, name in enumerate(names) if name), default=len(names))
    beyond = (body.iloc[:, last + 1 :] != "").any(axis=1)
    if beyond.any() and table.has_header:
        table.note("ragged", n=int(beyond.sum()))
    keep = [
        bool(name) or bool((body[u] != "").any()) for name, u in zip(names, unique, strict=True)
    ]
    table.frame = body.loc[:, keep]


@dataclass
class ColumnMap:
    """Which column holds which field, and how that is known.

    Parameters
    ----------
    columns : dict
        Field to column.
    guessed : dict
        Fields that were judged by content, with their columns.
    duplicates : dict
        Fields for which several columns stand equally well, with those not used.
    """

    columns: dict[str, str]
    guessed: dict[str, str] = field(default_factory=dict)
    duplicates: dict[str, list[str]] = field(default_factory=dict)


def map_columns(table: RawTable, mapping: Mapping[str, str] | None = None) -> ColumnMap:
    """Which column of a table holds which field.

    Parameters
    ----------
    table : RawTable
        With unique column names.
    mapping : mapping of field to column, optional
        What the user says; it wins. An empty column means that there is none.

    Raises
    ------
    RegisterError
        If the user names a field or a column that there is not.
    """
    frame = table.frame
    said = dict(mapping or {})
    _check_mapping(said, list(frame.columns), table.part)
    truncated = table.format.endswith("shp")
    candidates: dict[str, list[tuple[float, float, int, str]]] = {}
    for i, column in enumerate(frame.columns):
        header = re.sub(r" \(\d+\)$", "", str(column))
        match = classify(header, truncated)
        if truncated and (match is None or match[1] < WEAK or _is_cut(header)):
            match = _by_content(frame[column], header) or match
        if match is None or column in said.values():
            continue
        name, score = match
        filled = _filled(frame[column])
        if filled == 0:
            score -= 30  # an empty column with the best name is worse than a filled one
        candidates.setdefault(name, []).append((score, filled, -i, str(column)))
    out = ColumnMap({})
    for name, found in candidates.items():
        if name == "other" or name in said:
            continue
        found.sort(reverse=True)
        out.columns[name] = found[0][3]
        rest = [c for score, _, _, c in found[1:] if abs(score - found[0][0]) < 0.01]
        if rest:
            out.duplicates[name] = rest
    out.columns.update({name: column for name, column in said.items() if column})
    _guess(table, out, {c for found in candidates.values() for *_, c in found}, said)
    return out


def _is_cut(header: str) -> bool:
    """Whether a header fills the ten bytes of a Shapefile, or all but a part of a character."""
    cut = len(header.encode("utf-8")) >= 8
    return cut and (header.endswith("_") or classify(header) is None)


def _filled(column: pd.Series) -> float:
    return float((column.iloc[:2000] != "").mean()) if len(column) else 0.0


def _check_mapping(said: Mapping[str, str], columns: list[str], where: str) -> None:
    problems = []
    known = [name for name in fields() if name != "other"]
    for name, column in said.items():
        if name not in known:
            problems.append(
                Problem(
                    Text(
                        "the mapping names a field that there is not",
                        "対応表に知らない項目があります",
                    ),
                    value=name,
                    expected=", ".join(known),
                    where="mapping",
                )
            )
        elif column and column not in columns:
            problems.append(
                Problem(
                    Text("the register has no such column", "その列は台帳にありません"),
                    value=column,
                    expected=", ".join(columns[:40]),
                    where=where or "mapping",
                    fix=Text("correct the mapping", "対応表を直してください"),
                )
            )
    if problems:
        raise RegisterError(*problems)


_PLACED = ("latitude", "longitude", "lat_lon", "lon_lat", "x", "northing", "wkt", "latitude_tokyo")


def _guess(table: RawTable, out: ColumnMap, known: set[str], said: Mapping[str, str]) -> None:
    frame = table.frame
    unknown = [str(c) for c in frame.columns if c not in known and c not in said.values()]
    if table.geometry is None and not any(name in out.columns for name in _PLACED):
        for column in unknown:
            values = pd.to_numeric(frame[column].iloc[:500], errors="coerce").dropna()
            if len(values) < max(1, 0.5 * min(len(frame), 500)) or (values % 1 == 0).all():
                continue
            for name, low, high in (("latitude", 20, 46), ("longitude", 122, 154)):
                if name not in out.guessed and values.between(low, high).mean() > 0.8:
                    out.guessed[name] = column
                    break
        if len([n for n in out.guessed if n in ("latitude", "longitude")]) == 1:
            out.guessed.clear()
    unknown = [column for column in unknown if column not in out.guessed.values()]
    if "name" not in out.columns and said.get("name") != "":
        spare = out.columns.get("address_building") or out.columns.get("name_en")
        guess = next((column for column in unknown if _reads_like_names(frame[column])), spare)
        if guess:
            out.guessed["name"] = guess
            unknown = [column for column in unknown if column != guess]
    if "address" not in out.columns and not _has_parts(out) and said.get("address") != "":
        guess = next((column for column in unknown if _reads_like_addresses(frame[column])), None)
        if guess:
            out.guessed["address"] = guess
    if "address" in out.guessed and out.guessed.get("name") == out.guessed["address"]:
        del out.guessed["name"]
    out.columns.update(out.guessed)


def _has_parts(out: ColumnMap) -> bool:
    return "address_city" in out.columns or "address_town" in out.columns


def _sample(column: pd.Series) -> pd.Series:
    sample = column.iloc[:300].str.strip()
    return sample[sample != ""]


def _reads_like_names(column: pd.Series) -> bool:
    sample = _sample(column)
    if len(sample) < 0.5 * min(len(column), 300) or sample.empty:
        return False
    words = sample.str.contains(r"[^\W\d_]{2}", regex=True)
    short = sample.str.len().median() <= 40
    different = sample.nunique() > 0.5 * len(sample)
    plain = ~sample.str.contains(r"^https?:|^\d{4}[-/]|@", regex=True)
    address = sample.str.contains(_ADDRESS, regex=True).mean() > 0.5
    return bool((words & plain).mean() > 0.8 and short and different and not address)


_ADDRESS = r"[都道府県市区町村].*(?:\d|[０-９]|[一二三四五六七八九十]丁目|番地)"


def _reads_like_addresses(column: pd.Series) -> bool:
    sample = _sample(column)
    return not sample.empty and bool(sample.str.contains(_ADDRESS, regex=True).mean() > 0.5)


def unnamed_share(names: Iterable[str]) -> float:
    """The share of columns that nothing is known about by name."""
    found = [classify(name) is None for name in names]
    return float(np.mean(found)) if found else 1.0
