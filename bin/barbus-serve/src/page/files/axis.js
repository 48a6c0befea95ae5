// The session axis: each bar has a slot, so lunch, night and holidays take no room.
//
// Minutes in which a bar is missing have a slot, too: a gap in the data is seen, and a break of the
// market is not.

const MINUTE = 60_000;
const MOST_TICKS = 9;
/** Steps between two ticks, minutes. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 240];

/** The minutes of ranges of missing ones between two times, ascending. */
export function missingMinutes(ranges, from, to) {
  const minutes = [];
  for (const [first, last] of ranges) {
    for (let at = Math.max(first, from); at <= Math.min(last, to); at += MINUTE) minutes.push(at);
  }
  return minutes;
}

export class SessionAxis {
  /** `frames` are the ends of bars and of missing minutes; `minutes` is the length of a bar. */
  constructor(frames, minutes, clock) {
    this.frames = Array.from(new Set(frames)).sort((a, b) => a - b);
    this.minutes = minutes;
    this.clock = clock;
    this.slots = new Map(this.frames.map((frame, slot) => [frame, slot]));
    /** The slots that begin after a break of the market. */
    this.breaks = [];
    for (let slot = 1; slot < this.frames.length; slot += 1) {
      if (this.frames[slot] - this.frames[slot - 1] > minutes * MINUTE) this.breaks.push(slot);
    }
  }

  get length() {
    return this.frames.length;
  }

  slot(frame) {
    return this.slots.get(frame);
  }

  /** The first slot whose bar ends at `frame` or later. */
  slotFrom(frame) {
    let [low, high] = [0, this.frames.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.frames[middle] < frame) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Ticks between two slots: `{values, texts}`. A tick at the beginning of a date shows it. */
  ticks(from, to) {
    const first = Math.max(0, Math.ceil(from));
    const last = Math.min(this.length - 1, Math.floor(to));
    const slots = this.minutes >= 1440 ? this.evenly(first, last) : this.byClock(first, last);
    let before = "";
    const texts = slots.map((slot) => {
      const date = this.clock.date(this.frames[slot]);
      const isNew = date !== before;
      before = date;
      if (this.minutes >= 1440) return date;
      const time = this.clock.time(this.frames[slot]);
      return isNew ? `${time}<br>${date}` : time;
    });
    return { values: slots, texts };
  }

  evenly(first, last) {
    const step = Math.max(1, Math.ceil((last - first + 1) / MOST_TICKS));
    const slots = [];
    for (let slot = first; slot <= last; slot += step) slots.push(slot);
    return slots;
  }

  /** Slots at full minutes or hours, as close as there is room. */
  byClock(first, last) {
    const room = (last - first + 1) / MOST_TICKS;
    const minutes = STEPS.find((step) => step / this.minutes >= room);
    if (minutes === undefined) return this.firstOfDates(first, last);
    const slots = [];
    for (let slot = first; slot <= last; slot += 1) {
      const isRound = this.frames[slot] % (minutes * MINUTE) === 0;
      const isFar = slots.length === 0 || slot - slots[slots.length - 1] >= room * 0.6;
      if (isRound && isFar) slots.push(slot);
    }
    return slots;
  }

  firstOfDates(first, last) {
    const room = (last - first + 1) / MOST_TICKS;
    const slots = [];
    let before = "";
    for (let slot = first; slot <= last; slot += 1) {
      const date = this.clock.date(this.frames[slot]);
      const isFar = slots.length === 0 || slot - slots[slots.length - 1] >= room;
      if (date !== before && isFar) slots.push(slot);
      before = date;
    }
    return slots;
  }
}
