"""The command line as users meet it: help, languages, exit codes, no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tdh


def run(*arguments: str, lang: str = "en", **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TDH_LANG": lang, "PYTHONIOENCODING": "utf-8", **more}
    return subprocess.run(
        [sys.executable, "-c", "from tdh.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment,
        check=False,
    )


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_help(lang: str) -> None:
    shown = run("--help", lang=lang)
    assert shown.returncode == 0
    for command in ("init", "check", "run", "demo", "map", "scenario"):
        assert command in shown.stdout
        assert run(command, "--help", lang=lang).returncode == 0
    assert ("公共アセット" in shown.stdout) == (lang == "ja")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom tdh.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'pandas', 'geopandas', 'numba', 'ortools', 'folium', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_versions() -> None:
    assert run("--version").stdout.strip().endswith(tdh.__version__)
    shown = run("--show-versions").stdout
    assert "geopandas" in shown
    assert "ortools" in shown


def test_usage_errors_end_with_2() -> None:
    assert run("run").returncode == 2
    mistyped = run("chek")
    assert mistyped.returncode == 2
    assert "tdh check" in mistyped.stderr


def test_the_language_may_be_named_anywhere() -> None:
    assert "エラー" in run("run", "none.toml", "--out", "x", "--lang", "ja").stderr
    assert "Error" in run("--lang=en", "run", "none.toml", "--out", "x", lang="ja").stderr


@pytest.mark.parametrize("command", ["check", "run"])
def test_bad_scenarios_end_with_3_and_no_traceback(tmp_path: Path, command: str) -> None:
    scenario = tmp_path / "bad.toml"
    scenario.write_text('name = "x"\nunknown = 1\n', encoding="utf-8")
    more = ["--out", str(tmp_path / "out")] if command == "run" else []
    done = run(command, str(scenario), *more)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    for key in ("area", "assets", "demand", "carriers"):
        assert f"{key}: a key is missing" in done.stderr
    assert "unknown: the key is not known" in done.stderr
    assert not (tmp_path / "out").exists()


def test_init_writes_a_scenario_whose_only_faults_are_missing_files(tmp_path: Path) -> None:
    done = run("init", str(tmp_path))
    assert done.returncode == 0
    path = Path(done.stdout.strip())
    checked = run("check", str(path))
    assert checked.returncode == 3
    lines = [line for line in checked.stderr.splitlines() if line.startswith("scenario.toml")]
    assert len(lines) == 5
    assert all("the file is not there" in line for line in lines)
    again = run("init", str(tmp_path))
    assert again.returncode == 3
    assert "--overwrite" in again.stderr


def test_schema_is_json_schema() -> None:
    schema = json.loads(run("scenario", "schema").stdout)
    assert schema["additionalProperties"] is False
    assert "carriers" in schema["required"]


def test_map_of_what_is_no_run(tmp_path: Path) -> None:
    done = run("map", str(tmp_path))
    assert done.returncode == 3
    assert "tdh run" in done.stderr
