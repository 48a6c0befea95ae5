//! `barbus health`: exit codes for scripts, by the sessions of the market; `barbus serve` without
//! its program.
//!
//! The sessions need libfaketime; without it those tests report that they were skipped.

use nix::sys::signal::Signal;

use crate::support::bus::Bus;
use crate::support::command;
use crate::support::fake_clock::FakeClock;
use crate::support::market;

/// A bus whose daemon runs under a clock that shows `now`, and whose newest bar is fresh.
fn bus_at(now: &str) -> Option<(Bus, FakeClock)> {
    let mut bus = Bus::init("XSHG");
    let clock = FakeClock::showing(now, bus.beside("clock"))?;
    bus.set_clock(&clock);
    bus.start();
    let bars = market::minutes(&["600000.XSHG"], "2026-11-25T01:31:00Z", 10);
    bus.publish(&bus.write("1.csv", market::csv(&bars)), &[]);
    Some((bus, clock))
}

#[test]
fn fresh_bars_are_expected_in_sessions_only() {
    // 10:00 in Shanghai, a Wednesday.
    let Some((bus, clock)) = bus_at("2026-11-25T02:00:00Z") else { return };
    let health = |options: &[&str]| bus.barbus_by_clock("health", options);
    let report = health(&["--format", "json"]).json();
    assert_eq!(
        (&report["alive"], &report["ready"], &report["session"]),
        (&true.into(), &true.into(), &"morning".into())
    );
    assert!(health(&[]).ok().contains("open: morning"));
    // No bar of the last seconds is fresh enough for this grace.
    let stale = health(&["--grace", "0s"]);
    assert_eq!(stale.status.code(), Some(1), "{stale}");
    assert!(stale.stderr.contains("the session morning is open since 09:30"), "{stale}");
    health(&["--grace", "0s", "--live"]).ok();
    // Lunch, the evening and the weekend.
    for hours in [2, 10, 3 * 24] {
        clock.step(hours * 3600);
        let quiet = health(&["--grace", "0s", "--format", "json"]).json();
        assert_eq!((&quiet["ready"], quiet["session"].is_null()), (&true.into(), true), "{hours}: {quiet}");
    }
}

#[test]
fn a_writer_that_does_not_run_is_not_well() {
    let mut bus = Bus::init("24x7");
    let none = bus.barbus("health", [""; 0]);
    assert_eq!(none.status.code(), Some(1), "{none}");
    assert!(none.stderr.contains("no ring yet: start the daemon"), "{none}");
    bus.start();
    bus.barbus("health", ["--live"]).ok();
    bus.signal(Signal::SIGSTOP);
    crate::support::wait::until("the heartbeat to age", || {
        let stopped = bus.barbus("health", ["--live"]);
        (stopped.status.code() == Some(1)).then_some(stopped)
    });
    bus.signal(Signal::SIGCONT);
    bus.kill();
    let dead = bus.barbus("health", ["--format", "json"]);
    assert_eq!(dead.status.code(), Some(1), "{dead}");
    assert_eq!(command::run(["health", "/nowhere"]).status.code(), Some(1));
    assert_eq!(command::run(["health"]).status.code(), Some(2));
    assert_eq!(command::run(["health", "/nowhere", "--grace", "soon"]).status.code(), Some(2));
}

/// The program beside this one is used; without one, the message says how to get it.
#[test]
fn a_program_that_is_not_installed_is_named_with_the_command_that_installs_it() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let barbus = folder.path().join("barbus");
    std::fs::copy(env!("CARGO_BIN_EXE_barbus"), &barbus).expect("the program can be copied");
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(&barbus);
        command::finish(command.args(arguments).env("PATH", folder.path()), None)
    };
    let serve = ["serve", "BUS", "--listen", "127.0.0.1:0"];
    let relay = ["relay", "out", "BUS", "--stream", "BARS"];
    for arguments in [&serve[..], &relay] {
        let missing = run(arguments);
        let program = format!("barbus-{}", arguments[0]);
        assert_eq!(missing.status.code(), Some(1), "{missing}");
        assert!(missing.stderr.contains(&format!("cargo install --path bin/{program}")), "{missing}");
        std::os::unix::fs::symlink("/bin/echo", folder.path().join(program)).expect("a link can be made");
        assert_eq!(run(arguments).ok().trim(), arguments[1..].join(" "));
    }
}
