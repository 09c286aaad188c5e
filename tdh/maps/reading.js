/* What is opened, hit and read on the map. Part of the application. */
Object.assign(TDH.App.prototype, {
  goto(region) {
    const { state, map } = this;
    Object.assign(state, { who: region.carrier, band: "all", view: "gap", when: "after" });
    state.layers.regions = true;
    this.panel.build();
    this.update("raster");
    this.layers();
    map.fitBounds(L.polygon(this.latlngs(region.rings)).getBounds(), { maxZoom: 16, padding: [40, 40], animate: false });
  },

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
  },

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
  },

  hit(latlng, pixels) {
    const { store, map, state } = this, reach = pixels / (256 * 2 ** map.getZoom());
    const x = TDH.mercator.x(latlng.lng), y = TDH.mercator.y(latlng.lat);
    if (state.layers.chosen) {
      const k = this.chosenPoints.nearest(x, y, reach * 1.4);
      if (k >= 0) return this.chosenIndex[k];
    }
    return state.layers.assets && (map.getZoom() >= 14 || !this.crowded(x, y)) ? store.points.nearest(x, y, reach) : -1;
  },

  crowded(x, y) {
    const z = this.map.getZoom(), bins = this.store.points.bins(z, TDH.BIN), s = (256 * 2 ** z) / TDH.BIN;
    const r = Math.floor(y * s) - bins.r0, c = Math.floor(x * s) - bins.c0;
    return r >= 0 && c >= 0 && r < bins.rows && c < bins.cols && bins.count[r * bins.cols + c] > TDH.FEW;
  },

  read(latlng) {
    const { store, map } = this, el = TDH.element, t = TDH.t, where = latlng || map.getCenter();
    const at = store.cellAt(where.lat, where.lng), box = document.getElementById("tdh-readout");
    box.replaceChildren(el("h2", {}, el("span", {}, latlng ? t("under") : t("centre")), el("span", {}, "dBm")),
      el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t("who")),
        el("th", { scope: "col" }, t("band")), el("th", { scope: "col" }, t("before")), el("th", { scope: "col" }, t("after")))),
      TDH.readout(store, at, this.state.shift)),
      el("p", {}, `${where.lat.toFixed(5)}, ${where.lng.toFixed(5)}`));
  },

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
  },
});
