//! What the daemon tells a service manager, over a real notify socket.

mod support;

use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use support::*;

/// A service manager's side of the notify socket.
struct Manager {
    socket: UnixDatagram,
    path: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        Self { socket, path, _folder: folder }
    }

    /// The next message, if one comes within a tenth of a second.
    fn message(&self) -> Option<String> {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).ok()?;
        Some(String::from_utf8(bytes[..length].to_vec()).unwrap())
    }

    /// Waits for a message with this line, and returns the message.
    fn until(&self, line: &str) -> String {
        until(line, || self.message().filter(|message| message.lines().any(|found| found.starts_with(line))))
    }

    /// Whether a ping comes within `patience`; earlier messages do not count.
    fn is_pinged(&self, patience: Duration) -> bool {
        self.socket.set_nonblocking(true).unwrap();
        while self.message().is_some() {}
        self.socket.set_nonblocking(false).unwrap();
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if self.message().is_some_and(|message| message.contains("WATCHDOG=1")) {
                return true;
            }
        }
        false
    }
}

/// A bus whose daemon has a service manager that asks for pings each 1.5 seconds.
fn bus(manager: &Manager) -> Bus {
    let mut bus = Bus::new(&format!("calendar = \"XSHG\"\n{SMALL}"));
    let environment = [("NOTIFY_SOCKET", manager.path.to_str().unwrap()), ("WATCHDOG_USEC", "1500000")];
    bus.spawn_with(&environment);
    bus
}

#[test]
fn ready_means_that_the_socket_accepts_and_the_end_is_announced() {
    let manager = Manager::new();
    let mut bus = bus(&manager);
    let ready = manager.until("READY=1");
    UnixStream::connect(bus.socket()).expect("a daemon that is ready accepts");
    assert!(ready.contains("STATUS=listening on "), "{ready}");
    publish(&bus, &[bars("2024-03-04", &["600000.XSHG"], 240)]);
    manager.until("WATCHDOG=1");
    let status = manager.until("STATUS=2024-03-04 is open, 240 bars, ");
    assert!(status.contains("producers"), "{status}");

    kill(Pid::from_raw(bus.pid() as i32), Signal::SIGHUP).unwrap();
    let reloading = manager.until("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    manager.until("READY=1");
    assert!(bus.end(Signal::SIGTERM).success());
    manager.until("STOPPING=1");
}

/// The thread of the daemon with this name; `None` for the main thread.
fn thread(bus: &Bus, name: Option<&str>) -> Pid {
    let own = bus.pid() as i32;
    let tasks = std::fs::read_dir(format!("/proc/{own}/task")).unwrap().map(|task| task.unwrap());
    let wanted = |task: &std::fs::DirEntry| match name {
        Some(name) => std::fs::read_to_string(task.path().join("comm")).unwrap().trim() == name,
        None => task.file_name().to_str() == Some(&own.to_string()),
    };
    let found = tasks.into_iter().find(wanted).expect("the daemon has such a thread");
    Pid::from_raw(found.file_name().to_str().unwrap().parse().unwrap())
}

/// A ping is no timer's: one thread of the daemon stands still and the others go on.
#[test]
fn a_daemon_that_makes_no_progress_is_not_pinged_for() {
    let manager = Manager::new();
    let bus = bus(&manager);
    manager.until("READY=1");
    assert!(manager.is_pinged(Duration::from_secs(60)));
    for name in [None, Some("barbus-beat")] {
        let stalled = thread(&bus, name);
        if ptrace::seize(stalled, ptrace::Options::empty()).is_err() {
            return println!("skipped: this process may trace none");
        }
        ptrace::interrupt(stalled).unwrap();
        waitpid(stalled, Some(WaitPidFlag::__WALL)).unwrap();
        // The heartbeat counts as standing still after five seconds, which is logged.
        let is_noticed = || name.is_none() || bus.log().contains("the heartbeat stands still");
        until("the pings to end", || (!manager.is_pinged(Duration::from_secs(3)) && is_noticed()).then_some(()));
        ptrace::detach(stalled, None).unwrap();
        until("the pings to go on", || manager.is_pinged(Duration::from_secs(3)).then_some(()));
    }
}
