//! When minutes close: by their symbols, the grace period, a watermark, or the close of the day.

use barbus_bars::Calendar;
use barbus_ring::SymbolId;

use super::*;
use crate::event::Bars;
use crate::symbol_table::SymbolTable;

const MINUTE: i64 = 60_000;
/// 2024-07-04 09:30 in Shanghai, a Thursday.
const OPEN: i64 = 1_720_056_600_000;
const NAMES: [&str; 3] = ["600000.XSHG", "600036.XSHG", "688001.XSHG"];
const SECOND: i64 = 1_000;

/// An assembler, and everything that it has delivered, as text.
struct Run {
    assembler: Assembler,
    seq: u64,
}

impl Run {
    fn new(universe: Option<&[&str]>, known: Known) -> Self {
        let universe = universe.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let options = MinuteOptions { universe, grace: Duration::from_secs(2) };
        let calendar = Calendar::preset("XSHG").unwrap();
        Self { assembler: Assembler::new(calendar, options, known, None, false), seq: 0 }
    }

    /// On the day of [`OPEN`], after a day on which all symbols have traded.
    fn second_day() -> Self {
        let calendar = Calendar::preset("XSHG").unwrap();
        let known = Known {
            last_day: Some(Date::constant(2024, 7, 3)),
            last_symbols: NAMES.map(str::to_owned).to_vec(),
            day: Some(calendar.trading_day(OPEN + MINUTE)),
            closed_through_ms: Some(OPEN),
            ..Known::default()
        };
        Self::new(None, known)
    }

    /// A bar of symbol `which` in the minute with this number. It is received `received_ms`
    /// milliseconds after the open.
    fn bar(&mut self, which: usize, minute: i64, received_ms: i64) -> String {
        self.bar_of(NAMES[which], OPEN + minute * MINUTE, OPEN + received_ms)
    }

    fn bar_of(&mut self, symbol: &str, frame_ms: i64, received_ms: i64) -> String {
        let mut symbols = SymbolTable::default();
        symbols.push(symbol.to_owned());
        let (seq, received_ns) = (self.seq, received_ms * 1_000_000);
        let row = Row { seq, frame_ms, received_ns, close: seq as f64, symbol: SymbolId(0), ..Row::default() };
        self.seq += 1;
        self.assembler.take_appended(Appended::OtherIds);
        self.assembler.take(Event::Bars(Bars::new(&[row], symbols.texts())));
        self.taken()
    }

    fn idle(&mut self, at_ms: i64, watermark: i64) -> String {
        self.assembler.idle(OPEN + at_ms, OPEN + watermark * MINUTE);
        self.taken()
    }

    fn taken(&mut self) -> String {
        let mut text = Vec::new();
        let minute = |frame_ms: i64| (frame_ms - OPEN) / MINUTE;
        while let Some(output) = self.assembler.next() {
            text.push(match &output {
                Output::Bars(rows) => {
                    let which = |row: &Row| {
                        let name = &self.assembler.symbol_names()[row.symbol.0 as usize];
                        NAMES.iter().position(|one| one == name).map_or("?".to_owned(), |which| which.to_string())
                    };
                    let symbols: Vec<String> = rows.iter().map(which).collect();
                    format!("{}:{}", minute(rows[0].frame_ms), symbols.join(""))
                }
                Output::MinuteClosed(closed) if closed.missing.is_empty() => format!("[{}]", minute(closed.frame_ms)),
                Output::MinuteClosed(closed) => format!("[{} -{}]", minute(closed.frame_ms), closed.missing.len()),
                Output::DayClosed(day) => format!("{day}"),
                Output::Lapped(missed) => format!("{missed} missed"),
                Output::Withdrawn(_) => "withdrawn".to_owned(),
            });
            self.assembler.recycle(output);
        }
        text.join(" ")
    }
}

#[test]
fn a_minute_with_every_symbol_closes_at_once_and_in_the_order_of_symbols() {
    let mut run = Run::second_day();
    assert_eq!(run.bar(2, 1, MINUTE), "");
    assert_eq!(run.bar(0, 1, MINUTE), "");
    assert_eq!(run.assembler.first_seq(), Some(0));
    assert_eq!(run.bar(1, 1, MINUTE), "1:012 [1]");
    assert_eq!(run.assembler.first_seq(), None);
    // A revision, and a symbol that nobody waits for, are late.
    assert_eq!(run.bar(1, 1, MINUTE + 1), "1:1");
    assert_eq!(run.bar_of("NEW", OPEN + MINUTE, OPEN + MINUTE + 2), "1:?");
    // The next minute waits for the new symbol too.
    (0..2).for_each(|which| assert_eq!(run.bar(which, 2, 2 * MINUTE), ""));
    assert_eq!(run.bar(2, 2, 2 * MINUTE), "");
    assert_eq!(run.bar_of("NEW", OPEN + 2 * MINUTE, OPEN + 2 * MINUTE), "2:012? [2]");
}

#[test]
fn a_revision_in_time_replaces_the_bar() {
    let mut run = Run::second_day();
    run.bar(1, 1, MINUTE);
    run.bar(1, 1, MINUTE + 5);
    run.assembler.idle(OPEN + MINUTE + 2 * SECOND, i64::MIN);
    let Some(Output::Bars(rows)) = run.assembler.next() else { panic!("the minute's bars") };
    assert_eq!(rows.iter().map(|row| row.close).collect::<Vec<_>>(), [1.0]);
}

#[test]
fn the_grace_period_ends_by_the_clock_or_by_a_bar() {
    let mut run = Run::second_day();
    run.bar(0, 1, MINUTE + 100);
    assert_eq!(run.assembler.time_to_close(OPEN + MINUTE + 600), Duration::from_millis(1_500));
    assert_eq!(run.idle(MINUTE + 2_099, 0), "");
    assert_eq!(run.idle(MINUTE + 2_100, 0), "1:0 [1 -2]");
    // A bar of the same minute that was received too late, without a look at the clock.
    run.bar(0, 2, 2 * MINUTE);
    assert_eq!(run.bar(1, 2, 2 * MINUTE + 1_999), "");
    assert_eq!(run.bar(2, 2, 2 * MINUTE + 2_000), "2:01 [2 -1] 2:2");
    // A bar of a later minute: one that comes early does not show that the minute is over.
    run.bar(0, 3, 3 * MINUTE);
    assert_eq!(run.bar(0, 4, 3 * MINUTE + 1_999), "");
    assert_eq!(run.bar(1, 4, 3 * MINUTE + 2_000), "3:0 [3 -2]");
}

#[test]
fn producers_end_a_minute_by_their_watermark() {
    let mut run = Run::second_day();
    run.bar(0, 1, MINUTE);
    run.bar(0, 3, MINUTE);
    assert_eq!(run.idle(MINUTE, 2), "1:0 [1 -2] [2 -3]");
    assert_eq!(run.idle(MINUTE, 3), "3:0 [3 -2]");
    assert_eq!(run.bar(1, 2, MINUTE), "2:1", "late");
    assert_eq!(run.idle(MINUTE, 2), "", "a watermark never goes back");
}

#[test]
fn later_minutes_wait_for_earlier_ones() {
    let mut run = Run::second_day();
    (0..3).for_each(|which| assert_eq!(run.bar(which, 2, MINUTE), ""));
    (0..2).for_each(|which| assert_eq!(run.bar(which, 1, MINUTE), ""));
    assert_eq!(run.bar(2, 1, MINUTE), "1:012 [1] 2:012 [2]");
}

#[test]
fn minutes_without_a_bar_close_in_sessions_only() {
    let mut run = Run::second_day();
    assert_eq!(run.idle(MINUTE + 1_999, 0), "");
    assert_eq!(run.assembler.time_to_close(OPEN + MINUTE + 1_999), Duration::from_millis(1));
    assert_eq!(run.idle(MINUTE + 2_000, 0), "[1 -3]");
    assert_eq!(run.idle(3 * MINUTE, 0), "[2 -3]");
    // The morning ends at 11:30, the afternoon begins at 13:00.
    assert!(run.idle(121 * MINUTE, 0).ends_with("[119 -3] [120 -3]"));
    assert_eq!(run.idle(210 * MINUTE, 0), "");
    assert_eq!(run.idle(211 * MINUTE + 2_000, 0), "[211 -3]");
    assert!(run.idle(400 * MINUTE, 0).ends_with("[329 -3] [330 -3]"));
    run.assembler.take(Event::DayClosed(Date::constant(2024, 7, 4)));
    assert_eq!(run.taken(), "2024-07-04");
    // The next day begins by the clock.
    let next = 24 * 60 * MINUTE;
    assert_eq!(run.idle(next - MINUTE, 0), "");
    assert_eq!(run.idle(next + MINUTE + 2_000, 0), format!("[{} -3]", 24 * 60 + 1));
}

/// Bars of 2024 that are published today.
#[test]
fn the_clock_does_not_run_ahead_of_a_bus_in_the_past() {
    let mut run = Run::second_day();
    let years = 2 * 365 * 24 * 60 * MINUTE;
    assert_eq!(run.bar(0, 2, years), "[1 -3]");
    assert_eq!(run.idle(years + 1_000, 0), "");
    // The next minute with a bar shows that those before it are over.
    assert_eq!(run.bar(0, 5, years + 1_001), "2:0 [2 -2] [3 -3] [4 -3]");
    // A minute that has begun is not waited for without end.
    assert_eq!(run.idle(years + 3_001, 0), "5:0 [5 -2]");
    assert_eq!(run.idle(years + 9_000, 0), "");
    run.assembler.take(Event::DayClosed(Date::constant(2024, 7, 4)));
    assert!(run.taken().ends_with("[329 -3] [330 -3] 2024-07-04"));
    assert_eq!(run.idle(years + 24 * 60 * MINUTE, 0), "", "today is not the next day of this bus");
}

#[test]
fn the_first_day_of_a_bus_waits_for_the_grace_period() {
    let mut run = Run::new(None, Known::default());
    assert_eq!(run.bar(0, 1, MINUTE), "");
    assert_eq!(run.idle(MINUTE + 2_000, 0), "1:0 [1]", "nobody is known to be missing");
    assert_eq!(run.bar(1, 2, 2 * MINUTE), "");
    assert_eq!(run.bar(0, 2, 2 * MINUTE), "", "other symbols may follow");
    assert_eq!(run.idle(2 * MINUTE + 2_000, 0), "2:01 [2]");
    assert_eq!(run.idle(3 * MINUTE + 2_000, 0), "[3 -2]");
    run.assembler.take(Event::DayClosed(Date::constant(2024, 7, 4)));
    run.taken();
    // On the second day the universe is known.
    let next = 24 * 60;
    run.bar(0, next + 1, (next + 1) * MINUTE);
    assert_eq!(run.bar(1, next + 1, (next + 1) * MINUTE), format!("{0}:01 [{0}]", next + 1));
}

#[test]
fn a_listed_universe_is_neither_shortened_nor_extended() {
    let mut run = Run::new(Some(&NAMES[..2]), Known::default());
    run.bar(2, 1, MINUTE);
    run.bar(1, 1, MINUTE);
    assert_eq!(run.bar(0, 1, MINUTE), "1:012 [1]");
    run.bar(0, 2, 2 * MINUTE);
    assert_eq!(run.bar(2, 2, 2 * MINUTE), "");
    assert_eq!(run.bar(1, 2, 2 * MINUTE), "2:012 [2]", "the third is not waited for");
}

#[test]
fn what_was_missed_is_not_reported_as_minutes_without_bars() {
    let mut run = Run::second_day();
    run.bar(0, 1, MINUTE);
    run.assembler.take(Event::Lapped { missed: 90 });
    assert_eq!(run.taken(), "90 missed");
    assert_eq!(run.bar(0, 40, 40 * MINUTE), "1:0 [1 -2]");
    assert_eq!(run.idle(40 * MINUTE + 2_000, 0), "40:0 [40 -2]");
    // The close of the day is among what was missed.
    run.assembler.take(Event::Lapped { missed: 90 });
    let next = 24 * 60;
    assert_eq!(run.bar(0, next + 9, (next + 9) * MINUTE), "90 missed");
    assert_eq!(run.idle((next + 9) * MINUTE + 2_000, 0), format!("{0}:0 [{0} -2]", next + 9));
}

#[test]
fn withdrawn_bars_belong_to_no_minute() {
    let mut run = Run::second_day();
    run.bar(0, 1, MINUTE);
    run.bar(1, 1, MINUTE);
    let mut selection = Selection::of_day(Date::constant(2024, 7, 4));
    selection.symbols.push(NAMES[0].to_owned());
    run.assembler.take(Event::Withdrawn(&selection));
    assert_eq!(run.taken(), "withdrawn");
    assert_eq!(run.idle(MINUTE + 2_000, 0), "1:1 [1 -2]");
}

/// The rows of three minutes of many symbols, with revisions, a late bar, and bars of a minute
/// before the last one is complete. `order` gives the symbol that is sent at a place.
fn rows_of_a_market(order: impl Fn(u32) -> u32) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |minute: i64, symbol: u32, received_ms: i64| {
        let (frame_ms, received_ns) = (OPEN + minute * MINUTE, (OPEN + minute * MINUTE + received_ms) * 1_000_000);
        let seq = rows.len() as u64;
        rows.push(Row { seq, frame_ms, received_ns, close: seq as f64, symbol: SymbolId(symbol), ..Row::default() });
    };
    for place in 0..MARKET {
        add(1, order(place), 0);
        if place == 300 {
            add(1, order(20), 1);
        }
    }
    // Late: the minute is complete.
    add(1, order(7), 2);
    for place in 0..MARKET - 1 {
        add(2, order(place), 0);
        if place == 400 {
            add(3, order(0), -MINUTE);
        }
    }
    // The grace period of the second minute has passed.
    for place in 0..MARKET {
        add(3, order(place), 0);
    }
    rows
}

const MARKET: u32 = 3 * MANY as u32;

#[test]
fn bars_that_are_appended_give_the_same_events_as_bars_of_events() {
    let mut symbols = SymbolTable::default();
    let listed: Vec<String> = (0..MARKET).map(|symbol| format!("{symbol:06}.XSHE")).collect();
    for name in &listed {
        symbols.push(name.clone());
    }
    let listed: Vec<&str> = listed.iter().map(String::as_str).collect();
    let in_order: fn(u32) -> u32 = |place| place;
    for order in [in_order, |place| MARKET - 1 - place, |place| place * 5 % MARKET] {
        let rows = rows_of_a_market(order);
        let mut expected = None;
        for size in [1, 64, MANY, MANY + 1, 1_000, rows.len()] {
            for is_appended in [false, true] {
                let mut assembler = Run::new(Some(&listed), Known::default()).assembler;
                let mut found = Vec::new();
                for rows in rows.chunks(size) {
                    if is_appended {
                        assembler.intake().extend_from_slice(rows);
                        assert!(assembler.take_appended(Appended::Bars(symbols.names())));
                    } else {
                        assembler.take(Event::Bars(Bars::new(rows, symbols.texts())));
                    }
                    while let Some(output) = assembler.next() {
                        found.push(format!("{output:?}"));
                        assembler.recycle(output);
                    }
                }
                let closed = found.iter().filter(|event| event.starts_with("MinuteClosed")).count();
                assert_eq!(closed, 3);
                assert_eq!(&found, expected.get_or_insert_with(|| found.clone()), "{size} rows a poll");
            }
        }
    }
}
