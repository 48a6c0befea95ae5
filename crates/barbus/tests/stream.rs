//! A reader and a replay as streams, under tokio.

mod support;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use barbus::futures_core::Stream;
use barbus::{Bus, Date, EventStream, OwnedEvent, Reader, Result, Row, Start};
use barbus_writer::Writer;

const MINUTE: i64 = 60_000;
/// 2024-07-04 09:30 in Shanghai.
const OPEN: i64 = 1_720_056_600_000;
const SYMBOLS: [&str; 3] = ["000001.XSHE", "300750.XSHE", "600000.XSHG"];
/// Far more than a correct run needs.
const LIMIT: Duration = Duration::from_secs(60);

fn bus() -> (tempfile::TempDir, Bus) {
    support::bus("XSHG", &[("size", "\"2MB\""), ("rows_per_block", "64")])
}

fn publish(writer: &mut Writer, minutes: std::ops::RangeInclusive<i64>) {
    for minute in minutes {
        for name in SYMBOLS {
            let symbol = writer.symbol(name).unwrap();
            let (frame_ms, price) = (OPEN + minute * MINUTE, minute as f64);
            let row = Row { symbol, frame_ms, open: price, high: price, low: price, close: price, ..Row::default() };
            writer.push(&row).unwrap();
        }
    }
}

async fn next(events: &mut EventStream) -> Option<Result<OwnedEvent>> {
    tokio::time::timeout(LIMIT, poll_fn(|context| Pin::new(&mut *events).poll_next(context))).await.unwrap()
}

/// The symbol and close of each bar up to the close of the day, and the day.
async fn day(events: &mut EventStream) -> (Vec<(String, f64)>, Date) {
    let mut seen = Vec::new();
    loop {
        match next(events).await.expect("the stream continues").unwrap() {
            OwnedEvent::Bars(bars) => seen.extend(bars.into_iter().map(|bar| (bar.symbol.to_owned(), bar.close))),
            OwnedEvent::DayClosed(day) => return (seen, day),
            OwnedEvent::Withdrawn(bars) => panic!("{bars:?} withdrawn"),
            OwnedEvent::MinuteClosed(minute) => panic!("{minute:?} without minutes"),
            OwnedEvent::Lapped { missed } => panic!("{missed} missed"),
        }
    }
}

/// One thread runs everything: a stream that blocked it would stop the publishing and the task that
/// counts.
#[tokio::test(flavor = "current_thread")]
async fn a_reader_waits_without_blocking_its_executor() {
    static TICKS: AtomicU32 = AtomicU32::new(0);
    static READING: AtomicBool = AtomicBool::new(true);
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    let mut events = Reader::open(bus.path()).unwrap().into_stream().unwrap();
    let ticking = tokio::spawn(async {
        while READING.load(Ordering::Relaxed) {
            TICKS.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let publishing = tokio::spawn(async move {
        // The reader waits for its first bar while the other tasks run.
        while TICKS.load(Ordering::Relaxed) < 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for minute in 1..=60 {
            publish(&mut writer, minute..=minute);
            tokio::task::yield_now().await;
        }
        writer.close_day().unwrap();
        writer
    });
    let (seen, closed) = day(&mut events).await;
    READING.store(false, Ordering::Relaxed);
    assert_eq!(closed, Date::constant(2024, 7, 4));
    let expected: Vec<_> =
        (1..=60).flat_map(|minute| SYMBOLS.map(|symbol| (symbol.to_owned(), f64::from(minute)))).collect();
    assert_eq!(seen, expected);
    ticking.await.unwrap();

    // A replay of the same day, which ends.
    publishing.await.unwrap().flush().unwrap();
    let mut events = bus.replay(closed, closed).unwrap().into_stream().unwrap();
    assert_eq!(day(&mut events).await, (expected, closed));
    assert!(next(&mut events).await.is_none() && next(&mut events).await.is_none());
}

/// Promise 4: a task that does not take the events is lapped, with an exact count.
#[tokio::test]
async fn a_stream_whose_task_is_too_slow_is_lapped() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    let mut events = Reader::open(bus.path()).unwrap().start_at(Start::Oldest).unwrap().into_stream().unwrap();
    let capacity = u64::from(Reader::open(bus.path()).unwrap().stat().blocks) * 64;
    let mut day = 0;
    let mut published = 0;
    while published < 3 * capacity {
        publish(&mut writer, day * 1_440 + 1..=day * 1_440 + 240);
        published += 240 * SYMBOLS.len() as u64;
        day += 1;
        writer.flush().unwrap();
    }
    let (mut seen, mut lost) = (0, 0);
    while seen + lost < published {
        match next(&mut events).await.expect("the stream continues").unwrap() {
            OwnedEvent::Bars(bars) => seen += bars.bars().len() as u64,
            OwnedEvent::Withdrawn(bars) => panic!("{bars:?} withdrawn"),
            OwnedEvent::MinuteClosed(minute) => panic!("{minute:?} without minutes"),
            OwnedEvent::Lapped { missed } => lost += missed,
            OwnedEvent::DayClosed(_) => {}
        }
    }
    assert!(lost > 0 && seen + lost == published, "{seen} seen, {lost} missed of {published}");
}
