/* The mark of an estimated site: an empty ring, dashed where there is room. */
TDH.guessed = function (context, x, y, r, colour) {
  context.beginPath();
  context.arc(x, y, r, 0, 7);
  context.fillStyle = "rgba(255, 255, 255, .8)";
  context.fill();
  context.setLineDash(r > 3 ? [2.5, 2] : []);
  context.lineWidth = 1.5;
  context.strokeStyle = colour;
  context.stroke();
  context.setLineDash([]);
};

/* What lies on the map: base, outlines, rasters, marks of assets and sites. Part of the application. */
Object.assign(TDH.App.prototype, {
  base() {
    const { map, store } = this, { meta } = store;
    for (const [name, z] of [["land", 210], ["before", 250], ["after", 251], ["footprint", 300],
      ["lines", 350], ["stations", 400], ["places", 405], ["sites", 410], ["assets", 420], ["chosen", 430],
      ["path", 440], ["wardnames", 500]]) {
      map.createPane(name).style.zIndex = z;
      map.getPane(name).style.pointerEvents = "none";
    }
    const land = L.canvas({ pane: "land", padding: 0.3 }), lines = L.canvas({ pane: "lines", padding: 0.3 });
    this.wards = meta.municipalities.map((m) => {
      const rings = m.rings.map((polygon) => polygon.map((ring) => ring.map(([x, y]) =>
        [meta.assets.origin[1] + y * 1e-5, meta.assets.origin[0] + x * 1e-5])));
      const fill = L.polygon(rings, { renderer: land, pane: "land", stroke: false, fillColor: "#f4f1ea",
        fillOpacity: 1, interactive: false }).addTo(map);
      L.polygon(rings, { renderer: lines, pane: "lines", fill: false, color: "#48535e", weight: 1.1,
        opacity: 0.85, interactive: false }).addTo(map);
      return fill;
    });
    this.outlines = L.layerGroup();
    this.regionRenderer = lines;
    this.names = L.layerGroup(meta.municipalities.map((m) => {
      const text = TDH.element("span", {}, m.name);
      return L.tooltip({ permanent: true, direction: "center", className: "ward", pane: "wardnames",
        interactive: false }).setLatLng([meta.assets.origin[1] + m.label[1] * 1e-5,
        meta.assets.origin[0] + m.label[0] * 1e-5]).setContent(text);
    }));
    if (meta.gsi) {
      this.gsi = L.tileLayer(meta.gsi.url, { attribution: meta.gsi.name, maxNativeZoom: 18, maxZoom: 20, zIndex: 1 });
    }
  },

  latlngs(rings) {
    const [lon, lat] = this.store.meta.assets.origin;
    return rings.map((polygon) => polygon.map((ring) => ring.map(([x, y]) => [lat + y * 1e-5, lon + x * 1e-5])));
  },

  rasters() {
    const { map, store } = this, cell = store.meta.grid.cell_m;
    const layer = (pane) => new TDH.RasterLayer(store.toCell, cell, { pane, maxZoom: 20 }).addTo(map);
    this.put = (raster, on) => { if (map.hasLayer(raster) !== on) on ? raster.addTo(map) : raster.remove(); };
    this.left = layer("before");
    this.right = layer("after");
    this.print = layer("footprint");
    for (const empty of [this.left, this.print]) empty.remove(); // canvases without content cost frames
    this.swipe = new TDH.Swipe(map, "before", "after");
  },

  marks() {
    const { map, store, state } = this, { meta } = store;
    const draw = (c, i, x, y, z) => {
      if (!store.chosen.has(i)) TDH.dot(c, x, y, store.best(i), z >= 15 ? 5 : 3.5);
    };
    this.assetLayer = new TDH.PointLayer(store.points, draw, { pane: "assets", bubbles: true, maxZoom: 20 });
    const chosen = Array.from(store.chosen.keys());
    this.chosenPoints = new TDH.Points(chosen.map((i) => store.lon[i]), chosen.map((i) => store.lat[i]));
    this.chosenIndex = chosen;
    this.chosenLayer = new TDH.PointLayer(this.chosenPoints, (c, k, x, y, z) => {
      const rows = store.carriersChosen(chosen[k]), r = z >= 13 ? 8 : 6, n = rows.length;
      this.directions(c, rows, x, y, z);
      rows.forEach((row, j) => {
        const carrier = meta.carriers[row.carrier], u = x + (j - (n - 1) / 2) * r * 1.7;
        // Where one carrier is looked at, the others' sites step back.
        c.globalAlpha = this.focused() && row.carrier !== state.who ? 0.35 : 1;
        TDH.shape(c, carrier.shape, u, y, r);
        if (c.globalAlpha < 1) { c.fillStyle = carrier.colour; c.fill(); return; }
        c.lineWidth = 4; c.strokeStyle = "#fff"; c.stroke();
        c.fillStyle = carrier.colour; c.fill();
        c.lineWidth = 1; c.strokeStyle = "#12202c"; c.stroke();
      });
      c.globalAlpha = 1;
      if (state.active && store.ids && store.ids.at(chosen[k]) === state.active) this.ring(c, x, y, 7 + r * n);
    }, { pane: "chosen", maxZoom: 20, margin: 80 });
    this.sitePoints = null;
  },

  /* The sectors of an asset's offers, the first carrier's widest; far out they would hide the map. */
  directions(c, rows, x, y, z) {
    if (z < 13 || !this.state.layers.sectors) return;
    const { store, state } = this, reach = [18, 27, 38, 52, 68][Math.min(4, z - 13)];
    rows.forEach((row, j) => {
      if (this.focused() && row.carrier !== state.who) return;
      const r = reach * (this.focused() ? 1 : 1 - 0.22 * Math.min(3, j)), { colour } = store.meta.carriers[row.carrier];
      for (const azimuth of store.directions(row.index)) TDH.sector(c, x, y, azimuth, r, colour, store.meta.antennas.beam);
    });
  },

  /* Priority places, and stations as a base that needs no network. */
  placeMarks() {
    const { store } = this, { places } = store, kinds = store.meta.places ? store.meta.places.kinds : [];
    this.placeSets = [];
    if (!places) return;
    for (const name of ["stations", "places"]) {
      const index = Array.from(places.kind.keys()).filter((k) => (kinds[places.kind[k]].id === "station") === (name === "stations"));
      if (!index.length) continue;
      const points = new TDH.Points(index.map((k) => places.lon[k]), index.map((k) => places.lat[k]));
      const cells = index.map((k) => store.cellAt(places.lat[k], places.lon[k]));
      const layer = new TDH.PointLayer(points, (c, j, x, y, z) => {
        const id = kinds[places.kind[index[j]]].id;
        if (name === "stations") TDH.station(c, x, y, z, z >= 15 ? places.names.at(index[j]) : "");
        else TDH.place(c, x, y, z, TDH.GLYPHS[id][TDH.lang], this.placeState(cells[j]), z >= 16 ? places.names.at(index[j]) : "");
      }, { pane: name, maxZoom: 20, margin: 150 });
      this.placeSets.push({ name, index, points, layer });
    }
  },

  /* Whether a cell is served for whom the map shows: true, false, or null where it is not known yet. */
  placeState(cell) {
    const { store, state } = this, { who } = state;
    const n = cell < 0 ? undefined : store.carriersAt(cell, store.carriersOf(who), state.when === "before" ? "before" : "after", state.shift);
    return n === undefined ? null : n >= (who === "two" ? 2 : 1);
  },

  paintPlaces() { for (const { layer } of this.placeSets || []) layer.repaint(); },

  /* Whether what is shown is of one carrier. */
  focused() {
    const { view, who } = this.state;
    return typeof who === "number" && view !== "count" && view !== "none";
  },

  ring(c, x, y, r) {
    c.beginPath(); c.arc(x, y, r, 0, 7);
    c.lineWidth = 3; c.strokeStyle = "#ffb000"; c.stroke();
  },

  async siteMarks() {
    const { store } = this, { sites } = store.meta;
    const table = TDH.columns(sites.layout, await TDH.block("data-sites"), sites.n);
    const lon = Array.from(table.lon, (v) => sites.origin[0] + v * 1e-6);
    const lat = Array.from(table.lat, (v) => sites.origin[1] + v * 1e-6);
    this.sitePoints = new TDH.Points(lon, lat);
    this.siteTable = table;
    this.siteLayer = new TDH.PointLayer(this.sitePoints, (c, i, x, y, z) => {
      const carrier = store.meta.carriers[table.carrier[i]], azimuth = table.azimuth[i];
      if (table.busy[i]) TDH.busyRing(c, x, y, z < 13 ? 3.5 : 6.5);
      if (table.estimated[i]) TDH.guessed(c, x, y, z < 13 ? 2 : z < 15 ? 4 : 6, carrier.colour);
      else if (z < 13) {
        c.fillStyle = carrier.colour; c.globalAlpha = 0.8; c.fillRect(x - 1.5, y - 1.5, 3, 3); c.globalAlpha = 1;
      } else if (azimuth === 65535) {
        c.beginPath(); c.arc(x, y, 4, 0, 7); c.fillStyle = carrier.colour; c.globalAlpha = 0.7; c.fill(); c.globalAlpha = 1;
      } else TDH.wedge(c, x, y, azimuth / 10, z >= 15 ? 20 : 13, carrier.colour);
    }, { pane: "sites", maxZoom: 20 });
    this.siteVisible();
  },

  choropleth() {
    const { state, store } = this, w = state.when === "before" ? "before" : "after";
    store.meta.municipalities.forEach((m, i) => {
      let colour = "#f4f1ea";
      if (state.view === "kpi") {
        const goal = this.panel.goal();
        if (goal) {
          const found = store.goalsOf(i).find((g) => g.kpi === goal.kpi && g.who === goal.who);
          this.wards[i].setStyle({ fillColor: this.panel.goalColour(goal, found ? found[w] : null) });
          return;
        }
        const c = typeof state.who === "number" ? [state.who] : store.carriersOf("any");
        const people = c.reduce((a, k) => a + m.people[k], 0), gap = c.reduce((a, k) => a + m[w][k], 0);
        const x = people > 0 ? gap / people : 0, step = TDH.KPI_STEPS.filter((s) => x >= s).length - 1;
        colour = TDH.css(TDH.mix(TDH.KPI_RAMP, step * 0.25));
      }
      this.wards[i].setStyle({ fillColor: colour });
    });
  },

  async layers() {
    const { map, state } = this;
    const set = (layer, on) => { if (layer && map.hasLayer(layer) !== on) on ? layer.addTo(map) : layer.remove(); };
    set(this.names, state.layers.wards);
    set(this.assetLayer, state.layers.assets);
    set(this.chosenLayer, state.layers.chosen);
    set(this.outlines, state.layers.regions);
    if (state.layers.regions) this.regionLines();
    for (const { name, layer } of this.placeSets || []) set(layer, state.layers[name]);
    if (this.chosenLayer && this.sectorsDrawn !== state.layers.sectors) {
      this.sectorsDrawn = state.layers.sectors;
      this.chosenLayer.repaint();
    }
    set(this.gsi, state.layers.gsi);
    map.getPane("land").style.opacity = state.layers.gsi ? 0.15 : 1;
    if (state.layers.sites && !this.siteLayer) await this.siteMarks();
    set(this.siteLayer, state.layers.sites);
  },
});
