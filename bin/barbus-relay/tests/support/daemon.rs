//! The daemon of a bus: this test program, started again.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use barbus::Bus;
use barbusd::{DaemonOptions, LogFormat};

use super::process::Process;
use super::wait;

/// The variable that names the bus of the daemon's process.
const DAEMON: &str = "BARBUS_TEST_DAEMON";

/// Starts a daemon with these variables, and waits until it answers.
pub(crate) fn start(bus: &Bus, log: &Path, environment: &[(&'static str, String)]) -> Process {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "support::daemon::daemon", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(DAEMON, bus.path()).env("TZ", "UTC").env("BARBUS_CALENDARS", "/nonexistent");
    command.envs(environment.iter().map(|(key, value)| (key, value)));
    let mut daemon = Process::start(&mut command, log);
    wait::until("the daemon to answer", || {
        daemon.assert_running();
        UnixStream::connect(bus.socket()).ok()?;
        barbus::stat(bus).ok()?.pid
    });
    daemon
}

/// The body of a daemon's process, and no test: tests run this program again with this one alone.
#[test]
#[ignore = "the daemon of other tests"]
fn daemon() {
    let Some(bus) = std::env::var_os(DAEMON) else { return };
    let parent = std::os::unix::process::parent_id();
    std::thread::spawn(move || {
        while std::os::unix::process::parent_id() == parent {
            std::thread::sleep(Duration::from_millis(500));
        }
        std::process::exit(1);
    });
    let options = DaemonOptions { bus: bus.into(), log_format: LogFormat::default(), log_level: None };
    barbusd::run(&options).expect("a daemon that ends in order");
}
