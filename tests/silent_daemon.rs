//! A daemon that is stopped, that is starting, or that runs in another pid namespace: what the
//! commands say of it, and that none of them hangs.

use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::bus::Bus;
use crate::support::command::{self, Running};
use crate::support::{market, wait};

const NONE: [&str; 0] = [];
/// Much more than a few time limits of half a second on a slow machine.
const SOON: Duration = Duration::from_secs(60);

fn csv(bus: &Bus, minutes: i64) -> std::path::PathBuf {
    bus.write("bars.csv", market::csv(&market::minutes(&["600000.XSHG"], "2024-03-04T01:31:00Z", minutes)))
}

#[test]
fn a_stopped_daemon_is_named_and_the_files_answer() {
    let bus = Bus::running("XSHG");
    let csv = csv(&bus, 5);
    bus.barbus("publish", [&csv]).ok();
    bus.signal(Signal::SIGSTOP);
    wait::until_stopped(bus.pid());
    let stopped = format!("the daemon, process {}, is stopped: to let it go on, run: kill -CONT {0}", bus.pid());
    let begun = Instant::now();
    let limit = ["--timeout", "0.5"];

    let stat = bus.barbus("stat", limit);
    assert!(stat.stdout.contains(&format!("!! {stopped}")) && stat.stdout.contains("2024-03-04"), "{stat}");
    stat.fails(1, &[&stopped, "the figures are those of the files"]);
    let json = bus.barbus("stat", ["--timeout", "0.5", "--format", "json"]);
    assert!(json.stdout.contains(r#""bars":5,"#), "{}", json.stdout);
    bus.barbus("close-day", limit).fails(1, &[&stopped, "2024-03-04 was not closed, it is still open"]);
    bus.barbus("withdraw", ["--timeout", "0.5", "--day", "2024-03-01"]).fails(1, &[&stopped]);
    let csv = csv.to_str().expect("UTF-8");
    bus.barbus("publish", ["--timeout", "0.5", csv]).fails(1, &[&stopped]);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());

    bus.signal(Signal::SIGCONT);
    bus.barbus("stat", NONE).ok();
    bus.barbus("close-day", NONE).ok();
    assert_eq!(bus.archived_days(), ["2024-03-04"]);
}

/// README's two lines, pasted together.
#[test]
fn a_daemon_that_is_starting_is_waited_for() {
    let bus = Bus::init("XSHG");
    let csv = csv(&bus, 5);
    let mut shell = Command::new("sh");
    // The daemon starts after a second, when the wait is announced.
    shell.arg("-c").arg(
        r#""$0" publish "$1" "$2" & publish=$!; sleep 1.5; "$0" daemon "$1" & daemon=$!
           wait $publish; code=$?; kill $daemon; wait $daemon; exit $code"#,
    );
    let barbus = command::barbus();
    shell.arg(barbus.get_program()).arg(bus.path()).arg(&csv).env("TZ", "UTC").env("BARBUS_CALENDARS", "/nonexistent");
    let both = command::finish(&mut shell, None);
    assert!(both.status.success(), "{both}");
    assert!(both.stdout.contains('5'), "{}", both.stdout);
    let waits =
        format!("no daemon is running: waiting 10 s for one; to start one, run: barbusd {}", bus.path().display());
    assert!(both.stderr.contains(&waits), "{}", both.stderr);
}

#[test]
fn a_wait_for_a_daemon_ends_with_the_command_that_starts_one() {
    let bus = Bus::init("XSHG");
    let csv = csv(&bus, 1);
    let csv = csv.to_str().expect("UTF-8");
    let start = format!("start one with: barbusd {}", bus.path().display());
    let at_once = bus.barbus("publish", ["--wait", "0", csv]);
    assert!(!at_once.stderr.contains("waiting"), "{at_once}");
    at_once.fails(1, &["no daemon is running", &start]);
    bus.barbus("publish", ["--wait", "1.2", csv]).fails(1, &["waiting 1.2 s", &start]);
    bus.barbus("publish", ["--wait=-1", csv]).fails(2, &["--wait"]);
}

/// A number of another pid namespace names no process here, or a wrong one.
#[test]
fn a_process_of_another_pid_namespace_is_shown_as_such() {
    let unshare = |program: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--pid", "--fork", "--kill-child", "--mount-proc", program]);
        unshare
    };
    if !unshare("true").status().is_ok_and(|status| status.success()) {
        return println!("skipped: no pid namespace can be made here");
    }
    let bus = Bus::init("XSHG");
    let barbus = command::barbus();
    let program = barbus.get_program().to_str().expect("UTF-8");
    let path = bus.path();
    let mut inside = Running::start(unshare(program).arg("daemon").arg(&path), false);
    wait::until("the daemon", || std::os::unix::net::UnixStream::connect(path.join("ingest.sock")).ok());
    let stat = bus.barbus("stat", NONE).ok();
    assert!(stat.contains("(1 in its own pid namespace)"), "{stat}");
    bus.barbus("daemon", NONE).fails(1, &["process 1 of another pid namespace"]);
    inside.child.kill().expect("ours");
    inside.child.wait().expect("ours");
    // The kernel kills the daemon after unshare.
    wait::until("the daemon's end", || {
        std::os::unix::net::UnixStream::connect(path.join("ingest.sock")).is_err().then_some(())
    });

    // The other way round: the daemon is outside of the namespace of the command.
    let mut bus = bus;
    bus.start();
    let stat = command::finish(unshare(program).arg("stat").arg(&path), None).ok();
    let shown = format!("process {} of another pid namespace", bus.pid());
    assert!(stat.contains(&shown), "{stat}");
}
