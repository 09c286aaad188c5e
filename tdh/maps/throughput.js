/* Throughput as it was measured, tile by tile, of all carriers together. Part of the application. */
Object.assign(TDH.Store.prototype, {
  /* Columns of the tiles, large ones first. */
  async loadThroughput() {
    const spec = this.meta.throughput;
    if (spec && !this.tiles) this.tiles = TDH.columns(spec.layout, await TDH.block("data-throughput"), spec.n);
    return this.tiles;
  },

  /* Class of a download in Mbit/s: the last one that begins at or below it. */
  speedClass(mbps) {
    let k = 0;
    this.meta.throughput.classes.forEach((c, i) => { if (mbps >= c.low) k = i; });
    return k;
  },

  /* The smallest tile that holds a point, or -1. */
  tileAt(lat, lng) {
    const { tiles } = this, x = TDH.mercator.x(lng), y = TDH.mercator.y(lat);
    for (let i = tiles ? tiles.zoom.length - 1 : -1; i >= 0; i--) {
      const n = 2 ** tiles.zoom[i];
      if (Math.floor(x * n) === tiles.x[i] && Math.floor(y * n) === tiles.y[i]) return i;
    }
    return -1;
  },

  quadkey(i) {
    let key = "";
    for (let bit = this.tiles.zoom[i] - 1; bit >= 0; bit--) key += ((this.tiles.x[i] >>> bit) & 1) + 2 * ((this.tiles.y[i] >>> bit) & 1);
    return key;
  },
});

/* Colours of classes: orange below the scenario's threshold, blue from it on. */
TDH.speedColours = function ({ classes, least }) {
  const slow = classes.filter((c) => c.low < least).length, fast = classes.length - slow;
  return classes.map((c, k) => (k < slow ? TDH.mix(TDH.ramps.below, slow > 1 ? 0.4 + (0.5 * k) / (slow - 1) : 0.65)
    : TDH.mix(TDH.ramps.above, fast > 1 ? 0.15 + (0.7 * (k - slow)) / (fast - 1) : 0.5)));
};

TDH.TileLayer = L.GridLayer.extend({
  options: { keepBuffer: 1, updateWhenIdle: false, updateWhenZooming: false },

  initialize(tiles, colour, options) {
    L.setOptions(this, options);
    this._measured = tiles;
    this._colour = colour;
  },

  createTile({ x, y, z }) {
    const canvas = document.createElement("canvas"), context = canvas.getContext("2d"), m = this._measured;
    canvas.width = canvas.height = 256;
    canvas.setAttribute("aria-hidden", "true");
    for (let i = 0; i < m.zoom.length; i++) {
      const side = 256 * 2 ** (z - m.zoom[i]), left = m.x[i] * side - x * 256, top = m.y[i] * side - y * 256;
      if (left >= 256 || top >= 256 || left + side <= 0 || top + side <= 0) continue;
      context.fillStyle = this._colour(i);
      context.fillRect(left, top, side, side);
      if (side < 8) continue;
      // Each tile is one measurement: a seam says that nothing is known to be finer.
      context.strokeStyle = "rgba(255,255,255,.75)";
      context.strokeRect(left, top, side, side);
    }
    return canvas;
  },
});

Object.assign(TDH.App.prototype, {
  async throughput(on) {
    const { map, store } = this, { meta } = store;
    if (on && !this.tileLayer) {
      const tiles = await store.loadThroughput(), colours = TDH.speedColours(meta.throughput).map(TDH.css);
      this.tileLayer = new TDH.TileLayer(tiles, (i) => colours[store.speedClass(tiles.down[i] / 100)], { pane: "after", maxZoom: 20 });
    }
    return () => { if (this.tileLayer && map.hasLayer(this.tileLayer) !== on) on ? this.tileLayer.addTo(map) : this.tileLayer.remove(); };
  },

  /* What was measured at a point, for the box that follows the cursor; nothing in other views. */
  tileLine(where) {
    if (this.state.view !== "throughput") return "";
    const { store } = this, { tiles } = store, n = TDH.number, i = store.tileAt(where.lat, where.lng);
    const box = TDH.element("p", { class: "measured" });
    if (i < 0) box.append(TDH.t("not_measured_here"));
    else {
      box.append(TDH.element("strong", {}, TDH.t("tile_speed", { d: n(tiles.down[i] / 100, 1), u: n(tiles.up[i] / 100, 1) })),
        ` ${TDH.t("tile_more", { l: n(tiles.latency[i] / 10), n: n(tiles.tests[i]), k: store.quadkey(i) })}`);
    }
    return box;
  },
});

Object.assign(TDH.Panel.prototype, {
  /* The legend of measured throughput: a line a class, with its people. */
  speedKeys(key) {
    const { throughput: spec } = this.app.store.meta, el = TDH.element, t = TDH.t, n = TDH.number, { classes } = spec;
    const colours = TDH.speedColours(spec).map(TDH.css), people = (c) => t("people_unit", { n: n(c.people) });
    classes.forEach((c, k) => {
      const next = classes[k + 1], range = !k && next ? t("slower_than", { n: n(next.low) }) : next ? `${n(c.low)}–${n(next.low)}` : `≥ ${n(c.low)}`;
      key(colours[k], `${range} Mbit/s: ${people(c)}`);
    });
    key("#f4f1ea", `${t("not_measured_here")}: ${people(spec.unmeasured)}`);
    const below = spec.below.people_day === undefined ? people(spec.below)
      : t("people_and_day", { n: n(spec.below.people), d: n(spec.below.people_day) });
    return [el("p", { class: "below" }, el("strong", {}, t("below_speed", { m: n(spec.least) })), ` ${below}`),
      el("p", { class: "note" }, `${t("throughput_note")} (${spec.sources.join(", ")})`)];
  },
});
