//! Replays of archived days: one strategy, live and on the replay.

mod support;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use barbus::{Bus, Date, Event, Feed, Pace, Reader, Row, Start};
use barbus_writer::{Pushed, Writer};

const MINUTE: i64 = 60_000;
/// 2024-07-04 09:30 in Shanghai, a Thursday. The second trading day after it is a Monday.
const OPEN: i64 = 1_720_056_600_000;
const DAY: i64 = 86_400_000;
const DAYS: [i64; 3] = [OPEN, OPEN + DAY, OPEN + 4 * DAY];
const MINUTES: i64 = 60;
/// In the order of their bytes, which is their order within a minute of a replay.
const SYMBOLS: [&str; 4] = ["000001.XSHE", "300750.XSHE", "600000.XSHG", "688001.XSHG"];

fn bus() -> (tempfile::TempDir, Bus) {
    support::bus("XSHG", &[("size", "\"4MB\""), ("rows_per_block", "256")])
}

/// The bar of a symbol that ends at `frame_ms`. The last symbol starts in the middle of the first
/// day.
fn bar(writer: &mut Writer, which: usize, frame_ms: i64) -> Option<Row> {
    if which == 3 && frame_ms < OPEN + MINUTES / 2 * MINUTE {
        return None;
    }
    let wave = |minute: i64| 10.0 * (which + 1) as f64 + (minute as f64 * 0.7 + which as f64).sin();
    let (open, close) = (wave(frame_ms / MINUTE - 1), wave(frame_ms / MINUTE));
    let (high, low) = (open.max(close), open.min(close));
    let mut row = Row { frame_ms, open, high, low, close, volume: 100.0, ..Row::default() };
    row.symbol = writer.symbol(SYMBOLS[which]).unwrap();
    if frame_ms / MINUTE % 3 != 0 {
        (row.optional[0], row.present) = (close * 100.0, 1);
    }
    Some(row)
}

fn publish_minute(writer: &mut Writer, frame_ms: i64) {
    for which in 0..SYMBOLS.len() {
        let Some(row) = bar(writer, which, frame_ms) else { continue };
        assert!(matches!(writer.push(&row).unwrap(), Pushed::Accepted(_)));
    }
}

/// A strategy. It records each decision with everything that it was made from.
#[derive(Default)]
struct Strategy {
    closes: HashMap<String, VecDeque<f64>>,
    decisions: Vec<String>,
}

impl Strategy {
    /// Handles all events: buys if the mean of five closes is above that of twenty, and records
    /// windows at the end of a day.
    fn take(&mut self, feed: &mut impl Feed) {
        loop {
            match feed.poll().unwrap() {
                None => return,
                Some(Event::Withdrawn(bars)) => panic!("{bars:?} withdrawn"),
                Some(Event::MinuteClosed(minute)) => panic!("{minute:?} without minutes"),
                Some(Event::Lapped { missed }) => panic!("{missed} missed"),
                Some(Event::DayClosed(day)) => {
                    self.decisions.push(format!("{day} closed at {} with {:?}", feed.position(), feed.symbol_names()));
                    for symbol in SYMBOLS {
                        let latest = feed.latest(symbol).unwrap().map(values);
                        let window: Vec<_> = feed.window(symbol, 80).unwrap().into_iter().map(values).collect();
                        assert_eq!(latest.as_ref(), window.last());
                        self.decisions.push(format!("{symbol}: {window:?}"));
                    }
                }
                Some(Event::Bars(bars)) => {
                    for bar in bars {
                        let closes = self.closes.entry(bar.symbol.to_owned()).or_default();
                        closes.push_front(bar.close);
                        closes.truncate(20);
                        let mean = |n: usize| closes.iter().take(n).sum::<f64>() / closes.len().min(n) as f64;
                        let side = if mean(5) > mean(20) { "buy" } else { "sell" };
                        self.decisions.push(format!("{side} {} at {:?}", bar.symbol, values(*bar)));
                    }
                }
            }
        }
    }
}

/// A bar without the time when it was received, which the archive does not keep.
fn values(row: Row) -> Row {
    Row { received_ns: 0, ..row }
}

/// Runs live over three days, minute by minute, and archives them.
fn live(bus: &Bus) -> Strategy {
    let mut writer = Writer::open(bus).unwrap();
    let mut reader = Reader::open(bus.path()).unwrap();
    let mut strategy = Strategy::default();
    for open in DAYS {
        for minute in 1..=MINUTES {
            publish_minute(&mut writer, open + minute * MINUTE);
            strategy.take(&mut reader);
        }
        writer.close_day().unwrap();
        strategy.take(&mut reader);
    }
    writer.flush().unwrap();
    strategy
}

fn date(day: i8) -> Date {
    Date::constant(2024, 7, day)
}

/// A strategy sees no difference: each bar, window, position, symbol and close is the same in a
/// replay.
#[test]
fn one_strategy_decides_the_same_live_and_on_a_replay() {
    let (_dir, bus) = bus();
    let live = live(&bus);
    assert_eq!(live.decisions.iter().filter(|line| line.contains("closed at")).count(), DAYS.len());
    for pace in [Pace::Max, Pace::Times(100_000.0)] {
        let mut replay = bus.replay(date(1), date(31)).unwrap().pace(pace);
        let mut replayed = Strategy::default();
        while !replay.ended() {
            replayed.take(&mut replay);
        }
        assert_eq!(live.decisions, replayed.decisions, "{pace:?}");
    }
}

#[test]
fn days_are_delivered_at_their_pace_and_missing_ones_are_skipped() {
    let (_dir, bus) = bus();
    live(&bus);
    std::fs::remove_file(bus.archive().join("2024-07-05.parquet")).unwrap();
    // At 20,000 times the speed of the market a minute takes 3 ms, and so does a weekend.
    let begun = Instant::now();
    let mut replay = bus.replay(date(4), date(8)).unwrap().pace(Pace::Times(20_000.0)).symbols([SYMBOLS[3]]);
    let (mut frames, mut closed) = (Vec::new(), Vec::new());
    while !replay.ended() {
        match replay.next(Duration::from_millis(2)).unwrap() {
            Some(Event::Bars(bars)) => {
                assert!(bars.iter().all(|bar| bar.symbol == SYMBOLS[3]));
                frames.extend(bars.iter().map(|bar| bar.frame_ms));
            }
            Some(Event::DayClosed(day)) => closed.push(day),
            _ => {}
        }
    }
    assert_eq!(closed, [date(4), date(8)]);
    let first = (MINUTES / 2..=MINUTES).map(|minute| OPEN + minute * MINUTE);
    let last = (1..=MINUTES).map(|minute| DAYS[2] + minute * MINUTE);
    assert_eq!(frames, first.chain(last).collect::<Vec<_>>());
    let least = Duration::from_secs_f64((2 * MINUTES - 1) as f64 * 60.0 / 20_000.0);
    assert!(begun.elapsed() >= least, "{:?} for {least:?}", begun.elapsed());
    // No bar is delivered before it is due, and no call waits for longer than its timeout.
    let mut slow = bus.replay(date(4), date(4)).unwrap().pace(Pace::Times(0.001));
    assert!(matches!(slow.poll().unwrap(), Some(Event::Bars(bars)) if bars.len() == 3));
    assert_eq!(slow.poll().unwrap(), None);
    assert_eq!(slow.next(Duration::from_millis(1)).unwrap(), None);
    assert!(!slow.ended());
    assert_eq!(slow.window(SYMBOLS[0], 5).unwrap().len(), 1, "future bars are not visible");
    assert!(slow.latest(SYMBOLS[3]).unwrap_err().to_string().contains("no symbol"));
}

/// Promise 9: an error states why nothing can be replayed.
#[test]
fn empty_spans_and_damaged_files_are_errors() {
    let (_dir, bus) = bus();
    let error = |from, to| bus.replay(from, to).unwrap_err().to_string();
    assert!(error(date(4), date(5)).ends_with("archive/1m has no day yet"), "{}", error(date(4), date(5)));
    live(&bus);
    assert!(error(date(5), date(4)).contains("2024-07-05 is after 2024-07-04"));
    let nothing = error(date(6), date(7));
    assert!(
        nothing.contains("no day from 2024-07-06 to 2024-07-07 is archived: it has 3 days, 2024-07-04 to 2024-07-08")
    );

    let file = bus.archive().join("2024-07-05.parquet");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let mut replay = bus.replay(date(4), date(8)).unwrap();
    let (mut days, mut bars) = (0, 0);
    let error = loop {
        match replay.poll() {
            Ok(Some(Event::DayClosed(_))) => days += 1,
            Ok(Some(Event::Bars(more))) => bars += more.len(),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("2024-07-05.parquet"), "{error}");
    assert_eq!((days, bars), (1, 4 * MINUTES as usize - (MINUTES as usize / 2 - 1)));
    assert!(replay.poll().is_err() && !replay.ended(), "a damaged day is not skipped");
}

/// A filter passes the bars of the wanted symbols, also of those that appear later. Nothing else
/// changes.
#[test]
fn a_filtered_reader_gets_closes_and_counts_all_missed_bars() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    let wanted = [SYMBOLS[1], SYMBOLS[3]];
    let mut some = Reader::open(bus.path()).unwrap().symbols(wanted);
    let mut all = Reader::open(bus.path()).unwrap();
    let mut late = Reader::open(bus.path()).unwrap().start_at(Start::Seq(0)).unwrap().symbols(["nobody"]);
    let (mut of_some, mut of_all, mut closes) = (Vec::new(), Vec::new(), 0);
    for open in DAYS {
        for minute in 1..=MINUTES {
            publish_minute(&mut writer, open + minute * MINUTE);
            while let Some(event) = some.poll().unwrap() {
                match event {
                    Event::Bars(bars) => of_some.extend_from_slice(bars.rows()),
                    Event::DayClosed(_) => closes += 1,
                    Event::Withdrawn(bars) => panic!("{bars:?} withdrawn"),
                    Event::MinuteClosed(minute) => panic!("{minute:?} without minutes"),
                    Event::Lapped { missed } => panic!("{missed} missed"),
                }
            }
            while let Some(event) = all.poll().unwrap() {
                let Event::Bars(bars) = event else { continue };
                of_all.extend(bars.iter().filter(|bar| wanted.contains(&bar.symbol)).map(|bar| *bar));
            }
        }
        writer.close_day().unwrap();
        writer.flush().unwrap();
    }
    assert!(matches!(some.next(Duration::ZERO).unwrap(), Some(Event::DayClosed(_))));
    assert_eq!((of_some.len(), closes + 1), (of_all.len(), 3));
    assert_eq!(of_some, of_all);

    // Until the writer has filled the ring, of some 40,000 rows, more than once.
    let written = all.position();
    let mut minute = 0;
    while all.position() < 3 * written + 50_000 {
        minute += 1;
        publish_minute(&mut writer, DAYS[2] + 7 * DAY + minute * MINUTE);
        while all.poll().unwrap().is_some() {}
        if minute % 1_000 == 0 {
            writer.flush().unwrap();
        }
    }
    let mut missed = 0;
    while let Some(event) = late.poll().unwrap() {
        match event {
            Event::Bars(bars) => panic!("{} bars of no symbol", bars.len()),
            Event::Withdrawn(bars) => panic!("{bars:?} withdrawn"),
            Event::MinuteClosed(minute) => panic!("{minute:?} without minutes"),
            Event::Lapped { missed: more } => missed += more,
            Event::DayClosed(_) => {}
        }
    }
    assert!(missed > written, "{missed} of {}", late.position());
    assert_eq!(late.position(), all.position());
    // All bars are filtered out: the call waits until its timeout, and not longer.
    publish_minute(&mut writer, DAYS[2] + 7 * DAY + (minute + 1) * MINUTE);
    assert_eq!(late.next(Duration::from_millis(5)).unwrap(), None);
    assert_eq!(late.position(), all.position() + 4);
}
