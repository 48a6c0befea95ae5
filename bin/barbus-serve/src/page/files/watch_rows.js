// The symbols of the watch list: their newest bars, the filter and the order.

import { placesOf } from "./format.js";
import { decode, push } from "./spark.js";

/** The orders, by what a click on a column's head asks for. */
export const ORDERS = {
  symbol: (a, b) => (a.symbol < b.symbol ? -1 : a.symbol > b.symbol ? 1 : 0),
  last: (a, b) => b.close - a.close,
  change: (a, b) => (b.change ?? -Infinity) - (a.change ?? -Infinity),
  age: (a, b) => b.received - a.received,
};

export class WatchRows {
  constructor() {
    this.rows = new Map();
    this.shown = [];
    this.filter = "";
    this.order = "symbol";
    this.reversed = false;
  }

  /** Takes the whole list of the server. */
  replace(list) {
    this.rows.clear();
    for (const [bar, low, high, levels] of list) this.put(bar).spark = decode(low, high, levels);
    this.arrange();
  }

  /** Takes a new bar. Returns its row, or null if it changes nothing that is shown. */
  take(bar, tickAt) {
    const row = this.rows.get(bar[0]);
    if (row !== undefined && bar[1] < row.frame) return null;
    const before = row?.close;
    const isSame = row?.frame === bar[1];
    const isNewBase = row !== undefined && row.base !== bar[9];
    const now = this.put(bar);
    if (isNewBase) now.spark = [];
    if (isSame && now.spark.length > 0) now.spark[now.spark.length - 1] = now.close;
    else now.spark = push(now.spark, now.close);
    now.tickAt = tickAt;
    now.tick = before === undefined ? 0 : Math.sign(now.close - before);
    return now;
  }

  put([symbol, frame, open, high, low, close, volume, received, revision, base]) {
    let row = this.rows.get(symbol);
    if (row === undefined) {
      row = { symbol, version: 0, spark: [], places: 0, tickAt: 0, tick: 0, text: symbol.toLowerCase() };
      this.rows.set(symbol, row);
    }
    const change = base > 0 ? close / base - 1 : null;
    Object.assign(row, { frame, open, high, low, close, volume, revision, base, change });
    row.version += 1;
    row.received = received > 0 ? received : frame;
    row.places = Math.max(row.places, placesOf(close));
    return row;
  }

  /** Filters and orders. */
  arrange() {
    const words = this.filter.toLowerCase().split(/\s+/).filter((word) => word !== "");
    const all = Array.from(this.rows.values());
    this.shown = words.length === 0 ? all : all.filter((row) => words.some((word) => row.text.includes(word)));
    const order = ORDERS[this.order];
    const sign = this.reversed ? -1 : 1;
    this.shown.sort((a, b) => sign * order(a, b) || ORDERS.symbol(a, b));
  }

  /** The place of a symbol among those that are shown; -1 if it is not. */
  indexOf(symbol) {
    return this.shown.findIndex((row) => row.symbol === symbol);
  }
}
