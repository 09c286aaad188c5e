/* Gaps as areas: outlines, what is told of each, and which lies under the cursor. Part of the application. */
TDH.REASON_DASHES = ["", "7 4", "2 4", "9 3 2 3"];

Object.assign(TDH.App.prototype, {
  regionsShown() {
    const { who } = this.state, { regions, meta } = this.store;
    if (typeof who === "number") return regions.filter((r) => r.carrier === who);
    return meta.regions.today ? regions.filter((r) => r.carrier < 0 && r.least === (who === "two" ? 2 : 1)) : regions.slice();
  },

  regionColour(region) { return region.carrier < 0 ? "#2b333b" : this.store.meta.carriers[region.carrier].colour; },

  regionDash(region) { return region.reason === undefined ? "5 4" : TDH.REASON_DASHES[region.reason]; },

  /* Whether a gap is one of throughput: measured, of all carriers together, and no prediction. */
  measured(region) { return region.reason !== undefined && this.store.meta.regions.reasons[region.reason].id === "capacity"; },

  regionWho(region) {
    if (this.measured(region)) return TDH.t("slow_for_all");
    return region.carrier < 0 ? TDH.t(region.least > 1 ? "fewer_than" : "no_carrier", { n: region.least }) : this.store.meta.carriers[region.carrier].name;
  },

  regionPlace(region) { return (this.store.meta.municipalities[region.municipality] || { name: "" }).name; },

  regionReason(region) { return this.store.meta.regions.reasons[region.reason][TDH.lang]; },

  regionLines() {
    this.outlines.clearLayers();
    for (const region of this.regionsShown()) {
      const rings = this.latlngs(region.rings), common = { renderer: this.regionRenderer, pane: "lines", interactive: false, fill: false };
      // On a white seam, so that it stands out of the colours of gaps, too.
      L.layerGroup([L.polygon(rings, { ...common, color: "#fff", weight: 4.6, opacity: 0.85 }),
        L.polygon(rings, { ...common, color: this.regionColour(region), weight: 2.2, dashArray: this.regionDash(region) || null }),
      ]).addTo(this.outlines);
    }
  },

  /* The smallest region shown that holds a point, or null. */
  hitRegion(latlng) {
    if (!this.state.layers.regions) return null;
    const [lon, lat] = this.store.meta.assets.origin, x = (latlng.lng - lon) * 1e5, y = (latlng.lat - lat) * 1e5;
    const inside = (ring) => {
      let odd = false;
      for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
        const [ax, ay] = ring[i], [bx, by] = ring[j];
        if ((ay > y) !== (by > y) && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
      }
      return odd;
    };
    let best = null;
    for (const region of this.regionsShown()) {
      if ((!best || region.ha < best.ha) && region.rings.some(([ring]) => inside(ring))) best = region;
    }
    return best;
  },

  openRegion(region, at) {
    this.forget();
    this.openedRegion = region;
    this.clearPrint();
    this.openAt(at);
  },

  /* A line for the box that follows the cursor, or null. */
  regionLine(latlng) {
    const region = this.hitRegion(latlng);
    return region && TDH.element("p", { class: "region" }, [this.regionWho(region), this.regionPlace(region),
      TDH.t("people_unit", { n: TDH.number(region.people) }), region.reason === undefined ? "" : this.regionReason(region)]
      .filter(Boolean).join(" · "));
  },

  regionDetails(region) {
    const el = TDH.element, t = TDH.t, n = TDH.number, { today } = this.store.meta.regions;
    const row = (label, value) => el("tr", {}, el("th", { scope: "row" }, label), el("td", {}, value));
    const rows = [row(t(today ? "people_today" : "people_gap"), t("people_unit", { n: n(region.people) }))];
    if (region.day !== undefined && region.day !== null) rows.push(row(t("people_day"), t("people_unit", { n: n(region.day) })));
    if (region.after !== undefined && region.after !== null) rows.push(row(t("people_after"), t("people_unit", { n: n(region.after) })));
    rows.push(row(t("municipality"), this.regionPlace(region)), row(t("area_ha"), n(region.ha, 1)));
    if (region.places !== undefined && region.places !== null) {
      rows.push(row(t("l_places"), region.named ? `${n(region.places)}: ${region.named}` : n(region.places)));
    }
    if (region.reason !== undefined) {
      if (!this.measured(region)) rows.push(row(t("lacks"), `${n(region.lacks_db, 1)} dB`));
      if (region.site_m !== null) rows.push(row(t("nearest_site"), `${n(region.site_m)} m`));
    }
    const parts = (region.parts || []).map((v, k) => [this.store.meta.regions.reasons[k][TDH.lang], v]).filter(([, v]) => v !== null);
    return el("div", { class: "details" }, el("h3", {}, `${t(today ? "region_today" : "l_regions")} #${region.rank}`),
      el("p", { class: "badges" }, el("span", { class: "badge" }, this.regionWho(region)),
        region.reason === undefined ? null : el("span", { class: "badge warn" }, this.regionReason(region)),
        el("span", { class: "badge" }, t(this.measured(region) ? "measured" : "modelled"))),
      el("table", {}, el("tbody", {}, ...rows)), ...(parts.length ? [el("h4", {}, t("by_reason")),
        el("table", { class: "parts" }, el("tbody", {}, ...parts.map(([word, v]) => row(word, t("people_unit", { n: n(v) })))))] : []));
  },
});

Object.assign(TDH.Panel.prototype, {
  /* The largest gaps: of the carrier that is looked at, or of too few carriers. */
  regions() {
    const { app } = this, { meta } = app.store, t = TDH.t, el = TDH.element, n = TDH.number, { today } = meta.regions;
    const reasons = today ? meta.regions.reasons : [];
    const words = today ? ["who", "municipality", "people_today", "people_after", "l_places", "area_ha", "reason"]
      : ["who", "municipality", "people_gap", "area_ha"];
    const head = el("tr", {}, el("th", { scope: "col" }, "#"), ...words.map((k) => el("th", { scope: "col" }, t(k))),
      ...reasons.map((r) => el("th", { scope: "col", class: "part", title: t("by_reason") }, r[TDH.lang])), el("th", { scope: "col" }, t("go")));
    const number = (value) => el("td", {}, value === null ? "–" : n(value));
    const rows = app.regionsShown().sort((a, b) => b.people - a.people).map((r) => el("tr", {},
      el("td", {}, String(r.rank)),
      el("td", { class: "left" }, r.carrier < 0 ? app.regionWho(r) : TDH.chip(meta.carriers[r.carrier])),
      el("td", { class: "left" }, app.regionPlace(r)), number(r.people),
      ...(today ? [number(r.after), el("td", { class: "left" }, r.places === null ? "–" : r.named ? `${n(r.places)}: ${r.named}` : n(r.places))] : []),
      el("td", {}, n(r.ha, 1)), today ? el("td", { class: "left" }, app.regionReason(r)) : null, ...reasons.map((_, k) => number(r.parts[k])),
      el("td", {}, el("button", { type: "button", class: "go", // A key press has no count of clicks.
        onclick: (e) => app.goto(r, e.detail === 0) }, t("go")))));
    this.$("regions-sheet").replaceChildren(el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows)));
    this.$("tab-regions").dataset.t = today ? "region_today" : "l_regions";
    this.$("tab-regions").textContent = t(this.$("tab-regions").dataset.t);
  },

  /* Lines of the legend: a dash for each reason that is shown. */
  regionKeys() {
    const { app } = this, { reasons, today } = app.store.meta.regions, shown = app.regionsShown();
    const used = today ? reasons.map((_, i) => i).filter((i) => shown.some((r) => r.reason === i)) : [undefined];
    const keys = used.map((reason) => {
      const line = TDH.element("canvas", { width: "44", height: "12", "aria-hidden": "true" }), c = line.getContext("2d");
      c.setLineDash(app.regionDash({ reason }).split(" ").filter(Boolean).map(Number));
      c.lineWidth = 2.2;
      c.strokeStyle = shown.length ? app.regionColour(shown[0]) : "#2b333b";
      c.beginPath(); c.moveTo(1, 6); c.lineTo(43, 6); c.stroke();
      return TDH.element("li", {}, line, reason === undefined ? TDH.t("l_regions") : reasons[reason][TDH.lang]);
    });
    return [TDH.element("h2", {}, TDH.t(today ? "region_today" : "l_regions")), TDH.element("ul", { class: "keys" }, ...keys)];
  },
});
