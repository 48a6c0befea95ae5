//! Crash tests: every operation of a write, rewrite, merge and spill fails in turn.
//!
//! It fails with no effect, half done, or done but reported as failed; the process continues or
//! dies there; a loss of power follows or not.
//!
//! Promise 7: every bar of a closed day is in that day's file exactly once, whenever the process
//! died and however often the flush ran; the file appears whole or not at all.

mod support;

use std::path::Path;
use std::sync::Arc;

use barbus_archive::Archive;
use support::memory_files::{Effect, Fault, MemoryFiles, PowerLoss};
use support::{Bar, CALENDAR, DAY, Row, bar, expected, read, rows, schema};

const DIR: &str = "bus/archive/1m";
const DAY_FILE: &str = "bus/archive/1m/2024-02-29.parquet";
const LINEAGE: u64 = 77;

fn part_file(part: u32) -> String {
    format!("bus/archive/1m.work/2024-02-29.{part}.parquet")
}

/// One call on the archive.
#[derive(Clone, Copy)]
enum Call {
    Write,
    Spill,
}

impl Call {
    /// Writes `bars`; true when a file was written.
    fn make(self, archive: &Archive, bars: &[Bar]) -> barbus_archive::Result<bool> {
        let through = bars.iter().map(|bar| bar.seq + 1).max().unwrap_or(0);
        let rows = rows(bars);
        Ok(match self {
            Call::Write => archive.write(DAY, &rows, LINEAGE, through)?.changed,
            Call::Spill => archive.spill(DAY, &rows, LINEAGE, through)?.path.is_some(),
        })
    }
}

/// The calls before, the call that is disturbed, and the file names expected after it.
struct Scenario {
    name: &'static str,
    before: Vec<(Call, Vec<Bar>)>,
    call: Call,
    bars: Vec<Bar>,
    names: Vec<String>,
}

fn morning() -> Vec<Bar> {
    let symbols = ["600000.XSHG", "000001.XSHE"];
    let of = |i: u64| bar(symbols[i as usize % 2], i as i64 / 2, 10.0 + i as f64, i);
    (0..12).map(of).collect()
}

/// New bars, and a revision of a bar of the morning.
fn late() -> Vec<Bar> {
    vec![bar("600000.XSHG", 0, 99.5, 12), bar("300750.XSHE", 7, 180.0, 13)]
}

fn evening() -> Vec<Bar> {
    vec![bar("600000.XSHG", 0, 98.5, 14), bar("600000.XSHG", 9, -3.0, 15)]
}

fn scenarios() -> Vec<Scenario> {
    let day = || vec![DAY_FILE.to_owned()];
    let scenario = |name, before, call, bars, names| Scenario { name, before, call, bars, names };
    let written = || (Call::Write, morning());
    vec![
        scenario("first write", vec![], Call::Write, morning(), day()),
        scenario("rewrite", vec![written()], Call::Write, late(), day()),
        scenario("nothing new", vec![written()], Call::Write, morning(), day()),
        scenario("spill", vec![], Call::Spill, morning(), vec![part_file(1)]),
        scenario("second spill", vec![(Call::Spill, morning())], Call::Spill, late(), vec![part_file(1), part_file(2)]),
        scenario("spill beside a file", vec![written()], Call::Spill, late(), vec![DAY_FILE.to_owned(), part_file(1)]),
        scenario("merge parts", vec![(Call::Spill, morning()), (Call::Spill, late())], Call::Write, evening(), day()),
        scenario(
            "merge parts with nothing new",
            vec![(Call::Spill, morning()), (Call::Spill, late())],
            Call::Write,
            vec![],
            day(),
        ),
        scenario("merge file and part", vec![written(), (Call::Spill, late())], Call::Write, evening(), day()),
    ]
}

fn open(files: &MemoryFiles) -> Archive {
    Archive::with_files(DIR, schema(), CALENDAR, Arc::new(files.clone())).unwrap()
}

/// The contents of the archive after all of these calls.
fn all_bars(calls: &[(Call, Vec<Bar>)], more: &[Bar]) -> Vec<Row> {
    let before = calls.iter().flat_map(|(_, bars)| bars);
    expected(&before.chain(more).cloned().collect::<Vec<_>>())
}

/// A program that lists the directory sees days and no unfinished file. A process may die after
/// any operation, so this holds at any moment.
fn assert_only_days(files: &MemoryFiles, what: &str) {
    let dir = Path::new(DIR);
    let names = files.names();
    let strange = names.iter().find(|name| Path::new(name).parent() == Some(dir) && *name != DAY_FILE);
    assert_eq!(strange, None, "{what}: among the days");
    assert!(files.dirs().iter().all(|below| below == dir || !below.starts_with(dir)), "{what}");
}

/// Asserts that the archive is consistent and has `old` or `new`, then makes the call twice more.
fn check(files: &MemoryFiles, scenario: &Scenario, old: &[Row], new: &[Row], what: &str) {
    let archive = open(files);
    for report in archive.verify().unwrap() {
        report.outcome.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    let now = read(&archive, DAY);
    assert!(now == old || now == new, "{what}: {now:?}");

    let call = scenario.call;
    call.make(&archive, &scenario.bars).unwrap_or_else(|error| panic!("{what}: retry: {error}"));
    assert_eq!(read(&archive, DAY), new, "{what}: after the retry");
    assert_eq!(files.names(), scenario.names, "{what}: after the retry");

    let again = call.make(&archive, &scenario.bars).unwrap();
    assert!(!again, "{what}: written though there was nothing new");
    assert_eq!(read(&archive, DAY), new, "{what}: after the second retry");
    for loss in power_losses() {
        let lost = files.fork();
        lost.lose_power(loss);
        assert_eq!(read(&open(&lost), DAY), new, "{what}: {loss:?} after success");
    }
}

fn power_losses() -> Vec<PowerLoss> {
    let all = [(false, true), (true, false), (true, true)];
    all.map(|(names, contents)| PowerLoss { names, contents }).to_vec()
}

#[test]
fn no_failure_loses_a_bar_or_leaves_files_behind() {
    for scenario in scenarios() {
        let start = MemoryFiles::default();
        let archive = open(&start);
        for (call, bars) in &scenario.before {
            assert!(call.make(&archive, bars).unwrap());
        }
        let old = all_bars(&scenario.before, &[]);
        let new = all_bars(&scenario.before, &scenario.bars);

        let undisturbed = start.fork();
        let archive = open(&undisturbed);
        undisturbed.disarm();
        scenario.call.make(&archive, &scenario.bars).unwrap();
        let operations = undisturbed.disarm();
        assert!(operations > 3, "{}: {operations} operations", scenario.name);
        check(&undisturbed, &scenario, &new, &new, scenario.name);

        for at in 0..operations {
            for effect in [Effect::Refused, Effect::Half, Effect::Done] {
                for dead in [false, true] {
                    let fault = Fault { at, effect, dead };
                    let what = format!("{}: {fault:?}", scenario.name);
                    let files = start.fork();
                    let archive = open(&files);
                    files.arm(fault);
                    let outcome = scenario.call.make(&archive, &scenario.bars);
                    files.disarm();
                    assert_only_days(&files, &what);
                    if outcome.is_ok() {
                        assert_eq!(read(&archive, DAY), new, "{what}: reported as done");
                    } else if !dead {
                        let temporary = files.names().into_iter().find(|name| name.ends_with(".tmp"));
                        assert_eq!(temporary, None, "{what}: left behind");
                    }
                    for loss in power_losses().into_iter().filter(|_| dead) {
                        let lost = files.fork();
                        lost.lose_power(loss);
                        check(&lost, &scenario, &old, &new, &format!("{what}: {loss:?}"));
                    }
                    check(&files, &scenario, &old, &new, &what);
                }
            }
        }
    }
}

/// A disk that drops bytes and reports success is detected before the old file is replaced.
#[test]
fn a_write_that_drops_bytes_silently_is_detected() {
    let start = MemoryFiles::default();
    Call::Write.make(&open(&start), &morning()).unwrap();
    let mut noticed = 0;
    for at in 0..20 {
        let files = start.fork();
        let archive = open(&files);
        files.arm(Fault { at, effect: Effect::Silent, dead: false });
        let outcome = Call::Write.make(&archive, &late());
        files.disarm();
        if let Err(error) = outcome {
            noticed += 1;
            assert!(error.to_string().ends_with("read back differently from what was written"), "{error}");
            assert_eq!(read(&archive, DAY), expected(&morning()));
            assert_eq!(files.names(), [DAY_FILE]);
        }
    }
    // The bytes of the file, and its checksum.
    assert_eq!(noticed, 2);
}

/// A long day is synced by one thread while others read it back.
#[test]
fn no_failure_corrupts_a_long_day() {
    let start = MemoryFiles::default();
    Call::Write.make(&open(&start), &morning()).unwrap();
    let long: Vec<Bar> = (12..10_012).map(|i| bar("600000.XSHG", i as i64, 10.0 + (i % 50) as f64, i)).collect();
    let (old, new) = (expected(&morning()), expected(&[morning(), long.clone()].concat()));
    let counted = start.fork();
    let archive = open(&counted);
    counted.disarm();
    Call::Write.make(&archive, &long).unwrap();
    let operations = counted.disarm();
    for (at, effect) in (0..operations).flat_map(|at| [(at, Effect::Half), (at, Effect::Silent)]) {
        let fault = Fault { at, effect, dead: effect == Effect::Half };
        let files = start.fork();
        let archive = open(&files);
        files.arm(fault);
        let outcome = Call::Write.make(&archive, &long);
        files.disarm();
        assert_only_days(&files, &format!("{fault:?}"));
        files.lose_power(PowerLoss { names: true, contents: true });
        let archive = open(&files);
        let now = read(&archive, DAY);
        assert!(now == new || now == old && outcome.is_err(), "{fault:?}: {outcome:?}");
        Call::Write.make(&archive, &long).unwrap();
        assert!(read(&archive, DAY) == new, "{fault:?}: after the retry");
        assert_eq!(files.names(), [DAY_FILE], "{fault:?}");
    }
}

/// A failed write does not affect later calls on the same handle.
#[test]
fn the_same_handle_succeeds_after_a_full_disk() {
    let files = MemoryFiles::default();
    let archive = open(&files);
    let write = |bars: &[Bar]| Call::Write.make(&archive, bars);
    write(&morning()).unwrap();
    // From the first write on every operation fails, also the removal of the temporary file.
    files.arm(Fault { at: 4, effect: Effect::Half, dead: true });
    let error = write(&late()).unwrap_err();
    assert!(error.to_string().starts_with("bus/archive/1m.work/.2024-02-29."), "{error}");
    assert!(error.to_string().contains(": cannot write: "), "{error}");
    files.disarm();
    assert_eq!(read(&archive, DAY), expected(&morning()));
    assert!(write(&late()).unwrap());
    assert_eq!(files.names(), [DAY_FILE]);
}

/// A read between the steps of a merge sees every bar.
#[test]
fn a_reader_beside_a_dying_merge_sees_every_bar() {
    let start = MemoryFiles::default();
    let archive = open(&start);
    Call::Spill.make(&archive, &morning()).unwrap();
    Call::Spill.make(&archive, &late()).unwrap();
    let all = expected(&[morning(), late()].concat());
    let counted = start.fork();
    let archive = open(&counted);
    counted.disarm();
    Call::Write.make(&archive, &[]).unwrap();
    for at in 0..counted.disarm() {
        let files = start.fork();
        let archive = open(&files);
        files.arm(Fault { at, effect: Effect::Refused, dead: true });
        Call::Write.make(&archive, &[]).unwrap_err();
        files.disarm();
        // Not through `open`, which would remove temporary files first.
        assert_eq!(read(&archive, DAY), all, "died at operation {at}");
    }
}
