//! Complete minutes: the same events live, read later, and on a replay.

mod support;

use std::time::{Duration, Instant};

use barbus::{Bus, Date, Event, Feed, MinuteOptions, Reader, Row, Start};
use barbus_writer::{Pushed, Writer};
use proptest::prelude::*;

const MINUTE: i64 = 60_000;
/// 2024-07-04 09:30 in Shanghai, a Thursday.
const OPEN: i64 = 1_720_056_600_000;
const DAY: i64 = 86_400_000;
/// Not in the order of their bytes.
const SYMBOLS: [&str; 5] = ["688001.XSHG", "000001.XSHE", "600000.XSHG", "300750.XSHE", "600036.XSHG"];

/// Minutes of the past never wait for the clock with it: bars of later minutes close them.
const LONG: Duration = Duration::from_secs(3_600);

fn bus() -> (tempfile::TempDir, Bus) {
    support::bus("XSHG", &[("size", "\"4MB\""), ("rows_per_block", "256")])
}

fn push(writer: &mut Writer, which: usize, frame_ms: i64, revision: u8) {
    let close = 10.0 + which as f64 + (frame_ms / MINUTE % 97) as f64 / 100.0 + f64::from(revision);
    let (open, high, low) = (close, close, close - 1.0);
    let symbol = writer.symbol(SYMBOLS[which]).unwrap();
    let row = Row { symbol, frame_ms, open, high, low, close, volume: close * 7.0, ..Row::default() };
    assert!(matches!(writer.push(&row).unwrap(), Pushed::Accepted(_) | Pushed::Revised(_)));
}

/// All events that are ready: every value of every bar, in the order of delivery. What the archive
/// does not keep is left out: numbers, ids, revisions, and times of reception.
fn take(feed: &mut impl Feed, log: &mut Vec<u8>) {
    use std::io::Write;
    while let Some(event) = feed.poll().unwrap() {
        match event {
            Event::Bars(bars) => {
                for bar in bars {
                    let Row { frame_ms, open, high, low, close, volume, optional, present, .. } = *bar;
                    let values = (frame_ms, [open, high, low, close, volume].map(f64::to_bits), optional, present);
                    writeln!(log, "{} {values:?}", bar.symbol).unwrap();
                }
                writeln!(log, "-- {} bars", bars.len()).unwrap();
            }
            other => writeln!(log, "{other:?}").unwrap(),
        }
    }
}

fn options() -> MinuteOptions {
    MinuteOptions { grace: LONG, ..MinuteOptions::default() }
}

fn text(log: &[u8]) -> String {
    String::from_utf8_lossy(log).into_owned()
}

/// What happens in a minute: the symbols in the order of their bars, and which of them are revised
/// before the minute is over. None: the minute has no bar.
type MinutePlan = (Vec<usize>, Vec<bool>);

fn minute_plans(count: usize) -> impl Strategy<Value = Vec<MinutePlan>> {
    let all: Vec<usize> = (0..SYMBOLS.len()).collect();
    let some = proptest::sample::subsequence(all, 0..=SYMBOLS.len()).prop_shuffle();
    proptest::collection::vec((some, proptest::collection::vec(any::<bool>(), SYMBOLS.len())), count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Promise 13: a live run, a later run over the ring and a replay of the archive deliver the
    /// same bytes, whatever is missing, revised or out of order within a minute.
    #[test]
    fn live_and_replayed_minutes_are_the_same_byte_for_byte(
        days in proptest::collection::vec(minute_plans(12), 2..4),
        polls in proptest::collection::vec(any::<bool>(), 64),
    ) {
        let (_dir, bus) = bus();
        let mut writer = Writer::open(&bus).unwrap();
        // A day that makes the universe known. A symbol that the bus has never seen may be late.
        (0..SYMBOLS.len()).for_each(|which| push(&mut writer, which, OPEN - DAY + MINUTE, 0));
        writer.close_day().unwrap();
        writer.flush().unwrap();
        let mut live = Reader::open(bus.path()).unwrap().minutes(options()).unwrap();
        let mut log = Vec::new();
        let mut polls = polls.iter().cycle();
        // Thursday, Friday and Monday.
        let opens = [OPEN, OPEN + DAY, OPEN + 4 * DAY];
        for (plans, open) in days.iter().zip(opens) {
            for (minute, (symbols, revised)) in (1..).zip(plans) {
                let frame_ms = open + minute * MINUTE;
                // The last bar of a complete minute closes it: a revision after it would be late.
                let last = symbols.len().saturating_sub(1);
                for (at, which) in symbols.iter().enumerate() {
                    push(&mut writer, *which, frame_ms, 0);
                    if revised[at] && at < last {
                        push(&mut writer, *which, frame_ms, 1);
                    }
                    if *polls.next().unwrap() {
                        take(&mut live, &mut log);
                    }
                }
            }
            // A day without a bar is no day.
            if writer.day().is_some() {
                writer.close_day().unwrap();
            }
            take(&mut live, &mut log);
        }
        writer.flush().unwrap();
        take(&mut live, &mut log);

        let first = Date::constant(2024, 7, 4);
        if log.is_empty() {
            return Ok(());
        }
        let reader = Reader::open(bus.path()).unwrap().start_at(Start::Day(first)).unwrap();
        let mut later = Vec::new();
        take(&mut reader.minutes(options()).unwrap(), &mut later);
        prop_assert_eq!(text(&log), text(&later));

        let mut replay = bus.replay(first, Date::constant(2024, 7, 31)).unwrap().minutes(options()).unwrap();
        let mut replayed = Vec::new();
        while !replay.ended() {
            take(&mut replay, &mut replayed);
        }
        prop_assert_eq!(text(&log), text(&replayed));
    }
}

/// What a replay cannot know: that a bar was late.
#[test]
fn a_late_bar_is_in_its_minute_on_a_replay_and_names_itself_live() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    let listed = MinuteOptions { universe: Some(vec![SYMBOLS[0].into(), SYMBOLS[1].into()]), grace: LONG };
    let mut live = Reader::open(bus.path()).unwrap().minutes(listed.clone()).unwrap();
    push(&mut writer, 0, OPEN + MINUTE, 0);
    push(&mut writer, 0, OPEN + 2 * MINUTE, 0);
    push(&mut writer, 1, OPEN + MINUTE, 0);
    let shape = |feed: &mut dyn Feed| {
        let mut shape = Vec::new();
        while let Some(event) = feed.poll().unwrap() {
            shape.push(match event {
                Event::Bars(bars) => format!("{} bars of {}", bars.len(), (bars.rows()[0].frame_ms - OPEN) / MINUTE),
                Event::MinuteClosed(minute) => {
                    format!("{} closed, {} missing", (minute.frame_ms - OPEN) / MINUTE, minute.missing.len())
                }
                other => format!("{other:?}"),
            });
        }
        shape
    };
    assert_eq!(shape(&mut live), ["1 bars of 1", "1 closed, 1 missing", "1 bars of 1"]);
    assert_eq!(live.position(), 1, "the bar of the second minute is not delivered");
    push(&mut writer, 1, OPEN + 2 * MINUTE, 0);
    assert_eq!(shape(&mut live), ["2 bars of 2", "2 closed, 0 missing"]);
    assert_eq!(live.position(), 4);
    writer.close_day().unwrap();
    writer.flush().unwrap();
    let day = Date::constant(2024, 7, 4);
    let mut replay = bus.replay(day, day).unwrap().minutes(listed).unwrap();
    let replayed = shape(&mut replay);
    assert_eq!(replayed[..4], ["2 bars of 1", "1 closed, 0 missing", "2 bars of 2", "2 closed, 0 missing"]);
    // Live and on the replay: the minutes without a bar until the end of the day, then its close.
    assert_eq!(replayed[4..], shape(&mut live));
    assert_eq!((replayed.len() - 4, replayed[4].as_str()), (238 + 1, "3 closed, 2 missing"));
}

/// At each decision of a strategy, a replay answers as of that minute: it does not look ahead.
#[test]
fn a_replay_answers_as_of_the_closed_minute() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    for minute in 1..=3 {
        (0..SYMBOLS.len()).for_each(|which| push(&mut writer, which, OPEN + minute * MINUTE, 0));
    }
    writer.close_day().unwrap();
    writer.flush().unwrap();
    let day = Date::constant(2024, 7, 4);
    let mut replay = bus.replay(day, day).unwrap().minutes(MinuteOptions::default()).unwrap();
    let mut closed = 0;
    while let Some(event) = replay.next(Duration::ZERO).unwrap() {
        let Event::MinuteClosed(minute) = event else { continue };
        let (frame_ms, symbols) = (minute.frame_ms, minute.symbols);
        closed += usize::from(symbols > 0);
        let newest = replay.latest(SYMBOLS[4]).unwrap().unwrap().frame_ms;
        assert_eq!(newest, frame_ms.min(OPEN + 3 * MINUTE));
    }
    assert_eq!(closed, 3);
}

/// A reader that is closed and opened again at its position has lost nothing.
#[test]
fn a_reader_resumes_at_its_position() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    let minutes = |start| Reader::open(bus.path()).unwrap().start_at(start).unwrap().minutes(options()).unwrap();
    push(&mut writer, 2, OPEN + MINUTE, 0);
    push(&mut writer, 0, OPEN + 2 * MINUTE, 0);
    let mut before = minutes(Start::Oldest);
    let mut log = Vec::new();
    take(&mut before, &mut log);
    assert_eq!(before.position(), 1, "{}", text(&log));
    let mut after = minutes(Start::Seq(before.position()));
    push(&mut writer, 1, OPEN + 2 * MINUTE, 0);
    push(&mut writer, 1, OPEN + 3 * MINUTE, 0);
    let (mut of_before, mut of_after) = (Vec::new(), Vec::new());
    take(&mut before, &mut of_before);
    take(&mut after, &mut of_after);
    assert_eq!(text(&of_before), text(&of_after));
    assert!(text(&of_before).contains("-- 2 bars"));
}

/// The writer's watermark wakes a reader that sleeps, long before the grace period ends.
#[test]
fn a_watermark_wakes_a_sleeping_reader() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    let mut minutes = Reader::open(bus.path()).unwrap().minutes(options()).unwrap();
    let (sender, closed) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let started = Instant::now();
        loop {
            match minutes.next(Duration::from_secs(60)).unwrap() {
                Some(Event::Bars(bars)) => sender.send(bars.rows()[0].frame_ms).unwrap(),
                Some(Event::MinuteClosed(minute)) => return (minute.clone(), started.elapsed()),
                other => panic!("{other:?}"),
            }
        }
    });
    push(&mut writer, 0, OPEN + MINUTE, 0);
    assert!(closed.recv_timeout(Duration::from_millis(100)).is_err(), "other symbols may follow");
    writer.done(OPEN + MINUTE).unwrap();
    assert_eq!(closed.recv_timeout(Duration::from_secs(30)), Ok(OPEN + MINUTE));
    let (minute, took) = reader.join().unwrap();
    assert_eq!((minute.frame_ms, minute.symbols, minute.missing), (OPEN + MINUTE, 1, vec![]));
    assert!(took < Duration::from_secs(30), "{took:?}");
}

/// A new writer does not vouch for minutes of the one before: rows that a crash has lost are sent
/// again.
#[test]
fn a_watermark_ends_with_its_writer() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    writer.done(OPEN + MINUTE).unwrap();
    let seen = |bus: &Bus| {
        let mut minutes = Reader::open(bus.path()).unwrap().start_at(Start::Oldest).unwrap().minutes(options());
        let mut log = Vec::new();
        take(minutes.as_mut().unwrap(), &mut log);
        text(&log)
    };
    push(&mut writer, 0, OPEN + MINUTE, 0);
    assert!(seen(&bus).contains("MinuteClosed"));
    drop(writer);
    let _writer = Writer::open(&bus).unwrap();
    assert_eq!(seen(&bus), "");
}

/// A filter restricts the universe too.
#[test]
fn filtered_minutes_wait_for_the_symbols_that_pass() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    (0..SYMBOLS.len()).for_each(|which| push(&mut writer, which, OPEN - DAY + MINUTE, 0));
    writer.close_day().unwrap();
    let reader = Reader::open(bus.path()).unwrap().symbols([SYMBOLS[0], SYMBOLS[2]]);
    let mut minutes = reader.minutes(options()).unwrap();
    for which in [4, 2, 1, 0] {
        push(&mut writer, which, OPEN + MINUTE, 0);
    }
    assert!(matches!(minutes.poll().unwrap(), Some(Event::Bars(bars)) if bars.len() == 2));
    let Some(Event::MinuteClosed(minute)) = minutes.poll().unwrap() else { panic!("it is complete") };
    assert_eq!((minute.symbols, minute.missing.len()), (2, 0));
    // By the watermark the others are known to be missing.
    push(&mut writer, 1, OPEN + 2 * MINUTE, 0);
    writer.done(OPEN + 2 * MINUTE).unwrap();
    let Some(Event::MinuteClosed(minute)) = minutes.poll().unwrap() else { panic!("the producer is done") };
    assert_eq!(minute.missing, ["600000.XSHG", "688001.XSHG"]);
}

/// A reader whose day begins in the archive, because the ring has lost that part of it, closes the
/// same minutes as one that was there.
#[test]
fn minutes_of_the_archive_and_of_the_ring_are_one_sequence() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    (0..SYMBOLS.len()).for_each(|which| push(&mut writer, which, OPEN - DAY + MINUTE, 0));
    writer.close_day().unwrap();
    writer.flush().unwrap();
    let mut live = Reader::open(bus.path()).unwrap().minutes(options()).unwrap();
    let mut log = Vec::new();
    let day = Date::constant(2024, 7, 4);
    for minute in 1..=120 {
        for which in (0..SYMBOLS.len()).filter(|which| minute % 7 != *which as i64) {
            push(&mut writer, which, OPEN + minute * MINUTE, 0);
        }
        take(&mut live, &mut log);
    }
    // Bars of many further days push the first minutes out of the ring.
    writer.close_day().unwrap();
    writer.flush().unwrap();
    take(&mut live, &mut log);
    let (mut weeks, mut pushed) = (0, 0);
    while Reader::open(bus.path())
        .unwrap()
        .start_at(Start::Seq(300))
        .is_ok_and(|mut reader| matches!(reader.poll().unwrap(), Some(Event::Bars(_))))
    {
        weeks += 1;
        for minute in 1..=120 {
            (0..SYMBOLS.len()).for_each(|which| {
                push(&mut writer, which, OPEN + 7 * weeks * DAY + minute * MINUTE, 0);
                pushed += 1;
            });
        }
        writer.close_day().unwrap();
        writer.flush().unwrap();
        assert!(pushed < 1_000_000, "the ring does not wrap");
    }
    let mut later = Reader::open(bus.path()).unwrap().start_at(Start::Day(day)).unwrap().minutes(options()).unwrap();
    let mut of_later = Vec::new();
    take(&mut later, &mut of_later);
    assert!(!text(&of_later).contains("Lapped"));
    assert_eq!(text(&log), text(&of_later)[..log.len()]);
}

/// A reader that comes to the end of a replaced ring looks into the next one before it closes a
/// minute by the clock: the bars that it lacks are there.
#[test]
fn a_minute_goes_on_in_another_ring() {
    const GRACE: Duration = Duration::from_secs(1);
    loop {
        let (_dir, bus) = support::bus("XSHG", &[("size", "\"4MB\""), ("rows_per_block", "256"), ("symbols", "4")]);
        let mut writer = Writer::open(&bus).unwrap();
        let mut all = SYMBOLS.map(String::from).to_vec();
        all.sort_unstable();
        let options = MinuteOptions { universe: Some(all.clone()), grace: GRACE };
        let mut minutes = Reader::open(bus.path()).unwrap().minutes(options).unwrap();
        let begun = Instant::now();
        (0..SYMBOLS.len()).for_each(|which| push(&mut writer, which, OPEN + MINUTE, 0));
        if begun.elapsed() >= GRACE {
            // The machine was too slow: the last bar may be late.
            continue;
        }
        assert_eq!(writer.flush_waiter().status().rings_replaced, 1, "the fifth symbol needs another ring");
        std::thread::sleep(GRACE + Duration::from_millis(100));
        let mut seen = Vec::new();
        while let Some(event) = minutes.poll().unwrap() {
            seen.push(match event {
                Event::Bars(bars) => bars.iter().map(|bar| bar.symbol.to_owned()).collect(),
                Event::MinuteClosed(minute) => minute.missing.clone(),
                other => panic!("{other:?}"),
            });
        }
        assert_eq!(seen, [all, Vec::new()]);
        break;
    }
}
