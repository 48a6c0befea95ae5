//! A writer embedded in a program, with readers: rules, revisions, days and the archive.

mod support;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use barbus::{Bus, Error, Event, InitOptions, Reader, Row, Selection, Start};
use barbus_archive::Archive;
use barbus_bars::Fault;
use barbus_writer::{Pushed, Writer};

const MINUTE: i64 = 60_000;
/// 2024-07-04 09:30 in Shanghai.
const OPEN: i64 = 1_720_056_600_000;
const DAY: i64 = 86_400_000;

/// A bus whose ring is small, so that it fills.
fn bus() -> (tempfile::TempDir, Bus) {
    bus_with_ring_of("2MB")
}

fn bus_with_ring_of(size: &str) -> (tempfile::TempDir, Bus) {
    let dir = tempfile::tempdir().unwrap();
    let options = InitOptions { calendar: "XSHG".into(), ..InitOptions::default() };
    let bus = Bus::init(&dir.path().join("bus"), &options).unwrap();
    let file = bus.path().join("bus.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let size = format!("size = \"{size}\"");
    let text = text.replace("# size = \"256MB\"", &size).replace("# rows_per_block = 16384", "rows_per_block = 64");
    std::fs::write(&file, text).unwrap();
    let bus = Bus::open(bus.path()).unwrap();
    (dir, bus)
}

fn bar(writer: &mut Writer, symbol: &str, frame_ms: i64, close: f64) -> Row {
    let symbol = writer.symbol(symbol).unwrap();
    Row { symbol, frame_ms, open: close, high: close + 1.0, low: close - 1.0, close, volume: 100.0, ..Row::default() }
}

/// Symbol, frame, close and revision.
type Seen = (String, i64, f64, u8);

/// All bars that the reader gets, and a line for each other event.
fn drain(reader: &mut Reader) -> (Vec<Seen>, Vec<String>) {
    let (mut bars, mut events) = (Vec::new(), Vec::new());
    while let Some(event) = reader.poll().unwrap() {
        match event {
            Event::Bars(more) => {
                bars.extend(more.iter().map(|bar| (bar.symbol.to_owned(), bar.frame_ms, bar.close, bar.revision)));
            }
            Event::DayClosed(day) => events.push(format!("{day} closed after {}", bars.len())),
            Event::Withdrawn(bars) => panic!("{bars:?} withdrawn"),
            Event::MinuteClosed(minute) => panic!("{minute:?} without minutes"),
            Event::Lapped { missed } => events.push(format!("{missed} missed")),
        }
    }
    (bars, events)
}

fn closes(bus: &Bus, day: &str) -> Vec<f64> {
    let archive = Archive::open_existing(bus.archive(), bus.settings().schema.clone(), "XSHG");
    let (_, batch) = archive.read(day.parse().unwrap()).unwrap().expect("the day is archived");
    batch["close"].as_any().downcast_ref::<Float64Array>().unwrap().values().to_vec()
}

/// Promise 8: an embedded writer gets a place for any number of symbols. Bars from before the ring
/// was enlarged are still duplicates, also those that the archive has for a symbol that had no
/// place in a ring that was lost.
#[test]
fn symbols_beyond_the_table_get_a_larger_ring() {
    let (_dir, bus) = bus();
    let file = bus.path().join("bus.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("# symbols = 8192", "symbols = 4");
    std::fs::write(&file, text).unwrap();
    let bus = Bus::open(bus.path()).unwrap();
    let names: Vec<String> = (0..100).map(|number| format!("{number:06}.XSHE")).collect();
    let mut writer = Writer::open(&bus).unwrap();
    for (seq, name) in (0..).zip(&names) {
        let row = bar(&mut writer, name, OPEN + MINUTE, 8.0);
        assert_eq!((writer.push(&row).unwrap(), row.symbol.0), (Pushed::Accepted(seq), seq as u32));
    }
    let again = |writer: &mut Writer| {
        for name in &names {
            let row = bar(writer, name, OPEN + MINUTE, 8.0);
            assert_eq!(writer.push(&row).unwrap(), Pushed::Duplicate, "{name}");
        }
    };
    again(&mut writer);
    let replaced = writer.flush_waiter().status().rings_replaced;
    assert!((1..=6).contains(&replaced), "the table doubles: {replaced}");
    writer.close_day();
    writer.flush().unwrap();
    drop(writer);
    // The ring is lost; the archive has more symbols than a new one has room for.
    std::fs::remove_file(bus.ring()).unwrap();
    let mut writer = Writer::open(&bus).unwrap();
    again(&mut writer);
}

/// Promises 7 and 8: duplicates are not published and revisions are; the archive has the last
/// revision of each bar, exactly once.
#[test]
fn a_day_goes_from_the_writer_to_readers_and_into_its_file() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    let mut live = Reader::open(bus.path()).unwrap();
    let first = bar(&mut writer, "600000.XSHG", OPEN + MINUTE, 8.0);
    let other = bar(&mut writer, "000001.XSHE", OPEN + MINUTE, 10.0);
    assert_eq!(writer.push(&first).unwrap(), Pushed::Accepted(0));
    assert_eq!(writer.push(&other).unwrap(), Pushed::Accepted(1));
    assert_eq!(writer.push(&first).unwrap(), Pushed::Duplicate);
    let revised = Row { close: 8.5, ..first };
    assert_eq!(writer.push(&revised).unwrap(), Pushed::Revised(2));
    assert_eq!(writer.push(&revised).unwrap(), Pushed::Duplicate);
    assert_eq!(writer.push(&first).unwrap(), Pushed::Revised(3), "the old values again are a revision too");
    let bad = Row { high: 1.0, frame_ms: OPEN + 2 * MINUTE, ..first };
    assert!(matches!(writer.push(&bad).unwrap(), Pushed::Quarantined(_)));
    // The next day's first bar closes the day; a late bar follows it.
    assert_eq!(writer.push(&Row { frame_ms: first.frame_ms + DAY, ..first }).unwrap(), Pushed::Accepted(4));
    assert_eq!(writer.push(&Row { frame_ms: OPEN + 3 * MINUTE, close: 8.25, ..first }).unwrap(), Pushed::Accepted(5));

    let (bars, events) = drain(&mut live);
    let shown: Vec<_> = bars.iter().map(|(symbol, _, close, revision)| (symbol.as_str(), *close, *revision)).collect();
    let sse = "600000.XSHG";
    let expected =
        [(sse, 8.0, 0), ("000001.XSHE", 10.0, 0), (sse, 8.5, 1), (sse, 8.0, 2), (sse, 8.0, 0), (sse, 8.25, 0)];
    assert_eq!(shown, expected);
    assert_eq!(events, ["2024-07-04 closed after 4"]);

    writer.flush().unwrap();
    assert_eq!(closes(&bus, "2024-07-04"), [10.0, 8.0, 8.25], "by symbol and frame, the late bar in its day");
    assert_eq!(writer.close_day().unwrap().to_string(), "2024-07-05");
    writer.flush().unwrap();
    assert_eq!(closes(&bus, "2024-07-05"), [8.0]);
    let mut quarantine = std::fs::read_dir(bus.quarantine()).unwrap().map(|file| file.unwrap().path());
    let quarantine = quarantine.find(|path| path.extension().is_some_and(|end| end == "ndjson")).unwrap();
    let line: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(quarantine).unwrap()).unwrap();
    assert_eq!((line["code"].as_str(), line["row"]["high"].as_f64()), (Some("high-low"), Some(1.0)));
}

/// Promise 9: a misdated bar, pushed or in a batch, does not close the open day.
#[test]
fn bars_of_the_future_and_of_the_distant_past_are_quarantined() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    let first = bar(&mut writer, "600000.XSHG", OPEN + MINUTE, 8.0);
    assert_eq!(writer.push(&first).unwrap(), Pushed::Accepted(0));
    let now_ms = jiff::Timestamp::now().as_millisecond() / MINUTE * MINUTE;
    let far = [(now_ms + DAY, Fault::Future), (i64::MAX / MINUTE * MINUTE, Fault::Future), (0, Fault::Past)];
    for (frame_ms, fault) in far {
        assert_eq!(writer.push(&Row { frame_ms, ..first }).unwrap(), Pushed::Quarantined(fault), "{frame_ms}");
    }
    let frames = vec![OPEN + 2 * MINUTE, now_ms + DAY, 0];
    let number = |value: f64| Arc::new(Float64Array::from(vec![value; 3])) as ArrayRef;
    let batch = RecordBatch::try_from_iter([
        ("symbol", Arc::new(StringArray::from(vec!["600000.XSHG"; 3])) as ArrayRef),
        ("frame", Arc::new(TimestampMillisecondArray::from(frames).with_timezone("UTC"))),
        ("open", number(8.0)),
        ("high", number(8.0)),
        ("low", number(8.0)),
        ("close", number(8.0)),
        ("volume", number(1.0)),
    ]);
    let ack = writer.publish(batch.unwrap()).unwrap();
    assert_eq!((ack.accepted, ack.quarantined), (1, 2));
    let stat = writer.stat();
    assert_eq!((stat.quarantined["future"], stat.quarantined["past"]), (3, 2));
    assert_eq!(stat.day.unwrap().to_string(), "2024-07-04");
}

/// Promise 8: bars that were withdrawn are new again, and the others stay as they are.
#[test]
fn withdrawn_bars_leave_the_archive_and_are_new_again() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    let kept = bar(&mut writer, "000001.XSHE", OPEN + MINUTE, 10.0);
    let wrong = bar(&mut writer, "600000.XSHG", OPEN + MINUTE, 8.0);
    for row in [&kept, &wrong] {
        assert!(matches!(writer.push(row).unwrap(), Pushed::Accepted(_)));
    }
    let mut selection = Selection::of_day("2024-07-04".parse().unwrap());
    selection.symbols.push("600000.XSHG".to_owned());
    let mut reader = Reader::open(bus.path()).unwrap();
    assert!(matches!(writer.withdraw(&selection), Err(Error::Refused { .. })), "the day is open");
    writer.close_day().unwrap();
    let withdrawn = writer.withdraw(&selection).unwrap();
    assert!(withdrawn.bars == 1 && withdrawn.file.is_some_and(|file| file.exists()));
    assert_eq!(closes(&bus, "2024-07-04"), [10.0]);
    assert_eq!(reader.poll().unwrap(), Some(Event::DayClosed(selection.day)));
    assert_eq!(reader.poll().unwrap(), Some(Event::Withdrawn(&selection)));
    // Once more: there is nothing left.
    assert_eq!(writer.withdraw(&selection).unwrap().bars, 0);
    assert_eq!(writer.push(&kept).unwrap(), Pushed::Duplicate);
    assert_eq!(writer.push(&wrong).unwrap(), Pushed::Accepted(2));
    writer.flush().unwrap();
    assert_eq!(closes(&bus, "2024-07-04"), [10.0, 8.0]);
    assert!(matches!(reader.poll().unwrap(), Some(Event::Bars(bars)) if bars.len() == 1));
    assert_eq!(reader.poll().unwrap(), None);
    // A reader that is opened later learns of later withdrawals only, also after a restart.
    drop(writer);
    let mut writer = Writer::open(&bus).unwrap();
    let mut late = Reader::open(bus.path()).unwrap();
    selection.symbols.clear();
    writer.withdraw(&selection).unwrap();
    for reader in [&mut late, &mut reader] {
        assert!(reader.wait(Duration::from_secs(60)).unwrap());
        assert_eq!(reader.poll().unwrap(), Some(Event::Withdrawn(&selection)));
    }
}

/// A thread that still reads the ring for the index of bars must not keep the ring's lock.
#[test]
fn a_writer_that_ends_while_it_loads_leaves_the_ring_to_the_next_one() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    for minute in 1..=200 {
        for symbol in 0..200 {
            let row = bar(&mut writer, &format!("{symbol:06}.XSHE"), OPEN + minute * MINUTE, 10.0);
            assert!(matches!(writer.push(&row).unwrap(), Pushed::Accepted(_)));
        }
    }
    for _ in 0..10 {
        drop(writer);
        writer = Writer::open(&bus).unwrap();
    }
    let last = bar(&mut writer, "000199.XSHE", OPEN + 200 * MINUTE, 10.0);
    assert_eq!(writer.push(&last).unwrap(), Pushed::Duplicate);
}

#[test]
fn latest_and_window_have_the_last_revisions_by_frame() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    for minute in [1, 2, 4, 3] {
        let row = bar(&mut writer, "600000.XSHG", OPEN + minute * MINUTE, minute as f64);
        writer.push(&row).unwrap();
    }
    let revised = bar(&mut writer, "600000.XSHG", OPEN + 2 * MINUTE, 20.0);
    writer.push(&revised).unwrap();
    let mut reader = Reader::open(bus.path()).unwrap();
    let window = |reader: &mut Reader, n| -> Vec<f64> {
        reader.window("600000.XSHG", n).unwrap().iter().map(|row| row.close).collect()
    };
    assert_eq!(window(&mut reader, 3), [20.0, 3.0, 4.0]);
    assert_eq!(window(&mut reader, 100), [1.0, 20.0, 3.0, 4.0]);
    assert_eq!(reader.latest("600000.XSHG").unwrap().unwrap().close, 4.0);
    let next = bar(&mut writer, "600000.XSHG", OPEN + 5 * MINUTE, 5.0);
    writer.push(&next).unwrap();
    assert_eq!(reader.latest("600000.XSHG").unwrap().unwrap().close, 5.0);
    let message = reader.latest("600000.XSHE").unwrap_err().to_string();
    assert!(message.contains("did you mean \"600000.XSHG\"?"), "{message}");
}

/// Promises 6 and 8 over a restart: the index is loaded from the ring and the archive.
#[test]
fn the_next_writer_knows_what_the_last_one_published() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    assert!(Writer::open(&bus).unwrap_err().to_string().contains(&std::process::id().to_string()));
    let rows: Vec<Row> = (1..=200)
        .map(|minute| bar(&mut writer, "600000.XSHG", OPEN + minute % 100 * MINUTE + minute / 100 * DAY, 8.0))
        .collect();
    for row in &rows {
        assert!(matches!(writer.push(row).unwrap(), Pushed::Accepted(_)));
    }
    drop(writer);
    let mut writer = Writer::open(&bus).unwrap();
    for row in &rows {
        assert_eq!(writer.push(row).unwrap(), Pushed::Duplicate);
    }
    assert_eq!(writer.day().unwrap().to_string(), "2024-07-06");
    let mut reader = Reader::open(bus.path()).unwrap().start_at(Start::Oldest).unwrap();
    assert_eq!(drain(&mut reader).0.len(), 200);
}

/// Promise 7: the size of the ring does not limit a day. About 50 blocks pass through a ring of a
/// few blocks.
#[test]
fn a_day_larger_than_the_ring_is_archived_whole() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    let blocks = u64::from(writer.stat().blocks);
    let symbols: Vec<String> = (0..blocks * 3 * 64 / 100).map(|i| format!("{i:06}.XSHE")).collect();
    let mut reader = Reader::open(bus.path()).unwrap();
    let (mut seen, mut missed) = (0, 0);
    for minute in 1..=100 {
        let symbol: StringArray = symbols.iter().map(Some).collect();
        let frame = TimestampMillisecondArray::from(vec![OPEN + minute * MINUTE; symbols.len()]).with_timezone("UTC");
        let price = || Arc::new(Float64Array::from(vec![minute as f64; symbols.len()])) as ArrayRef;
        let batch = RecordBatch::try_from_iter([
            ("code", Arc::new(symbol) as ArrayRef),
            ("time", Arc::new(frame)),
            ("open", price()),
            ("high", price()),
            ("low", price()),
            ("close", price()),
            ("vol", price()),
        ])
        .unwrap();
        let ack = writer.publish(batch).unwrap();
        assert_eq!(ack.accepted, symbols.len() as u64);
        while let Some(event) = reader.poll().unwrap() {
            match event {
                Event::Bars(bars) => seen += bars.len() as u64,
                Event::Withdrawn(bars) => panic!("{bars:?} withdrawn"),
                Event::MinuteClosed(minute) => panic!("{minute:?} without minutes"),
                Event::Lapped { missed: more } => missed += more,
                Event::DayClosed(_) => panic!("nothing closed yet"),
            }
        }
    }
    let total = symbols.len() as u64 * 100;
    assert!(total > blocks * 64 * 2, "{total} bars are too few for {blocks} blocks");
    assert_eq!(seen + missed, total);
    writer.close_day().unwrap();
    writer.flush().unwrap();
    let closes = closes(&bus, "2024-07-04");
    assert_eq!(closes.len() as u64, total);
    assert!(closes.chunks(100).all(|day| day.iter().zip(1..).all(|(close, minute)| *close == f64::from(minute))));
    let report = barbus::verify(&bus).unwrap();
    assert_eq!(report.ring.unwrap().problems, [] as [String; 0]);
}

/// Promise 7 while the flusher runs beside the writer: many small blocks, many days, and late rows
/// for each of them.
#[test]
fn nothing_is_missing_when_days_close_in_quick_succession() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    let (days, minutes, symbols) = (12, 240, 20);
    let mut pushed = 0;
    for day in 0..days {
        for minute in 1..=minutes {
            for symbol in 0..symbols {
                // Every tenth bar is two days late.
                let late = (minute + symbol) % 10 == 0 && day >= 2;
                let frame_ms = OPEN + minute * MINUTE + (day - if late { 2 } else { 0 }) * DAY;
                let close = if late { 7.0 } else { 8.0 };
                let row = bar(&mut writer, &format!("{symbol:06}.XSHE"), frame_ms, close);
                // A late bar replaces the one that was in time.
                match writer.push(&row).unwrap() {
                    Pushed::Accepted(_) => pushed += 1,
                    Pushed::Revised(_) => assert!(late),
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    writer.close_day();
    writer.flush().unwrap();
    let archive = Archive::open_existing(bus.archive(), bus.settings().schema.clone(), "XSHG");
    let mut archived = 0;
    for day in archive.days().unwrap() {
        let (meta, batch) = archive.read(day).unwrap().unwrap();
        archived += meta.rows;
        let closes = batch["close"].as_any().downcast_ref::<Float64Array>().unwrap();
        let frames = batch["frame"].as_any().downcast_ref::<TimestampMillisecondArray>().unwrap();
        for (close, frame) in closes.values().iter().zip(frames.values()) {
            assert!([7.0, 8.0].contains(close), "{day}: {close} at {frame}");
        }
    }
    assert_eq!(archived, pushed);
    assert_eq!(barbus::verify(&bus).unwrap().ring.unwrap().problems, [] as [String; 0]);
}

/// The bus, with settings that specify a larger ring.
fn with_room_for_more_symbols(bus: &Bus) -> Bus {
    let file = bus.path().join("bus.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("# symbols = 8192", "symbols = 20000");
    std::fs::write(&file, text).unwrap();
    Bus::open(bus.path()).unwrap()
}

/// New sizes in `bus.toml` take effect once everything is archived. Readers continue in the new
/// ring, and so do the sequence numbers.
#[test]
fn readers_follow_into_a_ring_of_another_size() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    let mut reader = Reader::open(bus.path()).unwrap();
    let first = bar(&mut writer, "600000.XSHG", OPEN + MINUTE, 8.0);
    writer.push(&first).unwrap();
    drop(writer);

    let bus = with_room_for_more_symbols(&bus);
    let mut writer = Writer::open(&bus).unwrap();
    assert!(writer.ring_is_outdated(), "the open day is still needed");
    assert_eq!(writer.push(&first).unwrap(), Pushed::Duplicate);
    writer.close_day().unwrap();
    writer.flush().unwrap();
    drop(writer);

    let mut writer = Writer::open(&bus).unwrap();
    assert!(!writer.ring_is_outdated());
    assert_eq!(writer.push(&first).unwrap(), Pushed::Duplicate, "the archive knows it");
    let next = bar(&mut writer, "000001.XSHE", OPEN + DAY, 9.0);
    assert_eq!(writer.push(&next).unwrap(), Pushed::Accepted(1));
    let mut seen = (Vec::new(), Vec::new());
    // One poll finds that the ring was replaced; the next ones read the new ring.
    for _ in 0..3 {
        let (bars, events) = drain(&mut reader);
        seen.0.extend(bars.into_iter().map(|(symbol, ..)| symbol));
        seen.1.extend(events);
    }
    assert_eq!(seen.0, ["600000.XSHG", "000001.XSHE"]);
    assert_eq!(seen.1, ["2024-07-04 closed after 1"]);
    assert_eq!(reader.latest("000001.XSHE").unwrap().unwrap().close, 9.0);
}

/// Promise 4: a reader does not continue in a ring of another lineage that has taken the path of
/// its own.
#[test]
fn readers_do_not_follow_into_a_ring_of_another_lineage() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    let mut reader = Reader::open(bus.path()).unwrap();
    let first = bar(&mut writer, "600000.XSHG", OPEN + MINUTE, 8.0);
    writer.push(&first).unwrap();
    writer.close_day().unwrap();
    writer.flush().unwrap();
    drop(writer);
    let bus = with_room_for_more_symbols(&bus);
    drop(Writer::open(&bus).unwrap());
    std::fs::remove_file(bus.ring()).unwrap();
    let mut writer = Writer::open(&bus).unwrap();
    for minute in 1..=3 {
        let next = bar(&mut writer, "000001.XSHE", OPEN + DAY + minute * MINUTE, 9.0);
        assert_eq!(writer.push(&next).unwrap(), Pushed::Accepted(minute as u64 - 1));
    }
    let seen = drain_until_error(&mut reader);
    assert!(matches!(&seen.1, Error::Start { what, .. } if what.contains("another ring")), "{}", seen.1);
    assert_eq!(seen.0, ["600000.XSHG"]);
    drain_until_error(&mut reader);
}

/// The symbols of the bars before an error, and the error.
fn drain_until_error(reader: &mut Reader) -> (Vec<String>, Error) {
    let mut symbols = Vec::new();
    for _ in 0..10 {
        match reader.poll() {
            Ok(Some(Event::Bars(bars))) => symbols.extend(bars.iter().map(|bar| bar.symbol.to_owned())),
            Ok(_) => {}
            Err(error) => return (symbols, error),
        }
    }
    panic!("no error after {symbols:?}");
}

/// A sleeping reader is woken by a commit and by a day close.
#[test]
fn a_waiting_reader_is_woken() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    let mut reader = Reader::open(bus.path()).unwrap();
    assert!(!reader.wait(Duration::from_millis(1)).unwrap());
    let (sender, events) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        for _ in 0..2 {
            assert!(reader.wait(Duration::from_secs(60)).unwrap());
            let closed = matches!(reader.poll().unwrap(), Some(Event::DayClosed(_)));
            sender.send(closed).unwrap();
        }
    });
    let row = bar(&mut writer, "600000.XSHG", OPEN + MINUTE, 8.0);
    writer.push(&row).unwrap();
    assert!(!events.recv().unwrap());
    writer.close_day().unwrap();
    assert!(events.recv().unwrap());
    thread.join().unwrap();
}

/// The bars with these numbers: a thousand symbols in each minute.
fn batch_of(numbers: &[i64]) -> RecordBatch {
    let symbol = |number: i64| format!("{:06}.XSHG", number % 1_000);
    let frame_ms = |number: i64| OPEN + (1 + number / 1_000) * MINUTE;
    support::batch(numbers.iter().map(|&number| (symbol(number), frame_ms(number), number as f64)))
}

/// All readers are woken at the end of a batch. Each part of 1,024 rows before it wakes some of
/// them if there is a processor for them.
#[test]
fn readers_are_woken_at_the_end_of_a_batch_and_within_a_long_one() {
    let has_other_processors = std::thread::available_parallelism().unwrap().get() > 1;
    let wakes_of = |parts, whole| if has_other_processors { parts } else { whole };
    // Room for all rows: before a wait for room, readers are woken, too.
    let (_dir, bus) = bus_with_ring_of("32MB");
    let mut writer = Writer::open(&bus).unwrap();
    let mut wakes = |rows: Vec<i64>| {
        let before = writer.ring().commits();
        let ack = writer.publish(batch_of(&rows)).unwrap();
        (ack.accepted, ack.duplicate, writer.ring().commits() - before)
    };
    assert_eq!(wakes(vec![0]), (1, 0, 1));
    assert_eq!(wakes((0..3_000).collect()), (2_999, 1, wakes_of(3, 1)));
    assert_eq!(wakes((0..3_000).collect()), (0, 3_000, 0));
    // The last part of the batch has no new row, and wakes all for the parts before it.
    assert_eq!(wakes((3_000..4_500).chain(0..2_000).collect()), (1_500, 2_000, wakes_of(3, 1)));
    // Within a long batch, all are woken once.
    assert_eq!(wakes((4_500..14_500).collect()), (10_000, 0, wakes_of(10, 2)));
    // Readers do not wait until all duplicates behind a new row were looked at.
    assert_eq!(wakes((14_500..14_501).chain(0..12_000).collect()), (1, 12_000, wakes_of(2, 1)));
}

/// A writer that ends in the middle of a batch leaves no reader asleep beside its rows.
#[test]
fn readers_are_woken_by_the_end_of_a_writer() {
    let (_dir, bus) = bus_with_ring_of("32MB");
    let mut writer = Writer::open(&bus).unwrap();
    let batch = writer.normalizer().normalize(batch_of(&(0..3_000).collect::<Vec<_>>()), "test", 0).unwrap();
    let ring = barbus_ring::Ring::attach(&bus.ring()).unwrap();
    while writer.ingest(&batch, 0).unwrap().wait.is_some() {
        writer.flush().unwrap();
    }
    let before = ring.commits();
    assert_eq!(ring.status().next_seq, 1_024);
    drop(writer);
    assert_eq!(ring.commits(), before + 1);
}

/// Promise 6: a program that embeds the writer learns when its rows are on disk, without waiting
/// for `ring.sync`.
#[test]
fn an_embedded_writer_waits_for_the_disk() {
    let (_dir, bus) = bus();
    let file = bus.path().join("bus.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("# sync = \"1s\"", "sync = \"1h\"");
    std::fs::write(&file, text).unwrap();
    let bus = Bus::open(bus.path()).unwrap();
    let mut writer = Writer::open(&bus).unwrap();
    let waiter = writer.durability_waiter();
    let long = Duration::from_secs(240);
    for minute in 1..=3 {
        let row = bar(&mut writer, "600000.XSHG", OPEN + minute * MINUTE, 8.0);
        writer.push(&row).unwrap();
        assert_eq!(waiter.durable_seq(), writer.next_seq() - 1);
        assert!(waiter.wait(writer.next_seq(), long));
        assert_eq!((waiter.durable_seq(), waiter.last_failure()), (writer.next_seq(), None));
    }
    // A wait for a row that is not pushed yet ends after its commit.
    assert!(!waiter.wait(4, Duration::from_millis(1)));
    let other = waiter.clone();
    let waiting = std::thread::spawn(move || other.wait(4, long));
    let row = bar(&mut writer, "600000.XSHG", OPEN + 4 * MINUTE, 8.0);
    writer.push(&row).unwrap();
    assert!(waiting.join().unwrap());
    // The writer ends with every row on disk; a wait for a row that is never pushed ends with it.
    let row = bar(&mut writer, "600000.XSHG", OPEN + 5 * MINUTE, 8.0);
    writer.push(&row).unwrap();
    drop(writer);
    assert!(waiter.wait(5, long));
    assert!(!waiter.wait(6, long));
}
