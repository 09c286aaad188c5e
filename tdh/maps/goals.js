/* The programme's goals: in the panel, as a table, and by municipality on the map. */
Object.assign(TDH.Panel.prototype, {
  /* Whether the run holds what a layer shows. */
  held(layer) {
    const { meta } = this.app.store, kinds = meta.places ? this.placeKinds() : [];
    return { sectors: Boolean(meta.antennas), places: kinds.some((k) => k !== "station"),
      stations: kinds.includes("station") }[layer] !== false;
  },

  placeKinds() {
    const { store } = this.app;
    if (!store.places) return store.meta.places.kinds.map((k) => k.id);
    return Array.from(new Set(store.places.kind), (k) => store.meta.places.kinds[k].id);
  },

  /* The goal that the map shows by municipality, or null for the share of people in a gap. */
  goal() {
    const { store, state } = this.app, [kpi, who] = state.goal.split(".").map(Number);
    const held = state.goal !== "" && store.goals && store.goals.rows.some((r) => r[0] === kpi && r[1] === who && r[2] >= 0);
    return held ? { kpi, who } : null;
  },

  goalName({ kpi, who }) {
    const { goals } = this.app.store;
    return `${goals.kpis[kpi][TDH.lang]} (${goals.whos[who][TDH.lang]})`;
  },

  /* The choice of goals that there are by municipality. */
  goals() {
    const { app, $ } = this, { state, store } = app, el = TDH.element;
    const rows = store.goals ? store.goals.rows.filter((r) => r[2] >= 0 && (r[3] !== null || r[4] !== null)) : [];
    const keys = Array.from(new Set(rows.map((r) => `${r[0]}.${r[1]}`)));
    $("goal").replaceChildren(el("option", { value: "" }, TDH.t("gap_share")), ...keys.map((key) => {
      const [kpi, who] = key.split(".").map(Number);
      return el("option", { value: key }, this.goalName({ kpi, who }));
    }));
    $("goal").value = store.goals && !keys.includes(state.goal) ? "" : state.goal;
    if (store.goals) state.goal = $("goal").value;
    $("goal-line").hidden = state.view !== "kpi" || !keys.length;
  },

  goalText(kpi, value, difference) {
    if (value === null) return "–";
    const { unit } = this.app.store.goals.kpis[kpi];
    if (unit) return `${TDH.number(value, 1)} ${unit}`;
    return difference ? `${TDH.number(100 * value, 1)}${TDH.t("points")}` : `${TDH.percent(value, 1)}%`;
  },

  /* Whether a goal is met, in words; empty without a target. */
  goalState({ kpi, after, target }) {
    if (target === null || after === null) return "";
    const missing = this.app.store.goals.kpis[kpi].less ? after - target : target - after;
    return missing <= 1e-9 ? TDH.t("goal_met") : TDH.t("goal_missing", { n: this.goalText(kpi, missing, true) });
  },

  /* Goals of the whole area by any carrier, in the panel. */
  goalLines() {
    const { store } = this.app, el = TDH.element, t = TDH.t;
    const any = store.goals ? store.goalsOf(-1).filter((g) => store.goals.whos[g.who].carrier < 0 && g.after !== null)
      .sort((a, b) => (a.target === null) - (b.target === null)).slice(0, 4) : [];
    if (!any.length) return null;
    return el("table", { class: "goals" }, el("caption", {}, t("goals")), el("tbody", {}, ...any.map((g) => el("tr", {},
      el("th", { scope: "row" }, store.goals.kpis[g.kpi][TDH.lang], el("small", {}, ` ${store.goals.whos[g.who][TDH.lang]}`)),
      el("td", { class: "after" }, `${this.goalText(g.kpi, g.before)} → ${this.goalText(g.kpi, g.after)}`,
        el("small", { class: this.goalState(g) === t("goal_met") ? "met" : "missing" }, this.goalState(g)))))));
  },

  goalTable() {
    const { store } = this.app, el = TDH.element, t = TDH.t, all = store.goals ? store.goalsOf(-1) : [];
    if (!all.length) return [];
    const head = ["goal", "who", "before", "after", "target", "goal_state", "note"];
    return [el("table", { class: "goal-table" }, el("caption", {}, t("goals")),
      el("thead", {}, el("tr", {}, ...head.map((k) => el("th", { scope: "col" }, t(k))))),
      el("tbody", {}, ...all.map((g) => {
        const who = store.goals.whos[g.who];
        return el("tr", {}, el("th", { scope: "row" }, store.goals.kpis[g.kpi][TDH.lang]),
          el("td", { class: "left" }, who.carrier < 0 ? who[TDH.lang] : TDH.chip(store.meta.carriers[who.carrier])),
          el("td", {}, this.goalText(g.kpi, g.before)), el("td", {}, this.goalText(g.kpi, g.after)),
          el("td", {}, this.goalText(g.kpi, g.target)), el("td", { class: "left" }, this.goalState(g)),
          el("td", { class: "left" }, store.goals.notes[g.note][TDH.lang]));
      })))];
  },

  /* Steps of colours: [colour, words]. Dark is far from the goal. */
  goalSteps(goal) {
    const percent = (x) => TDH.number(100 * x, 0), colour = (i) => TDH.css(TDH.mix(TDH.KPI_RAMP, 0.25 * i));
    const upper = (i) => (TDH.KPI_STEPS[i + 1] === undefined ? 1 : TDH.KPI_STEPS[i + 1]);
    if (!goal) return TDH.KPI_STEPS.map((x, i) => [colour(i), `${percent(x)}–${percent(upper(i))}%`]);
    const { unit } = this.app.store.goals.kpis[goal.kpi];
    if (!unit) return TDH.KPI_STEPS.map((x, i) => [colour(i), `${percent(1 - upper(i))}–${percent(1 - x)}%`]);
    const most = this.goalMost(goal);
    return [0, 1, 2, 3].map((i) => [colour(i), `${TDH.number((most * i) / 4, 1)}–${TDH.number((most * (i + 1)) / 4, 1)} ${unit}`]);
  },

  goalMost({ kpi, who }) {
    const rows = this.app.store.goals.rows.filter((r) => r[0] === kpi && r[1] === who && r[2] >= 0);
    return Math.max(1e-9, ...rows.flatMap((r) => [r[3] || 0, r[4] || 0]));
  },

  goalColour(goal, value) {
    if (value === null || value === undefined) return "#d9dee2";
    const { unit } = this.app.store.goals.kpis[goal.kpi];
    const step = unit ? Math.min(3, Math.floor((4 * value) / this.goalMost(goal)))
      : TDH.KPI_STEPS.filter((s) => 1 - value >= s - 1e-9).length - 1;
    return TDH.css(TDH.mix(TDH.KPI_RAMP, Math.max(0, step) * 0.25));
  },
});
