//! Late bars: bars of a day that is closed.

mod support;

use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use barbus::{Bus, Event, Reader, Row, Start};
use barbus_archive::Archive;
use barbus_writer::{NormalizedBatch, Pushed, Wait, Writer};

const MINUTE: i64 = 60_000;
/// 2024-07-04 09:30 in Shanghai.
const OPEN: i64 = 1_720_056_600_000;
const DAY: i64 = 86_400_000;

/// A bus with a small ring.
fn bus() -> (tempfile::TempDir, Bus) {
    let dir = tempfile::tempdir().unwrap();
    let settings = "calendar = \"XSHG\"\n[ring]\nsize = \"2MB\"\nrows_per_block = 64\n[archive]\nlate = \"500ms\"\n";
    std::fs::write(dir.path().join("bus.toml"), settings).unwrap();
    let bus = Bus::open(dir.path()).unwrap();
    (dir, bus)
}

/// Bars of 500 symbols that end at `frame_ms` and have this price.
fn bars(writer: &Writer, frame_ms: i64, price: f64) -> NormalizedBatch {
    let batch = support::batch((0..500).map(|number| (format!("{number:06}.XSHG"), frame_ms, price)));
    writer.normalizer().normalize(batch, "test", 0).unwrap()
}

/// Publishes a batch. Returns the highest number of rows that one call handled.
fn publish(writer: &mut Writer, batch: &NormalizedBatch) -> usize {
    let (mut next, mut most) = (0, 0);
    while next < batch.rows() {
        let ingested = writer.ingest(batch, next).unwrap();
        most = most.max(ingested.next - next);
        next = ingested.next;
        match ingested.wait {
            Some(Wait::Space) => writer.flush().unwrap(),
            Some(Wait::Day(day)) => {
                let archived = writer.day_loader().load_in_background(day);
                let late = writer.begin_late_day(archived).unwrap();
                assert!(!writer.is_day_loaded(day));
                assert!(writer.end_late_day(late.load_in_background()));
                assert!(writer.is_day_loaded(day));
            }
            None => {}
        }
    }
    most
}

/// The highest number of a revision among the bars of the ring that end at `frame_ms`.
fn highest_revision(bus: &Bus, frame_ms: i64) -> Option<u8> {
    let mut reader = Reader::open(bus.path()).unwrap().start_at(Start::Oldest).unwrap();
    let mut highest = None;
    while let Some(event) = reader.poll().unwrap() {
        if let Event::Bars(bars) = event {
            let of_frame = bars.iter().filter(|bar| bar.frame_ms == frame_ms);
            highest = highest.max(of_frame.map(|bar| bar.revision).max());
        }
    }
    highest
}

/// Promise 8: the number of a revision is only in the ring. The ring keeps it while a thread has
/// yet to read it for late bars, and the writer waits for no thread meanwhile.
#[test]
fn the_ring_keeps_what_is_yet_to_be_read_for_late_bars() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    for price in [8.0, 9.0, 10.0] {
        let batch = bars(&writer, OPEN + MINUTE, price);
        publish(&mut writer, &batch);
    }
    let next_day = bars(&writer, OPEN + DAY + MINUTE, 8.0);
    publish(&mut writer, &next_day);
    writer.flush().unwrap();
    drop(writer);
    // This writer has no index of the first day.
    let mut writer = Writer::open(&bus).unwrap();
    let day = "2024-07-04".parse().unwrap();
    assert!(!writer.is_day_loaded(day));
    let archived = writer.day_loader().load_in_background(day);
    let late = writer.begin_late_day(archived).unwrap();
    // More rows than the ring has room for, until it has none but what is to be read.
    let mut full = 0;
    let mut minute = 2;
    while full < 20 {
        let batch = bars(&writer, OPEN + DAY + minute * MINUTE, 8.0);
        let mut next = 0;
        while next < batch.rows() && full < 20 {
            let ingested = writer.ingest(&batch, next).unwrap();
            next = ingested.next;
            if ingested.wait == Some(Wait::Space) {
                writer.flush().unwrap();
                full += 1;
            } else {
                full = 0;
            }
        }
        minute += 1;
        assert!(minute < 1_000, "the ring has reused what was to be read");
    }
    assert!(writer.end_late_day(late.load_in_background()));
    let fourth = bars(&writer, OPEN + MINUTE, 11.0);
    publish(&mut writer, &fourth);
    assert_eq!(highest_revision(&bus, OPEN + MINUTE), Some(3));
}

/// Late bars are compared with bars that were not used for a while. A long batch of them leaves the
/// writer to others after few rows, and readers are not woken more often for it.
#[test]
fn a_batch_of_late_bars_is_taken_in_small_parts() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    let batch = bars(&writer, OPEN + MINUTE, 8.0);
    assert_eq!(publish(&mut writer, &batch), 500, "a day that it opens");
    let batch = bars(&writer, OPEN + DAY + MINUTE, 8.0);
    assert_eq!(publish(&mut writer, &batch), 500, "the next day");
    drop(writer);
    let mut writer = Writer::open(&bus).unwrap();
    let batch = bars(&writer, OPEN + MINUTE, 9.0);
    let before = writer.ring().commits();
    assert_eq!(publish(&mut writer, &batch), 128, "late");
    // At its first part if there is a processor for another thread, and at its end.
    let has_other_processors = std::thread::available_parallelism().unwrap().get() > 1;
    assert_eq!(writer.ring().commits() - before, if has_other_processors { 2 } else { 1 });
}

/// Promise 7: a late bar gets into the file of its day after `archive.late`, without a request.
#[test]
fn late_bars_are_archived_without_a_request() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    let symbol = writer.symbol("600000.XSHG").unwrap();
    let mut push = |frame_ms: i64| {
        let (open, high, low, close) = (8.0, 9.0, 7.0, 8.0);
        let row = Row { symbol, frame_ms, open, high, low, close, volume: 1.0, ..Row::default() };
        assert!(matches!(writer.push(&row).unwrap(), Pushed::Accepted(_)));
    };
    push(OPEN + MINUTE);
    push(OPEN + MINUTE + DAY);
    let archive = Archive::open_existing(bus.archive(), bus.settings().schema.clone(), "XSHG");
    let rows =
        || archive.read("2024-07-04".parse().unwrap()).unwrap().map_or(0, |(_, day): (_, RecordBatch)| day.num_rows());
    let until = |wanted: usize| {
        let begun = Instant::now();
        while rows() != wanted {
            assert!(begun.elapsed() < Duration::from_secs(240), "{} rows in the file, not {wanted}", rows());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    until(1);
    push(OPEN + 2 * MINUTE);
    until(2);
}
