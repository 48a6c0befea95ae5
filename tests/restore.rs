//! `barbus backup` and `barbus restore`: of a bus under load, killed, damaged, on a full disk.
//!
//! `BARBUS_COPIES` sets the number of backups under load (3), `BARBUS_KILLS` that of killed backups
//! (12), `BARBUS_SEED` the moments of the kills.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, TimestampMillisecondType};
use barbus::{Bus as BusDirectory, Publisher};
use barbus_archive::Archive;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::bus::{Bus, Counts, names};
use crate::support::command::{self, Finished, Running};
use crate::support::disk::Disk;
use crate::support::market::{self, Bar};
use crate::support::{producer, random, wait};

const NONE: [&str; 0] = [];
const SYMBOLS: [&str; 4] = ["A", "B", "C", "D"];
/// New bars of a batch: eleven hours of four symbols, so that a day closes every second or third
/// batch.
const NEW_BARS: usize = 660 * SYMBOLS.len();
/// Revisions of a batch, half of them of a day that is closed.
const REVISIONS: usize = 20;

/// The bars of a bus, by symbol and frame, with the close of the last revision.
type Bars = HashMap<(String, i64), f64>;

fn backup(bus: &Bus, dir: &Path) -> Finished {
    bus.barbus("backup", [dir.to_str().expect("UTF-8"), "--format", "json"])
}

fn verify(path: &Path) -> Finished {
    command::run(["verify".as_ref(), path.as_os_str()])
}

/// The backup in `dir` as a bus.
fn restore(dir: &Path) -> Bus {
    Bus::made_by(|path| {
        let report = command::run(["restore".as_ref(), dir.as_os_str(), path.as_os_str()]).ok();
        assert!(report.contains("barbusd"), "{report}");
    })
}

/// Batch `number`: new bars, and revisions of earlier ones with a higher close.
fn batch(bars: &[Bar], number: usize) -> Vec<Bar> {
    let mut batch = bars[number * NEW_BARS..(number + 1) * NEW_BARS].to_vec();
    let revised = |at: usize| {
        let bar = bars[at].clone();
        let close = bar.close + 1_000.0 * number as f64;
        Bar { close, high: close + 1.0, ..bar }
    };
    if number > 0 {
        let (near, far) = ((number - 1) * NEW_BARS, number / 2 * NEW_BARS);
        batch.extend((0..REVISIONS / 2).flat_map(|i| [revised(near + i), revised(far + 100 + i)]));
    }
    batch
}

/// The bars after the first `batches` batches.
fn state(bars: &[Bar], batches: usize) -> Bars {
    let all = (0..batches).flat_map(|number| batch(bars, number));
    all.map(|bar| ((bar.symbol, bar.frame.as_millisecond()), bar.close)).collect()
}

/// Every bar in the archive of `bus`.
fn archived(bus: &Bus) -> Bars {
    let directory = BusDirectory::open(bus.path()).expect("a bus");
    let archive = Archive::open_existing(bus.archive(), directory.settings().schema.clone(), "24x7");
    let mut found = Bars::new();
    for day in archive.days().expect("the archive can be listed") {
        let (_, rows) = archive.read(day).expect("the file is good").expect("the day was listed");
        let symbols = rows.column(0).as_string::<i32>();
        let frames = rows.column(1).as_primitive::<TimestampMillisecondType>();
        let closes = rows.column(5).as_primitive::<Float64Type>();
        for ((symbol, frame_ms), close) in symbols.iter().zip(frames.values()).zip(closes.values()) {
            let key = (symbol.expect("every row has one").to_owned(), *frame_ms);
            assert!(found.insert(key, *close).is_none(), "a bar is there twice");
        }
    }
    found
}

/// Promises 6 to 8: a backup of a bus with closes, late bars and revisions has every bar that was
/// acknowledged before it began, in that revision or a later one. Published again, only the bars
/// that it lacks are new.
#[test]
fn a_backup_under_load_has_every_bar_acknowledged_before() {
    let copies = random::setting("BARBUS_COPIES", 3);
    let mut bus = Bus::init("24x7");
    bus.configure_small_ring();
    bus.configure("# late = \"5s\"", "late = \"50ms\"");
    bus.start();
    let dir = bus.beside("backup");
    let bars = market::minutes(&SYMBOLS, "2024-03-04T00:01:00Z", 400 * 1_440);
    let (sent, writes, over) = (AtomicUsize::new(0), AtomicBool::new(true), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let directory = BusDirectory::open(bus.path()).expect("a bus");
            let mut publisher = Publisher::connect(&directory).expect("the daemon listens");
            for number in 0..bars.len() / NEW_BARS {
                while !writes.load(Ordering::Acquire) && !over.load(Ordering::Acquire) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                if over.load(Ordering::Acquire) {
                    return;
                }
                publisher.send(&producer::batch(&batch(&bars, number))).expect("an acknowledgement");
                sent.store(number + 1, Ordering::Release);
            }
            panic!("every bar was sent before the last backup was checked");
        });
        // Also where an assertion fails: the publisher would be waited for.
        let _end = OnDrop(|| over.store(true, Ordering::Release));
        for number in 0..copies {
            let before = sent.load(Ordering::Acquire);
            wait::until("more bars", || (sent.load(Ordering::Acquire) > before + 2).then_some(()));
            let certain = sent.load(Ordering::Acquire);
            let report = backup(&bus, &dir).json();
            writes.store(false, Ordering::Release);
            assert_eq!(report["damaged"], serde_json::json!([]), "{report}");
            verify(&dir).ok();
            check(restore(&dir), &bars, certain, sent.load(Ordering::Acquire) + 1, number);
            writes.store(true, Ordering::Release);
        }
    });
}

/// Calls a function when it is dropped.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Checks a restored bus: `certain` batches were acknowledged before the backup, and at most `sent`
/// were sent before its end.
fn check(mut restored: Bus, bars: &[Bar], certain: usize, sent: usize, number: u64) {
    // The days are written again once, and not for each batch that is published again.
    restored.configure("late = \"50ms\"", "late = \"1h\"");
    restored.start();
    restored.barbus("verify", NONE).ok();
    restored.close_day();
    let found = archived(&restored);
    for (key, close) in state(bars, certain) {
        let revision = found.get(&key);
        assert!(revision.is_some_and(|found| *found >= close), "backup {number}: {key:?} {close}, found {revision:?}");
    }
    let all = state(bars, sent);
    let missing = all.keys().filter(|key| !found.contains_key(*key)).count() as u64;
    assert!(found.keys().all(|key| all.contains_key(key)), "backup {number} has a bar that nobody sent");
    let directory = BusDirectory::open(restored.path()).expect("a bus");
    let mut publisher = Publisher::connect(&directory).expect("the daemon listens");
    let mut accepted = 0;
    for number in 0..sent {
        accepted += publisher.send(&producer::batch(&batch(bars, number))).expect("an acknowledgement").accepted;
    }
    assert_eq!(accepted, missing, "backup {number}");
    restored.close_day();
    assert_eq!(archived(&restored), all, "backup {number}");
    restored.barbus("verify", NONE).ok();
}

/// A bus with three archived days and an open one, whose 20 bars are in the ring alone.
fn four_days() -> Bus {
    let bus = Bus::running("XSHG");
    for day in ["2024-03-04", "2024-03-05", "2024-03-06"] {
        publish(&bus, day, 1);
    }
    bus.close_day();
    publish(&bus, "2024-03-07", 1);
    bus
}

fn publish(bus: &Bus, day: &str, minute: u32) {
    let bars = market::minutes(&SYMBOLS[..2], &format!("{day}T01:{}:00Z", 30 + minute), 10);
    assert_eq!(bus.publish(&bus.write("bars.csv", market::csv(&bars)), &[]), Counts::all_accepted(20), "{day}");
}

/// The one tree of a backup.
fn tree(dir: &Path) -> PathBuf {
    let trees: Vec<String> = names(dir).into_iter().filter(|name| name.starts_with("tree-")).collect();
    let [tree] = &trees[..] else { panic!("trees: {trees:?}") };
    dir.join(tree)
}

/// A further backup copies what has changed, and a damaged file of the bus does not take the place
/// of the good one.
#[test]
fn a_further_backup_copies_only_what_has_changed() {
    let bus = four_days();
    // High below low: quarantined.
    bus.publish(&bus.write("bad.csv", "symbol,frame,open,high,low,close,volume\nA,2024-03-07 09:45,10,1,9,10,1\nA,2024-03-07 09:46,10,11,9,10,1\n"), &[]);
    fs::create_dir(bus.path().join("calendar.d")).expect("ours");
    fs::write(bus.path().join("calendar.d/mine.toml"), "name = \"MINE\"\npreset = \"XSHG\"\n").expect("ours");
    let dir = bus.beside("backup");
    let first = backup(&bus, &dir).json();
    assert_eq!((&first["days"], &first["bars_of_ring"]), (&Value::from(3), &Value::from(21)), "{first}");
    assert_eq!(first["files"], first["files_copied"]);
    let second = backup(&bus, &dir).json();
    assert_eq!((&second["files"], &second["files_copied"]), (&first["files"], &Value::from(1)), "{second}");
    publish(&bus, "2024-03-05", 11);
    bus.wait_archived();
    let third = backup(&bus, &dir).json();
    assert_eq!(third["files_copied"], 2, "the day and the rows of the ring: {third}");
    assert_eq!(tree(&dir), PathBuf::from(third["tree"].as_str().expect("a path")));

    let day = bus.archive().join("2024-03-05.parquet");
    let good = fs::read(&day).expect("it is there");
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    fs::write(&day, bad).expect("ours");
    backup(&bus, &dir).fails(1, &["2024-03-05.parquet: damaged", "keeps the file of before"]);
    let mut restored = restore(&dir);
    assert_eq!(fs::read(restored.archive().join("2024-03-05.parquet")).expect("it is there"), good);
    assert_eq!(restored.quarantine(), bus.quarantine());
    assert!(restored.path().join("calendar.d/mine.toml").exists());
    restored.start();
    assert_eq!(restored.stat()["day"], "2024-03-07");
    let bars = market::minutes(&SYMBOLS[..2], "2024-03-07T01:31:00Z", 20);
    let again = restored.publish(&restored.write("bars.csv", market::csv(&bars)), &[]);
    assert_eq!((again.duplicate, again.accepted, again.revised), (20, 19, 1), "{again:?}");
    restored.barbus("verify", NONE).ok();
}

/// Promise 9: what is no whole backup is refused, with the name of the file, and nothing is left.
#[test]
fn a_backup_that_is_not_whole_is_refused() {
    let bus = four_days();
    let dir = bus.beside("backup");
    let target = bus.beside("target");
    let restore_fails = |words: &[&str]| {
        let restored = command::run(["restore".as_ref(), dir.as_os_str(), target.as_os_str()]);
        restored.fails(1, words);
        assert!(!target.exists(), "a failed restore leaves something");
    };
    restore_fails(&["no manifest.json", "barbus backup"]);
    backup(&bus, &dir).ok();
    let file = tree(&dir).join("archive/1m/2024-03-05.parquet");
    let good = fs::read(&file).expect("it is there");
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    fs::write(&file, &bad).expect("ours");
    restore_fails(&["2024-03-05.parquet", "checksum"]);
    verify(&dir).fails(1, &["2024-03-05.parquet", "checksum"]);
    fs::remove_file(&file).expect("ours");
    restore_fails(&["2024-03-05.parquet", "missing"]);
    verify(&dir).fails(1, &["2024-03-05.parquet", "missing"]);
    fs::write(&file, &good).expect("ours");
    verify(&dir).ok();
    let manifest = dir.join("manifest.json");
    let text = fs::read_to_string(&manifest).expect("it is there");
    fs::write(&manifest, text.replacen("\"format\": 1", "\"format\": 2", 1)).expect("ours");
    restore_fails(&["a backup of format 2", "reads 1"]);
    fs::write(&manifest, text.replacen("archive/1m/", "../", 1)).expect("ours");
    restore_fails(&["manifest.json", "leads out"]);
    fs::write(&manifest, &text[..text.len() / 2]).expect("ours");
    restore_fails(&["manifest.json", "damaged"]);
    backup(&bus, &dir).fails(1, &["manifest.json", "damaged"]);
    fs::write(&manifest, text).expect("ours");

    // Places that are in use.
    let path = |path: PathBuf| path.display().to_string();
    let in_use = command::run(["restore", &path(dir.clone()), &path(bus.path())]);
    in_use.fails(1, &["not empty"]);
    bus.barbus("backup", [path(bus.path().join("backup"))]).fails(1, &["it is in the bus"]);
    bus.barbus("backup", [path(bus.beside("."))]).fails(1, &["other files"]);
    Bus::running("XSHG").barbus("backup", [path(dir.clone())]).fails(1, &["has the backup of the bus"]);
    // An archive that is not mounted looks like one without days.
    wait::until("the note that there are days", || bus.path().join("archived").exists().then_some(()));
    fs::rename(bus.archive(), bus.beside("unmounted")).expect("ours");
    bus.barbus("backup", [path(dir.clone())]).fails(1, &["mount its volume"]);
    verify(&dir).ok();
}

/// A backup that is killed leaves the one before whole, and the next one goes on.
#[test]
fn a_killed_backup_leaves_the_one_before() {
    let kills = random::setting("BARBUS_KILLS", 12);
    let mut random = random::Random::seeded(random::seed("BARBUS_SEED"));
    let bus = four_days();
    let dir = bus.beside("backup");
    backup(&bus, &dir).ok();
    let took = std::time::Instant::now();
    backup(&bus, &dir).ok();
    let took = took.elapsed().as_micros() as u64;
    for kill in 0..kills {
        // Every file is new to the next backup.
        for name in names(&bus.archive()) {
            let path = bus.archive().join(&name);
            let copy = bus.beside("copy");
            fs::copy(&path, &copy).and_then(|_| fs::rename(&copy, &path)).expect("ours");
        }
        let running = Running::start(command::barbus().arg("backup").arg(bus.path()).arg(&dir), false);
        std::thread::sleep(Duration::from_micros(random.below(took)));
        running.signal(Signal::SIGKILL);
        running.finish();
        let verified = verify(&dir);
        assert!(verified.status.success(), "kill {kill}: {verified}");
    }
    let mut restored = restore(&dir);
    restored.start();
    restored.close_day();
    assert_eq!(restored.archived_days(), ["2024-03-04", "2024-03-05", "2024-03-06", "2024-03-07"]);
    backup(&bus, &dir).ok();
    assert!(names(&dir).iter().all(|name| !name.ends_with(".new")), "{:?}", names(&dir));
    tree(&dir);
}

/// A full disk is an error that names it; the backup before stays.
#[test]
fn a_full_disk_leaves_the_backup_before() {
    let bus = four_days();
    let volume = bus.beside("volume");
    fs::create_dir(&volume).expect("ours");
    let Some(disk) = Disk::mount(volume.clone(), "1m") else { return };
    let dir = volume.join("backup");
    backup(&bus, &dir).ok();
    disk.fill();
    publish(&bus, "2024-03-07", 11);
    backup(&bus, &dir).fails(1, &["No space left on device"]);
    verify(&dir).ok();
    tree(&dir);
    disk.free();
    assert_eq!(backup(&bus, &dir).json()["bars_of_ring"], 40);
}
