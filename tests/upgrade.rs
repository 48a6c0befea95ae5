//! A bus that an earlier version wrote, kept for ever: it goes on with this version, in formats
//! that the earlier version reads.
//!
//! `tests/data/bus-0.1.0` was made by a daemon of version 0.1.0, with a ring of a thousand bars,
//! that was killed on the third of three days. The first two days are archived, the second with
//! late bars. The third is open: its bars are in a part, and the last ones in the ring alone. The
//! ring names a boot that no machine has. `bars.csv` has all bars that the daemon acknowledged.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use barbus_ring::layout::{SB_VERSION, VERSION};
use flate2::read::GzDecoder;

use crate::support::bus::{Bus, Counts, names};
use crate::support::market;
use crate::support::oracle::{self, Published};

const NONE: [&str; 0] = [];
const SYMBOLS: [&str; 3] = ["600000.XSHG", "000001.XSHE", "688001.XSHG"];
const DAYS: [&str; 3] = ["2024-03-04", "2024-03-05", "2024-03-06"];

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/bus-0.1.0").join(name)
}

fn unpacked(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(File::open(kept(name)).expect("it is kept")).read_to_end(&mut bytes).expect("it is whole");
    bytes
}

/// The kept bus, in a folder of its own, and the file with its bars.
fn earlier() -> (Bus, PathBuf) {
    let bus = Bus::made_by(|path| {
        for folder in ["", "archive/1m", "archive/1m.work", "quarantine", "readers"] {
            fs::create_dir_all(path.join(folder)).expect("ours");
        }
        fs::copy(kept("bus.toml"), path.join("bus.toml")).expect("it is kept");
        for folder in ["archive/1m", "archive/1m.work"] {
            for name in names(&kept(folder)) {
                fs::copy(kept(folder).join(&name), path.join(folder).join(&name)).expect("it is kept");
            }
        }
        fs::write(path.join("bars.ring"), unpacked("bars.ring.gz")).expect("ours");
    });
    let bars = bus.write("bars.csv", unpacked("bars.csv.gz"));
    (bus, bars)
}

/// The version of the ring's format that a file states.
fn ring_version(path: &Path) -> u32 {
    let mut version = [0; 4];
    File::open(path).expect("a ring").read_exact_at(&mut version, SB_VERSION as u64).expect("it is long enough");
    u32::from_le_bytes(version)
}

/// Promises 6 to 8 over an upgrade: every acknowledged bar is known and archived once, and the open
/// day goes on. Nothing is in a format that the earlier version would refuse after a roll-back.
#[test]
fn a_bus_of_an_earlier_version_goes_on() {
    let (mut bus, bars) = earlier();
    let rows = fs::read_to_string(&bars).expect("ours").lines().count() as u64 - 1;
    assert_eq!((ring_version(&bus.ring()), VERSION), (1, 1), "keep a bus of the new version beside this one");
    bus.start();
    let stat = bus.stat();
    assert_eq!((&stat["day"], &stat["days_archived"]), (&DAYS[2].into(), &2.into()), "{stat}");
    assert!(stat["parts"].as_u64() > Some(0), "{stat}");
    bus.barbus("verify", NONE).ok();
    assert_eq!(bus.publish(&bars, &[]), Counts { rows, duplicate: rows, ..Counts::default() });

    let next = market::xshg_day(&SYMBOLS, "2024-03-07");
    let next = bus.write("next.csv", market::csv(&next));
    assert_eq!(bus.publish(&next, &[]).quarantined, 0);
    bus.close_day();
    assert_eq!(bus.archived_days(), [DAYS[0], DAYS[1], DAYS[2], "2024-03-07"]);
    oracle::assert_archive(&bus, &Published::XSHG, &[bars, next]);
    bus.barbus("verify", NONE).ok();
    bus.stop();
    assert_eq!(ring_version(&bus.ring()), 1);
    let meta = |day: &str| {
        let archive = barbus::Bus::open(bus.path()).expect("a bus").open_archive();
        archive.meta(day.parse().expect("a day")).expect("a good file").expect("it is there")
    };
    assert!(DAYS.iter().all(|day| meta(day).schema_version == 1));
}

/// A backup of the earlier bus needs its rows, which are complete once a daemon has opened it.
#[test]
fn a_backup_of_a_bus_of_an_earlier_version_is_restored() {
    let (mut bus, bars) = earlier();
    let dir = bus.beside("backup");
    let backup = |bus: &Bus| bus.barbus("backup", [dir.to_str().expect("UTF-8")]);
    backup(&bus).fails(1, &["before the machine was rebooted", "start the daemon"]);
    bus.start();
    backup(&bus).ok();
    let mut restored = Bus::made_by(|path| {
        crate::support::command::run(["restore".as_ref(), dir.as_os_str(), path.as_os_str()]).ok();
    });
    restored.start();
    restored.close_day();
    oracle::assert_archive(&restored, &Published::XSHG, &[bars]);
}

/// After a roll-back, what a later version has written is refused with its version.
#[test]
fn a_ring_of_a_later_version_is_refused() {
    let (bus, _) = earlier();
    let ring = File::options().write(true).open(bus.ring()).expect("ours");
    ring.write_all_at(&(VERSION + 1).to_le_bytes(), SB_VERSION as u64).expect("ours");
    let words = [&format!("ring format version {}", VERSION + 1), "this barbus reads version 1", "use the barbus that"];
    for verb in ["daemon", "tail", "latest"] {
        bus.barbus(verb, NONE).fails(1, &words);
    }
    bus.configure("# path = \"archive/1m\"", "from_a_later_version = 1");
    bus.barbus("daemon", NONE).fails(1, &["unknown key \"from_a_later_version\" in [archive]"]);
}
