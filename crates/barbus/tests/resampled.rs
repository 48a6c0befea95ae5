//! Bars of an interval from a feed, live and in replay: each is delivered when its last minute is
//! complete (promises 13 and 14).

mod support;

use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use barbus::{Bus, Date, Event, Interval, MinuteOptions, MinuteSource, Reader, Resampled, Row, Selection, Start};
use barbus_writer::{Pushed, Writer};

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;
/// 2024-07-04 09:30 in Shanghai, a Thursday.
const OPEN: i64 = 1_720_056_600_000;
const SYMBOLS: [&str; 2] = ["000001.XSHE", "600000.XSHG"];

fn bus() -> (tempfile::TempDir, Bus, Writer) {
    let (dir, bus) = support::bus("XSHG", &[]);
    let writer = Writer::open(&bus).unwrap();
    (dir, bus, writer)
}

/// The trading minutes of a day: 240 ends, counted from its beginning.
fn minutes() -> impl Iterator<Item = i64> {
    (1..=120).chain(211..=330)
}

fn push(writer: &mut Writer, symbol: &str, day: i64, minute: i64, close: f64) {
    let symbol = writer.symbol(symbol).unwrap();
    let frame_ms = OPEN + day * DAY + minute * MINUTE;
    let row = Row { symbol, frame_ms, open: close, high: close, low: close, close, volume: 1.0, ..Row::default() };
    assert!(matches!(writer.push(&row).unwrap(), Pushed::Accepted(_) | Pushed::Revised(_)));
}

fn push_minute(writer: &mut Writer, day: i64, minute: i64) {
    for (i, symbol) in SYMBOLS.into_iter().enumerate() {
        push(writer, symbol, day, minute, (i as i64 * 10_000 + day * 1_000 + minute) as f64);
    }
}

/// The symbols are listed, so a minute is complete with its last bar; no test waits for a clock.
fn options() -> MinuteOptions {
    MinuteOptions { universe: Some(SYMBOLS.map(String::from).to_vec()), grace: Duration::from_secs(100_000_000) }
}

/// What is delivered until there is nothing more, as text.
fn drain<F: MinuteSource>(feed: &mut Resampled<F>) -> Vec<String> {
    let mut events = Vec::new();
    loop {
        match feed.poll().unwrap() {
            None => return events,
            Some(Event::Bars(bars)) => events.extend(bars.iter().map(|bar| {
                let minute = (bar.frame_ms - OPEN) / MINUTE;
                format!("{} {minute} {} {} r{}", bar.symbol, bar.open, bar.close, bar.revision)
                    + &format!(" v{} h{} l{}", bar.volume, bar.high, bar.low)
            })),
            Some(Event::DayClosed(day)) => events.push(format!("{day} closed")),
            Some(Event::Withdrawn(selection)) => events.push(format!("{} withdrawn", selection.day)),
            Some(other) => panic!("{other:?}"),
        }
    }
}

fn every(interval: &str) -> Interval {
    interval.parse().unwrap()
}

#[test]
fn a_bar_comes_with_its_last_minute_and_not_before() {
    let (_dir, bus, mut writer) = bus();
    push_minute(&mut writer, 0, 1);
    let reader = Reader::open(bus.path()).unwrap().start_at(Start::Today).unwrap();
    let mut feed = reader.resampled(every("5m"), options()).unwrap();
    for minute in 2..=4 {
        push_minute(&mut writer, 0, minute);
        assert_eq!(drain(&mut feed), [] as [&str; 0]);
    }
    push(&mut writer, SYMBOLS[1], 0, 5, 10_005.0);
    assert_eq!(drain(&mut feed), [] as [&str; 0], "one symbol is missing");
    push(&mut writer, SYMBOLS[0], 0, 5, 5.0);
    let first = ["000001.XSHE 5 1 5 r0 v5 h5 l1", "600000.XSHG 5 10001 10005 r0 v5 h10005 l10001"];
    assert_eq!(drain(&mut feed), first);
    // A late revision changes a bar that was delivered.
    push(&mut writer, SYMBOLS[0], 0, 3, 99.0);
    assert_eq!(drain(&mut feed), ["000001.XSHE 5 1 5 r1 v5 h99 l1"]);
    push(&mut writer, SYMBOLS[0], 0, 5, 6.0);
    assert_eq!(drain(&mut feed), ["000001.XSHE 5 1 6 r2 v5 h99 l1"]);
}

#[test]
fn a_period_is_whole_if_the_reader_starts_within_it() {
    let (_dir, bus, mut writer) = bus();
    (1..=3).for_each(|minute| push_minute(&mut writer, 0, minute));
    let mut feed = Reader::open(bus.path()).unwrap().resampled(every("5m"), options()).unwrap();
    (4..=5).for_each(|minute| push_minute(&mut writer, 0, minute));
    assert_eq!(drain(&mut feed)[0], "000001.XSHE 5 1 5 r0 v5 h5 l1");
}

#[test]
fn withdrawn_minutes_are_not_in_the_week_that_runs() {
    let (_dir, bus, mut writer) = bus();
    let mut feed = Reader::open(bus.path()).unwrap().resampled(every("1w"), options()).unwrap();
    (1..=3).for_each(|minute| push_minute(&mut writer, 0, minute));
    assert_eq!(drain(&mut feed), [] as [&str; 0]);
    writer.close_day().unwrap();
    assert_eq!(drain(&mut feed), ["2024-07-04 closed"]);
    let first = jiff::Timestamp::from_millisecond(OPEN + MINUTE).unwrap();
    let selection = Selection { to: Some(first), ..Selection::of_day(Date::constant(2024, 7, 4)) };
    writer.withdraw(&selection).unwrap();
    assert_eq!(drain(&mut feed), ["2024-07-04 withdrawn"]);
    (1..=2).for_each(|minute| push_minute(&mut writer, 1, minute));
    writer.close_day().unwrap();
    let week = drain(&mut feed);
    assert_eq!(week[0], "000001.XSHE 1770 2 1002 r0 v4 h1002 l2");
    assert_eq!(week[1], "600000.XSHG 1770 10002 11002 r0 v4 h11002 l10002");
    let answer = bus.bars().interval(every("1w")).collect().unwrap();
    let volumes = answer.batches().iter().map(|batch| batch["volume"].as_primitive::<Float64Type>().values().to_vec());
    assert_eq!(volumes.collect::<Vec<_>>().concat(), [4.0, 4.0]);
}

#[test]
fn a_live_day_its_replay_and_the_question_have_the_same_bars() {
    for interval in ["2m", "5m", "50m", "2h", "4h", "1d", "1w"] {
        let (_dir, bus, mut writer) = bus();
        let mut live = Reader::open(bus.path()).unwrap().resampled(every(interval), options()).unwrap();
        let mut events = Vec::new();
        for day in 0..2 {
            for minute in minutes() {
                push_minute(&mut writer, day, minute);
                events.extend(drain(&mut live));
            }
            writer.close_day().unwrap();
            events.extend(drain(&mut live));
        }
        writer.flush().unwrap();
        let (from, to) = (Date::constant(2024, 7, 4), Date::constant(2024, 7, 5));
        let mut replay = bus.replay(from, to).unwrap().resampled(every(interval), options()).unwrap();
        assert_eq!(drain(&mut replay), events, "{interval}");
        assert!(replay.ended());
        let answer = bus.bars().interval(every(interval)).collect().unwrap();
        let bars = events.iter().filter(|event| !event.ends_with("closed")).count();
        assert_eq!(answer.rows(), bars, "{interval}");
        let closed: Vec<&String> = events.iter().filter(|event| event.ends_with("closed")).collect();
        assert_eq!(closed, ["2024-07-04 closed", "2024-07-05 closed"], "{interval}");
    }
}
