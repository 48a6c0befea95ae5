//! Crash and disk-error tests: each system call of a writer on a file fails, or is its last one.
//!
//! They disturb the real calls of a real process, by strace. A child process (this test program,
//! started again) opens a bus, publishes, spills, closes a day, merges, rewrites a day for late
//! bars, and switches to a ring of another size. A clean run lists its calls. Then each call in
//! turn fails, reports a success that did not happen, or kills the process before it is made. A
//! store to the mapped ring is not a call: `crates/barbus-ring/tests` covers a crash between two
//! stores.
//!
//! Each call is tested with the kill and one error; `BARBUS_CRASH_STEPS=all` adds a second error.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, RwLock};

use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use barbus::{Bus, Event, InitOptions, Reader, Row, Start};
use barbus_archive::Archive;
use barbus_writer::{Pushed, Writer};

/// The phase and the bus of the child.
const CHILD: &str = "BARBUS_TEST_CRASH_STEPS";
/// Calls that change a file or a directory, or put it on disk. `openat` creates files.
const CALLS: &str =
    "openat,write,pwrite64,fallocate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat";
const NAME: &str = "any_file_call_may_fail_or_be_the_last";
/// The exit code of a child that ended with an error because of a failed call.
const REFUSED: i32 = 3;

const MINUTE: i64 = 60_000;
/// 2024-03-04T00:00:00Z.
const MIDNIGHT: i64 = 1_709_510_400_000;
const SYMBOLS: [&str; 4] = ["A", "B", "C", "D"];

/// A part of the life of a bus: its bars, the size of its ring, and whether it closes the day.
struct Phase {
    name: &'static str,
    bars: std::ops::Range<usize>,
    ring: &'static str,
    closes: bool,
    /// A reader pins every block, so the ring is replaced in the middle of the day.
    pins: bool,
}

const PHASES: [Phase; 5] = [
    Phase { name: "the ring and the archive are created", bars: 0..10, ring: "64KB", closes: false, pins: false },
    Phase { name: "a day larger than the ring", bars: 10..710, ring: "64KB", closes: true, pins: false },
    Phase { name: "late bars and revisions", bars: 710..718, ring: "64KB", closes: true, pins: false },
    Phase { name: "a ring of another size", bars: 718..730, ring: "160KB", closes: true, pins: false },
    Phase { name: "a ring whose every block is pinned", bars: 730..1_230, ring: "64KB", closes: true, pins: true },
];

/// Symbol, frame and close of every bar, in the order in which they come.
fn bars() -> Vec<(&'static str, i64, f64)> {
    let minute = |i: usize| MIDNIGHT + (1 + i as i64 / 4) * MINUTE;
    let mut bars: Vec<_> = (0..710).map(|i| (SYMBOLS[i % 4], minute(i), 100.0 + i as f64)).collect();
    bars.extend((0..8).map(|i| (SYMBOLS[i % 4], minute(700 + 3 * i), 5_000.0 + i as f64)));
    bars.extend((0..12).map(|i| (SYMBOLS[i % 4], minute(i) + 1_440 * MINUTE, 7_000.0 + i as f64)));
    bars.extend((0..500).map(|i| (SYMBOLS[i % 4], minute(i) + 2_880 * MINUTE, 9_000.0 + i as f64)));
    bars
}

/// The bars that the archive must have after the first `count` bars.
fn expected(count: usize) -> BTreeMap<(&'static str, i64), f64> {
    bars()[..count].iter().map(|&(symbol, frame_ms, close)| ((symbol, frame_ms), close)).collect()
}

fn push(writer: &mut Writer, (symbol, frame_ms, close): (&str, i64, f64)) -> Pushed {
    let symbol = writer.symbol(symbol).unwrap();
    let row = Row { symbol, frame_ms, open: close, high: close, low: close, close, volume: 1.0, ..Row::default() };
    writer.push(&row).unwrap()
}

fn configure(bus: &Path, ring: &str) {
    let text = format!(
        "calendar = \"24x7\"\n[ring]\nsize = \"{ring}\"\nrows_per_block = 64\nsymbols = 256\ntip_rows = 64\nsync = \"1h\"\n[archive]\nlate = \"1h\"\n[readers]\nmax_pins = \"100%\"\nheld_rings = 1000\n"
    );
    fs::write(bus.join("bus.toml"), text).unwrap();
}

/// A file whose length is the number of acknowledged bars: the call that sets the length is not
/// among the disturbed ones.
fn progress(bus: &Path) -> PathBuf {
    bus.with_file_name("acknowledged")
}

fn acknowledged(bus: &Path) -> usize {
    fs::metadata(progress(bus)).map_or(0, |found| found.len() as usize)
}

/// Continues `phase` after the bars that were acknowledged.
fn live(bus: &Path, phase: &Phase) -> Result<(), barbus::Error> {
    let mut writer = Writer::open(&Bus::open(bus)?)?;
    let done = fs::OpenOptions::new().append(true).open(progress(bus)).unwrap();
    let mut reader = phase.pins.then(|| Reader::open(bus)).transpose()?;
    let mut held = Vec::new();
    for (number, &bar) in bars().iter().enumerate().take(phase.bars.end).skip(acknowledged(bus)) {
        push(&mut writer, bar);
        done.set_len(number as u64 + 1).unwrap();
        if let Some(reader) = &mut reader {
            match reader.pin()? {
                Some(view) => held.push(view),
                // The end of a ring that was replaced, and perhaps the close of a day.
                None => _ = reader.poll()?,
            }
        }
    }
    if phase.closes {
        writer.close_day();
        // Only one call fails: the second attempt succeeds.
        if writer.flush().is_err() {
            writer.flush().unwrap();
        }
    }
    Ok(())
}

fn main() {
    match std::env::var(CHILD) {
        Ok(asked) => child(&asked),
        // `cargo test` passes a filter by name, or asks for the list of tests.
        Err(_) if std::env::args().any(|argument| argument == "--list") => println!("{NAME}: test"),
        Err(_) if std::env::args().skip(1).any(|filter| !filter.starts_with('-') && !NAME.contains(&filter)) => {}
        Err(_) => {
            any_file_call_may_fail_or_be_the_last();
            println!("test {NAME} ... ok");
        }
    }
}

/// The process whose calls are disturbed.
fn child(asked: &str) {
    let (phase, bus) = asked.split_once(' ').unwrap();
    if let Err(error) = live(Path::new(bus), &PHASES[phase.parse::<usize>().unwrap()]) {
        // This write may be the disturbed call itself.
        let _ = writeln!(std::io::stderr(), "{error}");
        std::process::exit(REFUSED);
    }
}

/// Held for reading while this process has a writer.
static WRITING: RwLock<()> = RwLock::new(());

fn run_child(bus: &Path, phase: usize, log: &Path, inject: Option<&str>) -> Output {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-o"]).arg(log).args(["-e", &format!("trace={CALLS}")]);
    if let Some(inject) = inject {
        strace.args(["-e", &format!("inject={inject}")]);
    }
    strace
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, format!("{phase} {}", bus.display()))
        .env_remove("RUST_BACKTRACE");
    strace.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Until `exec` a new process has the descriptors of this one, and with them the lock of a
    // writer.
    let process = {
        let _no_writer = WRITING.write();
        strace.spawn().unwrap()
    };
    process.wait_with_output().unwrap()
}

/// Whether strace works here. In the checks of a change, where `CI` is set, it is required.
fn may_trace() -> bool {
    match Command::new("strace").args(["-o", "/dev/null", "true"]).output() {
        Ok(output) if !output.status.success() => {
            println!("skipped: tracing is not permitted here: {}", String::from_utf8_lossy(&output.stderr));
            false
        }
        Ok(_) => true,
        Err(error) if std::env::var_os("CI").is_none() => {
            println!("skipped: strace: {error}");
            false
        }
        Err(error) => panic!("strace: {error}: .ci/run installs it"),
    }
}

/// The calls of a clean run on files of the bus: the name, and the number of the call among those
/// of this name in its thread. Strace counts calls in the same way.
fn calls(log: &Path, bus: &Path) -> BTreeSet<(String, usize)> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut calls = BTreeSet::new();
    let text = fs::read_to_string(log).unwrap();
    let bus = bus.to_str().unwrap();
    for line in text.lines().filter(|line| !line.contains("resumed>")) {
        let (thread, call) = line.split_once(' ').unwrap();
        let Some((name, arguments)) = call.trim_start().split_once('(') else { continue };
        let count = counts.entry((thread, name)).or_default();
        *count += 1;
        let changes = name != "openat" || arguments.contains("O_CREAT");
        if changes && arguments.contains(bus) && !arguments.contains("acknowledged") {
            calls.insert((name.to_owned(), *count));
        }
    }
    calls
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy(&entry.path(), &target),
            kind if kind.is_file() => drop(fs::copy(entry.path(), target).unwrap()),
            _ => {}
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Every file of the archive, byte for byte.
fn files(bus: &Bus) -> BTreeMap<String, Vec<u8>> {
    names(&bus.archive()).into_iter().map(|name| (name.clone(), fs::read(bus.archive().join(name)).unwrap())).collect()
}

fn archived(bus: &Bus) -> BTreeMap<(&'static str, i64), f64> {
    let archive = Archive::open_existing(bus.archive(), bus.settings().schema.clone(), "24x7");
    let mut found = BTreeMap::new();
    for day in archive.days().unwrap() {
        let (_, batch) = archive.read(day).unwrap().unwrap();
        let symbols = batch["symbol"].as_string::<i32>();
        let frames = batch["frame"].as_primitive::<arrow::datatypes::TimestampMillisecondType>();
        let closes = batch["close"].as_primitive::<Float64Type>();
        for row in 0..batch.num_rows() {
            let symbol = SYMBOLS.into_iter().find(|&symbol| symbol == symbols.value(row)).expect("one of ours");
            let again = found.insert((symbol, frames.value(row)), closes.value(row));
            assert_eq!(again, None, "a bar is archived twice");
        }
    }
    found
}

/// The next writer recovers and finishes the phase. Bars that were acknowledged are not sent again.
fn check(path: &Path, phase: &Phase, what: &str) {
    let _writing = WRITING.read();
    let bus = Bus::open(path).unwrap();
    // The archive's folder has whole days and nothing else.
    for name in bus.archive().exists().then(|| names(&bus.archive())).into_iter().flatten() {
        let days = ["2024-03-04.parquet", "2024-03-05.parquet", "2024-03-06.parquet"];
        assert!(days.contains(&name.as_str()), "{what}: {name} among the days");
    }
    live(path, phase).unwrap_or_else(|error| panic!("{what}: {error}"));
    let end = phase.bars.end;
    assert_eq!(acknowledged(path), end, "{what}");
    let mut writer = Writer::open(&bus).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut reader = Reader::open(path).unwrap().start_at(Start::Oldest).unwrap();
    let mut next: Option<u64> = None;
    while let Some(event) = reader.poll().unwrap() {
        match event {
            Event::Bars(bars) => {
                for bar in bars.iter() {
                    assert!(next.is_none_or(|next| next == bar.seq), "{what}: bar {} after {next:?}", bar.seq);
                    next = Some(bar.seq + 1);
                }
            }
            // The flusher releases blocks one by one. The writer, which checks one slot after the
            // other meanwhile, may miss the release of a block, find that of the next one, and
            // reuse the next one first. The reader reports exactly its rows.
            Event::Withdrawn(bars) => panic!("{bars:?} withdrawn"),
            Event::MinuteClosed(minute) => panic!("{minute:?} without minutes"),
            Event::Lapped { missed } => next = next.map(|next| next + missed),
            Event::DayClosed(_) => {}
        }
    }
    assert_eq!(next.unwrap_or(reader.position()), reader.stat().bars, "{what}: the newest bar");
    writer.close_day();
    writer.flush().unwrap_or_else(|error| panic!("{what}: {error}"));
    let expected = expected(end);
    assert_eq!(archived(&bus), expected, "{what}");

    // The same bars again are duplicates: no file changes, and nothing is left over.
    let before = files(&bus);
    for (number, &bar) in bars()[..end].iter().enumerate() {
        let revised = expected[&(bar.0, bar.1)] != bar.2;
        if !revised {
            assert_eq!(push(&mut writer, bar), Pushed::Duplicate, "{what}: bar {number}");
        }
    }
    writer.close_day();
    writer.flush().unwrap();
    drop(writer);
    assert!(files(&bus) == before, "{what}: the archive changed though nothing was new");
    assert_eq!(names(&bus.archive().with_file_name("1m.work")), [".lock"], "{what}: left over");
    let mut beside = names(path);
    beside.retain(|name| {
        !["archive", "archived", "bars.ring", "bus.toml", "lock", "quarantine", "readers"].contains(&name.as_str())
    });
    assert_eq!(beside, [""; 0], "{what}: left over");
}

/// Promise 7: any call of a flush, a spill, a merge, a rewrite, a sync, or of the creation or
/// replacement of a ring may fail or be the last one. Then every bar is in its day's file exactly
/// once, nothing is left over, and a second run changes nothing.
/// Promise 6: an acknowledged bar need not be sent again.
fn any_file_call_may_fail_or_be_the_last() {
    if !may_trace() {
        return;
    }
    let all = std::env::var_os("BARBUS_CRASH_STEPS").is_some_and(|steps| steps == "all");
    // In memory if possible: the effect of a sync on the disk is not tested here.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let start = dir.path().join("start/bus");
    fs::create_dir(start.parent().unwrap()).unwrap();
    Bus::init(&start, &InitOptions { calendar: "24x7".into(), ..InitOptions::default() }).unwrap();
    fs::write(progress(&start), "").unwrap();

    let mut cases = Vec::new();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut before = start;
    for (number, phase) in PHASES.iter().enumerate() {
        configure(&before, phase.ring);
        let clean = dir.path().join(format!("clean-{number}/bus"));
        copy(before.parent().unwrap(), clean.parent().unwrap());
        let log = dir.path().join(format!("clean-{number}.log"));
        let output = run_child(&clean, number, &log, None);
        assert!(output.status.success(), "{}: {}", phase.name, String::from_utf8_lossy(&output.stdout));
        // Promise 6: recovery syncs the directory, because the last writer may have died between
        // the rename of its ring and that sync.
        let trace = fs::read_to_string(&log).unwrap();
        let synced = |line: &str| line.contains("fsync(") && line.contains(&format!("<{}>)", clean.display()));
        assert!(trace.lines().any(synced), "{}: the bus's directory is not synced", phase.name);
        for (call, count) in calls(&log, &clean) {
            *kinds.entry(call.clone()).or_default() += 1;
            let mut effects = vec!["signal=KILL", if count % 2 == 0 { "error=EIO" } else { "error=ENOSPC" }];
            if all {
                effects.push(if count % 2 == 0 { "error=ENOSPC" } else { "error=EIO" });
            }
            if call == "write" {
                // The call reports one written byte, and writes nothing.
                effects.push("retval=1");
            }
            cases
                .extend(effects.iter().map(|effect| (number, before.clone(), format!("{call}:{effect}:when={count}"))));
        }
        before = clean;
    }
    // The phases make the calls that they are made for.
    for (call, least) in
        [("fallocate", 4), ("fdatasync", 8), ("fsync", 10), ("write", 6), ("rename", 5), ("unlink", 2), ("openat", 8)]
    {
        assert!(kinds.get(call).is_some_and(|&count| count >= least), "{call}: {kinds:?}");
    }

    let total = cases.len();
    let (queue, died, refused, survived) = (Mutex::new(cases), Mutex::new(0), Mutex::new(0), Mutex::new(0));
    std::thread::scope(|scope| {
        for worker in 0..std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8) {
            let (queue, died, refused, survived, dir) = (&queue, &died, &refused, &survived, dir.path());
            scope.spawn(move || {
                loop {
                    let Some((number, before, inject)) = queue.lock().unwrap().pop() else { return };
                    let phase = &PHASES[number];
                    let what = format!("{}: {inject}", phase.name);
                    let home = dir.join(format!("case-{worker}"));
                    copy(before.parent().unwrap(), &home);
                    let bus = home.join("bus");
                    let output = run_child(&bus, number, &home.join("strace.log"), Some(&inject));
                    let said = String::from_utf8_lossy(&output.stdout);
                    match (output.status.code(), output.status.signal()) {
                        (None, Some(9)) if inject.contains("KILL") => *died.lock().unwrap() += 1,
                        (Some(REFUSED), _) if !inject.contains("KILL") => *refused.lock().unwrap() += 1,
                        // The call was retried or had no consequence, or the threads made their
                        // calls in another order than in the clean run.
                        (Some(0), _) => *survived.lock().unwrap() += 1,
                        other => panic!("{what}: {other:?}: {said}{}", String::from_utf8_lossy(&output.stderr)),
                    }
                    check(&bus, phase, &what);
                    fs::remove_dir_all(&home).unwrap();
                }
            });
        }
    });
    let [died, refused, survived] = [died, refused, survived].map(|count| count.into_inner().unwrap());
    println!(
        "{total} cases of {kinds:?}: {died} kills, {refused} errors that ended the writer, {survived} that it survived"
    );
    let deaths = kinds.values().sum::<usize>();
    assert!(died * 10 >= deaths * 9, "only {died} of {deaths} kills happened");
}
