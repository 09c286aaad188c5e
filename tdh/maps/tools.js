/* Tools on the map: swipe, measure, selection by box, files, links. */
TDH.download = function (name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = TDH.element("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
};

/* RFC 4180; a leading =, +, -, @ would be a formula in a spreadsheet, so it is quoted away. */
TDH.csv = function (rows) {
  const cell = (value) => {
    let text = value === null || value === undefined ? "" : String(value);
    if (typeof value === "string" && /^\s*[=+\-@\t\r]/.test(text)) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  return `\ufeff${rows.map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
};

/* Two panes beside each other with a bar between them. The bar lies in the map's own pane, under
   the popups, and is moved against the map's own motion. */
TDH.Swipe = class {
  constructor(map, leftPane, rightPane) {
    this.map = map;
    this.panes = [map.getPane(leftPane), map.getPane(rightPane)];
    this.at = 0.5;
    this.on = false;
    const pane = map.createPane("swipe");
    pane.style.zIndex = 640;
    this.bar = TDH.element("div", { class: "swipe", role: "slider", tabindex: "0",
      "aria-valuemin": "0", "aria-valuemax": "100", "data-t-label": "swipe", hidden: true },
    TDH.element("span", { class: "swipe-left", "data-t": "before" }),
    TDH.element("span", { class: "swipe-right", "data-t": "after" }),
    TDH.element("span", { class: "swipe-grip", "aria-hidden": "true" }, "⇔"));
    pane.append(this.bar);
    L.DomEvent.disableClickPropagation(this.bar);
    map.on("move zoomend resize viewreset zoom", () => this.place());
    this.bar.addEventListener("pointerdown", (e) => {
      e.preventDefault(); e.stopPropagation();
      this.bar.focus();
      map.dragging.disable();
      const move = (m) => {
        const box = map.getContainer().getBoundingClientRect();
        this.set((m.clientX - box.left) / box.width);
      };
      const up = () => {
        map.dragging.enable();
        window.removeEventListener("pointermove", move);
        window.removeEventListener("pointerup", up);
      };
      window.addEventListener("pointermove", move);
      window.addEventListener("pointerup", up);
    });
    this.bar.addEventListener("keydown", (e) => {
      const step = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[e.key];
      if (!step) return;
      e.preventDefault(); e.stopPropagation();
      this.set(this.at + step);
    });
  }

  set(at) {
    this.at = Math.min(0.98, Math.max(0.02, at));
    this.place();
    this.map.fire("swiped");
  }

  toggle(on) {
    this.on = on;
    this.bar.hidden = !on;
    this.place();
  }

  place() {
    const size = this.map.getSize(), nw = this.map.containerPointToLayerPoint([0, 0]);
    const se = this.map.containerPointToLayerPoint(size), x = nw.x + size.x * this.at;
    const [left, right] = this.panes;
    if (!this.on) {
      left.style.clip = right.style.clip = "auto";
      return;
    }
    left.style.clip = `rect(${nw.y}px,${x}px,${se.y}px,${nw.x}px)`;
    right.style.clip = `rect(${nw.y}px,${se.x}px,${se.y}px,${x}px)`;
    this.bar.style.height = `${size.y}px`;
    L.DomUtil.setPosition(this.bar, L.point(x - 14, nw.y));
    this.bar.setAttribute("aria-valuenow", String(Math.round(this.at * 100)));
  }
};

TDH.Measure = class {
  constructor(map, say) {
    this.map = map;
    this.say = say;
    this.active = false;
    this.layer = L.layerGroup();
    this.click = (e) => this.add(e.latlng);
  }

  toggle() {
    this.active = !this.active;
    this.map.getContainer().classList.toggle("measuring", this.active);
    if (this.active) {
      this.points = [];
      this.layer.clearLayers().addTo(this.map);
      this.map.on("click", this.click);
      this.map.doubleClickZoom.disable();
      this.say(TDH.t("measure_hint"));
    } else {
      this.map.off("click", this.click);
      this.map.doubleClickZoom.enable();
      this.layer.remove();
      this.say("");
    }
    return this.active;
  }

  add(latlng) {
    this.points.push(latlng);
    this.layer.clearLayers();
    L.polyline(this.points, { color: "#111", weight: 2, dashArray: "6 4" }).addTo(this.layer);
    for (const p of this.points) {
      L.circleMarker(p, { radius: 4, color: "#111", fillColor: "#fff", fillOpacity: 1, weight: 2 })
        .addTo(this.layer);
    }
    let metres = 0;
    for (let i = 1; i < this.points.length; i++) metres += this.map.distance(this.points[i - 1], this.points[i]);
    this.metres = metres;
    this.say(metres < 1000 ? `${TDH.number(metres, 0)} m` : `${TDH.number(metres / 1000, 3)} km`);
  }
};

/* Drag a box; whatever it holds is handed over. */
TDH.BoxSelect = class {
  constructor(map, done, say) {
    this.map = map;
    this.active = false;
    this.say = say;
    const container = map.getContainer();
    container.addEventListener("pointerdown", (e) => {
      if (!this.active || e.button) return;
      e.preventDefault(); e.stopPropagation();
      const start = map.mouseEventToContainerPoint(e);
      const box = TDH.element("div", { class: "select-box" });
      container.append(box);
      const move = (m) => {
        const now = map.mouseEventToContainerPoint(m);
        box.style.left = `${Math.min(start.x, now.x)}px`;
        box.style.top = `${Math.min(start.y, now.y)}px`;
        box.style.width = `${Math.abs(start.x - now.x)}px`;
        box.style.height = `${Math.abs(start.y - now.y)}px`;
      };
      const up = (m) => {
        window.removeEventListener("pointermove", move);
        window.removeEventListener("pointerup", up);
        box.remove();
        const end = map.mouseEventToContainerPoint(m);
        done(L.latLngBounds(map.containerPointToLatLng(start), map.containerPointToLatLng(end)));
        this.toggle(false);
      };
      window.addEventListener("pointermove", move);
      window.addEventListener("pointerup", up);
    }, true);
  }

  toggle(on) {
    this.active = on === undefined ? !this.active : on;
    this.map.dragging[this.active ? "disable" : "enable"]();
    this.map.getContainer().classList.toggle("selecting", this.active);
    this.say(this.active ? TDH.t("select_hint") : "");
    return this.active;
  }
};

/* The state of the page as a short text behind #, and back. */
TDH.permalink = {
  write(state, map) {
    const centre = map.getCenter(), q = new URLSearchParams();
    q.set("map", `${map.getZoom()}/${centre.lat.toFixed(5)}/${centre.lng.toFixed(5)}`);
    for (const key of ["view", "who", "band", "when", "shift", "opacity", "lang", "q", "goal"]) {
      if (state[key] !== "" && state[key] !== undefined) q.set(key, String(state[key]));
    }
    q.set("layers", Object.keys(state.layers).filter((k) => state.layers[k]).join(","));
    for (const [key, value] of Object.entries(state.filter)) if (value !== "") q.set(`f.${key}`, value);
    if (state.active) q.set("asset", state.active);
    if (state.site) q.set("site", state.site);
    return `#${q.toString().replace(/%2F/g, "/").replace(/%2C/g, ",")}`;
  },

  read(text, state, meta) {
    const q = new URLSearchParams(text.replace(/^#/, ""));
    const one = (key, allowed) => {
      const value = q.get(key);
      if (value !== null && allowed.includes(value)) state[key] = value;
    };
    one("view", TDH.viewsOf(meta));
    one("when", ["before", "after", "swipe"]);
    one("lang", ["ja", "en"]);
    const who = q.get("who");
    if (who === "any" || who === "two") state.who = who;
    else if (who !== null && meta.carriers[Number(who)]) state.who = Number(who);
    const bands = typeof state.who === "number" ? meta.carriers[state.who].bands : [];
    one("band", ["all", ...bands.map((b) => b.id)]);
    for (const [key, low, high] of [["shift", -15, 30], ["opacity", 10, 100]]) {
      const value = Number(q.get(key));
      if (q.get(key) !== null && value >= low && value <= high) state[key] = value;
    }
    if (q.get("layers") !== null) {
      const on = q.get("layers").split(",");
      for (const key of Object.keys(state.layers)) if (key !== "gsi") state.layers[key] = on.includes(key);
    }
    if (/^\d+\.\d+$/.test(q.get("goal") || "")) state.goal = q.get("goal");
    if (q.get("q")) state.q = q.get("q");
    for (const key of Object.keys(state.filter)) {
      const value = q.get(`f.${key}`);
      if (value !== null) state.filter[key] = value;
    }
    if (q.get("asset")) state.active = q.get("asset");
    if (q.get("site")) state.site = q.get("site");
    const [z, lat, lng] = (q.get("map") || "").split("/").map(Number);
    return Number.isFinite(lng) ? { z, lat, lng } : null;
  },
};
