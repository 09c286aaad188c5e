/* The path from an antenna to a place that it is offered for: terrain, buildings, line of sight. */
TDH.svg = function (tag, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [k, v] of Object.entries(attributes)) node.setAttribute(k, v);
  if (text !== undefined) node.textContent = text;
  return node;
};

TDH.niceStep = function (span, parts) {
  const raw = Math.max(span, 1e-9) / parts, power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 2.5, 5, 10].find((m) => m * power >= raw * 0.85) * power;
};

/* Metres along and above the datum, from the tenths that the page holds. */
TDH.pathOf = function (row) {
  let d = 0;
  const along = row.d.map((step) => { d += step; return d / 10; });
  const ground = row.g.map((g) => row.low + g) , top = ground.map((g, k) => g + row.b[k]);
  const length = along[along.length - 1] || 1, [from, to] = row.ends.map((e) => row.low + e);
  const sight = along.map((x) => from + ((to - from) * x) / length);
  return { along, length, ground: ground.map((v) => v / 10), top: top.map((v) => v / 10),
    sight: sight.map((v) => v / 10), from: from / 10, to: to / 10 };
};

TDH.profilePicture = function (row, label) {
  const { svg: el } = TDH, t = TDH.t, path = TDH.pathOf(row);
  const W = 372, H = 158, left = 38, right = 10, top = 20, bottom = 30;
  // The buildings on which the two ends stand do not block; a tower among them is cut off above.
  const built = path.top.map((h, k) => h - path.ground[k] > 0.5), first = built.indexOf(false), last = built.lastIndexOf(false);
  const between = (k) => first >= 0 && k > Math.max(first, 0) && k < Math.min(last, path.top.length - 1);
  const low = Math.min(...path.ground, path.to);
  const high = Math.max(...path.top.filter((_, k) => between(k)), path.from, path.to, low + 5);
  const step = TDH.niceStep(high - low, 4), y0 = Math.floor(low / step) * step;
  const y1 = Math.max(y0 + step, Math.ceil(high / step) * step);
  const X = (d) => left + ((W - left - right) * d) / path.length;
  const Y = (h) => H - bottom - ((H - top - bottom) * (h - y0)) / (y1 - y0);
  const line = (values) => values.map((h, k) => `${X(path.along[k]).toFixed(1)} ${Y(h).toFixed(1)}`).join("L");
  const root = el("svg", { class: "profile", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": label });
  const note = (x, y, text, more) => root.append(el("text", { x: x.toFixed(1), y: y.toFixed(1), ...more }, text));
  for (let h = y0; h <= y1 + step / 9; h += step) {
    root.append(el("path", { class: "grid", d: `M${left} ${Y(h).toFixed(1)}H${W - right}` }));
    note(left - 4, Y(h) + 3.5, TDH.number(h, step < 1 ? 1 : 0), { "text-anchor": "end" });
  }
  const far = TDH.niceStep(path.length, 5);
  for (let d = 0; d <= path.length + 1e-6; d += far) {
    root.append(el("path", { class: "tick", d: `M${X(d).toFixed(1)} ${H - bottom}v4` }));
    note(X(d), H - bottom + 14, TDH.number(d), { "text-anchor": "middle" });
  }
  const floor = `L${X(path.length).toFixed(1)} ${H - bottom}L${left} ${H - bottom}Z`;
  root.append(el("path", { class: "building", d: `M${line(path.top.map((h) => Math.min(h, y1)))}${floor}` }),
    el("path", { class: "ground", d: `M${line(path.ground)}${floor}` }));
  // What stands above the line of sight, filled where it does.
  let over = "", run = [];
  const flush = () => {
    if (run.length) {
      const at = (k, h) => `${X(path.along[k]).toFixed(1)} ${Y(h).toFixed(1)}`;
      over += `M${run.map((k) => at(k, path.top[k])).join("L")}L${run.slice().reverse().map((k) => at(k, path.sight[k])).join("L")}Z`;
    }
    run = [];
  };
  path.top.forEach((h, k) => { if (between(k) && h > path.sight[k]) run.push(k); else flush(); });
  flush();
  if (over) root.append(el("path", { class: "blocked", d: over }));
  const end = X(path.length).toFixed(1), start = X(0).toFixed(1);
  root.append(el("path", { class: "mast", d: `M${start} ${Y(path.ground[0]).toFixed(1)}V${Y(path.from).toFixed(1)}` }),
    el("path", { class: row.los ? "sight" : "sight no", d: `M${start} ${Y(path.from).toFixed(1)}L${end} ${Y(path.to).toFixed(1)}` }),
    el("circle", { class: "end", cx: start, cy: Y(path.from).toFixed(1), r: 3.5 }),
    el("circle", { class: "end", cx: end, cy: Y(path.to).toFixed(1), r: 3.5 }));
  note(4, 11, t("axis_height"), {});
  note(W - right, H - 3, t("axis_distance"), { "text-anchor": "end" });
  note(W - right, 11, row.los ? t("los") : t("nlos"), { "text-anchor": "end", class: row.los ? "clear" : "shut" });
  return root;
};

/* The pictures of all carriers that an asset is offered to. */
TDH.profilesInto = async function (store, i, box) {
  const el = TDH.element, t = TDH.t, place = box.querySelector(".paths"), parts = [], paths = [];
  for (const offer of store.carriersChosen(i)) {
    const row = await store.profile(offer.index);
    if (!row) continue;
    const carrier = store.meta.carriers[offer.carrier], path = TDH.pathOf(row);
    const facts = t("path_facts", { b: row.band, d: TDH.number(path.length), n: TDH.number(row.people),
      s: TDH.number(row.rsrp, 1) });
    parts.push(el("p", {}, TDH.chip(carrier), ` ${facts}`),
      TDH.profilePicture(row, `${carrier.name}: ${row.los ? t("los") : t("nlos")}. ${facts}`));
    paths.push({ offer, row });
  }
  if (parts.length) {
    place.replaceChildren(el("h4", {}, t("path")), ...parts,
      el("ul", { class: "path-key", "aria-hidden": "true" },
        ...["ground", "building", "sight_key"].map((k) => el("li", { class: k }, t(`k_${k}`)))));
  }
  return paths;
};

/* Where the antennas of an asset's offers look. */
TDH.antennaTable = function (store, i) {
  const el = TDH.element, t = TDH.t, rows = [];
  for (const offer of store.carriersChosen(i)) {
    const sectors = store.sectors.get(offer.index) || [], carrier = store.meta.carriers[offer.carrier];
    for (const band of new Set(sectors.map((s) => s.band))) {
      const mine = sectors.filter((s) => s.band === band), [first] = mine;
      const say = (v, digits) => (v === null ? "–" : TDH.number(v, digits));
      const looks = mine.map((s) => (s.azimuth === null ? t("omni") : `${TDH.number(s.azimuth)}°`)).join(", ");
      rows.push(el("tr", {}, el("th", { scope: "row" }, TDH.chip(carrier)),
        el("td", {}, carrier.bands[band] ? carrier.bands[band].id : "–"), el("td", {}, looks),
        el("td", {}, `${say(first.tilt)}°`), el("td", {}, say(first.height, 1)), el("td", {}, say(first.eirp, 1))));
    }
  }
  if (!rows.length) return null;
  return el("div", {}, el("h4", {}, t("antennas")), el("table", {}, el("thead", {}, el("tr", {},
    ...["who", "band", "azimuth", "tilt", "height", "eirp"].map((k) => el("th", { scope: "col" }, t(k))))),
  el("tbody", {}, ...rows)));
};

/* What is told of a priority place or a station. */
TDH.placeDetails = function (store, k, shift) {
  const el = TDH.element, t = TDH.t, { places, meta } = store, box = el("div", { class: "details" });
  const kind = meta.places.kinds[places.kind[k]], at = store.cellAt(places.lat[k], places.lon[k]);
  const all = store.carriersOf("any"), n = store.carriersAt(at, all, "after", shift);
  box.append(el("h3", {}, places.names.at(k) || kind[TDH.lang]), el("p", { class: "badges" },
    el("span", { class: "badge" }, kind[TDH.lang]),
    n === undefined ? null : el("span", { class: n ? "badge yes" : "badge warn" }, n ? t("carriers_n", { n }) : t("remaining")),
    el("span", { class: "badge" }, t("modelled"))));
  box.append(el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t("who")),
    el("th", { scope: "col" }, t("band")), el("th", { scope: "col" }, t("before")), el("th", { scope: "col" }, t("after")))),
  TDH.readout(store, at, shift)), el("p", { class: "small" }, t("dbm")));
  return box;
};
