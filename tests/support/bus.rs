//! A bus in a temporary directory, with its daemon if the test starts one.
//!
//! Dropping it kills the daemon and removes the directory; a failing test prints the daemon's log.
//! The daemon is ready when it answers a request on its socket.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::command::{self, Finished};
use super::disk::Disk;
use super::fake_clock::FakeClock;
use super::wait;

/// A bus of one test.
pub(crate) struct Bus {
    root: TempDir,
    daemon: Option<Child>,
    environment: Vec<(&'static str, String)>,
}

impl Bus {
    /// A bus created by `barbus init`, without a daemon.
    pub(crate) fn init(calendar: &str) -> Self {
        Self::init_with(&["--calendar", calendar])
    }

    /// A bus created by `barbus init` with these options.
    pub(crate) fn init_with(options: &[&str]) -> Self {
        let root = tempfile::Builder::new().prefix("barbus-").tempdir().expect("a temporary directory");
        let bus = Bus { root, daemon: None, environment: Vec::new() };
        bus.barbus("init", options).ok();
        bus
    }

    /// A bus whose directory `mount` has mounted; `None` where it cannot.
    pub(crate) fn init_on(calendar: &str, mount: impl FnOnce(&Path) -> Option<Disk>) -> Option<(Self, Disk)> {
        let root = tempfile::Builder::new().prefix("barbus-").tempdir().expect("a temporary directory");
        let bus = Bus { root, daemon: None, environment: Vec::new() };
        std::fs::create_dir(bus.path()).expect("ours");
        let disk = mount(&bus.path())?;
        bus.barbus("init", ["--calendar", calendar]).ok();
        Some((bus, disk))
    }

    /// A bus created by `barbus init`, with a running daemon.
    pub(crate) fn running(calendar: &str) -> Self {
        let mut bus = Self::init(calendar);
        bus.start();
        bus
    }

    /// A bus whose directory `make` makes, without a daemon.
    pub(crate) fn made_by(make: impl FnOnce(&Path)) -> Self {
        let root = tempfile::Builder::new().prefix("barbus-").tempdir().expect("a temporary directory");
        let bus = Bus { root, daemon: None, environment: Vec::new() };
        make(&bus.path());
        bus
    }

    /// A copy of this bus, which may be written meanwhile, in the order that docs/OPERATING.md
    /// names.
    pub(crate) fn copy(&self) -> Self {
        let root = tempfile::Builder::new().prefix("barbus-").tempdir().expect("a temporary directory");
        let to = root.path().join("bus");
        std::fs::create_dir_all(to.join("archive")).expect("a directory can be made");
        for (name, parent) in
            [("bus.toml", ""), ("bars.ring", ""), ("archive/1m.work", "archive"), ("archive/1m", "archive")]
        {
            // A part that is merged meanwhile is missing, and `cp` says so.
            let status = Command::new("cp")
                .arg("-a")
                .arg(self.path().join(name))
                .arg(to.join(parent))
                .stderr(Stdio::null())
                .status();
            assert!(status.expect("cp runs").success() || name.ends_with("work"), "{name} cannot be copied");
        }
        Bus { root, daemon: None, environment: Vec::new() }
    }

    /// The bus directory.
    pub(crate) fn path(&self) -> PathBuf {
        self.root.path().join("bus")
    }

    /// A path beside the bus, removed with it: for the input files of a test.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a file beside the bus.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.beside(name);
        std::fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// The ring file.
    pub(crate) fn ring(&self) -> PathBuf {
        self.path().join("bars.ring")
    }

    /// The folder of the archive's days.
    pub(crate) fn archive(&self) -> PathBuf {
        self.path().join("archive/1m")
    }

    /// The archived days by the names of their files, in order.
    pub(crate) fn archived_days(&self) -> Vec<String> {
        let mut days: Vec<String> = names(&self.archive())
            .into_iter()
            .filter_map(|name| name.strip_suffix(".parquet").map(str::to_owned))
            .filter(|name| !name.starts_with('.'))
            .collect();
        days.sort();
        days
    }

    /// Every line of every quarantine file.
    pub(crate) fn quarantine(&self) -> Vec<Value> {
        let folder = self.path().join("quarantine");
        let mut files = names(&folder);
        files.retain(|name| name.ends_with(".ndjson"));
        files.sort();
        let mut rows = Vec::new();
        for name in files {
            let text = std::fs::read_to_string(folder.join(&name)).expect("a quarantine file can be read");
            for line in text.lines() {
                rows.push(serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}: {line}")));
            }
        }
        rows
    }

    /// Replaces the first `from` in `bus.toml` by `to`; `from` must exist.
    pub(crate) fn configure(&self, from: &str, to: &str) {
        let path = self.path().join("bus.toml");
        let text = std::fs::read_to_string(&path).expect("bus.toml can be read");
        assert!(text.contains(from), "no {from:?} in bus.toml:\n{text}");
        std::fs::write(&path, text.replacen(from, to, 1)).expect("bus.toml can be written");
    }

    /// Configures a ring with few rows per block, in a file of this size.
    pub(crate) fn configure_ring(&self, size: &str, rows_per_block: u32) {
        self.configure("# size = \"256MB\"", &format!("size = {size:?}"));
        self.configure("# rows_per_block = 16384", &format!("rows_per_block = {rows_per_block}"));
    }

    /// Configures the smallest useful ring: about a thousand bars in blocks of 64 rows.
    pub(crate) fn configure_small_ring(&self) {
        self.configure_ring("1MB", 64);
        self.configure("# symbols = 8192", "symbols = 256");
        self.configure("# tip_rows = 8192", "tip_rows = 64");
    }

    /// Makes the daemon run under this clock from its next start on.
    pub(crate) fn set_clock(&mut self, clock: &FakeClock) {
        self.environment = clock.environment();
    }

    /// `barbus VERB BUS ARGUMENTS…` to its end, under the daemon's clock.
    pub(crate) fn barbus_by_clock<S: AsRef<OsStr>>(
        &self,
        verb: &str,
        arguments: impl IntoIterator<Item = S>,
    ) -> Finished {
        let mut command = command::barbus();
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        command::finish(command.arg(verb).arg(self.path()).args(arguments), None)
    }

    /// Starts the daemon and waits until it answers.
    pub(crate) fn start(&mut self) {
        self.spawn();
        wait::until("the daemon to answer", || {
            if let Some(status) = self.daemon.as_mut().expect("just started").try_wait().expect("can be waited for") {
                panic!("the daemon ended with {status}:\n{}", self.log());
            }
            self.request(&json!({"stat": {}})).ok()
        });
    }

    /// Starts the daemon without waiting for it.
    pub(crate) fn spawn(&mut self) {
        assert!(self.daemon.is_none(), "the daemon is running");
        let log = File::options().create(true).append(true).open(self.log_path()).expect("the log can be opened");
        let child = command::barbus()
            .arg("daemon")
            .arg(self.path())
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor can be duplicated"))
            .stderr(log)
            .spawn()
            .expect("the daemon starts");
        self.daemon = Some(child);
    }

    /// The daemon's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.daemon.as_ref().expect("the daemon is running").id()
    }

    /// Sends a signal to the daemon. After SIGSTOP all of its threads have stopped.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).expect("a pid fits"));
        kill(pid, signal).expect("the daemon can be signalled");
        if signal == Signal::SIGSTOP {
            wait::until_stopped(self.pid());
        }
    }

    /// Ends the daemon with `signal` and waits for its end.
    pub(crate) fn end_with(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.wait_for_end()
    }

    /// Waits until the daemon has ended without a signal from the test.
    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        let mut child = self.daemon.take().expect("the daemon is running");
        wait::until("the daemon to end", || child.try_wait().expect("can be waited for"))
    }

    /// Ends the daemon with SIGTERM and asserts that it ended cleanly.
    pub(crate) fn stop(&mut self) {
        let status = self.end_with(Signal::SIGTERM);
        assert!(status.success(), "the daemon ended with {status}:\n{}", self.log());
    }

    /// Kills the daemon as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.end_with(Signal::SIGKILL);
    }

    fn log_path(&self) -> PathBuf {
        self.beside("daemon.log")
    }

    /// The daemon's log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Sends one request to the socket and returns the answer.
    pub(crate) fn request(&self, request: &Value) -> std::io::Result<Value> {
        let mut stream = UnixStream::connect(self.path().join("ingest.sock"))?;
        stream.set_read_timeout(Some(wait::PATIENCE))?;
        stream.write_all(format!("{request}\n").as_bytes())?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        serde_json::from_str(&answer).map_err(std::io::Error::other)
    }

    /// `barbus VERB BUS ARGUMENTS…` to its end.
    pub(crate) fn barbus<S: AsRef<OsStr>>(&self, verb: &str, arguments: impl IntoIterator<Item = S>) -> Finished {
        command::finish(command::barbus().arg(verb).arg(self.path()).args(arguments), None)
    }

    /// Publishes a file, which must succeed, and returns the counts.
    #[track_caller]
    pub(crate) fn publish(&self, file: &Path, options: &[&str]) -> Counts {
        let mut arguments = vec![file.as_os_str(), OsStr::new("--format"), OsStr::new("json")];
        arguments.extend(options.iter().map(OsStr::new));
        Counts::of(&self.barbus("publish", arguments).json())
    }

    /// `barbus stat --format json`.
    #[track_caller]
    pub(crate) fn stat(&self) -> Value {
        self.barbus("stat", ["--format", "json"]).json()
    }

    /// Closes the current day and waits until every closed day is archived.
    #[track_caller]
    pub(crate) fn close_day(&self) {
        self.barbus("close-day", [] as [&str; 0]).ok();
        self.wait_archived();
    }

    /// Waits until every closed day is archived.
    pub(crate) fn wait_archived(&self) {
        wait::until("the archive", || {
            let stat = self.stat();
            let waiting = stat["days_waiting"].as_array().unwrap_or_else(|| panic!("no days_waiting in {stat}"));
            waiting.is_empty().then_some(())
        });
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        if let Some(mut child) = self.daemon.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- the daemon's log of {}\n{}", self.path().display(), self.log());
        }
    }
}

/// The names in a folder; empty if the folder does not exist.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.expect("can be read").file_name().into_string().expect("UTF-8")).collect()
}

/// The outcome of published rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) rows: u64,
    pub(crate) accepted: u64,
    pub(crate) duplicate: u64,
    pub(crate) revised: u64,
    pub(crate) quarantined: u64,
}

impl Counts {
    /// The counts from a JSON object with the same names.
    #[track_caller]
    pub(crate) fn of(value: &Value) -> Self {
        let count = |name: &str| value[name].as_u64().unwrap_or_else(|| panic!("no {name} in {value}"));
        Counts {
            rows: count("rows"),
            accepted: count("accepted"),
            duplicate: count("duplicate"),
            revised: count("revised"),
            quarantined: count("quarantined"),
        }
    }

    /// The sum of two.
    pub(crate) fn plus(self, other: Self) -> Self {
        Counts {
            rows: self.rows + other.rows,
            accepted: self.accepted + other.accepted,
            duplicate: self.duplicate + other.duplicate,
            revised: self.revised + other.revised,
            quarantined: self.quarantined + other.quarantined,
        }
    }

    /// Counts of `rows` rows that were all accepted.
    pub(crate) fn all_accepted(rows: usize) -> Self {
        let rows = rows as u64;
        Counts { rows, accepted: rows, ..Counts::default() }
    }
}
