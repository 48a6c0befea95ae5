//! Rings of every version of the format, kept for ever: this code must read what earlier code
//! wrote.
//!
//! `tests/golden/NAME.ring.gz` is a ring. `NAME.csv` beside it lists in plain text what a reader
//! finds that starts at the first sequence number: the symbols, then rows, laps and day closes in
//! order. When the version of the format is raised, this writes files of the new version:
//!
//! ```text
//! cargo test -p barbus-ring --test golden -- --ignored write_golden_files
//! ```
//!
//! It never overwrites a file. Files of earlier versions stay, with a test of what this code reads
//! in them.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use arrow::array::AsArray;
use arrow::array::{Array, ArrayAccessor};
use arrow::datatypes::*;
use barbus_ring::layout::*;
use barbus_ring::{Polled, Price, Ring, RingReader, RingStart, RingWriter, Row, Spec, SymbolId, create};

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file)
}

fn unpacked(name: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bars.ring");
    let packed = File::open(golden(&format!("{name}.ring.gz"))).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

/// One thing that a reader finds.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Found {
    Row(Row),
    Lapped(u64),
    DayClosed(i64),
}

fn read(ring: &Ring, max: usize) -> Vec<Found> {
    let mut reader = RingReader::new(ring, RingStart::Seq(ring.geometry().first_seq)).unwrap();
    let (mut found, mut rows) = (Vec::new(), Vec::new());
    loop {
        match reader.poll(ring, &mut rows, max) {
            Polled::Rows(_) => found.extend(rows.drain(..).map(Found::Row)),
            Polled::Lapped { missed } => found.push(Found::Lapped(missed)),
            Polled::DayClosed(day) => found.push(Found::DayClosed(day)),
            Polled::Empty => return found,
            Polled::Corrupt => panic!("corrupt"),
        }
    }
}

fn csv(ring: &Ring, found: &[Found]) -> String {
    let optional = ring.geometry().optional;
    let mut text = String::new();
    for id in 0..ring.symbol_count() {
        text += &format!("symbol,{id},{}\n", ring.symbol(SymbolId(id)).unwrap());
    }
    for found in found {
        text += &match found {
            Found::Lapped(missed) => format!("lapped,{missed}\n"),
            Found::DayClosed(day) => format!("day_closed,{day}\n"),
            Found::Row(r) => {
                let cells: Vec<_> =
                    (0..optional).map(|k| r.optional(k).map_or(String::new(), |v| v.to_string())).collect();
                format!(
                    "row,{},{},{},{},{},{},{},{},{},{},{}\n",
                    r.seq,
                    r.symbol.0,
                    r.frame_ms,
                    r.open,
                    r.high,
                    r.low,
                    r.close,
                    r.volume,
                    cells.join(","),
                    r.received_ns,
                    r.revision
                )
            }
        };
    }
    text
}

fn parse(text: &str, optional: usize) -> (Vec<String>, Vec<Found>) {
    let (mut symbols, mut found) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let cells: Vec<&str> = line.split(',').collect();
        let int = |i: usize| cells[i].parse::<i64>().unwrap();
        let float = |i: usize| cells[i].parse::<f64>().unwrap();
        match cells[0] {
            "symbol" => symbols.push(cells[2].to_owned()),
            "lapped" => found.push(Found::Lapped(int(1) as u64)),
            "day_closed" => found.push(Found::DayClosed(int(1))),
            "row" => {
                let mut row = Row {
                    seq: int(1) as u64,
                    symbol: SymbolId(int(2) as u32),
                    frame_ms: int(3),
                    open: float(4),
                    high: float(5),
                    low: float(6),
                    close: float(7),
                    volume: float(8),
                    received_ns: int(9 + optional),
                    revision: int(10 + optional) as u8,
                    ..Row::default()
                };
                for k in 0..optional {
                    if !cells[9 + k].is_empty() {
                        row.present |= 1 << k;
                        row.optional[k] = float(9 + k);
                    }
                }
                found.push(Found::Row(row));
            }
            other => panic!("{other}"),
        }
    }
    (symbols, found)
}

/// Every row of the Arrow view, in the order of `seq`.
fn arrow_rows(path: &Path) -> Vec<(String, Row)> {
    let mut rows = Vec::new();
    for batch in arrow::ipc::reader::FileReader::try_new(File::open(path).unwrap(), None).unwrap() {
        let batch = batch.unwrap();
        let symbols = batch["symbol"].as_dictionary::<Int32Type>();
        let names = symbols.downcast_dict::<arrow::array::StringArray>().unwrap();
        let schema = batch.schema();
        let optional: Vec<_> = (7..batch.num_columns() - 3).map(|i| schema.field(i).name()).collect();
        for i in 0..batch.num_rows() {
            let float = |name: &str| batch[name].as_primitive::<Float64Type>().value(i);
            let price = |name: &str| match batch[name].as_primitive_opt::<Float32Type>() {
                Some(prices) => f64::from(prices.value(i)),
                None => float(name),
            };
            let mut row = Row {
                seq: batch["seq"].as_primitive::<UInt64Type>().value(i),
                symbol: SymbolId(symbols.keys().value(i) as u32),
                frame_ms: batch["frame"].as_primitive::<TimestampMillisecondType>().value(i),
                open: price("open"),
                high: price("high"),
                low: price("low"),
                close: price("close"),
                volume: float("volume"),
                received_ns: batch["received"].as_primitive::<TimestampNanosecondType>().value(i),
                revision: batch["revision"].as_primitive::<UInt8Type>().value(i),
                ..Row::default()
            };
            for (k, name) in optional.iter().enumerate().filter(|(_, name)| batch[name.as_str()].is_valid(i)) {
                row.present |= 1 << k;
                row.optional[k] = float(name);
            }
            rows.push((names.value(i).to_owned(), row));
        }
    }
    rows.sort_by_key(|(_, row)| row.seq);
    rows
}

fn check(name: &str) -> (Ring, PathBuf, tempfile::TempDir) {
    let (dir, path) = unpacked(name);
    let ring = Ring::attach(&path).unwrap();
    let text = std::fs::read_to_string(golden(&format!("{name}.csv"))).unwrap();
    let (symbols, expected) = parse(&text, ring.geometry().optional);
    for max in [1, 7, 1_000] {
        assert_eq!(read(&ring, max), expected, "in steps of {max}");
    }
    let names: Vec<_> = (0..ring.symbol_count()).map(|id| ring.symbol(SymbolId(id)).unwrap()).collect();
    assert_eq!(names, symbols);
    let rows: Vec<_> = expected
        .iter()
        .filter_map(|found| match found {
            Found::Row(row) => Some((symbols[row.symbol.0 as usize].clone(), *row)),
            _ => None,
        })
        .collect();
    assert_eq!(arrow_rows(&path), rows);
    (ring, path, dir)
}

/// Promise 1, and the format: every row, event and symbol of a file that the first code of version
/// 1 wrote.
#[test]
fn version_1_with_float64_prices() {
    let (ring, path, _dir) = check("v1");
    let status = ring.status();
    assert_eq!((status.block, status.oldest_seq, status.next_seq), (7, 1_100, 1_301));
    assert_eq!((status.day, status.day_closed, status.superseded), (Some(19_902), false, false));
    assert_eq!((status.blocks_used, status.blocks_persisted, status.symbols), (5, 1, 4));
    assert_eq!((status.writer_pid, status.heartbeat_ns), (4_242, 1_720_000_003_000_000_000));
    let report = ring.verify();
    assert_eq!((report.blocks, report.checksums, report.problems), (5, 3, vec![]));
    assert_eq!(ring.geometry().lineage, 0x0123_4567_89ab_cdef);
    assert_eq!(ring.geometry().created_ns, 1_720_000_000_000_000_000);
    for (start, seq) in [(RingStart::Live, 1_301), (RingStart::Today, 1_231), (RingStart::Day(19_901), 1_103)] {
        assert_eq!(RingReader::new(&ring, start).unwrap().position().seq, seq);
    }

    // Promise 6: a writer takes the file over, in another boot than the one in which it was
    // written.
    let mut writer = RingWriter::open(&path).unwrap();
    assert!(writer.recovery().other_boot);
    assert_eq!((writer.recovery().dropped_rows, writer.next_seq(), writer.day()), (10, 1_291, Some(19_902)));
    assert_eq!(writer.intern("after").unwrap(), SymbolId(3), "the fourth symbol was added after the last sync");
    assert_eq!(writer.push(&Row::default()).unwrap(), 1_291);
    assert_eq!(read(&ring, 1_000).iter().filter(|found| matches!(found, Found::Row(_))).count(), 3 + 128 + 61);
}

#[test]
fn version_1_with_float32_prices() {
    let (ring, ..) = check("v1-float32");
    assert_eq!(ring.geometry().price, Price::Float32);
    assert_eq!((ring.geometry().optional, ring.geometry().tip_rows), (1, 128));
    let report = ring.verify();
    assert_eq!((report.blocks, report.checksums, report.problems), (2, 0, vec![]));
}

// ---- how the files were written ----

fn row(seq: u64, symbols: u32) -> Row {
    let x = 10.0 + (seq * 37 % 101) as f64 / 100.0;
    let present = (seq % 4) as u8;
    let optional = [if present & 1 == 1 { x * 1_000.0 } else { 0.0 }, if present & 2 == 2 { 1.0 / x } else { 0.0 }];
    Row {
        symbol: SymbolId((seq % u64::from(symbols)) as u32),
        frame_ms: 1_720_056_660_000 + 60_000 * (seq / 3) as i64,
        open: x,
        high: x + 0.07,
        low: x - 0.03,
        close: x + 0.01,
        volume: 100.0 * seq as f64,
        received_ns: 1_720_056_660_123_456_789 + 1_000_003 * seq as i64,
        optional: [optional[0], optional[1], 0.0, 0.0, 0.0, 0.0],
        present,
        revision: (seq % 50 == 7) as u8,
        ..Row::default()
    }
}

fn write_golden(name: &str, spec: &Spec, fill: impl FnOnce(&mut RingWriter)) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bars.ring");
    create(&path, spec).unwrap();
    let mut writer = RingWriter::open(&path).unwrap();
    fill(&mut writer);
    writer.write_back();
    writer.heartbeat(1_720_000_003_000_000_000);
    drop(writer);
    // Fields that differ from run to run get fixed values.
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(&std::array::from_fn::<u8, 16, _>(|i| i as u8 + 1), SB_BOOT_ID as u64).unwrap();
    file.write_all_at(&4_242u32.to_le_bytes(), SB_WRITER_PID as u64).unwrap();

    let ring = Ring::attach(&path).unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&std::fs::read(&path).unwrap()).unwrap();
    let packed = packed.finish().unwrap();
    for (file, bytes) in
        [(format!("{name}.ring.gz"), packed), (format!("{name}.csv"), csv(&ring, &read(&ring, 1)).into_bytes())]
    {
        let mut file = File::create_new(golden(&file)).expect("a golden file is kept for ever");
        file.write_all(&bytes).unwrap();
    }
}

#[test]
#[ignore = "writes the golden files of a new version, once"]
fn write_golden_files() {
    let spec = Spec {
        zone: "Asia/Shanghai".into(),
        blocks: 5,
        rows_per_block: 64,
        symbols: 16,
        symbol_bytes: 128,
        tip_rows: 64,
        lineage: 0x0123_4567_89ab_cdef,
        first_seq: 1_000,
        created_ns: 1_720_000_000_000_000_000,
        ..Spec::default()
    };
    write_golden(&format!("v{VERSION}"), &spec, |writer| {
        let maintenance = writer.maintenance();
        ["000001.XSHE", "600519.XSHG", "比亚迪"].iter().for_each(|name| {
            writer.intern(name).unwrap();
        });
        let push = |writer: &mut RingWriter, count: u64, symbols: u32| {
            (0..count).for_each(|_| {
                writer.push(&row(writer.next_seq(), symbols)).unwrap();
            });
        };
        // Blocks 1 and 2, whose slots are reused below.
        writer.begin_day(19_900);
        push(writer, 100, 3);
        writer.close_day();
        maintenance.mark_persisted(1);
        maintenance.mark_persisted(2);
        // Block 3: rows between two days. Blocks 4 and 5: a day that ends with a full block.
        push(writer, 3, 3);
        writer.begin_day(19_901);
        push(writer, 128, 3);
        writer.close_day();
        (3..=5).for_each(|block| maintenance.seal_checksum(block));
        maintenance.mark_persisted(3);
        // Block 6, in slot 0, with 60 synced rows; block 7, in slot 1, open, with the newest
        // symbol.
        writer.begin_day(19_902);
        push(writer, 60, 3);
        maintenance.sync().unwrap();
        writer.intern("IF2407.CCFX").unwrap();
        push(writer, 10, 4);
        writer.wake();
    });
    let spec = Spec { price: Price::Float32, optional: vec!["factor".into()], tip_rows: 128, first_seq: 0, ..spec };
    write_golden(&format!("v{VERSION}-float32"), &spec, |writer| {
        writer.intern("A").unwrap();
        writer.intern("B").unwrap();
        writer.begin_day(-1);
        (0..70).for_each(|seq| {
            writer.push(&Row { present: seq as u8 & 1, ..row(seq, 2) }).unwrap();
        });
    });
}
