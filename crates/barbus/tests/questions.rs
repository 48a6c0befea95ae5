//! A reader's answers about a symbol, compared with a list of the bars in the ring.
//!
//! Bars come late and are revised, days close, the writer reuses blocks, and views hold some blocks
//! longer than others.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use barbus::{Bus, Event, InitOptions, Reader, Row, Start, View};
use barbus_writer::{Pushed, Writer};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const MINUTE: i64 = 60_000;
/// 2024-07-04 00:00 UTC.
const MIDNIGHT: i64 = 1_720_051_200_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// A bus whose ring has `blocks` blocks of 64 rows.
fn bus(blocks: u64) -> (tempfile::TempDir, Bus) {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let options = InitOptions { calendar: "24x7".into(), ..InitOptions::default() };
    let bus = Bus::init(&dir.path().join("bus"), &options).unwrap();
    // A slot of 64 rows has three pages.
    let size = blocks * 3 * 4096;
    let text = format!(
        "calendar = \"24x7\"\n[ring]\nsize = \"{size}B\"\nrows_per_block = 64\nsymbols = 64\ntip_rows = 64\n\
         [archive]\nlate = \"20ms\"\n[readers]\nmax_pins = \"100%\"\nheld_rings = 1000\n"
    );
    std::fs::write(bus.path().join("bus.toml"), text).unwrap();
    (dir, Bus::open(bus.path()).unwrap())
}

fn name(symbol: usize) -> String {
    format!("S{symbol}")
}

#[derive(Debug, Clone)]
enum Step {
    /// Pushes bars of a symbol: the first minute, the number, the days before the newest one, a
    /// value.
    Push(usize, i64, i64, i64, u8),
    /// Pushes this many minutes of all symbols but the first two.
    Sweep(i64),
    NextDay,
    /// Pins the ring from its n-th block on, or releases what is pinned.
    Hold(usize),
    LetGo,
    /// Asks for the last bars of a symbol.
    Ask(usize, usize),
}

const SYMBOLS: usize = 7;

fn step() -> impl Strategy<Value = Step> {
    let late = prop_oneof![6 => Just(0i64), 1 => 1..3i64];
    prop_oneof![
        4 => (0..SYMBOLS, 1..300i64, 1..20i64, late, 0..3u8)
            .prop_map(|(symbol, minute, count, late, value)| Step::Push(symbol, minute, count, late, value)),
        4 => (1..40i64).prop_map(Step::Sweep),
        1 => Just(Step::NextDay),
        1 => (0..4usize).prop_map(Step::Hold),
        1 => Just(Step::LetGo),
        8 => (0..SYMBOLS, 1..80usize).prop_map(|(symbol, count)| Step::Ask(symbol, count)),
    ]
}

/// The bars of a symbol that a new reader finds, the last revision of each frame.
fn held(bus: &Bus, symbol: &str) -> BTreeMap<i64, Row> {
    let mut reader = Reader::open(bus.path()).unwrap().start_at(Start::Oldest).unwrap();
    let mut bars = BTreeMap::new();
    while let Some(event) = reader.poll().unwrap() {
        if let Event::Bars(found) = event {
            bars.extend(found.into_iter().filter(|bar| bar.symbol == symbol).map(|bar| (bar.frame_ms, *bar)));
        }
    }
    bars
}

struct Test {
    bus: Bus,
    writer: Writer,
    /// Readers that answer several questions, by the step at which they were opened.
    old: Vec<Reader>,
    views: Vec<View>,
    day: i64,
    minute: i64,
    pushed: u64,
    /// The last value of each bar, by symbol and frame.
    all: BTreeMap<(String, i64), f64>,
}

impl Test {
    fn push(&mut self, number: usize, frame_ms: i64, value: u8) {
        let symbol = self.writer.symbol(&name(number)).unwrap();
        let x = f64::from(value) + 1.0;
        let row = Row { symbol, frame_ms, open: x, high: x, low: x, close: x, volume: x, ..Row::default() };
        self.pushed += u64::from(!matches!(self.writer.push(&row).unwrap(), Pushed::Duplicate));
        self.all.insert((name(number), frame_ms), x);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Push(symbol, minute, count, late, value) => {
                let day = (self.day - late).max(0);
                for minute in minute..minute + count {
                    self.push(symbol, MIDNIGHT + day * DAY + minute * MINUTE, value);
                }
            }
            Step::Sweep(minutes) => {
                for _ in 0..minutes {
                    self.minute += 1;
                    for symbol in 2..SYMBOLS {
                        self.push(symbol, MIDNIGHT + self.day * DAY + (300 + self.minute) * MINUTE, 0);
                    }
                }
            }
            Step::NextDay => {
                self.writer.close_day();
                (self.day, self.minute) = (self.day + 1, 0);
            }
            Step::Hold(block) => {
                let mut reader = Reader::open(self.bus.path()).unwrap().start_at(Start::Oldest).unwrap();
                let view = std::iter::from_fn(|| {
                    loop {
                        match reader.pin().unwrap() {
                            None if matches!(reader.poll().unwrap(), Some(Event::DayClosed(_))) => {}
                            found => return found,
                        }
                    }
                });
                // At most one block of four: the writer reuses the others.
                self.views = view.skip(block).take(1).collect();
            }
            Step::LetGo => self.views.clear(),
            Step::Ask(symbol, count) => self.ask(&name(symbol), count),
        }
    }

    fn ask(&mut self, symbol: &str, count: usize) {
        let held = held(&self.bus, symbol);
        let of_symbol = self.all.iter().filter(|((known, _), _)| known == symbol);
        let all: Vec<(i64, f64)> = of_symbol.map(|((_, frame_ms), close)| (*frame_ms, *close)).collect();
        let last = |count: usize| &all[all.len().saturating_sub(count)..];
        // What the ring has comes from there, with its number; the rest from the archive.
        let check = |rows: &[Row], count: usize, asked: &str| {
            let values: Vec<(i64, f64)> = rows.iter().map(|row| (row.frame_ms, row.close)).collect();
            assert_eq!(values, last(count), "the last {count} of {symbol}{asked}");
            let in_ring = |row: &&Row| row.received_ns != 0;
            assert!(rows.iter().filter(in_ring).all(|row| held.get(&row.frame_ms) == Some(row)), "{symbol}{asked}");
        };
        let mut fresh = Reader::open(self.bus.path()).unwrap();
        if fresh.symbol_names().iter().all(|known| known != symbol) {
            return;
        }
        // A new reader answers the question first, and then after smaller ones.
        check(&fresh.window(symbol, count).unwrap(), count, "");
        let mut other = Reader::open(self.bus.path()).unwrap();
        check(&other.latest(symbol).unwrap().map_or(Vec::new(), |row| vec![row]), 1, ", the latest");
        for count in [1 + count / 2, count] {
            check(&other.window(symbol, count).unwrap(), count, ", asked later");
        }
        for reader in &mut self.old {
            check(&reader.window(symbol, count).unwrap(), count, ", by an old reader");
        }
        self.old.push(other);
        if self.old.len() > 4 {
            self.old.remove(1);
        }
    }
}

/// Promises 3, 8 and 14 for questions: each answer has the last bars of the bus, whenever the
/// reader was opened and whatever it was asked before.
#[test]
fn answers_are_the_last_bars_of_the_bus() {
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { Config::default().cases } else { 48 };
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let (laps, gaps) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let steps = prop::collection::vec(step(), 1..60);
    let outcome = TestRunner::new(config).run(&steps, |steps| {
        let (_dir, bus) = bus(5);
        let writer = Writer::open(&bus).unwrap();
        let old = vec![Reader::open(bus.path()).unwrap()];
        let mut test = Test { bus, writer, old, views: Vec::new(), day: 0, minute: 0, pushed: 0, all: BTreeMap::new() };
        for step in &steps {
            test.step(step);
            // A block that was pinned for longer than the ring is long has a gap after it.
            let gap = test.views.iter().any(|view| view.first_seq() + 5 * 64 < test.pushed);
            gaps.set(gaps.get() + u64::from(gap));
        }
        for symbol in 0..SYMBOLS {
            test.ask(&name(symbol), 50);
        }
        laps.set(laps.get() + test.pushed / (5 * 64));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    assert!(laps.get() > 20 && gaps.get() > 20, "{} laps, {} gaps", laps.get(), gaps.get());
}

/// Promise 3: while the writer reuses blocks, an answer has complete bars, in order, and none that
/// is older than those of the answer before.
#[test]
fn answers_are_consistent_while_the_writer_reuses_blocks() {
    const MINUTES: i64 = 3_000;
    const QUESTIONS: usize = 200;
    let (_dir, bus) = bus(4);
    let mut writer = Writer::open(&bus).unwrap();
    let through = AtomicI64::new(0);
    let value = |symbol: usize, minute: i64| (minute * 8 + symbol as i64) as f64;
    let push = |writer: &mut Writer, minute: i64| {
        for symbol in 0..4 {
            let x = value(symbol, minute);
            let symbol = writer.symbol(&name(symbol)).unwrap();
            let frame_ms = MIDNIGHT + minute * MINUTE;
            let row = Row { symbol, frame_ms, open: x, high: x, low: x, close: x, volume: x, ..Row::default() };
            writer.push(&row).unwrap();
        }
        through.store(minute, Ordering::Release);
    };
    push(&mut writer, 1);
    std::thread::scope(|scope| {
        // The writer continues until this sender is dropped: after the last question, or by a
        // failed assertion.
        let (asking, stop) = std::sync::mpsc::channel::<()>();
        let continues = move || stop.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty);
        scope.spawn(|| (2..).take_while(move |_| continues()).for_each(|minute| push(&mut writer, minute)));
        let mut old = Reader::open(bus.path()).unwrap();
        let mut asked = 0usize;
        while asked < QUESTIONS || through.load(Ordering::Acquire) < MINUTES {
            let (symbol, count) = (asked % 4, 1 + asked * 7 % 40);
            let before = through.load(Ordering::Acquire);
            let mut fresh = Reader::open(bus.path()).unwrap();
            for reader in [&mut fresh, &mut old] {
                let window = reader.window(&name(symbol), count).unwrap();
                let minutes: Vec<i64> = window.iter().map(|row| (row.frame_ms - MIDNIGHT) / MINUTE).collect();
                // The ring holds 3 complete blocks of 16 minutes, without what was overwritten
                // since.
                let last = *minutes.last().expect("a bar is there");
                assert!(last >= before, "minute {last} after minute {before}");
                assert!(minutes.windows(2).all(|pair| pair[0] + 1 == pair[1]), "a gap: {minutes:?}");
                for (row, minute) in window.iter().zip(&minutes) {
                    let x = value(symbol, *minute);
                    assert_eq!([row.open, row.high, row.low, row.close, row.volume], [x; 5]);
                }
            }
            asked += 1;
        }
        drop(asking);
    });
}

/// A reader that only answers questions never reads a replaced ring to its end. It answers from the
/// new ring all the same, and from the one after that.
#[test]
fn answers_come_from_the_newest_ring() {
    let (_dir, bus) = bus(5);
    let mut writer = Writer::open(&bus).unwrap();
    let mut asked = Reader::open(bus.path()).unwrap();
    let mut views = Vec::new();
    let (mut minute, mut rings) = (0, 0);
    let inode = || std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(bus.ring()).unwrap());
    let mut there = inode();
    while rings < 3 {
        minute += 1;
        let symbol = writer.symbol(&name(minute as usize % 3)).unwrap();
        writer.push(&Row { symbol, frame_ms: MIDNIGHT + minute * MINUTE, ..Row::default() }).unwrap();
        // All blocks are pinned: the writer can reuse none.
        let mut reader = Reader::open(bus.path()).unwrap().anonymous().start_at(Start::Oldest).unwrap();
        views.extend(std::iter::from_fn(|| reader.pin().unwrap()));
        let found = asked.latest(&name(minute as usize % 3)).unwrap().expect("just pushed");
        assert_eq!(found.frame_ms, MIDNIGHT + minute * MINUTE);
        if inode() != there {
            (there, rings) = (inode(), rings + 1);
        }
        assert!(minute < 2_000, "the ring is not replaced");
    }
}

/// A question between the start of a block and its first row: the rows that follow are found.
#[test]
fn a_block_that_is_empty_at_the_question_is_indexed_later() {
    let (_dir, bus) = bus(4);
    drop(Writer::open(&bus).unwrap());
    let mut writer = barbus_ring::RingWriter::open(&bus.ring()).unwrap();
    let symbols = [0, 1].map(|symbol| writer.intern(&name(symbol)).unwrap());
    writer.begin_day(MIDNIGHT / DAY);
    let push = |writer: &mut barbus_ring::RingWriter, n: i64| {
        let symbol = symbols[n as usize % 2];
        writer.push(&Row { symbol, frame_ms: MIDNIGHT + n * MINUTE, volume: n as f64, ..Row::default() }).unwrap();
    };
    (0..64).for_each(|n| push(&mut writer, n));
    let mut reader = Reader::open(bus.path()).unwrap();
    assert_eq!(reader.window(&name(0), 5).unwrap().len(), 5);
    assert_eq!(writer.reserve_rows().unwrap(), 32, "the second block is open and empty");
    assert_eq!(reader.latest(&name(0)).unwrap().unwrap().seq, 62);
    push(&mut writer, 64);
    push(&mut writer, 65);
    // A symbol that was asked about before, and one that was not.
    for symbol in [0, 1] {
        let window = reader.window(&name(symbol), 40).unwrap();
        let due: Vec<u64> = (0..66).filter(|n| n % 2 == symbol as u64).collect();
        assert_eq!(window.iter().map(|row| row.seq).collect::<Vec<_>>(), due, "{}", name(symbol));
        assert_eq!(reader.latest(&name(symbol)).unwrap().unwrap().seq, 64 + symbol as u64);
    }
}
