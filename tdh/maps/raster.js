/* A raster of the plan's own cells on Leaflet's tiles: no cell is resampled before it is drawn. */
TDH.Pyramid = class {
  /* pool "min" keeps the weakest cell of a block and "max" the strongest: far out, a gap shows. */
  constructor(data, rows, cols, pool) {
    this.levels = [{ data, rows, cols }];
    this.pool = pool;
  }

  level(k) {
    while (this.levels.length <= k) {
      const { data, rows, cols } = this.levels[this.levels.length - 1];
      if (rows < 2 && cols < 2) break;
      const h = (rows + 1) >> 1, w = (cols + 1) >> 1, small = new Uint8Array(h * w);
      const least = this.pool === "min";
      for (let r = 0; r < h; r++) {
        const up = 2 * r * cols, down = 2 * r + 1 < rows ? up + cols : up;
        for (let c = 0; c < w; c++) {
          const left = 2 * c, right = left + 1 < cols ? left + 1 : left;
          const p = data[up + left], q = data[up + right], s = data[down + left];
          const t = data[down + right];
          let v;
          if (least) {
            // 0 is outside the area: it takes no part.
            v = (p || 256) < (q || 256) ? p : q || p;
            if (s && (!v || s < v)) v = s;
            if (t && (!v || t < v)) v = t;
          } else {
            v = Math.max(p, q, s, t);
          }
          small[r * w + c] = v;
        }
      }
      this.levels.push({ data: small, rows: h, cols: w });
    }
    return this.levels[Math.min(k, this.levels.length - 1)];
  }
};

TDH.RasterLayer = L.GridLayer.extend({
  options: { keepBuffer: 1, updateWhenIdle: false, updateWhenZooming: false },

  initialize(toCell, cellM, options) {
    L.setOptions(this, options);
    this._toCell = toCell;
    this._cellM = cellM;
    this._lut = new Uint32Array(256);
    this._pyramid = null;
    this._origin = [0, 0];
  },

  /* pyramid, colours (256 of ABGR) and the row and column of the pyramid's first cell */
  show(pyramid, lut, origin) {
    this._pyramid = pyramid;
    this._origin = origin || [0, 0];
    if (lut) this._lut = lut;
    this.repaint();
  },

  colour(lut) {
    this._lut = lut;
    this.repaint();
  },

  repaint() {
    if (!this._map) return;
    for (const key in this._tiles) this._paint(this._tiles[key].el, this._tiles[key].coords);
  },

  createTile(coords) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 256;
    tile.setAttribute("aria-hidden", "true");
    this._paint(tile, coords);
    return tile;
  },

  _paint(tile, { x, y, z }) {
    const context = tile.getContext("2d");
    if (!this._pyramid) { context.clearRect(0, 0, 256, 256); return; }
    const STEP = 16, N = 17, size = 256 * 2 ** z, merc = TDH.mercator, pair = [0, 0];
    const cols = TDH.RasterLayer.cols, rows = TDH.RasterLayer.rows;
    let inside = false;
    const top = this._pyramid.levels[0];
    for (let j = 0; j < N; j++) {
      const lat = merc.lat((y * 256 + j * STEP) / size);
      for (let i = 0; i < N; i++) {
        this._toCell(merc.lon((x * 256 + i * STEP) / size), lat, pair);
        const c = (cols[j * N + i] = pair[0] - this._origin[1]);
        const r = (rows[j * N + i] = pair[1] - this._origin[0]);
        if (c > -40 * 2 && r > -40 * 2 && c < top.cols + 80 && r < top.rows + 80) inside = true;
      }
    }
    const wide = Math.abs(cols[N - 1] - cols[0]);
    inside = inside || wide > 256 * 4;
    if (!inside) { context.clearRect(0, 0, 256, 256); return; }
    const perPixel = wide / 256;
    const k = perPixel <= 1 ? 0 : Math.ceil(Math.log2(perPixel) - 0.25);
    const level = this._pyramid.level(k), scale = 1 / 2 ** Math.min(k, this._pyramid.levels.length - 1);
    const { data, rows: h, cols: w } = level, lut = this._lut;
    const image = context.createImageData(256, 256), pixels = new Uint32Array(image.data.buffer);
    for (let j = 0; j < N - 1; j++) {
      for (let i = 0; i < N - 1; i++) {
        const a = j * N + i, b = a + 1, d = a + N, e = d + 1;
        for (let v = 0; v < STEP; v++) {
          const t = (v + 0.5) / STEP;
          let c = (cols[a] + (cols[d] - cols[a]) * t) * scale;
          let r = (rows[a] + (rows[d] - rows[a]) * t) * scale;
          const dc = ((cols[b] + (cols[e] - cols[b]) * t) * scale - c) / STEP;
          const dr = ((rows[b] + (rows[e] - rows[b]) * t) * scale - r) / STEP;
          c += dc / 2; r += dr / 2;
          let at = (j * STEP + v) * 256 + i * STEP;
          for (let u = 0; u < STEP; u++, at++, c += dc, r += dr) {
            if (c >= 0 && r >= 0 && c < w && r < h) {
              pixels[at] = lut[data[(r | 0) * w + (c | 0)]];
            }
          }
        }
      }
    }
    context.putImageData(image, 0, 0);
  },
});
TDH.RasterLayer.cols = new Float64Array(17 * 17);
TDH.RasterLayer.rows = new Float64Array(17 * 17);

/* Colours. Below the threshold orange, above it blue: readers with any common colour blindness
   tell them apart, and the border between them is the threshold itself. */
TDH.ramps = {
  below: [[84, 39, 8], [140, 66, 8], [204, 107, 28], [240, 165, 90], [250, 209, 160]],
  above: [[214, 230, 244], [158, 198, 226], [91, 154, 204], [38, 105, 171], [8, 48, 107]],
  score: [[247, 244, 252], [203, 192, 228], [149, 128, 194], [101, 62, 154], [63, 15, 110]],
  nothing: [58, 52, 48],
};

TDH.mix = function (ramp, t) {
  const x = Math.min(1, Math.max(0, t)) * (ramp.length - 1), i = Math.min(ramp.length - 2, x | 0);
  return ramp[i].map((v, k) => Math.round(v + (ramp[i + 1][k] - v) * (x - i)));
};

TDH.css = ([r, g, b]) => `rgb(${r},${g},${b})`;
TDH.abgr = ([r, g, b], alpha) => ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;
TDH.rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

/* Codes to colours about a threshold: span codes below it and twice the span above. */
TDH.divergingLut = function (threshold, span) {
  const lut = new Uint32Array(256), { below, above, nothing } = TDH.ramps;
  lut[1] = TDH.abgr(nothing, 255);
  for (let q = 2; q < 256; q++) {
    const colour = q < threshold ? TDH.mix(below, 1 - (threshold - q) / span)
      : TDH.mix(above, (q - threshold) / (2 * span));
    lut[q] = TDH.abgr(colour, 255);
  }
  return lut;
};
