//! Every call on a file that a writer makes fails, or is the last before it dies: the real calls, of a real process, under strace.
//!
//! A child process (this test program, started anew) opens a bus, publishes, spills, closes a day, merges, rewrites a day for late bars,
//! and changes to a ring of another size. Its calls are listed in a clean run; then each of them in turn is refused, pretended, or
//! replaced by the death of the process: dead before call N is dead after the call before it. Stores to the ring's map are no calls:
//! `crates/barbus-ring/tests` has the deaths among them.
//!
//! `BARBUS_CRASH_STEPS=all` adds a second error to every call; without it each call has the death and one error.

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

/// The bus and the phase of the child.
const CHILD: &str = "BARBUS_TEST_CRASH_STEPS";
/// Calls that change a file or a directory, or put it on disk. `openat` is there for the files that it makes.
const CALLS: &str =
    "openat,write,pwrite64,fallocate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat";
const NAME: &str = "no_call_is_a_bad_one_to_fail_or_die_at";
/// Of the child: the bus could not be opened, which is what a refused call may lead to.
const REFUSED: i32 = 3;

const MINUTE: i64 = 60_000;
/// 2024-03-04T00:00:00Z.
const MIDNIGHT: i64 = 1_709_510_400_000;
const SYMBOLS: [&str; 4] = ["A", "B", "C", "D"];

/// A part of the life of a bus: the bars that come in it, the ring's size, and whether the day is closed at its end.
struct Phase {
    name: &'static str,
    bars: std::ops::Range<usize>,
    ring: &'static str,
    closes: bool,
    /// A reader pins every block meanwhile: the ring is replaced in the middle of the day.
    pins: bool,
}

const PHASES: [Phase; 5] = [
    Phase { name: "the ring and the archive are made", bars: 0..10, ring: "64KB", closes: false, pins: false },
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

/// What the archive must have after the first `count` bars.
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
        "calendar = \"24x7\"\n[ring]\nsize = \"{ring}\"\nrows_per_block = 64\nsymbols = 256\ntip_rows = 64\nsync = \"1h\"\n[archive]\nlate = \"1h\"\n"
    );
    fs::write(bus.join("bus.toml"), text).unwrap();
}

/// How many bars were acknowledged: the length of a file, because the call that sets it is none of those that are disturbed.
fn progress(bus: &Path) -> PathBuf {
    bus.with_file_name("acknowledged")
}

fn acknowledged(bus: &Path) -> usize {
    fs::metadata(progress(bus)).map_or(0, |found| found.len() as usize)
}

/// Goes on with `phase` behind the bars that were acknowledged.
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
                // Behind the end of a ring that was replaced, and perhaps a day's close.
                None => _ = reader.poll()?,
            }
        }
    }
    if phase.closes {
        writer.close_day();
        // One refusal is met; the second try finds a disk that is well again.
        if writer.flush().is_err() {
            writer.flush().unwrap();
        }
    }
    Ok(())
}

fn main() {
    match std::env::var(CHILD) {
        Ok(asked) => child(&asked),
        // What `cargo test` passes on is a filter by names, or asks for a list of them.
        Err(_) if std::env::args().any(|argument| argument == "--list") => println!("{NAME}: test"),
        Err(_) if std::env::args().skip(1).any(|filter| !filter.starts_with('-') && !NAME.contains(&filter)) => {}
        Err(_) => {
            no_call_is_a_bad_one_to_fail_or_die_at();
            println!("test {NAME} ... ok");
        }
    }
}

/// The process that is disturbed.
fn child(asked: &str) {
    let (phase, bus) = asked.split_once(' ').unwrap();
    if let Err(error) = live(Path::new(bus), &PHASES[phase.parse::<usize>().unwrap()]) {
        // The call that says so may be disturbed itself.
        let _ = writeln!(std::io::stderr(), "{error}");
        std::process::exit(REFUSED);
    }
}

/// Held by whoever has a writer in this process.
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
    // Until it has become another program a new process has this one's descriptors, the writer's lock among them.
    let process = {
        let _nobody_writes = WRITING.write();
        strace.spawn().unwrap()
    };
    process.wait_with_output().unwrap()
}

/// Whether processes can be traced here. Where the checks of a change are run (`CI` is set), strace has to be there.
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

/// The calls of a clean run on files of the bus: name, and how many calls of that name its thread had made with it. Strace counts so.
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
            assert_eq!(again, None, "a bar is there twice");
        }
    }
    found
}

/// The next writer finds what is there, and finishes: what was acknowledged before is not sent again.
fn check(path: &Path, phase: &Phase, what: &str) {
    let _writing = WRITING.read();
    let bus = Bus::open(path).unwrap();
    // Whoever reads the archive meanwhile sees days and nothing else.
    for name in bus.archive().exists().then(|| names(&bus.archive())).into_iter().flatten() {
        let days = ["2024-03-04.parquet", "2024-03-05.parquet", "2024-03-06.parquet"];
        assert!(days.contains(&name.as_str()), "{what}: {name} among the days");
    }
    live(path, phase).unwrap_or_else(|error| panic!("{what}: {error}"));
    let end = phase.bars.end;
    assert_eq!(acknowledged(path), end, "{what}");
    let mut writer = Writer::open(&bus).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut reader = Reader::open(path).unwrap().start_at(Start::Oldest).unwrap();
    let mut next = None;
    while let Some(event) = reader.poll().unwrap() {
        let Event::Bars(bars) = event else { continue };
        for bar in bars.iter() {
            assert!(next.is_none_or(|next| next == bar.seq), "{what}: bar {} after {next:?}", bar.seq);
            next = Some(bar.seq + 1);
        }
    }
    writer.close_day();
    writer.flush().unwrap_or_else(|error| panic!("{what}: {error}"));
    let expected = expected(end);
    assert_eq!(archived(&bus), expected, "{what}");

    // Again: everything is known, nothing changes, and nothing is left over.
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
    assert_eq!(names(&bus.archive().with_file_name("1m.work")), [""; 0], "{what}: left over");
    let mut beside = names(path);
    beside
        .retain(|name| !["archive", "bars.ring", "bus.toml", "lock", "quarantine", "readers"].contains(&name.as_str()));
    assert_eq!(beside, [""; 0], "{what}: left over");
}

/// Promise 7: whatever call of a flush, a spill, a merge, a rewrite, a sync, or of making or replacing a ring fails or is the last one, every bar
/// is in its day's file exactly once, nothing is left over, and doing it again changes nothing.
/// Promise 6: what was acknowledged before need not be sent again.
fn no_call_is_a_bad_one_to_fail_or_die_at() {
    if !may_trace() {
        return;
    }
    let all = std::env::var_os("BARBUS_CRASH_STEPS").is_some_and(|steps| steps == "all");
    // In memory where that can be: what a sync does for the disk is not what is looked at here.
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
        // Promise 6: whoever takes a ring over sees to its name, too: the writer before may have died between the rename and this.
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
                // It says that it wrote one byte, and wrote nothing.
                effects.push("retval=1");
            }
            cases
                .extend(effects.iter().map(|effect| (number, before.clone(), format!("{call}:{effect}:when={count}"))));
        }
        before = clean;
    }
    // The phases do what they are made for.
    for (call, least) in
        [("fallocate", 4), ("fdatasync", 8), ("fsync", 10), ("write", 6), ("rename", 5), ("unlink", 2), ("openat", 8)]
    {
        assert!(kinds.get(call).is_some_and(|&count| count >= least), "{call}: {kinds:?}");
    }

    let total = cases.len();
    let (queue, died, refused, met) = (Mutex::new(cases), Mutex::new(0), Mutex::new(0), Mutex::new(0));
    std::thread::scope(|scope| {
        for worker in 0..std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8) {
            let (queue, died, refused, met, dir) = (&queue, &died, &refused, &met, dir.path());
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
                        // The call is repeated, or of no consequence; or the threads shared the calls out in another way than in the clean run.
                        (Some(0), _) => *met.lock().unwrap() += 1,
                        other => panic!("{what}: {other:?}: {said}{}", String::from_utf8_lossy(&output.stderr)),
                    }
                    check(&bus, phase, &what);
                    fs::remove_dir_all(&home).unwrap();
                }
            });
        }
    });
    let (died, refused, met) = (died.into_inner().unwrap(), refused.into_inner().unwrap(), met.into_inner().unwrap());
    println!("{total} cases of {kinds:?}: {died} deaths, {refused} refusals that ended it, {met} that were met");
    let deaths = kinds.values().sum::<usize>();
    assert!(died * 10 >= deaths * 9, "{died} of {deaths} deaths came");
}
