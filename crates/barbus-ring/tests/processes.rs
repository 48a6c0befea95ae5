//! The protocol between processes: one writes, others read, one of them slowly, and writers are
//! killed.
//!
//! The test program starts itself as a writer or a reader. Every field of a row is computed from
//! its sequence number, so that a reader notices a row that is torn, mixed with another, or
//! returned twice. No process sleeps to let another go first: it reports "ready" through its pipe,
//! and a reader that must be far behind waits until the ring shows that it is. Every process gives
//! up after [`DEADLINE`].

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use barbus_ring::{Polled, Ring, RingReader, RingStart, RingWriter, Row, Spec, SymbolId, create};

const ROWS: u64 = 100_000;
/// Rows that a writer pushes for each "go".
const ROWS_PER_GO: u64 = 5_000;
const ROWS_PER_DAY: u64 = 1_000;
const FIRST_DAY: i64 = 20_000;
const BLOCKS: u32 = 6;
const ROWS_PER_BLOCK: u32 = 64;
const KILLS: u64 = 12;
const DEADLINE: Duration = Duration::from_secs(120);

const ROLE: &str = "BARBUS_TEST_ROLE";
const RING: &str = "BARBUS_TEST_RING";

fn day(seq: u64) -> i64 {
    FIRST_DAY + (seq / ROWS_PER_DAY) as i64
}

/// New symbols are added one by one while the others are in use.
fn symbol(seq: u64) -> u32 {
    (seq % (seq / 400 + 1).min(100)) as u32
}

fn name(symbol: u32) -> String {
    format!("{symbol:06}.XSHE")[..7 + symbol as usize % 5].to_owned()
}

fn row(seq: u64) -> Row {
    let mix = seq.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = seq as f64 + (mix >> 40) as f64 / 16_777_216.0;
    let present = (mix >> 60) as u8 & 3;
    let optional = |k: u8| if present >> k & 1 == 1 { x * f64::from(k + 3) } else { 0.0 };
    Row {
        seq,
        symbol: SymbolId(symbol(seq)),
        frame_ms: mix as i64 >> 20,
        open: x,
        high: x + 0.5,
        low: -x,
        close: x / 3.0,
        volume: mix as u32 as f64,
        received_ns: !(mix as i64),
        optional: [optional(0), optional(1), 0.0, 0.0, 0.0, 0.0],
        present,
        revision: (mix >> 8) as u8,
    }
}

// ---- the processes ----

/// The body of a child process. It does nothing in an ordinary run of the tests.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let path = PathBuf::from(std::env::var_os(RING).unwrap());
    match role.as_str() {
        "writer" => write(&path),
        pace => read(&path, pace),
    }
}

/// Reports a line to the parent. It begins with @, on a line of its own, whatever the test
/// harness has printed before.
fn report(what: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n@{what}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

fn write(path: &Path) {
    let mut writer = RingWriter::open(path).unwrap();
    let maintenance = writer.maintenance();
    report(format_args!("opened {}", writer.next_seq()));
    let mut until = writer.next_seq();
    let started = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| archive(&maintenance));
        while writer.next_seq() < ROWS {
            let seq = writer.next_seq();
            if seq == until {
                // A closed pipe means "go" for all remaining rows.
                std::io::stdin().read_line(&mut String::new()).unwrap();
                until += ROWS_PER_GO;
            }
            if writer.day().is_some_and(|open| open != day(seq)) {
                assert!(writer.close_day());
                writer.wake();
            }
            assert!(writer.begin_day(day(seq)));
            if symbol(seq) >= writer.ring().symbol_count() {
                assert_eq!(writer.intern(&name(symbol(seq))).unwrap().0, symbol(seq));
            }
            while writer.push(&Row { seq: 0, ..row(seq) }).is_err() {
                assert!(started.elapsed() < DEADLINE, "row {seq}: nothing was archived");
                std::thread::yield_now();
            }
            if seq % 50 == 49 {
                writer.write_back();
                writer.wake();
                report(format_args!("acknowledged {}", seq + 1));
            }
        }
        assert!(writer.close_day());
        writer.wake();
    });
    report(format_args!("done"));
}

/// Promise 7, the ring's part: maintenance reads every row whole and in order before its block is
/// reused.
fn archive(maintenance: &barbus_ring::RingMaintenance) {
    let started = Instant::now();
    let mut next = None;
    while next != Some(ROWS) {
        for block in maintenance.unpersisted().iter().filter(|block| block.sealed) {
            let mut rows = Vec::new();
            assert!(maintenance.rows(block.block, 0, block.rows, &mut rows));
            assert_eq!(block.first_seq, next.unwrap_or(block.first_seq));
            assert!(rows.iter().copied().eq((block.first_seq..).take(block.rows as usize).map(row)));
            maintenance.seal_checksum(block.block);
            maintenance.mark_persisted(block.block);
            next = Some(block.first_seq + u64::from(block.rows));
        }
        assert!(started.elapsed() < DEADLINE, "archived up to {next:?}");
        std::thread::yield_now();
    }
}

fn read(path: &Path, pace: &str) {
    let started = Instant::now();
    let ring = Ring::attach(path).unwrap();
    let mut reader = RingReader::new(&ring, RingStart::Oldest).unwrap();
    check_read_only(path);
    let mut names = [false; 100];
    let (mut seq, mut count, mut missed, mut laps, mut closes) = (0, 0, 0, 0, 0);
    let mut rows = Vec::new();
    report(format_args!("ready"));
    loop {
        assert!(started.elapsed() < DEADLINE, "{pace}: at row {seq}: {:?}", ring.status());
        rows.clear();
        let commits = ring.commits();
        match reader.poll(&ring, &mut rows, if pace == "slow" { 100 } else { 1_000 }) {
            Polled::Rows(n) => {
                assert_eq!(n, rows.len());
                for found in &rows {
                    assert_eq!(*found, row(seq));
                    let id = found.symbol.0;
                    if !std::mem::replace(&mut names[id as usize], true) {
                        assert_eq!(ring.symbol(found.symbol), Some(name(id)), "a symbol of a row is in the dictionary");
                    }
                    seq += 1;
                }
                count += n as u64;
                if pace == "slow" && count % 300 < 100 {
                    let lapped = (seq + 2 * u64::from(BLOCKS * ROWS_PER_BLOCK)).min(ROWS);
                    while ring.status().next_seq < lapped {
                        assert!(started.elapsed() < DEADLINE, "the writer stopped before row {lapped}");
                        std::thread::yield_now();
                    }
                }
            }
            Polled::Lapped { missed: n } => {
                assert!(n > 0);
                (seq, missed, laps) = (seq + n, missed + n, laps + 1);
            }
            Polled::DayClosed(closed) => {
                assert_eq!((closed, seq % ROWS_PER_DAY), (day(seq - 1), 0), "a close lies between two days' rows");
                closes += 1;
                if seq == ROWS {
                    break;
                }
            }
            Polled::Empty if pace == "waiting" => drop(ring.wait(commits, Duration::from_millis(50))),
            Polled::Empty => std::thread::yield_now(),
            Polled::Corrupt => panic!("{pace}: row {seq}: corrupt: {:?}", ring.status()),
        }
        assert_eq!(reader.position().seq, seq);
    }
    assert!(missed > 0 || closes == ROWS / ROWS_PER_DAY, "a reader that missed no row sees every day close");
    report(format_args!("{count} {missed} {laps}"));
}

/// Promise 2: this process maps the ring without write permission, and none of its descriptors
/// could be used to write.
fn check_read_only(path: &Path) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let maps: Vec<_> = maps.lines().filter(|line| line.ends_with(path.to_str().unwrap())).collect();
    assert!(!maps.is_empty() && maps.iter().all(|line| line.contains(" r--s ")), "{maps:?}");
    let mut descriptors = 0;
    for entry in std::fs::read_dir("/proc/self/fd").unwrap().flatten() {
        if std::fs::read_link(entry.path()).is_ok_and(|target| target == path) {
            let info = std::fs::read_to_string(Path::new("/proc/self/fdinfo").join(entry.file_name())).unwrap();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
            assert_eq!(u32::from_str_radix(flags.trim(), 8).unwrap() & 3, 0, "O_RDONLY: {info}");
            descriptors += 1;
        }
    }
    assert_eq!(descriptors, 1);
}

// ---- the parent ----

struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(role: &str, ring: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture"])
            .env(ROLE, role)
            .env(RING, ring)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, stdin, lines }
    }

    /// The next report of the child; `None` when it has ended.
    fn next_report(&mut self) -> Option<String> {
        let mut lines = self.lines.by_ref().map_while(Result::ok);
        lines.find_map(|line| line.strip_prefix('@').map(str::to_owned))
    }

    fn go(&mut self) {
        self.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }

    /// The last report of a reader: rows, missed rows, laps.
    fn result(mut self) -> [u64; 3] {
        let report = self.next_report().expect("the reader failed, see above");
        assert!(self.child.wait().unwrap().success());
        let numbers: Vec<_> = report.split(' ').map(|number| number.parse().unwrap()).collect();
        numbers.try_into().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ring() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap().join("bars.ring");
    let spec = Spec {
        blocks: BLOCKS,
        rows_per_block: ROWS_PER_BLOCK,
        tip_rows: 128,
        symbols: 100,
        symbol_bytes: 1_200,
        ..Spec::default()
    };
    create(&path, &spec).unwrap();
    (dir, path)
}

fn readers(path: &Path, paces: &[&str]) -> Vec<Process> {
    let mut readers: Vec<_> = paces.iter().map(|pace| Process::start(pace, path)).collect();
    readers.iter_mut().for_each(|reader| assert_eq!(reader.next_report().as_deref(), Some("ready")));
    readers
}

/// Promise 3: no row is torn. Promise 4: rows read plus rows missed are all rows. Promise 2: a
/// reader that is laps behind delays no other process. Promise 5, for waiting: a reader that sleeps
/// on the futex misses no commit for longer than its timeout.
#[test]
fn three_processes_read_what_a_fourth_writes() {
    let (_dir, path) = ring();
    let readers = readers(&path, &["spinning", "waiting", "slow"]);
    let mut writer = Process::start("writer", &path);
    assert_eq!(writer.next_report().as_deref(), Some("opened 0"));
    writer.stdin = None;
    while writer.next_report().expect("the writer failed, see above") != "done" {}
    assert!(writer.child.wait().unwrap().success());
    for (i, reader) in readers.into_iter().enumerate() {
        let [rows, missed, laps] = reader.result();
        assert_eq!(rows + missed, ROWS, "reader {i}: {rows} rows, {missed} missed");
        assert!(i != 2 || laps > 20, "the slow one was lapped {laps} times only");
    }

    // The rest of the ring is intact, by its checksums and for an Arrow reader (promise 1).
    let ring = Ring::attach(&path).unwrap();
    let report = ring.verify();
    assert_eq!((report.checksums, report.problems), (BLOCKS, vec![]));
    let file = std::fs::File::open(&path).unwrap();
    let batches = arrow::ipc::reader::FileReader::try_new(file, None).unwrap();
    let mut seqs: Vec<u64> = Vec::new();
    for batch in batches {
        use arrow::array::AsArray;
        seqs.extend(batch.unwrap()["seq"].as_primitive::<arrow::datatypes::UInt64Type>().values());
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (ROWS - seqs.len() as u64..ROWS).collect::<Vec<_>>());
    assert!(seqs.len() as u32 > (BLOCKS - 2) * ROWS_PER_BLOCK);
}

/// Promise 6: rows that were acknowledged or read survive when the writer is killed at any point.
/// Readers continue with the next writer and notice nothing.
#[test]
fn readers_outlive_writers_that_are_killed() {
    let (_dir, path) = ring();
    let readers = readers(&path, &["spinning", "slow"]);
    let mut acknowledged = 0;
    for round in 0..=KILLS {
        let mut writer = Process::start("writer", &path);
        let opened = writer.next_report().expect("the writer failed, see above");
        let next: u64 = opened.strip_prefix("opened ").unwrap().parse().unwrap();
        assert!(next >= acknowledged, "{acknowledged} rows were acknowledged, the ring has {next}");
        writer.go();
        if round == KILLS {
            writer.stdin = None;
            while writer.next_report().expect("the writer failed, see above") != "done" {}
            break;
        }
        let mut reports = 0;
        while let Some(line) = writer.next_report() {
            acknowledged = line.strip_prefix("acknowledged ").unwrap().parse().unwrap();
            reports += 1;
            if reports == 20 + 3 * round {
                // SIGKILL hits the writer at any point of its work.
                writer.child.kill().unwrap();
            }
        }
        assert!(reports >= 20 + 3 * round, "the writer failed, see above");
    }
    for reader in readers {
        let [rows, missed, _] = reader.result();
        assert_eq!(rows + missed, ROWS);
    }
}
