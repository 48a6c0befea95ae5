//! Full disks of each file system: the ring is never the reason for a SIGBUS.
//!
//! A store to a mapped page raises SIGBUS where the file system needs a free block for it and has
//! none. Each test mounts a small ext4, xfs, btrfs or tmpfs.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::bus::{Bus, Counts};
use crate::support::disk::{Disk, KINDS, run};
use crate::support::{market, wait};

const NONE: [&str; 0] = [];
const DAYS: [&str; 4] = ["2024-03-04", "2024-03-05", "2024-03-06", "2024-03-07"];
/// Symbols of a small day, and of one that fills more than a megabyte. A full btrfs takes a tenth
/// of a second for each page that is written again.
const FEW: usize = 4;
const MANY: usize = 40;

/// The number of bars of one day.
fn bars(symbols: usize) -> usize {
    240 * symbols
}

/// A bus whose directory is on a disk of this kind, with a ring of `size`. Its archive and its
/// quarantine are on another disk, so that only the ring needs the full one.
fn bus_on(kind: &str, size: &str) -> Option<(Bus, Disk)> {
    let (bus, disk) = Bus::init_on("XSHG", |path| Disk::mount_kind(path, kind))?;
    bus.configure_small_ring();
    bus.configure("size = \"1MB\"", &format!("size = {size:?}"));
    let elsewhere = bus.beside("elsewhere");
    bus.configure("# path = \"archive/1m\"", &format!("path = {:?}", elsewhere.join("archive/1m")));
    fs::create_dir_all(elsewhere.join("quarantine")).expect("ours");
    fs::remove_dir(bus.path().join("quarantine")).expect("empty");
    std::os::unix::fs::symlink(elsewhere.join("quarantine"), bus.path().join("quarantine")).expect("ours");
    Some((bus, disk))
}

fn publish_day(bus: &Bus, symbols: usize, date: &str) -> Counts {
    let symbols: Vec<String> = (0..symbols).map(|number| format!("{number:06}.XSHE")).collect();
    let bars = market::xshg_day(&symbols.iter().map(String::as_str).collect::<Vec<_>>(), date);
    let csv = bus.write(&format!("{date}.csv"), market::csv(&bars));
    bus.publish(&csv, &[])
}

/// The ranges of the ring whose blocks a copy or a snapshot has too, as the kernel lists them.
fn is_shared(ring: &Path) -> bool {
    let listed = Command::new("filefrag").args(["-v", "-s"]).arg(ring).output().expect("e2fsprogs is installed");
    String::from_utf8_lossy(&listed.stdout).contains("shared")
}

/// Promise 6: on a disk without a free byte, every slot of the ring is written several times, the
/// ring is synced meanwhile, and the daemon is killed, stopped and started.
#[test]
fn a_full_disk_stops_neither_bars_nor_a_restart() {
    for kind in KINDS {
        let Some((mut bus, disk)) = bus_on(kind, "256KB") else { continue };
        bus.configure("# sync = \"1s\"", "sync = \"200ms\"");
        bus.start();
        disk.fill();
        for (number, date) in DAYS.into_iter().enumerate() {
            assert_eq!(publish_day(&bus, FEW, date), Counts::all_accepted(bars(FEW)), "{kind}");
            match number {
                0 => bus.kill(),
                1 => bus.stop(),
                _ => continue,
            }
            bus.start();
        }
        let capacity = bus.stat()["blocks"].as_u64().expect("a count") * 64;
        assert!((bars(FEW) * DAYS.len()) as u64 > 2 * capacity, "the ring is too long for this test");
        bus.close_day();
        assert_eq!(bus.stat()["days_archived"], DAYS.len(), "{kind}");
        bus.barbus("verify", NONE).ok();
        bus.stop();
    }
}

/// Another process that is refused learns the pid, although the lock file could not be written.
#[test]
fn the_lock_needs_no_room() {
    let Some((mut bus, disk)) = bus_on("tmpfs", "256KB") else { return };
    bus.start();
    bus.stop();
    fs::remove_file(bus.path().join("lock")).expect("ours");
    disk.fill();
    bus.start();
    let pid = bus.pid().to_string();
    bus.barbus("daemon", NONE).fails(1, &[&pid]);
}

/// A ring that shares its blocks with a copy gets blocks of its own: at the start, and also when
/// the copy is made while the daemon runs.
#[test]
fn a_ring_with_a_reflink_copy_gets_blocks_of_its_own() {
    for kind in ["xfs", "btrfs"] {
        let Some((mut bus, disk)) = bus_on(kind, "8MB") else { continue };
        bus.start();
        publish_day(&bus, MANY, DAYS[0]);
        bus.stop();
        assert!(!is_shared(&bus.ring()), "{kind}");
        let Some(()) = copy(&bus, kind, "first") else { return };
        assert!(is_shared(&bus.ring()), "{kind}");
        bus.start();
        assert!(!is_shared(&bus.ring()), "{kind}: shared at the start");
        copy(&bus, kind, "second").expect("as the first one");
        wait::until("blocks of its own", || (!is_shared(&bus.ring())).then_some(()));
        disk.fill();
        for date in &DAYS[1..] {
            assert_eq!(publish_day(&bus, FEW, date), Counts::all_accepted(bars(FEW)), "{kind}");
        }
        bus.close_day();
        bus.barbus("verify", NONE).ok();
        bus.stop();

        // Without room the ring is refused, and the bars are not at risk. The megabyte that the
        // daemon keeps for a restart is not enough.
        disk.free();
        copy(&bus, kind, "third").expect("as the first one");
        disk.fill();
        bus.barbus("daemon", NONE).fails(1, &["bars.ring", "the disk has no room", "make room, or remove the copy"]);
        disk.free();
        bus.start();
        assert_eq!(publish_day(&bus, FEW, DAYS[3]).duplicate, bars(FEW) as u64, "{kind}");
    }
}

/// Makes a copy of the ring that shares its blocks: a reflink, or on btrfs a snapshot of the disk.
fn copy(bus: &Bus, kind: &str, name: &str) -> Option<()> {
    let copy = bus.path().join(name);
    match kind {
        "btrfs" => run(Command::new("btrfs").args(["subvolume", "snapshot"]).arg(bus.path()).arg(copy)),
        _ => run(Command::new("cp").arg("--reflink=always").arg(bus.ring()).arg(copy)),
    }
}

/// A ring that was copied back on btrfs would need a free block for each store. The daemon copies
/// it to a file that does not, with every bar; attached readers go on.
#[test]
fn a_ring_with_copy_on_write_is_copied_or_refused() {
    let Some((mut bus, disk)) = bus_on("btrfs", "8MB") else { return };
    bus.start();
    publish_day(&bus, MANY, DAYS[0]);
    bus.stop();
    let copied = bus.ring().with_extension("copied");
    fs::copy(bus.ring(), &copied).expect("ours");
    fs::rename(&copied, bus.ring()).expect("ours");
    fs::set_permissions(bus.ring(), std::os::unix::fs::PermissionsExt::from_mode(0o640)).expect("ours");
    disk.fill();
    bus.barbus("daemon", NONE).fails(1, &["bars.ring", "No space left"]);
    disk.free();
    bus.start();
    disk.fill();
    assert_eq!(publish_day(&bus, MANY, DAYS[0]).duplicate, bars(MANY) as u64);
    for date in &DAYS[1..] {
        assert_eq!(publish_day(&bus, FEW, date), Counts::all_accepted(bars(FEW)));
    }
    bus.close_day();
    bus.barbus("verify", NONE).ok();
}
