"""``tdh check`` of registers: counts, mapping, pages, strictness."""

from __future__ import annotations

import functools
import http.server
import json
import threading
import tomllib
import urllib.parse
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tdh.cli import group
from tdh.errors import InputError

REGISTER = """名称,所在地,緯度,経度
区役所,新宿区歌舞伎町1-4-1,35.693825,139.703356
学校,新宿区,139.700123,35.690456
"""


@pytest.fixture
def register(tmp_path: Path) -> Path:
    path = tmp_path / "施設一覧.csv"
    path.write_bytes(REGISTER.encode("cp932"))
    return path


def call(*arguments: object) -> Result:
    result = CliRunner().invoke(group(), ["check", *(str(a) for a in arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_json_has_the_agreed_shape(register: Path) -> None:
    (entry,) = json.loads(call(register, "--json").stdout)["files"]
    assert entry["path"] == str(register)
    assert (entry["format"], entry["encoding"], entry["rows"]) == ("csv", "cp932", 2)
    assert entry["rows"] == entry["accepted"] + entry["rejected"] + entry["needs_position"]
    assert entry["findings"] == {"swapped": 1}
    assert entry["mapping"]["latitude"] == "緯度"


def test_the_mapping_can_be_pasted_into_a_scenario(register: Path) -> None:
    shown = call(register, "--mapping").stdout
    (line,) = [x.strip() for x in shown.splitlines() if x.strip().startswith("mapping = {")]
    assert tomllib.loads(line)["mapping"]["name"] == "名称"


def test_strict(register: Path) -> None:
    assert call(register, "--strict", "warning").exit_code == 0
    with pytest.raises(InputError, match="1 findings of swapped"):
        call(register, "--strict", "info")


def test_a_page_of_findings_is_escaped(tmp_path: Path) -> None:
    register = tmp_path / "bad.csv"
    register.write_text("名称,緯度,経度\n<script>alert(1)</script>,139.7,35.69\n", encoding="utf-8")
    page = tmp_path / "page.html"
    call(register, "--html", page)
    text = page.read_text(encoding="utf-8")
    assert "swapped" in text
    assert "<script" not in text
    with pytest.raises(InputError, match="--overwrite"):
        call(register, "--html", page)


def test_faults_of_several_files_are_reported_at_once(register: Path, tmp_path: Path) -> None:
    missing = tmp_path / "none.csv"
    empty = tmp_path / "empty.csv"
    empty.write_text("", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        call(register, missing, empty)
    assert "none.csv" in str(caught.value)
    assert "empty.csv" in str(caught.value)


def test_a_users_kinds_and_positions(tmp_path: Path) -> None:
    register = tmp_path / "register.csv"
    register.write_text(
        "名称,所在地,緯度,経度\n天守台,千代田区千代田1-1,35.687512,139.754312\n"
        "北の天守台,千代田区千代田1-2,,\n",
        encoding="utf-8",
    )
    kinds = tmp_path / "kinds.csv"
    head = "kind,label_en,label_ja,installation,placement,height_m,mounting_m,from_surface,words"
    kinds.write_text(f"{head}\nkeep,Keep,天守台,no,ground,,10,no,天守台\n", encoding="utf-8")
    places = tmp_path / "places.csv"
    places.write_text("住所,緯度,経度\n東京都千代田区千代田１－２,35.6881,139.7551\n", "utf-8")
    plain = json.loads(call(register, "--json").stdout)["files"][0]
    assert (plain["accepted"], plain["needs_position"]) == (1, 1)
    more = call(register, "--json", "--kinds", kinds, "--geocoder", places)
    (entry,) = json.loads(more.stdout)["files"]
    assert (entry["accepted"], entry["needs_position"]) == (2, 0)
    assert "kind_unknown" in plain["findings"]
    assert "kind_unknown" not in entry["findings"]


def test_a_register_by_its_url(register: Path) -> None:
    """Through fsspec, an extra: a file URL, and HTTP from a server on this machine."""
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    handler = functools.partial(_Silent, directory=str(register.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        name = urllib.parse.quote(register.name)
        for url in (register.as_uri(), f"http://127.0.0.1:{server.server_port}/{name}"):
            (entry,) = json.loads(call(url, "--json").stdout)["files"]
            assert (entry["path"], entry["rows"]) == (url, 2)
        server.shutdown()


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass
