/* The table of assets: filters, search, selection, files. Part of the application. */
Object.assign(TDH.App.prototype, {
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
    } else if (this.state.site) this.linkedSite(this.state.site);
  },

  /* The site of a link. */
  async linkedSite(id) {
    const i = (await this.store.loadSites()).find(id);
    if (i >= 0) await this.openSite(i, true);
  },

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
  },

  counted() {
    const $ = (id) => document.getElementById(`tdh-${id}`), n = this.table.rows.length, m = this.store.points.n;
    const picked = this.table.selected.size;
    $("count").textContent = (n === m ? TDH.t("rows", { n: TDH.number(n) })
      : TDH.t("of_rows", { n: TDH.number(n), m: TDH.number(m) }))
      + (picked ? ` – ${TDH.t("selected_rows", { n: TDH.number(picked) })}` : "");
    $("clear").disabled = $("csv-sel").disabled = !picked;
  },

  pick(bounds) {
    const { store } = this, merc = TDH.mercator;
    store.points.each(merc.x(bounds.getWest()), merc.y(bounds.getNorth()), merc.x(bounds.getEast()),
      merc.y(bounds.getSouth()), (i) => this.table.selected.add(i));
    for (const b of document.querySelectorAll(".tdh-tools [aria-pressed]")) b.setAttribute("aria-pressed", "false");
    this.counted();
    this.table.draw();
  },

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
  },
});
