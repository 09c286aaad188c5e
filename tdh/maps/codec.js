"use strict";
/* What codec.py packed: base64, deflate, predicted bytes. Everything lives under one name. */
var TDH = window.TDH || {};

TDH.element = function (tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  // Strings become text nodes: whatever a register holds stays text.
  node.append(...children.filter((c) => c !== null && c !== undefined));
  return node;
};

TDH.json = (id) => JSON.parse(document.getElementById(id).textContent);

TDH.fromBase64 = function (text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
};

TDH.block = async function (id) {
  const packed = TDH.fromBase64(document.getElementById(id).textContent);
  if (typeof DecompressionStream === "undefined") return TDH.inflate(packed);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
};

/* Inflate (RFC 1951 in the envelope of RFC 1950) for browsers without DecompressionStream. */
TDH.inflate = function (input) {
  const LENGTH = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83,
    99, 115, 131, 163, 195, 227, 258];
  const FAR = [1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025,
    1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577];
  const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
  let at = 2, hold = 0, held = 0, out = new Uint8Array(input.length * 4), n = 0;
  const bits = (count) => {
    while (held < count) { hold |= input[at++] << held; held += 8; }
    const value = hold & ((1 << count) - 1);
    hold >>>= count; held -= count;
    return value;
  };
  const room = (more) => {
    if (n + more <= out.length) return;
    const larger = new Uint8Array(Math.max(out.length * 2, n + more));
    larger.set(out); out = larger;
  };
  const tree = (lengths) => {
    const counts = new Uint16Array(16), starts = new Uint16Array(16);
    for (const l of lengths) counts[l]++;
    counts[0] = 0;
    for (let i = 1; i < 16; i++) starts[i] = starts[i - 1] + counts[i - 1];
    const symbols = new Uint16Array(lengths.length);
    lengths.forEach((l, s) => { if (l) symbols[starts[l]++] = s; });
    return { counts, symbols };
  };
  const symbol = ({ counts, symbols }) => {
    let code = 0, first = 0, index = 0;
    for (let l = 1; l < 16; l++) {
      code |= bits(1);
      const count = counts[l];
      if (code - first < count) return symbols[index + code - first];
      index += count; first = (first + count) << 1; code <<= 1;
    }
    throw new Error("damaged data");
  };
  const extra = (i, per) => (i < per ? 0 : Math.floor(i / per) - 1);
  for (let last = 0; !last;) {
    last = bits(1);
    const kind = bits(2);
    if (kind === 0) {
      hold = held = 0;
      const length = input[at] | (input[at + 1] << 8);
      at += 4; room(length);
      out.set(input.subarray(at, at + length), n);
      at += length; n += length;
      continue;
    }
    let literals, distances;
    if (kind === 1) {
      literals = tree(Array.from({ length: 288 }, (_, i) =>
        (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8)));
      distances = tree(new Array(30).fill(5));
    } else {
      const nl = bits(5) + 257, nd = bits(5) + 1, nc = bits(4) + 4, codes = new Array(19).fill(0);
      for (let i = 0; i < nc; i++) codes[ORDER[i]] = bits(3);
      const lengths = [], coder = tree(codes);
      while (lengths.length < nl + nd) {
        const s = symbol(coder);
        if (s < 16) lengths.push(s);
        else {
          const value = s === 16 ? lengths[lengths.length - 1] : 0;
          let times = s === 16 ? 3 + bits(2) : s === 17 ? 3 + bits(3) : 11 + bits(7);
          while (times--) lengths.push(value);
        }
      }
      literals = tree(lengths.slice(0, nl));
      distances = tree(lengths.slice(nl));
    }
    for (;;) {
      const s = symbol(literals);
      if (s === 256) break;
      if (s < 256) { room(1); out[n++] = s; continue; }
      const i = s - 257;
      const length = LENGTH[i] + (i === 28 ? 0 : bits(extra(i, 4)));
      const j = symbol(distances);
      const back = FAR[j] + bits(extra(j, 2));
      room(length);
      for (let k = 0; k < length; k++, n++) out[n] = out[n - back];
    }
  }
  return out.slice(0, n);
};

/* Remainders stand in groups by how much a cell's neighbours differ; see codec.py. */
TDH.SLOPES = [1, 2, 4, 7, 12, 20];

TDH.unpredict = function (packed, rows, cols) {
  const n = TDH.SLOPES.length + 1, at = new Uint32Array(n), q = new Uint8Array(rows * cols);
  const sizes = new DataView(packed.buffer, packed.byteOffset, 4 * n);
  for (let k = 0, next = 4 * n; k < n; k++) { at[k] = next; next += sizes.getUint32(4 * k, true); }
  const group = Uint8Array.from({ length: 511 }, (_, d) => TDH.SLOPES.filter((s) => s <= d).length);
  for (let r = 0, i = 0; r < rows; r++) {
    let west = 0, corner = 0;
    for (let c = 0; c < cols; c++, i++) {
      const north = r ? q[i - cols] : 0;
      const low = west < north ? west : north, high = west < north ? north : west;
      const guess = corner >= high ? low : corner <= low ? high : west + north - corner;
      const a = west < corner ? corner - west : west - corner;
      const b = north < corner ? corner - north : north - corner;
      west = q[i] = (packed[at[group[a + b]]++] + guess) & 255;
      corner = north;
    }
  }
  return q;
};

TDH.columns = function (layout, bytes, n) {
  const table = {};
  let at = 0;
  for (const [name, kind] of layout) {
    const width = parseInt(kind.slice(1), 10) / 8, alike = kind.endsWith("d");
    const Kind = width === 1 ? Uint8Array : width === 2 ? Uint16Array : Uint32Array;
    const values = new Kind(n);
    let last = 0;
    for (let i = 0; i < n; i++) {
      let value = 0;
      for (let b = width - 1; b >= 0; b--) value = value * 256 + bytes[at + b * n + i];
      if (alike) value = last += value & 1 ? -(value + 1) / 2 : value / 2;
      values[i] = value;
    }
    at += width * n;
    table[name] = values;
  }
  return table;
};

/* Many texts as one string and where each begins: an object each would cost more than the words. */
TDH.Texts = class {
  constructor(text, n) {
    this.text = text;
    this.starts = new Uint32Array(n + 1);
    for (let i = 0, at = 0; i < n; i++) {
      const end = text.indexOf("\x1f", at);
      at = (end < 0 ? text.length : end) + 1;
      this.starts[i + 1] = at;
    }
    this.length = n;
  }

  at(i) { return this.text.slice(this.starts[i], this.starts[i + 1] - 1); }

  indexOf(word) {
    for (let i = 0; i < this.length; i++) {
      if (this.starts[i + 1] - 1 - this.starts[i] === word.length
        && this.text.startsWith(word, this.starts[i])) return i;
    }
    return -1;
  }
};

TDH.texts = async (id, n) => new TDH.Texts(new TextDecoder().decode(await TDH.block(id)), n);

/* Polynomials of georeference.py. */
TDH.polynomial = function ({ centre, half, terms }, degree) {
  return function (x, y, out) {
    const u = (x - centre[0]) / half[0], v = (y - centre[1]) / half[1];
    let a = 0, b = 0, k = 0, pu = 1;
    for (let i = 0; i <= degree; i++, pu *= u) {
      for (let j = 0, pv = pu; j <= degree - i; j++, k++, pv *= v) {
        a += terms[0][k] * pv; b += terms[1][k] * pv;
      }
    }
    out[0] = a; out[1] = b;
    return out;
  };
};

/* Web Mercator as a square of side one, north up. */
TDH.mercator = {
  x: (lon) => (lon + 180) / 360,
  y: (lat) => 0.5 - Math.asinh(Math.tan((lat * Math.PI) / 180)) / (2 * Math.PI),
  lon: (x) => x * 360 - 180,
  lat: (y) => (Math.atan(Math.sinh((0.5 - y) * 2 * Math.PI)) * 180) / Math.PI,
};
