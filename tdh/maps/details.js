/* What is told of one asset, and of the cell under the cursor. Text only, never markup. */
TDH.chip = function (carrier, text) {
  const mark = TDH.element("span", { class: "mark", "aria-hidden": "true" });
  mark.append(TDH.symbol(carrier, 12));
  return TDH.element("span", { class: "chip" }, mark, text === undefined ? carrier.name : text);
};

TDH.icon = function (path) {
  const NS = "http://www.w3.org/2000/svg", svg = document.createElementNS(NS, "svg");
  for (const [k, v] of Object.entries({ width: 17, height: 17, viewBox: "0 0 16 16", fill: "none",
    stroke: "currentColor", "stroke-width": 1.5, "aria-hidden": "true" })) svg.setAttribute(k, v);
  const line = document.createElementNS(NS, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
};

/* A carrier's shape in its colour, as SVG. */
TDH.symbol = function (carrier, size) {
  const NS = "http://www.w3.org/2000/svg", svg = document.createElementNS(NS, "svg");
  svg.setAttribute("width", size);
  svg.setAttribute("height", size);
  svg.setAttribute("viewBox", "-10 -10 20 20");
  const path = document.createElementNS(NS, "path"), parts = [];
  TDH.shape({
    beginPath() {},
    moveTo(x, y) { parts.push(`M${x.toFixed(2)} ${y.toFixed(2)}`); },
    lineTo(x, y) { parts.push(`${parts.length ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`); },
    closePath() { parts.push("Z"); },
    rect(x, y, w, h) { parts.push(`M${x} ${y}h${w}v${h}h${-w}Z`); },
    arc(x, y, r) { parts.push(`M${-r} 0A${r} ${r} 0 1 1 ${r} 0A${r} ${r} 0 1 1 ${-r} 0Z`); },
  }, carrier.shape, 0, 0, 8);
  path.setAttribute("d", parts.join(""));
  path.setAttribute("fill", carrier.colour);
  svg.append(path);
  return svg;
};

TDH.assetDetails = function (store, i) {
  const { meta, assets, numbers } = store, el = TDH.element, t = TDH.t;
  const chosen = store.carriersChosen(i), box = el("div", { class: "details" });
  const marks = el("p", { class: "badges" },
    el("span", { class: chosen.length ? "badge yes" : "badge" },
      chosen.length ? t("chosen") : t("not_chosen")));
  if (assets.synthetic[i]) marks.append(el("span", { class: "badge warn" }, t("synthetic")));
  marks.append(el("span", { class: "badge" }, t("modelled")));
  const list = (facts) => el("dl", {}, ...facts.filter(([, v]) => v !== "" && v !== null && v !== undefined)
    .flatMap(([word, value]) => [el("dt", {}, t(word)), el("dd", {}, String(value))]));
  const height = store.height(i), above = numbers.above[i];
  const mount = above === 65535 ? 65535 : above - 10000 + (height === null ? 0 : assets.height[i]);
  box.append(el("h3", {}, store.names.at(i) || store.ids.at(i)), marks, list([
    ["kind_label", store.label("kinds", assets.kind[i])],
    ["owner_u", meta.owners[assets.owner[i]]],
    ["address", store.addresses.at(i) || (meta.municipalities[assets.municipality[i]] || {}).name],
    ["height", height === null ? null : TDH.number(height, 1)],
    ["placement", store.label("placements", assets.placement[i])
      + (mount === 65535 ? "" : ` / ${TDH.number(mount / 10, 1)} m`)]]));
  box.append(el("h4", {}, t("why")), TDH.reasons(store, i, chosen), el("div", { class: "paths" }),
    el("h4", {}, t("by_carrier")));
  const body = el("tbody", {});
  const row = (head, c, mine) => body.append(el("tr", { class: mine ? "yes" : null },
    el("th", { scope: "row" }, head),
    el("td", {}, TDH.number(numbers[`score${c}`][i] / 10, 1)),
    el("td", {}, `${numbers[`rank${c}`][i] || "–"}`),
    el("td", {}, numbers[`stays${c}`][i] > 100 ? "–" : `${numbers[`stays${c}`][i]} %`),
    el("td", {}, TDH.number(numbers[`people${c}`][i], 0)),
    el("td", {}, TDH.number(numbers[`cells${c}`][i])),
    el("td", {}, mine ? TDH.number(mine.gained) : "–")));
  meta.carriers.forEach((carrier, c) => row(TDH.chip(carrier), c, chosen.find((r) => r.carrier === c)));
  row(t("public"), "_public");
  box.append(el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t("who")),
    ...["score_one", "rank", "stays", "gap_people", "cells", "gain"].map((k) =>
      el("th", { scope: "col" }, t(k, { n: meta.top }))))), body));
  box.append(el("div", { class: "parts" }));
  const antennas = TDH.antennaTable(store, i), safe = TDH.exposureLine(store, i, chosen);
  if (antennas) box.append(antennas);
  const carried = TDH.carriedTable(store, i);
  if (carried) box.append(carried);
  if (safe) box.append(el("p", { class: "small" }, safe));
  box.append(el("h4", {}, t("origin")), list([["id", store.ids.at(i)],
    ["source", `${store.sources.at(numbers.source[i])} (${t("row")} ${numbers.row[i]})`]]));
  if (chosen.length) { // only offered assets have a sheet
    box.append(el("p", { class: "small" },
      el("a", { href: `report.html#${encodeURIComponent(`asset-${store.ids.at(i)}`)}` }, t("sheet"))));
  }
  return box;
};

/* Bars of what makes up each carrier's score. */
TDH.partsInto = async function (store, i, box) {
  const el = TDH.element, place = box.querySelector(".parts"), rows = [];
  for (const [c, carrier] of store.meta.carriers.entries()) {
    const parts = (await store.parts(i, c)).filter(([, points]) => points > 0);
    if (!parts.length) continue;
    const bar = el("div", { class: "stackbar", "aria-hidden": "true" });
    parts.forEach(([, points], k) => {
      const piece = el("i", { class: `p${k % 6}` });
      piece.style.width = `${points}%`;
      bar.append(piece);
    });
    rows.push(el("li", {}, TDH.chip(carrier), bar,
      el("span", { class: "small" }, parts.map(([word, points]) => `${word} ${TDH.number(points, 1)}`).join(" + "))));
  }
  if (rows.length) place.replaceChildren(el("h4", {}, TDH.t("contributions")), el("ul", { class: "reasons" }, ...rows));
};

TDH.reasons = function (store, i, chosen) {
  const el = TDH.element, t = TDH.t, list = el("ul", { class: "reasons" });
  store.meta.carriers.forEach((carrier, c) => {
    const mine = chosen.find((row) => row.carrier === c), n = store.numbers[`people${c}`][i];
    if (mine) {
      list.append(el("li", {}, TDH.chip(carrier), " ", el("strong", {}, t("order", { n: mine.order })),
        ` – ${t("gained", { n: TDH.number(mine.gained) })}, ${t("lost", { n: TDH.number(mine.lost) })}${mine.cost === undefined ? "" : `, ${t("cost", { n: mine.cost.toFixed(1) })}`}. `,
        TDH.lang === "ja" ? mine.ja : mine.en));
    } else if (!chosen.length) {
      const text = n < 1 ? t("why_not_zero") : t("why_not_cap",
        { n: TDH.number(n), r: store.numbers[`rank${c}`][i] || "–", m: carrier.max_sites });
      list.append(el("li", {}, TDH.chip(carrier), ` ${text}`));
    }
  });
  return list;
};

TDH.exposureLine = function (store, i, chosen) {
  const pole = store.meta.placements[store.assets.placement[i]].id === "pole", parts = [];
  for (const row of chosen) {
    for (const band of store.meta.carriers[row.carrier].bands) {
      const metres = pole ? band.exposure_pole : band.exposure_roof;
      if (metres) parts.push(`${store.meta.carriers[row.carrier].name} ${band.id} ${metres} m`);
    }
  }
  return parts.length ? `${TDH.t("exposure")}: ${parts.join(", ")}` : "";
};

/* Every carrier's value in a cell; cells of a table. */
TDH.readout = function (store, at, shift) {
  const el = TDH.element, t = TDH.t, body = el("tbody", {});
  store.meta.carriers.forEach((carrier, c) => {
    for (const [k, band] of carrier.bands.entries()) {
      const show = (when) => {
        const codes = store.codes(c, band.id, when);
        if (!codes) return el("td", {}, "…");
        const q = at < 0 ? 0 : codes[at];
        if (q === 0) return el("td", { class: "none" }, "–");
        const good = q > 1 && q >= store.code(band.covered + shift);
        const cell = el("td", { class: good ? "good" : "bad" },
          q === 1 ? t("nothing_short") : `${(q / 2 - 150.5).toFixed(1)}`);
        cell.dataset.value = q === 1 ? "" : String(q / 2 - 150.5);
        cell.dataset.key = store.key(c, band.id, when);
        return cell;
      };
      const known = store.evidenceAt(c, band.id, at);
      body.append(el("tr", {}, k ? el("td", {}) : el("th", { scope: "row" }, TDH.chip(carrier)),
        el("td", { class: "band" }, known ? `${band.id} (${known[TDH.lang]})` : band.id), show("before"), show("after")));
    }
  });
  return body;
};
