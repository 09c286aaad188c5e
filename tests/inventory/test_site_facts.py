"""What a register says of building on a place flows through as it was published."""

from __future__ import annotations

from pathlib import Path

import pytest

from tdh import inventory


def test_structure_access_and_restrictions_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "register.csv"
    path.write_text(
        "名称,緯度,経度,建物構造,搬入経路,使用条件,地盤高,電源,光ファイバー\n"
        "庁舎,35.6895,139.6917,RC造 地上3階,北側通用口,夜間工事不可,34.5 m,有,無\n"
        "倉庫,35.6900,139.6920,,,,9999,,\n",
        encoding="utf-8",
    )
    first, second = inventory.read_assets(path).assets.itertuples()
    assert (first.structure, first.access) == ("RC造 地上3階", "北側通用口")
    assert (first.restrictions, first.ground_m) == ("夜間工事不可", 34.5)
    for name in ("structure", "access", "restrictions", "ground_m", "power", "fibre"):
        assert getattr(second, name) != getattr(second, name) or getattr(second, name) is None


@pytest.mark.parametrize(("kind", "known"), [("標高", True), ("", True), ("建物高", False)])
def test_an_altitude_of_another_kind_is_no_ground_height(
    tmp_path: Path, kind: str, known: bool
) -> None:
    path = tmp_path / "register.csv"
    path.write_text(
        f"名称,緯度,経度,高度の種別,高度の値\n庁舎,35.6895,139.6917,{kind},34.5\n", encoding="utf-8"
    )
    assert inventory.read_assets(path).assets["ground_m"].notna().all() == known
