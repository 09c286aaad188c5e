"""What click and the operating system say reaches the user in the user's words."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tdh.cli import COMMANDS, group, main
from tdh.errors import InputError
from tdh.language import speaking
from tdh.results import Run, read_run

JAPANESE = re.compile("[぀-ヿ一-鿿]")


def tdh(*arguments: object, lang: str = "ja", **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TDH_LANG": lang, "PYTHONIOENCODING": "utf-8", **more}
    return subprocess.run(
        [sys.executable, "-c", "from tdh.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment,
        check=False,
    )


def stopped(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Exit code and stderr of a command that is refused."""
    with speaking("ja"), pytest.raises(SystemExit) as stop:
        main([*map(str, arguments), "--lang", "ja"])
    shown = capsys.readouterr()
    assert shown.out == ""
    return int(stop.value.code or 0), shown.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "引数 SCENARIO が指定されていません"),
        (["match"], "オプション --answer が指定されていません"),
        (
            ["score", "x", "--tip", "3"],
            "そのオプションはありません: --tip。'--top' ではありませんか",
        ),
        (["score", "x", "--top", "三"], "--top の値が正しくありません: '三' は整数ではありません"),
        (["score", "x", "--top", "0"], "--top の値が正しくありません: 0 は範囲 x>=1 の外です"),
        (["score", __file__], "はフォルダではなくファイルです"),
        (["score", "x", "y"], "余分な引数があります: y"),
        (["check", "x", "--strict", "s"], "'s' ではなく、'info', 'warning', 'error' のいずれか"),
        (["register", "lst"], "そのコマンドはありません: lst"),
        (["kpi", "x", "--xlsx", "k.txt"], "--xlsx の値が正しくありません: k.txt の末尾が .xlsx"),
        (["scor"], "そのコマンドはありません: scor → tdh score"),
    ],
)
def test_usage_errors_are_in_the_language(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    code, words = stopped(capsys, *arguments)
    assert code == 2 and said in words and "使い方: tdh" in words
    assert not re.search("Usage|Error|Invalid|Missing|No such", words)


def test_every_help_page_is_in_the_language() -> None:
    for name in ("", *COMMANDS, "register import", "scenario show"):
        with speaking("ja"):  # the texts of options are written when their module is loaded
            shown = CliRunner().invoke(group(), [*name.split(), "--help"], prog_name="tdh").output
        assert shown.startswith("使い方: tdh") and "オプション:" in shown
        assert "この説明を表示します" in shown
        assert not re.search("Usage:|Options:|Commands:|Show this|\\[default", shown)
    with speaking("ja"):
        listed = CliRunner().invoke(group(), ["--help"]).output.split("コマンド:")[1]
    rows = [line for line in listed.splitlines() if line.strip()]
    assert len(rows) == len(COMMANDS)  # one line each, none cut short
    assert all(JAPANESE.search(row) and "..." not in row for row in rows)


def test_groups_take_the_language_too() -> None:
    assert "台帳" in tdh("register", "--help", "--lang", "ja", lang="en").stdout
    assert tdh("scenario", "--lang", "en", "schema").returncode == 0


def test_places_that_cannot_be_written_to(
    demo_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    carrier = demo_run.carriers[0].id
    for arguments in (
        ["init", file / "x"],
        ["demo", "--out", file / "x", "-q"],
        ["map", demo_run.folder, "--out", file / "map.html"],
        ["report", demo_run.folder, "--out", file / "x"],
        ["package", demo_run.folder, "--carrier", carrier, "--out", file / "a.zip"],
        ["kpi", demo_run.folder, "--xlsx", file / "kpi.xlsx"],
    ):
        code, words = stopped(capsys, *arguments)
        assert code == 3, arguments
        assert words.startswith("エラー:\n") and str(file) in words and "→" in words
        assert "フォルダではありません" in words


def test_a_run_that_lost_or_damaged_a_file_says_which(demo_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for path in demo_run.folder.iterdir():
        (folder / path.name).symlink_to(path)
    for name, used in (
        ("plan.parquet", "plan"),
        ("scores.parquet", "scores"),
        ("plan.json", "summary"),
        ("kpis.parquet", "kpis"),
        ("findings.csv", "findings"),
    ):
        (folder / name).unlink()
        (folder / name).write_bytes(b"\xff\x00")
        with pytest.raises(InputError, match=rf"{re.escape(name)}: a file of the run is damaged"):
            getattr(read_run(folder), used)
        (folder / name).unlink()
    with pytest.raises(
        InputError, match=r"(?s)plan\.json: a file of the run is missing.*--overwrite"
    ):
        _ = read_run(folder).summary
    (folder / "coverage").unlink()
    (folder / "coverage").mkdir()
    carrier, band = next(iter(demo_run.bands))
    (folder / "coverage" / f"{carrier}-{band}-after.tif").write_bytes(b"II*")
    with pytest.raises(InputError, match="is damaged"):
        read_run(folder).signal(carrier, band, "after")
    with pytest.raises(InputError, match=rf"→ {re.escape(str(folder))} is one"):
        read_run(tmp_path)
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").write_text("{")
    with pytest.raises(InputError, match=r"manifest\.json: a file of the run is damaged"):
        read_run(folder)


def test_a_register_without_a_usable_record_ends_with_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("foo,bar\n1,2\n", encoding="utf-8")
    with speaking("en"), pytest.raises(SystemExit) as stop:
        main(["check", str(wrong), "--lang", "en"])
    shown = capsys.readouterr()
    assert stop.value.code == 3 and "rejected" in shown.out
    assert "no record of it can be used: 1 (expected: columns such as" in shown.err


def test_what_is_no_scenario_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cp932 = tmp_path / "cp932.toml"
    cp932.write_bytes('# x\nname = "日本"\n'.encode("cp932"))
    code, words = stopped(capsys, "run", cp932, "--out", tmp_path / "out")
    assert code == 3 and "cp932.toml 2行: UTF-8ではありません" in words
    code, words = stopped(capsys, "run", tmp_path, "--out", tmp_path / "out")
    assert code == 3 and "ファイルではなくフォルダです" in words


@pytest.mark.parametrize("place", [("139.7", "35.7"), ("35.69", "nan"), ("0", "0"), ("inf", "1")])
def test_a_link_to_nowhere_names_the_area(
    demo_run: Run, capsys: pytest.CaptureFixture[str], place: tuple[str, str]
) -> None:
    asset = demo_run.plan["asset_id"].iloc[0]
    code, words = stopped(capsys, "link", demo_run.folder, asset, *place)
    assert code == 3 and "地点が対象区域の外です" in words and "緯度、経度の順に" in words
    south, north = (float(x) for x in re.findall("緯度 ([0-9.]+)〜([0-9.]+)", words)[0])
    assert south < 35.69 < north
    code, words = stopped(capsys, "link", demo_run.folder, "none", *place)
    assert "地点が" in words and "そのアセットはありません: none" in words and "tdh plan" in words


def test_a_table_without_shapes_is_refused(
    demo_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "a.csv"
    table.write_text("a,b\n1,2\n", encoding="utf-8")
    for option in (["--outage", f"flood:{table}"], ["--roads", table], ["--commercial", table]):
        code, words = stopped(capsys, "kpi", demo_run.folder, *option)
        assert code == 3 and f"{table}: 図形がありません (正しくは: GeoPackage" in words


def test_files_that_are_not_there_are_named_alike(
    demo_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    none = tmp_path / "none.zip"
    carrier = demo_run.carriers[0].id
    for arguments in (
        ["package", demo_run.folder, "--carrier", carrier, "--out", "x.zip", "--round", none],
        ["match", "--package", none, "--answer", none],
        ["match", "--answer", none, "--receive", "--receipts", tmp_path / "r.csv"],
        ["check", tmp_path / "none.csv", "--kinds", none],
    ):
        code, words = stopped(capsys, *arguments)
        assert code == 3 and none.name in words and "ありません" in words
        assert "No such file" not in words and "Errno" not in words


def test_wrong_numbers_of_a_scenario_are_told_in_japanese(
    demo_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = next(demo_run.folder.parent.glob("inputs/*.toml"))
    wrong = ["seed=1.5", "carriers.carrier-a.max_sites=４", "area.cell_size_m=x"]
    settings = [part for value in wrong for part in ("--set", value)]
    code, words = stopped(capsys, "run", scenario, "--out", tmp_path / "out", *settings)
    assert code == 3 and "４" in words and "整数(半角)" in words and "数(半角)" in words
    assert "Input should be" not in words
    assert stopped(capsys, "demo", "--seed", "-1", "--out", tmp_path / "d")[0] == 2


def test_a_defect_shows_no_traceback_but_keeps_it(tmp_path: Path) -> None:
    program = (
        "from tdh.cli import main\nimport tdh\n"
        "def read_run(folder): raise KeyError('strange')\n"
        "tdh.read_run = read_run\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "score", "x", "--lang", "en"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 1 and done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "a defect of tdh, not of your data: KeyError: 'strange'" in done.stderr
    (details,) = tmp_path.glob("tdh-defect-*.txt")
    assert str(details) in done.stderr and "Traceback" in details.read_text(encoding="utf-8")


@click.command()
def _warns() -> None:
    from tdh.radio.domain import RangeWarning

    warnings.warn("beyond the range", RangeWarning, stacklevel=1)
    warnings.warn("of some library", RuntimeWarning, stacklevel=1)


def test_libraries_warnings_are_not_shown_but_ours_are() -> None:
    from tdh.cli import _show_warning

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = _show_warning
        result = CliRunner().invoke(_warns)
    assert result.stderr == "※ beyond the range\n"


def test_a_reader_that_has_seen_enough(demo_run: Run) -> None:
    """``tdh score RUN | head -1`` ends quietly."""
    program = f"{sys.executable} -c 'from tdh.cli import main; main()'"
    done = subprocess.run(
        ["bash", "-c", f"{program} score {demo_run.folder} --top 500 | head -1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "" and len(done.stdout.splitlines()) == 1
