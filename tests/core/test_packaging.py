"""What is installed is what is in the tree."""

from __future__ import annotations

import configparser
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]


def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_every_package_is_listed() -> None:
    listed = set(setup()["options"]["packages"].split())
    there = {
        ".".join(p.parent.relative_to(ROOT).parts) for p in (ROOT / "tdh").rglob("__init__.py")
    }
    assert listed == there | {"tdh.sample"}


def test_every_data_file_is_listed() -> None:
    listed = {
        package: [p.strip() for p in patterns.replace("\n", ",").split(",") if p.strip()]
        for package, patterns in setup()["options.package_data"].items()
    }
    missing = []
    for folder, package in ((ROOT / "tdh", "tdh"), (ROOT / "assets", "tdh.sample")):
        for path in folder.rglob("*"):
            if not path.is_file() or path.suffix in {".py", ".pyc", ".nbi", ".nbc"}:
                continue
            inside = path.parent.relative_to(folder).parts
            name = ".".join([package, *inside])
            if not any(fnmatch(path.name, pattern) for pattern in listed.get(name, [])):
                missing.append(str(path.relative_to(ROOT)))
    assert not missing
