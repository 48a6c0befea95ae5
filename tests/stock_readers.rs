//! The ring file read by stock Arrow readers (promise 1), while it is written and while it is idle.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use arrow::array::AsArray;
use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type, TimestampMillisecondType, UInt64Type};
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};
use serde_json::Value;

use crate::support::bus::Bus;
use crate::support::command::{self, Running};
use crate::support::market::{self, Bar};
use crate::support::{python, wait};

#[test]
fn pyarrow_and_polars_follow_a_ring_that_is_being_written() {
    let mut bus = Bus::init("XSHG");
    bus.configure_ring("4MB", 256);
    bus.start();
    let bars = growing_market();
    let csv = bus.write("bars.csv", market::csv(&bars));
    let (rows, seen) = (bars.len().to_string(), bus.path().join("seen"));
    let mut readers = python::command("stock_ring.py");
    readers.arg(bus.ring()).args(["--until-rows", &rows, "--expect"]).arg(&csv).arg("--seen").arg(&seen);
    let readers = Running::start(&mut readers, false);
    for (part, until) in parts(&bus, &bars) {
        publish(&bus, &part).finish().ok();
        wait::until("the readers to see the rows", || {
            let seen: usize = std::fs::read_to_string(&seen).ok()?.parse().expect("a number");
            (seen >= until).then_some(())
        });
    }
    let summary: Value = serde_json::from_str(&readers.finish().ok()).expect("a summary");
    assert_eq!(summary["rows"], bars.len());
    assert!(summary["grew"].as_u64().expect("a count") > 10, "the readers hardly met the writer: {summary}");
}

/// The bars in files of twenty minutes each, with the number of bars up to the end of each file.
/// Readers see a file's bars before the next one is published, even if they are slow.
fn parts(bus: &Bus, bars: &[Bar]) -> Vec<(std::path::PathBuf, usize)> {
    const PART: usize = 400;
    let parts = bars.chunks(PART).enumerate();
    parts.map(|(i, part)| (bus.write(&format!("part-{i}.csv"), market::csv(part)), i * PART + part.len())).collect()
}

/// Twenty minutes in a third of a second.
fn publish(bus: &Bus, csv: &std::path::Path) -> Running {
    let mut publish = command::barbus();
    publish.arg("publish").arg(bus.path()).arg(csv).args(["--speed", "4000x"]);
    Running::start(&mut publish, false)
}

/// A read at any moment returns committed rows from the first one on.
/// A read that races with a commit may fail, as the format describes, but never returns other rows.
#[test]
fn arrow_rs_follows_a_ring_that_is_being_written() {
    let mut bus = Bus::init("XSHG");
    bus.configure_ring("4MB", 256);
    bus.start();
    let bars = growing_market();
    let ways: [Way; 2] = [file_batches, stream_batches];
    let (mut seen, mut grew) = ([0; 2], 0);
    for (part, until) in parts(&bus, &bars) {
        let publish = publish(&bus, &part);
        wait::until("every row by both ways", || {
            for (way, seen) in ways.iter().zip(&mut seen) {
                let Ok(found) = way(&bus).map(|batches| rows(&batches)) else { continue };
                if found.iter().zip(0..).any(|(row, seq)| row.seq != seq) {
                    // Blocks are read in turn, so a later one may have grown past an earlier one.
                    assert!(found.iter().zip(&found[1..]).all(|(a, b)| a.seq < b.seq), "a row twice");
                    continue;
                }
                assert!(found.len() >= *seen, "{} rows after {seen}", found.len());
                assert_same(&found, &bars[..found.len()]);
                grew += usize::from(*seen > 0 && found.len() > *seen);
                *seen = found.len();
            }
            (seen == [until; 2]).then_some(())
        });
        publish.finish().ok();
    }
    assert!(grew > 10, "the reader hardly met the writer: {grew}");
}

#[test]
fn arrow_rs_reads_it_as_a_file_and_as_a_stream() {
    let bus = Bus::running("XSHG");
    let bars = market::xshg_day(&["600000.XSHG", "000001.XSHE"], "2024-03-04");
    for (half, part) in [&bars[..100], &bars].into_iter().enumerate() {
        let csv = bus.write(&format!("{half}.csv"), market::csv(part));
        bus.publish(&csv, &[]);
        assert_rows(&bus, part);
    }
}

#[test]
fn an_empty_ring_is_a_valid_file() {
    let bus = Bus::running("XSHG");
    python::run("stock_ring.py", [bus.ring()]).ok();
    assert_rows(&bus, &[]);
}

#[test]
fn an_idle_ring_is_a_valid_file() {
    let mut bus = Bus::running("XSHG");
    let bars = market::minutes(&["600000.XSHG"], "2024-03-04T01:31:00Z", 30);
    let csv = bus.write("bars.csv", market::csv(&bars));
    bus.publish(&csv, &[]);
    bus.kill();
    let arguments = [bus.ring().into_os_string(), "--until-rows".into(), "30".into(), "--expect".into(), csv.into()];
    python::run("stock_ring.py", arguments).ok();
    assert_rows(&bus, &bars);
}

/// A day with a new symbol every tenth minute, so the dictionary grows under the readers.
fn growing_market() -> Vec<Bar> {
    let day = market::xshg_day(&["600000.XSHG"; 20], "2024-03-04").into_iter().enumerate();
    day.map(|(row, bar)| market::bar(&format!("{:06}.XSHE", row % 20 + row / 200), bar.frame)).collect()
}

/// A way to read every batch of a ring.
type Way = fn(&Bus) -> Result<Vec<RecordBatch>, ArrowError>;

fn file_batches(bus: &Bus) -> Result<Vec<RecordBatch>, ArrowError> {
    let file = BufReader::new(File::open(bus.ring()).expect("the ring can be opened"));
    FileReader::try_new(file, None)?.collect()
}

fn stream_batches(bus: &Bus) -> Result<Vec<RecordBatch>, ArrowError> {
    let mut file = BufReader::new(File::open(bus.ring()).expect("the ring can be opened"));
    file.seek(SeekFrom::Start(8)).expect("can seek");
    StreamReader::try_new(file.by_ref(), None)?.collect()
}

/// The compared values of a row of the ring.
#[derive(Debug)]
struct Row {
    seq: u64,
    symbol: String,
    frame_ms: i64,
    close: f64,
    money: Option<f64>,
}

/// The rows of all batches, in order of their sequence numbers.
fn rows(batches: &[RecordBatch]) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in batches {
        let column = |name: &str| batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
        let symbols = column("symbol").as_dictionary::<Int32Type>();
        let names = symbols.values().as_string::<i32>();
        let frames = column("frame").as_primitive::<TimestampMillisecondType>();
        let closes = column("close").as_primitive::<Float64Type>();
        let money = column("money").as_primitive::<Float64Type>();
        let seqs = column("seq").as_primitive::<UInt64Type>();
        rows.extend((0..batch.num_rows()).map(|row| Row {
            seq: seqs.value(row),
            symbol: names.value(usize::try_from(symbols.keys().value(row)).expect("a key")).to_owned(),
            frame_ms: frames.value(row),
            close: closes.value(row),
            money: money.is_valid(row).then(|| money.value(row)),
        }));
    }
    rows.sort_by_key(|row| row.seq);
    rows
}

/// Asserts that the rows are exactly `bars`, numbered without a gap.
#[track_caller]
fn assert_same(rows: &[Row], bars: &[Bar]) {
    assert_eq!(rows.len(), bars.len());
    for (row, bar) in rows.iter().zip(bars) {
        let found = (row.symbol.as_str(), row.frame_ms, row.close, row.money);
        assert_eq!(found, (bar.symbol.as_str(), bar.frame.as_millisecond(), bar.close, bar.money), "{row:?}");
    }
    assert!(rows.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq), "a gap in the sequence numbers");
}

/// Asserts that an idle ring can always be read, and that both ways return exactly `bars`.
#[track_caller]
fn assert_rows(bus: &Bus, bars: &[Bar]) {
    assert_same(&rows(&file_batches(bus).expect("an Arrow file")), bars);
    assert_same(&rows(&stream_batches(bus).expect("an Arrow stream")), bars);
}
