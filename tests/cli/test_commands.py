"""Commands that read a finished run: the demo's."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import openpyxl
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from tdh.cli import group, kpi
from tdh.errors import InputError, OverwriteError
from tdh.language import speaking
from tdh.reports import goals
from tdh.results import Run, VersionWarning, read_run


def call(*arguments: object) -> Result:
    result = CliRunner().invoke(group(), [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def test_plan_lists_every_offer_with_its_reason(demo_run: Run) -> None:
    rows = json.loads(call("plan", demo_run.folder, "--json").stdout)
    assert len(rows) == len(demo_run.plan)
    assert all(row["reason_en"] and row["name"] for row in rows)
    (carrier, *_) = demo_run.carriers
    shown = call("plan", demo_run.folder, "--carrier", carrier.id).stdout.splitlines()
    assert len(shown) == 1 + (demo_run.plan["carrier_id"] == carrier.id).sum()


def test_score_lists_the_best_with_contributions_that_add_up(demo_run: Run) -> None:
    rows = json.loads(call("score", demo_run.folder, "--top", "5", "--json").stdout)
    assert len(rows) == 5 * len(demo_run.carriers)
    for row in rows:
        parts = sum(v for k, v in row.items() if k.startswith("contribution_"))
        assert parts == pytest.approx(row["score"], abs=1e-9)


def test_an_unknown_carrier_names_the_known_ones(demo_run: Run) -> None:
    with pytest.raises(InputError, match=r"nobody \(expected: carrier-a \(.+\), carrier-b"):
        call("plan", demo_run.folder, "--carrier", "nobody")


def test_verify_counts_again(demo_run: Run) -> None:
    assert json.loads(call("verify", demo_run.folder, "--json").stdout)["ok"]


def test_verify_finds_a_plan_that_was_tampered_with(demo_run: Run) -> None:
    from tdh.pipeline import checks

    class Tampered(Run):
        @property
        def summary(self) -> dict[str, object]:
            return {**super().summary, "objective": 1.0}

    problems = checks.verify(Tampered(demo_run.folder, demo_run.manifest))
    assert "plan.json says another objective" in str(problems[0])


def test_link_adds_up_to_the_signal(demo_run: Run) -> None:
    plan = demo_run.plan
    asset = plan.loc[plan["carrier_id"] == demo_run.carriers[0].id, "asset_id"].iloc[0]
    place = demo_run.assets.loc[asset]
    link = json.loads(
        call("link", demo_run.folder, asset, place["latitude"] + 0.001, place["longitude"], "--json")
        .stdout
    )  # fmt: skip
    total = sum(line["value"] for line in link["lines"] if line["counts"])
    assert total == pytest.approx(link["rsrp_dbm"], abs=0.05)


def test_link_draws_its_path(demo_run: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    profiles = demo_run.profiles
    assert profiles is not None
    row = profiles.iloc[0]
    point = demo_run.cells.to_crs("EPSG:6668").geometry[row["cell_id"]]
    where = (demo_run.folder, row["asset_id"], point.y, point.x, "--carrier", row["carrier_id"])
    svg, png = tmp_path / "a.svg", tmp_path / "a.png"
    call("link", *where, "--picture", svg, "--lang", "ja")
    root = ElementTree.fromstring(svg.read_text(encoding="utf-8"))
    assert root.tag.endswith("svg") and len(root) > 5
    call("link", *where, "--picture", png)
    assert png.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    with pytest.raises(OverwriteError):
        call("link", *where, "--picture", png)
    with pytest.raises(InputError, match=r"\.svg or \.png"):
        call("link", *where, "--picture", tmp_path / "a.gif")
    assert not (tmp_path / "a.gif").exists()


def test_link_of_an_unknown_asset_suggests_known_ones(demo_run: Run) -> None:
    known = demo_run.assets.index[0]
    with pytest.raises(InputError, match=known):
        call("link", demo_run.folder, known[:-1] + "?", 35.69, 139.69)


def test_link_agrees_with_the_footprint(demo_run: Run) -> None:
    """What is explained is what the plan counted with."""
    from tdh.pipeline import links

    carrier = demo_run.carriers[0]
    band = carrier.bands[0]
    signals = demo_run.footprint(carrier.id, band)
    row = int(signals.signal.indptr[1:-1].argmax())
    cells = demo_run.cells.to_crs("EPSG:6668").geometry
    start, end = signals.signal.indptr[row], signals.signal.indptr[row + 1]
    compared = 0
    for at in range(start, end, max(1, (end - start) // 30)):
        cell = signals.signal.indices[at]
        point = cells.iloc[cell]
        link = links.explain(demo_run, signals.site_ids[row], point.y, point.x, carrier.id, band)
        if link.indoors:  # the footprint moves such a receiver to the nearest open place
            continue
        compared += 1
        assert link.rsrp_dbm == pytest.approx(-150.5 + 0.5 * signals.signal.data[at], abs=3.0)
    assert compared > 5


def test_map_and_report_and_package_elsewhere(demo_run: Run, tmp_path: Path) -> None:
    target = tmp_path / "other.html"
    assert call("map", demo_run.folder, "--out", target).stdout.strip() == str(target)
    written = call("report", demo_run.folder, "--out", tmp_path).stdout.split()
    assert all(Path(path).stat().st_size > 0 for path in written)
    carrier = demo_run.carriers[0].id
    package = tmp_path / "package.zip"
    call("package", demo_run.folder, "--carrier", carrier, "--out", package)
    again = tmp_path / "again.zip"
    call("package", demo_run.folder, "--carrier", carrier, "--out", again)
    assert package.read_bytes() == again.read_bytes()
    with pytest.raises(InputError, match="--overwrite"):
        call("package", demo_run.folder, "--carrier", carrier, "--out", package)


def test_a_map_is_a_page(demo_run: Run, tmp_path: Path) -> None:
    asked = ["map", str(demo_run.folder), "--out", str(tmp_path / "x.txt")]
    refused = CliRunner().invoke(group(), asked)
    assert refused.exit_code == 2 and "does not end in .html" in refused.output
    assert not (tmp_path / "x.txt").exists()


def test_a_run_of_another_version_says_so(demo_run: Run, tmp_path: Path) -> None:
    manifest = dict(demo_run.manifest)
    manifest["versions"] = {**manifest["versions"], "tdh": "0.0.1"}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.warns(VersionWarning, match=r"version 0\.0\.1 of tdh, this is"):
        assert read_run(tmp_path).name == demo_run.name
    with speaking("ja"), pytest.warns(VersionWarning, match="計算し直すと確実"):
        read_run(tmp_path)
    manifest["versions"] = "0.0.1"
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.warns(VersionWarning, match=r"version \? of tdh"):
        read_run(tmp_path)


def test_a_share_below_all_never_reads_as_all(demo_run: Run) -> None:
    text = goals.value_text(0.99961, "").render("en")
    assert text == "99.9%" and goals.value_text(1.0, "").render("ja") == "100.0%"
    kpis = demo_run.kpis
    assert kpis is not None
    kpis = kpis.assign(before=0.99961, after=0.00004, unit="")
    shown = kpi._in_words(demo_run, kpis)
    assert set(shown["before"]) == {99.9} and set(shown["after"]) == {0.1}


def test_a_round_from_packages_to_the_ledger(demo_run: Run, tmp_path: Path) -> None:
    import tdh

    packages, answers = [], []
    for carrier in demo_run.carriers[:2]:
        package = tmp_path / f"{carrier.id}.zip"
        call("package", demo_run.folder, "--carrier", carrier.id, "--out", package)
        offer = tdh.read_offer(package)
        answer = tmp_path / f"{carrier.id}-answer.zip"
        offer.request(list(offer.assets.index[:3])).write(answer)
        packages += ["--package", package]
        answers += ["--answer", answer]
    ledger = tmp_path / "register.gpkg"
    call("register", "list", ledger, demo_run.folder, "--who", "desk")
    award = json.loads(call("match", *packages, *answers, "--register", ledger, "--json").stdout)
    assert len(award["awards"]) + len(award["refusals"]) == 6
    assert all(row["reason_ja"] for row in award["awards"])
    waiting = json.loads(call("register", "next", ledger, "--json").stdout)
    assert waiting
    states = json.loads(call("register", "show", ledger, "--json").stdout)
    assert {row["carrier"] for row in states} >= {c.id for c in demo_run.carriers[:2]}
    call("register", "verify", ledger)
    with pytest.raises(InputError, match="tdh register list"):
        call("register", "next", tmp_path / "none.gpkg")


def test_kpi_population_coverage_is_what_a_hand_count_gives(demo_run: Run) -> None:
    rows = json.loads(call("kpi", demo_run.folder, "--json").stdout)  # of the whole area
    carrier = demo_run.carriers[0]
    (said,) = (
        row["value"]
        for row in rows
        if (row["kpi"], row["carrier_id"], row["state"]) == ("population", carrier.id, "after")
    )
    cells = demo_run.cells
    signal = demo_run.signal(carrier.id, carrier.bands[0], "after")[cells["row"], cells["col"]]
    served = signal >= demo_run.bands[carrier.id, carrier.bands[0]].covered_dbm
    degrees = cells.to_crs("EPSG:6668").geometry
    # Half meshes: 240 to a degree of latitude, 160 to one of longitude.
    halves = pd.Series(
        list(zip((degrees.y * 240).astype(int), (degrees.x * 160).astype(int), strict=True))
    )
    of_mesh = pd.DataFrame(
        {"mesh": halves, "served": served, "people": cells["population"].to_numpy()}
    ).groupby("mesh")
    covered = of_mesh["served"].mean() >= 0.5
    people = of_mesh["people"].sum()
    assert said == pytest.approx(people[covered].sum() / people.sum(), abs=1e-9)


def test_kpi_of_places(demo_run: Run) -> None:
    register = demo_run.scenario.assets[0].path
    shown = call("kpi", demo_run.folder, "--places", register).stdout
    assert "places" in shown
    assert "96.0" in shown  # the target of 2026, in percent


def test_kinds_of_places_are_told_by_name_and_file(demo_run: Run, tmp_path: Path) -> None:
    """Two registers at once: each kind is counted apart, the same as in a scenario."""
    lon, lat = (demo_run.assets[c].iloc[0] for c in ("longitude", "latitude"))
    for name, rows in (
        ("一時滞在施設一覧.csv", ["ホール", "会館"]),
        ("hospitals.csv", ["災害拠点病院 甲"]),
    ):
        lines = [f"{n},{lat + 1e-4 * i},{lon}" for i, n in enumerate(rows)]
        (tmp_path / name).write_text("\n".join(["名称,緯度,経度", *lines]), encoding="utf-8")
    registers = [tmp_path / "一時滞在施設一覧.csv", tmp_path / "hospitals.csv"]
    given = [part for path in registers for part in ("--places", path)]
    told = json.loads(call("kpi", demo_run.folder, *given, "--json").stdout)
    of_any = {
        row["place_kind"]: row["total"]
        for row in told
        if row["kpi"].startswith("places") and (row["carrier_id"], row["state"]) == ("any", "after")
    }
    assert of_any == {"": 3.0, "temporary_stay": 2.0, "disaster_hospital": 1.0}


def test_tables_for_people_are_in_their_language(demo_run: Run) -> None:
    (carrier, *_) = demo_run.carriers
    assert carrier.name != carrier.id
    for command in ("score", "plan"):
        heads, *rows = call(command, demo_run.folder, "--carrier", carrier.id).stdout.splitlines()
        assert heads.split()[-1] == "reason"
        with speaking("ja"):
            heads, *rows = call(
                command, demo_run.folder, "--carrier", carrier.id
            ).stdout.splitlines()
        assert not set("abcdefghijklmnopqrstuvwxyz") & set(heads.replace("アセットID", ""))
        assert "名称" in heads.split() and "人口 (人)" in heads
        assert rows and all(row.startswith(carrier.name) for row in rows)
        data = json.loads(call(command, demo_run.folder, "--json").stdout)
        assert {row["carrier_id"] for row in data} == {c.id for c in demo_run.carriers}
    with speaking("ja"):
        shown = (
            call("kpi", demo_run.folder).stdout
            + call("kpi", demo_run.folder, "--outage", "top:2", "--worst", "2").stdout
        )
    for word in ("people", "meshes", "places", "present", "plan", carrier.id):
        assert word not in shown.replace("[[places]]", "")


def test_an_outage_says_of_how_many_stations_the_backup_is_unknown(
    demo_run: Run, tmp_path: Path
) -> None:
    stations = len(demo_run.plan) + len(demo_run.sites)
    shown = call("kpi", demo_run.folder, "--outage", "backup:24").stdout
    assert f"of {stations} stations" in shown
    assert f"of {stations} it is not known" in shown and "taken to fail" in shown
    with speaking("ja"):
        shown = call("kpi", demo_run.folder, "--outage", "backup:24:known").stdout
    assert f"不明 {stations}局" in shown and "稼働とみなしています" in shown
    book = tmp_path / "outage.xlsx"
    found = json.loads(
        call("kpi", demo_run.folder, "--outage", "backup:24:known", "--xlsx", book, "--json").stdout
    )
    assert found["failed"] == [] and "taken to stand" in found["notes"][0]
    words = [c.value for row in openpyxl.load_workbook(book)["Read me"] for c in row]
    assert any("taken to stand" in str(word) for word in words)


@pytest.mark.parametrize("asked", [("--outage", "top:2"), ("--worst", "2")])
def test_an_outage_refuses_options_that_it_would_not_heed(
    demo_run: Run, asked: tuple[str, str], tmp_path: Path
) -> None:
    given = ("--places", tmp_path / "places.csv", "--rule", ">", "--municipalities")
    result = CliRunner().invoke(group(), [str(a) for a in ("kpi", demo_run.folder, *asked, *given)])
    assert result.exit_code == 2
    assert "--places, --rule, --municipalities: not with --outage" in result.output


def test_wrong_outages_are_named_at_once_with_the_right_forms(demo_run: Run) -> None:
    known = demo_run.sites.index[0]
    wrong = ["tops:3", f"{known}x", "top:", "backup:-1:known", "flood:", "foo:1"]
    arguments = [part for spec in wrong for part in ("--outage", spec)]
    with pytest.raises(InputError) as caught:
        call("kpi", demo_run.folder, *arguments)
    assert len(caught.value.problems) == len(wrong)
    text = caught.value.render("en")
    assert "top:3? —" in text and known in text.replace(f"{known}x", "")
    assert "flood:areas.gpkg" in text and "backup:24" in text
    assert "top:5(頼る顧客の多い5局)" in caught.value.render("ja")


def test_every_heading_of_an_award_for_a_carrier_is_in_the_language(
    demo_run: Run, tmp_path: Path
) -> None:
    import tdh

    (carrier, other, *_) = (c.id for c in demo_run.carriers)
    files = []
    for each in (carrier, other):
        package, answer = tmp_path / f"{each}.zip", tmp_path / f"{each}-answer.zip"
        call("package", demo_run.folder, "--carrier", each, "--out", package)
        offer = tdh.read_offer(package)
        offer.request(list(offer.assets.index)).write(answer)
        files += ["--package", package, "--answer", answer]
    with speaking("ja"):
        call("match", *files, "--each", tmp_path / "each")
    book = openpyxl.load_workbook(tmp_path / "each" / f"{carrier}.xlsx")
    for sheet in book.worksheets[1:]:
        heads = [str(cell.value) for cell in sheet[1]]
        assert not any(head.replace("ID", "").isascii() for head in heads)
    words = [str(cell.value) for sheet in book for row in sheet for cell in row]
    assert carrier in words and not any(other in word for word in words)
