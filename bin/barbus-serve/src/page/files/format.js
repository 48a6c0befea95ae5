// Numbers and times as the page shows them.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Decimal places of a price, at most 6. */
export function placesOf(price) {
  if (!Number.isFinite(price)) return 0;
  const [, decimals = ""] = String(Number(price.toFixed(6))).split(".");
  return Math.min(decimals.length, 6);
}

export function price(value, places) {
  return Number.isFinite(value) ? value.toFixed(Math.max(places, 2)) : "–";
}

/** 0.0123 as +1.23 %. */
export function percent(part) {
  if (!Number.isFinite(part)) return "–";
  return `${part > 0 ? "+" : part < 0 ? "−" : ""}${Math.abs(part * 100).toFixed(2)} %`;
}

/** A count in full, with thin spaces. */
export function count(value) {
  if (value === null || value === undefined) return "–";
  return String(value).replace(/\B(?=(\d{3})+$)/g, "\u2009");
}

/** A count in four letters. */
export function short(value) {
  if (!Number.isFinite(value)) return "–";
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.abs(value) >= size) return `${(value / size).toPrecision(3)}${unit}`;
  }
  return String(Number(value.toPrecision(3)));
}

export function bytes(value) {
  if (!Number.isFinite(value)) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${at === 0 ? value : value.toPrecision(3)} ${units[at]}`;
}

/** Milliseconds in two or three letters. */
export function age(ms) {
  if (!Number.isFinite(ms)) return "–";
  if (ms < MINUTE) return `${Math.max(0, Math.floor(ms / 1000))}s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)}m`;
  if (ms < 2 * DAY) return `${Math.floor(ms / HOUR)}h`;
  return `${Math.floor(ms / DAY)}d`;
}

/** Dates and times of a zone, from milliseconds UTC. */
export class Clock {
  constructor(zone) {
    const form = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options });
    this.hm = form({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    this.md = form({ day: "numeric", month: "short" });
    this.full = form({
      weekday: "short", day: "numeric", month: "short", year: "numeric",
      hour: "2-digit", minute: "2-digit", hourCycle: "h23",
    });
  }

  time(ms) {
    return this.hm.format(ms);
  }

  date(ms) {
    return this.md.format(ms);
  }

  dateTime(ms) {
    return this.full.format(ms);
  }
}
