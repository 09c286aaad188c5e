/* A table of which only the rows in sight exist: 50,000 rows cost what twenty do. */
TDH.Table = class {
  constructor(root, { columns, onOpen, onSelect }) {
    this.columns = columns;
    this.onOpen = onOpen;
    this.onSelect = onSelect;
    this.rows = [];
    this.selected = new Set();
    this.sort = { key: "score", down: true };
    this.cursor = 0;
    this.height = 28;
    this.head = TDH.element("div", { class: "row head", role: "row", "aria-rowindex": "1" });
    this.canvas = TDH.element("div", { class: "rows", role: "rowgroup" });
    this.scroller = TDH.element("div", { class: "scroller", role: "grid", tabindex: "0",
      "data-t-label": "table", "aria-multiselectable": "true" },
    TDH.element("div", { class: "rowgroup", role: "rowgroup" }, this.head), this.canvas);
    root.append(this.scroller);
    this.scroller.addEventListener("scroll", () => this.draw());
    this.scroller.addEventListener("keydown", (e) => this.key(e));
    new ResizeObserver(() => this.draw()).observe(this.scroller);
  }

  heads() {
    this.head.replaceChildren(...this.columns.map((column, i) => {
      const mine = this.sort.key === column.key;
      const cell = TDH.element("div", { class: `cell ${column.kind || ""}`, role: "columnheader",
        "aria-colindex": String(i + 1),
        "aria-sort": mine ? (this.sort.down ? "descending" : "ascending") : column.value ? "none" : null });
      if (!column.value) { cell.textContent = column.title(); return cell; }
      cell.append(TDH.element("button", { type: "button", tabindex: "-1", onclick: () => this.order(column.key) },
        column.title(), TDH.element("span", { "aria-hidden": "true" }, mine ? (this.sort.down ? " ▼" : " ▲") : "")));
      return cell;
    }));
  }

  order(key) {
    this.sort = { key, down: this.sort.key === key ? !this.sort.down : key !== "name" };
    this.show(this.rows);
  }

  show(rows) {
    const column = this.columns.find((c) => c.key === this.sort.key), sign = this.sort.down ? -1 : 1;
    this.rows = Int32Array.from(rows);
    if (rows.length && typeof column.value(rows[0]) === "string") {
      const values = new Map(Array.from(rows, (i) => [i, column.value(i)]));
      this.rows.sort((a, b) => {
        const x = values.get(a), y = values.get(b);
        return sign * (x < y ? -1 : x > y ? 1 : 0) || a - b;
      });
    } else if (rows.length) {
      const values = new Float64Array(this.most(rows) + 1);
      for (const i of rows) { const v = column.value(i); values[i] = v === null ? -1e9 : v; }
      this.rows.sort((a, b) => sign * (values[a] - values[b]) || a - b);
    }
    this.cursor = Math.min(this.cursor, Math.max(0, this.rows.length - 1));
    this.scroller.setAttribute("aria-rowcount", String(this.rows.length + 1));
    this.canvas.style.height = `${this.rows.length * this.height}px`;
    this.heads();
    this.draw();
  }

  most(rows) {
    let most = 0;
    for (const i of rows) if (i > most) most = i;
    return most;
  }

  draw() {
    const view = this.scroller.clientHeight, top = this.scroller.scrollTop;
    const first = Math.max(0, Math.floor(top / this.height) - 3);
    const last = Math.min(this.rows.length, first + Math.ceil(view / this.height) + 6);
    const nodes = [];
    for (let k = first; k < last; k++) {
      const i = this.rows[k], on = this.selected.has(i);
      const row = TDH.element("div", { class: `row${on ? " on" : ""}${k === this.cursor ? " cursor" : ""}`,
        role: "row", id: `tdh-row-${k}`, "aria-rowindex": String(k + 2), "aria-selected": String(on) });
      row.style.transform = `translateY(${k * this.height}px)`;
      this.columns.forEach((column, c) => {
        const cell = TDH.element("div", { class: `cell ${column.kind || ""}`, role: "gridcell",
          "aria-colindex": String(c + 1) });
        const shown = column.text(i, on);
        cell.append(shown);
        row.append(cell);
      });
      row.addEventListener("click", (e) => {
        this.cursor = k;
        if (e.target.closest(".pick")) this.select(i); else this.onOpen(i);
        this.draw();
      });
      nodes.push(row);
    }
    this.canvas.replaceChildren(...nodes);
    const id = `tdh-row-${this.cursor}`;
    if (this.cursor >= first && this.cursor < last && this.rows.length) {
      this.scroller.setAttribute("aria-activedescendant", id);
    } else this.scroller.removeAttribute("aria-activedescendant");
  }

  select(i) {
    if (!this.selected.delete(i)) this.selected.add(i);
    this.onSelect();
  }

  key(e) {
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.height) - 2);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 }[e.key];
    if (step) this.cursor = Math.min(this.rows.length - 1, Math.max(0, this.cursor + step));
    else if (e.key === "Enter" && e.target === this.scroller) this.onOpen(this.rows[this.cursor]);
    else if (e.key === " " && e.target === this.scroller) this.select(this.rows[this.cursor]);
    else return;
    e.preventDefault();
    const y = this.cursor * this.height, view = this.scroller.clientHeight - this.height * 2;
    if (y < this.scroller.scrollTop) this.scroller.scrollTop = y;
    else if (y > this.scroller.scrollTop + view) this.scroller.scrollTop = y - view;
    this.draw();
  }
};
