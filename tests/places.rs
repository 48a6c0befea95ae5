//! The places of a bus: two buses never write one, and none that another user could change is used.
//!
//! Files of another user are made by `chown`, which needs root; without it those tests report that
//! they are skipped.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::support::bus::{Bus, Counts};
use crate::support::{market, wait};

const NONE: [&str; 0] = [];
/// A user that no system has.
const STRANGER: u32 = 61_234;

fn bars(bus: &Bus, symbol: &str) -> PathBuf {
    bus.write(&format!("{symbol}.csv"), market::csv(&market::minutes(&[symbol], "2024-03-04T01:31:00Z", 5)))
}

fn set_path(bus: &Bus, default: &str, path: &Path) {
    bus.configure(&format!("# path = {default:?}"), &format!("path = {path:?}"));
}

/// Promise 6: two buses that write one ring would overwrite each other's acknowledged bars. The
/// second is refused with the first one's process and bus, whatever path leads to the ring.
#[test]
fn a_ring_has_one_writer_whatever_the_path() {
    let first = Bus::running("XSHG");
    let second = Bus::init("XSHG");
    set_path(&second, "bars.ring", &first.ring());
    let (pid, path) = (first.pid().to_string(), first.path().canonicalize().expect("it is there"));
    let expected = [&pid, path.to_str().expect("UTF-8"), "bars.ring"];
    second.barbus("daemon", NONE).fails(1, &expected);

    // Another name of the same file.
    let third = Bus::init("XSHG");
    fs::hard_link(first.ring(), third.ring()).expect("one file system");
    third.barbus("daemon", NONE).fails(1, &[&pid, path.to_str().expect("UTF-8")]);

    // The same bus, whose lock file somebody has removed.
    fs::remove_file(first.path().join("lock")).expect("ours");
    first.barbus("daemon", NONE).fails(1, &[&pid, "has a writer already"]);

    let csv = bars(&first, "600000.XSHG");
    assert_eq!(first.publish(&csv, &[]), Counts::all_accepted(5));
    first.close_day();
    assert_eq!(first.archived_days(), ["2024-03-04"]);
    first.barbus("verify", NONE).ok();
}

/// Promise 7: of two buses with one archive, each would write days without the bars of the other.
#[test]
fn an_archive_and_a_quarantine_belong_to_one_bus() {
    let first = Bus::running("XSHG");
    let (pid, path) = (first.pid().to_string(), first.path().canonicalize().expect("it is there"));
    let expected = [&pid, path.to_str().expect("UTF-8")];

    let second = Bus::init("XSHG");
    set_path(&second, "archive/1m", &first.archive());
    second.barbus("daemon", NONE).fails(1, &expected);

    let third = Bus::init("XSHG");
    let quarantine = third.path().join("quarantine");
    fs::remove_dir_all(&quarantine).expect("ours");
    symlink(first.path().join("quarantine"), &quarantine).expect("ours");
    third.barbus("daemon", NONE).fails(1, &expected);
}

/// A directory that has another purpose is no archive, and nothing is written to it.
#[test]
fn an_archive_in_a_directory_of_other_files_is_refused() {
    let other = tempfile::tempdir().expect("a temporary directory");
    fs::write(other.path().join("letters.txt"), "").expect("ours");
    for (path, why) in [
        ("/", "the bus itself is in it"),
        (".", "the bus itself is in it"),
        ("..", "the bus itself is in it"),
        ("/etc", "it has other files"),
        ("readers", "it is in the readers' folder"),
        ("quarantine/days", "it is in the quarantine"),
        (other.path().to_str().expect("UTF-8"), "such as letters.txt, and no day"),
    ] {
        let bus = Bus::init("XSHG");
        set_path(&bus, "archive/1m", Path::new(path));
        bus.barbus("daemon", NONE).fails(1, &["bus.toml: archive.path: ", why]);
    }
    assert_eq!(fs::read_dir(other.path()).expect("ours").count(), 1);
    assert!(!Path::new("/etc.work").exists() && !Path::new("/.work").exists());

    // A stray file among days does no harm.
    let mut bus = Bus::running("XSHG");
    let csv = bars(&bus, "600000.XSHG");
    bus.publish(&csv, &[]);
    bus.close_day();
    fs::write(bus.archive().join("notes.txt"), "").expect("ours");
    bus.stop();
    bus.start();
}

/// Promise 9: a file that another user could change is refused, with the reason, before a byte of
/// it is used. Its owner could rewrite the prices, or end the daemon by truncating it.
#[test]
fn a_ring_of_another_user_is_refused() {
    let mut bus = Bus::running("XSHG");
    let csv = bars(&bus, "600000.XSHG");
    bus.publish(&csv, &[]);
    bus.stop();
    let ring = bus.ring();
    let mode = |mode| fs::set_permissions(&ring, Permissions::from_mode(mode)).expect("ours");
    let refused = |words: &[&str]| {
        for verb in ["daemon", "tail", "stat", "verify"] {
            bus.barbus(verb, NONE).fails(1, words);
        }
    };
    for wrong in [0o660, 0o646] {
        mode(wrong);
        refused(&["bars.ring: refused: its mode ", "lets other users write it: chmod go-w"]);
    }
    mode(0o640);

    // The link could lead to the ring of another bus, or be changed meanwhile.
    let elsewhere = bus.beside("elsewhere.ring");
    fs::rename(&ring, &elsewhere).expect("ours");
    symlink(&elsewhere, &ring).expect("ours");
    refused(&["bars.ring", "it is a symbolic link"]);
    fs::remove_file(&ring).expect("ours");
    fs::rename(&elsewhere, &ring).expect("ours");

    if chown(&ring, Some(STRANGER), None).is_err() {
        return println!("skipped: changing owners needs root");
    }
    let owner = format!("it belongs to user {STRANGER}");
    refused(&["bars.ring: refused: ", &owner]);
    chown(&ring, Some(0), None).expect("root may");
    bus.start();
    assert_eq!(bus.publish(&csv, &[]).duplicate, 5);
}

/// What another user lays beside a ring on a shared file system does not keep the daemon from
/// starting, and stays.
#[test]
fn names_beside_the_ring_cannot_be_taken() {
    let shared = tempfile::tempdir().expect("a temporary directory");
    for directory in [false, true] {
        let ring = shared.path().join(format!("{directory}.ring"));
        let squatted = shared.path().join(format!("{directory}.ring.new"));
        match directory {
            true => fs::create_dir(&squatted).expect("ours"),
            false => symlink("/etc/passwd", &squatted).expect("ours"),
        }
        // As a crash leaves it.
        let abandoned = shared.path().join(format!("{directory}.ring.new-0123456789abcdef"));
        fs::write(&abandoned, "half a ring").expect("ours");
        let mut bus = Bus::init("XSHG");
        set_path(&bus, "bars.ring", &ring);
        bus.start();
        let csv = bars(&bus, "600000.XSHG");
        assert_eq!(bus.publish(&csv, &[]), Counts::all_accepted(5));
        assert!(squatted.symlink_metadata().is_ok() && !abandoned.exists());
    }
}

/// The directories and the lock are checked before anything in them is written.
#[test]
fn a_bus_that_others_may_change_is_refused() {
    let mut bus = Bus::running("XSHG");
    bus.stop();
    let target = bus.write("precious", "precious");
    let lock = bus.path().join("lock");
    fs::remove_file(&lock).expect("ours");
    symlink(&target, &lock).expect("ours");
    bus.barbus("daemon", NONE).fails(1, &["lock", "it is a symbolic link"]);
    assert_eq!(fs::read(&target).expect("ours"), b"precious");
    fs::remove_file(&lock).expect("ours");

    for folder in [bus.path(), bus.archive(), bus.archive().with_file_name("1m.work")] {
        let mode = |mode| fs::set_permissions(&folder, Permissions::from_mode(mode)).expect("ours");
        mode(0o757);
        let path = folder.to_str().expect("UTF-8");
        bus.barbus("daemon", NONE).fails(1, &[path, "its mode 0757 lets other users write it: chmod o-w"]);
        mode(0o750);
    }
    if chown(bus.archive(), Some(STRANGER), None).is_err() {
        return println!("skipped: changing owners needs root");
    }
    let owner = format!("it belongs to user {STRANGER}");
    bus.barbus("daemon", NONE).fails(1, &["archive/1m: refused: ", &owner]);
    chown(bus.archive(), Some(0), None).expect("root may");
    bus.start();
}

/// Promise 2: a reader that locks the whole ring does not keep its writer from starting.
#[test]
fn a_lock_of_a_reader_does_not_stop_the_writer() {
    let mut bus = Bus::running("XSHG");
    bus.stop();
    let ring = fs::File::open(bus.ring()).expect("ours");
    let whole = libc::flock {
        l_type: libc::F_RDLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&ring, FcntlArg::F_OFD_SETLK(&whole)).expect("nobody has a lock");
    bus.start();
    wait::until("the warning", || bus.log().contains("has locked all of it").then_some(()));
    let csv = bars(&bus, "600000.XSHG");
    assert_eq!(bus.publish(&csv, &[]), Counts::all_accepted(5));
}
