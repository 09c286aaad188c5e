"""What must be said of a run's calibration and of its people, wherever results are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tdh.language import Text

WHY_NOT_LEARNT = {
    "coarse_meshes": Text("no people per mesh of 1 km or finer", "1km以下のメッシュ人口なし"),
    "few_meshes": Text("too few meshes", "メッシュが少なすぎる"),
    "few_blocks": Text("too few meshes outside a block", "区画外のメッシュが少なすぎる"),
    "no_better": Text("no better on blocks held out", "学習に使わない区画で改善なし"),
}


def _placing_error(placing: Mapping[str, Any]) -> Text:
    """The error of how people are placed against that of area and of volume."""
    own, volume, area = (placing[f"rmse_{name}"] for name in ("classes", "volume", "areal"))
    if area == 0:  # people live evenly: there is nothing to compare with
        return Text(
            "{own:.1f} people per mesh (by area 0, by volume {volume:.1f})",
            "1メッシュあたり{own:.1f}人(面積按分では0人、建物容積では{volume:.1f}人)",
            own=own,
            volume=volume,
        )
    return Text(
        "{own:.2f} of that by area (by volume {volume:.2f})",
        "面積按分の{own:.2f}倍(建物容積では{volume:.2f}倍)",
        own=own / area,
        volume=volume / area,
    )


def of_calibration(told: Mapping[str, Any] | None) -> list[Text]:
    """How much of the prediction is like what it was calibrated by."""
    if told is None:
        return []
    if "like_measured" not in told:
        return [
            Text(
                "The prediction is calibrated; the calibration's file does not tell by which "
                "measurements",
                "予測は較正済みですが、何の実測によるかは較正ファイルに記録がありません",
            )
        ]
    if not told["cells"]:
        return []
    return [
        Text(
            "The prediction is calibrated by measurements; {share:.0f} % of the predicted cells "
            "are served by links unlike any that was measured and must not be trusted more than "
            "without it (coverage/*-trust.tif)",
            "予測は実測で較正していますが、予測セルの{share:.0f}%は実測に似た例のない条件"
            "(距離・方向・見通し)にあり、較正の効果は確かめられていません(coverage/*-trust.tif)",
            share=100.0 * (1.0 - told["like_measured"] / told["cells"]),
        )
    ]


def of_people(placing: Mapping[str, Any], ratios: Sequence[str]) -> list[Text]:
    """How residents are placed inside meshes, and what people by day are derived from."""
    told = []
    if placing.get("used") == "learnt":
        told.append(
            Text(
                "Where residents live inside a mesh is learnt from {meshes} meshes; on blocks "
                "held out its error is {error}",
                "メッシュ内の居住位置は{meshes}メッシュから学習。学習に使わない区画での誤差は{error}",
                meshes=placing["meshes"],
                error=_placing_error(placing),
            )
        )
    elif placing.get("used") == "preset":
        told.append(
            Text(
                "Residents stand inside a mesh by kinds of buildings as in Tokyo's 23 wards; on "
                "{meshes} meshes the error is {error}",
                "メッシュ内の人口は建物の種類別(東京23区での推定)に配分。{meshes}メッシュでの誤差は{error}",
                meshes=placing["meshes"],
                error=_placing_error(placing),
            )
        )
    elif placing.get("why_not") == "no_buildings":
        told.append(
            Text(
                "Residents are spread evenly inside a mesh: no buildings are given",
                "メッシュ内の人口は均等に配分(建物データなし)",
            )
        )
    elif placing.get("why_not") in WHY_NOT_LEARNT and placing.get("used") == "area":
        told.append(
            Text(
                "Residents are spread evenly inside a mesh, which has less error than the volume "
                "or kinds of buildings; nothing was learnt: {why}",
                "メッシュ内の人口は均等に配分(建物の容積・種類別より誤差が小さい。学習は不使用: {why})",
                why=WHY_NOT_LEARNT[placing["why_not"]],
            )
        )
    elif placing.get("why_not") in WHY_NOT_LEARNT:
        told.append(
            Text(
                "Residents stand inside a mesh by the volume of buildings; nothing was learnt: "
                "{why}",
                "メッシュ内の人口は建物容積で配分(学習は不使用: {why})",
                why=WHY_NOT_LEARNT[placing["why_not"]],
            )
        )
    if ratios:
        told.append(
            Text(
                "People by day are derived from residents and day/night ratios of "
                "municipalities ({files})",
                "昼間人口は常住人口と市区町村の昼夜間人口比率から推計しています({files})",
                files=", ".join(ratios),
            )
        )
    return told
