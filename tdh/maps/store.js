/* What the page holds: rasters decoded when first shown, what follows from them, and the assets. */
TDH.Store = class {
  constructor(meta) {
    this.meta = meta;
    this.toCell = TDH.polynomial(meta.geo.to_cell, meta.geo.degree);
    this.toGeo = TDH.polynomial(meta.geo.to_geo, meta.geo.degree);
    this.raw = new Map();
    this.made = new Map();
    this.regions = [];
  }

  key(carrier, band, when) { return `${carrier}/${band}/${when}`; }

  code(dbm) { return Math.ceil((dbm + 150.5) * 2); }

  dbm(code) { return code / 2 - 150.5; }

  /* Codes of one carrier, band and time; a promise, one decoding whoever asks. */
  load(carrier, band, when) {
    const key = this.key(carrier, band, when);
    if (!this.raw.has(key)) this.raw.set(key, this.decode(key));
    return this.raw.get(key).then((codes) => { this.made.set(key, codes); return codes; });
  }

  async decode(key) {
    const { rows, cols } = this.meta.grid, entry = this.meta.rasters[key];
    const packed = await TDH.block(entry.block);
    const bytes = entry.predicted ? TDH.unpredict(packed, rows, cols) : packed;
    if (!entry.base) return bytes;
    const [carrier, band, when] = entry.base.split("/");
    const base = await this.load(Number(carrier), band, when);
    for (let i = 0; i < bytes.length; i++) bytes[i] = bytes[i] + base[i];
    return bytes;
  }

  /* Codes that are decoded already, or undefined. */
  codes(carrier, band, when) { return this.made.get(this.key(carrier, band, when)); }

  async need(carriers, times) {
    for (const c of carriers) {
      for (const b of this.meta.carriers[c].bands) {
        for (const w of times) await this.load(c, b.id, w);
      }
    }
  }

  carriersOf(who) {
    return typeof who === "number" ? [who] : this.meta.carriers.map((_, i) => i);
  }

  /* Margin to the threshold in half decibels about 128, of a carrier's best band or, for "any"
     and "two", of the best and second best carrier. 0 is outside, 1 nothing received. */
  margin(who, when) {
    const key = `margin/${who}/${when}`;
    if (this.made.has(key)) return this.made.get(key);
    const n = this.meta.grid.rows * this.meta.grid.cols, out = new Uint8Array(n);
    if (typeof who === "number") {
      for (const band of this.meta.carriers[who].bands) {
        const codes = this.codes(who, band.id, when), offset = 128 - this.code(band.covered);
        for (let i = 0; i < n; i++) {
          const q = codes[i];
          if (!q) continue;
          let m = 1;
          if (q > 1) { m = q + offset; m = m < 2 ? 2 : m > 255 ? 255 : m; }
          if (m > out[i]) out[i] = m;
        }
      }
      this.made.set(key, out);
      return out;
    }
    const parts = this.meta.carriers.map((_, i) => this.margin(i, when));
    const second = who === "two" ? new Uint8Array(n) : null;
    for (const part of parts) {
      for (let i = 0; i < n; i++) {
        const m = part[i];
        if (m > out[i]) { if (second) second[i] = out[i]; out[i] = m; }
        else if (second && m > second[i]) second[i] = m;
      }
    }
    this.made.set(key, second || out);
    return second || out;
  }

  /* 1 served today, 2 closed by the plan, 3 a gap that remains. */
  classes(who, shift) {
    const before = this.margin(who, "before"), after = this.margin(who, "after");
    const level = 128 + 2 * shift, out = new Uint8Array(before.length);
    for (let i = 0; i < out.length; i++) {
      if (before[i]) out[i] = before[i] >= level ? 1 : after[i] >= level ? 2 : 3;
    }
    return out;
  }

  /* 1 + how many carriers serve. */
  count(when, shift) {
    const level = 128 + 2 * shift, parts = this.meta.carriers.map((_, i) => this.margin(i, when));
    const out = new Uint8Array(parts[0].length);
    for (const part of parts) {
      for (let i = 0; i < out.length; i++) {
        if (part[i]) { if (!out[i]) out[i] = 1; if (part[i] >= level) out[i]++; }
      }
    }
    return out;
  }

  /* 1 no change, 2 newly received, else 3 + gain in half decibels. */
  change(before, after) {
    const out = new Uint8Array(before.length);
    for (let i = 0; i < out.length; i++) {
      const b = before[i], a = after[i];
      if (b) out[i] = a === b ? 1 : b === 1 ? 2 : Math.min(255, 3 + Math.max(0, a - b));
    }
    return out;
  }

  /* How many carriers serve a cell; undefined while a raster that it takes is still packed. */
  carriersAt(cell, carriers, when, shift) {
    let n = 0;
    for (const c of carriers) {
      let served = false;
      for (const b of this.meta.carriers[c].bands) {
        const codes = this.codes(c, b.id, when);
        if (!codes) return undefined;
        if (cell >= 0 && codes[cell] > 1 && codes[cell] >= this.code(b.covered + shift)) served = true;
      }
      if (served) n++;
    }
    return n;
  }

  /* Goals of a municipality, or of the whole area where it is -1. */
  goalsOf(municipality) {
    return (this.goals ? this.goals.rows : []).filter((row) => row[2] === municipality)
      .map(([kpi, who, , before, after, target, note]) => ({ kpi, who, before, after, target, note }));
  }

  cellAt(lat, lng) {
    const [c, r] = this.toCell(lng, lat, [0, 0]), { rows, cols } = this.meta.grid;
    const col = Math.floor(c), row = Math.floor(r);
    return row >= 0 && col >= 0 && row < rows && col < cols ? row * cols + col : -1;
  }

  /* --- assets ------------------------------------------------------------------------------ */

  async loadAssets() {
    const { assets } = this.meta, n = assets.n;
    const near = TDH.columns(assets.layout, await TDH.block("data-assets"), n);
    this.assets = near;
    const lon = new Float64Array(n), lat = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      lon[i] = assets.origin[0] + near.lon[i] * 1e-6;
      lat[i] = assets.origin[1] + near.lat[i] * 1e-6;
    }
    this.lon = lon; this.lat = lat;
    this.points = new TDH.Points(lon, lat);
    this.chosen = new Map();
    const plan = JSON.parse(new TextDecoder().decode(await TDH.block("data-plan")));
    for (const [index, row] of plan.entries()) {
      row.index = index;
      if (!this.chosen.has(row.asset)) this.chosen.set(row.asset, []);
      this.chosen.get(row.asset).push(row);
    }
  }

  /* Sectors of each offer, and the places of the area. */
  async loadOffers() {
    const { antennas, places } = this.meta;
    this.sectors = new Map();
    if (antennas) {
      const table = TDH.columns(antennas.layout, await TDH.block("data-antennas"), antennas.n);
      const tenths = (v, less) => (v === 65535 ? null : v / 10 - less);
      for (let k = 0; k < antennas.n; k++) {
        if (!this.sectors.has(table.offer[k])) this.sectors.set(table.offer[k], []);
        this.sectors.get(table.offer[k]).push({ band: table.band[k], azimuth: tenths(table.azimuth[k], 0),
          tilt: tenths(table.tilt[k], 90), height: tenths(table.height[k], 0), eirp: tenths(table.eirp[k], 100) });
      }
    }
    if (places) {
      const table = TDH.columns(places.layout, await TDH.block("data-places"), places.n);
      this.places = { kind: table.kind, priority: table.priority,
        lon: Array.from(table.lon, (v) => places.origin[0] + v * 1e-6),
        lat: Array.from(table.lat, (v) => places.origin[1] + v * 1e-6),
        names: await TDH.texts("data-places-names", places.n) };
    }
  }

  /* Where an offer's sectors look, each direction once; null is all round. */
  directions(offer) {
    return Array.from(new Set((this.sectors.get(offer) || []).map((s) => s.azimuth)));
  }

  /* The path of an offer, or undefined. */
  async profile(offer) {
    const k = this.meta.profiles.indexOf(offer);
    if (k < 0) return undefined;
    this.paths = this.paths || JSON.parse(new TextDecoder().decode(await TDH.block("data-profiles")));
    return this.paths[k];
  }

  async loadDetails() {
    const { assets } = this.meta;
    this.goals = JSON.parse(new TextDecoder().decode(await TDH.block("data-goals")));
    this.numbers = TDH.columns(assets.more, await TDH.block("data-numbers"), assets.n);
    const top = (this.top = new Uint16Array(assets.n));
    for (const c of [...this.meta.carriers.keys(), "_public"]) {
      const rank = this.numbers[`rank${c}`], falling = this.numbers[`falling${c}`];
      const score = (this.numbers[`score${c}`] = new Uint16Array(assets.n));
      for (let i = 0; i < assets.n; i++) {
        score[i] = rank[i] ? falling[Math.min(rank[i], assets.n) - 1] : 0;
        if (c !== "_public" && score[i] > top[i]) top[i] = score[i];
      }
    }
    this.regions = JSON.parse(new TextDecoder().decode(await TDH.block("data-regions")));
    this.names = await TDH.texts("data-names", assets.n);
    const short = await TDH.texts("data-ids", assets.n), row = this.numbers.row;
    const whole = Array.from({ length: assets.n }, (_, i) => short.at(i).replace("\x1e", `-${row[i]}`));
    this.ids = new TDH.Texts(whole.join("\x1f"), assets.n);
    this.addresses = await TDH.texts("data-addresses", assets.n);
    this.sources = await TDH.texts("data-sources", this.meta.assets.sources);
  }

  best(i) { return this.top ? this.top[i] / 10 : this.assets.score[i]; }

  /* Parts of an asset's score for a carrier: [word, points], or nothing where they are not held. */
  async parts(i, c) {
    const { parts } = this.meta;
    if (!this.partTable) {
      this.partTable = TDH.columns(parts.layout, await TDH.block("data-parts"), parts.n);
      this.partOf = new Map(Array.from(this.partTable.asset, (a, k) => [a, k]));
    }
    const k = this.partOf.get(i);
    return k === undefined ? [] : parts.names.map((name, p) => [name[TDH.lang], this.partTable[`part${c}_${p}`][k] / 2]);
  }

  height(i) { const h = this.assets.height[i]; return h === 65535 ? null : h / 10; }

  carriersChosen(i) { return this.chosen.get(i) || []; }

  label(list, index) { const entry = this.meta[list][index]; return entry ? entry[TDH.lang] : ""; }
};
