//! Beside a daemon that is stopped or dead, the server goes on with what the files tell.

use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::server::Server;
use crate::support::until;

/// Names the bus of a process that is a daemon.
const BUS: &str = "BARBUS_SERVE_TEST_DAEMON";

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: barbusd::DaemonOptions,
}

/// The daemon of the other test, which runs this program again. Without the variable it is a test
/// that does nothing.
#[test]
#[ignore = "it is the daemon of another test"]
fn daemon() {
    let Some(bus) = std::env::var_os(BUS) else { return };
    let arguments = Arguments::parse_from([std::ffi::OsString::from("barbusd"), bus]);
    barbusd::run(&arguments.options).unwrap();
}

struct Daemon(Child);

impl Daemon {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id() as i32), signal).unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_stopped_daemon_delays_no_scrape() {
    let folder = tempfile::tempdir().unwrap();
    let bus = folder.path().join("bus");
    std::fs::create_dir(&bus).unwrap();
    std::fs::write(bus.join("bus.toml"), "calendar = \"XSHG\"\n[ring]\nsize = \"16MB\"\n").unwrap();
    let daemon = Command::new(std::env::current_exe().unwrap())
        .args(["without_daemon::daemon", "--exact", "--ignored", "--nocapture"])
        .env(BUS, &bus)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let daemon = Daemon(daemon);
    until("the daemon", || UnixStream::connect(bus.join("ingest.sock")).ok());
    let server = Server::start(&bus);
    let has = |text: &str| server.get("/metrics").text().contains(text);
    until("the daemon's figures", || has("barbus_daemon_answers{bus=\"bus\"} 1").then_some(()));
    assert!(has("barbus_rows_total{bus=\"bus\",outcome=\"accepted\"} 0"));

    daemon.signal(Signal::SIGSTOP);
    until("the silence", || has("barbus_daemon_answers{bus=\"bus\"} 0").then_some(()));
    assert!(!has("barbus_rows_total"), "what only the daemon knows is absent");
    assert!(has("barbus_ring_blocks{bus=\"bus\"}"), "what the files tell is there");
    assert!(has("barbus_writer_alive{bus=\"bus\"} 0"));
    // Twenty scrapes that each wait for a daemon that is given up after two seconds take 40 s.
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(server.get("/metrics").status, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(server.get("/healthz").status, 503);
    let silent =
        until("the reason", || server.get("/api/stat").json()["stat"]["daemon_silent"].as_str().map(str::to_owned));
    assert!(silent.contains("stopped"), "{silent}");

    daemon.signal(Signal::SIGCONT);
    until("the daemon's figures", || has("barbus_daemon_answers{bus=\"bus\"} 1").then_some(()));
    daemon.signal(Signal::SIGKILL);
    until("the death", || has("barbus_daemon_answers{bus=\"bus\"} 0").then_some(()));
    assert_eq!(server.get("/api/stat").status, 200);
    until("the heartbeat to age", || (server.get("/healthz").status == 503).then_some(()));
}
