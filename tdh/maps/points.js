/* Points in columns, drawn on canvas tiles; far out they are counted, near they are dots. */
TDH.Points = class {
  constructor(lon, lat) {
    const n = (this.n = lon.length);
    this.x = new Float64Array(n);
    this.y = new Float64Array(n);
    let x0 = 1, y0 = 1, x1 = 0, y1 = 0;
    for (let i = 0; i < n; i++) {
      const x = (this.x[i] = TDH.mercator.x(lon[i])), y = (this.y[i] = TDH.mercator.y(lat[i]));
      if (x < x0) x0 = x; if (x > x1) x1 = x; if (y < y0) y0 = y; if (y > y1) y1 = y;
    }
    const side = (this.side = Math.max(1, Math.min(128, Math.round(Math.sqrt(n / 8)))));
    this.box = [x0, y0, Math.max(x1 - x0, 1e-9), Math.max(y1 - y0, 1e-9)];
    const at = new Int32Array(n), starts = (this.starts = new Int32Array(side * side + 1));
    for (let i = 0; i < n; i++) starts[(at[i] = this.bucket(this.x[i], this.y[i])) + 1]++;
    for (let i = 0; i < side * side; i++) starts[i + 1] += starts[i];
    const next = starts.slice(0, -1);
    this.order = new Int32Array(n);
    for (let i = 0; i < n; i++) this.order[next[at[i]]++] = i;
    this.visible = new Uint8Array(n).fill(1);
    this.version = 0;
  }

  column(x) {
    const c = Math.floor(((x - this.box[0]) / this.box[2]) * this.side);
    return Math.min(this.side - 1, Math.max(0, c));
  }

  line(y) {
    const r = Math.floor(((y - this.box[1]) / this.box[3]) * this.side);
    return Math.min(this.side - 1, Math.max(0, r));
  }

  bucket(x, y) { return this.line(y) * this.side + this.column(x); }

  /* Visible points in a rectangle of the unit square. */
  each(x0, y0, x1, y1, visit) {
    const c0 = this.column(x0), c1 = this.column(x1), r1 = this.line(y1);
    for (let r = this.line(y0); r <= r1; r++) {
      const stop = this.starts[r * this.side + c1 + 1];
      for (let k = this.starts[r * this.side + c0]; k < stop; k++) {
        const i = this.order[k], x = this.x[i], y = this.y[i];
        if (this.visible[i] && x >= x0 && x <= x1 && y >= y0 && y <= y1) visit(i);
      }
    }
  }

  nearest(x, y, reach) {
    let best = -1, least = reach * reach;
    this.each(x - reach, y - reach, x + reach, y + reach, (i) => {
      const d = (this.x[i] - x) ** 2 + (this.y[i] - y) ** 2;
      if (d <= least) { least = d; best = i; }
    });
    return best;
  }

  /* Counts of visible points in squares of the screen, once a zoom and filter. */
  bins(zoom, pixels) {
    const key = `${zoom}/${this.version}`;
    if (this.binned && this.binned.key === key) return this.binned;
    const scale = (256 * 2 ** zoom) / pixels, [x0, y0, w, h] = this.box;
    const c0 = Math.floor(x0 * scale), r0 = Math.floor(y0 * scale);
    const cols = Math.floor((x0 + w) * scale) - c0 + 1, rows = Math.floor((y0 + h) * scale) - r0 + 1;
    const count = new Uint32Array(cols * rows), sx = new Float64Array(cols * rows);
    const sy = new Float64Array(cols * rows);
    for (let i = 0; i < this.n; i++) {
      if (!this.visible[i]) continue;
      const x = this.x[i] * scale, y = this.y[i] * scale;
      const b = (Math.floor(y) - r0) * cols + Math.floor(x) - c0;
      count[b]++; sx[b] += x * pixels; sy[b] += y * pixels;
    }
    this.binned = { key, c0, r0, cols, rows, count, sx, sy };
    return this.binned;
  }

  changed() { this.version++; }
};

TDH.BIN = 64;
TDH.FEW = 4;

TDH.PointLayer = L.GridLayer.extend({
  options: { keepBuffer: 1, updateWhenIdle: false, updateWhenZooming: false, margin: 26 },

  /* paint(context, index, x, y, zoom) draws one point; bubbles: whether to count when far out */
  initialize(points, paint, options) {
    L.setOptions(this, options);
    this._points = points;
    this._draw = paint;
  },

  createTile(coords) {
    const tile = document.createElement("canvas");
    tile.setAttribute("aria-hidden", "true");
    this._paint(tile, coords);
    return tile;
  },

  repaint() {
    for (const key in this._tiles) this._paint(this._tiles[key].el, this._tiles[key].coords);
  },

  _paint(tile, { x, y, z }) {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    tile.width = tile.height = 256 * ratio;
    const context = tile.getContext("2d"), size = 256 * 2 ** z, points = this._points;
    context.scale(ratio, ratio);
    const left = x * 256, top = y * 256, m = this.options.margin;
    const single = (i) => this._draw(context, i, points.x[i] * size - left,
      points.y[i] * size - top, z);
    if (!this.options.bubbles || z >= 16) {
      points.each((left - m) / size, (top - m) / size, (left + 256 + m) / size,
        (top + 256 + m) / size, single);
      return;
    }
    const bins = points.bins(z, TDH.BIN), per = 256 / TDH.BIN, s = TDH.BIN;
    for (let r = y * per - 1; r <= (y + 1) * per; r++) {
      for (let c = x * per - 1; c <= (x + 1) * per; c++) {
        const i = r - bins.r0, j = c - bins.c0;
        if (i < 0 || j < 0 || i >= bins.rows || j >= bins.cols) continue;
        const n = bins.count[i * bins.cols + j];
        if (!n) continue;
        if (n <= TDH.FEW) {
          points.each((c * s) / size, (r * s) / size, ((c + 1) * s - 1e-6) / size,
            ((r + 1) * s - 1e-6) / size, single);
        } else {
          TDH.bubble(context, bins.sx[i * bins.cols + j] / n - left,
            bins.sy[i * bins.cols + j] / n - top, n);
        }
      }
    }
  },
});

TDH.bubble = function (context, x, y, n) {
  const radius = Math.min(17, 6 + 1.7 * Math.log2(n / TDH.FEW + 1));
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.fillStyle = "rgba(255,255,255,0.78)";
  context.fill();
  context.lineWidth = 1;
  context.strokeStyle = "rgba(63,15,110,0.6)";
  context.stroke();
  context.fillStyle = "#2b1450";
  context.font = "600 10px system-ui, 'Noto Sans CJK JP', sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(n > 9999 ? `${Math.round(n / 1000)}k` : String(n), x, y + 0.5);
};

TDH.SHAPES = ["circle", "square", "triangle", "diamond", "pentagon", "cross"];

TDH.shape = function (context, shape, x, y, r) {
  context.beginPath();
  if (shape === "circle") context.arc(x, y, r, 0, 7);
  else if (shape === "square") context.rect(x - r * 0.88, y - r * 0.88, r * 1.76, r * 1.76);
  else if (shape === "cross") {
    const a = r * 1.05, b = r * 0.38;
    context.moveTo(x - a, y - b);
    for (const [u, v] of [[-b, -b], [-b, -a], [b, -a], [b, -b], [a, -b], [a, b], [b, b], [b, a],
      [-b, a], [-b, b], [-a, b]]) context.lineTo(x + u, y + v);
    context.closePath();
  } else {
    const corners = { triangle: 3, diamond: 4, pentagon: 5 }[shape];
    const far = r * (corners === 3 ? 1.25 : 1.15);
    for (let i = 0; i < corners; i++) {
      const a = (2 * Math.PI * i) / corners - Math.PI / 2;
      context.lineTo(x + far * Math.cos(a), y + (corners === 3 ? 0.2 * r : 0) + far * Math.sin(a));
    }
    context.closePath();
  }
};

/* A sector of an antenna, or a ring where it serves all round. */
TDH.sector = function (context, x, y, azimuth, r, colour, beam) {
  const half = (beam / 360) * Math.PI, a = azimuth === null ? 0 : ((azimuth - 90) * Math.PI) / 180;
  context.beginPath();
  if (azimuth === null) context.arc(x, y, r * 0.75, 0, 7);
  else { context.moveTo(x, y); context.arc(x, y, r, a - half, a + half); }
  context.closePath();
  context.fillStyle = colour;
  context.globalAlpha = azimuth === null ? 0.16 : 0.3;
  context.fill();
  context.globalAlpha = 1;
  context.lineWidth = 2.6; context.strokeStyle = "rgba(255,255,255,0.85)"; context.stroke();
  context.lineWidth = 1.3; context.strokeStyle = colour; context.stroke();
};

TDH.GLYPHS = { town_hall: { ja: "庁", en: "G" }, disaster_hospital: { ja: "病", en: "H" },
  temporary_stay: { ja: "滞", en: "S" }, evacuation_area: { ja: "避", en: "E" },
  station: { ja: "駅", en: "R" }, other: { ja: "他", en: "P" } };

TDH.label = function (context, x, y, text) {
  if (!text) return;
  context.font = "600 11px system-ui, 'Noto Sans CJK JP', sans-serif";
  context.textAlign = "left";
  context.textBaseline = "middle";
  const shown = text.length > 14 ? `${text.slice(0, 13)}…` : text;
  context.lineWidth = 3; context.strokeStyle = "rgba(255,255,255,0.9)"; context.lineJoin = "round";
  context.strokeText(shown, x, y);
  context.fillStyle = "#25323d";
  context.fillText(shown, x, y);
};

TDH.station = function (context, x, y, z, name) {
  const w = z >= 13 ? 9 : 6, h = z >= 13 ? 6 : 4;
  context.beginPath();
  context.rect(x - w / 2, y - h / 2, w, h);
  context.fillStyle = "#fff"; context.fill();
  context.lineWidth = 1.6; context.strokeStyle = "#3a4650"; context.stroke();
  TDH.label(context, x + w / 2 + 3, y, name);
};

/* A priority place: dark where it is served, orange where it is not, grey where that is not known. */
TDH.place = function (context, x, y, z, glyph, served, name) {
  const s = z >= 13 ? 15 : 8, colour = served === null ? "#66727c" : served ? "#0b3d63" : "#b33c00";
  context.beginPath();
  context.rect(x - s / 2, y - s / 2, s, s);
  context.fillStyle = colour; context.fill();
  context.lineWidth = served === false ? 2.4 : 1.4; context.strokeStyle = served === false ? "#ffd166" : "#fff"; context.stroke();
  if (z >= 13) {
    context.fillStyle = "#fff";
    context.font = "700 10.5px system-ui, 'Noto Sans CJK JP', sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(glyph, x, y + 0.5);
  }
  TDH.label(context, x + s / 2 + 3, y, name);
};

TDH.dot = function (context, x, y, score, r) {
  context.beginPath();
  context.arc(x, y, r, 0, 7);
  context.fillStyle = TDH.css(TDH.mix(TDH.ramps.score, score / 100));
  context.fill();
  context.lineWidth = 1.2;
  context.strokeStyle = "#2b2140";
  context.stroke();
};
