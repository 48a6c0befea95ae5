//! Views of the ring's memory: a pinned block does not change, and no process waits for it.

mod support;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{Float64Type, UInt64Type};
use barbus::{Bus, Event, Reader, Row, Start, View};
use barbus_archive::Archive;
use barbus_writer::{Pushed, Writer};

const MINUTE: i64 = 60_000;
/// 2024-07-04 00:00 UTC.
const MIDNIGHT: i64 = 1_720_051_200_000;
const DAY: i64 = 86_400_000;
const ROWS: u64 = 64;

/// A bus whose ring has `blocks` blocks of 64 rows.
fn bus(blocks: u64) -> (tempfile::TempDir, Bus) {
    let settings = [
        // A slot of 64 rows has three pages.
        ("size", &*format!("\"{}B\"", blocks * 3 * 4096)),
        ("rows_per_block", "64"),
        ("tip_rows", "64"),
        ("symbols", "16"),
        // These tests hold more than a reader may by default.
        ("max_pins", "\"100%\""),
        ("held_rings", "1000"),
    ];
    support::bus("24x7", &settings)
}

/// The `number`-th bar of the test, with values computed from `number`. There are five symbols,
/// with one bar each per minute.
fn bar(writer: &mut Writer, number: u64) -> Row {
    let symbol = writer.symbol(&format!("S{}", number % 5)).unwrap();
    let x = number as f64 + 0.25;
    let mut row = Row { symbol, frame_ms: MIDNIGHT + (number / 5 + 1) as i64 * MINUTE, ..Row::default() };
    (row.open, row.high, row.low, row.close, row.volume) = (x, x + 1.0, x - 1.0, x + 0.5, x * 2.0);
    if number.is_multiple_of(3) {
        (row.present, row.optional[0]) = (1, x * 7.0);
    }
    row
}

fn push(writer: &mut Writer, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let row = bar(writer, number);
        assert!(matches!(writer.push(&row).unwrap(), Pushed::Accepted(_)), "bar {number}");
    }
}

/// Asserts that each value of `batch` is that of the bar with its sequence number.
fn check(batch: &RecordBatch) {
    use arrow::array::Array;
    use arrow::array::AsArray;
    let f64s = |name: &str| batch[name].as_primitive::<Float64Type>().clone();
    let symbols = batch["symbol"].as_dictionary::<arrow::datatypes::Int32Type>();
    let symbols = symbols.downcast_dict::<arrow::array::StringArray>().unwrap();
    let frames = batch["frame"].as_primitive::<arrow::datatypes::TimestampMillisecondType>();
    let money = f64s("money");
    for (i, &number) in batch["seq"].as_primitive::<UInt64Type>().values().iter().enumerate() {
        let x = number as f64 + 0.25;
        assert_eq!(arrow::array::ArrayAccessor::value(&symbols, i), format!("S{}", number % 5));
        assert_eq!(frames.value(i), MIDNIGHT + (number / 5 + 1) as i64 * MINUTE);
        let found = ["open", "high", "low", "close", "volume"].map(|name| f64s(name).value(i));
        assert_eq!(found, [x, x + 1.0, x - 1.0, x + 0.5, x * 2.0], "bar {number}");
        assert_eq!(money.is_valid(i).then(|| money.value(i)), number.is_multiple_of(3).then_some(x * 7.0));
        assert!(batch["factor"].is_null(i));
    }
}

/// The views of all bars that the reader has not read.
fn views(reader: &mut Reader) -> Vec<View> {
    std::iter::from_fn(|| reader.pin().unwrap()).collect()
}

/// Promise 3: a view lies in the read-only map itself, and has the committed rows of its block.
#[test]
fn a_view_is_the_rings_own_memory() {
    let (_dir, bus) = bus(8);
    let mut writer = Writer::open(&bus).unwrap();
    push(&mut writer, 0..150);
    let mut reader = Reader::open(bus.path()).unwrap().start_at(Start::Oldest).unwrap();
    let views = views(&mut reader);
    assert_eq!(
        views.iter().map(|view| (view.first_seq(), view.num_rows())).collect::<Vec<_>>(),
        [(0, 64), (64, 64), (128, 22)]
    );
    assert_eq!(reader.position(), 150);
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let spans: Vec<_> = maps
        .lines()
        .filter(|line| line.ends_with(bus.ring().to_str().unwrap()) && line.contains(" r--s "))
        .map(|line| {
            let (from, to) = line.split_whitespace().next().unwrap().split_once('-').unwrap();
            [from, to].map(|hex| usize::from_str_radix(hex, 16).unwrap())
        })
        .collect();
    let inside = |at: usize| spans.iter().any(|[from, to]| (*from..*to).contains(&at));
    for view in &views {
        check(view.batch().unwrap());
        for column in view.batch().unwrap().columns() {
            for buffer in column.to_data().buffers() {
                assert!(inside(buffer.as_ptr() as usize), "{} is a copy", column.data_type());
            }
        }
        let close = view.column::<Float64Type>("close").unwrap();
        assert!(inside(close.as_ptr() as usize));
        assert_eq!(close[0], view.first_seq() as f64 + 0.75);
    }
    assert!(views[0].column::<Float64Type>("symbol").is_none() && views[0].column::<Float64Type>("no").is_none());

    // The view of the open block keeps its rows, and the next view has the later ones. In the
    // bitmap of a nullable column they share bytes.
    push(&mut writer, 150..170);
    assert_eq!(views[2].num_rows(), 22);
    check(views[2].batch().unwrap());
    let next = reader.pin().unwrap().unwrap();
    assert_eq!((next.first_seq(), next.num_rows()), (150, 20));
    check(next.batch().unwrap());
    assert!(reader.pin().unwrap().is_none());
    assert_eq!(reader.poll().unwrap(), None);
}

/// Promise 3: views do not change while the writer fills the ring a hundred times, in other threads
/// and after their reader was dropped. Promises 2 and 7: the writer continues meanwhile, and every
/// bar is in its day's file.
#[test]
fn a_pinned_block_stays_while_the_writer_reuses_the_others() {
    let (_dir, bus) = bus(6);
    let mut writer = Writer::open(&bus).unwrap();
    push(&mut writer, 0..100);
    let mut reader = Reader::open(bus.path()).unwrap().start_at(Start::Oldest).unwrap();
    let held = views(&mut reader);
    drop(reader);
    let batches: Vec<RecordBatch> = held.into_iter().map(|view| view.into_batch().unwrap()).collect();
    let total = 100 * 6 * ROWS;
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let watching = std::thread::spawn({
        let batches = batches.clone();
        move || {
            let mut looks = 0;
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                batches.iter().for_each(check);
                looks += 1;
            }
            (looks, batches)
        }
    });
    drop(batches);
    push(&mut writer, 100..total);
    assert_eq!(writer.flush_waiter().status().rings_replaced, 0, "two of six blocks are held");
    drop(stop);
    let (looks, batches) = watching.join().unwrap();
    assert!(looks > 0);
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 100);
    batches.iter().for_each(check);
    writer.close_day();
    writer.flush().unwrap();
    assert_archived(&bus, total);
}

/// Asserts that the archive has each bar below `total` once.
fn assert_archived(bus: &Bus, total: u64) {
    use arrow::array::AsArray;
    let archive = Archive::open_existing(bus.archive(), bus.settings().schema.clone(), "24x7");
    let mut found = 0;
    for day in archive.days().unwrap() {
        let (_, batch) = archive.read(day).unwrap().unwrap();
        let opens = batch["open"].as_primitive::<Float64Type>().values().to_vec();
        let closes = batch["close"].as_primitive::<Float64Type>().values().to_vec();
        let mut numbers: Vec<u64> = opens.iter().map(|open| (open - 0.25) as u64).collect();
        assert!(opens.iter().zip(&closes).all(|(open, close)| close - open == 0.5));
        numbers.sort_unstable();
        assert_eq!(numbers.first(), Some(&found), "{day}");
        assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{day}");
        found += numbers.len() as u64;
    }
    assert_eq!(found, total);
}

/// Promises 2, 4 and 7: a ring of four blocks carries a day of two hundred. One reader pins
/// everything that it has read, so the ring continues in new files. A reader that follows sees each
/// bar once and in order, and the day's file has all of them.
#[test]
fn a_ring_whose_blocks_are_all_pinned_is_replaced() {
    let (_dir, bus) = bus(4);
    let total = 200 * ROWS;
    assert!(total < 5 * 1440 * 9, "within the test's days");
    let mut writer = Writer::open(&bus).unwrap();
    let mut holder = Reader::open(bus.path()).unwrap().start_at(Start::Oldest).unwrap();
    let mut held: Vec<View> = Vec::new();
    let mut follower = Reader::open(bus.path()).unwrap().start_at(Start::Oldest).unwrap();
    let mut next = 0;
    let mut closed = Vec::new();
    let mut catch_up = |follower: &mut Reader| {
        // A poll that finds nothing may be the one that switches to a new file.
        let mut empty = 0;
        while empty < 2 {
            match follower.poll().unwrap() {
                Some(Event::Bars(bars)) => {
                    for bar in bars.iter() {
                        assert_eq!((bar.seq, bar.open), (next, next as f64 + 0.25));
                        assert_eq!(bar.symbol, format!("S{}", next % 5));
                        next += 1;
                    }
                }
                Some(Event::DayClosed(day)) => closed.push(day),
                Some(Event::Withdrawn(bars)) => panic!("{bars:?} withdrawn"),
                Some(Event::MinuteClosed(minute)) => panic!("{minute:?} without minutes"),
                Some(Event::Lapped { missed }) => panic!("{missed} missed"),
                None => empty += 1,
            }
        }
        next
    };
    for number in (0..total).step_by(16) {
        push(&mut writer, number..number + 16);
        assert_eq!(catch_up(&mut follower), number + 16);
        loop {
            held.extend(views(&mut holder));
            match holder.poll().unwrap() {
                Some(Event::Bars(bars)) => panic!("{} bars that could not be pinned", bars.len()),
                Some(Event::Withdrawn(bars)) => panic!("{bars:?} withdrawn"),
                Some(Event::MinuteClosed(minute)) => panic!("{minute:?} without minutes"),
                Some(Event::Lapped { missed }) => panic!("{missed} missed"),
                Some(Event::DayClosed(_)) => {}
                None => {}
            }
            if holder.position() == number + 16 {
                break;
            }
        }
    }
    let replaced = writer.flush_waiter().status().rings_replaced;
    assert!(replaced >= 200 / 4 - 1, "{replaced} new files for 200 held blocks");
    let seqs: Vec<u64> = held.iter().flat_map(|view| view.column::<UInt64Type>("seq").unwrap().to_vec()).collect();
    assert!(seqs.into_iter().eq(0..total));
    held.iter().for_each(|view| check(view.batch().unwrap()));
    writer.close_day();
    writer.flush().unwrap();
    catch_up(&mut follower);
    assert_eq!(closed.len() as u64, total / 5 / 1440 + 1, "{closed:?}");
    assert_archived(&bus, total);

    // With nothing pinned the ring has room again, and the sequence numbers continue.
    drop(held);
    let before = writer.flush_waiter().status().rings_replaced;
    let row = bar(&mut writer, total + 5 * 1440);
    assert_eq!(writer.push(&Row { frame_ms: row.frame_ms + DAY, ..row }).unwrap(), Pushed::Accepted(total));
    assert_eq!(writer.flush_waiter().status().rings_replaced, before);
    assert!(follower.next(Duration::from_secs(60)).unwrap().is_some());
}

/// Promise 4: a day may close when all its rows are in the replaced ring and none in the new one.
/// Its close reaches a reader that followed and a reader that is opened later, also after a
/// restart.
#[test]
fn a_day_without_a_row_in_the_new_file_closes() {
    for restart in [false, true] {
        let (_dir, bus) = bus(4);
        let mut writer = Writer::open(&bus).unwrap();
        push(&mut writer, 0..4 * ROWS);
        let mut reader = Reader::open(bus.path()).unwrap().start_at(Start::Oldest).unwrap();
        let held = views(&mut reader);
        assert_eq!(held.len(), 4);
        let mut last = Reader::open(bus.path()).unwrap().start_at(Start::Seq(4 * ROWS - 1)).unwrap();
        assert!(matches!(last.poll().unwrap(), Some(Event::Bars(_))));
        // One more bar: the ring is full until it is replaced. The bar is not sent again.
        let more = bar(&mut writer, 4 * ROWS);
        let batch = RecordBatch::try_from_iter([
            ("symbol", Arc::new(StringArray::from(vec!["S0"])) as ArrayRef),
            ("frame", Arc::new(TimestampMillisecondArray::from(vec![more.frame_ms]).with_timezone("UTC"))),
            ("open", Arc::new(Float64Array::from(vec![more.open]))),
            ("high", Arc::new(Float64Array::from(vec![more.high]))),
            ("low", Arc::new(Float64Array::from(vec![more.low]))),
            ("close", Arc::new(Float64Array::from(vec![more.close]))),
            ("volume", Arc::new(Float64Array::from(vec![more.volume]))),
        ]);
        let incoming = writer.normalizer().normalize(batch.unwrap(), "test", 0).unwrap();
        while writer.flush_waiter().status().rings_replaced == 0 {
            assert_eq!(writer.ingest(&incoming, 0).unwrap().next, 0);
            std::thread::yield_now();
        }
        if restart {
            drop(writer);
            writer = Writer::open(&bus).unwrap();
        }
        let day = writer.close_day().expect("its rows are in parts");
        let closed = |reader: &mut Reader| {
            (0..4).find_map(|_| reader.poll().unwrap().map(|event| event == Event::DayClosed(day)))
        };
        assert_eq!(closed(&mut reader), Some(true), "{restart}");
        let mut later = Reader::open(bus.path()).unwrap().start_at(Start::Oldest).unwrap();
        assert_eq!(closed(&mut later), Some(true), "{restart}");
        assert_eq!(Reader::open(bus.path()).unwrap().poll().unwrap(), None, "a new reader at the end gets no close");
        writer.flush().unwrap();
        assert_archived(&bus, 4 * ROWS);
        // The day closes once.
        assert_eq!(writer.close_day(), None);
        assert_eq!(reader.poll().unwrap(), None);
        let next = bar(&mut writer, 5 * 1440);
        assert_eq!(writer.push(&next).unwrap(), Pushed::Accepted(4 * ROWS));
        // A reader that polls for the first time after the close.
        assert_eq!(closed(&mut last), Some(true), "{restart}");
        for reader in [&mut reader, &mut later, &mut last] {
            let Some(Event::Bars(bars)) = reader.poll().unwrap() else { panic!("the next day's bar") };
            assert_eq!((bars.len(), bars.rows()[0].seq), (1, 4 * ROWS));
        }
        assert!(barbus::verify(&bus).unwrap().ring.unwrap().problems.is_empty());
        drop(held);
    }
}

/// Numbers of the blocks before `before` that are still in the ring.
fn old_blocks(bus: &Bus, before: u64) -> Vec<u64> {
    let ring = barbus_ring::Ring::attach(&bus.ring()).unwrap();
    let mut blocks: Vec<u64> = ring.blocks().map(|(block, _)| block).filter(|&block| block < before).collect();
    blocks.sort_unstable();
    blocks
}

fn pins(bus: &Bus) -> u32 {
    barbus::readers(bus).unwrap().iter().map(|reader| reader.pins).sum()
}

/// Promises 2 to 4: an iterator over views pins a run of blocks ahead. It finds them unchanged,
/// however often the writer has filled the ring. A run is an eighth of the ring and no more, and
/// the rows after it are counted as missed.
#[test]
fn views_are_pinned_in_runs_and_do_not_change() {
    const BLOCKS: u64 = 32;
    const RUN: u64 = BLOCKS / 8;
    let (_dir, bus) = bus(BLOCKS);
    let mut writer = Writer::open(&bus).unwrap();
    push(&mut writer, 0..10 * ROWS + 7);
    let mut reader = Reader::open(bus.path()).unwrap().start_at(Start::Oldest).unwrap();
    let all: Vec<View> = reader.views().map(Result::unwrap).collect();
    assert_eq!((all.len(), reader.position(), pins(&bus)), (11, 10 * ROWS + 7, 11));
    all.iter().for_each(|view| check(view.batch().unwrap()));
    assert!(all.windows(2).all(|pair| pair[1].first_seq() == pair[0].first_seq() + ROWS));
    assert!(reader.views().next().is_none() && reader.views().next().is_none());
    drop(all);
    assert_eq!(pins(&bus), 0);

    // From the middle of a block.
    reader = reader.start_at(Start::Seq(ROWS + 3)).unwrap();
    let mut views = reader.views();
    let first = views.next().unwrap().unwrap();
    assert_eq!((first.first_seq(), first.num_rows() as u64), (ROWS + 3, ROWS - 3));
    drop(first);
    assert_eq!(u64::from(pins(&bus)), RUN);
    let mut total = 10 * ROWS + 7;
    let mut go_round = |rounds: u64| {
        let end = total + rounds * BLOCKS * ROWS;
        push(&mut writer, total..end);
        total = end;
        assert_eq!(writer.flush_waiter().status().rings_replaced, 0);
    };
    go_round(3);
    // Block 1 has the rows 0 to 63.
    assert_eq!(old_blocks(&bus, 2 * BLOCKS), [2, 3, 4, 5]);
    let rest: Vec<View> = views.by_ref().take(2).map(Result::unwrap).collect();
    assert_eq!(rest.iter().map(View::first_seq).collect::<Vec<_>>(), [2 * ROWS, 3 * ROWS]);
    drop(views);
    assert_eq!(pins(&bus), 2, "each view holds its own block alone");
    go_round(3);
    assert_eq!(old_blocks(&bus, 4 * BLOCKS), [3, 4]);
    rest.iter().for_each(|view| check(view.batch().unwrap()));
    drop(rest);
    assert_eq!((reader.position(), pins(&bus)), (4 * ROWS, 0));
    go_round(2);
    assert!(reader.views().next().is_none());
    let Some(Event::Lapped { missed }) = reader.poll().unwrap() else { panic!("it was overtaken") };
    let mut seen = 4 * ROWS + missed;
    for view in reader.views() {
        let view = view.unwrap();
        check(view.batch().unwrap());
        assert_eq!(view.first_seq(), seen);
        seen += view.num_rows() as u64;
    }
    assert_eq!(seen, total);
}

/// Set for a child process that pins blocks for a test.
const HOLDER: &str = "BARBUS_TEST_HOLDER";

/// Not a test: the child process of the next test.
#[test]
fn holder() {
    let Ok(path) = std::env::var(HOLDER) else { return };
    let told = || std::io::stdin().read_line(&mut String::new()).unwrap();
    let mut reader = Reader::open(path).unwrap().start_at(Start::Oldest).unwrap();
    let mut views = reader.views();
    let view = views.by_ref().take(2).last().unwrap().unwrap();
    println!("HOLDS {}", view.first_seq());
    told();
    drop(views);
    println!("HOLDS one");
    told();
}

/// Promises 2 and 3 between processes: the writer reuses no block of a run. After the run is
/// released it does not reuse those that views hold, and after the process is killed it reuses all.
#[test]
fn the_pins_of_a_killed_process_are_released() {
    use std::io::{BufRead, BufReader, Write};
    const BLOCKS: u64 = 32;
    let (_dir, bus) = bus(BLOCKS);
    let mut writer = Writer::open(&bus).unwrap();
    let mut rounds = 0;
    let mut go_round = || {
        push(&mut writer, 2 * rounds * BLOCKS * ROWS..2 * (rounds + 1) * BLOCKS * ROWS);
        rounds += 1;
        assert_eq!(writer.flush_waiter().status().rings_replaced, 0);
        2 * (rounds - 1) * BLOCKS
    };
    go_round();
    let first = old_blocks(&bus, u64::MAX)[0];
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "holder", "--nocapture"])
        .env(HOLDER, bus.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut holds = || lines.find_map(|line| line.split_once("HOLDS ").map(|(_, held)| held.to_owned())).unwrap();
    assert_eq!(holds(), (first * ROWS).to_string(), "the second block's first row");
    let newer = go_round();
    assert_eq!(old_blocks(&bus, newer), [first, first + 1, first + 2, first + 3]);
    let mut tell = child.stdin.take().unwrap();
    writeln!(tell).unwrap();
    assert_eq!(holds(), "one");
    let newer = go_round();
    assert_eq!(old_blocks(&bus, newer), [first + 1]);
    child.kill().unwrap();
    child.wait().unwrap();
    let newer = go_round();
    assert_eq!(old_blocks(&bus, newer), [0; 0]);
}
