/* The page: layers on the map, the table, the panel, and the one state that they share. */
TDH.PLAN_COLOURS = { remaining: "#c8470b", closed: "#0f6cbd", served: "#dbe7ef" };
TDH.KPI_RAMP = [[254, 237, 222], [253, 190, 133], [253, 141, 60], [217, 71, 1], [140, 45, 4]];
TDH.KPI_STEPS = [0, 0.05, 0.15, 0.3];

TDH.countColour = (n, of) => (n === 0 ? TDH.rgb(TDH.PLAN_COLOURS.remaining)
  : n === 1 ? [246, 190, 120] : TDH.mix(TDH.ramps.above, of < 3 ? 0.7 : 0.15 + (0.85 * (n - 2)) / (of - 2)));

TDH.dot = function (context, x, y, score, r) {
  context.beginPath();
  context.arc(x, y, r, 0, 7);
  context.fillStyle = TDH.css(TDH.mix(TDH.ramps.score, score / 100));
  context.fill();
  context.lineWidth = 1.2;
  context.strokeStyle = "#2b2140";
  context.stroke();
};

TDH.wedge = function (context, x, y, azimuth, r, colour) {
  const a = ((azimuth - 90) * Math.PI) / 180;
  context.beginPath();
  context.moveTo(x, y);
  context.arc(x, y, r, a - 0.5, a + 0.5);
  context.closePath();
  context.fillStyle = colour;
  context.globalAlpha = 0.55;
  context.fill();
  context.globalAlpha = 1;
  context.lineWidth = 0.8;
  context.strokeStyle = "#fff";
  context.stroke();
};

TDH.App = class {
  constructor(map) {
    this.map = map;
    this.store = new TDH.Store(TDH.json("tdh-meta"));
    const { meta } = this.store;
    this.state = { view: "gap", who: meta.carriers.length > 1 ? "any" : 0, band: "all", when: "after",
      shift: 0, opacity: 80, lang: meta.language, q: "", active: "",
      layers: { chosen: true, assets: true, sites: false, regions: false, wards: true, gsi: false },
      filter: { kind: "", owner: "", municipality: "", status: "", height: "", score: "" } };
    if (meta.carriers.length > 1) this.state.who = 0;
    this.link = TDH.permalink.read(location.hash, this.state, meta);
    TDH.lang = this.state.lang;
    this.token = 0;
  }

  async start() {
    const { map, store, state } = this;
    document.body.classList.add("tdh");
    const box = map.getContainer();
    box.id = box.id || "map";
    box.parentNode.insertBefore(document.getElementById("tdh-head"), box);
    document.querySelector(".skip").href = `#${box.id}`;
    box.parentNode.insertBefore(document.querySelector(".skip"), document.getElementById("tdh-head"));
    box.parentNode.insertBefore(document.getElementById("tdh-panel"), box);
    box.append(document.getElementById("tdh-over"));
    box.setAttribute("role", "application");
    map.invalidateSize({ animate: false });
    this.base();
    const bounds = L.latLngBounds(store.meta.bounds);
    if (this.link) map.setView([this.link.lat, this.link.lng], this.link.z, { animate: false });
    else map.fitBounds(bounds, { animate: false, paddingTopLeft: [20, 20], paddingBottomRight: [20, 20] });
    this.rasters();
    this.panel = new TDH.Panel(this);
    this.controls();
    const clock = (name) => { this.times[name] = performance.now(); };
    this.times = {};
    clock("start");
    await this.show();
    clock("raster");
    await store.loadAssets();
    this.marks();
    this.speak();
    clock("marks");
    await store.loadDetails();
    this.details();
    this.listen();
    clock("details");
    await this.idle();
    await this.idle();
    clock("interactive");
    await store.need(store.meta.carriers.map((_, i) => i), ["before", "after"]);
    this.ready = true;
    clock("all");
    this.read();
    document.documentElement.dataset.tdh = "ready";
  }

  idle() {
    return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0)));
  }

  say(text, milliseconds) {
    const box = document.getElementById("tdh-say");
    box.textContent = text;
    if (milliseconds) setTimeout(() => { if (box.textContent === text) box.textContent = ""; }, milliseconds);
  }

  /* --- layers ------------------------------------------------------------------------------ */

  base() {
    const { map, store } = this, { meta } = store;
    for (const [name, z] of [["land", 210], ["before", 250], ["after", 251], ["footprint", 300],
      ["lines", 350], ["sites", 410], ["assets", 420], ["chosen", 430], ["wardnames", 500]]) {
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
  }

  regionsShown() {
    const { who } = this.state;
    return this.store.regions.filter((r) => typeof who !== "number" || r.carrier === who);
  }

  latlngs(rings) {
    const [lon, lat] = this.store.meta.assets.origin;
    return rings.map((polygon) => polygon.map((ring) => ring.map(([x, y]) => [lat + y * 1e-5, lon + x * 1e-5])));
  }

  regionLines() {
    this.outlines.clearLayers();
    for (const region of this.regionsShown()) {
      L.polygon(this.latlngs(region.rings), { renderer: this.regionRenderer, pane: "lines", interactive: false,
        color: this.store.meta.carriers[region.carrier].colour, weight: 2.2, dashArray: "5 4", fill: false }).addTo(this.outlines);
    }
  }

  goto(region) {
    const { state, map } = this;
    Object.assign(state, { who: region.carrier, band: "all", view: "gap", when: "after" });
    state.layers.regions = true;
    this.panel.build();
    this.update("raster");
    this.layers();
    map.fitBounds(L.polygon(this.latlngs(region.rings)).getBounds(), { maxZoom: 16, padding: [40, 40], animate: false });
  }

  rasters() {
    const { map, store } = this, cell = store.meta.grid.cell_m;
    const layer = (pane) => new TDH.RasterLayer(store.toCell, cell, { pane, maxZoom: 20 }).addTo(map);
    this.put = (raster, on) => { if (map.hasLayer(raster) !== on) on ? raster.addTo(map) : raster.remove(); };
    this.left = layer("before");
    this.right = layer("after");
    this.print = layer("footprint");
    for (const empty of [this.left, this.print]) empty.remove(); // canvases without content cost frames
    this.swipe = new TDH.Swipe(map, "before", "after");
  }

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
    }, { pane: "chosen", maxZoom: 20, margin: 60 });
    this.sitePoints = null;
  }

  /* Whether what is shown is of one carrier. */
  focused() {
    const { view, who } = this.state;
    return typeof who === "number" && view !== "count" && view !== "none";
  }

  ring(c, x, y, r) {
    c.beginPath(); c.arc(x, y, r, 0, 7);
    c.lineWidth = 3; c.strokeStyle = "#ffb000"; c.stroke();
  }

  async siteMarks() {
    const { store } = this, { sites, assets } = store.meta;
    const table = TDH.columns(sites.layout, await TDH.block("data-sites"), sites.n);
    const lon = Array.from(table.lon, (v) => sites.origin[0] + v * 1e-6);
    const lat = Array.from(table.lat, (v) => sites.origin[1] + v * 1e-6);
    this.sitePoints = new TDH.Points(lon, lat);
    this.siteTable = table;
    this.siteLayer = new TDH.PointLayer(this.sitePoints, (c, i, x, y, z) => {
      const carrier = store.meta.carriers[table.carrier[i]], azimuth = table.azimuth[i];
      if (this.focused() && this.state.who !== table.carrier[i]) return;
      if (z < 13) {
        c.fillStyle = carrier.colour; c.globalAlpha = 0.8; c.fillRect(x - 1.5, y - 1.5, 3, 3); c.globalAlpha = 1;
      } else if (azimuth === 65535) {
        c.beginPath(); c.arc(x, y, 4, 0, 7); c.fillStyle = carrier.colour; c.globalAlpha = 0.7; c.fill(); c.globalAlpha = 1;
      } else TDH.wedge(c, x, y, azimuth / 10, z >= 15 ? 20 : 13, carrier.colour);
    }, { pane: "sites", maxZoom: 20 });
  }

  controls() {
    const { map } = this;
    L.control.scale({ imperial: false, position: "bottomleft", maxWidth: 160 }).addTo(map);
    this.measure = new TDH.Measure(map, (text) => this.say(text));
    this.boxes = new TDH.BoxSelect(map, (bounds) => this.pick(bounds), (text) => this.say(text));
    const north = L.control({ position: "bottomleft" });
    north.onAdd = () => {
      const NS = "http://www.w3.org/2000/svg", box = TDH.element("div", { class: "north", role: "img", "data-t-label": "north_arrow" });
      const svg = document.createElementNS(NS, "svg");
      svg.setAttribute("width", "18"); svg.setAttribute("height", "22"); svg.setAttribute("viewBox", "0 0 18 22");
      const path = document.createElementNS(NS, "path");
      path.setAttribute("d", "M9 0L17 21L9 16L1 21Z");
      svg.append(path);
      box.append(svg, TDH.element("div", { "data-t": "north" }));
      return box;
    };
    north.addTo(map);
    const tools = L.control({ position: "topleft" });
    const button = (mark, word, act) => TDH.element("button", { type: "button", "data-t-label": word,
      onclick: (e) => { const on = act(); if (on !== undefined) e.currentTarget.setAttribute("aria-pressed", String(on)); } }, mark);
    tools.onAdd = () => {
      const box = TDH.element("div", { class: "leaflet-bar tdh-tools" },
        button(TDH.icon("M2 6V2H6M10 2H14V6M14 10V14H10M6 14H2V10"), "zoom_area", () => { map.fitBounds(this.store.meta.bounds); }),
        button(TDH.icon("M1.5 11.5L11.5 1.5L14.5 4.5L4.5 14.5ZM4 9L5.6 10.6M6.3 6.7L8.6 9M8.6 4.4L10.2 6"), "measure", () => this.measure.toggle()),
        button(TDH.icon("M2 2H4M6 2H8M10 2H12M2 4V6M2 8V10M12 4V5M4 12H2V11M8 8L14.5 10.5L11.5 11.5L10.5 14.5Z"), "select_box", () => this.boxes.toggle()));
      L.DomEvent.disableClickPropagation(box);
      return box;
    };
    tools.addTo(map);
    map.attributionControl.setPrefix("Leaflet");
    map.attributionControl.getContainer().tabIndex = 0; // it opens when focused
    for (const text of this.store.meta.attributions) {
      // The control writes HTML: the text goes through a text node first.
      const safe = TDH.element("span", {}, text);
      map.attributionControl.addAttribution(safe.innerHTML);
    }
    window.addEventListener("keydown", (e) => {
      if (e.key !== "Escape") return;
      if (!this.measure.active && !this.boxes.active) map.closePopup();
      if (this.measure.active) this.measure.toggle();
      if (this.boxes.active) this.boxes.toggle(false);
      for (const b of document.querySelectorAll(".tdh-tools [aria-pressed]")) b.setAttribute("aria-pressed", "false");
    }, true); // before the map, which keeps the key to itself
  }

  /* --- what is shown ----------------------------------------------------------------------- */

  speak() {
    TDH.lang = this.state.lang;
    document.documentElement.lang = this.state.lang;
    TDH.translate(document);
    this.map.getContainer().setAttribute("aria-label", `${this.store.meta.name}. ${TDH.t("keys")}`);
    this.panel.build();
    this.panel.legend();
    if (this.table) this.filter();
    this.read();
    if (this.opened !== undefined && this.map.hasLayer(this.popup)) this.popup.setContent(TDH.assetDetails(this.store, this.opened));
    this.layers();
    this.remember();
  }

  update(what) {
    if (what === "opacity") { this.opacity(); this.remember(); return; }
    if (what === "filter") { this.filter(); this.remember(); return; }
    if (what === "layers") { this.layers(); this.panel.legend(); this.remember(); return; }
    this.panel.said();
    this.panel.legend();
    this.show();
    this.read();
    for (const layer of [this.chosenLayer, this.siteLayer]) if (layer) layer.repaint();
    if (what === "raster") { this.panel.regions(); if (this.state.layers.regions) this.regionLines(); }
    this.remember();
  }

  opacity() {
    for (const pane of ["before", "after"]) this.map.getPane(pane).style.opacity = this.state.opacity / 100;
  }

  /* Decode what the view needs, then draw it; a later call overtakes an earlier one. */
  async show() {
    const { state, store } = this, token = ++this.token, { rows, cols } = store.meta.grid;
    const { view, when, shift } = state;
    let who = state.who, pool = "min", lut = new Uint32Array(256), make = null;
    const times = view === "change" ? ["before", "after"] : when === "swipe" ? ["before", "after"] : [when];
    const carriers = view === "count" ? store.carriersOf("any") : store.carriersOf(who);
    if (view === "gap") {
      await store.need(carriers, ["before", "after"]);
      const plan = TDH.PLAN_COLOURS, classes = () => store.classes(who, shift);
      lut[1] = TDH.abgr(TDH.rgb(plan.served), 200);
      lut[2] = TDH.abgr(TDH.rgb(plan.closed), 255);
      lut[3] = TDH.abgr(TDH.rgb(plan.remaining), 255);
      const before = lut.slice();
      before[2] = before[3];
      make = (w) => ({ data: classes(), lut: w === "before" ? before : lut, pool: "max" });
    } else if (view === "signal") {
      await store.need(carriers, times);
      const band = typeof who === "number" && state.band !== "all"
        ? store.meta.carriers[who].bands.find((b) => b.id === state.band) : null;
      lut = TDH.divergingLut(band ? store.code(band.covered + shift) : 128 + 2 * shift, 30);
      make = (w) => ({ data: band ? store.codes(who, band.id, w) : store.margin(who, w), lut, pool });
    } else if (view === "count") {
      await store.need(carriers, times);
      const n = store.meta.carriers.length;
      for (let i = 0; i <= n; i++) lut[1 + i] = TDH.abgr(TDH.countColour(i, n), 255);
      make = (w) => ({ data: store.count(w, shift), lut, pool });
    } else if (view === "change") {
      await store.need(carriers, times);
      lut[2] = TDH.abgr([15, 108, 189], 255);
      for (let q = 3; q < 256; q++) lut[q] = TDH.abgr(TDH.mix(TDH.ramps.score, (q - 3) / 60), 255);
      const of = (w) => (typeof who === "number" && state.band !== "all" ? store.codes(who, state.band, w) : store.margin(who, w));
      make = () => ({ data: store.change(of("before"), of("after")), lut, pool: "max" });
    }
    if (token !== this.token) return;
    const swipe = when === "swipe" && make !== null && view !== "change";
    const put = (layer, w) => {
      this.put(layer, make !== null);
      if (!make) { layer.show(null); return; }
      const made = make(w), key = made.data;
      let pyramid = this.pyramids && this.pyramids.get(key);
      if (!pyramid || pyramid.pool !== made.pool) {
        pyramid = new TDH.Pyramid(made.data, rows, cols, made.pool);
        this.pyramids = this.pyramids || new WeakMap();
        this.pyramids.set(key, pyramid);
      }
      layer.show(pyramid, made.lut);
    };
    put(this.right, when === "before" ? "before" : "after");
    if (swipe) put(this.left, "before"); else { this.left.show(null); this.put(this.left, false); }
    this.swipe.toggle(swipe);
    this.choropleth();
    this.opacity();
  }

  choropleth() {
    const { state, store } = this, w = state.when === "before" ? "before" : "after";
    store.meta.municipalities.forEach((m, i) => {
      let colour = "#f4f1ea";
      if (state.view === "kpi") {
        const c = typeof state.who === "number" ? [state.who] : store.carriersOf("any");
        const people = c.reduce((a, k) => a + m.people[k], 0), gap = c.reduce((a, k) => a + m[w][k], 0);
        const x = people > 0 ? gap / people : 0, step = TDH.KPI_STEPS.filter((s) => x >= s).length - 1;
        colour = TDH.css(TDH.mix(TDH.KPI_RAMP, step * 0.25));
      }
      this.wards[i].setStyle({ fillColor: colour });
    });
  }

  async layers() {
    const { map, state } = this;
    const set = (layer, on) => { if (layer && map.hasLayer(layer) !== on) on ? layer.addTo(map) : layer.remove(); };
    set(this.names, state.layers.wards);
    set(this.assetLayer, state.layers.assets);
    set(this.chosenLayer, state.layers.chosen);
    set(this.outlines, state.layers.regions);
    if (state.layers.regions) this.regionLines();
    set(this.gsi, state.layers.gsi);
    map.getPane("land").style.opacity = state.layers.gsi ? 0.15 : 1;
    if (state.layers.sites && !this.siteLayer) await this.siteMarks();
    set(this.siteLayer, state.layers.sites);
  }

  /* --- assets ------------------------------------------------------------------------------ */

  details() {
    const { store } = this, t = TDH.t, { meta } = store;
    const column = (key, kind, value, text, title) => ({ key, kind, value, text, title: title || (() => t(key)) });
    const sums = meta.carriers.map((_, c) => store.numbers[`people${c}`]);
    const people = (i) => sums.reduce((a, s) => Math.max(a, s[i]), 0);
    this.table = new TDH.Table(document.getElementById("tdh-assets-sheet"), {
      columns: [
        column("selected", "pick", null, (i, on) => (on ? "☑" : "☐"), () => "✓"),
        column("name", "", (i) => store.names.at(i), (i) => store.names.at(i) || store.ids.at(i)),
        column("kind", "", (i) => store.label("kinds", store.assets.kind[i]), (i) => store.label("kinds", store.assets.kind[i])),
        column("owner", "", (i) => meta.owners[store.assets.owner[i]], (i) => meta.owners[store.assets.owner[i]]),
        column("municipality", "", (i) => store.assets.municipality[i],
          (i) => (meta.municipalities[store.assets.municipality[i]] || { name: "" }).name),
        column("height", "num", (i) => store.height(i), (i) => (store.height(i) === null ? "–" : TDH.number(store.height(i), 1))),
        column("score", "num", (i) => store.best(i), (i) => TDH.number(store.best(i), 1)),
        column("people", "num", people, (i) => TDH.number(people(i), 0)),
        column("chosen_for", "", (i) => store.carriersChosen(i).length, (i) => {
          const cell = TDH.element("span", {});
          const rows = store.carriersChosen(i);
          for (const row of rows) {
            const { name } = meta.carriers[row.carrier];
            const chip = TDH.chip(meta.carriers[row.carrier], rows.length > 1 ? "" : name);
            if (rows.length > 1) { chip.setAttribute("role", "img"); chip.setAttribute("aria-label", name); chip.title = name; }
            cell.append(chip);
          }
          if (rows.length > 1) cell.append(` ${t("carriers_n", { n: rows.length })}`);
          return cell;
        }),
      ],
      onOpen: (i) => this.open(i, true),
      onSelect: () => this.counted(),
    });
    TDH.translate(document.getElementById("tdh-assets-sheet"));
    const $ = (id) => document.getElementById(`tdh-${id}`);
    $("csv").addEventListener("click", () => this.csv(Array.from(this.table.rows)));
    $("csv-sel").addEventListener("click", () => this.csv(Array.from(this.table.rows).filter((i) => this.table.selected.has(i))
      .concat(Array.from(this.table.selected).filter((i) => !store.points.visible[i]))));
    $("clear").addEventListener("click", () => { this.table.selected.clear(); this.counted(); this.table.draw(); });
    this.filter();
    this.panel.regions();
    if (this.state.layers.regions) this.regionLines();
    if (this.state.active) {
      const i = store.ids.indexOf(this.state.active);
      if (i >= 0) this.open(i, false);
    }
  }

  filter() {
    if (!this.table) return;
    const { state, store } = this, { filter } = state, { visible } = store.points, a = store.assets;
    const words = state.q.trim().toLowerCase().normalize("NFKC").split(/\s+/).filter(Boolean);
    const kind = filter.kind === "" ? -1 : Number(filter.kind), owner = filter.owner === "" ? -1 : Number(filter.owner);
    const place = filter.municipality === "" ? -1 : Number(filter.municipality);
    const high = filter.height === "" ? -1 : Number(filter.height) * 10, least = Number(filter.score || 0);
    if (words.length && !this.folded) {
      // Folded one block at a time: folding changes lengths, so each text keeps its own place.
      const all = Array.from({ length: store.points.n }, (_, i) => `${store.names.at(i)} ${store.addresses.at(i)} ${store.ids.at(i)}`
        .normalize("NFKC").toLowerCase());
      this.folded = new TDH.Texts(all.join("\x1f"), all.length);
    }
    const rows = [];
    for (let i = 0; i < store.points.n; i++) {
      const chosen = store.chosen.has(i);
      const ok = (kind < 0 || a.kind[i] === kind) && (owner < 0 || a.owner[i] === owner)
        && (place < 0 || a.municipality[i] === place) && (high < 0 || (a.height[i] !== 65535 && a.height[i] >= high))
        && store.best(i) >= least && (filter.status !== "chosen" || chosen) && (filter.status !== "other" || !chosen)
        && (!words.length || words.every((w) => this.folded.at(i).includes(w)));
      visible[i] = ok ? 1 : 0;
      if (ok) rows.push(i);
    }
    store.points.changed();
    this.chosenIndex.forEach((i, k) => { this.chosenPoints.visible[k] = visible[i]; });
    this.assetLayer.repaint();
    this.chosenLayer.repaint();
    this.table.show(rows);
    this.counted();
  }

  counted() {
    const $ = (id) => document.getElementById(`tdh-${id}`), n = this.table.rows.length, m = this.store.points.n;
    const picked = this.table.selected.size;
    $("count").textContent = (n === m ? TDH.t("rows", { n: TDH.number(n) })
      : TDH.t("of_rows", { n: TDH.number(n), m: TDH.number(m) }))
      + (picked ? ` – ${TDH.t("selected_rows", { n: TDH.number(picked) })}` : "");
    $("clear").disabled = $("csv-sel").disabled = !picked;
  }

  pick(bounds) {
    const { store } = this, merc = TDH.mercator;
    store.points.each(merc.x(bounds.getWest()), merc.y(bounds.getNorth()), merc.x(bounds.getEast()),
      merc.y(bounds.getSouth()), (i) => this.table.selected.add(i));
    for (const b of document.querySelectorAll(".tdh-tools [aria-pressed]")) b.setAttribute("aria-pressed", "false");
    this.counted();
    this.table.draw();
  }

  csv(rows) {
    const { store } = this, { meta } = store, t = TDH.t;
    const head = ["asset_id", t("name"), t("kind_label"), t("owner_u"), t("municipality"), t("address"), "latitude", "longitude",
      t("height"), t("score"), ...meta.carriers.flatMap((c) => [`${c.name} ${t("people")}`, `${c.name} ${t("status")}`]), t("synthetic")];
    const lines = rows.map((i) => [store.ids.at(i), store.names.at(i), store.label("kinds", store.assets.kind[i]),
      meta.owners[store.assets.owner[i]], (meta.municipalities[store.assets.municipality[i]] || { name: "" }).name,
      store.addresses.at(i), store.lat[i].toFixed(6), store.lon[i].toFixed(6), store.height(i), store.best(i),
      ...meta.carriers.flatMap((_, c) => [store.numbers[`people${c}`][i],
        store.carriersChosen(i).some((row) => row.carrier === c) ? 1 : 0]), store.assets.synthetic[i]]);
    TDH.download("tdh-assets.csv", TDH.csv([head, ...lines]), "text/csv;charset=utf-8");
  }

  async open(i, go) {
    const { map, store, state } = this, at = L.latLng(store.lat[i], store.lon[i]);
    if (go && (map.getZoom() < 14 || !map.getBounds().contains(at))) map.setView(at, Math.max(15, map.getZoom()), { animate: false });
    this.opened = i;
    state.active = store.ids.at(i);
    this.popup = this.popup || L.popup({ maxWidth: 410, minWidth: 380, autoPanPaddingTopLeft: [60, 20], autoPanPaddingBottomRight: [290, 20] });
    this.popup.setLatLng(at).setContent(TDH.assetDetails(store, i)).openOn(map);
    TDH.partsInto(store, i, this.popup.getContent());
    const close = this.popup.getElement().querySelector(".leaflet-popup-close-button");
    if (close) close.setAttribute("aria-label", TDH.t("close"));
    await this.footprint(i);
    this.chosenLayer.repaint();
    this.remember();
  }

  async footprint(i) {
    const { store } = this, rows = store.carriersChosen(i).filter((row) => row.footprint);
    this.put(this.print, rows.length > 0);
    if (!rows.length) { this.print.show(null); return; }
    this.prints = this.prints || await TDH.block("data-footprints");
    const pick = typeof this.state.who === "number" ? rows.find((r) => r.carrier === this.state.who) || rows[0] : rows[0];
    const [at, row, col, h, w] = pick.footprint, data = new Uint8Array(h * w);
    for (let k = 0; k < h * w; k++) data[k] = (this.prints[at + (k >> 3)] >> (k & 7)) & 1;
    const lut = new Uint32Array(256);
    lut[1] = TDH.abgr(TDH.rgb("#ffb000"), 165);
    this.print.show(new TDH.Pyramid(data, h, w, "max"), lut, [row, col]);
  }

  hit(latlng, pixels) {
    const { store, map, state } = this, reach = pixels / (256 * 2 ** map.getZoom());
    const x = TDH.mercator.x(latlng.lng), y = TDH.mercator.y(latlng.lat);
    if (state.layers.chosen) {
      const k = this.chosenPoints.nearest(x, y, reach * 1.4);
      if (k >= 0) return this.chosenIndex[k];
    }
    return state.layers.assets && (map.getZoom() >= 14 || !this.crowded(x, y)) ? store.points.nearest(x, y, reach) : -1;
  }

  crowded(x, y) {
    const z = this.map.getZoom(), bins = this.store.points.bins(z, TDH.BIN), s = (256 * 2 ** z) / TDH.BIN;
    const r = Math.floor(y * s) - bins.r0, c = Math.floor(x * s) - bins.c0;
    return r >= 0 && c >= 0 && r < bins.rows && c < bins.cols && bins.count[r * bins.cols + c] > TDH.FEW;
  }

  /* --- reading and listening --------------------------------------------------------------- */

  read(latlng) {
    const { store, map } = this, el = TDH.element, t = TDH.t, where = latlng || map.getCenter();
    const at = store.cellAt(where.lat, where.lng), box = document.getElementById("tdh-readout");
    box.replaceChildren(el("h2", {}, el("span", {}, latlng ? t("under") : t("centre")), el("span", {}, "dBm")),
      el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t("who")),
        el("th", { scope: "col" }, t("band")), el("th", { scope: "col" }, t("before")), el("th", { scope: "col" }, t("after")))),
      TDH.readout(store, at, this.state.shift)),
      el("p", {}, `${where.lat.toFixed(5)}, ${where.lng.toFixed(5)}`));
  }

  listen() {
    const { map } = this;
    let last = null, waiting = false;
    map.on("mousemove", (e) => {
      last = e.latlng;
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        if (!last || (map.dragging && map.dragging.moving())) return;
        this.read(last);
        map.getContainer().classList.toggle("pointing", this.hit(last, 9) >= 0);
      });
    });
    map.on("mouseout", () => { last = null; this.read(); });
    map.on("moveend", () => { if (!last) this.read(); this.remember(); });
    map.on("swiped", () => this.remember());
    map.on("click", (e) => {
      if (this.measure.active || this.boxes.active) return;
      const i = this.hit(e.latlng, 12);
      if (i >= 0) this.open(i, false);
      else if (this.state.layers.assets && map.getZoom() < 16
        && this.crowded(TDH.mercator.x(e.latlng.lng), TDH.mercator.y(e.latlng.lat))) map.setView(e.latlng, map.getZoom() + 2);
    });
    // While a zoom is under way the marks of the old scale would be drawn many times too large.
    const marks = ["sites", "assets", "chosen"].map((name) => map.getPane(name));
    map.on("zoomstart", () => { for (const pane of marks) pane.style.visibility = "hidden"; });
    map.on("zoomend", () => { for (const pane of marks) pane.style.visibility = ""; });
    map.on("popupclose", () => { this.state.active = ""; this.print.show(null); this.put(this.print, false); this.chosenLayer.repaint(); this.remember(); });
    window.addEventListener("hashchange", () => {
      if (location.hash === this.hash) return;
      const link = TDH.permalink.read(location.hash, this.state, this.store.meta);
      if (link) map.setView([link.lat, link.lng], link.z, { animate: false });
      this.speak();
      this.opacity();
      this.show();
    });
    window.addEventListener("beforeprint", () => map.invalidateSize({ animate: false }));
    window.addEventListener("afterprint", () => map.invalidateSize({ animate: false }));
  }

  remember() {
    clearTimeout(this.later);
    const write = () => {
      this.hash = TDH.permalink.write(this.state, this.map);
      try { history.replaceState(null, "", this.hash); } catch { /* a frame without an address */ }
    };
    this.later = setTimeout(write, 150);
  }
};

TDH.start = function (map) {
  TDH.app = new TDH.App(map);
  TDH.app.start();
  return TDH.app;
};
