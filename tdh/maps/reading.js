/* What is opened, hit and read on the map. Part of the application. */
Object.assign(TDH.App.prototype, {
  goto(region, told) {
    const { state, map } = this;
    const who = region.carrier >= 0 ? region.carrier : region.least === 2 ? "two" : "any";
    Object.assign(state, { who, band: "all", view: "gap", when: "after" });
    state.layers.regions = true;
    this.panel.build();
    this.update("raster");
    this.layers();
    map.fitBounds(L.polygon(this.latlngs(region.rings)).getBounds(), { maxZoom: 16, padding: [40, 40], animate: false });
    if (told) this.openRegion(region, map.getCenter());
  },

  async open(i, go) {
    const { map, store, state } = this, at = L.latLng(store.lat[i], store.lon[i]);
    if (go && (map.getZoom() < 14 || !map.getBounds().contains(at))) map.setView(at, Math.max(15, map.getZoom()), { animate: false });
    this.forget();
    this.opened = i;
    state.active = store.ids.at(i);
    this.openAt(at);
    await this.footprint(i);
    this.chosenLayer.repaint();
    this.remember();
  },

  /* Whatever was opened is so no longer. */
  forget() {
    delete this.openedPlace;
    delete this.openedRegion;
    delete this.openedSite;
    this.state.active = "";
    this.state.site = "";
  },

  /* The one popup, of an asset, a place, a region or a site. */
  openAt(at) {
    const { map } = this;
    this.popup = this.popup || L.popup({ maxWidth: 410, minWidth: 380, autoPanPaddingTopLeft: [60, 20], autoPanPaddingBottomRight: [310, 20] });
    this.popup.setLatLng(at);
    this.fill();
    this.popup.openOn(map);
    const close = this.popup.getElement().querySelector(".leaflet-popup-close-button");
    if (close) close.setAttribute("aria-label", TDH.t("close"));
  },

  async fill() {
    const { store, popup } = this;
    if (this.openedPlace !== undefined) {
      popup.setContent(TDH.placeDetails(store, this.openedPlace, this.state.shift));
      return;
    }
    if (this.openedRegion) {
      popup.setContent(this.regionDetails(this.openedRegion));
      return;
    }
    if (this.openedSite !== undefined) {
      popup.setContent(this.siteDetails(this.openedSite));
      return;
    }
    const i = this.opened, box = TDH.assetDetails(store, i);
    popup.setContent(box);
    await TDH.partsInto(store, i, box);
    this.drawPaths(await TDH.profilesInto(store, i, box), i);
    // What came later made it higher.
    if (this.map.hasLayer(popup) && popup.getContent() === box) popup.update();
  },

  openPlace(k) {
    const { store } = this;
    this.forget();
    this.openedPlace = k;
    this.clearPrint();
    this.openAt(L.latLng(store.places.lat[k], store.places.lon[k]));
  },

  /* The paths of an asset's offers on the map: whole where clear, dashed where blocked. */
  drawPaths(paths, i) {
    const { store, map } = this;
    this.pathLines = this.pathLines || L.layerGroup();
    this.pathLines.clearLayers();
    if (this.opened !== i || this.openedPlace !== undefined || this.openedRegion || this.openedSite !== undefined || !map.hasLayer(this.popup)) return;
    this.pathRenderer = this.pathRenderer || L.canvas({ pane: "path", padding: 0.3 });
    for (const { offer, row } of paths) {
      if (!row.cell) continue;
      const [lng, lat] = store.toGeo(row.cell[1] + 0.5, row.cell[0] + 0.5, [0, 0]);
      const { colour } = store.meta.carriers[offer.carrier], ends = [[store.lat[i], store.lon[i]], [lat, lng]];
      const common = { renderer: this.pathRenderer, pane: "path", interactive: false };
      L.polyline(ends, { ...common, color: "#fff", weight: 5, opacity: 0.9 }).addTo(this.pathLines);
      L.polyline(ends, { ...common, color: colour, weight: 2.4, dashArray: row.los ? null : "5 5" }).addTo(this.pathLines);
      L.circleMarker(ends[1], { ...common, radius: 4.5, color: "#fff", weight: 2, fillColor: colour, fillOpacity: 1 }).addTo(this.pathLines);
    }
    this.pathLines.addTo(map);
  },

  clearPrint() {
    this.print.show(null);
    this.put(this.print, false);
    if (this.pathLines) this.pathLines.remove();
    this.chosenLayer.repaint();
  },

  /* What an asset serves: pale where others serve already, strong where it is the first. */
  async footprint(i) {
    const { store } = this, rows = store.carriersChosen(i).filter((row) => row.footprint);
    this.put(this.print, rows.length > 0);
    if (!rows.length) { this.print.show(null); return; }
    this.prints = this.prints || await TDH.block("data-footprints");
    const pick = typeof this.state.who === "number" ? rows.find((r) => r.carrier === this.state.who) || rows[0] : rows[0];
    await store.need([pick.carrier], ["before"]);
    const [at, row, col, h, w] = pick.footprint, data = new Uint8Array(h * w);
    const before = store.margin(pick.carrier, "before"), { cols } = store.meta.grid;
    let fresh = 0;
    for (let r = 0, k = 0; r < h; r++) {
      for (let c = 0; c < w; c++, k++) {
        if (!((this.prints[at + (k >> 3)] >> (k & 7)) & 1)) continue;
        data[k] = before[(row + r) * cols + col + c] >= 128 ? 1 : 2;
        fresh += data[k] - 1;
      }
    }
    this.fresh = fresh;
    const lut = new Uint32Array(256);
    lut[1] = TDH.abgr(TDH.rgb("#ffb000"), 96);
    lut[2] = TDH.abgr(TDH.rgb("#ffb000"), 225);
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

  /* As on a sheet of A3, or back. Chromium prints what a canvas cleared as white: the canvases of
     lines are replaced by pictures of themselves while it prints. */
  paper(on) {
    const { map } = this;
    if (on === document.body.classList.contains("printing")) return;
    document.body.classList.toggle("printing", on);
    map.invalidateSize({ animate: false });
    if (!on) {
      for (const copy of document.querySelectorAll(".paper-copy")) copy.remove();
      for (const canvas of document.querySelectorAll("canvas.leaflet-zoom-animated")) canvas.style.visibility = "";
      return;
    }
    for (const canvas of document.querySelectorAll("canvas.leaflet-zoom-animated")) {
      if (!canvas.width || !canvas.height) continue;
      const copy = TDH.element("canvas", { class: "paper-copy", "aria-hidden": "true" });
      copy.width = canvas.width; copy.height = canvas.height;
      copy.style.cssText = canvas.style.cssText;
      copy.style.position = "absolute"; copy.style.left = copy.style.top = "0";
      copy.getContext("2d").drawImage(canvas, 0, 0);
      canvas.after(copy);
      canvas.style.visibility = "hidden";
    }
  },

  /* The priority place or station at a point, or -1. */
  hitPlace(latlng, pixels) {
    const { map, state } = this, reach = pixels / (256 * 2 ** map.getZoom());
    for (const { name, index, points } of (this.placeSets || []).slice().reverse()) {
      if (!state.layers[name]) continue;
      const j = points.nearest(TDH.mercator.x(latlng.lng), TDH.mercator.y(latlng.lat), reach);
      if (j >= 0) return index[j];
    }
    return -1;
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
      this.tileLine(where), (latlng && this.regionLine(latlng)) || "", el("p", {}, `${where.lat.toFixed(5)}, ${where.lng.toFixed(5)}`));
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
        map.getContainer().classList.toggle("pointing", this.hit(last, 9) >= 0 || this.hitPlace(last, 8) >= 0 || this.hitSite(last, 8) >= 0);
      });
    });
    map.on("mouseout", () => { last = null; this.read(); });
    map.on("moveend", () => { if (!last) this.read(); this.siteSheet(); this.remember(); });
    map.on("swiped", () => this.remember());
    map.on("click", (e) => {
      if (this.measure.active || this.boxes.active) return;
      const i = this.hit(e.latlng, 12);
      const place = i >= 0 ? -1 : this.hitPlace(e.latlng, 10);
      const site = i >= 0 || place >= 0 ? -1 : this.hitSite(e.latlng, 10);
      if (i >= 0) this.open(i, false);
      else if (place >= 0) this.openPlace(place);
      else if (site >= 0) this.openSite(site, false);
      else if (this.hitRegion(e.latlng)) this.openRegion(this.hitRegion(e.latlng), e.latlng);
      else if (this.state.layers.assets && map.getZoom() < 16
        && this.crowded(TDH.mercator.x(e.latlng.lng), TDH.mercator.y(e.latlng.lat))) map.setView(e.latlng, map.getZoom() + 2);
    });
    // Without a mouse: Enter opens what lies at the centre.
    map.getContainer().addEventListener("keydown", (e) => {
      if (e.key === "Enter" && e.target === map.getContainer()) map.fire("click", { latlng: map.getCenter() });
    });
    // While a zoom is under way the marks of the old scale would be drawn many times too large.
    const marks = ["stations", "places", "sites", "assets", "chosen"].map((name) => map.getPane(name));
    map.on("zoomstart", () => { for (const pane of marks) pane.style.visibility = "hidden"; });
    map.on("zoomend", () => { for (const pane of marks) pane.style.visibility = ""; });
    map.on("popupclose", () => { this.state.active = ""; this.state.site = ""; this.clearPrint(); this.remember(); });
    window.addEventListener("hashchange", () => {
      if (location.hash === this.hash) return;
      const link = TDH.permalink.read(location.hash, this.state, this.store.meta);
      if (link) map.setView([link.lat, link.lng], link.z, { animate: false });
      this.speak();
      this.opacity();
      this.show();
    });
    window.addEventListener("beforeprint", () => this.paper(true));
    window.addEventListener("afterprint", () => this.paper(false));
  },
});
