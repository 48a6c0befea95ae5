//! No silent hole at a start: a reader gets the beginning of a day from the archive if the ring has
//! lost it, or an event tells how many bars are missing.

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use barbus::{Bus, Date, Error, Event, OnGap, Reader, Row, Start};
use barbus_writer::{Pushed, Writer};

const MINUTE: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
/// 2024-07-01 09:30 in Shanghai, a Monday.
const OPEN: i64 = 1_719_797_400_000;
const FIRST: Date = Date::constant(2024, 7, 1);
const SECOND: Date = Date::constant(2024, 7, 2);
/// A day of `SYMBOLS` symbols and `MINUTES` minutes is larger than the ring.
const SYMBOLS: i64 = 400;
const MINUTES: i64 = 100;

fn bus() -> (tempfile::TempDir, Bus, Writer) {
    let (dir, bus) = support::bus("XSHG", &[("size", "\"4MB\""), ("rows_per_block", "256")]);
    let writer = Writer::open(&bus).unwrap();
    (dir, bus, writer)
}

fn push(writer: &mut Writer, symbol: i64, day: i64, minute: i64) {
    let close = (day * 1_000 + minute) as f64;
    let frame_ms = OPEN + day * DAY_MS + minute * MINUTE;
    let symbol = writer.symbol(&format!("{symbol:06}.XSHG")).unwrap();
    let row = Row { symbol, frame_ms, open: close, high: close, low: close, close, volume: 1.0, ..Row::default() };
    // The writer waits while the flusher makes room.
    while !matches!(writer.push(&row), Ok(Pushed::Accepted(_))) {
        writer.flush().unwrap();
    }
}

fn push_day(writer: &mut Writer, day: i64) {
    for minute in 1..=MINUTES {
        (0..SYMBOLS).for_each(|symbol| push(writer, symbol, day, minute));
    }
}

/// What a reader delivers until there is nothing more: the bars, each once, and the closes.
fn drain(reader: &mut Reader) -> (BTreeSet<(String, i64)>, Vec<Date>, u64) {
    let (mut bars, mut closes, mut lapped) = (BTreeSet::new(), Vec::new(), 0);
    while let Some(event) = reader.next(Duration::from_millis(1)).unwrap() {
        match event {
            Event::Bars(batch) => {
                for bar in batch {
                    assert!(!bar.symbol.is_empty());
                    let is_new = bars.insert((bar.symbol.to_owned(), bar.frame_ms));
                    assert!(is_new, "{} {} comes twice", bar.symbol, bar.frame_ms);
                }
            }
            Event::DayClosed(day) => closes.push(day),
            Event::Lapped { missed } => lapped += missed,
            Event::Withdrawn(bars) => panic!("{bars:?} withdrawn"),
            Event::MinuteClosed(minute) => panic!("{minute:?} without minutes"),
        }
    }
    (bars, closes, lapped)
}

fn days_of(bars: &BTreeSet<(String, i64)>) -> Vec<usize> {
    let of = |day: i64| bars.iter().filter(|(_, frame_ms)| (frame_ms - OPEN) / DAY_MS == day).count();
    [0, 1].map(of).to_vec()
}

#[test]
fn a_day_that_the_ring_has_lost_in_part_comes_whole() {
    let (_dir, bus, mut writer) = bus();
    push_day(&mut writer, 0);
    let all = (SYMBOLS * MINUTES) as usize;
    let in_ring = drain(&mut Reader::open(bus.path()).unwrap().start_at(Start::Oldest).unwrap()).0.len();
    assert!(in_ring < all, "the ring has lost bars: {in_ring} of {all}");
    let starts = [Start::Today, Start::Day(FIRST), Start::Day(Date::constant(2024, 6, 1))];
    for (start, more) in starts.into_iter().zip(0..) {
        let mut reader = Reader::open(bus.path()).unwrap().start_at(start).unwrap();
        // Bars in place are those of the ring, which come after the lost ones.
        assert!(reader.pin().unwrap().is_none() && reader.views().next().is_none());
        let (bars, closes, lapped) = drain(&mut reader);
        assert_eq!((bars.len(), closes.len(), lapped), (all + more as usize, 0, 0), "{start:?}");
        assert_eq!(reader.position(), writer.next_seq());
        // It goes on with the next bar, of which the next start has one more.
        push(&mut writer, 0, 0, MINUTES + 1 + more);
        assert_eq!(drain(&mut reader).0.len(), 1);
    }
    let mut told = Reader::open(bus.path()).unwrap().on_gap(OnGap::Lapped).start_at(Start::Today).unwrap();
    let (bars, _, lapped) = drain(&mut told);
    assert_eq!(bars.len() as u64 + lapped, all as u64 + 3);
    let refused = Reader::open(bus.path()).unwrap().on_gap(OnGap::Error).start_at(Start::Today).unwrap_err();
    let text = refused.to_string();
    assert!(
        matches!(refused, Error::Start { .. }) && text.contains(&format!("lost {lapped} bars since 2024-07-01")),
        "{text}"
    );
}

#[test]
fn closed_days_come_with_their_closes_and_the_open_day_goes_on() {
    let (_dir, bus, mut writer) = bus();
    push_day(&mut writer, 0);
    assert_eq!(writer.close_day(), Some(FIRST));
    push_day(&mut writer, 1);
    let all = (SYMBOLS * MINUTES) as usize;
    let mut reader = Reader::open(bus.path()).unwrap().start_at(Start::Day(FIRST)).unwrap();
    let (bars, closes, _) = drain(&mut reader);
    assert_eq!((days_of(&bars), closes), (vec![all, all], vec![FIRST]));
    assert_eq!(writer.close_day(), Some(SECOND));
    assert_eq!(drain(&mut reader).1, [SECOND]);
    // The close of the day before is not an event of a reader that starts today.
    let mut today = Reader::open(bus.path()).unwrap().start_at(Start::Today).unwrap();
    let (bars, closes, _) = drain(&mut today);
    assert_eq!((days_of(&bars), closes), (vec![0, all], vec![SECOND]));
    let mut one = Reader::open(bus.path()).unwrap().start_at(Start::Day(FIRST)).unwrap().symbols(["000007.XSHG"]);
    let (bars, closes, _) = drain(&mut one);
    assert_eq!((bars.len(), closes), (2 * MINUTES as usize, vec![FIRST, SECOND]));
}

#[test]
fn a_start_beside_the_writer_has_no_hole_and_no_double() {
    let (_dir, bus, mut writer) = bus();
    push_day(&mut writer, 0);
    writer.close_day().unwrap();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            push_day(&mut writer, 1);
            writer.close_day().unwrap();
            writer.flush().unwrap();
        });
        let mut starts = 0;
        while !writing.is_finished() || starts == 0 {
            let mut reader = Reader::open(bus.path()).unwrap().start_at(Start::Day(FIRST)).unwrap();
            let (bars, closes, lapped) = drain(&mut reader);
            assert_eq!(days_of(&bars)[0], (SYMBOLS * MINUTES) as usize);
            // What this reader was too slow for, it was told.
            let second = days_of(&bars)[1] as u64 + lapped;
            assert!(second <= (SYMBOLS * MINUTES) as u64 && closes.first() == Some(&FIRST));
            assert!(closes.len() == 1 || second == (SYMBOLS * MINUTES) as u64, "{second} {closes:?}");
            starts += 1;
        }
        writing.join().unwrap();
    });
}

#[test]
fn symbols_that_only_the_archive_knows_have_their_names() {
    let (_dir, bus, mut writer) = bus();
    push(&mut writer, 1, 0, 1);
    writer.close_day().unwrap();
    writer.flush().unwrap();
    drop(writer);
    // A new ring begins, with other symbols.
    std::fs::remove_file(bus.ring()).unwrap();
    let mut writer = Writer::open(&bus).unwrap();
    push(&mut writer, 2, 1, 1);
    let mut reader = Reader::open(bus.path()).unwrap().start_at(Start::Day(FIRST)).unwrap();
    let (old, name) = match reader.poll().unwrap() {
        Some(Event::Bars(bars)) => (bars.rows()[0].symbol, bars.iter().next().unwrap().symbol.to_owned()),
        other => panic!("{other:?}"),
    };
    assert_eq!((name.as_str(), reader.symbol_name(old)), ("000001.XSHG", Some("000001.XSHG")));
    let (bars, closes, _) = drain(&mut reader);
    assert_eq!((bars.len(), closes), (1, vec![FIRST]));
    assert_eq!(reader.latest("000001.XSHG").unwrap().map(|row| row.close), Some(1.0));
    assert!(matches!(reader.latest("000003.XSHG"), Err(Error::UnknownSymbol { .. })));
}

#[test]
fn windows_go_on_into_the_archive() {
    let (_dir, bus, mut writer) = bus();
    push_day(&mut writer, 0);
    writer.close_day().unwrap();
    push_day(&mut writer, 1);
    let mut reader = Reader::open(bus.path()).unwrap();
    let closes = |reader: &mut Reader, count: usize| -> Vec<f64> {
        reader.window("000009.XSHG", count).unwrap().iter().map(|row| row.close).collect()
    };
    let expected: Vec<f64> =
        (0..2).flat_map(|day| (1..=MINUTES).map(move |minute| (day * 1_000 + minute) as f64)).collect();
    for count in [1, 5, 30, 99, 100, 101, 200, 5] {
        assert_eq!(closes(&mut reader, count), expected[200 - count..], "{count}");
    }
    assert_eq!(closes(&mut reader, 500), expected);
    push(&mut writer, 9, 1, MINUTES + 1);
    assert_eq!(closes(&mut reader, 500).len(), 201);
    assert_eq!(closes(&mut reader, 201).last(), Some(&1_101.0));
    assert_eq!(reader.latest("000009.XSHG").unwrap().unwrap().close, 1_101.0);
}

/// Bars of the archive are delivered at once, whatever the watermark is.
#[test]
fn a_wait_for_a_watermark_does_not_delay_bars_of_the_archive() {
    let (_dir, bus, mut writer) = bus();
    push_day(&mut writer, 0);
    writer.close_day().unwrap();
    writer.flush().unwrap();
    let mut reader = Reader::open(bus.path()).unwrap().start_at(Start::Day(FIRST)).unwrap();
    let long = Duration::from_secs(240);
    let begun = std::time::Instant::now();
    let mut bars = 0;
    while bars < (SYMBOLS * MINUTES) as usize {
        match reader.next_or_watermark(long, 0).unwrap() {
            Some(Event::Bars(batch)) => bars += batch.len(),
            other => panic!("{other:?}"),
        }
    }
    assert!(begun.elapsed() < long, "it slept");
}
