// The panel: state, alarms, producers, readers, days and disks of the bus.

import { el } from "./dom.js";
import { age, bytes, count, short } from "./format.js";

const MOST_ROWS = 12;

/** A section with a heading. */
function section(title, ...content) {
  return el("section", { class: "card" }, el("h2", {}, title), ...content);
}

function facts(pairs) {
  const list = el("dl", { class: "facts" });
  for (const [name, value, tone] of pairs) {
    list.append(el("dt", {}, name), el("dd", { class: tone ?? "" }, String(value)));
  }
  return list;
}

function table(heads, rows, empty) {
  if (rows.length === 0) return el("p", { class: "empty" }, empty);
  const head = el("tr", {}, ...heads.map((text) => el("th", { scope: "col" }, text)));
  const cells = (row) => el("tr", {}, ...row.map((value) => el("td", { title: String(value) }, String(value))));
  const more = rows.length > MOST_ROWS ? [el("p", { class: "empty" }, `and ${rows.length - MOST_ROWS} more`)] : [];
  const body = rows.slice(0, MOST_ROWS).map(cells);
  return el("div", {}, el("table", {}, el("thead", {}, head), el("tbody", {}, ...body)), ...more);
}

const ms = (time) => (time ? Date.parse(time) : NaN);

function stateCard({ stat, health, daemon_answers: answers, error }) {
  return section("State", facts([
    ["Writer", health.alive ? "runs" : "does not run", health.alive ? "good" : "bad"],
    // A writer may also be embedded in another program.
    ["Daemon", answers ? `process ${stat.pid}` : stat.daemon_silent ?? "none", answers ? "" : "warn"],
    ["Market", health.session ? `open: ${health.session}` : "closed"],
    ["Ready", health.ready ? "yes" : "no", health.ready ? "good" : "bad"],
    ["Bars", count(stat.bars)],
    ["Symbols", count(stat.symbols)],
    ["Rate", stat.rate === null ? "–" : `${short(stat.rate)}/s`],
    ["Ring", stat.blocks > 0 ? `${stat.blocks_used} of ${stat.blocks} blocks` : "–"],
  ]), ...(error ? [el("p", { class: "bad" }, error)] : []));
}

function alarmsCard({ alarms, health }) {
  const all = Array.from(new Set([...health.reasons, ...alarms]));
  if (all.length === 0) return null;
  return section("Attention", el("ul", { class: "alarms" }, ...all.map((text) => el("li", {}, text))));
}

function producersCard({ stat, now_ms: now }) {
  const sources = Object.entries(stat.sources ?? {});
  // Only where sources differ: most buses have no priority.
  const differ = sources.some(([, found]) => found.conflicts > 0);
  const rows = sources.map(([source, found]) => [
    source,
    found.connected > 0 ? found.connected : "–",
    short(found.rows),
    short(found.quarantined + found.refused),
    ...(differ ? [short(found.conflicts)] : []),
    age(now - ms(found.last_received)),
  ]);
  const heads = ["Source", "Open", "Rows", "Bad", ...(differ ? ["Conflicts"] : []), "Last"];
  return section("Producers", table(heads, rows, "None since the daemon started."));
}

function readersCard({ readers }) {
  const rows = readers.map((reader) => [
    reader.name,
    reader.lag_bars === null ? reader.state : short(reader.lag_bars),
    reader.lag_s === null ? "–" : age(reader.lag_s * 1000),
    reader.pins,
  ]);
  return section("Readers", table(["Name", "Behind", "Time", "Pins"], rows, "None."));
}

function daysCard({ stat }) {
  const days = stat.days.map((day) => [day.day, short(day.acknowledged), short(day.archived)]);
  const pairs = [
    ["Open day", stat.day ?? "none"],
    ["Archived days", count(stat.days_archived)],
    ["Waiting", stat.days_waiting.length > 0 ? stat.days_waiting.join(", ") : "none",
      stat.days_waiting.length > 0 ? "warn" : ""],
    ["Holidays until", stat.calendar_horizon ?? "–"],
  ];
  const bars = days.length > 0 ? [table(["Day", "Bars", "In file"], days, "")] : [];
  return section("Days", facts(pairs), ...bars);
}

function disksCard({ stat }) {
  const pairs = [
    ["Archive free", bytes(stat.archive_free_bytes ?? NaN)],
    ["Ring free", bytes(stat.ring_free_bytes ?? NaN)],
    ["Quarantine", bytes(stat.quarantine_bytes ?? NaN)],
  ];
  return section("Disks", facts(pairs));
}

/** Shows a state in the panel. */
export function showSide(element, state) {
  const cards = [alarmsCard, stateCard, producersCard, readersCard, daysCard, disksCard];
  element.replaceChildren(...cards.map((card) => card(state)).filter((card) => card !== null));
}
