// The page: connects the watch list, the chart, the panel, the keys and the live events.

import { ask } from "./api.js";
import { Chart, INTERVALS } from "./chart.js";
import { byId, el } from "./dom.js";
import { age, Clock, count, percent, placesOf, price, short } from "./format.js";
import { listen } from "./keys.js";
import { Live } from "./live.js";
import { showSide } from "./side.js";
import { toggleRising, toggleTheme } from "./theme.js";
import { WatchList } from "./watch_list.js";

/** A chart is asked for this long after the selection stopped moving. */
const SETTLE_MS = 120;

const page = { buses: [], bus: null, state: null, clockAhead: 0, hovered: null, selected: null, settle: 0 };
const address = new URLSearchParams(location.hash.slice(1));

const watch = new WatchList((symbol) => {
  clearTimeout(page.settle);
  page.selected = symbol;
  page.settle = setTimeout(showSelected, SETTLE_MS);
});
const chart = new Chart(byId("chart"), { changed: showChart, hovered, failed });
const live = new Live({ open: resync, bars: takeBars, state: takeState, resync, lost });

/** Shows the chart of the selection now: what follows may depend on it. */
function showSelected() {
  clearTimeout(page.settle);
  if (page.selected !== null) chart.show(page.selected);
  page.selected = null;
}

/** The server's time: ages do not depend on the clock of the browser. */
watch.now = () => Date.now() + page.clockAhead;

async function setBus(name) {
  page.bus = page.buses.find((bus) => bus.name === name) ?? page.buses[0];
  byId("bus").value = page.bus.name;
  watch.selected = null;
  page.selected = null;
  chart.setBus(page.bus.name, new Clock(page.bus.zone));
  live.connect(page.bus.name);
}

/** Reads the whole watch list, at the beginning and when messages were missed. */
async function resync() {
  const bus = page.bus.name;
  try {
    const list = await ask("/api/watch", { bus });
    if (bus !== page.bus.name) return;
    watch.replace(list.rows);
    const first = address.get("symbol");
    address.delete("symbol");
    if (chart.symbol !== null) await chart.load();
    else if (first !== null && watch.rows.rows.has(first)) watch.select(first);
    else watch.move(0);
    if (list.error) failed(new Error(list.error));
  } catch (error) {
    failed(error);
  }
}

function takeBars({ rows, more }) {
  watch.take(rows);
  chart.take(rows, more);
  showPrice();
}

function takeState(state) {
  page.state = state;
  page.clockAhead = state.now_ms - Date.now();
  const { health, stat } = state;
  const lamp = byId("lamp");
  const tone = health.ready ? "good" : health.alive ? "warn" : "bad";
  lamp.className = `lamp ${tone}`;
  lamp.setAttribute("aria-label", { good: "ready", warn: "not ready", bad: "no writer" }[tone]);
  const words = [
    health.ready ? (health.session ? `open: ${health.session}` : "market closed") : health.reasons[0],
    stat.day ? `day ${stat.day}` : "no open day",
    stat.last_age_s === null ? "no bar yet" : `newest bar ${age(stat.last_age_s * 1000)} ago`,
    stat.rate > 0 ? `${short(stat.rate)} bars/s` : "",
  ];
  byId("status").textContent = words.filter((word) => word).join(" · ");
  showSide(byId("side"), state);
}

function lost() {
  byId("lamp").className = "lamp bad";
  byId("status").textContent = "the server does not answer: trying again";
}

function failed(error) {
  const notice = byId("notice");
  notice.hidden = error === null;
  notice.textContent = error?.message ?? "";
}

function hovered(bar) {
  page.hovered = bar;
  showValues();
}

function showChart() {
  byId("symbol").textContent = chart.symbol ?? "\u00a0";
  document.title = chart.symbol ? `${chart.symbol} · barbus` : "barbus";
  for (const button of byId("intervals").children) {
    button.setAttribute("aria-pressed", String(button.textContent === chart.interval));
  }
  watch.marked = new Set(chart.overlays);
  watch.queue();
  showPrice();
  showOverlays();
  const hash = new URLSearchParams({ bus: page.bus.name, symbol: chart.symbol ?? "", interval: chart.interval });
  history.replaceState(null, "", `#${hash}`);
}

function showPrice() {
  const row = watch.rows.rows.get(chart.symbol);
  byId("last").textContent = row ? price(row.close, row.places) : "";
  const change = byId("change");
  change.textContent = row ? percent(row.change) : "";
  change.className = `change ${row?.change > 0 ? "up" : row?.change < 0 ? "down" : ""}`;
  showValues();
}

/** Open, high, low, close and volume of the bar under the pointer, else of the newest one. */
function showValues() {
  const bar = page.hovered ?? chart.newest;
  if (bar === null || chart.clock === null) {
    byId("values").replaceChildren();
    return;
  }
  const places = Math.max(...[bar.open, bar.high, bar.low, bar.close].map(placesOf));
  const when = chart.minutes >= 1440 ? bar.day : chart.clock.dateTime(bar.frame);
  const pairs = [["O", bar.open], ["H", bar.high], ["L", bar.low], ["C", bar.close]];
  byId("values").replaceChildren(
    el("span", { class: "when" }, when),
    ...pairs.flatMap(([name, value]) => [el("i", {}, name), el("b", {}, price(value, places))]),
    el("i", {}, "V"),
    el("b", {}, count(Number(bar.volume.toFixed(2)))),
    ...(bar.complete ? [] : [el("em", {}, "runs")]),
  );
}

function showOverlays() {
  const chips = chart.isComparison ? chart.series().map(({ symbol, colour, change }, at) => {
    const swatch = el("span", { class: "swatch" });
    swatch.style.background = colour;
    const remove = el("button", { type: "button", title: "Remove", onclick: () => chart.toggleOverlay(symbol) }, "×");
    return el("span", { class: "chip" }, swatch, `${symbol} ${percent(change)}`, ...(at === 0 ? [] : [remove]));
  }) : [];
  byId("overlays").replaceChildren(...chips);
  const { missing, late, revised } = chart.marks;
  const newest = chart.newest?.frame ?? 0;
  const length = (ranges) => ranges.reduce((sum, [first, last]) => sum + (last - first) / 60_000 + 1, 0);
  const [minutes, since] = [true, false].map((isBefore) => length(missing.filter(([first]) => (first < newest) === isBefore)));
  const mark = (name, value, text) => (value === 0 ? [] : [el("span", { class: `mark ${name}` }, `${count(value)} ${text}`)]);
  byId("legend").replaceChildren(...(chart.isComparison ? [el("span", {}, "per cent since the left edge")] : [
    ...mark("gap", minutes, minutes === 1 ? "minute missing" : "minutes missing"),
    ...(since === 0 ? [] : [el("span", {}, `${count(since)} min without a bar since the newest one`)]),
    ...mark("late", late.length, late.length === 1 ? "late bar" : "late bars"),
    ...mark("revised", revised.length, revised.length === 1 ? "revised bar" : "revised bars"),
  ]));
}

function changeTheme(toggle) {
  toggle();
  watch.queue();
  if (chart.isReady) chart.render();
}

function toggleSide() {
  document.body.classList.toggle("without-side");
}

function toggleHelp() {
  const help = byId("help");
  if (help.open) help.close();
  else help.showModal();
}

function leave() {
  const filter = byId("filter");
  if (document.activeElement === filter) {
    filter.value = "";
    filter.dispatchEvent(new Event("input"));
    filter.blur();
  } else if (chart.isComparison) chart.clearOverlays();
  else byId("help").close();
}

function nextBus() {
  const at = page.buses.indexOf(page.bus);
  setBus(page.buses[(at + 1) % page.buses.length].name);
}

listen([
  [["ArrowDown", "j"], "next symbol", () => watch.move(1)],
  [["ArrowUp", "k"], "previous symbol", () => watch.move(-1)],
  [["PageDown"], "ten symbols down", () => watch.move(10)],
  [["PageUp"], "ten symbols up", () => watch.move(-10)],
  [["/"], "filter the symbols", () => byId("filter").select()],
  [["Enter"], "leave the filter with the first symbol", () => {
    byId("filter").blur();
    watch.move(0);
  }],
  [["s"], "order by the next column; a click on a column's head does the same", () => watch.sortByNext()],
  [["o", " "], "compare the selected symbol in per cent, or no longer",
    () => watch.selected && compare(watch.selected)],
  [["l"], "keep the chart and compare with the next symbol", () => compareNext()],
  [["x"], "end the comparison", () => chart.clearOverlays()],
  [INTERVALS.map((_, at) => String(at + 1)), `interval: ${INTERVALS.map(([name]) => name).join(", ")}`,
    (event) => chart.setInterval(INTERVALS[Number(event.key) - 1][0])],
  [["ArrowLeft"], "earlier bars", () => chart.pan(-0.2)],
  [["ArrowRight"], "later bars", () => chart.pan(0.2)],
  [["+", "="], "zoom in", () => chart.zoom(0.7)],
  [["-"], "zoom out", () => chart.zoom(1.4)],
  [["0", "Home"], "the newest bars", () => chart.reset()],
  [["m"], "load more of the past", () => chart.more()],
  [["b"], "next bus", nextBus],
  [["p"], "show or hide the panel", toggleSide],
  [["t"], "dark or light", () => changeTheme(toggleTheme)],
  [["c"], "rising prices green or red", () => changeTheme(toggleRising)],
  [["?"], "these keys", toggleHelp],
  [["Escape"], "leave the filter, the comparison or this help", leave],
]);

function compare(symbol) {
  showSelected();
  chart.toggleOverlay(symbol);
}

/** Adds the symbol below the selected one to the comparison, without another chart. */
function compareNext() {
  const at = watch.rows.indexOf(watch.selected);
  const next = watch.rows.shown[at + 1];
  if (next === undefined) return;
  showSelected();
  watch.selected = next.symbol;
  watch.scrollTo(at + 1);
  chart.toggleOverlay(next.symbol);
}

byId("toggle-theme").addEventListener("click", () => changeTheme(toggleTheme));
byId("toggle-side").addEventListener("click", toggleSide);
byId("toggle-help").addEventListener("click", toggleHelp);
byId("bus").addEventListener("change", (event) => {
  setBus(event.target.value);
  event.target.blur();
});
byId("intervals").replaceChildren(...INTERVALS.map(([name]) => (
  el("button", { type: "button", onclick: () => chart.setInterval(name) }, name)
)));

async function start() {
  try {
    page.buses = await ask("/api/buses");
  } catch (error) {
    failed(error);
    setTimeout(start, 2000);
    return;
  }
  byId("bus").replaceChildren(...page.buses.map(({ name }) => el("option", { value: name }, name)));
  const interval = address.get("interval");
  if (INTERVALS.some(([name]) => name === interval)) chart.interval = interval;
  await setBus(address.get("bus"));
}

start();
