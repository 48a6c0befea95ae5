// The watch list as elements. Only the rows in view exist, so any number of symbols is fluid.

import { byId, el } from "./dom.js";
import { age, count, percent, price } from "./format.js";
import { draw } from "./spark.js";
import { colours } from "./theme.js";
import { ORDERS, WatchRows } from "./watch_rows.js";

const ROW_HEIGHT = 28;
/** How long a new price is coloured. */
const TICK_MS = 700;
const COLUMNS = [["symbol", "Symbol"], ["last", "Last"], ["change", "Change"], [null, "Day"], ["age", "Age"]];

export class WatchList {
  /** `onSelect` gets the symbol that was chosen. */
  constructor(onSelect) {
    this.rows = new WatchRows();
    this.onSelect = onSelect;
    this.selected = null;
    this.marked = new Set();
    this.pool = [];
    this.now = () => Date.now();
    this.isQueued = false;
    this.head = byId("watch-head");
    this.view = byId("watch-rows");
    this.height = byId("watch-height");
    this.filter = byId("filter");
    this.view.addEventListener("scroll", () => this.queue(), { passive: true });
    new ResizeObserver(() => this.queue()).observe(this.view);
    this.filter.addEventListener("input", () => {
      this.rows.filter = this.filter.value;
      this.view.scrollTop = 0;
      this.arrange();
    });
    // The age grows, and the order by it or by the change follows once a second.
    setInterval(() => (this.rows.order === "symbol" ? this.queue() : this.arrange()), 1000);
    this.showHead();
  }

  replace(list) {
    this.rows.replace(list);
    this.arrange();
  }

  /** Takes the bars of a message. */
  take(bars) {
    const before = this.rows.rows.size;
    const at = performance.now();
    for (const bar of bars) this.rows.take(bar, at);
    if (this.rows.rows.size !== before) this.rows.arrange();
    this.queue();
  }

  arrange() {
    this.rows.arrange();
    this.queue();
  }

  sortBy(order) {
    if (this.rows.order === order) this.rows.reversed = !this.rows.reversed;
    else [this.rows.order, this.rows.reversed] = [order, false];
    this.view.scrollTop = 0;
    this.showHead();
    this.arrange();
  }

  sortByNext() {
    const orders = Object.keys(ORDERS);
    this.sortBy(orders[(orders.indexOf(this.rows.order) + 1) % orders.length]);
  }

  /** Selects the row `step` below the selected one, and shows it. */
  move(step) {
    const { shown } = this.rows;
    if (shown.length === 0) return;
    const at = this.rows.indexOf(this.selected);
    const next = at < 0 ? 0 : Math.min(Math.max(at + step, 0), shown.length - 1);
    this.select(shown[next].symbol);
  }

  select(symbol) {
    this.selected = symbol;
    this.scrollTo(this.rows.indexOf(symbol));
    this.queue();
    this.onSelect(symbol);
  }

  scrollTo(at) {
    if (at < 0) return;
    const [top, bottom] = [at * ROW_HEIGHT, (at + 1) * ROW_HEIGHT];
    if (top < this.view.scrollTop) this.view.scrollTop = top;
    else if (bottom > this.view.scrollTop + this.view.clientHeight) {
      this.view.scrollTop = bottom - this.view.clientHeight;
    }
  }

  showHead() {
    this.head.replaceChildren(...COLUMNS.map(([order, text]) => {
      if (order === null) return el("span", {}, text);
      const arrow = this.rows.order !== order ? "" : this.rows.reversed ? " ▴" : " ▾";
      return el("button", { type: "button", onclick: () => this.sortBy(order), class: `to-${order}` }, text + arrow);
    }));
  }

  /** Draws once before the next picture, however often it is asked for. */
  queue() {
    if (this.isQueued) return;
    this.isQueued = true;
    requestAnimationFrame(() => {
      this.isQueued = false;
      this.draw();
    });
  }

  draw() {
    const { shown } = this.rows;
    this.height.style.height = `${shown.length * ROW_HEIGHT}px`;
    byId("count").textContent = count(shown.length);
    const first = Math.max(0, Math.floor(this.view.scrollTop / ROW_HEIGHT) - 2);
    const needed = Math.min(Math.ceil(this.view.clientHeight / ROW_HEIGHT) + 4, shown.length - first);
    while (this.pool.length < needed) this.addRow();
    const palette = colours();
    const at = performance.now();
    // A place of the list keeps its element while it is in view, so scrolling fills the new ones only.
    const used = new Set();
    for (let index = first; index < first + needed; index += 1) {
      const row = this.pool[index % this.pool.length];
      used.add(row);
      this.fill(row, shown[index], index, palette, at);
    }
    for (const row of this.pool) if (row.element.hidden === used.has(row)) row.element.hidden = !used.has(row);
  }

  addRow() {
    const cells = ["symbol", "last", "change"].map((name) => el("span", { class: name }));
    const canvas = el("canvas", { class: "spark" });
    const ageCell = el("span", { class: "age" });
    const element = el("div", { class: "watch-row", role: "option" }, ...cells, canvas, ageCell);
    const row = { element, cells, canvas, ageCell, shown: null, version: 0, palette: null };
    element.addEventListener("click", () => row.shown && this.select(row.shown.symbol));
    this.pool.push(row);
    this.height.append(element);
  }

  fill(row, data, index, palette, at) {
    const isChanged = row.shown !== data || row.version !== data.version || row.palette !== palette;
    Object.assign(row, { shown: data, version: data.version, palette });
    const direction = data.change > 0 ? "up" : data.change < 0 ? "down" : "";
    const ticking = at - data.tickAt < TICK_MS ? (data.tick > 0 ? " tick-up" : data.tick < 0 ? " tick-down" : "") : "";
    if (ticking !== "") setTimeout(() => this.queue(), TICK_MS + 50);
    const isSelected = data.symbol === this.selected;
    const marked = this.marked.has(data.symbol) ? " marked" : "";
    row.element.className = `watch-row${isSelected ? " selected" : ""}${marked}`;
    row.element.setAttribute("aria-selected", String(isSelected));
    row.element.style.transform = `translateY(${index * ROW_HEIGHT}px)`;
    const [symbol, last, change] = row.cells;
    last.className = `last${ticking}`;
    row.ageCell.textContent = age(this.now() - data.received);
    if (!isChanged) return;
    symbol.textContent = data.symbol;
    symbol.title = data.symbol;
    last.textContent = price(data.close, data.places);
    change.textContent = percent(data.change);
    change.className = `change ${direction}`;
    draw(row.canvas, data.spark, data.base, palette[direction] ?? palette.faint, palette.line);
  }
}
