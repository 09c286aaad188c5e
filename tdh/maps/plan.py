"""The map of a run: a ``folium.Map`` with one element of ours, which draws on canvas.

folium's own layers write a line of JavaScript per feature; a city's worth of cells and assets does
not open that way. Here the data lie in the page as packed blocks, and ``*.js`` beside this module
draws them.
"""

from __future__ import annotations

from html import escape
from typing import Any, Literal

import folium
from branca.element import Figure, MacroElement
from folium.template import Template

from tdh.maps import codec, page
from tdh.maps.content import Content, collect


class PlanElement(MacroElement):
    """The panel, the layers and the data of a run, to be added to a :class:`StandaloneMap`.

    Parameters
    ----------
    content : Content
        What :func:`tdh.maps.content.collect` found.
    """

    # The class needs a template to be an element; what it holds is written by render.
    _template = Template("")

    def __init__(self, content: Content) -> None:
        super().__init__()
        self._name = "Plan"
        self.content = content

    def render(self, **kwargs: Any) -> str:
        """Put the parts into the figure, as they are.

        branca reads what a macro returns as a template once more: a register that holds ``{{``
        would be run. :class:`tdh.maps.page.Raw` is not read again.
        """
        figure = self.get_root()
        if not isinstance(figure, Figure) or self._parent is None:
            raise TypeError("add the element to a map first")
        name = self.get_name()
        blocks = [
            f'<script type="application/json" id="tdh-meta">{codec.json_block(self.content.meta)}'
            "</script>"
        ]
        blocks += [
            f'<script type="text/plain" id="{escape(key)}">{text}</script>'
            for key, text in self.content.blocks.items()
        ]
        body = [page.own("page.html"), *blocks, f"<script>{page.library()}</script>"]
        figure.header.add_child(page.Raw(f"<style>{page.own('page.css')}</style>"), name=name)
        figure.html.add_child(page.Raw("\n".join(body)), name=name)
        figure.script.add_child(page.Raw(f"TDH.start({self._parent.get_name()});"), name=name)
        return ""


def plan_map(
    run: Any, *, language: Literal["ja", "en"] = "ja", online_base: bool = False
) -> folium.Map:
    """A map of a run: what it offers to whom, and what that closes.

    Parameters
    ----------
    run : Run
        A finished run (:func:`tdh.read_run`).
    language : {"ja", "en"}
        Language in which the page opens; a button switches.
    online_base : bool
        Whether readers may switch on the tiles of the Geospatial Information Authority of Japan.
        They are off until then. Leave it False for closed networks: then the page may not ask any
        host for anything.

    Returns
    -------
    folium.Map
        A notebook shows it; more can be added to it by folium; :func:`tdh.maps.save` writes it.
    """
    content = collect(run, language=language)
    if online_base:
        content.meta["gsi"] = {"url": page.GSI_TILES, "name": "地理院タイル"}
    (south, west), (north, east) = content.meta["bounds"]
    drawn = page.StandaloneMap(
        title=run.name,
        language=language,
        location=((south + north) / 2, (west + east) / 2),
        zoom_start=12,
        min_zoom=8,
        max_zoom=20,
        zoom_snap=1,
        box_zoom=False,
        fade_animation=False,  # a faded tile keeps its enlarged predecessor in sight
    )
    if online_base:
        drawn.allowed_hosts = (page.GSI_HOST,)
    drawn.add_child(PlanElement(content), name="plan")
    return drawn
