"""Carriers' lists of present sites: what is read, and what is told when nothing fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tdh import networks
from tdh.errors import InputError

HEAD = "site_id,carrier_id,latitude,longitude,antenna_height_agl_m,band,frequency_mhz,eirp_dbm\n"
ROWS = "".join(
    f"{carrier}-{k},{carrier},35.68,139.7,20,{band},3650,61\n"
    for carrier, band, n in (("a", "n78", 2), ("a", "n77", 3), ("b", "n77", 1))
    for k in range(n)
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "sites.csv"
    found.write_text(HEAD + ROWS, encoding="utf-8")
    return found


def test_sites_of_other_bands_are_counted(path: Path) -> None:
    network = networks.read_sites(path, "a", ["n78"], "EPSG:6677")
    assert len(network.sites) == 2 and network.other_bands == {"n77": 3}


def test_a_carrier_without_any_site_in_its_bands_is_told_not_taken_for_a_newcomer(
    path: Path,
) -> None:
    with pytest.raises(InputError, match=r"none of the carrier's 1 sites") as caught:
        networks.read_sites(path, "b", ["n78", "n257"], "EPSG:6677")
    assert "n77 (1)" in str(caught.value) and "new_entrant = true" in str(caught.value)
    with pytest.raises(InputError, match="no site in the file"):
        networks.read_sites(path, "c", ["n78"], "EPSG:6677")
