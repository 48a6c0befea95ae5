//! Processes that hold all of the ring: producers do not wait for them, and the disk stays free.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use barbus::{Reader, Start, View};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use crate::support::bus::{Bus, Counts};
use crate::support::command::Running;
use crate::support::disk::Disk;
use crate::support::market;
use crate::support::oracle::{self, Published};
use crate::support::wait;

const BARS: Published<'static> = Published { market: "24x7", label: "end", price: "double" };
const SYMBOLS: [&str; 8] = ["A", "B", "C", "D", "E", "F", "G", "H"];

/// Environment variables of the child process: its bus and its role.
const CHILD_BUS: &str = "BARBUS_TEST_HELD";
const CHILD_ROLE: &str = "BARBUS_TEST_HELD_ROLE";

/// A process that holds what it can, with the role `keep` or `lock`.
fn holder(bus: &Bus, role: &str) -> Running {
    let mut child = Command::new(std::env::current_exe().expect("a test program"));
    child.args(["--exact", "held_rings::child", "--nocapture", "--test-threads", "1"]);
    child.env(CHILD_BUS, bus.path()).env(CHILD_ROLE, role);
    let child = Running::start(&mut child, false);
    wait::until("the holder at work", || child.output_has("at work").then_some(()));
    child
}

/// The child process; it does nothing if the environment variables are not set.
#[test]
fn child() {
    let (Some(bus), Ok(role)) = (std::env::var_os(CHILD_BUS), std::env::var(CHILD_ROLE)) else { return };
    set_pdeathsig(Signal::SIGKILL).expect("a process may wish to die");
    println!("at work");
    std::io::stdout().flush().expect("a pipe");
    match role.as_str() {
        // What a program does that appends everything to a list.
        "keep" => {
            let mut reader = Reader::open(bus).expect("a bus").name("keeper").start_at(Start::Oldest).expect("a start");
            let mut kept: Vec<View> = Vec::new();
            loop {
                kept.extend(reader.views().map(|view| view.expect("a ring")));
                reader.poll().expect("a ring");
                reader.wait(Duration::from_millis(10)).expect("a ring");
            }
        }
        // A process that obeys no rule: it locks every byte of each ring.
        _ => {
            let ring = Path::new(&bus).join("bars.ring");
            let mut locked: Vec<(u64, File)> = Vec::new();
            loop {
                let file = File::open(&ring).expect("a ring");
                let found = file.metadata().expect("a ring");
                if !locked.iter().any(|(inode, _)| *inode == found.ino()) {
                    for at in (0..found.len() as i64).step_by(4096) {
                        let _ = lock_shared(&file, at, 4096);
                    }
                    locked.push((found.ino(), file));
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

fn lock_shared(file: &File, start: i64, len: i64) -> nix::Result<i32> {
    let lock = nix::libc::flock {
        l_type: nix::libc::F_RDLCK as i16,
        l_whence: nix::libc::SEEK_SET as i16,
        l_start: start,
        l_len: len,
        l_pid: 0,
    };
    nix::fcntl::fcntl(file, nix::fcntl::FcntlArg::F_OFD_SETLK(&lock))
}

/// Publishes `days` days; two of them are about as large as the ring. Returns the files.
fn publish_days(bus: &Bus, first: u32, days: u32) -> Vec<std::path::PathBuf> {
    let files = (first..first + days).map(|day| {
        let bars = market::minutes(&SYMBOLS, &format!("2024-03-{day:02}T00:01:00Z"), 300);
        let file = bus.write(&format!("{day}.csv"), market::csv(&bars));
        assert_eq!(bus.publish(&file, &[]), Counts::all_accepted(bars.len()));
        file
    });
    files.collect()
}

/// A program that appends all bars to a list does not cost the others the ring: it is not replaced,
/// and nobody waits.
#[test]
fn a_program_that_keeps_everything_holds_a_quarter_of_the_ring() {
    let mut bus = Bus::init("24x7");
    bus.configure_small_ring();
    bus.start();
    let blocks = bus.stat()["blocks"].as_u64().expect("a count");
    let keepers = [holder(&bus, "keep"), holder(&bus, "keep")];
    let files = publish_days(&bus, 4, 6);
    let stat = bus.stat();
    assert_eq!((&stat["rings_replaced"], &stat["rings_held"]), (&0.into(), &0.into()), "{stat}");
    wait::until("two readers with their share", || {
        let readers = bus.barbus("readers", ["--format", "json"]).json_lines();
        (readers.len() == 2 && readers.iter().all(|reader| reader["pins"] == blocks / 4)).then_some(())
    });
    drop(keepers);
    bus.close_day();
    oracle::assert_archive(&bus, &BARS, &files);
}

/// Promises 2 and 7: a process that locks every ring stops no producer and does not fill the disk.
/// The log names what happened once, `stat` shows it, and all is well when the process has ended.
#[test]
fn a_process_that_locks_every_ring_neither_stops_producers_nor_fills_the_disk() {
    let mut bus = Bus::init("24x7");
    bus.configure_small_ring();
    bus.configure("# held_rings = 4", "held_rings = 1000");
    let Some(disk) = Disk::mount(bus.path().join("archive"), "64m") else { return };
    // The ring and the archive share a small disk.
    let ring = disk.path.join("bars.ring");
    bus.configure("# path = \"bars.ring\"", &format!("path = {ring:?}"));
    std::os::unix::fs::symlink(&ring, bus.ring()).expect("for the holder");
    bus.start();
    let size = std::fs::metadata(&ring).expect("a ring").len();
    let room = File::create(disk.path.join("room")).expect("a file");
    room.set_len(0).expect("a file");
    // Room for about six rings.
    let filler = vec![0; (64 << 20) - 7 * size as usize];
    (&room).write_all(&filler).expect("the disk has room");
    let locker = holder(&bus, "lock");
    let files = publish_days(&bus, 1, 20);
    let stat = bus.stat();
    let held = stat["rings_held"].as_u64().expect("a count");
    assert!((1..=5).contains(&held), "{stat}");
    assert_eq!((&stat["ring_in_reserve"], &stat["rings_replaced"]), (&true.into(), &held.into()), "{stat}");
    assert_eq!(stat["rings_held_bytes"], held * size);
    let table = bus.barbus("stat", [] as [&str; 0]).ok();
    assert!(table.contains("rings replaced") && table.contains("the writer uses its reserve"), "{table}");
    wait::until("the log", || bus.log().contains("goes on in its reserve").then_some(()));
    let log = bus.log();
    assert_eq!(log.matches("ring replaced: readers hold").count() as u64, held, "{log}");
    assert!(log.contains("no listed reader") && log.contains("the disk of the ring has"), "{log}");

    drop(locker);
    let more = publish_days(&bus, 21, 4);
    wait::until("the space of the rings", || (bus.stat()["rings_held"] == 0).then_some(()));
    assert_eq!(bus.stat()["ring_in_reserve"], false);
    assert!(bus.log().contains("readers have released blocks"), "{}", bus.log());
    bus.close_day();
    oracle::assert_archive(&bus, &BARS, &[files, more].concat());
}
