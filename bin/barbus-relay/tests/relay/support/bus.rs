//! A bus of a test with its daemon, which is this test program, started again.

use std::path::{Path, PathBuf};

use barbus::protocol::Stat;
use barbus::{Bus, Date, InitOptions, Publisher};
use tempfile::TempDir;

use super::daemon;
use super::fake_clock::FakeClock;
use super::market::{self, Bar};
use super::process::Process;
use super::wait;

/// A bus. Dropping it kills the daemon and removes the directory.
pub(crate) struct TestBus {
    daemon: Option<Process>,
    pub(crate) directory: Bus,
    environment: Vec<(&'static str, String)>,
    root: TempDir,
}

impl TestBus {
    /// A bus of UTC days with a ring of about 50,000 bars, and its running daemon.
    pub(crate) fn start() -> Self {
        Self::with("24x7", &[])
    }

    /// The same with another calendar, and with other lines in its `bus.toml`.
    pub(crate) fn with(calendar: &str, changes: &[(&str, &str)]) -> Self {
        let mut bus = Self::init(calendar, changes);
        bus.run();
        bus
    }

    /// The same without a daemon.
    pub(crate) fn init(calendar: &str, changes: &[(&str, &str)]) -> Self {
        let root = tempfile::Builder::new().prefix("barbus-relay-").tempdir().expect("a temporary directory");
        let path = root.path().join("bus");
        Bus::init(&path, &InitOptions { calendar: calendar.into(), preset: None }).expect("a new bus");
        let mut text = std::fs::read_to_string(path.join("bus.toml")).expect("it was just made");
        let usual = [
            ("# size = \"256MB\"", "size = \"8MB\""),
            ("# rows_per_block = 16384", "rows_per_block = 1024"),
            ("# late = \"5s\"", "late = \"100ms\""),
        ];
        for (from, to) in usual.iter().filter(|(from, _)| changes.iter().all(|change| change.0 != *from)).chain(changes)
        {
            assert!(text.contains(from), "no {from:?} in bus.toml");
            text = text.replacen(from, to, 1);
        }
        std::fs::write(path.join("bus.toml"), text).expect("ours");
        let directory = Bus::open(&path).expect("valid settings");
        Self { daemon: None, directory, environment: Vec::new(), root }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A path beside the bus, removed with it.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Makes the daemon run under this clock from its next start on.
    pub(crate) fn set_clock(&mut self, clock: &FakeClock) {
        self.environment = clock.environment();
    }

    /// Starts the daemon, and waits until it answers.
    pub(crate) fn run(&mut self) {
        assert!(self.daemon.is_none(), "the daemon runs");
        self.daemon = Some(daemon::start(&self.directory, &self.beside("daemon.log"), &self.environment));
    }

    /// The daemon's process.
    pub(crate) fn daemon(&self) -> &Process {
        self.daemon.as_ref().expect("the daemon runs")
    }

    /// Kills the daemon as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.daemon.take().expect("the daemon runs").kill();
    }

    /// Ends the daemon in order.
    pub(crate) fn stop(&mut self) {
        self.daemon.take().expect("the daemon runs").stop();
    }

    /// A producer that outlives restarts of the daemon.
    pub(crate) fn publisher(&self) -> Publisher {
        let publisher = wait::until("the daemon", || Publisher::connect(&self.directory).ok());
        publisher.reconnect_for(wait::PATIENCE)
    }

    /// Publishes bars, in batches of at most a thousand.
    pub(crate) fn publish(&self, bars: &[Bar]) {
        let mut publisher = self.publisher();
        for bars in bars.chunks(1_000) {
            publisher.queue(&market::batch(bars)).expect("the daemon takes bars");
        }
        let ack = publisher.finish().expect("the daemon takes bars");
        assert_eq!(ack.quarantined, 0, "{ack:?}");
    }

    /// Closes the open day, and waits until it is archived.
    pub(crate) fn close_day(&self) {
        barbus::request_close_day(&self.directory, None).expect("the daemon closes a day");
    }

    pub(crate) fn stat(&self) -> Stat {
        barbus::stat_within(&self.directory, wait::PATIENCE).expect("a bus has a state")
    }

    /// The archive as it is on disk, day by day.
    pub(crate) fn days(&self) -> Vec<(Date, Vec<Bar>)> {
        let archive = self.directory.open_archive();
        let read = |day: Date| {
            let (_, batch) = archive.read(day).expect("it can be read").expect("the day has a file");
            (day, market::archived(&batch))
        };
        archive.days().expect("it can be listed").into_iter().map(read).collect()
    }
}

/// Waits until the archives of two buses have the last version of each of these bars, all in files,
/// and nothing else.
pub(crate) fn assert_archives(buses: [&TestBus; 2], sent: &[Bar]) {
    let expected = market::last_versions(sent);
    for bus in buses {
        wait::until("the files of all days", || {
            let stat = bus.stat();
            (stat.day.is_none() || stat.days_waiting.is_empty()).then_some(())?;
            let rows: usize = bus.days().iter().map(|(_, bars)| bars.len()).sum();
            (stat.days_waiting.is_empty() && stat.parts == 0 && rows >= expected.len()).then_some(())
        });
    }
    let [first, second] = buses.map(TestBus::days);
    let mut archived: Vec<Bar> = first.iter().flat_map(|(_, bars)| bars).copied().collect();
    archived.sort();
    assert!(
        archived == expected,
        "the archive of the source differs from what was sent: {}",
        difference(&archived, &expected)
    );
    for ((day, first), (other, second)) in first.iter().zip(&second) {
        assert_eq!(day, other, "the archives have other days");
        assert!(first == second, "{day} differs: {}", difference(first, second));
    }
    assert_eq!(first.len(), second.len(), "the archives have other days");
}

/// The first bars in which two lists differ.
fn difference(some: &[Bar], others: &[Bar]) -> String {
    let at = some.iter().zip(others).take_while(|(one, other)| one == other).count();
    format!("{} and {} bars, at {at}: {:?} and {:?}", some.len(), others.len(), some.get(at), others.get(at))
}
