"""One asset in many registers: found by name, place and kind, with a score that can be explained.

Two records are compared only if they lie near each other and an antenna would stand on the same
sort of thing (a roof, a pole, the ground). The score is the weighted mean of three parts:

- *name*: cosine of the character pairs of the normalised names, rare pairs counting more (TF-IDF);
- *place*: ``exp(-(d / s)^2)``, with s the distance at which positions of one asset still differ;
- *kind*: 1 for the same kind, 0.5 for another kind of the same placement.

Names whose numbers differ (第一小学校 and 第二小学校, No.1 and No.2) are never the same, nor is an
installation the same as something of another kind. The weights and
the threshold were measured; see ``tests/inventory/test_deduplicating.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from tdh import schemas
from tdh.inventory import addresses, arrowtext, kinds
from tdh.language import Text

WEIGHTS = {"name": 0.65, "place": 0.25, "kind": 0.10}
THRESHOLD = 0.72
# Metres: within which records are compared, and at which positions of one asset still differ.
_REACH = {
    "roof": (150.0, 80.0),
    "ground": (400.0, 250.0),
    "pole": (25.0, 12.0),
    "none": (15.0, 8.0),
}
_SAME_REGISTER_M = 5.0
_OWNERS = (
    r"^(?:学校法人|社会福祉法人|株式会社|\(株\)|公益財団法人|一般財団法人|独立行政法人|国立大学法人)|"
    r"^(?:東京都立|東京都|都立|区立|市立|町立|村立|県立|府立|国立(?:大学法人)?|私立)"
)
_MUNICIPAL = r"^[^\s]{1,5}(?:区|市|町|村)立"
_VARIANTS = (
    ("高等学校", "高校"), ("ヶ", "ケ"), ("ヵ", "カ"), ("が丘", "ケ丘"), ("之", "ノ"), ("の", "ノ"),
    ("髙", "高"), ("﨑", "崎"), ("澤", "沢"), ("邊", "辺"), ("ー", ""),
    ("センター", "センタ"), ("保育所", "保育園"), ("便所", "トイレ"), ("公衆", ""),
)  # fmt: skip
_NUMBER = re.compile(
    r"\d+|[一二三四五六七八九十]+(?=小|中|高|号|番|丁|保|公|住|団|幼|棟|分|本|庁|学|給|児|地)"
)


@dataclass(frozen=True)
class Deduplicated:
    """Assets without repetitions, and what was judged the same.

    Parameters
    ----------
    assets : GeoDataFrame
        Table ``assets``: of each group the fullest record, completed by the others; ``sources`` names
        every record that went into it.
    matches : DataFrame
        Table ``matches``: one row for every record that went into another.
    """

    assets: gpd.GeoDataFrame
    matches: pd.DataFrame


def normalise_names(names: pd.Series) -> pd.Series:
    """Names in one spelling, for comparing: width, owners' prefixes, brackets, variants.

    >>> normalise_names(pd.Series(["東京都立 日比谷高等学校", "都立日比谷高校（校庭）"])).tolist()
    ['日比谷高校', '日比谷高校']
    >>> normalise_names(pd.Series(["渋谷区立自由ヶ丘小学校", "自由ケ丘小学校"])).tolist()
    ['自由ケ丘小学校', '自由ケ丘小学校']
    """
    whole = arrowtext.nfkc(names.fillna("")).str.lower()
    text = arrowtext.replace(whole, r"[(\[【〔<].*?[)\]】〕>]", "").str.strip()
    # 公衆電話（江東区亀戸3-36-1）: where the name is only its kind, what stands in brackets is the name.
    text = text.mask(text.isin(kinds.all_words()), whole)
    text = arrowtext.replace(text, r"[\s　・･,、。.\-_‐–—''’\"「」『』()]+", "")
    text = arrowtext.replace(text, _OWNERS, "")
    text = arrowtext.replace(text, _MUNICIPAL, "")
    for one, other in _VARIANTS:
        text = text.str.replace(one, other, regex=False)
    return text


def numbers(names: pd.Series) -> list[frozenset[int]]:
    """The numbers in names, Arabic or kanji.

    >>> numbers(pd.Series(["第三小学校", "公衆電話No.2", "三田図書館"]))
    [frozenset({3}), frozenset({2}), frozenset()]
    """
    return [
        frozenset(
            int(n) if n.isdigit() else addresses.kanji_number(n) for n in _NUMBER.findall(name)[:20]
        )
        for name in names
    ]


def deduplicate(
    assets: gpd.GeoDataFrame, *, threshold: float = THRESHOLD, same_register: bool = True
) -> Deduplicated:
    """Merge records that are one asset.

    Parameters
    ----------
    assets : GeoDataFrame
        Table ``assets``, of one or more registers, in a projected CRS.
    threshold : float, default 0.72
        Least score of a match.
    same_register : bool, default True
        Whether records of one register may be one asset; only those with the same name and kind,
        close together, are.

    Returns
    -------
    Deduplicated
    """
    if len(assets) < 2:
        return Deduplicated(_with_sources(assets, {}), _no_matches())
    scores = score_pairs(assets)
    left, right = scores["left"].to_numpy(), scores["right"].to_numpy()
    sources = assets["source"].to_numpy(dtype=object)
    same = sources[left] == sources[right]
    alike = _told_twice(assets, left, right, scores) & same_register
    matched = scores[(scores["score"] >= threshold) & (~same | alike)]
    groups = _group(assets, matched)
    return _merge(assets, groups, scores)


def _told_twice(
    assets: gpd.GeoDataFrame, left: np.ndarray, right: np.ndarray, scores: pd.DataFrame
) -> np.ndarray:
    """Pairs that one register lists twice: same name to the letter, same kind, same place.

    A register that gives them different identifiers means different things: the poles of the two
    directions of a bus stop, two telephone boxes side by side.
    """
    names = assets["name"].to_numpy(dtype=object)
    ids = assets["published_id"].fillna("").to_numpy(dtype=object)
    close = scores["distance_m"].to_numpy() <= _SAME_REGISTER_M
    return (
        (names[left] == names[right])
        & (ids[left] == ids[right])
        & (scores["kind"].to_numpy() == 1)
        & close
    )


def score_pairs(assets: gpd.GeoDataFrame) -> pd.DataFrame:
    """Scores of all pairs that are near enough to be compared.

    Returns
    -------
    DataFrame
        ``left`` and ``right`` (positions), ``distance_m``, ``name``, ``place``, ``kind`` and ``score``
        (0 to 1), the best first.
    """
    left, right, distance, scale = _near(assets)
    names = normalise_names(assets["name"])
    name = _similarity(names, left, right)
    digits = numbers(names)
    differ = np.array(
        [digits[i] != digits[j] for i, j in zip(left, right, strict=True)], dtype=bool
    )
    sorts = assets["kind"].to_numpy(dtype=object)
    kind = np.where(sorts[left] == sorts[right], 1.0, 0.5)
    # A toilet named after the hall that it stands in is not the hall.
    installation = kinds.flagged(assets["kind"], "installation")
    apart = (installation[left] | installation[right]) & (kind < 1)
    name = np.where(differ | apart, 0.0, name)
    place = np.exp(-((distance / scale) ** 2))
    score = WEIGHTS["name"] * name + WEIGHTS["place"] * place + WEIGHTS["kind"] * kind
    out = pd.DataFrame(
        {
            "left": left,
            "right": right,
            "distance_m": distance,
            "name": name,
            "place": place,
            "kind": kind,
            "score": np.where(name > 0, score, 0.0),
        }
    )
    return out.sort_values(["score", "left", "right"], ascending=[False, True, True]).reset_index(
        drop=True
    )


def _near(assets: gpd.GeoDataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    xy = np.column_stack([assets.geometry.x, assets.geometry.y])
    placements = assets["placement"].to_numpy(dtype=object)
    parts = []
    for placement, (reach, scale) in _REACH.items():
        rows = np.flatnonzero(placements == placement)
        if len(rows) < 2:
            continue
        pairs = cKDTree(xy[rows]).query_pairs(reach, output_type="ndarray")
        i, j = rows[pairs[:, 0]], rows[pairs[:, 1]]
        parts.append((i, j, np.hypot(*(xy[i] - xy[j]).T), np.full(len(i), scale)))
    if not parts:
        nothing = np.empty(0)
        return nothing.astype(int), nothing.astype(int), nothing, nothing
    left, right, distance, scale_m = (np.concatenate(p) for p in zip(*parts, strict=True))
    return left, right, distance, scale_m


def _similarity(names: pd.Series, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Cosine of the character pairs of names; 0 where a name is blank."""
    if not len(left) or not (names != "").any():
        return np.zeros(len(left))
    # scikit-learn takes a second to import, and most users of registers never need it.
    from sklearn.feature_extraction.text import TfidfVectorizer

    used = np.unique(np.concatenate([left, right]))
    position = np.full(len(names), -1)
    position[used] = np.arange(len(used))
    vectors = TfidfVectorizer(
        analyzer="char", ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32
    )
    texts = [f"^{name}$" for name in names.to_numpy(dtype=object)[used]]
    matrix = vectors.fit_transform(texts)
    out = np.empty(len(left))
    step = 200_000
    for at in range(0, len(left), step):
        i, j = position[left[at : at + step]], position[right[at : at + step]]
        out[at : at + step] = np.asarray(matrix[i].multiply(matrix[j]).sum(axis=1)).ravel()
    blank = (names == "").to_numpy()
    equal = names.to_numpy(dtype=object)
    out = np.where(equal[left] == equal[right], 1.0, np.minimum(out, 0.998))
    return np.where(blank[left] | blank[right], 0.0, out)


def _group(assets: gpd.GeoDataFrame, matched: pd.DataFrame) -> dict[int, list[int]]:
    """Groups of records, the best pairs first; two different records of a register never meet."""
    sources = assets["source"].to_numpy(dtype=object)
    leader: dict[int, int] = {}
    members: dict[int, list[int]] = {}
    allowed = {(int(p.left), int(p.right)) for p in matched.itertuples()}
    for pair in matched.itertuples():
        a = leader.get(int(pair.left), int(pair.left))
        b = leader.get(int(pair.right), int(pair.right))
        if a == b:
            continue
        one, other = members.get(a, [a]), members.get(b, [b])
        clash = any(
            sources[i] == sources[j] and (min(i, j), max(i, j)) not in allowed
            for i in one
            for j in other
        )
        if clash:
            continue
        merged = sorted(one + other)
        members.pop(b, None)
        members[a] = merged
        leader.update(dict.fromkeys(merged, a))
    return members


def _merge(
    assets: gpd.GeoDataFrame, groups: dict[int, list[int]], scores: pd.DataFrame
) -> Deduplicated:
    filled = assets.notna().sum(axis=1).to_numpy()
    ids = assets.index.to_numpy(dtype=object)
    kept: dict[int, list[int]] = {}
    for group in groups.values():
        # The fullest record stays; of equal ones the first.
        best = max(group, key=lambda i: (int(filled[i]), -i))
        kept[best] = group
    out = _with_sources(assets, kept)
    gone = {i for best, group in kept.items() for i in group if i != best}
    for best, group in kept.items():
        for other in group:
            if other != best:
                _complete_from(out, ids[best], assets, other)
    stay = np.array([i not in gone for i in range(len(assets))], dtype=bool)
    return Deduplicated(
        schemas.conform(out[stay], "assets"), _matches(assets, kept, scores, groups)
    )


_COMPLETED = ["owner", "bureau", "address", "municipality_code", "municipality", "height_agl_m",
              "height_source", "floors", "area_m2", "year_built", "power", "fibre", "backup_hours",
              "flood_depth_m", "structure", "access", "restrictions", "ground_m"]  # fmt: skip


def _complete_from(
    out: gpd.GeoDataFrame, best: object, assets: gpd.GeoDataFrame, other: int
) -> None:
    for column in _COMPLETED:
        if column in out.columns and pd.isna(out.at[best, column]):
            value = assets[column].iloc[other]
            if not pd.isna(value):
                out.at[best, column] = value


def _with_sources(assets: gpd.GeoDataFrame, kept: dict[int, list[int]]) -> gpd.GeoDataFrame:
    """Assets with the registers and records behind each."""
    out = assets.copy()
    own = (assets["source"] + "#" + assets["source_row"].astype("str")).to_numpy(dtype=object)
    if "sources" in assets.columns:
        told = assets["sources"].to_numpy(dtype=object)
        own = np.array([t if isinstance(t, str) else o for t, o in zip(told, own, strict=True)])
    shown = own.astype(object).copy()
    for best, group in kept.items():
        order = [best, *(i for i in group if i != best)]
        shown[best] = "; ".join(str(own[i]) for i in order)
    out["sources"] = pd.Series(shown, index=out.index, dtype="str")
    return out


def _matches(
    assets: gpd.GeoDataFrame,
    kept: dict[int, list[int]],
    scores: pd.DataFrame,
    groups: dict[int, list[int]],
) -> pd.DataFrame:
    inside = {i for group in groups.values() for i in group}
    chosen = scores[scores["left"].isin(inside) & scores["right"].isin(inside)]
    table = {(int(p.left), int(p.right)): p for p in chosen.itertuples()}
    ids = assets.index.to_numpy(dtype=object)
    names = assets["name"].to_numpy(dtype=object)
    rows = []
    for best, group in sorted(kept.items()):
        for other in group:
            if other == best:
                continue
            direct = table.get((min(best, other), max(best, other)))
            pair = direct or max(
                (p for pair, p in table.items() if other in pair and set(pair) <= set(group)),
                key=lambda p: p.score,
            )
            distance = float(assets.geometry.iloc[best].distance(assets.geometry.iloc[other]))
            name, kind, score = pair.name, pair.kind, pair.score
            rows.append(
                {
                    "asset_id": ids[best],
                    "merged_id": ids[other],
                    "name": names[best],
                    "merged_name": names[other],
                    "distance_m": distance,
                    "name_similarity": float(name),
                    "same_kind": bool(kind == 1.0),
                    "score": float(score),
                    "reason": _reason(distance, float(name), bool(kind == 1.0), direct is not None),
                }
            )
    if not rows:
        return _no_matches()
    return schemas.conform(pd.DataFrame(rows), "matches")


def _reason(distance: float, name: float, same_kind: bool, direct: bool) -> str:
    if not direct:
        return str(
            Text("same as another record of the group", "同じまとまりのほかの記録と一致するため")
        )
    kind = Text("same kind", "同じ種別") if same_kind else Text("related kind", "近い種別")
    return str(
        Text(
            "names agree by {name:.0%}, {distance:.0f} m apart, {kind}",
            "名称の一致 {name:.0%}、距離 {distance:.0f} m、{kind}",
            name=name,
            distance=distance,
            kind=kind,
        )
    )


def _no_matches() -> pd.DataFrame:
    columns = schemas.columns("matches")
    frame = pd.DataFrame(
        {c: pd.Series(dtype=d) for c, d in columns[["column", "dtype"]].to_numpy()}
    )
    return schemas.conform(frame, "matches")
