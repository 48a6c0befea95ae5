//! Durable acknowledgements, which wait for the disk (promise 6).
//!
//! The sync interval of the rings here is an hour: a row reaches the disk only because of a
//! request.

mod support;

use std::collections::HashMap;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use barbus::protocol::{Ack, AckMode};
use barbus::{Error, Publisher};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use support::*;

const DAY: &str = "2024-03-04";

/// Offsets of docs/FORMAT.md.
const CURSOR: u64 = 4608;
const DURABLE_CURSOR: u64 = 4992;

/// A bus whose ring is synced on request only, with these lines in `[ingest]`.
fn bus(ingest: &str) -> Bus {
    let mut bus = Bus::new(&format!("calendar = \"XSHG\"\n[ingest]\n{ingest}\n{SMALL}sync = \"1h\"\n"));
    bus.start(&[]);
    bus
}

/// The cursor and the durable cursor of a ring with one block, in rows, read as FORMAT.md
/// describes.
fn cursors(bus: &Bus) -> (u64, u64) {
    let ring = std::fs::File::open(bus.path().join("bars.ring")).unwrap();
    let word = |offset| {
        let mut bytes = [0; 8];
        ring.read_exact_at(&mut bytes, offset).unwrap();
        u64::from_le_bytes(bytes)
    };
    let rows = |cursor: u64| match cursor >> 32 {
        0 => 0,
        1 => cursor & 0xffff_ffff,
        other => panic!("block {other} of a short test"),
    };
    (rows(word(CURSOR)), rows(word(DURABLE_CURSOR)))
}

/// The batch with metadata that asks for this acknowledgement mode.
fn asking(batch: &RecordBatch, mode: &str) -> RecordBatch {
    let metadata = HashMap::from([("barbus.ack".to_owned(), mode.to_owned())]);
    let schema = Arc::new(Schema::clone(&batch.schema()).with_metadata(metadata));
    batch.clone().with_schema(schema).unwrap()
}

/// Promise 6: when a durable stream gets an acknowledgement, its rows are on disk.
/// That includes duplicates of rows from other producers.
#[test]
fn a_durable_acknowledgement_follows_the_sync() {
    let bus = bus("");
    let day = bars(DAY, &["600000.XSHG"], 240);
    assert_eq!(publish(&bus, &[day.slice(0, 100)]).accepted, 100);
    assert_eq!(cursors(&bus), (100, 0), "no stream has asked for a sync");

    // Duplicates of rows that are committed and not on disk.
    let ack = publish(&bus, &[asking(&day.slice(0, 50), "durable")]);
    assert_eq!((ack.rows, ack.duplicate), (50, 50));
    assert_eq!(cursors(&bus), (100, 100));

    let mut durable = Connection::to(&bus);
    let whole = stream(&[asking(&day.slice(100, 20), "durable"), asking(&day.slice(120, 20), "durable")]);
    durable.send(&whole[..whole.len() - 8]);
    let last = until("both", || Some(durable.ack()).filter(|ack| ack.rows == 40));
    assert_eq!(last, Ack { rows: 40, accepted: 40, seq: Some(139), ..Ack::default() });
    assert_eq!(cursors(&bus), (140, 140));

    // Other streams do not wait and cause no sync.
    assert_eq!(publish(&bus, &[asking(&day.slice(140, 100), "commit")]).accepted, 100);
    assert_eq!(cursors(&bus), (240, 140));
    drop(durable);
    bus.close_day();
    bus.assert_archived(DAY, &day);
}

/// A stream may override the setting of the bus; the client library can too.
#[test]
fn the_setting_applies_to_streams_without_a_mode() {
    let bus = bus("ack = \"durable\"");
    let day = bars(DAY, &["600000.XSHG"], 240);
    publish(&bus, &[day.slice(0, 100)]);
    assert_eq!(cursors(&bus), (100, 100));
    let library = barbus::Bus::open(bus.path()).unwrap();
    let mut publisher = Publisher::connect(&library).unwrap().ack_mode(AckMode::Commit);
    publisher.send(&day.slice(100, 10)).unwrap();
    assert_eq!(cursors(&bus), (110, 100));
    let mut publisher = Publisher::connect(&library).unwrap().ack_mode(AckMode::Durable);
    publisher.send(&day.slice(110, 10)).unwrap();
    assert_eq!(cursors(&bus), (120, 120));
    // Quarantined rows are always on disk, so there is no sync to wait for.
    let without = with_column(&day.slice(0, 5), "volume", None);
    assert_eq!(publish(&bus, &[without]).quarantined, 5);

    let mut connection = Connection::to(&bus);
    connection.send(&stream(&[asking(&day, "soon")]));
    let error = connection.error();
    assert!(error.contains("barbus.ack: \"soon\": give \"commit\" or \"durable\""), "{error}");
}

/// Every concurrent producer gets its acknowledgements, and one sync serves several producers.
#[test]
fn concurrent_producers_share_syncs() {
    let bus = bus("ack = \"durable\"");
    let symbols: Vec<String> = (0..6).map(|number| format!("60000{number}.XSHG")).collect();
    std::thread::scope(|scope| {
        for symbol in &symbols {
            scope.spawn(|| {
                let day = bars(DAY, &[symbol], 100);
                let ack = publish(&bus, &singly(&day));
                assert_eq!(ack.accepted, 100);
                assert!(cursors(&bus).1 > ack.seq.unwrap(), "acknowledged before it was on disk");
            });
        }
    });
    assert_eq!(cursors(&bus), (600, 600));
}

/// Promise 6: a failed sync delays the durable acknowledgement and nothing else.
/// `stat` shows the failure, the log has it once, and the daemon retries.
#[test]
fn a_failing_disk_delays_durable_acknowledgements() {
    let bus = bus("");
    let day = bars(DAY, &["600000.XSHG"], 240);
    publish(&bus, &[asking(&day.slice(0, 10), "durable")]);
    let Some(failing) = FailingDisk::under(&bus) else { return };
    let mut durable = Connection::to(&bus);
    let whole = stream(&[asking(&day.slice(10, 10), "durable"), asking(&day.slice(20, 10), "durable")]);
    durable.send(&whole[..whole.len() - 8]);
    let error =
        until("more than one try", || bus.stat().last_sync_error.filter(|error| !error.contains("(tried 1 times)")));
    assert!(error.contains("Input/output error"), "{error}");
    assert!(bus.stat().last_sync_error_at.is_some());
    // The rows are committed: readers see them, and other producers get acknowledgements.
    until("the rows", || (cursors(&bus) == (30, 10)).then_some(()));
    assert_eq!(publish(&bus, &[day.slice(30, 10)]).accepted, 10);
    assert_eq!(durable.line_now(), None, "acknowledged, and not on disk");
    let logged = || bus.log().matches("ring not on disk").count();
    until("the line in the log", || (logged() > 0).then_some(()));
    assert_eq!(logged(), 1);

    failing.end();
    let last = until("both", || Some(durable.ack()).filter(|ack| ack.rows == 20));
    assert_eq!(last.accepted, 20);
    assert!(cursors(&bus).1 >= 30);
    assert_eq!(bus.stat().last_sync_error, None);
    until("the recovery in the log", || bus.log().contains("ring on disk again").then_some(()));
    assert_eq!(logged(), 1);
}

/// A producer that waits for a failing disk may hang up. The daemon then ends its threads, closes
/// its descriptor, and no longer counts it.
#[test]
fn the_wait_for_the_disk_ends_when_the_producer_hangs_up() {
    let bus = bus("");
    let day = bars(DAY, &["600000.XSHG"], 240);
    publish(&bus, &[asking(&day.slice(0, 10), "durable")]);
    // The threads of connections, by name. Each has a descriptor.
    let serving = || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", bus.pid())).unwrap().flatten();
        let names = tasks.map(|task| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default());
        names.filter(|name| ["barbusd-peer", "barbusd-acks"].contains(&name.trim_end())).count()
    };
    let Some(_failing) = FailingDisk::under(&bus) else { return };
    // A complete stream, one without its end marker, and one cut in the middle of a message.
    for (rows, missing) in [(20, 0), (30, 8), (40, 100)] {
        let bytes = stream(&[asking(&day.slice(rows - 10, 10), "durable"), asking(&day.slice(0, 1), "durable")]);
        let mut durable = Connection::to(&bus);
        durable.send(&bytes[..bytes.len() - missing]);
        until("its rows", || (cursors(&bus).0 == rows as u64).then_some(()));
        assert_eq!(durable.line_now(), None, "acknowledged, and not on disk");
        assert_ne!(serving(), 0);
        drop(durable);
        until("the end of its threads", || (serving() == 0).then_some(()));
    }
    assert_eq!(bus.stat().producers, Some(0));
}

/// A ring on tmpfs cannot be durable, so the daemon rejects durable acknowledgements.
#[test]
fn a_ring_in_memory_rejects_durable_acknowledgements() {
    let Some(memory) = MemoryFile::new("durable") else { return };
    let settings = |ack: &str| {
        format!("calendar = \"XSHG\"\n[ingest]\nack = {ack:?}\n{SMALL}path = {:?}\n", memory.path().to_str().unwrap())
    };
    let bus = Bus::new(&settings("durable"));
    let (code, message) = bus.refused(&[]);
    assert_eq!(code, Some(1));
    assert!(message.contains("bus.toml: ingest.ack") && message.contains("is on tmpfs"), "{message}");

    let mut bus = Bus::new(&settings("commit"));
    bus.start(&[]);
    let day = bars(DAY, &["600000.XSHG"], 10);
    let mut connection = Connection::to(&bus);
    connection.send(&stream(&[asking(&day, "durable")]));
    let error = connection.error();
    assert!(error.contains("barbus.ack") && error.contains("is on tmpfs"), "{error}");
    let library = barbus::Bus::open(bus.path()).unwrap();
    let mut publisher = Publisher::connect(&library).unwrap().ack_mode(AckMode::Durable);
    match publisher.send(&day) {
        Err(Error::Refused { why, .. }) => assert!(why.contains("is on tmpfs"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(publish(&bus, &[day]).accepted, 10);
}

/// Makes every `fdatasync` of a daemon fail, by strace.
struct FailingDisk {
    strace: Child,
}

impl FailingDisk {
    /// Attaches strace; `None`, with a message, where the test must be skipped.
    fn under(bus: &Bus) -> Option<Self> {
        let mut strace = Command::new("strace");
        strace.args([
            "-f",
            "-qq",
            "-e",
            "trace=fdatasync",
            "-e",
            "inject=fdatasync:error=EIO",
            "-o",
            "/dev/null",
            "-p",
        ]);
        strace.arg(bus.pid().to_string()).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut strace = match strace.spawn() {
            Ok(strace) => strace,
            Err(error) => {
                println!("skipped: strace: {error}");
                return None;
            }
        };
        // strace attaches to one thread after the other.
        let traced = || {
            let tasks = std::fs::read_dir(format!("/proc/{}/task", bus.pid())).unwrap();
            tasks.flatten().all(|task| {
                let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
                status.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|pid| pid.trim() != "0"))
            })
        };
        until("the tracer", || (traced() || strace.try_wait().unwrap().is_some()).then_some(()));
        if strace.try_wait().unwrap().is_some() {
            let output = strace.wait_with_output().unwrap();
            println!("skipped: tracing is not permitted here: {}", String::from_utf8_lossy(&output.stderr));
            return None;
        }
        Some(Self { strace })
    }

    /// The disk works again.
    fn end(mut self) {
        kill(Pid::from_raw(self.strace.id() as i32), Signal::SIGINT).unwrap();
        until("the tracer's end", || self.strace.try_wait().unwrap());
    }
}

impl Drop for FailingDisk {
    fn drop(&mut self) {
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}
