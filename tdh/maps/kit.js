/* Layers that stand alone on any Leaflet map: each reads its own blocks of the page. */
TDH.kit = {
  texts(box, rows) {
    for (const [word, value] of rows) {
      if (value !== "" && value !== null && value !== undefined) {
        box.append(TDH.element("div", {}, TDH.element("b", {}, word), ` ${value}`));
      }
    }
    return box;
  },

  /* A raster of codes: spec.lut says how codes become colours. */
  raster(id) {
    const spec = TDH.json(id), { rows, cols } = spec.grid;
    const layer = new TDH.RasterLayer(TDH.polynomial(spec.geo.to_cell, spec.geo.degree), spec.grid.cell_m,
      { opacity: spec.opacity, maxZoom: 22, zIndex: 10 });
    let lut = new Uint32Array(256);
    if (spec.threshold) lut = TDH.divergingLut(spec.threshold, 30);
    else spec.colours.forEach((colour, i) => { if (colour) lut[i] = TDH.abgr(TDH.rgb(colour), 255); });
    layer.ready = TDH.block(`${id}-data`).then((packed) => {
      const bytes = spec.predicted ? TDH.unpredict(packed, rows, cols) : packed;
      layer.codes = bytes;
      layer.show(new TDH.Pyramid(bytes, rows, cols, spec.pool), lut);
    });
    return layer;
  },

  /* Points in columns; spec.draw names how one is drawn. A click on one tells what it is. */
  points(id) {
    const spec = TDH.json(id), none = new TDH.Points([], []), margin = spec.draw === "place" ? 150 : 80;
    const layer = new TDH.PointLayer(none, () => {}, { pane: "overlayPane", maxZoom: 22, margin,
      bubbles: spec.draw === "dot", zIndex: 20 });
    layer.ready = (async () => {
      const table = TDH.columns(spec.layout, await TDH.block(`${id}-data`), spec.n);
      const lon = Array.from(table.lon, (v) => spec.origin[0] + v * 1e-6);
      const lat = Array.from(table.lat, (v) => spec.origin[1] + v * 1e-6);
      const names = spec.named ? await TDH.texts(`${id}-names`, spec.n) : null;
      const numbers = spec.facts.map((f) => (f.texts ? null : f.column));
      const lists = spec.lists ? (await TDH.texts(`${id}-lists`, spec.lists)) : null;
      layer.points = layer._points = new TDH.Points(lon, lat);
      layer.name = (i) => (names ? names.at(i) : "");
      layer.facts = (i) => spec.facts.map((f, k) => {
        if (numbers[k] === null) return [f.word, lists.at(f.texts + table[f.column][i])];
        const v = table[f.column][i];
        return [f.word, v === 65535 ? "" : `${(v / f.scale - f.less).toLocaleString()}${f.unit}`];
      });
      layer._draw = TDH.kit.draws[spec.draw](spec, table, layer);
      layer.redraw();
    })();
    const open = (e) => {
      if (!layer.points) return;
      const map = layer._map, reach = 10 / (256 * 2 ** map.getZoom());
      const i = layer.points.nearest(TDH.mercator.x(e.latlng.lng), TDH.mercator.y(e.latlng.lat), reach);
      if (i < 0) return;
      const box = TDH.kit.texts(TDH.element("div", {}, TDH.element("strong", {}, layer.name(i))), layer.facts(i));
      L.popup().setLatLng([TDH.mercator.lat(layer.points.y[i]), TDH.mercator.lon(layer.points.x[i])]).setContent(box).openOn(map);
    };
    layer.on("add", () => layer._map.on("click", open));
    layer.on("remove", () => layer._map.off("click", open));
    return layer;
  },

  draws: {
    dot: (spec, table) => (c, i, x, y, z) => TDH.dot(c, x, y, table.score[i], z >= 15 ? 5 : 3.5),
    site: (spec, table) => (c, i, x, y, z) => {
      const azimuth = table.azimuth[i], colour = spec.colours[table.carrier[i]];
      if (z < 13) { c.fillStyle = colour; c.fillRect(x - 1.5, y - 1.5, 3, 3); }
      else TDH.sector(c, x, y, azimuth === 65535 ? null : azimuth / 10, azimuth === 65535 ? 6 : z >= 15 ? 22 : 14, colour, spec.beam);
    },
    offer: (spec, table) => (c, i, x, y, z) => {
      const carrier = table.carrier[i], colour = spec.colours[carrier];
      if (z >= 13) {
        for (const azimuth of spec.sectors[i] || []) {
          TDH.sector(c, x, y, azimuth, [18, 27, 38, 52, 68][Math.min(4, z - 13)], colour, spec.beam);
        }
      }
      TDH.shape(c, spec.shapes[carrier], x, y, 7);
      c.lineWidth = 4; c.strokeStyle = "#fff"; c.stroke();
      c.fillStyle = colour; c.fill();
      c.lineWidth = 1; c.strokeStyle = "#12202c"; c.stroke();
    },
    place: (spec, table, layer) => (c, i, x, y, z) => {
      const { id, glyph } = spec.kinds[table.kind[i]], name = z >= 15 ? layer.name(i) : "";
      if (id === "station") TDH.station(c, x, y, z, name); else TDH.place(c, x, y, z, glyph, true, name);
    },
  },
};
