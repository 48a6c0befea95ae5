#![allow(dead_code, reason = "each test program uses a part of it")]
//! A bus in a temporary directory with the daemon as a process of its own, producers, and bars that are made up.

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
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// Settings that make a small ring quickly.
pub(crate) const SMALL: &str = "[ring]\nsize = \"4MB\"\nrows_per_block = 1024\ntip_rows = 1024\nsymbols = 256\n";

/// Asks until there is an answer.
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

/// The bus of one test; dropping it kills the daemon, and shows its log where the test is failing.
pub(crate) struct Bus {
    folder: TempDir,
    daemon: Option<Child>,
}

impl Bus {
    /// A bus with this `bus.toml`; no daemon runs.
    pub(crate) fn new(settings: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("barbusd-").tempdir().unwrap();
        let bus = Self { folder, daemon: None };
        std::fs::create_dir(bus.path()).unwrap();
        std::fs::write(bus.path().join("bus.toml"), settings).unwrap();
        bus
    }

    /// A bus of mainland stocks with a small ring, its daemon running.
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

    /// Starts the daemon and waits till it answers.
    pub(crate) fn start(&mut self, options: &[&str]) {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        self.daemon = Some(self.command(options).stderr(log).spawn().unwrap());
        until("the daemon", || {
            let ended = self.daemon.as_mut().unwrap().try_wait().unwrap();
            assert_eq!(ended, None, "the daemon ended:\n{}", self.log());
            UnixStream::connect(self.socket()).ok()
        });
    }

    /// Runs the daemon to its end, which comes soon; its exit code and what it says.
    pub(crate) fn refused(&self, options: &[&str]) -> (Option<i32>, String) {
        let output = self.command(options).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.daemon.as_ref().unwrap().id()
    }

    /// Sends a signal and waits for the daemon's end.
    pub(crate) fn end(&mut self, signal: Signal) -> ExitStatus {
        let mut daemon = self.daemon.take().unwrap();
        kill_process(Pid::from_child(&daemon), signal).unwrap();
        until("the daemon's end", || daemon.try_wait().unwrap())
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// One request and its answer.
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

    /// The archived day has exactly the bars of `batch`, whose rows are in the order of symbol and frame.
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

    /// Every line of the quarantine.
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

/// A path on a tmpfs for a ring; the file is removed with the value.
pub(crate) struct MemoryFile(PathBuf);

impl MemoryFile {
    /// Nothing is there yet. Says that the test is skipped where `/dev/shm` is no tmpfs.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let folder = std::path::Path::new("/dev/shm");
        let found = rustix::fs::statfs(folder).is_ok_and(|found| found.f_type as u64 == 0x0102_1994);
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

    /// Sends bytes. That the daemon hung up already is no failure: its answer tells.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// The next answer; `None` where the daemon hung up.
    pub(crate) fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.answers.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }

    /// The next answer, if it has come.
    pub(crate) fn line_now(&mut self) -> Option<Value> {
        self.stream.set_nonblocking(true).unwrap();
        let line = self.line();
        self.stream.set_nonblocking(false).unwrap();
        line
    }

    /// The next answer, an acknowledgement.
    #[track_caller]
    pub(crate) fn ack(&mut self) -> Ack {
        let line = self.line().expect("an answer");
        match serde_json::from_value(line).unwrap() {
            Answer::Ack(ack) => ack,
            Answer::Error { error } => panic!("{error}"),
        }
    }

    /// The next answer, an error, after which the daemon hangs up.
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

    /// Says that nothing more comes.
    pub(crate) fn half_close(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Every answer that still comes.
    pub(crate) fn rest(mut self) -> Vec<Value> {
        self.half_close();
        std::iter::from_fn(|| self.line()).collect()
    }
}

/// Batches as a stream with its end marker.
pub(crate) fn stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.into_inner().unwrap()
}

/// Sends batches as one stream and gives the last acknowledgement.
#[track_caller]
pub(crate) fn publish(bus: &Bus, batches: &[RecordBatch]) -> Ack {
    let mut connection = Connection::to(bus);
    connection.send(&stream(batches));
    let last = connection.rest().pop().expect("an answer");
    serde_json::from_value(last).unwrap()
}

/// So many minutes of a day of mainland stocks, all symbols, in the order of symbol and frame; every value tells which bar it is from.
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

/// The rows, a batch for each.
pub(crate) fn singly(rows: &RecordBatch) -> Vec<RecordBatch> {
    (0..rows.num_rows()).map(|row| rows.slice(row, 1)).collect()
}

/// The batch with one column replaced, or without it.
pub(crate) fn with_column(batch: &RecordBatch, name: &str, column: Option<ArrayRef>) -> RecordBatch {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).filter_map(|(field, values)| {
        let values = if field.name() == name { column.clone()? } else { values.clone() };
        Some((field.name().clone(), values))
    });
    RecordBatch::try_from_iter(columns.collect::<Vec<_>>()).unwrap()
}
