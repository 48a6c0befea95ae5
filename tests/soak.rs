//! A bus over many days: its memory and its descriptors do not grow.
//!
//! One cycle is one trading day, published at full speed into a ring that is smaller than the day.
//! Producers and readers start and end with it.
//! `BARBUS_SOAK_MINUTES` sets the duration; without it the test runs 40 days.

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, Int32Type, TimestampMillisecondType, UInt64Type};
use barbus::{Bus as BusDirectory, Event, Publisher, Reader, Start, View, WaitStrategy};
use barbus_archive::Archive;
use jiff::{Timestamp, ToSpan, civil};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use crate::support::bus::{Bus, names};
use crate::support::command::Running;
use crate::support::market;
use crate::support::producer::{self, Producer};
use crate::support::random::{self, Random};
use crate::support::wait;

const SYMBOLS: [&str; 4] = ["A", "B", "C", "D"];
/// Early enough that thousands of days stay in the past: bars of the future are quarantined.
const FIRST_DAY: civil::Date = civil::date(1991, 3, 4);
const ROWS_PER_DAY: usize = 1_440 * SYMBOLS.len();
/// Days if no duration is set.
const DAYS: usize = 40;
/// A day's file is checked and removed after this many further days.
const AGE: usize = 6;

/// Allowed growth from the median of the second half's first third to that of its last third.
/// The unit is KB for memory and a count for descriptors.
/// In 40 days one leaked descriptor a day shows; over thousands of days 7 KB a day show.
const MEMORY_KB: u64 = 16_384;
const DESCRIPTORS: u64 = 4;

/// Environment variables of the child process: its bus and its role.
const CHILD: &str = "BARBUS_TEST_SOAK";
const READING: &str = "reading";
const PINNED: &str = "pinned";

/// Resources of a process: anonymous memory in KB, and open descriptors.
#[derive(Clone, Copy, Debug)]
struct Sample {
    memory_kb: u64,
    descriptors: u64,
}

impl Sample {
    fn of(pid: u32) -> Sample {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux reports it");
        let memory_kb = line.trim().trim_end_matches(" kB").parse().expect("a number");
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count() as u64;
        Sample { memory_kb, descriptors }
    }
}

fn median(samples: &[Sample], value: fn(&Sample) -> u64) -> u64 {
    let mut values: Vec<u64> = samples.iter().map(value).collect();
    values.sort_unstable();
    values[values.len() / 2]
}

/// Asserts that the last third of the samples is like the first, and prints both.
fn assert_flat(who: &str, samples: &[Sample]) {
    // The first half is the warm-up: the writer's index and the allocator reach their final size.
    let steady = &samples[samples.len() / 2..];
    let (first, last) = (&steady[..steady.len() / 3], &steady[steady.len() - steady.len() / 3..]);
    let memory = [first, last].map(|third| median(third, |sample| sample.memory_kb));
    let descriptors = [first, last].map(|third| median(third, |sample| sample.descriptors));
    println!("{who}: {} to {} KB, {} to {} descriptors", memory[0], memory[1], descriptors[0], descriptors[1]);
    assert!(memory[1] <= memory[0] + MEMORY_KB, "{who}: its memory grows: {samples:?}");
    assert!(descriptors[1] <= descriptors[0] + DESCRIPTORS, "{who}: its descriptors grow: {samples:?}");
}

/// A reader process that has begun to read.
fn reader(bus: &Bus, kind: &str) -> Running {
    let mut command = Command::new(std::env::current_exe().expect("a test program"));
    command.args(["--exact", "soak::child", "--nocapture"]).env(CHILD, format!("{kind} {}", bus.path().display()));
    let running = Running::start(&mut command, false);
    wait::until("a reader to read", || running.output_has(READING).then_some(()));
    running
}

/// Promise 2: readers that start, die and pin cost the bus nothing.
/// Promise 7: every day is whole, although the ring wraps in each.
#[test]
fn memory_and_descriptors_stay_constant() {
    let minutes = random::setting("BARBUS_SOAK_MINUTES", 0);
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    let mut random = Random::seeded(random::seed("BARBUS_SOAK_SEED"));
    let mut bus = Bus::init("24x7");
    bus.configure_small_ring();
    bus.configure("# sync = \"1s\"", "sync = \"50ms\"");
    bus.start();
    let room = bus.stat()["blocks"].as_u64().expect("a count") as usize * 64;
    assert!(room < ROWS_PER_DAY, "a day of {ROWS_PER_DAY} bars fits into the ring of {room}");
    let directory = BusDirectory::open(bus.path()).expect("a bus");
    let archive = Archive::open_existing(bus.archive(), directory.settings().schema.clone(), "24x7");

    let mut lasting = reader(&bus, "lasting");
    let mut others: Vec<Running> = Vec::new();
    let (mut of_daemon, mut of_reader) = (Vec::new(), Vec::new());
    let (mut days, mut killed) = (0, 0);
    let date = |day: usize| FIRST_DAY.checked_add((day as i64).days()).expect("in range");
    while if minutes > 0 { Instant::now() < end } else { days < DAYS } {
        let bars = market::minutes(&SYMBOLS, &format!("{}T00:01:00Z", date(days)), 1_440);
        let mut publisher = Publisher::connect(&directory).expect("the daemon listens");
        for piece in bars.chunks(720) {
            publisher.queue(&producer::batch(piece)).expect("the daemon takes it");
        }
        assert_eq!(publisher.finish().expect("the daemon takes it").accepted, ROWS_PER_DAY as u64);
        days += 1;

        match random.below(4) {
            // A producer that hangs up in the middle of a message.
            0 => {
                let stream = producer::stream(&[producer::batch(&bars[..8])]);
                Producer::connect(&bus).send(&stream[..stream.len() / 2]);
            }
            1 if others.len() < 3 => others.push(reader(&bus, ["passing", "pinning"][random.below(2) as usize])),
            _ if !others.is_empty() => {
                let mut one = others.swap_remove(random.below(others.len() as u64) as usize);
                assert!(matches!(one.child.try_wait(), Ok(None)), "a reader has ended unexpectedly: {}", one.finish());
                one.child.kill().expect("it runs");
                one.child.wait().expect("it was killed");
                killed += 1;
            }
            _ => {}
        }
        if days > AGE {
            let old = date(days - AGE - 1);
            let file = bus.archive().join(format!("{old}.parquet"));
            wait::until("a day's file", || file.exists().then_some(()));
            if random.below(8) == 0 {
                let (_, rows) = archive.read(old).expect("it can be read").expect("the day has a file");
                assert_eq!(rows.num_rows(), ROWS_PER_DAY, "{old}");
            }
            std::fs::remove_file(&file).expect("it can be removed");
        }
        assert!(matches!(lasting.child.try_wait(), Ok(None)), "the reader has ended unexpectedly");
        of_daemon.push(Sample::of(bus.pid()));
        of_reader.push(Sample::of(lasting.child.id()));
    }
    assert!(lasting.output_has(PINNED), "the reader has pinned nothing");
    bus.close_day();
    assert_eq!(bus.stat()["bars"], days * ROWS_PER_DAY);
    assert_eq!(bus.archived_days().len(), AGE);
    assert_eq!(names(&bus.path().join("archive/1m.work")), [".lock"], "left over");
    lasting.child.kill().expect("it runs");
    println!(
        "{days} days, {} bars, the ring wrapped {} times, {killed} readers killed",
        days * ROWS_PER_DAY,
        days * ROWS_PER_DAY / room
    );
    assert_flat("daemon", &of_daemon);
    assert_flat("reader", &of_reader);
}

/// The child process; it does nothing if the environment variables are not set.
#[test]
fn child() {
    let Some(asked) = std::env::var_os(CHILD) else { return };
    set_pdeathsig(Signal::SIGKILL).expect("a process may wish to die");
    let asked = asked.into_string().expect("UTF-8");
    let (kind, bus) = asked.split_once(' ').expect("two words");
    let start = if kind == "lasting" { Start::Oldest } else { Start::Live };
    let mut reader =
        Reader::open(bus).expect("a bus").start_at(start).expect("a start").wait_strategy(WaitStrategy::Futex);
    let mut random = Random::seeded(u64::from(std::process::id()));
    let mut out = std::io::stdout();
    writeln!(out, "{READING}").and_then(|()| out.flush()).expect("a pipe");
    let mut next = None;
    // A pinning reader keeps a few blocks for different times; the others copy.
    let mut views: Vec<View> = Vec::new();
    let pins = kind != "passing";
    let mut pinned = false;
    loop {
        reader.wait(Duration::from_secs(1)).expect("a ring that can be read");
        if pins && random.below(2) == 0 {
            if let Some(view) = reader.pin().expect("a ring that can be read") {
                assert_eq!(view.first_seq(), next.unwrap_or(view.first_seq()));
                next = Some(view.first_seq() + view.num_rows() as u64);
                if !std::mem::replace(&mut pinned, true) {
                    writeln!(out, "{PINNED}").and_then(|()| out.flush()).expect("a pipe");
                }
                views.push(view);
            }
            while views.len() as u64 > random.below(6) {
                // The rows are unchanged although the ring has moved on.
                assert_viewed(&views.swap_remove(random.below(views.len() as u64) as usize));
            }
            continue;
        }
        match reader.poll().expect("a ring that can be read") {
            None | Some(Event::DayClosed(_)) => {}
            Some(Event::Withdrawn(bars)) => panic!("{bars:?} withdrawn"),
            Some(Event::MinuteClosed(minute)) => panic!("{minute:?} without minutes"),
            Some(Event::Lapped { missed }) => next = next.map(|next| next + missed),
            Some(Event::Bars(bars)) => {
                for bar in bars.iter() {
                    assert_eq!(bar.seq, next.unwrap_or(bar.seq));
                    next = Some(bar.seq + 1);
                    let frame = Timestamp::from_millisecond(bar.frame_ms).expect("in range");
                    assert_eq!(bar.close, market::bar(bar.symbol, frame).close);
                }
            }
        }
    }
}

/// Asserts that every row of a view has the values of its bar.
fn assert_viewed(view: &View) {
    let batch = view.batch().expect("bars");
    let symbols = batch["symbol"].as_dictionary::<Int32Type>();
    let names = symbols.values().as_string::<i32>();
    let frames = view.column::<TimestampMillisecondType>("frame").expect("a column");
    let closes = view.column::<Float64Type>("close").expect("a column");
    let seqs = view.column::<UInt64Type>("seq").expect("a column");
    for row in 0..view.num_rows() {
        let symbol = names.value(symbols.keys().value(row) as usize);
        let bar = market::bar(symbol, Timestamp::from_millisecond(frames[row]).expect("in range"));
        assert_eq!((seqs[row], closes[row]), (view.first_seq() + row as u64, bar.close), "{symbol}");
    }
}
