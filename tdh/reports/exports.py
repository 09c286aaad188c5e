"""The plan for other tools: Google Earth, Cesium, GIS servers, paper and slides."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import rasterio
import rasterio.shutil

from tdh import display
from tdh.errors import Problem, TdhError
from tdh.files import atomic
from tdh.language import Language, Text, plain
from tdh.reports import charts

GEOGRAPHIC_CRS = "EPSG:6668"
KML = "http://www.opengis.net/kml/2.2"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge")
CHROMIUM_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PRINT_SECONDS = 180


class PrintError(TdhError):
    """No program that prints pages is installed, or it failed."""


# --- Google Earth --------------------------------------------------------------------------------


def write_kml(run: Any, path: str | os.PathLike[str], language: Language = "ja") -> None:
    """Write the offers as KML, or as KMZ where the path ends so.

    One folder per carrier; points stand at the antenna's height above ground.

    Parameters
    ----------
    run : Run
        A finished run.
    path : path
        Ending in ``.kml`` or ``.kmz``.
    language : {"ja", "en"}
        Language of descriptions.
    """
    content = _kml(run, language)
    with atomic(path) as draft:
        if draft.suffix.lower() == ".kmz":
            with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
                # A fixed time, so that the same run gives the same bytes.
                archive.writestr(zipfile.ZipInfo("doc.kml", (1980, 1, 1, 0, 0, 0)), content)
        else:
            draft.write_bytes(content)


def _kml(run: Any, language: Language) -> bytes:
    ET.register_namespace("", KML)
    root = ET.Element(f"{{{KML}}}kml")
    document = _sub(root, "Document")
    _sub(document, "name", run.name)
    lines = [n.render(language) for n in run.notices] + list(run.attributions)
    _sub(document, "description", "\n".join(lines))
    points = run.plan.geometry.to_crs(GEOGRAPHIC_CRS)
    assets = run.assets.reindex(run.plan["asset_id"])
    for carrier, colour in zip(run.carriers, display.colours(run).values(), strict=True):
        style = _sub(document, "Style")
        style.set("id", f"c-{carrier.id}")
        icon = _sub(style, "IconStyle")
        _sub(icon, "color", f"ff{colour[5:7]}{colour[3:5]}{colour[1:3]}")
        _sub(icon, "scale", "1.1")
        folder = _sub(document, "Folder")
        _sub(folder, "name", carrier.name)
        for k in np.flatnonzero((run.plan["carrier_id"] == carrier.id).to_numpy()):
            row, asset, point = run.plan.iloc[k], assets.iloc[k], points.iloc[k]
            mark = _sub(folder, "Placemark")
            _sub(mark, "name", f"{row['order']}. {asset['name']}")
            gained = Text(
                "People gained: {n:,.0f}", "増分充足人口: {n:,.0f}人", n=row["people_gained"]
            )
            reason = row["reason_ja"] if language == "ja" else row["reason_en"]
            _sub(mark, "description", f"{gained.render(language)}\n{reason}")
            _sub(mark, "styleUrl", f"#c-{carrier.id}")
            place = _sub(mark, "Point")
            _sub(place, "extrude", "1")
            _sub(place, "altitudeMode", "relativeToGround")
            height = _height(asset["mounting_height_m"])
            _sub(place, "coordinates", f"{point.x:.7f},{point.y:.7f},{height:g}")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="utf-8")


def _sub(parent: ET.Element, tag: str, text: str | None = None) -> ET.Element:
    node = ET.SubElement(parent, f"{{{KML}}}{tag}")
    if text is not None:
        node.text = plain(text)
    return node


def _height(value: Any) -> float:
    return 0.0 if value is None or value != value else float(value)


# --- rasters -------------------------------------------------------------------------------------


def write_cog(
    run: Any,
    path: str | os.PathLike[str],
    carrier: str,
    band: str,
    when: display.When = "after",
) -> None:
    """Write a signal raster as a Cloud Optimized GeoTIFF: float32 dBm, NaN where there is none."""
    grid = run.grid
    values = run.signal(carrier, band, when).astype(np.float32)
    profile = {
        "driver": "GTiff",
        "height": grid.n_rows,
        "width": grid.n_cols,
        "count": 1,
        "dtype": "float32",
        "crs": grid.crs,
        "transform": grid.transform,
        "nodata": float("nan"),
    }
    with atomic(path) as draft:
        plain = draft.with_name("plain.tif")
        with rasterio.open(plain, "w", **profile) as raster:
            raster.write(values, 1)
            raster.set_band_description(1, f"SS-RSRP (dBm), {carrier} {band}, {when}")
            raster.update_tags(
                modelled="yes", synthetic="yes" if run.synthetic else "no", title=run.name
            )
        rasterio.shutil.copy(
            plain, draft, driver="COG", compress="DEFLATE", predictor="YES", resampling="NEAREST"
        )
        plain.unlink()


# --- paper and slides ----------------------------------------------------------------------------


def find_chromium() -> str | None:
    """A Chromium, Chrome or Edge on the path."""
    return next((found for name in CHROMIUM_NAMES if (found := shutil.which(name))), None)


def _chromium(*arguments: str) -> None:
    program = find_chromium()
    if program is None:
        raise PrintError(
            Problem(
                Text("no program that prints pages is installed", "印刷に使うブラウザがありません"),
                expected="Chromium, Chrome, Edge",
                fix=Text(
                    "install Chromium, or open the HTML and print it from a browser",
                    "Chromiumを入れるか、HTMLをブラウザで開いて印刷してください",
                ),
            )
        )
    with tempfile.TemporaryDirectory(prefix="tdh-print-", ignore_cleanup_errors=True) as profile:
        command = [program, *CHROMIUM_FLAGS, f"--user-data-dir={profile}", *arguments]
        try:
            done = subprocess.run(command, capture_output=True, timeout=PRINT_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise PrintError(
                Problem(
                    Text("printing took too long", "印刷が時間内に終わりませんでした"),
                    where=program,
                )
            ) from None
    if done.returncode:
        tail = done.stderr.decode("utf-8", "replace")[-400:]
        raise PrintError(
            Problem(Text("printing failed", "印刷に失敗しました"), value=tail, where=program)
        )


def write_pdf(page: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Print an HTML file, such as a report, as PDF with an installed Chromium.

    Raises
    ------
    PrintError
        If there is none, or it fails.
    """
    with atomic(path) as draft:
        _chromium(
            "--no-pdf-header-footer", f"--print-to-pdf={draft}", Path(page).resolve().as_uri()
        )
        if not draft.exists():
            raise PrintError(
                Problem(Text("printing failed", "印刷に失敗しました"), where=str(page))
            )


def write_picture(
    run: Any,
    path: str | os.PathLike[str],
    language: Language = "ja",
    *,
    carrier: str | None = None,
    width: int = 1800,
) -> None:
    """Write the plan's map as PNG for slides, of all carriers or of one.

    Raises
    ------
    PrintError
        If no Chromium is installed, or it fails.
    """
    ids = [c.id for c in run.carriers] if carrier is None else [carrier]
    svg = charts.map_picture(run, display.service(run), ids, language, number=carrier is not None)
    height = round(width * (run.grid.n_rows / run.grid.n_cols + 30 / 900))
    page = (
        '<!DOCTYPE html><meta charset="utf-8"><style>body{margin:0;background:#fff}'
        f"svg{{width:{width}px;height:auto;display:block}}</style>{svg}"
    )
    with atomic(Path(path).resolve()) as draft:  # Chromium writes where it stands
        source = draft.with_name("picture.html")
        source.write_text(page, encoding="utf-8")
        _chromium(
            f"--screenshot={draft}", f"--window-size={width},{height}", "--hide-scrollbars",
            source.as_uri(),
        )  # fmt: skip
        source.unlink()
