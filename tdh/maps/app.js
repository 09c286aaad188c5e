/* The page: layers on the map, the table, the panel, and the one state that they share. */
TDH.PLAN_COLOURS = { remaining: "#c8470b", closed: "#0f6cbd", served: "#dbe7ef" };
TDH.KPI_RAMP = [[254, 237, 222], [253, 190, 133], [253, 141, 60], [217, 71, 1], [140, 45, 4]];
TDH.KPI_STEPS = [0, 0.05, 0.15, 0.3];

TDH.countColour = (n, of) => (n === 0 ? TDH.rgb(TDH.PLAN_COLOURS.remaining)
  : n === 1 ? [246, 190, 120] : TDH.mix(TDH.ramps.above, of < 3 ? 0.7 : 0.15 + (0.85 * (n - 2)) / (of - 2)));

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
      shift: 0, opacity: 80, lang: meta.language, q: "", active: "", site: "",
      goal: "", layers: { chosen: true, sectors: true, assets: true, sites: false, places: true, stations: true,
        regions: false, wards: true, gsi: false },
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
    // Words, fonts and the table change the room that is left after this, too.
    new ResizeObserver(() => map.invalidateSize({ animate: false })).observe(box);
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
    await store.loadOffers();
    this.marks();
    this.placeMarks();
    this.speak();
    clock("marks");
    await store.loadDetails();
    for (const part of ["sums", "goals", "kpis", "legend"]) this.panel[part]();
    this.choropleth();
    this.details();
    this.listen();
    clock("details");
    await this.idle();
    await this.idle();
    clock("interactive");
    await store.need(store.meta.carriers.map((_, i) => i), ["before", "after"]);
    await store.needEvidence();
    this.ready = true;
    this.paintPlaces();
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
    if (this.popup && this.map.hasLayer(this.popup)) this.fill();
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
    this.siteVisible();
    this.siteSheet();
    for (const layer of [this.chosenLayer, this.siteLayer]) if (layer) layer.repaint();
    this.paintPlaces();
    if (what === "raster") { this.panel.goals(); this.panel.regions(); if (this.state.layers.regions) this.regionLines(); }
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
    const tiles = await this.throughput(view === "throughput");
    if (view === "evidence") {
      const data = await store.evidence(who, typeof who === "number" ? state.band : "all");
      make = () => ({ data, lut: TDH.evidenceLut(), pool });
    }
    if (token !== this.token) return;
    tiles();
    const swipe = when === "swipe" && make !== null && view !== "change" && view !== "evidence";
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
