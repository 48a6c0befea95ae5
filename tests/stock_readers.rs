//! The ring file in the hands of Arrow readers that know nothing of barbus (promise 1), while it is written and at rest.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, TimestampMillisecondType, UInt64Type};
use arrow_array::{Array, RecordBatch};
use arrow_ipc::reader::{FileReader, StreamReader};
use serde_json::Value;

use crate::support::bus::{Bus, Counts};
use crate::support::command::Running;
use crate::support::market::{self, Bar};
use crate::support::python;

#[test]
fn pyarrow_and_polars_follow_a_ring_that_is_being_written() {
    let bus = Bus::running("XSHG");
    // A new symbol in every minute: the dictionary grows under the readers.
    let bars: Vec<Bar> = market::xshg_day(&["600000.XSHG"; 20], "2024-03-04")
        .into_iter()
        .enumerate()
        .map(|(row, bar)| market::bar(&format!("{:06}.XSHE", row % 20 + row / 200), bar.frame))
        .collect();
    let csv = bus.write("bars.csv", market::csv(&bars));
    let rows = bars.len().to_string();
    let mut readers = python::command("stock_ring.py");
    readers.arg(bus.ring()).args(["--until-rows", &rows, "--expect"]).arg(&csv);
    let readers = Running::start(&mut readers, false);
    // 240 minutes in about five seconds.
    assert_eq!(bus.publish(&csv, &["--speed", "4000x"]), Counts::all_accepted(bars.len()));
    let summary: Value = serde_json::from_str(&readers.finish().ok()).expect("a summary");
    assert_eq!(summary["rows"], bars.len());
    assert!(summary["grew"].as_u64().expect("a count") > 10, "the readers hardly met the writer: {summary}");
}

#[test]
fn arrow_rs_reads_it_as_a_file_and_as_a_stream() {
    let bus = Bus::running("XSHG");
    let bars = market::xshg_day(&["600000.XSHG", "000001.XSHE"], "2024-03-04");
    for (half, part) in [&bars[..100], &bars].into_iter().enumerate() {
        let csv = bus.write(&format!("{half}.csv"), market::csv(part));
        bus.publish(&csv, &[]);
        assert_rows(&file_batches(&bus), part);
        assert_rows(&stream_batches(&bus), part);
    }
}

#[test]
fn an_empty_ring_is_a_valid_file() {
    let bus = Bus::running("XSHG");
    python::run("stock_ring.py", [bus.ring()]).ok();
    assert_rows(&file_batches(&bus), &[]);
    assert_rows(&stream_batches(&bus), &[]);
}

#[test]
fn a_ring_at_rest_is_a_valid_file() {
    let mut bus = Bus::running("XSHG");
    let bars = market::minutes(&["600000.XSHG"], "2024-03-04T01:31:00Z", 30);
    let csv = bus.write("bars.csv", market::csv(&bars));
    bus.publish(&csv, &[]);
    bus.kill();
    let arguments = [bus.ring().into_os_string(), "--until-rows".into(), "30".into(), "--expect".into(), csv.into()];
    python::run("stock_ring.py", arguments).ok();
    assert_rows(&file_batches(&bus), &bars);
}

fn file_batches(bus: &Bus) -> Vec<RecordBatch> {
    let file = BufReader::new(File::open(bus.ring()).expect("the ring can be opened"));
    let reader = FileReader::try_new(file, None).expect("an Arrow file");
    reader.map(|batch| batch.expect("a valid batch")).collect()
}

fn stream_batches(bus: &Bus) -> Vec<RecordBatch> {
    let mut file = BufReader::new(File::open(bus.ring()).expect("the ring can be opened"));
    file.seek(SeekFrom::Start(8)).expect("can seek");
    let reader = StreamReader::try_new(file.by_ref(), None).expect("an Arrow stream");
    reader.map(|batch| batch.expect("a valid batch")).collect()
}

/// The rows of all batches, in order of their sequence numbers, are exactly `bars`.
#[track_caller]
fn assert_rows(batches: &[RecordBatch], bars: &[Bar]) {
    let mut rows = Vec::new();
    for batch in batches {
        let column = |name: &str| batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
        let symbols = column("symbol").as_dictionary::<Int32Type>();
        let names = symbols.values().as_string::<i32>();
        let frames = column("frame").as_primitive::<TimestampMillisecondType>();
        let closes = column("close").as_primitive::<Float64Type>();
        let money = column("money").as_primitive::<Float64Type>();
        let seqs = column("seq").as_primitive::<UInt64Type>();
        for row in 0..batch.num_rows() {
            let symbol = names.value(usize::try_from(symbols.keys().value(row)).expect("a key")).to_owned();
            let money = money.is_valid(row).then(|| money.value(row));
            rows.push((seqs.value(row), symbol, frames.value(row), closes.value(row), money));
        }
    }
    rows.sort_by_key(|row| row.0);
    let seen: Vec<_> =
        rows.iter().map(|(_, symbol, frame, close, money)| (symbol.as_str(), *frame, *close, *money)).collect();
    let wanted: Vec<_> =
        bars.iter().map(|bar| (bar.symbol.as_str(), bar.frame.as_millisecond(), bar.close, bar.money)).collect();
    assert_eq!(seen, wanted);
    assert!(rows.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0), "a gap in the sequence numbers");
}
