/* People by day beside residents, and residents covered by probability. Part of the application. */
Object.assign(TDH.Panel.prototype, {
  /* Cells of a line of the sums: residents, and below them people by day where they are known. */
  sumCells(row) {
    const el = TDH.element, n = TDH.number;
    return ["before", "after"].map((when, k) => el("td", { class: when === "after" ? "after" : null }, n(row[when]),
      row.day ? el("small", { class: "day" }, `${TDH.t("day")} ${n(row.day[k])}`) : null));
  },

  /* Sums of all carriers. */
  sumTotal() {
    const { sums } = this.app.store.meta, add = (of) => sums.reduce((a, row) => a + of(row), 0);
    return { sites: add((r) => r.sites), before: add((r) => r.before), after: add((r) => r.after),
      day: sums.length && sums.every((r) => r.day) ? [0, 1].map((k) => add((r) => r.day[k])) : undefined };
  },

  /* What small figures count, and what is derived or learnt of people. */
  peopleNotes() {
    const el = TDH.element, { people_notes: notes } = this.app.store.meta;
    return [this.sumTotal().day ? el("p", {}, TDH.t("day_note")) : null,
      ...notes.map((n) => el("p", { class: "people-note" }, n[TDH.lang]))].filter(Boolean);
  },

  /* Of each municipality: the share of residents expected to be covered by any carrier, by several. */
  expectedHeads() {
    const { expected } = this.app.store.meta;
    return (expected ? expected.places : []).map((who) => TDH.element("th", { scope: "col", title: expected.what[TDH.lang] },
      `${who[TDH.lang]}: ${TDH.t("expected_share")}`));
  },

  expectedCells(municipality, share) {
    const { expected } = this.app.store.meta;
    return (expected ? expected.places : []).map(({ rows }) => {
      const row = rows[municipality];
      return TDH.element("td", { class: "expected-share" }, row ? `${share(row[2], row[0])} → ${share(row[4], row[0])}` : "–");
    });
  },

  /* Residents covered by yes or no and by probability; what that means is told at the words. */
  expectedTable(small) {
    const { expected, carriers } = this.app.store.meta, el = TDH.element, t = TDH.t, n = TDH.number;
    if (!expected) return null;
    const rows = small ? expected.rows.filter((r) => r.carrier < 0) : expected.rows;
    if (!rows.length) return null;
    const what = expected.what[TDH.lang], two = (r, key) => [n(r[`${key}_before`]), small ? el("br", {}) : " ", `→ ${n(r[`${key}_after`])}`];
    return el("table", { class: small ? "goals expected" : "goal-table expected", title: what },
      el("caption", {}, `${t("expected")}: ${t("before")} → ${t("after")}`),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t("who")), el("th", { scope: "col" }, t("by_yes")),
        el("th", { scope: "col", title: what }, t("by_chance"), " ", el("abbr", { title: what, "aria-label": what, tabindex: "0" }, "ⓘ")))),
      el("tbody", {}, ...rows.map((r) => el("tr", {},
        el("th", { scope: "row" }, r.carrier < 0 ? r[TDH.lang] : TDH.chip(carriers[r.carrier])), el("td", {}, ...two(r, "covered")), el("td", {}, ...two(r, "expected"))))));
  },
});
