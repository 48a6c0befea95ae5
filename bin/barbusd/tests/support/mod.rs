//! A bus in a temporary directory, its daemon as a process, producers, and generated bars.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::ipc::writer::StreamWriter;
use barbus::protocol::{Ack, Answer, Stat};
use barbus_archive::Archive;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// Longer than any step takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// Settings of a small ring, which is created quickly.
pub(crate) const SMALL: &str = "[ring]\nsize = \"4MB\"\nrows_per_block = 1024\ntip_rows = 1024\nsymbols = 256\n";

/// Polls until `ask` returns a value.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The bus of one test. Dropping it kills the daemon, and prints its log if the test fails.
pub(crate) struct Bus {
    folder: TempDir,
    daemon: Option<Child>,
}

impl Bus {
    /// A bus with this `bus.toml` and no daemon.
    pub(crate) fn new(settings: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("barbusd-").tempdir().unwrap();
        let bus = Self { folder, daemon: None };
        std::fs::create_dir(bus.path()).unwrap();
        std::fs::write(bus.path().join("bus.toml"), settings).unwrap();
        bus
    }

    /// A bus of mainland stocks with a small ring and a running daemon.
    pub(crate) fn running() -> Self {
        let mut bus = Self::new(&format!("calendar = \"XSHG\"\n{SMALL}"));
        bus.start(&[]);
        bus
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("bus")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path().join("ingest.sock")
    }

    fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_barbusd"));
        command.arg(self.path()).args(options).env_remove("RUST_LOG").stdin(Stdio::null());
        command
    }

    /// Starts the daemon and waits until it accepts a connection.
    pub(crate) fn start(&mut self, options: &[&str]) {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        self.daemon = Some(self.command(options).stderr(log).spawn().unwrap());
        until("the daemon", || {
            let ended = self.daemon.as_mut().unwrap().try_wait().unwrap();
            assert_eq!(ended, None, "the daemon ended:\n{}", self.log());
            UnixStream::connect(self.socket()).ok()
        });
    }

    /// Starts the daemon with more variables in its environment, and does not wait for it.
    pub(crate) fn spawn_with(&mut self, environment: &[(&str, &str)]) {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = self.command(&[]);
        self.daemon = Some(command.envs(environment.iter().copied()).stderr(log).spawn().unwrap());
    }

    /// Runs a daemon that fails to start. Returns its exit code and its standard error.
    pub(crate) fn refused(&self, options: &[&str]) -> (Option<i32>, String) {
        let output = self.command(options).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.daemon.as_ref().unwrap().id()
    }

    /// Sends a signal and waits until the daemon has ended.
    pub(crate) fn end(&mut self, signal: Signal) -> ExitStatus {
        let mut daemon = self.daemon.take().unwrap();
        kill(Pid::from_raw(daemon.id() as i32), signal).unwrap();
        until("the daemon's end", || daemon.try_wait().unwrap())
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Sends one request and returns its answer.
    #[track_caller]
    pub(crate) fn request(&self, request: &str) -> Value {
        let mut connection = Connection::to(self);
        connection.send(format!("{request}\n").as_bytes());
        connection.line().expect("an answer")
    }

    #[track_caller]
    pub(crate) fn stat(&self) -> Stat {
        serde_json::from_value(self.request(r#"{"stat":{}}"#)).unwrap()
    }

    /// Closes the open day and waits for its file.
    #[track_caller]
    pub(crate) fn close_day(&self) {
        let close = self.request(r#"{"close_day":{}}"#);
        assert_eq!(close["archived"], true, "{close}");
    }

    /// Asserts that the archived day has exactly the bars of `batch`, which is sorted by symbol and
    /// frame.
    #[track_caller]
    pub(crate) fn assert_archived(&self, day: &str, batch: &RecordBatch) {
        let bus = barbus::Bus::open(self.path()).unwrap();
        let settings = bus.settings();
        let archive = Archive::open_existing(bus.archive(), settings.schema.clone(), settings.calendar.name());
        let (_, found) = archive.read(day.parse().unwrap()).unwrap().expect("the day has a file");
        assert_eq!(found.num_rows(), batch.num_rows());
        for name in ["symbol", "frame", "open", "high", "low", "close", "volume"] {
            let wanted = batch.column_by_name(name).unwrap();
            let wanted = if name == "frame" {
                let plain = wanted.as_any().downcast_ref::<TimestampMillisecondArray>().unwrap().clone();
                Arc::new(plain.with_timezone("Asia/Shanghai")) as ArrayRef
            } else {
                wanted.clone()
            };
            assert_eq!(found.column_by_name(name).unwrap(), &wanted, "{name}");
        }
    }

    /// The daemon's largest resident memory so far, bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Returns every line of the quarantine.
    pub(crate) fn quarantine(&self) -> Vec<Value> {
        let files = std::fs::read_dir(self.path().join("quarantine")).map_or(Vec::new(), |files| files.collect());
        let texts = files.into_iter().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
        texts
            .flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>())
            .collect()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- the daemon's log\n{}", self.log());
        }
    }
}

/// A path on a tmpfs for a ring. Dropping it removes the file.
pub(crate) struct MemoryFile(PathBuf);

impl MemoryFile {
    /// Creates no file. `None`, with a message, where `/dev/shm` is no tmpfs.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let folder = std::path::Path::new("/dev/shm");
        let found = nix::sys::statfs::statfs(folder)
            .is_ok_and(|found| found.filesystem_type() == nix::sys::statfs::TMPFS_MAGIC);
        if !found {
            println!("skipped: /dev/shm is no tmpfs");
        }
        found.then(|| Self(folder.join(format!("barbusd-test-{}-{name}.ring", std::process::id()))))
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A small tmpfs; dropping it unmounts it.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts a tmpfs of this size, such as `12k`. `None`, with a message, where that is forbidden.
    pub(crate) fn mount(at: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let disk = Self(at);
        if !disk.run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]) {
            println!("skipped: no file system can be mounted here");
            return None;
        }
        Some(disk)
    }

    /// Changes its size.
    pub(crate) fn resize(&self, size: &str) {
        assert!(self.run("mount", &["-o", &format!("remount,size={size}")]));
    }

    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let output = Command::new(program).args(arguments).arg(&self.0).output();
        output.is_ok_and(|output| output.status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.run("umount", &["-l"]);
    }
}

/// A connection to the daemon.
pub(crate) struct Connection {
    stream: UnixStream,
    answers: BufReader<UnixStream>,
}

impl Connection {
    #[track_caller]
    pub(crate) fn to(bus: &Bus) -> Self {
        let stream = UnixStream::connect(bus.socket()).expect("the daemon listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let answers = BufReader::new(stream.try_clone().unwrap());
        Self { stream, answers }
    }

    /// Sends bytes. The daemon may have hung up already: the test then checks its answer.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Reads the next answer; `None` where the daemon hung up.
    pub(crate) fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.answers.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }

    /// Reads the next answer if it has arrived.
    pub(crate) fn line_now(&mut self) -> Option<Value> {
        self.stream.set_nonblocking(true).unwrap();
        let line = self.line();
        self.stream.set_nonblocking(false).unwrap();
        line
    }

    /// Reads the next answer, which must be an acknowledgement.
    #[track_caller]
    pub(crate) fn ack(&mut self) -> Ack {
        let line = self.line().expect("an answer");
        match serde_json::from_value(line).unwrap() {
            Answer::Ack(ack) => ack,
            Answer::Error { error } => panic!("{error}"),
        }
    }

    /// Reads the next answer, which must be an error, after which the daemon hangs up.
    #[track_caller]
    pub(crate) fn error(&mut self) -> String {
        let line = self.line().expect("an answer");
        let error = line["error"].as_str().unwrap_or_else(|| panic!("{line}")).to_owned();
        self.half_close();
        let mut rest = Vec::new();
        let _ = self.answers.read_to_end(&mut rest);
        assert_eq!(rest, b"", "after {error}");
        error
    }

    /// Closes the sending side.
    pub(crate) fn half_close(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Closes the sending side and reads all further answers.
    pub(crate) fn rest(mut self) -> Vec<Value> {
        self.half_close();
        std::iter::from_fn(|| self.line()).collect()
    }
}

/// Encodes batches as a stream with its end marker.
pub(crate) fn stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.into_inner().unwrap()
}

/// Sends batches as one stream and returns the last acknowledgement.
#[track_caller]
pub(crate) fn publish(bus: &Bus, batches: &[RecordBatch]) -> Ack {
    let mut connection = Connection::to(bus);
    connection.send(&stream(batches));
    let last = connection.rest().pop().expect("an answer");
    serde_json::from_value(last).unwrap()
}

/// Bars of mainland stocks: `minutes` of a day for each symbol, sorted by symbol and frame.
///
/// Every bar has other values, so that a misplaced one is found.
pub(crate) fn bars(day: &str, symbols: &[&str], minutes: i64) -> RecordBatch {
    let morning: jiff::Timestamp = format!("{day}T01:31:00Z").parse().unwrap();
    let frame = |minute: i64| {
        let noon_break = if minute >= 120 { 90 } else { 0 };
        morning.as_millisecond() + (minute + noon_break) * 60_000
    };
    let rows: Vec<(&str, i64)> =
        symbols.iter().flat_map(|&symbol| (0..minutes).map(move |minute| (symbol, minute))).collect();
    let value = |(symbol, minute): (&str, i64)| {
        let number = symbol.bytes().fold(minute, |sum, byte| (sum * 31 + i64::from(byte)) % 99_991);
        1.0 + number as f64 / 100.0
    };
    let numbers =
        |more: f64| -> ArrayRef { Arc::new(Float64Array::from_iter_values(rows.iter().map(|&row| value(row) + more))) };
    RecordBatch::try_from_iter([
        ("symbol", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0))) as ArrayRef),
        (
            "frame",
            Arc::new(
                TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| frame(row.1))).with_timezone("UTC"),
            ),
        ),
        ("open", numbers(0.0)),
        ("high", numbers(0.5)),
        ("low", numbers(-0.5)),
        ("close", numbers(0.25)),
        ("volume", numbers(100.0)),
    ])
    .unwrap()
}

/// Splits a batch into batches of one row.
pub(crate) fn singly(rows: &RecordBatch) -> Vec<RecordBatch> {
    (0..rows.num_rows()).map(|row| rows.slice(row, 1)).collect()
}

/// Replaces a column of the batch, or removes it.
pub(crate) fn with_column(batch: &RecordBatch, name: &str, column: Option<ArrayRef>) -> RecordBatch {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).filter_map(|(field, values)| {
        let values = if field.name() == name { column.clone()? } else { values.clone() };
        Some((field.name().clone(), values))
    });
    RecordBatch::try_from_iter(columns.collect::<Vec<_>>()).unwrap()
}
