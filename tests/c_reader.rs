//! The reader of `barbus.hpp` as a process, under address and undefined-behaviour sanitizers: the
//! daemon is killed, the ring is lapped, replaced, truncated and hostile.

use std::fs;
use std::path::Path;
use std::time::Duration;

use barbus::{Bus as BusDirectory, Publisher};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::bus::{Bus, Counts};
use crate::support::c_library::{self, SANITIZERS};
use crate::support::command::{self, Running};
use crate::support::market::{self, Bar};
use crate::support::random::{self, Random};
use crate::support::{producer, wait};

pub(crate) const SYMBOLS: [&str; 3] = ["600000.XSHG", "000001.XSHE", "688001.XSHG"];
/// A day in the past, in which only the producer closes a day.
pub(crate) const FIRST: &str = "2024-03-04T00:01:00Z";

/// Starts the reader of one of the compilers: of number `build`, in turn.
fn follow(build: usize, ring: &Path, arguments: &[&str]) -> Running {
    let programs = c_library::follow_bus();
    let mut command = c_library::command(&programs[build % programs.len()]);
    Running::start(command.arg(ring).args(arguments), false)
}

/// Whether there is no compiler of C++ here.
fn no_reader() -> bool {
    c_library::follow_bus().is_empty()
}

/// A bus with a small ring and a daemon, and the number of bars that the ring has room for.
pub(crate) fn small_bus() -> (Bus, usize) {
    let mut bus = Bus::init("24x7");
    bus.configure_small_ring();
    bus.start();
    let blocks = bus.stat()["blocks"].as_u64().expect("a count");
    (bus, blocks as usize * 64)
}

/// A bar as the reader prints it.
fn as_printed(bar: &Bar, seq: usize, received: &Value) -> Value {
    json!({
        "symbol": bar.symbol, "frame_ms": bar.frame.as_millisecond(),
        "open": bar.open, "high": bar.high, "low": bar.low, "close": bar.close, "volume": bar.volume,
        "money": bar.money, "factor": bar.factor,
        "seq": seq, "received_ns": received, "revision": 0,
    })
}

/// Numbers as floats, as which both sides print them alike.
fn same(found: &Value, expected: &Value) -> bool {
    let expected = expected.as_object().expect("an object");
    expected.iter().all(|(key, value)| match (&found[key], value) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    })
}

/// Asserts that the lines have these bars from number `first` on, and returns the other lines.
#[track_caller]
pub(crate) fn assert_bars(lines: &[Value], bars: &[Bar], first: usize) -> Vec<Value> {
    let (rows, others): (Vec<&Value>, Vec<&Value>) = lines.iter().partition(|line| line.get("event").is_none());
    assert_eq!(rows.len(), bars.len());
    for (number, (row, bar)) in rows.into_iter().zip(bars).enumerate() {
        let expected = as_printed(bar, first + number, &row["received_ns"]);
        assert!(same(row, &expected), "found {row}, expected {expected}");
    }
    others.into_iter().cloned().collect()
}

fn has_seq(reader: &Running, seq: usize) -> Option<()> {
    reader.output_has(&format!("\"seq\": {seq},")).then_some(())
}

/// Promises 3, 4 and 6: readers by copies and by pins, which never open the bus again, see every
/// acknowledged bar once and in order while the daemon is killed at random moments.
#[test]
fn readers_in_cpp_see_every_bar_once_while_the_daemon_is_killed() {
    if no_reader() {
        return;
    }
    let kills = random::setting("BARBUS_KILLS", 20) / 4;
    let mut random = Random::seeded(random::seed("BARBUS_KILL_SEED"));
    let mut bus = Bus::init("24x7");
    bus.configure_ring("8MB", 64);
    bus.configure("# sync = \"1s\"", "sync = \"50ms\"");
    bus.start();
    let readers =
        [follow(0, &bus.ring(), &["--from", "oldest"]), follow(1, &bus.ring(), &["--from", "oldest", "--pin"])];
    wait::until("the readers", || readers.iter().all(|reader| reader.lines_so_far() > 0).then_some(()));
    let bars = market::minutes(&SYMBOLS, FIRST, 1_400);
    let directory = BusDirectory::open(bus.path()).expect("a bus");
    std::thread::scope(|scope| {
        let bars = &bars;
        let producer = scope.spawn(move || {
            let publisher = Publisher::connect(&directory).expect("the daemon");
            let mut publisher = publisher.reconnect_for(wait::PATIENCE);
            for batch in bars.chunks(21) {
                publisher.send(&producer::batch(batch)).expect("the daemon restarts");
            }
            publisher.finish().expect("the daemon restarts")
        });
        for _ in 0..kills {
            std::thread::sleep(Duration::from_millis(20 + random.below(150)));
            bus.kill();
            bus.start();
        }
        let ack = producer.join().expect("it prints the reason");
        assert_eq!((ack.rows, ack.accepted + ack.duplicate), (bars.len() as u64, bars.len() as u64), "{ack:?}");
    });
    for reader in &readers {
        wait::until("the newest bar", || has_seq(reader, bars.len() - 1));
    }
    let listed = bus.barbus("readers", ["--format", "json"]).json_lines();
    assert_eq!(listed.iter().filter(|reader| reader["name"] == "follow_bus").count(), 2, "{listed:?}");
    bus.close_day();
    for reader in readers {
        wait::until("the close", || reader.output_has("day_closed").then_some(()));
        reader.signal(Signal::SIGKILL);
        let lines = killed_lines(reader);
        let others = assert_bars(&lines, &bars, 0);
        let closed = json!({"event": "day_closed", "day": "2024-03-04"});
        assert_eq!(others, [json!({"event": "attached", "next_seq": 0}), closed]);
    }
}

/// The whole lines of a reader that was killed.
fn killed_lines(reader: Running) -> Vec<Value> {
    let run = reader.finish();
    let whole = run.stdout.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Promise 4: falling behind is an exact count.
#[test]
fn a_stopped_reader_in_cpp_counts_what_it_missed() {
    if no_reader() {
        return;
    }
    let (bus, capacity) = small_bus();
    let bars = market::minutes(&SYMBOLS, FIRST, 3 * 1_440);
    assert!(bars.len() > 2 * capacity + 100, "{capacity} bars fit: the ring is too long for this test");
    let reader = follow(1, &bus.ring(), &["--from", "oldest"]);
    bus.publish(&bus.write("1.csv", market::csv(&bars[..99])), &[]);
    wait::until("the reader at the tip", || has_seq(&reader, 98));
    reader.signal(Signal::SIGSTOP);
    assert_eq!(bus.publish(&bus.write("2.csv", market::csv(&bars[99..])), &[]), Counts::all_accepted(bars.len() - 99));
    reader.signal(Signal::SIGCONT);
    wait::until("the reader at the end", || has_seq(&reader, bars.len() - 1));
    reader.signal(Signal::SIGKILL);
    let lines = killed_lines(reader);
    let missed = lines[100]["missed"].as_u64().expect("a count") as usize;
    assert!(missed >= bars.len() - 99 - capacity, "{missed}");
    assert_bars(&lines[1..100], &bars[..99], 0);
    let others = assert_bars(&lines[101..], &bars[99 + missed..], 99 + missed);
    assert!(others.iter().all(|line| line["event"] == "day_closed"), "{others:?}");
}

/// Promises 2 and 3: arrays that a reader keeps do not change and do not stop the writer, which
/// goes around them twice.
#[test]
fn arrays_that_a_reader_in_cpp_keeps_do_not_change() {
    if no_reader() {
        return;
    }
    let (bus, capacity) = small_bus();
    let bars = market::minutes(&SYMBOLS, FIRST, (5 * capacity / 2 / SYMBOLS.len()) as i64);
    let count = bars.len().to_string();
    let arguments = ["--from", "oldest", "--pin", "--keep", "--bars", &count];
    let readers = [follow(0, &bus.ring(), &arguments), follow(1, &bus.ring(), &arguments)];
    let mut published = 0;
    // In parts that the ring has room for: no reader is lapped.
    for part in bars.chunks(capacity / 4) {
        bus.publish(&bus.write("part.csv", market::csv(part)), &[]);
        published += part.len();
        let has_kept = |reader: &Running| reader.output_has(&format!("\"bars\": {published},"));
        wait::until("the readers", || readers.iter().all(has_kept).then_some(()));
    }
    for reader in readers {
        let others = assert_bars(&reader.finish().json_lines(), &bars, 0);
        let pinned = |yes: bool| others.iter().filter(|line| line["pinned"] == yes).count();
        // Beyond its share of the ring a reader gets copies.
        assert!(pinned(true) > 1 && pinned(false) > 1, "{others:?}");
    }
}

/// A ring that is removed while the daemon runs: the reader goes on in the next one.
#[test]
fn a_reader_in_cpp_goes_on_in_the_ring_that_follows() {
    if no_reader() {
        return;
    }
    let bus = Bus::running("24x7");
    let bars = market::minutes(&SYMBOLS, FIRST, 100);
    let reader = follow(0, &bus.ring(), &["--from", "oldest", "--until-close", "1"]);
    bus.publish(&bus.write("1.csv", market::csv(&bars[..99])), &[]);
    wait::until("the reader at the tip", || has_seq(&reader, 98));
    fs::remove_file(bus.ring()).expect("ours");
    wait::until("the error in the log", || bus.log().contains("removed, moved or replaced").then_some(()));
    wait::until("another ring", || bus.ring().exists().then_some(()));
    let rest = bus.write("2.csv", market::csv(&bars[99..]));
    wait::until("the daemon", || (Counts::all_accepted(bars.len() - 99) == bus.publish(&rest, &[])).then_some(()));
    wait::until("the reader in the next ring", || has_seq(&reader, bars.len() - 1));
    bus.close_day();
    assert_bars(&reader.finish().json_lines(), &bars, 0);
}

/// Promise 9: a ring that is truncated under a sleeping reader is an error, and no signal.
#[test]
fn a_truncated_ring_ends_the_reader_in_cpp_with_an_error() {
    if no_reader() {
        return;
    }
    let mut bus = Bus::running("24x7");
    let bars = market::minutes(&SYMBOLS, FIRST, 33);
    bus.publish(&bus.write("1.csv", market::csv(&bars)), &[]);
    bus.kill();
    let reader = follow(1, &bus.ring(), &["--from", "oldest"]);
    wait::until("the reader at the tip", || has_seq(&reader, 98));
    // It sleeps after some thousand polls.
    wait::until("the reader asleep", || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", reader.child.id())).unwrap_or_default();
        stat.contains(") S ").then_some(())
    });
    fs::File::options().write(true).open(bus.ring()).and_then(|file| file.set_len(100_000)).expect("ours");
    let run = reader.finish();
    assert_eq!(run.status.code(), Some(1), "{run}");
    assert!(run.stderr.starts_with("follow_bus: ") && run.stderr.contains("truncated ring"), "{run}");
}

/// Rings with wrong bytes anywhere: the reader reads what it can or ends with an error; it neither
/// crashes nor reads outside the file.
#[test]
fn hostile_rings_do_no_harm_to_the_reader_in_cpp() {
    if no_reader() {
        return;
    }
    let mut random = Random::seeded(random::seed("BARBUS_HOSTILE_SEED"));
    let mut bus = Bus::init("24x7");
    bus.configure_small_ring();
    bus.start();
    let bars = market::minutes(&SYMBOLS, FIRST, 300);
    bus.publish(&bus.write("1.csv", market::csv(&bars)), &[]);
    bus.kill();
    let good = fs::read(bus.ring()).expect("a ring");
    let mut errors = 0;
    for number in 0..24 {
        let mut bytes = good.clone();
        // The superblock and the directory are small, and most of what can go wrong is there.
        let span = if number % 2 == 0 { 16_384 } else { bytes.len() };
        for _ in 0..=random.below(64) {
            let at = random.below(span as u64) as usize;
            bytes[at] = random.any() as u8;
        }
        fs::write(bus.ring(), &bytes).expect("ours");
        let pin: &[&str] = if number % 3 == 0 { &["--pin"] } else { &[] };
        let run = follow(number / 6, &bus.ring(), &[&["--from", "oldest", "--once"], pin].concat()).finish();
        assert!(matches!(run.status.code(), Some(0 | 1)), "{run}");
        assert!(!run.stderr.contains("a fault in barbus") && !run.stderr.contains("Sanitizer"), "{run}");
        errors += u32::from(run.status.code() == Some(1));
    }
    assert!(errors > 0, "no change was noticed");
}

/// Producers: plain structs and Arrow batches, exact acknowledgements, errors.
#[test]
fn a_producer_in_cpp_publishes() {
    for compiler in c_library::sanitizing_compilers() {
        let bus = Bus::running("24x7");
        let program = bus.beside("publish");
        let flags = [&["-std=c++17"], &SANITIZERS[..]].concat();
        c_library::compile(compiler, &flags, "tests/programs/publish.cpp", &program);
        let printed = command::finish(c_library::command(&program).arg(bus.path()), None).ok();
        assert_eq!(printed, "252 bars\n");
        let rows = bus.quarantine();
        let source = rows[0]["source"].as_str().expect("a source");
        assert!(rows.len() == 1 && source.starts_with("publish.cpp (pid "), "{rows:?}");
        assert_eq!(bus.stat()["bars"], 102);
    }
}
