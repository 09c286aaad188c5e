/* On what today's coverage stands: measured, declared, predicted, estimated. Part of the application. */
TDH.EVIDENCE_COLOURS = ["#e3e0da", "#e69f00", "#9db4c6", "#009e73", "#0b4f8a"];

Object.assign(TDH.Store.prototype, {
  /* Code of evidence + 1 of each cell, 0 outside; what has no raster of its own is predicted. */
  async evidenceOf(carrier, band) {
    if (this.meta.rasters[this.key(carrier, band, "source")]) return this.load(carrier, band, "source");
    const key = `predicted/${carrier}/${band}`;
    if (!this.made.has(key)) {
      const none = this.evidenceCode("none"), predicted = this.evidenceCode("predicted");
      this.made.set(key, (await this.load(carrier, band, "before")).map((q) => (q === 0 ? 0 : q === 1 ? none : predicted)));
    }
    return this.made.get(key);
  },

  evidenceCode(kind) { return 1 + this.meta.evidence.findIndex((e) => e.id === kind); },

  /* The strongest evidence among the bands of those who are looked at. */
  async evidence(who, bandId) {
    const key = `evidence/${who}/${bandId}`;
    if (this.made.has(key)) return this.made.get(key);
    let out = null;
    for (const c of this.carriersOf(who)) {
      for (const band of this.meta.carriers[c].bands) {
        if (bandId !== "all" && band.id !== bandId) continue;
        const codes = await this.evidenceOf(c, band.id);
        if (!out) out = Uint8Array.from(codes);
        else for (let i = 0; i < out.length; i++) if (codes[i] > out[i]) out[i] = codes[i];
      }
    }
    this.made.set(key, out);
    return out;
  },

  async needEvidence() {
    if (!this.meta.evidence) return;
    for (const [c, carrier] of this.meta.carriers.entries()) {
      for (const band of carrier.bands) await this.evidenceOf(c, band.id);
    }
  },

  /* The kind of evidence of a band in a cell; undefined where it is predicted or not decoded yet. */
  evidenceAt(carrier, band, cell) {
    const codes = this.meta.evidence && cell >= 0 ? this.codes(carrier, band, "source") : null;
    const found = codes && codes[cell] ? this.meta.evidence[codes[cell] - 1] : undefined;
    return found && found.id !== "predicted" && found.id !== "none" ? found : undefined;
  },
});

TDH.evidenceLut = function () {
  const lut = new Uint32Array(256);
  TDH.EVIDENCE_COLOURS.forEach((colour, k) => { lut[1 + k] = TDH.abgr(TDH.rgb(colour), 255); });
  return lut;
};
