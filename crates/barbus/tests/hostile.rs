//! Readers of a damaged ring, and a writer that never damages one.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use barbus::{Bus, Event, Reader, Row, Start};
use barbus_ring::layout::*;
use barbus_shm::{Memory, Store, WriteMap};
use barbus_writer::Writer;

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;
/// 2024-07-04 00:00 UTC.
const MIDNIGHT: i64 = 1_720_051_200_000;
const PATIENCE: Duration = Duration::from_secs(120);

const BUS: &str = "BARBUS_TEST_HOSTILE_BUS";
const ROLE: &str = "BARBUS_TEST_HOSTILE_ROLE";

fn settings(symbols: u32) -> String {
    format!("calendar = \"24x7\"\n[ring]\nsize = \"48KB\"\nrows_per_block = 64\nsymbols = {symbols}\ntip_rows = 64\n")
}

fn bus() -> (tempfile::TempDir, Bus) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("bus.toml"), settings(64)).unwrap();
    let bus = Bus::open(dir.path()).unwrap();
    (dir, bus)
}

fn push(writer: &mut Writer, day: i64, minutes: std::ops::RangeInclusive<i64>) {
    let symbol = writer.symbol("600000.XSHG").unwrap();
    for minute in minutes {
        let frame_ms = MIDNIGHT + day * DAY + minute * MINUTE;
        let (open, high, low, close) = (8.0, 9.0, 7.0, 8.0);
        writer.push(&Row { symbol, frame_ms, open, high, low, close, volume: 1.0, ..Row::default() }).unwrap();
    }
}

/// This test program as a child process, in a role of its own.
fn child_command(program: &str, arguments: &[&str], role: &str, bus: &Bus) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    if program != exe() {
        command.arg(exe());
    }
    command.args(["--exact", "child", "--nocapture", "--test-threads", "1"]);
    command.env(ROLE, role).env(BUS, bus.path());
    command
}

fn exe() -> String {
    std::env::current_exe().unwrap().to_str().expect("a path in UTF-8").to_owned()
}

/// Not a test: what the child process does in its role.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let path = PathBuf::from(std::env::var_os(BUS).unwrap());
    match role.as_str() {
        "sleep" => {
            let sleeper = std::thread::Builder::new().name("sleeper".into()).spawn(move || {
                let mut reader = Reader::open(&path).unwrap();
                report("ready");
                report(&reader.wait(Duration::from_secs(600)).unwrap_err().to_string());
            });
            sleeper.unwrap().join().unwrap();
        }
        "write" => write(&path),
        other => panic!("{other}?"),
    }
}

fn report(what: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n@{what}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Closes, spills, late bars, a restart, and a ring that is replaced.
fn write(path: &Path) {
    let mut writer = Writer::open(&Bus::open(path).unwrap()).unwrap();
    push(&mut writer, 0, 1..=1_000);
    writer.close_day().unwrap();
    push(&mut writer, 1, 1..=100);
    push(&mut writer, 0, 1_001..=1_010);
    writer.flush().unwrap();
    drop(writer);
    let mut writer = Writer::open(&Bus::open(path).unwrap()).unwrap();
    push(&mut writer, 1, 101..=200);
    writer.close_day().unwrap();
    writer.flush().unwrap();
    drop(writer);
    std::fs::write(path.join("bus.toml"), settings(128)).unwrap();
    let mut writer = Writer::open(&Bus::open(path).unwrap()).unwrap();
    assert!(!writer.ring_is_outdated());
    push(&mut writer, 2, 1..=100);
}

/// Promise 9: barbus shortens no file and removes no bytes from one, except for the lock, which no
/// process maps.
#[test]
fn the_writer_never_shrinks_a_file() {
    let (_dir, bus) = bus();
    let log = bus.path().join("strace.log");
    match Command::new("strace").args(["-o", "/dev/null", "true"]).output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => return println!("skipped: no tracing here: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => return println!("skipped: strace: {error}"),
    }
    let calls = "trace=ftruncate,truncate,fallocate,openat,creat";
    let arguments = ["-f", "-y", "-e", calls, "-o", log.to_str().unwrap()];
    let status = child_command("strace", &arguments, "write", &bus).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{status}");
    let log = std::fs::read_to_string(log).unwrap();
    let of = |call: &str| log.lines().filter(|line| line.contains(call)).map(str::to_owned).collect::<Vec<_>>();
    let rings = of("fallocate(");
    assert_eq!(rings.len(), 2, "the ring and its replacement: {rings:?}");
    assert!(
        rings.iter().all(|line| line.contains(">, 0, 0, ")),
        "allocated from the beginning, and nothing else: {rings:?}"
    );
    let shrunk = of("truncate(");
    assert!(shrunk.len() >= 3 && shrunk.iter().all(|line| line.contains("/lock>, ")), "{shrunk:?}");
    let opened = of("bars.ring");
    assert!(!opened.is_empty() && opened.iter().all(|line| !line.contains("O_TRUNC")), "{opened:?}");
}

/// Promise 9: a sleeping reader gets an error if its ring is truncated, and so does a reader that
/// attaches then.
#[test]
fn a_sleeping_reader_notices_a_truncated_ring() {
    for length in [0, 4_096, 12_288] {
        let (_dir, bus) = bus();
        let mut writer = Writer::open(&bus).unwrap();
        push(&mut writer, 0, 1..=100);
        drop(writer);
        let mut child = child_command(&exe(), &[], "sleep", &bus).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut answer = || lines.find_map(|line| line.strip_prefix('@').map(str::to_owned));
        assert_eq!(answer().as_deref(), Some("ready"));
        wait_until_asleep(child.id());
        std::fs::OpenOptions::new().write(true).open(bus.ring()).unwrap().set_len(length).unwrap();
        let error = answer().expect("the reader lives");
        assert!(error.contains(&format!("truncated ring: {length} bytes of ")), "{error}");
        assert!(child.wait().unwrap().success());
        let error = Reader::open(bus.path()).unwrap_err().to_string();
        assert!(error.contains("truncated ring: "), "{error}");
    }
}

/// Waits until two checks in a row find the reading thread asleep: it wakes for microseconds, once
/// a second.
fn wait_until_asleep(process: u32) {
    let asleep = || {
        let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
        let stats = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")).ok());
        stats.into_iter().any(|stat| stat.contains("(sleeper) S"))
    };
    let begun = Instant::now();
    let mut times_asleep = 0;
    while times_asleep < 2 {
        times_asleep = if asleep() { times_asleep + 1 } else { 0 };
        assert!(begun.elapsed() < PATIENCE, "the reader does not sleep");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Promises 2 and 9: whatever is stored into the ring's words, each query gets an answer or an
/// error.
#[test]
fn queries_get_a_value_or_an_error_from_a_ring_that_is_overwritten() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    push(&mut writer, 0, 1..=300);
    drop(writer);
    let good = std::fs::read(bus.ring()).unwrap();
    let word = |offset: usize| u64::from_le_bytes(good[offset..offset + 8].try_into().unwrap());
    let (slots, slot_bytes, tip) =
        (word(SB_SLOTS_OFFSET) as usize, word(SB_SLOT_BYTES) as usize, word(SB_TIP) as usize);
    let map = WriteMap::open(&bus.ring()).unwrap();
    let (stop, stored) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut answers = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
            while !stop.load(Ordering::Relaxed) {
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                let (slot, pick) = ((dice >> 40) as usize % 4, (dice >> 32) as usize);
                let at = match dice as usize % 5 {
                    0 => [SB_CURSOR, SB_SYMBOL_COUNT & !7, SB_DURABLE_CURSOR, SB_SUPERSEDED][pick % 4],
                    1 => DIRECTORY + 8 * slot,
                    2 => slots + slot * slot_bytes + [BH_BLOCK, BH_FIRST_SEQ, BH_DAY, BH_STATE][pick % 4],
                    // Columns too: a row may have the id of no symbol.
                    3 => slots + slot * slot_bytes + SLOT_BODY + 8 * (pick % 128),
                    _ => tip + pick % 64 * TIP_ROW + [TIP_STAMP, TIP_POSITION, TIP_SYMBOL, TIP_FRAME][slot],
                };
                let values = [word(at), word(at), word(at).wrapping_add(1), dice, u64::MAX, 0];
                map.words64(at, 1)[0].set(values[(dice >> 48) as usize % values.len()]);
                stored.fetch_add(1, Ordering::Relaxed);
            }
        });
        for round in 0..200 {
            let before = stored.load(Ordering::Relaxed);
            while stored.load(Ordering::Relaxed) == before {
                std::thread::yield_now();
            }
            let Ok(reader) = Reader::open(bus.path()) else { continue };
            reader.stat();
            let start = [Start::Oldest, Start::Live, Start::Today, Start::Seq(250)][round % 4];
            let Ok(mut reader) = reader.start_at(start) else { continue };
            for _ in 0..20 {
                match reader.poll() {
                    Ok(Some(Event::Bars(bars))) => {
                        assert!(bars.iter().all(|bar| bar.symbol.len() <= 64 * 24));
                        answers += bars.len();
                    }
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
            reader.day();
            let _ = reader.latest("600000.XSHG").map(|found| answers += usize::from(found.is_some()));
            let _ = reader.window("600000.XSHG", 240).map(|found| answers += found.len());
            let _ = barbus::verify(&bus);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(answers > 0, "no query was answered");
}
