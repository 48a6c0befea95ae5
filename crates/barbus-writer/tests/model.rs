//! The whole bus against a model: what readers see and what the archive has after any sequence of
//! bars, closes, restarts and kills.
//!
//! The model, see [`Model`], is a list of rows and a table of days; it shares no code with the bus.
//! The writer is a process of its own (this test program, started again), so that it can be killed.
//! The ring has four to six blocks of 64 rows, so readers are often lapped, days are spilled, and
//! blocks are reused.
//!
//! It runs 64 cases; `PROPTEST_CASES=5000` makes a long run.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{Float64Type, TimestampMillisecondType};
use barbus::{Bus, Date, Event, Reader, Row, Start};
use barbus_archive::Archive;
use barbus_ring::{Polled, Ring, RingReader, RingStart};
use barbus_writer::{Pushed, Writer};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;
/// 2024-07-04, in days since 1970-01-01.
const FIRST_DAY: i64 = 19_908;
/// 01:30 UTC: 09:30 in Shanghai, and the same date in both.
const OPEN: i64 = 5_400_000;
const SYMBOLS: [&str; 5] = ["600000.XSHG", "000001.XSHE", "AAPL", "A", "BTCUSDT"];
/// Bytes of a slot of 64 rows.
const SLOT_BYTES: u64 = 12_288;

// ---- the steps of a case ----

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    HighLow,
    NotFinite,
    OffInterval,
}

/// A bar of a test, made of a few small numbers, so that equal bars are frequent.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bar {
    symbol: usize,
    /// Days before the test's newest day.
    late: i64,
    /// The minute of the day, from 1; 0 is the bar that ends exactly at the end of the day.
    minute: i64,
    value: u8,
    fault: Option<Fault>,
}

#[derive(Debug, Clone)]
enum Step {
    Publish(Vec<Bar>),
    Push(Bar),
    /// This number of minutes of the newest day, for all symbols, all with one value.
    Sweep(i64, u8),
    /// The bars that were last published or pushed, again.
    Resend,
    CloseDay,
    /// The next bars are this number of days later.
    NextDay(i64),
    Flush,
    Restart,
    Kill,
    /// The writer is killed while it publishes these bars; then they are sent again.
    KillDuring(Vec<Bar>),
    /// One of the two readers polls this number of times.
    Read(bool, usize),
    /// Readers with every kind of start, and queries for one symbol.
    Ask(usize, usize),
}

#[derive(Debug, Clone)]
struct Case {
    calendar: &'static str,
    blocks: u64,
    steps: Vec<Step>,
}

fn bars(max: usize) -> impl Strategy<Value = Vec<Bar>> {
    prop::collection::vec(bar(), 1..max)
}

fn bar() -> impl Strategy<Value = Bar> {
    let late = prop_oneof![8 => Just(0i64), 2 => 1..3i64];
    let minute = prop_oneof![9 => 1..40i64, 1 => Just(0i64)];
    let faults = [Fault::HighLow, Fault::NotFinite, Fault::OffInterval];
    let fault = prop_oneof![19 => Just(None), 1 => prop::sample::select(faults.to_vec()).prop_map(Some)];
    (0..SYMBOLS.len(), late, minute, 0..4u8, fault).prop_map(|(symbol, late, minute, value, fault)| Bar {
        symbol,
        late,
        minute,
        value,
        fault,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => bars(40).prop_map(Step::Publish),
        2 => bar().prop_map(Step::Push),
        3 => (1..39i64, 0..4u8).prop_map(|(minutes, value)| Step::Sweep(minutes, value)),
        1 => Just(Step::Resend),
        2 => Just(Step::CloseDay),
        2 => (1..4i64).prop_map(Step::NextDay),
        2 => Just(Step::Flush),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
        1 => bars(100).prop_map(Step::KillDuring),
        4 => (any::<bool>(), 1..20usize).prop_map(|(slow, polls)| Step::Read(slow, polls)),
        3 => (0..SYMBOLS.len(), 1..60usize).prop_map(|(symbol, count)| Step::Ask(symbol, count)),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let calendar = prop::sample::select(&["24x7", "XSHG"][..]);
    (calendar, 4..7u64, prop::collection::vec(step(), 1..30)).prop_map(|(calendar, blocks, steps)| Case {
        calendar,
        blocks,
        steps,
    })
}

// ---- the model ----

/// Open, high, low, close, volume and money of a bar.
type Values = ([u64; 5], Option<u64>);

/// A bar with its time and its values.
#[derive(Debug, Clone, PartialEq)]
struct Sent {
    symbol: &'static str,
    frame_ms: i64,
    numbers: [f64; 5],
    money: Option<f64>,
    faulty: bool,
}

impl Sent {
    fn values(&self) -> Values {
        (self.numbers.map(f64::to_bits), self.money.map(f64::to_bits))
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Published {
    symbol: &'static str,
    frame_ms: i64,
    values: Values,
    /// The exact number, or after a restart the highest possible one, see [`Model::restart`].
    revision: u8,
    exact: bool,
}

impl Published {
    /// Whether a reader may get `found` for this row.
    fn matches(&self, symbol: &str, found: &Row) -> bool {
        let numbers = [found.open, found.high, found.low, found.close, found.volume].map(f64::to_bits);
        let money = found.optional(0).map(f64::to_bits);
        let revision = match self.exact {
            true => found.revision == self.revision,
            false => (1..=self.revision).contains(&found.revision),
        };
        // No bar has a factor.
        let numbers = (numbers, money, found.optional(1)) == (self.values.0, self.values.1, None);
        (symbol, found.frame_ms) == (self.symbol, self.frame_ms) && numbers && revision
    }

    /// As [`Published::matches`], of a row of the archive, which has no revision.
    fn matches_archived(&self, symbol: &str, found: &Row) -> bool {
        self.matches(symbol, &Row { revision: self.revision, ..*found })
    }
}

/// The last values of a bar, the number of their revision, and whether that number is exact.
type Known = (Values, u8, bool);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    New,
    Duplicate,
    Revised,
    Quarantined,
}

/// The promises of the bus, in a few dozen lines.
#[derive(Debug, Default)]
struct Model {
    shanghai: bool,
    /// Every row ever published; its index is its sequence number.
    rows: Vec<Published>,
    /// Day closes, by the number of rows before them.
    closes: BTreeMap<u64, i64>,
    /// The known bars by day.
    days: BTreeMap<i64, BTreeMap<(&'static str, i64), Known>>,
    open: Option<i64>,
    closed_through: Option<i64>,
    quarantined: usize,
}

impl Model {
    /// A day ends at midnight of the market; the bar that ends at that moment belongs to it.
    fn day_of(&self, frame_ms: i64) -> i64 {
        let east = if self.shanghai { 8 * 60 * MINUTE } else { 0 };
        (frame_ms + east - 1).div_euclid(DAY)
    }

    fn take(&mut self, bar: &Sent) -> Outcome {
        if bar.faulty {
            self.quarantined += 1;
            return Outcome::Quarantined;
        }
        let day = self.day_of(bar.frame_ms);
        if self.open.or(self.closed_through).is_none_or(|newest| day > newest) {
            self.close();
            self.open = Some(day);
        }
        let known = self.days.entry(day).or_default();
        let key = (bar.symbol, bar.frame_ms);
        let (outcome, revision, exact) = match known.get(&key) {
            Some((values, ..)) if *values == bar.values() => return Outcome::Duplicate,
            Some((_, revision, exact)) => (Outcome::Revised, revision.saturating_add(1), *exact),
            None => (Outcome::New, 0, true),
        };
        known.insert(key, (bar.values(), revision, exact));
        let (symbol, frame_ms) = key;
        self.rows.push(Published { symbol, frame_ms, values: bar.values(), revision, exact });
        outcome
    }

    /// A writer that starts finds the numbers of revisions in the ring, but not in the archive. For
    /// a bar that has left the ring, it may count the next revision from 1 again.
    fn restart(&mut self) {
        for (_, revision, exact) in self.days.values_mut().flat_map(BTreeMap::values_mut) {
            *exact &= *revision == 0;
        }
    }

    fn close(&mut self) -> Option<i64> {
        let day = self.open.take()?;
        self.closed_through = Some(day);
        self.closes.insert(self.rows.len() as u64, day);
        Some(day)
    }
}

// ---- the writer's process ----

const BUS: &str = "BARBUS_TEST_MODEL_BUS";

/// The main function of the writer's process. In an ordinary run of the tests it does nothing.
#[test]
fn writer_process() {
    let Some(path) = std::env::var_os(BUS) else { return };
    let bus = Bus::open(Path::new(&path)).unwrap();
    let mut writer = Some(Writer::open(&bus).unwrap());
    let report = |what: String| {
        let mut out = std::io::stdout().lock();
        out.write_all(format!("\n@{what}\n").as_bytes()).unwrap();
        out.flush().unwrap();
    };
    report("ready".into());
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let open = writer.as_mut().expect("a writer");
        report(match verb {
            "publish" => {
                let ack = open.publish(batch(rest)).unwrap();
                assert_eq!(ack.rows, ack.accepted + ack.duplicate + ack.revised + ack.quarantined);
                format!("{} {} {} {}", ack.accepted, ack.duplicate, ack.revised, ack.quarantined)
            }
            "push" => {
                let row = pushed_row(open, rest);
                match open.push(&row).unwrap() {
                    Pushed::Accepted(_) => "1 0 0 0",
                    Pushed::Duplicate => "0 1 0 0",
                    Pushed::Revised(_) => "0 0 1 0",
                    Pushed::Quarantined(_) => "0 0 0 1",
                    Pushed::Conflict => unreachable!("no source has a priority"),
                }
                .into()
            }
            "close" => open.close_day().map_or("none".into(), |day: Date| day.to_string()),
            "flush" => {
                open.flush().unwrap();
                "flushed".into()
            }
            "restart" => {
                drop(writer.take());
                writer = Some(Writer::open(&bus).unwrap());
                "ready".into()
            }
            other => panic!("{other:?}?"),
        });
    }
}

fn fields(line: &str) -> Vec<(&str, i64, Vec<Option<f64>>)> {
    let bar = |text| {
        let mut parts = str::split(text, ',');
        let (symbol, frame_ms) = (parts.next().unwrap(), parts.next().unwrap().parse().unwrap());
        (symbol, frame_ms, parts.map(|number| number.parse().ok()).collect())
    };
    line.split(';').map(bar).collect()
}

fn batch(line: &str) -> RecordBatch {
    let bars = fields(line);
    let number = |k: usize| Arc::new(bars.iter().map(|(.., numbers)| numbers[k]).collect::<Float64Array>()) as ArrayRef;
    let symbols: StringArray = bars.iter().map(|(symbol, ..)| Some(*symbol)).collect();
    let frames: TimestampMillisecondArray = bars.iter().map(|(_, frame_ms, _)| Some(*frame_ms)).collect();
    let columns = [("symbol", Arc::new(symbols) as ArrayRef), ("frame", Arc::new(frames.with_timezone("UTC")))];
    let numbers = ["open", "high", "low", "close", "volume", "money"].into_iter().enumerate();
    RecordBatch::try_from_iter(columns.into_iter().chain(numbers.map(|(k, name)| (name, number(k))))).unwrap()
}

fn pushed_row(writer: &mut Writer, line: &str) -> Row {
    let (symbol, frame_ms, numbers) = fields(line).remove(0);
    let [open, high, low, close, volume] = [0, 1, 2, 3, 4].map(|k| numbers[k].unwrap());
    let symbol = writer.symbol(symbol).unwrap();
    let (present, money) = (u8::from(numbers[5].is_some()), numbers[5].unwrap_or(0.0));
    let optional = [money, 0.0, 0.0, 0.0, 0.0, 0.0];
    Row { symbol, frame_ms, open, high, low, close, volume, present, optional, ..Row::default() }
}

/// The parent's handle of the writer's process.
struct Process {
    child: Child,
    stdin: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(bus: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer_process", "--nocapture", "--test-threads", "1"])
            .env(BUS, bus)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut process = Self { child, stdin, answers };
        assert_eq!(process.answer(), "ready");
        process
    }

    fn send(&mut self, command: &str) {
        self.stdin.write_all(format!("{command}\n").as_bytes()).expect("the writer lives");
    }

    fn answer(&mut self) -> String {
        let mut answers = self.answers.by_ref().map(|line| line.unwrap());
        answers.find_map(|line| line.strip_prefix('@').map(str::to_owned)).expect("the writer answers")
    }

    fn request(&mut self, command: &str) -> String {
        self.send(command);
        self.answer()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it cleanly.
    fn end(mut self) {
        drop(self.stdin);
        assert!(self.child.wait().unwrap().success());
    }
}

fn text(bars: &[Sent]) -> String {
    let bar = |bar: &Sent| {
        let numbers: Vec<String> = bar.numbers.iter().map(f64::to_string).collect();
        let money = bar.money.map_or(String::new(), |money| money.to_string());
        format!("{},{},{},{money}", bar.symbol, bar.frame_ms, numbers.join(","))
    };
    bars.iter().map(bar).collect::<Vec<_>>().join(";")
}

// ---- readers ----

/// A reader, and its position according to the model.
struct Follower {
    reader: Reader,
    at: u64,
    /// The close at `at` was seen, or the reader may miss it: it has just skipped rows.
    excused: bool,
    missed: u64,
}

impl Follower {
    /// A reader that starts at the oldest row.
    fn new(bus: &Bus) -> Self {
        let reader = Reader::open(bus.path()).unwrap().start_at(Start::Oldest).unwrap();
        Self { at: reader.position(), reader, excused: true, missed: 0 }
    }

    /// Whether a reader that starts at `seq` is lapped. A reader learns of a close at the end of
    /// the day's last block. If that block is gone before the reader has read its header, it may
    /// miss the close.
    fn is_gone(&self, seq: u64) -> bool {
        let mut reader = Reader::open(self.reader.bus().path()).unwrap().start_at(Start::Seq(seq)).unwrap();
        matches!(reader.poll().unwrap(), Some(Event::Lapped { .. }))
    }

    fn expect_no_close(&self, model: &Model) {
        let close = model.closes.get(&self.at);
        assert!(self.excused || close.is_none() || self.is_gone(self.at - 1), "the close of day {close:?} is missing");
    }

    /// Polls at most `polls` times and compares the events with the model. Appends the sequence
    /// numbers of the bars to `seen`. Returns whether it reached the end.
    fn read(&mut self, model: &Model, polls: usize, seen: &mut Vec<u64>) -> bool {
        for _ in 0..polls {
            match self.reader.poll().unwrap() {
                None => {
                    assert_eq!(self.at, model.rows.len() as u64, "a row is missing");
                    self.expect_no_close(model);
                    assert_eq!(self.reader.position(), self.at);
                    return true;
                }
                Some(Event::DayClosed(day)) => {
                    assert_eq!(Some(date_of(day)), model.closes.get(&self.at).copied(), "before row {}", self.at);
                    self.excused = true;
                }
                Some(Event::Withdrawn(bars)) => panic!("{bars:?} withdrawn"),
                Some(Event::MinuteClosed(minute)) => panic!("{minute:?} without minutes"),
                Some(Event::Lapped { missed }) => {
                    assert!(missed > 0);
                    self.at += missed;
                    self.missed += missed;
                    self.excused = true;
                }
                Some(Event::Bars(bars)) => {
                    let mut missed_close = None;
                    for bar in bars {
                        if !self.excused {
                            missed_close = missed_close.or(model.closes.get(&self.at).map(|_| self.at));
                        }
                        self.excused = false;
                        assert_eq!(bar.seq, self.at);
                        let expected = &model.rows[self.at as usize];
                        assert!(expected.matches(bar.symbol, &bar), "row {}: {bar:?} is not {expected:?}", self.at);
                        seen.push(self.at);
                        self.at += 1;
                    }
                    if let Some(at) = missed_close {
                        assert!(
                            self.is_gone(at - 1),
                            "row {at} was delivered before the close of {:?}",
                            model.closes[&at]
                        );
                    }
                }
            }
        }
        false
    }
}

fn date_of(day: Date) -> i64 {
    i64::from(day.since((jiff::Unit::Day, Date::constant(1970, 1, 1))).unwrap().get_days())
}

// ---- the bus beside the model ----

struct Test {
    _dir: tempfile::TempDir,
    bus: Bus,
    model: Model,
    writer: Option<Process>,
    readers: [Follower; 2],
    /// A reader that only answers queries, after every step, and the rows that it may know of each
    /// symbol.
    asked: Reader,
    places: BTreeMap<&'static str, BTreeMap<i64, u64>>,
    entered: u64,
    day: i64,
    last: Vec<Sent>,
}

impl Test {
    fn new(case: &Case) -> Self {
        // In memory if possible: a test that waits for a disk tries fewer cases.
        let shm = Path::new("/dev/shm");
        let dir = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.unwrap();
        let text = format!(
            "calendar = {:?}\n[ring]\nsize = \"{}B\"\nrows_per_block = 64\nsymbols = 64\ntip_rows = 64\n\
             [archive]\nlate = \"20ms\"\n",
            case.calendar,
            case.blocks * SLOT_BYTES
        );
        std::fs::write(dir.path().join("bus.toml"), text).unwrap();
        let bus = Bus::open(dir.path()).unwrap();
        let writer = Process::start(bus.path());
        let readers = [Follower::new(&bus), Follower::new(&bus)];
        let asked = Reader::open(bus.path()).unwrap();
        assert_eq!(u64::from(asked.stat().blocks), case.blocks);
        let model = Model { shanghai: case.calendar == "XSHG", ..Model::default() };
        let (places, last) = (BTreeMap::new(), Vec::new());
        Self { _dir: dir, bus, model, writer: Some(writer), readers, asked, places, entered: 0, day: FIRST_DAY, last }
    }

    fn writer(&mut self) -> &mut Process {
        self.writer.as_mut().expect("a writer")
    }

    fn sent(&self, bar: &Bar) -> Sent {
        let day = self.day - bar.late;
        let end = if self.model.shanghai { (day + 1) * DAY - 8 * 60 * MINUTE } else { (day + 1) * DAY };
        let mut frame_ms = if bar.minute == 0 { end } else { day * DAY + OPEN + bar.minute * MINUTE };
        let close = 10.0 + f64::from(bar.value) / 4.0;
        let mut numbers = [close, close + 1.0, close - 1.0, close, f64::from(bar.value) * 100.0];
        match bar.fault {
            None => {}
            Some(Fault::HighLow) => numbers[1] = close - 0.5,
            Some(Fault::NotFinite) => numbers[3] = f64::NAN,
            Some(Fault::OffInterval) => frame_ms += 1,
        }
        let money = (bar.value % 2 == 1).then_some(numbers[4] * close);
        Sent { symbol: SYMBOLS[bar.symbol], frame_ms, numbers, money, faulty: bar.fault.is_some() }
    }

    /// Publishes the bars in the model, and returns the expected acknowledgement.
    fn due(&mut self, bars: &[Sent]) -> String {
        let mut counts = [0; 4];
        for bar in bars {
            let of = [Outcome::New, Outcome::Duplicate, Outcome::Revised, Outcome::Quarantined];
            let outcome = self.model.take(bar);
            counts[of.iter().position(|known| *known == outcome).expect("one of four")] += 1;
        }
        counts.map(|count: u64| count.to_string()).join(" ")
    }

    fn publish(&mut self, bars: Vec<Sent>) {
        let ack = self.writer().request(&format!("publish {}", text(&bars)));
        assert_eq!(ack, self.due(&bars), "accepted, duplicate, revised, quarantined");
        self.last = bars;
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Publish(bars) => self.publish(bars.iter().map(|bar| self.sent(bar)).collect()),
            Step::Sweep(minutes, value) => {
                let bar = |minute, symbol| Bar { symbol, late: 0, minute, value: *value, fault: None };
                let bars = (1..=*minutes).flat_map(|minute| (0..SYMBOLS.len()).map(move |symbol| bar(minute, symbol)));
                self.publish(bars.map(|bar| self.sent(&bar)).collect());
            }
            Step::Push(bar) => {
                let bar = self.sent(bar);
                let ack = self.writer().request(&format!("push {}", text(std::slice::from_ref(&bar))));
                self.last = vec![bar];
                let last = std::mem::take(&mut self.last);
                assert_eq!(ack, self.due(&last));
                self.last = last;
            }
            Step::Resend => {
                let again = std::mem::take(&mut self.last);
                if !again.is_empty() {
                    self.publish(again);
                }
            }
            Step::CloseDay => {
                let closed = self.writer().request("close");
                let due = self.model.close();
                assert_eq!(closed.parse().ok().map(date_of), due, "{closed}");
            }
            Step::NextDay(days) => self.day += days,
            Step::Flush => {
                assert_eq!(self.writer().request("flush"), "flushed");
                self.compare_archive();
            }
            Step::Restart => {
                assert_eq!(self.writer().request("restart"), "ready");
                self.model.restart();
            }
            Step::Kill => {
                self.writer.take().expect("a writer").kill();
                self.writer = Some(Process::start(self.bus.path()));
                self.model.restart();
            }
            Step::KillDuring(bars) => {
                let bars = bars.iter().map(|bar| Bar { late: 0, fault: None, ..*bar });
                let bars: Vec<Sent> = bars.map(|bar| self.sent(&bar)).collect();
                let mut writer = self.writer.take().expect("a writer");
                writer.send(&format!("publish {}", text(&bars)));
                writer.kill();
                self.writer = Some(Process::start(self.bus.path()));
                self.learn(&bars);
                self.model.restart();
                self.publish(bars);
            }
            Step::Read(slow, polls) => {
                let _ = self.readers[usize::from(*slow)].read(&self.model, *polls, &mut Vec::new());
            }
            Step::Ask(symbol, count) => self.compare_queries(SYMBOLS[*symbol], *count),
        }
        self.query_the_old_reader(step);
    }

    /// After a kill during the publication of `bars`: publishes in the model those that the ring
    /// has.
    fn learn(&mut self, bars: &[Sent]) {
        let next = self.asked.stat().bars;
        for bar in bars {
            if self.model.rows.len() as u64 == next {
                // The writer may have closed the day for a row that it did not append.
                let day = self.model.day_of(bar.frame_ms);
                let mut live = Reader::open(self.bus.path()).unwrap();
                if self.model.open.is_some_and(|open| day > open) && live.day().is_none() {
                    let closed = self.asked.stat().day.is_none();
                    closed.then(|| self.model.close());
                }
                return;
            }
            self.model.take(bar);
        }
        assert_eq!(self.model.rows.len() as u64, next, "the ring has rows that were never sent");
    }

    /// The sequence numbers of the rows in the ring, as a new reader sees them.
    fn in_ring(&self) -> Vec<u64> {
        let mut seen = Vec::new();
        let mut reader = Follower::new(&self.bus);
        assert!(reader.read(&self.model, 10_000, &mut seen), "an end");
        seen
    }

    /// Those of them that queries may find: they do not search for the rows of a block that was
    /// reused, which a new reader finds in the tip if a writer was killed in the middle of that.
    fn in_blocks(&self) -> Vec<u64> {
        let ring = Ring::attach(&self.bus.ring()).unwrap();
        let blocks: Vec<u64> = ring.blocks().map(|(block, _)| block).collect();
        let mut reader = RingReader::new(&ring, RingStart::Oldest).unwrap();
        let (mut rows, mut found) = (Vec::new(), Vec::new());
        loop {
            match reader.poll(&ring, &mut rows, 1) {
                Polled::Rows(_) if blocks.contains(&reader.position().block) => {
                    found.extend(rows.pop().map(|row| row.seq))
                }
                Polled::Empty => return found,
                Polled::Corrupt => panic!("the ring is damaged"),
                _ => rows.clear(),
            }
        }
    }

    fn compare_queries(&mut self, symbol: &'static str, count: usize) {
        let there = self.in_ring();
        let next = self.model.rows.len() as u64;
        assert_eq!(
            Reader::open(self.bus.path()).unwrap().position(),
            next,
            "a live reader starts after the newest row"
        );
        // From rows in the ring, and from one that may have left it.
        for seq in [there.first().copied(), there.get(there.len() / 2).copied(), there.last().copied(), Some(0)] {
            let Some(seq) = seq.filter(|&seq| seq < next) else { continue };
            let mut reader = Reader::open(self.bus.path()).unwrap().start_at(Start::Seq(seq)).unwrap();
            let oldest = *there.iter().find(|&&held| held >= seq).expect("the ring has the newest row");
            match reader.poll().unwrap() {
                Some(Event::Bars(bars)) => assert_eq!((bars.rows()[0].seq, oldest), (seq, seq)),
                Some(Event::Withdrawn(bars)) => panic!("{bars:?} withdrawn"),
                Some(Event::MinuteClosed(minute)) => panic!("{minute:?} without minutes"),
                Some(Event::Lapped { missed }) => assert_eq!(missed, oldest - seq),
                other => panic!("{other:?} from row {seq}"),
            }
        }
        Reader::open(self.bus.path()).unwrap().start_at(Start::Seq(next + 1)).unwrap_err();

        // A bar that has left the ring comes from the archive.
        let mut newest: BTreeMap<i64, u64> = BTreeMap::new();
        for (row, seq) in self.model.rows.iter().zip(0..).filter(|(row, _)| row.symbol == symbol) {
            newest.insert(row.frame_ms, seq);
        }
        let there = self.in_blocks();
        let mut reader = Reader::open(self.bus.path()).unwrap();
        if !self.model.rows.iter().any(|row| row.symbol == symbol) {
            return;
        }
        let latest = reader.latest(symbol).unwrap();
        assert_eq!(latest.map(|row| row.frame_ms), newest.keys().last().copied());
        let window = reader.window(symbol, count).unwrap();
        let due = newest.keys().skip(newest.len().saturating_sub(count));
        assert!(window.iter().map(|row| row.frame_ms).eq(due.copied()), "the last {count} of {symbol}");
        for row in window.iter().chain(&latest) {
            let seq = newest[&row.frame_ms];
            let due = &self.model.rows[seq as usize];
            match there.contains(&seq) {
                true => assert!(row.seq == seq && due.matches(symbol, row), "{row:?}"),
                false => assert!(due.matches_archived(symbol, row), "{row:?}"),
            }
        }
    }

    /// Queries the reader that was opened at the beginning.
    ///
    /// It must know each bar whose last revision is in the ring. A row that left the ring between
    /// two queries is unknown to it; then it may answer with an older revision that the ring still
    /// has. It may also answer with a row that has left the ring: a writer that is killed while it
    /// begins a block leaves no trace that the block was reused.
    fn query_the_old_reader(&mut self, step: &Step) {
        let before = std::mem::replace(&mut self.entered, self.model.rows.len() as u64);
        if self.entered == before && !matches!(step, Step::Ask(..)) {
            return;
        }
        for seq in before..self.entered {
            let row = &self.model.rows[seq as usize];
            self.places.entry(row.symbol).or_default().insert(row.frame_ms, seq);
        }
        let there = self.in_blocks();
        let count = match step {
            Step::Ask(_, count) => *count,
            _ => 5,
        };
        for (symbol, places) in &self.places {
            let rows = || there.iter().map(|&seq| (seq, &self.model.rows[seq as usize]));
            let held: BTreeMap<i64, u64> =
                rows().filter(|(_, row)| row.symbol == *symbol).map(|(seq, row)| (row.frame_ms, seq)).collect();
            let archived = |row: &Row| {
                let same = |bar: &&Published| (bar.symbol, bar.frame_ms) == (*symbol, row.frame_ms);
                row.seq == 0 && self.model.rows.iter().filter(same).any(|bar| bar.matches_archived(symbol, row))
            };
            let window = self.asked.window(symbol, count).unwrap();
            let from_archive: Vec<i64> = window.iter().filter(|row| archived(row)).map(|row| row.frame_ms).collect();
            let found: BTreeMap<i64, u64> = window.iter().map(|row| (row.frame_ms, row.seq)).collect();
            assert!(
                window.len() == found.len() && window.is_sorted_by_key(|row| row.frame_ms) && window.len() <= count
            );
            let known = |frame: &i64, seq: &u64| [held.get(frame), places.get(frame)].contains(&Some(seq));
            let known = |frame: &i64, seq: &u64| known(frame, seq) || from_archive.contains(frame);
            assert!(found.iter().all(|(frame, seq)| known(frame, seq)), "{symbol}: {found:?} of {held:?}");
            let from = window.first().filter(|_| window.len() == count).map_or(i64::MIN, |row| row.frame_ms);
            let mut due = places.range(from..).filter(|bar| held.get(bar.0) == Some(bar.1));
            assert!(due.all(|bar| found.contains_key(bar.0)), "the last {count} of {symbol}: {found:?} of {held:?}");
            let latest = self.asked.latest(symbol).unwrap();
            let is_archived = latest.as_ref().is_some_and(archived);
            let latest = latest.map(|row| (row.frame_ms, row.seq));
            let newest = places.last_key_value().map(|(&frame, &seq)| (frame, seq));
            match newest.is_some_and(|bar| held.get(&bar.0) == Some(&bar.1)) {
                true => assert_eq!(latest, newest, "the latest of {symbol}"),
                false => assert!(
                    is_archived || latest.is_none_or(|(frame, seq)| known(&frame, &seq)),
                    "the latest of {symbol}"
                ),
            }
        }
    }

    /// Promise 7: the file of each closed day has every bar once, with its last values, by symbol
    /// and frame; and it has no other row.
    fn compare_archive(&self) {
        let settings = self.bus.settings();
        let archive = Archive::open_existing(self.bus.archive(), settings.schema.clone(), settings.calendar.name());
        let closed = self.model.days.iter().filter(|(day, _)| Some(**day) != self.model.open);
        let due: Vec<i64> = closed.clone().map(|(day, _)| *day).collect();
        let days = archive.days().unwrap();
        assert_eq!(days.iter().copied().map(date_of).collect::<Vec<_>>(), due, "the archived days");
        for (day, (_, bars)) in days.into_iter().zip(closed) {
            let (_, rows) = archive.read(day).unwrap().expect("the day");
            let found: Vec<_> = (0..rows.num_rows()).map(|row| archived(&rows, row)).collect();
            let due: Vec<_> = bars.iter().map(|((symbol, frame), (values, ..))| (*symbol, *frame, *values)).collect();
            assert_eq!(found, due, "{day}");
        }
        let files = std::fs::read_dir(self.bus.quarantine()).into_iter().flatten();
        let lines = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap().lines().count());
        assert_eq!(lines.sum::<usize>(), self.model.quarantined, "every invalid bar is in the quarantine");
    }

    fn finish(mut self) -> u64 {
        self.step(&Step::CloseDay);
        self.step(&Step::Flush);
        for reader in &mut self.readers {
            assert!(reader.read(&self.model, 10_000, &mut Vec::new()), "an end");
        }
        self.writer.take().expect("a writer").end();
        self.compare_archive();
        let report = barbus::verify(&self.bus).unwrap();
        assert_eq!(report.ring.unwrap().problems, [] as [String; 0]);
        self.readers.iter().map(|reader| reader.missed).sum()
    }
}

impl Drop for Test {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.kill();
        }
    }
}

fn archived(rows: &RecordBatch, row: usize) -> (&str, i64, Values) {
    let number = |name: &str| {
        let column = rows[name].as_primitive::<Float64Type>();
        column.is_valid(row).then(|| column.value(row).to_bits())
    };
    assert_eq!(number("factor"), None);
    let numbers = ["open", "high", "low", "close", "volume"].map(|name| number(name).expect("a number"));
    let frame_ms = rows["frame"].as_primitive::<TimestampMillisecondType>().value(row);
    (rows["symbol"].as_string::<i32>().value(row), frame_ms, (numbers, number("money")))
}

/// Runs a case and returns the number of rows that its readers missed.
fn run(case: &Case) -> u64 {
    let mut test = Test::new(case);
    case.steps.iter().for_each(|step| test.step(step));
    test.finish()
}

/// Promises 3, 4, 6, 7 and 8, for any steps in any order.
#[test]
fn the_bus_behaves_as_the_model() {
    if std::env::var_os(BUS).is_some() {
        return;
    }
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { Config::default().cases } else { 64 };
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let missed = std::cell::Cell::new(0);
    let outcome = TestRunner::new(config).run(&case(), |case| {
        missed.set(missed.get() + run(&case));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    assert!(missed.get() > 0, "no reader was lapped in {cases} cases");
}

// ---- regressions ----

fn good(symbol: usize, minute: i64, value: u8) -> Bar {
    Bar { symbol, late: 0, minute, value, fault: None }
}

/// Promise 9: several calls ingest a batch whose first row finds the ring full; only one of them
/// quarantines its invalid rows.
#[test]
fn invalid_rows_are_quarantined_once_even_if_the_ring_is_full() {
    let case = Case { calendar: "24x7", blocks: 4, steps: Vec::new() };
    let mut test = Test::new(&case);
    test.writer.take().expect("a writer").end();
    let mut writer = Writer::open(&test.bus).unwrap();
    let (mut full, mut kept, mut sent) = (0, 0, 0);
    for minute in 1.. {
        let faulty = Bar { fault: Some(Fault::HighLow), ..good(1, minute, 1) };
        let bars: Vec<Sent> = [good(0, minute, 1), faulty].iter().map(|bar| test.sent(bar)).collect();
        let batch = writer.normalizer().normalize(batch(&text(&bars)), "test", 0).unwrap();
        sent += 1;
        let mut next = 0;
        while next < 2 {
            let ingested = writer.ingest(&batch, next).unwrap();
            full += u64::from(ingested.next == 0);
            let stored = writer.quarantine().store(&batch, next..ingested.next, &ingested.rejected);
            (next, kept) = (ingested.next, kept + stored.quarantined);
        }
        if full > 0 {
            break;
        }
        assert!(minute < 1_000_000, "the ring is never full");
    }
    assert_eq!(kept, sent);
}

/// A window has the requested number of bars even if the newest of them, which arrived early, has
/// left the ring.
#[test]
fn a_window_has_no_gaps_where_late_bars_arrived() {
    let others = |value| (1..40).flat_map(move |minute| (1..5).map(move |symbol| good(symbol, minute, value)));
    let mut steps = vec![Step::Publish(vec![good(0, 39, 0)])];
    steps.extend((0..4).map(|value| Step::Publish(others(value).take(120).collect())));
    steps.extend([Step::Publish((1..6).map(|minute| good(0, minute, 0)).collect()), Step::Ask(0, 3)]);
    run(&Case { calendar: "24x7", blocks: 4, steps });
}

/// Promise 8: a late bar that is revised before and after a restart gets consecutive numbers,
/// although the archive stores none.
#[test]
fn the_count_of_revisions_continues_after_a_restart() {
    let case = Case { calendar: "24x7", blocks: 4, steps: Vec::new() };
    let mut test = Test::new(&case);
    for step in [Step::Sweep(1, 0), Step::CloseDay, Step::Sweep(1, 2), Step::Flush, Step::Restart] {
        test.step(&step);
    }
    // Unlike in the other cases, the exact number is required.
    for known in test.model.days.values_mut().flat_map(BTreeMap::values_mut) {
        known.2 = true;
    }
    test.step(&Step::Sweep(1, 0));
    assert!(test.model.rows.last().is_some_and(|row| row.exact && row.revision == 2));
    test.finish();
}
