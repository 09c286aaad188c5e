"""A page that stands alone: Leaflet and our own scripts inside, and nothing fetched from anywhere.

:func:`save` is the only writer. It refuses a page in which any address is left that it does not
know, and closes it with a Content-Security-Policy that lists every script by its hash, so that a
browser would refuse what slipped through.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from functools import cache
from importlib.resources import files
from typing import Any

import folium
from branca.element import Element, Figure
from folium.template import Template

from tdh.errors import Problem, TdhError
from tdh.files import atomic
from tdh.language import Text

LEAFLET_SHA256 = {
    "leaflet.js": "db49d009c841f5ca34a888c96511ae936fd9f5533e90d8b2c4d57596f4e5641a",
    "leaflet.css": "a7837102824184820dfa198d1ebcd109ff6d0ff9a2672a074b9a1b4d147d04c6",
}

GSI_TILES = "https://cyberjapandata.gsi.go.jp/xyz/pale/{z}/{x}/{y}.png"
GSI_HOST = "https://cyberjapandata.gsi.go.jp"

KNOWN_ADDRESSES = (
    "http://www.w3.org/2000/svg",  # names of XML vocabularies: never fetched
    "http://www.w3.org/1999/xlink",
    "https://leafletjs.com",  # Leaflet's own name, shown as text
)

KIT_SCRIPTS = ("codec.js", "raster.js", "points.js", "kit.js")

OUR_SCRIPTS = (
    "codec.js",
    "words.js",
    "raster.js",
    "points.js",
    "store.js",
    "details.js",
    "profile.js",
    "tools.js",
    "table.js",
    "panel.js",
    "goals.js",
    "app.js",
    "layers.js",
    "listing.js",
    "reading.js",
    "regions.js",
    "people.js",
    "throughput.js",
    "sites.js",
    "evidence.js",
)


class PageError(TdhError):
    """A page would fetch something, or a library is not the one it should be."""


@cache
def leaflet(name: str) -> str:
    """A file of Leaflet 1.9.4 from the installed package, if it is the very one we know.

    Raises
    ------
    PageError
        If its hash differs.
    """
    content = files("js_lib_leaflet").joinpath("static/js_lib_leaflet", name).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != LEAFLET_SHA256[name]:
        raise PageError(
            Problem(
                Text(
                    "the installed Leaflet is not the expected one", "Leafletの内容が想定と違います"
                ),
                value=found,
                expected=LEAFLET_SHA256[name],
                where=name,
                fix=Text(
                    "install django-js-lib-leaflet 1.9.4.1",
                    "django-js-lib-leaflet 1.9.4.1 を入れてください",
                ),
            )
        )
    text = content.decode("utf-8").replace("\r\n", "\n")  # as browsers read it, and hash it
    if name.endswith(".css"):
        # Images beside the style sheet would be requests; we use none of them.
        # Its comments name pages of bug trackers.
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        return re.sub(r"url\((?!#)[^)]*\)", "none", text)
    return re.sub(r"//# sourceMappingURL=.*", "", text)


@cache
def own(name: str) -> str:
    """A script or style sheet of ours."""
    return files("tdh.maps").joinpath(name).read_text(encoding="utf-8")


@cache
def library() -> str:
    """All our scripts in the order in which they need each other."""
    return "\n".join(_lean(own(name)) for name in OUR_SCRIPTS)


def _lean(script: str) -> str:
    """A script without indents and without comments that have lines of their own.

    >>> _lean("/* What\\n   it is. */\\nif (a) {\\n  b(); // why\\n  // how\\n}\\n")
    'if (a) {\\nb(); // why\\n}'
    """
    bare = re.sub(r"^[ \t]*/\*.*?\*/[ \t]*$", "", script, flags=re.DOTALL | re.MULTILINE)
    lines = (line.strip() for line in bare.split("\n"))
    return "\n".join(line for line in lines if line and not line.startswith("//"))


@cache
def kit() -> str:
    """What single layers need (:mod:`tdh.maps.layers`)."""
    return "\n".join(_lean(own(name)) for name in KIT_SCRIPTS)


class Raw(Element):
    """Text that goes into a page as it is.

    branca reads the text of its elements as a template, and what a macro returns once more. What
    comes from a register may hold ``{{`` and must never be read so.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def render(self, **kwargs: object) -> str:
        """The text."""
        return self.text


class StandaloneFigure(Figure):
    """A figure whose page says its language and title, and loads nothing."""

    _template = Template(
        '<!DOCTYPE html>\n<html lang="{{ this.language }}">\n<head>\n'
        "{{ this.header.render(**kwargs) }}\n"
        "<title>{{ this.title|e }}</title>\n</head>\n<body>\n"
        "{{ this.html.render(**kwargs) }}\n"
        "<script>\n{{ this.script.render(**kwargs) }}\n</script>\n</body>\n</html>\n"
    )

    def __init__(self, title: str, language: str) -> None:
        super().__init__(title=title, height="720px")
        self.language = language


class StandaloneMap(folium.Map):
    """A ``folium.Map`` that brings Leaflet with it and asks no other host for anything.

    Whatever folium can add to a map can be added to it; what would need another host is refused
    when the map is saved.

    Parameters
    ----------
    title : str
        Title of the page.
    language : {"ja", "en"}
        Language in which the page opens.
    location : sequence of float
        Latitude and longitude of the centre.
    **options
        Options of Leaflet's map.
    """

    _template = Template(
        """
        {% macro header(this, kwargs) %}
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <style>
        html, body { width: 100%; height: 100%; margin: 0; padding: 0; }
        #{{ this.get_name() }} { position: relative; width: 100%; height: 100%; }
        </style>
        {% endmacro %}
        {% macro html(this, kwargs) %}
        <div class="folium-map" id="{{ this.get_name() }}"></div>
        {% endmacro %}
        {% macro script(this, kwargs) %}
        var {{ this.get_name() }} = L.map("{{ this.get_name() }}", {
            center: {{ this.location|tojson }}, crs: L.CRS.{{ this.crs }},
            ...{{ this.options|tojavascript }}
        });
        {% endmacro %}
        """
    )

    def __init__(
        self, title: str, language: str, location: tuple[float, float], **options: Any
    ) -> None:
        super().__init__(location=location, tiles=None, **options)
        # Lists of the instance, not of the class: other maps keep theirs.
        self.default_js = []
        self.default_css = []
        self.allowed_hosts: tuple[str, ...] = ()
        figure = StandaloneFigure(title, language)
        figure.header.add_child(Raw(f"<style>{leaflet('leaflet.css')}</style>"), name="leaflet_css")
        figure.header.add_child(Raw(f"<script>{leaflet('leaflet.js')}</script>"), name="leaflet_js")
        self._parent = None  # type: ignore[assignment]  # leave the figure that folium made
        figure.add_child(self)


def _digests(html: str, tag: str) -> list[str]:
    """CSP hashes of all executable inline elements of a kind, each once."""
    found = []
    for match in re.finditer(rf"<{tag}\b([^>]*)>(.*?)</{tag}>", html, re.DOTALL | re.IGNORECASE):
        attributes, content = match.groups()
        if "type=" in attributes:  # data, which is never run
            continue
        digest = hashlib.sha256(content.encode("utf-8")).digest()
        found.append(f"'sha256-{base64.b64encode(digest).decode('ascii')}'")
    return list(dict.fromkeys(found))


def _without_data(html: str) -> str:
    """The page without its inert blocks of data, which nothing fetches."""
    return re.sub(
        r'(<script\b[^>]*type="(?:text/plain|application/json)"[^>]*>).*?(</script>)',
        r"\1\2",
        html,
        flags=re.DOTALL,
    )


def unknown_addresses(html: str, allowed: tuple[str, ...] = ()) -> list[str]:
    """Addresses in a page that are neither known names nor allowed hosts."""
    text = _without_data(html)
    found = re.findall(
        r"""(?:https?:|wss?:|ftp:)?//[A-Za-z0-9][\w.-]*\.[A-Za-z]{2,}[^\s"'<>)`]*""", text
    )
    found += re.findall(r"""<(?:link|img|iframe|object|embed|source|video|audio)\b[^>]*>""", text)
    found += re.findall(r"""<script\b[^>]*\bsrc\s*=[^>]*>""", text)
    found += re.findall(r"""@import[^;]*;|url\((?!\s*["']?(?:#|data:))[^)]*\)""", text)
    known = KNOWN_ADDRESSES + allowed
    return sorted({a for a in found if not a.startswith(known)})


def seal(html: str, allowed: tuple[str, ...] = ()) -> str:
    """Close a page: check its addresses and write its Content-Security-Policy.

    Parameters
    ----------
    html : str
        The page.
    allowed : tuple of str
        Hosts from which images may come.

    Raises
    ------
    PageError
        With every address that is not known.
    """
    unknown = unknown_addresses(html, allowed)
    if unknown:
        raise PageError(
            *(
                Problem(
                    Text(
                        "the page would ask another host, and must open without a network",
                        "ページが外部を参照しています。閉域網では開けません",
                    ),
                    value=address,
                    fix=Text(
                        "take away what was added to the map, or add it as data",
                        "地図に追加した要素を外すか、データとして埋め込んでください",
                    ),
                )
                for address in unknown
            )
        )
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(_digests(html, 'script'))}",
            f"style-src {' '.join(_digests(html, 'style'))}",
            " ".join(("img-src data: blob:", *allowed)),
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    meta = f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return html.replace("<head>", f"<head>\n{meta}", 1)


def save(map: folium.Map, path: str | os.PathLike[str]) -> None:
    """Write a map as one file that opens by double click on a closed network.

    Parameters
    ----------
    map : folium.Map
        A map of :func:`tdh.maps.plan_map`, possibly with more added by folium.
    path : path
        The HTML file; it appears whole or not at all.

    Raises
    ------
    PageError
        If something in the page would be fetched from elsewhere.
    """
    html = seal(map.get_root().render(), getattr(map, "allowed_hosts", ()))
    with atomic(path) as draft:
        draft.write_text(html, encoding="utf-8", newline="\n")
