//! Acknowledgements that wait for the disk (promise 6).
//!
//! The rings here are synced by the clock once an hour: what is on disk is there because somebody asked for it.

mod support;

use std::collections::HashMap;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use barbus::protocol::{Ack, AckMode};
use barbus::{Error, Publisher};
use rustix::process::{Pid, Signal, kill_process};

use support::*;

const DAY: &str = "2024-03-04";

/// Offsets of docs/FORMAT.md.
const CURSOR: u64 = 4608;
const DURABLE_CURSOR: u64 = 4992;

/// A bus whose ring is synced when somebody asks, with these lines in `[ingest]`.
fn bus(ingest: &str) -> Bus {
    let mut bus = Bus::new(&format!("calendar = \"XSHG\"\n[ingest]\n{ingest}\n{SMALL}sync = \"1h\"\n"));
    bus.start(&[]);
    bus
}

/// The cursor and the durable cursor, as a reader written from the document sees them: of a ring with one block, rows.
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

/// The batch as one of a stream that wants this.
fn asking(batch: &RecordBatch, mode: &str) -> RecordBatch {
    let metadata = HashMap::from([("barbus.ack".to_owned(), mode.to_owned())]);
    let schema = Arc::new(Schema::clone(&batch.schema()).with_metadata(metadata));
    batch.clone().with_schema(schema).unwrap()
}

/// Promise 6: what a durable stream is told is on disk at that moment, duplicates of other producers' rows too.
#[test]
fn a_durable_acknowledgement_comes_after_the_sync() {
    let bus = bus("");
    let day = bars(DAY, &["600000.XSHG"], 240);
    assert_eq!(publish(&bus, &[day.slice(0, 100)]).accepted, 100);
    assert_eq!(cursors(&bus), (100, 0), "nobody has asked for a sync");

    // Rows that are there, and not on disk.
    let ack = publish(&bus, &[asking(&day.slice(0, 50), "durable")]);
    assert_eq!((ack.rows, ack.duplicate), (50, 50));
    assert_eq!(cursors(&bus), (100, 100));

    let mut durable = Connection::to(&bus);
    let whole = stream(&[asking(&day.slice(100, 20), "durable"), asking(&day.slice(120, 20), "durable")]);
    durable.send(&whole[..whole.len() - 8]);
    let last = until("both", || Some(durable.ack()).filter(|ack| ack.rows == 40));
    assert_eq!(last, Ack { rows: 40, accepted: 40, seq: Some(139), ..Ack::default() });
    assert_eq!(cursors(&bus), (140, 140));

    // Others are not held up, and cause no sync.
    assert_eq!(publish(&bus, &[asking(&day.slice(140, 100), "commit")]).accepted, 100);
    assert_eq!(cursors(&bus), (240, 140));
    drop(durable);
    bus.close_day();
    bus.assert_archived(DAY, &day);
}

/// The bus's own setting, which a stream may override; and the client library.
#[test]
fn the_setting_holds_for_streams_that_say_nothing() {
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
    // Quarantined rows are on disk in any case, and there is nothing to wait for.
    let without = with_column(&day.slice(0, 5), "volume", None);
    assert_eq!(publish(&bus, &[without]).quarantined, 5);

    let mut connection = Connection::to(&bus);
    connection.send(&stream(&[asking(&day, "soon")]));
    let error = connection.error();
    assert!(error.contains("barbus.ack: \"soon\": say \"commit\" or \"durable\""), "{error}");
}

/// Many at once: each is answered, and a sync serves more than one of them.
#[test]
fn producers_at_once_share_syncs() {
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

/// Promise 6: a sync that fails holds the acknowledgement back and nobody else; it is shown, told once, and tried again.
#[test]
fn a_disk_that_fails_holds_the_acknowledgement_back() {
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
    // The rows are committed: readers see them, other producers are acknowledged.
    until("the rows", || (cursors(&bus) == (30, 10)).then_some(()));
    assert_eq!(publish(&bus, &[day.slice(30, 10)]).accepted, 10);
    assert_eq!(durable.line_now(), None, "acknowledged, and not on disk");
    let told = || bus.log().matches("ring not on disk").count();
    until("the log to tell of it", || (told() > 0).then_some(()));
    assert_eq!(told(), 1);

    failing.end();
    let last = until("both", || Some(durable.ack()).filter(|ack| ack.rows == 20));
    assert_eq!(last.accepted, 20);
    assert!(cursors(&bus).1 >= 30);
    assert_eq!(bus.stat().last_sync_error, None);
    until("the log to tell of the end", || bus.log().contains("ring on disk again").then_some(()));
    assert_eq!(told(), 1);
}

/// Who waits for a disk that fails may go away: neither a thread nor a descriptor waits on for him, nor is he counted among the connections.
#[test]
fn nobody_waits_for_the_disk_in_the_place_of_one_who_hung_up() {
    let bus = bus("");
    let day = bars(DAY, &["600000.XSHG"], 240);
    publish(&bus, &[asking(&day.slice(0, 10), "durable")]);
    // Threads of connections, by their names; each has a descriptor.
    let serving = || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", bus.pid())).unwrap().flatten();
        let names = tasks.map(|task| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default());
        names.filter(|name| ["barbusd-peer", "barbusd-acks"].contains(&name.trim_end())).count()
    };
    let Some(_failing) = FailingDisk::under(&bus) else { return };
    // With the end of the stream, without, and in the middle of a message.
    for (rows, missing) in [(20, 0), (30, 8), (40, 100)] {
        let bytes = stream(&[asking(&day.slice(rows - 10, 10), "durable"), asking(&day.slice(0, 1), "durable")]);
        let mut durable = Connection::to(&bus);
        durable.send(&bytes[..bytes.len() - missing]);
        until("its rows", || (cursors(&bus).0 == rows as u64).then_some(()));
        assert_eq!(durable.line_now(), None, "acknowledged, and not on disk");
        assert_ne!(serving(), 0);
        drop(durable);
        until("nobody who waits for him", || (serving() == 0).then_some(()));
    }
    assert_eq!(bus.stat().producers, Some(0));
}

/// On a tmpfs a durable acknowledgement would be a lie.
#[test]
fn a_ring_in_memory_has_nothing_durable() {
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

/// Has every `fdatasync` of a daemon fail, by strace.
struct FailingDisk {
    strace: Child,
}

impl FailingDisk {
    /// Begins, or says that the test is skipped.
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
        // Of every thread.
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
        kill_process(Pid::from_child(&self.strace), Signal::INT).unwrap();
        until("the tracer's end", || self.strace.try_wait().unwrap());
    }
}

impl Drop for FailingDisk {
    fn drop(&mut self) {
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}
