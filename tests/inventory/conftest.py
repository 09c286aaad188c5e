"""Small registers that the tests of the inventory share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a text or bytes to a file of the test's own folder."""

    def writer(name: str, content: str | bytes, encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return writer


@pytest.fixture
def facilities() -> pd.DataFrame:
    """Five facilities in Tokyo as text: one has latitude and longitude swapped, one no point."""
    return pd.DataFrame(
        [
            ["131130", "F1", "神南小学校", "東京都渋谷区神南1-1", "35.664321", "139.701234", "渋谷区"],
            ["131041", "F2", "中央公園", "東京都新宿区西新宿2-11", "35.690412", "139.689512", "新宿区"],
            ["131016", "F3", "千代田会館", "東京都千代田区九段南1-6", "139.753712", "35.693812", ""],
            ["134210", "F4", "父島出張所", "東京都小笠原村父島字西町", "27.094512", "142.191812", "東京都"],
            ["131032", "F5", "芝図書館, 別館", "東京都港区芝5-36", "35.649112", "139.743212", "港区"],
        ],
        columns=["全国地方公共団体コード", "ID", "名称", "所在地_連結表記", "緯度", "経度", "所有者"],
    )  # fmt: skip
