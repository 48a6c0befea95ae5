//! The daemon is killed at random moments while three producers publish and three readers check.
//!
//! `BARBUS_KILLS` sets the number of kills (20); `BARBUS_KILL_SEED` sets the random moments.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Float64Type, TimestampMillisecondType};
use barbus::{Bus as BusDirectory, Date, Event, Publisher, Reader, Start, WaitStrategy};
use barbus_archive::Archive;
use jiff::Timestamp;

use crate::support::bus::{Bus, names};
use crate::support::market::{self, Bar};
use crate::support::producer;
use crate::support::random::{self, Random};
use crate::support::wait;

/// Symbols of the three producers.
const SYMBOLS: [[&str; 4]; 3] = [["A0", "A1", "A2", "A3"], ["B0", "B1", "B2", "B3"], ["C0", "C1", "C2", "C3"]];
/// Minutes between two bars of a symbol: a day has 48 bars, and many days pass.
const STEP_MINUTES: i64 = 30;
/// Long ago, because bars of the future are quarantined, however fast the days pass.
const FIRST: &str = "1991-03-04T00:30:00Z";
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 1_440 * MINUTE_MS;

/// State that the threads share.
#[derive(Default)]
struct Run {
    /// Acknowledged bars.
    acknowledged: AtomicU64,
    /// Bars that each reader has seen.
    seen: [AtomicU64; 3],
    /// True when the producers must stop.
    over: AtomicBool,
    /// Total number of bars; known when the producers have stopped.
    total: AtomicU64,
    failed: AtomicBool,
}

impl Run {
    /// Acknowledged bars that the slowest reader has not seen yet.
    fn behind(&self) -> u64 {
        let seen = self.seen.iter().map(|seen| seen.load(Ordering::Relaxed)).min().expect("three");
        self.acknowledged.load(Ordering::Relaxed).saturating_sub(seen)
    }

    fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

/// Stops the other threads if its own thread panics.
struct Alarm<'a>(&'a Run);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.failed.store(true, Ordering::Relaxed);
        }
    }
}

/// The trading day of a bar: one that ends at midnight belongs to the day before.
fn day_of(frame_ms: i64) -> i64 {
    (frame_ms - 1).div_euclid(DAY_MS)
}

fn date(day: i64) -> Date {
    let noon = Timestamp::from_millisecond(day * DAY_MS + DAY_MS / 2).expect("in range");
    noon.to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// Promise 6: an acknowledged bar survives `kill -9` of the daemon at any instruction.
/// Promise 7: every bar is in its day's file exactly once with its values, and nothing else is.
/// Promises 3 and 4: readers that never reopen the bus see every bar once, in order and untorn,
/// and every close.
#[test]
fn no_acknowledged_bar_is_lost_when_the_daemon_is_killed_repeatedly() {
    let kills = random::setting("BARBUS_KILLS", 20);
    let mut random = Random::seeded(random::seed("BARBUS_KILL_SEED"));
    let mut bus = Bus::init("24x7");
    bus.configure_small_ring();
    bus.configure("# late = \"5s\"", "late = \"100ms\"");
    bus.configure("# sync = \"1s\"", "sync = \"50ms\"");
    bus.start();
    let room = bus.stat()["blocks"].as_u64().expect("a count") * 64;
    let began = Instant::now();
    let run = Run::default();
    let directory = BusDirectory::open(bus.path()).expect("a bus");

    let (sent, seen) = std::thread::scope(|scope| {
        let _alarm = Alarm(&run);
        let (run, directory) = (&run, &directory);
        let readers: Vec<_> = [WaitStrategy::Futex, WaitStrategy::Futex, WaitStrategy::Spin]
            .into_iter()
            .enumerate()
            .map(|(number, wait)| {
                let reader = Reader::open(directory.path()).and_then(|reader| reader.start_at(Start::Oldest));
                let reader = reader.expect("a ring").wait_strategy(wait);
                scope.spawn(move || follow(reader, run, number))
            })
            .collect();
        let producers: Vec<_> = SYMBOLS
            .into_iter()
            .map(|symbols| {
                let seed = random.any();
                scope.spawn(move || publish(directory, &symbols, run, room, seed))
            })
            .collect();

        for _ in 0..kills {
            if random.below(4) == 0 {
                // Kill it at some point of its start.
                bus.kill();
                bus.spawn();
                std::thread::sleep(Duration::from_micros(random.below(60_000)));
            } else {
                let until = run.acknowledged.load(Ordering::Relaxed) + 1 + random.below(1_500);
                wait::until("bars to be acknowledged", || {
                    (run.failed() || run.acknowledged.load(Ordering::Relaxed) >= until).then_some(())
                });
                std::thread::sleep(Duration::from_micros(random.below(5_000)));
            }
            assert!(!run.failed(), "a thread has failed");
            bus.kill();
            bus.start();
        }
        run.over.store(true, Ordering::Relaxed);
        let sent: Vec<Bar> =
            producers.into_iter().flat_map(|thread| thread.join().expect("it prints the reason")).collect();
        run.total.store(sent.len() as u64, Ordering::Relaxed);
        let seen: Vec<_> = readers.into_iter().map(|thread| thread.join().expect("it prints the reason")).collect();
        (sent, seen)
    });

    assert_eq!(bus.stat()["bars"], sent.len(), "bars in the ring's count");
    assert!(seen.iter().all(|other| *other == seen[0]), "readers saw different things");
    bus.close_day();
    let days = compare(&bus, &directory, &sent);
    assert_eq!(names(&bus.path().join("archive/1m.work")), [".lock"], "left over");
    bus.barbus("verify", [] as [&str; 0]).ok();
    assert!(sent.len() as u64 > room, "the ring never wrapped: {} bars", sent.len());
    println!("{kills} kills, {} bars, {days} days, ring of {room} bars, {:.1?}", sent.len(), began.elapsed());
}

/// Publishes small batches until it is stopped, and waits until all are acknowledged.
fn publish(bus: &BusDirectory, symbols: &[&str], run: &Run, room: u64, seed: u64) -> Vec<Bar> {
    let _alarm = Alarm(run);
    let mut random = Random::seeded(seed);
    let publisher = wait::until("the daemon", || Publisher::connect(bus).ok());
    let mut publisher = publisher.reconnect_for(wait::PATIENCE);
    let first: Timestamp = FIRST.parse().expect("an RFC 3339 time");
    let mut sent: Vec<Bar> = Vec::new();
    let mut frame = first;
    let mut acknowledged = 0;
    while !run.over.load(Ordering::Relaxed) {
        // No reader may be lapped here, so the ring must hold what the slowest one has not seen.
        wait::until("readers to catch up", || (run.failed() || run.behind() < room / 4).then_some(()));
        if run.failed() {
            break;
        }
        let from = sent.len();
        for _ in 0..1 + random.below(8) {
            sent.extend(symbols.iter().map(|symbol| market::bar(symbol, frame)));
            frame = Timestamp::from_second(frame.as_second() + 60 * STEP_MINUTES).expect("in range");
        }
        let batch = producer::batch(&sent[from..]);
        // Either with a full window of batches, or one at a time.
        let outcome = if random.below(2) == 0 { publisher.queue(&batch) } else { publisher.send(&batch).map(drop) };
        outcome.expect("the daemon restarts");
        let now = publisher.acked().rows;
        run.acknowledged.fetch_add(now - acknowledged, Ordering::Relaxed);
        acknowledged = now;
    }
    let ack = publisher.finish().expect("the daemon restarts");
    run.acknowledged.fetch_add(ack.rows - acknowledged, Ordering::Relaxed);
    assert_eq!((ack.rows, ack.accepted + ack.duplicate), (sent.len() as u64, sent.len() as u64), "{ack:?}");
    sent
}

/// What a reader has seen: each close with the number of bars before it, and a digest of all bars.
#[derive(Debug, PartialEq)]
struct Seen {
    closes: Vec<(Date, u64)>,
    digest: u64,
}

fn follow(mut reader: Reader, run: &Run, number: usize) -> Seen {
    let _alarm = Alarm(run);
    let mut seen = Seen { closes: Vec::new(), digest: 0 };
    let mut next = 0;
    let mut frames: HashMap<String, i64> = HashMap::new();
    // The newest day of any bar, and the newest closed day.
    let (mut open, mut closed) = (i64::MIN, i64::MIN);
    let mut last = Instant::now();
    loop {
        match reader.next(Duration::from_millis(20)).expect("a ring that can be read") {
            Some(Event::Bars(bars)) => {
                for bar in bars.iter() {
                    assert_eq!(bar.seq, next, "a bar is missing or delivered twice");
                    next += 1;
                    let frame = Timestamp::from_millisecond(bar.frame_ms).expect("in range");
                    let expected = market::bar(bar.symbol, frame);
                    let values = [bar.open, bar.high, bar.low, bar.close, bar.volume];
                    assert_eq!(values, [expected.open, expected.high, expected.low, expected.close, expected.volume]);
                    assert_eq!([bar.optional(0), bar.optional(1)], [expected.money, expected.factor]);
                    assert_eq!(bar.revision, 0, "{}: known already", bar.symbol);
                    match frames.get_mut(bar.symbol) {
                        // Unacknowledged bars are sent again in their order.
                        Some(before) => {
                            assert_eq!(*before + STEP_MINUTES * MINUTE_MS, bar.frame_ms, "{}", bar.symbol);
                            *before = bar.frame_ms;
                        }
                        None => assert_eq!(frames.insert(bar.symbol.to_owned(), bar.frame_ms), None),
                    }
                    let day = day_of(bar.frame_ms);
                    assert!(day <= open || open == closed, "{} opens before {} is closed", date(day), date(open));
                    open = open.max(day);
                    for part in [bar.seq, bar.frame_ms as u64, bar.close.to_bits(), bar.received_ns as u64] {
                        seen.digest = Random::seeded(seen.digest ^ part).any();
                    }
                }
                run.seen[number].store(next, Ordering::Relaxed);
            }
            Some(Event::DayClosed(day)) => {
                assert_eq!(day, date(open), "another day is open");
                assert!(open > closed, "{day} is closed twice");
                closed = open;
                seen.closes.push((day, next));
            }
            Some(Event::Withdrawn(bars)) => panic!("{bars:?} withdrawn"),
            Some(Event::MinuteClosed(minute)) => panic!("{minute:?} without minutes"),
            Some(Event::Lapped { missed }) => panic!("{missed} bars missed"),
            None => {
                let total = run.total.load(Ordering::Relaxed);
                if run.failed() || total > 0 && next >= total {
                    return seen;
                }
                assert!(last.elapsed() < wait::PATIENCE, "no further bar after {next}");
                continue;
            }
        }
        last = Instant::now();
    }
}

/// Asserts that the archive has exactly these bars, each in its day's file.
/// Returns the number of days.
fn compare(bus: &Bus, directory: &BusDirectory, sent: &[Bar]) -> usize {
    let mut days: BTreeMap<i64, BTreeMap<(&str, i64), &Bar>> = BTreeMap::new();
    for bar in sent {
        let frame_ms = bar.frame.as_millisecond();
        let known = days.entry(day_of(frame_ms)).or_default().insert((&bar.symbol, frame_ms), bar);
        assert!(known.is_none(), "sent twice: {bar:?}");
    }
    let expected: Vec<String> = days.keys().map(|&day| date(day).to_string()).collect();
    assert_eq!(bus.archived_days(), expected);
    let archive = Archive::open_existing(bus.archive(), directory.settings().schema.clone(), "24x7");
    for (&day, bars) in &days {
        let (_, batch) = archive.read(date(day)).expect("it can be read").expect("the day has a file");
        assert_eq!(batch.num_rows(), bars.len(), "{}", date(day));
        for (row, bar) in bars.values().enumerate() {
            assert_eq!(archived(&batch, row), **bar);
        }
    }
    days.len()
}

fn archived(batch: &RecordBatch, row: usize) -> Bar {
    let frames = batch["frame"].as_primitive::<TimestampMillisecondType>();
    let number = |name: &str| {
        let column = batch[name].as_primitive::<Float64Type>();
        column.is_valid(row).then(|| column.value(row))
    };
    let value = |name: &str| number(name).expect("a value");
    Bar {
        symbol: batch["symbol"].as_string::<i32>().value(row).to_owned(),
        frame: Timestamp::from_millisecond(frames.value(row)).expect("in range"),
        open: value("open"),
        high: value("high"),
        low: value("low"),
        close: value("close"),
        volume: value("volume"),
        money: number("money"),
        factor: number("factor"),
    }
}
