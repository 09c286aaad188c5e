/* Present sites: what is told of one, and their list. Part of the application. */
TDH.MOST_SITES = 200;
TDH.MISSING = 4294967295;

Object.assign(TDH.Store.prototype, {
  /* What is told of the sites; where they stand is read with their marks. */
  async loadSites() {
    if (this.sites) return this.sites;
    const { sites } = this.meta, more = TDH.columns(sites.more, await TDH.block("data-sites-more"), sites.n);
    const near = TDH.columns(sites.layout, await TDH.block("data-sites"), sites.n);
    const ids = await TDH.texts("data-sites-ids", sites.n);
    const value = (name, scale) => (i) => (more[name][i] === TDH.MISSING ? null : more[name][i] / scale);
    this.sites = { ...near, n: sites.n, id: (i) => ids.at(i), find: (id) => ids.indexOf(id),
      lng: Float64Array.from(near.lon, (v) => sites.origin[0] + v * 1e-6), latitude: Float64Array.from(near.lat, (v) => sites.origin[1] + v * 1e-6),
      band: (i) => sites.bands[more.band[i]], placement: (i) => sites.placements[more.placement[i]][TDH.lang],
      height: (i) => (more.height[i] === 65535 ? null : more.height[i] / 10), eirp: (i) => (more.eirp[i] === 65535 ? null : more.eirp[i] / 10 - 100),
      direction: (i) => (near.azimuth[i] === 65535 ? TDH.t("omni") : `${TDH.number(near.azimuth[i] / 10)}°`),
      invented: (i) => more.synthetic[i] === 1,
      customers: value("customers", 1), day: value("day", 1), capacity: value("capacity", 10), kbps: value("kbps", 1), load: value("load", 1e5),
      ...(sites.load.after ? { customersAfter: value("customers_after", 1), kbpsAfter: value("kbps_after", 1), loadAfter: value("load_after", 1e5) } : {}) };
    return this.sites;
  },
});

TDH.siteNumber = (value, digits, unit) => (value === null ? "–" : `${TDH.number(value, digits)}${unit || ""}`);

/* A number of today, and below it with the plan on air where that is known. */
TDH.nowAndThen = (now, then) => [now, ...(then === null ? [] : [TDH.element("small", { class: "day" }, `→ ${then}`)])];

TDH.siteLoad = (value) => (value === null ? "–" : `${TDH.number(100 * value)}%`);

Object.assign(TDH.App.prototype, {
  /* The site at a point, or -1. */
  hitSite(latlng, pixels) {
    const { map, state } = this;
    if (!state.layers.sites || !this.sitePoints) return -1;
    return this.sitePoints.nearest(TDH.mercator.x(latlng.lng), TDH.mercator.y(latlng.lat), pixels / (256 * 2 ** map.getZoom()));
  },

  /* Sites of a carrier that is not looked at are not drawn, and cannot be hit. */
  siteVisible() {
    if (!this.sitePoints) return;
    const one = this.focused() ? this.state.who : -1, { carrier } = this.siteTable;
    for (let i = 0; i < carrier.length; i++) this.sitePoints.visible[i] = one < 0 || carrier[i] === one ? 1 : 0;
  },

  async openSite(i, go) {
    const { map, store, state } = this, sites = await store.loadSites(), at = L.latLng(sites.latitude[i], sites.lng[i]);
    if (go) {
      state.layers.sites = true;
      this.panel.build();
      this.panel.legend();
      await this.layers();
      if (map.getZoom() < 14 || !map.getBounds().contains(at)) map.setView(at, Math.max(15, map.getZoom()), { animate: false });
    }
    this.forget();
    this.openedSite = i;
    this.clearPrint();
    this.openAt(at);
    state.site = sites.id(i);
    this.remember();
  },

  /* All that stands at the place of a site: carriers share masts, and a mast has sectors. */
  siteDetails(i) {
    const { store } = this, { sites, meta } = store, el = TDH.element, t = TDH.t, { load } = meta.sites;
    const here = [];
    for (let k = 0; k < sites.n; k++) if (sites.lon[k] === sites.lon[i] && sites.lat[k] === sites.lat[i]) here.push(k);
    here.sort((a, b) => (a === i ? -1 : b === i ? 1 : 0) || sites.carrier[a] - sites.carrier[b] || a - b);
    const two = (k, name, say) => TDH.nowAndThen(say(sites[name](k)), load.after ? say(sites[`${name}After`](k)) : null);
    const guess = here.some((k) => sites.estimated[k]);
    const head = ["who", "band", "height", ...(load.known ? ["customers", ...(load.day ? ["customers_day"] : []), "per_customer", ...(load.by_load ? ["load"] : [])] : [])];
    const body = here.map((k) => el("tr", { class: k === i ? "yes" : null },
      el("th", { scope: "row" }, TDH.chip(meta.carriers[sites.carrier[k]])), el("td", {}, sites.band(k), el("small", { class: "day" }, sites.direction(k))),
      el("td", {}, TDH.siteNumber(sites.height(k), 1)),
      ...(load.known ? [el("td", {}, ...two(k, "customers", TDH.siteNumber)), ...(load.day ? [el("td", {}, TDH.siteNumber(sites.day(k)))] : []),
        el("td", { class: sites.busy[k] ? "busy" : null }, ...two(k, "kbps", TDH.siteNumber)),
        ...(load.by_load ? [el("td", { class: sites.busy[k] ? "busy" : null }, ...two(k, "load", TDH.siteLoad))] : [])] : [])));
    const facts = [["placement", sites.placement(i)], ["eirp", TDH.siteNumber(sites.eirp(i), 1)]];
    if (load.known) facts.push(["capacity", TDH.siteNumber(sites.capacity(i), 0, " Mbit/s")]);
    facts.push(["id", sites.id(i)], ["attribution", meta.sites.sources[sites.carrier[i]][sites.estimated[i]] || t("not_told")]);
    return el("div", { class: "details" }, el("h3", {}, `${t("site")}: ${meta.carriers[sites.carrier[i]].name}`),
      el("p", { class: "badges" }, el("span", { class: guess ? "badge warn" : "badge" }, t(guess ? "site_estimated" : "site_known")),
        sites.invented(i) ? el("span", { class: "badge warn" }, t("synthetic")) : null,
        here.some((k) => sites.busy[k]) ? el("span", { class: "badge warn" }, t("busy")) : null),
      el("table", { class: "site" }, el("thead", {}, el("tr", {}, ...head.map((k) => el("th", { scope: "col" }, t(k))))), el("tbody", {}, ...body)),
      load.known ? el("p", { class: "small" }, t("load_note"), load.after ? ` ${t("load_then")}` : "") : null,
      el("dl", {}, ...facts.flatMap(([word, value]) => [el("dt", {}, t(word)), el("dd", {}, value)])));
  },

  /* The sheet is filled when somebody looks at it, and again when the map moves. */
  async siteSheet() {
    if (document.getElementById("tdh-sites-sheet").hidden) return;
    await this.store.loadSites();
    this.panel.sites();
  },
});

Object.assign(TDH.Panel.prototype, {
  /* Sites within the map's view, the busiest first; every one can be opened by keyboard. */
  sites() {
    const { app, $ } = this, { store, map, state } = app, { sites, meta } = store, el = TDH.element, t = TDH.t, { load } = meta.sites;
    const bounds = map.getBounds(), one = typeof state.who === "number" ? state.who : -1, found = [];
    for (let i = 0; i < sites.n; i++) {
      if ((one < 0 || sites.carrier[i] === one) && bounds.contains([sites.latitude[i], sites.lng[i]])) found.push(i);
    }
    const least = (i) => (sites.kbps(i) === null ? Infinity : sites.kbps(i));
    found.sort((a, b) => least(a) - least(b) || a - b);
    const words = ["who", "band", "id", "azimuth", "height", ...(load.known ? ["customers", ...(load.day ? ["customers_day"] : []), "capacity_mbps", "per_customer", ...(load.by_load ? ["load"] : []),
      ...(load.after ? ["customers_then", load.by_load ? "load_later" : "per_customer_then"] : [])] : []), "evidence_one", "go"];
    const rows = found.slice(0, TDH.MOST_SITES).map((i) => el("tr", {},
      el("td", { class: "left" }, TDH.chip(meta.carriers[sites.carrier[i]])), el("td", {}, sites.band(i)), el("td", { class: "left" }, sites.id(i)),
      el("td", {}, sites.direction(i)), el("td", {}, TDH.siteNumber(sites.height(i), 1)),
      ...(load.known ? [el("td", {}, TDH.siteNumber(sites.customers(i))), ...(load.day ? [el("td", {}, TDH.siteNumber(sites.day(i)))] : []),
        el("td", {}, TDH.siteNumber(sites.capacity(i))), el("td", { class: sites.busy[i] ? "busy" : null }, TDH.siteNumber(sites.kbps(i))),
        ...(load.by_load ? [el("td", { class: sites.busy[i] ? "busy" : null }, TDH.siteLoad(sites.load(i)))] : []),
        ...(load.after ? [el("td", {}, TDH.siteNumber(sites.customersAfter(i))),
          el("td", {}, load.by_load ? TDH.siteLoad(sites.loadAfter(i)) : TDH.siteNumber(sites.kbpsAfter(i)))] : [])] : []),
      el("td", { class: "left" }, t(sites.estimated[i] ? "site_estimated" : "site_known")),
      el("td", {}, el("button", { type: "button", class: "go", "aria-label": `${t("go")}: ${sites.id(i)}`, onclick: () => app.openSite(i, true) }, t("go")))));
    $("sites-sheet").replaceChildren(el("p", { class: "small" }, t("sites_in_view", { n: TDH.number(rows.length), m: TDH.number(found.length), all: TDH.number(sites.n) }),
      load.known ? ` ${t("load_note")}` : ""),
    el("table", {}, el("thead", {}, el("tr", {}, ...words.map((k) => el("th", { scope: "col" }, t(k))))), el("tbody", {}, ...rows)));
  },

  /* The mark of a busy site in the legend. */
  busyKey() {
    const { load } = this.app.store.meta.sites;
    if (!load.busy) return null;
    const mark = TDH.element("canvas", { width: "22", height: "16", "aria-hidden": "true" });
    TDH.busyRing(mark.getContext("2d"), 10, 8, 5);
    const words = load.by_load ? TDH.t("busy_load", { n: TDH.number(100 * load.level), m: TDH.number(load.busy) })
      : TDH.t("busy_share", { n: TDH.number(load.level), m: TDH.number(load.busy) });
    const then = load.busy_after === null ? "" : ` ${TDH.t("busy_then", { n: TDH.number(load.busy_after) })}`;
    return TDH.element("li", {}, mark, words + then);
  },
});

/* What an asset's offers would carry. */
TDH.carriedTable = function (store, i) {
  const el = TDH.element, t = TDH.t, { carried, carriers, sites } = store.meta, mine = (carried || []).filter((row) => row[0] === i);
  if (!mine.length) return null;
  const by_load = sites.load.by_load;
  return el("div", { class: "carried" }, el("h4", {}, t("carried")), el("table", {}, el("thead", {}, el("tr", {},
    ...["who", "band", "customers", "per_customer", ...(by_load ? ["load"] : [])].map((k) => el("th", { scope: "col" }, t(k))))),
  el("tbody", {}, ...mine.map(([, c, band, customers, kbps, load]) => el("tr", {}, el("th", { scope: "row" }, TDH.chip(carriers[c])), el("td", {}, band),
    el("td", {}, TDH.siteNumber(customers)), el("td", {}, TDH.siteNumber(kbps)), by_load ? el("td", {}, TDH.siteLoad(load)) : null)))),
  el("p", { class: "small" }, t("load_note")));
};

TDH.busyRing = function (context, x, y, r) {
  context.beginPath();
  context.arc(x, y, r, 0, 7);
  context.lineWidth = 2.6; context.strokeStyle = "rgba(255,255,255,.9)"; context.stroke();
  context.lineWidth = 1.5; context.strokeStyle = "#b3005a"; context.stroke();
};
