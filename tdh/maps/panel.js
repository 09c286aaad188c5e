/* The panel: what is shown, filters, legend, sums. It changes the state and calls update. */
TDH.VIEWS = ["gap", "signal", "count", "change", "evidence", "throughput", "kpi", "none"];
TDH.viewsOf = (meta) => TDH.VIEWS.filter((v) => !["evidence", "throughput"].includes(v) || meta[v]);
TDH.LAYERS = ["chosen", "sectors", "assets", "sites", "places", "stations", "regions", "wards"];

TDH.Panel = class {
  constructor(app) {
    this.app = app;
    const { state } = app, $ = (id) => document.getElementById(`tdh-${id}`);
    this.$ = $;
    $("shift").value = state.shift;
    $("opacity").value = state.opacity;
    $("q").value = state.q;
    const on = (id, type, act) => $(id).addEventListener(type, act);
    on("band", "change", () => { state.band = $("band").value; app.update("raster"); });
    on("goal", "change", () => { state.goal = $("goal").value; app.update("raster"); });
    on("shift", "input", () => { state.shift = Number($("shift").value); app.update("threshold"); });
    on("opacity", "input", () => { state.opacity = Number($("opacity").value); app.update("opacity"); });
    on("q", "input", () => { state.q = $("q").value; app.update("filter"); });
    for (const key of Object.keys(state.filter)) {
      on(`f-${key}`, "input", () => { state.filter[key] = $(`f-${key}`).value; app.update("filter"); });
    }
    on("reset", "click", () => {
      for (const key of Object.keys(state.filter)) state.filter[key] = "";
      state.q = "";
      this.build();
      app.update("filter");
    });
    on("lang", "click", () => {
      state.lang = state.lang === "ja" ? "en" : "ja";
      app.speak();
    });
    on("print", "click", () => window.print());
    on("link", "click", async () => {
      app.remember();
      try { await navigator.clipboard.writeText(location.href); app.say(TDH.t("copied"), 2000); }
      catch { window.prompt(TDH.t("link"), location.href); }
    });
    on("burger", "click", () => {
      const folded = document.body.classList.toggle("folded");
      $("burger").setAttribute("aria-expanded", String(!folded));
      app.map.invalidateSize();
    });
    on("fold", "click", () => {
      const folded = $("drawer").classList.toggle("folded");
      $("fold").setAttribute("aria-expanded", String(!folded));
      $("fold").textContent = folded ? "▴" : "▾";
      app.map.invalidateSize();
    });
    const tabs = ["assets", "kpi", "regions", "sites"];
    const open = (name) => tabs.forEach((k) => {
      $(`tab-${k}`).setAttribute("aria-selected", String(k === name));
      $(`tab-${k}`).tabIndex = k === name ? 0 : -1;
      $(`${k}-sheet`).hidden = k !== name;
    }) || (name === "sites" && app.siteSheet());
    tabs.forEach((k, i) => {
      on(`tab-${k}`, "click", () => open(k));
      on(`tab-${k}`, "keydown", (e) => {
        if (e.key !== "ArrowRight" && e.key !== "ArrowLeft") return;
        const other = tabs[(i + (e.key === "ArrowRight" ? 1 : tabs.length - 1)) % tabs.length];
        open(other);
        $(`tab-${other}`).focus();
      });
    });
    open("assets");
  }

  radios(id, name, options, chosen, act) {
    const root = this.$(id), had = root.contains(document.activeElement);
    root.replaceChildren(...options.map(({ value, label }) => {
      const input = TDH.element("input", { type: "radio", name, value: String(value) });
      input.checked = String(value) === String(chosen);
      input.addEventListener("change", () => act(value));
      return TDH.element("label", {}, input, label);
    }));
    if (had) root.querySelector("input:checked").focus();
  }

  /* Everything that has words in it; called again when the language changes. */
  build() {
    const { app, $ } = this, { state, store } = app, { meta } = store, t = TDH.t, el = TDH.element;
    this.radios("view", "view", TDH.viewsOf(meta).map((v) => ({ value: v, label: t(`v_${v}`) })), state.view,
      (v) => { state.view = v; app.update("raster"); });
    this.radios("when", "when", ["before", "after", "swipe"].map((v) => ({ value: v, label: t(v) })),
      state.when, (v) => { state.when = v; app.update("raster"); });
    const who = meta.carriers.map((c, i) => ({ value: i, label: TDH.chip(c) }));
    if (meta.carriers.length > 1) who.push({ value: "any", label: t("any") }, { value: "two", label: t("two") });
    this.radios("who", "who", who, state.who, (v) => {
      state.who = v; state.band = "all"; this.bands(); app.update("raster");
    });
    this.bands();
    const layers = TDH.LAYERS.filter((k) => this.held(k)).concat(meta.gsi ? ["gsi"] : []);
    $("layers").replaceChildren(...layers.map((k) => {
      const input = el("input", { type: "checkbox", value: k });
      input.checked = state.layers[k];
      input.addEventListener("change", () => { state.layers[k] = input.checked; app.update("layers"); });
      return el("label", {}, input, t(k === "regions" && meta.regions.today ? "region_today" : `l_${k}`));
    }));
    const options = (id, list) => {
      const select = $(`f-${id}`);
      select.replaceChildren(...[{ value: "", label: t("everything") }, ...list].map(({ value, label }) =>
        el("option", { value: String(value) }, label)));
      select.value = state.filter[id];
      if (select.selectedIndex < 0) { select.value = ""; state.filter[id] = ""; }
    };
    options("kind", meta.kinds.map((k, i) => ({ value: i, label: k[TDH.lang] })));
    options("owner", meta.owners.map((o, i) => ({ value: i, label: o })).filter((o) => o.label));
    options("municipality", meta.municipalities.map((m, i) => ({ value: i, label: m.name })));
    options("status", [{ value: "chosen", label: t("s_chosen") }, { value: "other", label: t("s_other") }]);
    $("f-height").value = state.filter.height;
    $("f-score").value = state.filter.score;
    $("q").value = state.q;
    $("title").textContent = meta.name;
    $("notices").replaceChildren(...meta.notices.map((n) =>
      el("span", { class: n.warn ? "warn" : null }, n[TDH.lang])));
    $("sources").replaceChildren(...meta.attributions.map((a) => el("li", {}, a)));
    $("date").textContent = meta.date ? `${t("date")}: ${meta.date}` : "";
    this.sums();
    this.goals();
    this.kpis();
    this.regions();
    app.siteSheet();
    this.said();
  }

  bands() {
    const { state, store } = this.app, who = state.who;
    const bands = typeof who === "number" ? store.meta.carriers[who].bands : [];
    this.$("band").replaceChildren(TDH.element("option", { value: "all" }, TDH.t("all_bands")),
      ...bands.map((b) => TDH.element("option", { value: b.id }, b.label)));
    this.$("band").value = state.band;
    this.$("band").disabled = !bands.length;
  }

  said() {
    const { state, store } = this.app, sign = state.shift > 0 ? "+" : state.shift < 0 ? "−" : "±";
    const levels = [...new Set(store.carriersOf(state.who).flatMap((c) => store.meta.carriers[c].bands
      .filter((b) => state.band === "all" || b.id === state.band).map((b) => b.covered + state.shift)))];
    const text = levels.length < 4 ? `${levels.join(" / ")} dBm ` : "";
    this.$("shift-text").textContent = `${text}(${TDH.t("plan_threshold")} ${sign}${Math.abs(state.shift)} dB)`;
    this.$("shift").setAttribute("aria-valuetext", this.$("shift-text").textContent);
  }

  sums() {
    const { meta } = this.app.store, t = TDH.t, el = TDH.element, n = TDH.number;
    const line = (label, row, total) => el("tr", { class: total ? "total" : null },
      el("th", { scope: "row" }, label), el("td", {}, n(row.sites)), ...this.sumCells(row));
    this.$("kpis").replaceChildren(
      el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t("who")),
        el("th", { scope: "col" }, t("sites_n")), el("th", { scope: "col" }, t("gap_before")),
        el("th", { scope: "col" }, t("gap_after")))),
      el("tbody", {}, ...meta.sums.map((row, i) => line(TDH.chip(meta.carriers[i]), row)),
        line(t("total"), this.sumTotal(), true))), ...[...this.peopleNotes(), this.expectedTable(true), this.goalLines()].filter(Boolean),
      el("p", {}, `${t("best")}: ${meta.status[TDH.lang]} – ${t("gap_pct", { g: n(meta.gap * 100, 2) })}`));
  }

  kpis() {
    const { meta } = this.app.store, t = TDH.t, el = TDH.element, n = TDH.number;
    const share = (x, y) => (y > 0 ? `${TDH.percent(x / y, 1)}%` : "–");
    const head = el("tr", {}, el("th", { scope: "col" }, t("municipality")), el("th", { scope: "col" }, t("sites_n")),
      ...["gap_before", "gap_after"].map((k) => el("th", { scope: "col" }, `${t(k)} (${t("total")})`)),
      ...meta.carriers.map((c) => el("th", { scope: "col" }, TDH.chip(c, `${c.name} ${t("covered")}`))), ...this.expectedHeads());
    const body = meta.municipalities.map((m, i) => el("tr", {}, el("th", { scope: "row" }, m.name),
      el("td", {}, n(m.sites.reduce((a, b) => a + b, 0))),
      el("td", {}, n(m.before.reduce((a, b) => a + b, 0))), el("td", {}, n(m.after.reduce((a, b) => a + b, 0))),
      ...meta.carriers.map((_, c) => el("td", {},
        `${share(m.people[c] - m.before[c], m.people[c])} → ${share(m.people[c] - m.after[c], m.people[c])}`)), ...this.expectedCells(i, share)));
    this.$("kpi-sheet").replaceChildren(...this.goalTable(), ...[this.expectedTable(false)].filter(Boolean), el("table", {}, el("thead", {}, head), el("tbody", {}, ...body)));
  }

  /* --- legend ------------------------------------------------------------------------------ */

  legend() {
    const { state, store } = this.app, t = TDH.t, el = TDH.element, root = this.$("legend");
    const parts = [], keys = el("ul", { class: "keys" });
    const key = (colour, text) => {
      const swatch = el("i", {});
      swatch.style.background = colour;
      keys.append(el("li", {}, swatch, text));
    };
    const title = (text) => parts.push(el("h2", {}, el("span", {}, text)));
    const { view } = state, plan = TDH.PLAN_COLOURS;
    if (view === "gap") {
      title(t("v_gap"));
      if (state.when !== "before") { key(plan.remaining, t("remaining")); key(plan.closed, t("closed")); key(plan.served, t("served")); }
      else { key(plan.remaining, t("gap_now")); key(plan.served, t("served")); }
      parts.push(keys, el("p", { class: "note" }, t("pooled_gap")));
    } else if (view === "signal") {
      const margin = typeof state.who !== "number" || state.band === "all";
      title(margin ? t("margin") : t("dbm"));
      parts.push(...this.ramp(margin ? 0 : store.meta.carriers[state.who].bands
        .find((b) => b.id === state.band).covered + state.shift, !margin), keys);
      key(TDH.css(TDH.ramps.nothing), t("nothing"));
      parts.push(el("p", { class: "note" }, t("pooled")));
    } else if (view === "count") {
      title(t("v_count"));
      store.meta.carriers.map((_, i) => i).concat(store.meta.carriers.length)
        .forEach((n) => key(TDH.css(TDH.countColour(n, store.meta.carriers.length)), t("carriers_n", { n })));
      parts.push(keys, el("p", { class: "note" }, t("pooled")));
    } else if (view === "change") {
      title(t("change_db"));
      const bar = el("canvas", { class: "ramp", width: "240", height: "14", "aria-hidden": "true" });
      const context = bar.getContext("2d");
      for (let x = 0; x < 240; x++) {
        context.fillStyle = TDH.css(TDH.mix(TDH.ramps.score, x / 240));
        context.fillRect(x, 0, 1, 14);
      }
      parts.push(bar, this.ticks([[0, "0"], [0.5, "15"], [1, "30"]]), keys);
      key(TDH.css([15, 108, 189]), t("newly"));
      key("#f4f1ea", t("no_change"));
    } else if (view === "evidence") {
      title(t("v_evidence"));
      store.meta.evidence.map((kind, k) => [TDH.EVIDENCE_COLOURS[k], kind[TDH.lang]]).reverse().forEach((pair) => key(...pair));
      parts.push(keys, el("p", { class: "note" }, t("strongest")), el("p", { class: "note" }, t("pooled_evidence")));
    } else if (view === "throughput") {
      title(t("v_throughput"));
      const notes = this.speedKeys(key);
      parts.push(keys, ...notes);
    } else if (view === "kpi") {
      const goal = this.goal();
      title(goal ? this.goalName(goal) : t("gap_share"));
      for (const [colour, text] of this.goalSteps(goal)) key(colour, text);
      parts.push(keys);
    }
    const more = el("ul", { class: "keys" });
    if (state.layers.chosen) {
      const row = el("div", { class: "pair" });
      for (const carrier of store.meta.carriers) row.append(TDH.chip(carrier));
      parts.push(el("h2", { style: null }, t("l_chosen")), row);
    }
    if (state.layers.assets) {
      const dots = el("canvas", { width: "44", height: "14", "aria-hidden": "true" });
      const context = dots.getContext("2d");
      [10, 45, 90].forEach((score, i) => TDH.dot(context, 7 + 14 * i, 7, score, 4.5));
      more.append(el("li", {}, dots, t("dots")));
    }
    if (state.layers.sectors && this.held("sectors")) {
      const beams = el("canvas", { width: "44", height: "16", "aria-hidden": "true" });
      TDH.sector(beams.getContext("2d"), 8, 13, 45, 15, "#455", store.meta.antennas.beam);
      TDH.sector(beams.getContext("2d"), 34, 8, null, 9, "#455", 0);
      more.append(el("li", {}, beams, t("sector_mark")));
    }
    if (state.layers.places && this.held("places")) {
      const boxes = el("canvas", { width: "44", height: "18", "aria-hidden": "true" });
      [true, false].forEach((served, i) => TDH.place(boxes.getContext("2d"), 10 + 22 * i, 9, 16, TDH.GLYPHS.disaster_hospital[TDH.lang], served, ""));
      more.append(el("li", {}, boxes, t("place_mark")));
    }
    if (state.layers.regions) parts.push(...this.regionKeys());
    if (state.layers.sites) {
      const site = el("canvas", { width: "22", height: "16", "aria-hidden": "true" });
      TDH.wedge(site.getContext("2d"), 5, 12, 60, 13, "#455");
      more.append(el("li", {}, site, t("site_mark")));
      if (store.meta.sites.estimated) {
        const guess = el("canvas", { width: "22", height: "16", "aria-hidden": "true" });
        TDH.guessed(guess.getContext("2d"), 9, 8, 5, "#455");
        more.append(el("li", {}, guess, t("estimated_mark")));
      }
      const busy = this.busyKey();
      if (busy) more.append(busy);
    }
    parts.push(more);
    if (!["evidence", "throughput"].includes(view)) parts.push(el("p", { class: "note" }, t("scale_note"))); // there, a part is measured
    root.replaceChildren(...parts.filter((p) => p !== more || more.children.length));
  }

  ticks(list) {
    const row = TDH.element("div", { class: "ticks" });
    for (const [at, text, mark] of list) {
      const tick = TDH.element("span", { class: mark ? "mark" : null }, text);
      tick.style.left = `${Math.min(94, Math.max(5, at * 100))}%`;
      row.append(tick);
    }
    return row;
  }

  ramp(threshold, absolute) {
    const bar = TDH.element("canvas", { class: "ramp", width: "240", height: "14", "aria-hidden": "true" });
    const context = bar.getContext("2d"), lut = TDH.divergingLut(81, 30);
    for (let x = 0; x < 240; x++) {
      const q = Math.round(81 - 30 + (x / 240) * 90), v = lut[q];
      context.fillStyle = TDH.css([v & 255, (v >> 8) & 255, (v >> 16) & 255]);
      context.fillRect(x, 0, 1, 14);
    }
    const say = (d) => (absolute ? String(threshold + d) : d > 0 ? `+${d}` : String(d));
    return [bar, this.ticks([[0, `≤${say(-15)}`], [1 / 3, say(0), true], [2 / 3, say(15)], [1, `≥${say(30)}`]])];
  }
};
