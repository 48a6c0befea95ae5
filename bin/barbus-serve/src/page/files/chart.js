// The chart: which symbols and interval it shows, their bars, and what is in view.

import { ask, askBars } from "./api.js";
import { SessionAxis, missingMinutes } from "./axis.js";
import { candles, comparison } from "./figure.js";
import { colours } from "./theme.js";

/* global Plotly */

/** The chart library is large: the watch list does not wait for it. */
function loadLibrary() {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/assets/plotly.js";
    script.onload = resolve;
    script.onerror = () => reject(new Error("the chart library cannot be loaded: reload the page"));
    document.head.append(script);
  });
}

export const INTERVALS = [
  ["1m", 1], ["5m", 5], ["15m", 15], ["30m", 30], ["1h", 60], ["2h", 120], ["4h", 240], ["1d", 1440],
];
const MINUTE = 60_000;
/** Bars that are asked for at first, and at most. */
const FIRST_BARS = 600;
const MOST_BARS = 5000;
/** Slots in view at first. */
const FIRST_VIEW = 180;
/** Symbols beside the first one. */
const MOST_OVERLAYS = 7;
/** Longer bars are asked for again this long after a new minute. */
const REFRESH_MS = 300;
/** The marks are asked for again this often. */
const MARKS_MS = 30_000;
const NO_MARKS = { missing: [], late: [], revised: [] };

export class Chart {
  /** `handlers` has `changed`, `hovered` and `failed`. */
  constructor(element, handlers) {
    this.element = element;
    this.handlers = handlers;
    this.bus = null;
    this.clock = null;
    this.interval = "1m";
    this.symbol = null;
    this.overlays = [];
    this.bars = new Map();
    this.marks = NO_MARKS;
    this.wanted = FIRST_BARS;
    this.axis = new SessionAxis([], 1, null);
    this.view = null;
    this.generation = 0;
    this.isReady = false;
    this.library = null;
    this.refresh = 0;
    new ResizeObserver(() => this.isReady && Plotly.Plots.resize(element)).observe(element);
    setInterval(() => this.loadMarks(), MARKS_MS);
  }

  get symbols() {
    return this.symbol === null ? [] : [this.symbol, ...this.overlays];
  }

  get minutes() {
    return INTERVALS.find(([name]) => name === this.interval)[1];
  }

  get isComparison() {
    return this.overlays.length > 0;
  }

  setBus(bus, clock) {
    Object.assign(this, { bus, clock, symbol: null, overlays: [], bars: new Map(), marks: NO_MARKS, view: null });
  }

  async show(symbol) {
    if (symbol === this.symbol) return;
    this.symbol = symbol;
    this.overlays = this.overlays.filter((other) => other !== symbol);
    this.view = null;
    this.wanted = FIRST_BARS;
    await this.load();
  }

  async setInterval(interval) {
    if (interval === this.interval) return;
    this.interval = interval;
    this.view = null;
    this.wanted = FIRST_BARS;
    this.bars.clear();
    await this.load();
  }

  /** Adds a symbol to compare with, or removes it. */
  async toggleOverlay(symbol) {
    if (symbol === this.symbol) return;
    if (this.overlays.includes(symbol)) this.overlays = this.overlays.filter((other) => other !== symbol);
    else if (this.overlays.length < MOST_OVERLAYS) this.overlays = [...this.overlays, symbol];
    await this.load();
  }

  async clearOverlays() {
    this.overlays = [];
    await this.load();
  }

  /** Asks for more of the past. */
  async more() {
    if (this.wanted >= MOST_BARS) return;
    this.wanted = Math.min(this.wanted * 2, MOST_BARS);
    await this.load();
  }

  /** Asks for the bars of all symbols that are shown. */
  async load() {
    if (this.symbol === null) return;
    this.generation += 1;
    const { generation, bus, interval, wanted } = this;
    this.handlers.changed();
    try {
      const loaded = await Promise.all(this.symbols.map(async (symbol) => [
        symbol, await askBars(bus, symbol, interval, wanted),
      ]));
      if (generation !== this.generation) return;
      this.library ??= loadLibrary();
      await this.library;
      if (generation !== this.generation) return;
      this.bars = new Map(loaded);
      this.marks = NO_MARKS;
      this.draw();
      this.handlers.failed(null);
      await this.loadMarks();
    } catch (error) {
      if (generation === this.generation) this.handlers.failed(error);
    }
  }

  async loadMarks() {
    const bars = this.bars.get(this.symbol) ?? [];
    if (this.isComparison || bars.length === 0 || this.minutes >= 1440) return;
    const { generation, bus, symbol } = this;
    try {
      const marks = await ask("/api/marks", { bus, symbol, from: bars[0].day, to: bars[bars.length - 1].day });
      if (generation !== this.generation) return;
      this.marks = marks;
      this.draw();
    } catch {
      // The bars are shown without marks; a lasting fault shows in the state of the bus.
    }
  }

  /** Takes the bars of a message: of minutes at once, of longer intervals by asking again. */
  take(bars, hasMore) {
    const shown = new Set(this.symbols);
    const own = bars.filter((bar) => shown.has(bar[0]));
    if (hasMore) return this.load();
    if (own.length === 0) return undefined;
    if (this.minutes > 1) {
      clearTimeout(this.refresh);
      this.refresh = setTimeout(() => this.askNewest(), REFRESH_MS);
      return undefined;
    }
    for (const [symbol, frame, open, high, low, close, volume, , revision] of own) {
      const known = this.bars.get(symbol);
      if (known === undefined) continue;
      const last = known[known.length - 1];
      if (last !== undefined && frame < known[0].frame) continue;
      insert(known, { frame, open, high, low, close, volume, day: last?.day, complete: true });
      if (symbol !== this.symbol) continue;
      if (revision > 0) this.mark("revised", frame);
      else if (last !== undefined && frame < last.frame) this.mark("late", frame);
    }
    this.draw();
    return undefined;
  }

  mark(kind, frame) {
    if (!this.marks[kind].includes(frame)) this.marks = { ...this.marks, [kind]: [...this.marks[kind], frame] };
  }

  async askNewest() {
    const { generation, bus, interval } = this;
    try {
      const newest = await Promise.all(this.symbols.map(async (symbol) => [
        symbol, await askBars(bus, symbol, interval, 2),
      ]));
      if (generation !== this.generation) return;
      for (const [symbol, bars] of newest) bars.forEach((bar) => insert(this.bars.get(symbol) ?? [], bar));
      this.draw();
    } catch (error) {
      this.handlers.failed(error);
    }
  }

  /** Lays the slots out anew and draws. What was in view stays there; the newest bar stays last. */
  draw() {
    const bars = this.bars.get(this.symbol);
    if (bars === undefined) return;
    const before = this.axis;
    const frames = this.symbols.flatMap((symbol) => (this.bars.get(symbol) ?? []).map((bar) => bar.frame));
    const marks = this.marksOf(bars);
    this.axis = new SessionAxis([...frames, ...marks.slots], this.minutes, this.clock);
    if (this.view === null) this.viewNewest();
    else {
      const [left, right] = this.view;
      const isAtEnd = right >= before.length - 1;
      const width = right - left;
      const anchor = before.frames[Math.max(0, Math.round(left))];
      const shift = isAtEnd
        ? this.axis.length - before.length
        : this.axis.slotFrom(anchor ?? 0) - Math.max(0, Math.round(left));
      this.view = [left + shift, left + shift + width];
    }
    this.render(marks);
  }

  /** The marks as slots of this axis. Of longer bars, those with missing minutes are marked. */
  marksOf(bars) {
    const { missing, late, revised } = this.marks;
    const first = bars[0]?.frame ?? 0;
    if (this.isComparison || bars.length === 0) return { slots: [], missing: [], late: [], revised: [] };
    if (this.minutes === 1) {
      // What is missing after the newest bar is counted below the chart and takes no room in it.
      const minutes = missingMinutes(missing, first, bars[bars.length - 1].frame);
      return { slots: minutes, missing: minutes, late, revised };
    }
    const ends = new SessionAxis(bars.map((bar) => bar.frame), this.minutes, this.clock);
    const endOf = (frame) => {
      const end = ends.frames[ends.slotFrom(frame)];
      return end !== undefined && end - frame < this.minutes * MINUTE ? end : undefined;
    };
    const touched = (frames) => Array.from(new Set(frames.map(endOf))).filter((end) => end !== undefined);
    return {
      slots: [],
      missing: touched(missingMinutes(missing, first - this.minutes * MINUTE, Infinity)),
      late: touched(late),
      revised: touched(revised),
    };
  }

  viewNewest() {
    const width = Math.min(FIRST_VIEW, Math.max(this.axis.length, 30));
    this.view = [this.axis.length - width - 0.5, this.axis.length + Math.max(1, width * 0.03)];
  }

  render(marks = this.marksOf(this.bars.get(this.symbol) ?? [])) {
    const palette = colours();
    const { data, layout } = this.isComparison
      ? comparison(this.axis, this.series(palette), this.view, palette)
      : candles(this.axis, this.bars.get(this.symbol), marks, this.view, palette);
    Plotly.react(this.element, data, layout, { displayModeBar: false, scrollZoom: true, doubleClick: false });
    if (!this.isReady) {
      this.isReady = true;
      this.element.on("plotly_relayout", (change) => this.moved(change));
      this.element.on("plotly_doubleclick", () => this.reset());
      this.element.on("plotly_hover", (event) => this.hovered(event));
      this.element.on("plotly_unhover", () => this.handlers.hovered(null));
    }
    this.handlers.changed();
  }

  /** The symbols of a comparison with their colours and the change in view. */
  series(palette = colours()) {
    const first = this.axis.frames[Math.max(0, Math.ceil(this.view?.[0] ?? 0))];
    return this.symbols.map((symbol, at) => {
      const bars = this.bars.get(symbol) ?? [];
      const start = bars.find((bar) => bar.frame >= first);
      const change = start === undefined ? NaN : bars[bars.length - 1].close / start.close - 1;
      return { symbol, bars, colour: palette.series[at % palette.series.length], change };
    });
  }

  /** The user has moved or zoomed the chart. */
  moved(change) {
    const [left, right] = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    if (left === undefined || right === undefined) return;
    this.setView(left, right);
  }

  setView(left, right) {
    const width = Math.min(Math.max(right - left, 8), Math.max(this.axis.length * 1.2, 30));
    this.view = [left, left + width];
    if (left < -width * 0.1) this.more();
    this.render();
  }

  zoom(factor) {
    if (this.view === null) return;
    const [left, right] = this.view;
    this.setView(right - (right - left) * factor, right);
  }

  pan(part) {
    if (this.view === null) return;
    const [left, right] = this.view;
    const step = (right - left) * part;
    this.setView(left + step, right + step);
  }

  reset() {
    if (this.symbol === null) return;
    this.viewNewest();
    this.render();
  }

  hovered(event) {
    const frame = this.axis.frames[Math.round(event.points[0]?.x ?? -1)];
    const bar = (this.bars.get(this.symbol) ?? []).find((known) => known.frame === frame);
    this.handlers.hovered(bar ?? null);
  }

  /** The bar that was newest when it was drawn last. */
  get newest() {
    const bars = this.bars.get(this.symbol) ?? [];
    return bars[bars.length - 1] ?? null;
  }
}

/** Puts a bar in its place among bars in order; one with the same end is replaced. */
function insert(bars, bar) {
  let at = bars.length;
  while (at > 0 && bars[at - 1].frame > bar.frame) at -= 1;
  if (at > 0 && bars[at - 1].frame === bar.frame) bars[at - 1] = bar;
  else bars.splice(at, 0, bar);
}
