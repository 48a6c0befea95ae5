//! Readers as processes: their events, their system calls, and that they cannot disturb the bus.

use std::fs;
use std::io::Write;
use std::process::Command;

use barbus::{Event, Reader, Start, WaitStrategy};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::bus::{Bus, Counts};
use crate::support::command::{self, Running};
use crate::support::market;
use crate::support::producer::{self, Producer};
use crate::support::wait;

const SYMBOLS: [&str; 3] = ["600000.XSHG", "000001.XSHE", "688001.XSHG"];

/// Environment variable of the child process: the bus that it reads under strace.
const CHILD_BUS: &str = "BARBUS_TEST_READER";
/// Bars of the warm-up: one-time allocations happen while these are read.
const WARM: usize = 2_100;
/// Bars of the first window; the second one has ten times as many.
const WINDOW: usize = 300;
/// The child reports its progress after this many bars.
const MARKS: [usize; 3] = [WARM, WARM + WINDOW, WARM + 11 * WINDOW];

/// Promise 5: steady-state reading makes no system call, for 300 bars and for 3,000 with a close.
/// Promise 2: readers map the ring `PROT_READ` from a read-only descriptor.
#[test]
fn reading_makes_no_system_call() {
    if !may_trace() {
        return;
    }
    let mut bus = Bus::init("24x7");
    // Blocks are small, so the reader often goes from one to the next.
    bus.configure_ring("8MB", 64);
    bus.start();
    let bars = market::minutes(&SYMBOLS, "2024-03-04T00:01:00Z", (MARKS[2] / SYMBOLS.len()) as i64);
    assert_eq!(bars.len(), MARKS[2]);
    let mut producer = Producer::connect(&bus);
    let mut stream = producer.begin(&producer::batch(&bars[..1]).schema());
    let mut send = |from: usize, to: usize| {
        stream.write(&producer::batch(&bars[from..to])).expect("the daemon listens");
        // Each batch is acknowledged before the next, so the reader often waits at the tip.
        assert_eq!(producer.answer()["rows"], to);
    };
    send(0, WARM);

    let log = bus.beside("strace.log");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-e", "trace=all", "-o"]).arg(&log).arg(std::env::current_exe().expect("a test program"));
    // One thread, because a test harness with two polls its clock while it waits.
    strace.args(["--exact", "readers::child", "--nocapture", "--test-threads", "1"]).env(CHILD_BUS, bus.path());
    let child = Running::start(&mut strace, false);
    let calls = || fs::read_to_string(&log).unwrap_or_default();
    wait::until("the reader at the tip", || calls().contains(&mark(WARM)).then_some(()));
    let mut sent = WARM;
    for count in (1..=19).cycle() {
        let to = bars.len().min(sent + count);
        send(sent, to);
        sent = to;
        if sent == bars.len() {
            break;
        }
    }
    child.finish().ok();

    let log = calls();
    let lines: Vec<&str> = log.lines().collect();
    let at = |rows: usize| lines.iter().position(|line| line.contains(&mark(rows))).expect("the child reports it");
    for window in MARKS.windows(2) {
        let between = &lines[at(window[0]) + 1..at(window[1])];
        assert!(between.is_empty(), "while bars {} to {} were read:\n{}", window[0], window[1], between.join("\n"));
    }
    assert_mapped_read_only(&lines);
}

/// The child process; it does nothing if the environment variable is not set.
#[test]
fn child() {
    let Some(bus) = std::env::var_os(CHILD_BUS) else { return };
    set_pdeathsig(Signal::SIGKILL).expect("a process may wish to die");
    let mut reader =
        Reader::open(bus).expect("a bus").start_at(Start::Oldest).expect("a start").wait_strategy(WaitStrategy::Spin);
    let mut next = 0;
    let mut closed = 0;
    for until in MARKS {
        while next < until as u64 {
            match reader.poll().expect("a ring that can be read") {
                None => std::hint::spin_loop(),
                Some(Event::DayClosed(_)) => closed += 1,
                Some(Event::Withdrawn(bars)) => panic!("{bars:?} withdrawn"),
                Some(Event::MinuteClosed(minute)) => panic!("{minute:?} without minutes"),
                Some(Event::Lapped { missed }) => panic!("{missed} bars missed"),
                Some(Event::Bars(bars)) => {
                    for bar in bars.iter() {
                        assert_eq!(bar.seq, next);
                        assert_eq!(bar.symbol, SYMBOLS[next as usize % SYMBOLS.len()]);
                        next += 1;
                    }
                }
            }
        }
        // A system call that marks the progress in strace's output.
        let mut out = std::io::stdout().lock();
        out.write_all(mark(until).as_bytes()).and_then(|()| out.write_all(b"\n")).expect("a pipe");
        out.flush().expect("a pipe");
    }
    assert_eq!(closed, 1, "a day ends among these bars");
}

/// The mark that the child writes, short enough for strace to show it whole.
fn mark(rows: usize) -> String {
    format!("{rows} bars read")
}

/// Whether processes can be traced here; with `CI` set, strace must exist.
fn may_trace() -> bool {
    let output = match Command::new("strace").args(["-o", "/dev/null", "true"]).output() {
        Ok(output) => output,
        Err(error) if std::env::var_os("CI").is_none() => {
            println!("skipped: strace: {error}");
            return false;
        }
        Err(error) => panic!("strace: {error}: .ci/run installs it"),
    };
    if !output.status.success() {
        println!("skipped: tracing is not permitted here: {}", String::from_utf8_lossy(&output.stderr));
    }
    output.status.success()
}

/// Asserts that every descriptor and every mapping of the ring is read-only.
fn assert_mapped_read_only(lines: &[&str]) {
    let opened: Vec<&&str> =
        lines.iter().filter(|line| line.contains("bars.ring\"") && line.contains(" open")).collect();
    assert!(!opened.is_empty(), "the ring was never opened");
    let mut mapped = 0;
    for open in opened {
        assert!(open.contains("O_RDONLY") && !open.contains("O_RDWR"), "{open}");
        let descriptor = open.rsplit(' ').next().expect("a result");
        for map in
            lines.iter().filter(|line| line.contains("MAP_SHARED") && line.contains(&format!(", {descriptor}, 0)")))
        {
            assert!(map.contains("PROT_READ, MAP_SHARED"), "{map}");
            mapped += 1;
        }
    }
    assert!(mapped > 0, "the ring was never mapped");
    // A reader may write its own position file.
    let writable: Vec<&&str> =
        lines.iter().filter(|line| line.contains("PROT_WRITE") && line.contains("MAP_SHARED")).collect();
    let opened = |line: &&&str| line.contains("readers/") && line.contains("O_RDWR") && !line.contains("O_CREAT");
    let own: Vec<&&str> = lines.iter().filter(opened).collect();
    assert_eq!((writable.len(), own.len()), (1, 1), "{writable:?}, {own:?}");
    let descriptor = own[0].rsplit(' ').next().expect("a result");
    assert!(writable[0].contains(" 4096, PROT_READ|PROT_WRITE, MAP_SHARED"), "{writable:?}");
    assert!(writable[0].contains(&format!(", {descriptor}, 0)")), "{writable:?}");
}

/// Promise 4: readers that keep up see every bar, and all readers see the same sequence.
#[test]
fn every_reader_sees_the_same_sequence() {
    let bus = Bus::running("XSHG");
    let bars = market::xshg_day(&SYMBOLS, "2024-03-04");
    let tail = |from: &str| {
        let mut tail = command::barbus();
        tail.arg("tail").arg(bus.path()).args(["--from", from, "--format", "json", "--until-close"]);
        Running::start(&mut tail, false)
    };
    let early = [tail("oldest"), tail("oldest"), tail("0")];
    let live = tail("live");
    wait::until("the live reader to map the ring", || live.has_mapped(&bus.ring()).then_some(()));
    bus.publish(&bus.write("1.csv", market::csv(&bars[..300])), &[]);
    wait::until("the early readers", || early.iter().all(|tail| tail.lines_so_far() == 300).then_some(()));
    let late = [tail("oldest"), tail("today"), tail("2024-03-04")];
    bus.publish(&bus.write("2.csv", market::csv(&bars[300..])), &[]);
    // All readers have seen the last bar before the day closes.
    wait::until("the late readers to catch up", || {
        late.iter().all(|tail| tail.lines_so_far() == bars.len()).then_some(())
    });
    bus.close_day();

    let [first, others @ ..] = early;
    let first = first.finish().ok();
    let rows: Vec<Value> = first.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rows.len(), bars.len());
    for (number, (row, bar)) in rows.iter().zip(&bars).enumerate() {
        assert_eq!(
            (&row["seq"], &row["symbol"], &row["close"]),
            (&number.into(), &bar.symbol.as_str().into(), &bar.close.into())
        );
    }
    for reader in others.into_iter().chain(late) {
        // Every byte is equal, the time of receipt included.
        assert_eq!(reader.finish().ok(), first);
    }
    // Its first bar is arbitrary; from there on the sequence is the same.
    let live = live.finish().ok();
    assert!(first.ends_with(&live) && (live.is_empty() || live.starts_with('{')), "{live}");
}

/// Promise 2: the writer never waits for a reader.
/// Promise 4: falling behind is an exact count, not silence.
#[test]
fn a_stopped_reader_stalls_nothing_and_counts_the_missed_bars() {
    let mut bus = Bus::init("24x7");
    bus.configure_small_ring();
    bus.start();
    let capacity = bus.stat()["blocks"].as_u64().expect("a count") as usize * 64;
    let bars = market::minutes(&SYMBOLS, "2024-03-04T00:01:00Z", 3 * 1_440);
    assert!(bars.len() > 2 * capacity + 100, "{capacity} bars fit: the ring is too long for this test");

    let mut tail = command::barbus();
    tail.arg("tail").arg(bus.path()).args(["--from", "oldest", "--format", "json"]);
    let mut tail = Running::start(&mut tail, false);
    bus.publish(&bus.write("1.csv", market::csv(&bars[..100])), &[]);
    wait::until("the reader to start", || (tail.lines_so_far() == 100).then_some(()));
    tail.signal(Signal::SIGSTOP);
    assert_eq!(
        bus.publish(&bus.write("2.csv", market::csv(&bars[100..])), &[]),
        Counts::all_accepted(bars.len() - 100)
    );
    tail.signal(Signal::SIGCONT);
    bus.publish(&bus.write("3.csv", market::csv(&market::minutes(&["LAST"], "2024-03-07T00:01:00Z", 1))), &[]);
    wait::until("the reader to finish", || tail.output_has("LAST").then_some(()));
    tail.child.kill().expect("it runs");
    let run = tail.finish();

    let seqs: Vec<u64> = run.stdout.lines().map(|line| json(line)["seq"].as_u64().expect("a number")).collect();
    let reported: Vec<Value> = run.stderr.lines().map(json).filter(|event| event["event"] == "lapped").collect();
    let missed: u64 = reported.iter().map(|event| event["missed"].as_u64().expect("a count")).sum();
    let jumped: u64 = seqs.windows(2).map(|pair| pair[1] - pair[0] - 1).sum();
    assert_eq!(jumped, missed, "the gaps differ from the reported counts");
    assert!(missed > 0, "it was never behind");
    assert_eq!(seqs.len() as u64 + missed, bars.len() as u64 + 1);
    assert!(seqs.is_sorted_by(|a, b| a < b), "a bar was delivered twice or late");
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))
}
