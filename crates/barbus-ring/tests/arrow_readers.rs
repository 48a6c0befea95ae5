//! Promise 1: the ring is an Arrow IPC file at every moment. This tests arrow-rs; the end-to-end
//! tests test pyarrow and polars.

use std::fs::File;
use std::io::{Seek, SeekFrom};

use arrow::array::AsArray;
use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Float64Type, UInt64Type};
use arrow::ipc::reader::{FileReader, StreamReader};
use barbus_ring::{RingWriter, Row, Spec, create};

fn batches(path: &std::path::Path) -> [Vec<RecordBatch>; 2] {
    let file = FileReader::try_new(File::open(path).unwrap(), None).unwrap();
    let mut stream = File::open(path).unwrap();
    stream.seek(SeekFrom::Start(8)).unwrap();
    let stream = StreamReader::try_new(stream, None).unwrap();
    [file.collect::<Result<_, _>>().unwrap(), stream.collect::<Result<_, _>>().unwrap()]
}

#[test]
fn arrow_rs_reads_a_ring_as_a_file_and_as_a_stream_at_every_moment() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bars.ring");
    let spec = Spec { blocks: 3, rows_per_block: 64, tip_rows: 64, ..Spec::default() };
    create(&path, &spec).unwrap();
    let mut writer = RingWriter::open(&path).unwrap();
    let symbols = ["A", "", "C.XSHE"].map(|s| (s, writer.intern(s).unwrap()));
    writer.begin_day(1);
    let mut expected = Vec::new();
    for i in 0..150u64 {
        let (name, symbol) = symbols[i as usize % 3];
        let money = (i % 4 != 0).then_some(i as f64 * 3.0);
        let row = Row {
            symbol,
            frame_ms: 60_000 * i as i64,
            close: 0.1 * i as f64,
            present: money.is_some() as u8,
            optional: [money.unwrap_or(0.0), 0.0, 0.0, 0.0, 0.0, 0.0],
            ..Row::default()
        };
        writer.push(&row).unwrap();
        writer.write_back();
        expected.push((name, 0.1 * i as f64, money, i));
        if ![0, 1, 63, 64, 65, 127, 149].contains(&i) {
            continue;
        }
        for batches in batches(&path) {
            assert_eq!(batches.len(), 3, "every slot is a batch");
            assert_eq!(*batches[0].schema(), spec.schema());
            let mut seen = Vec::new();
            for batch in &batches {
                let symbol = batch["symbol"].as_dictionary::<arrow::datatypes::Int32Type>();
                let symbol = symbol.downcast_dict::<arrow::array::StringArray>().unwrap();
                let money = batch["money"].as_primitive::<Float64Type>();
                for row in 0..batch.num_rows() {
                    seen.push((
                        arrow::array::ArrayAccessor::value(&symbol, row),
                        batch["close"].as_primitive::<Float64Type>().value(row),
                        money.is_valid(row).then(|| money.value(row)),
                        batch["seq"].as_primitive::<UInt64Type>().value(row),
                    ));
                }
                let nulls = (0..money.len()).filter(|&row| money.is_null(row)).count();
                assert_eq!(nulls, money.null_count(), "null counts are patched too");
            }
            assert_eq!(seen, expected);
        }
    }
}

/// Promise 9: whatever bytes the file holds, attaching returns an error, or a ring that can be read
/// without a panic.
#[test]
fn any_wrong_byte_of_the_head_is_handled() {
    use barbus_ring::{Polled, Ring, RingReader, RingStart};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bars.ring");
    create(
        &path,
        &Spec { blocks: 2, rows_per_block: 64, tip_rows: 64, symbols: 16, symbol_bytes: 64, ..Spec::default() },
    )
    .unwrap();
    let mut writer = RingWriter::open(&path).unwrap();
    let symbol = writer.intern("A").unwrap();
    writer.begin_day(1);
    (0..100).for_each(|_| {
        writer.push(&Row { symbol, ..Row::default() }).unwrap();
    });
    let good = std::fs::read(&path).unwrap();
    let broken = dir.path().join("broken.ring");
    let (mut errors, mut rings) = (0, 0);
    for at in (0..12_288).step_by(13) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x81;
        std::fs::write(&broken, &bytes).unwrap();
        match Ring::attach(&broken) {
            Err(_) => errors += 1,
            Ok(ring) => {
                rings += 1;
                ring.status();
                ring.symbol(symbol);
                let mut rows = Vec::new();
                for start in [RingStart::Live, RingStart::Oldest, RingStart::Today, RingStart::Seq(50)] {
                    // Starting retries while the writer recycles blocks. In a file at rest it must
                    // not retry for ever.
                    let Ok(mut reader) = RingReader::new(&ring, start) else { continue };
                    for _ in 0..10 {
                        if reader.poll(&ring, &mut rows, 1000) == Polled::Empty {
                            break;
                        }
                    }
                }
            }
        }
    }
    assert!(errors > 20 && rings > 100, "{errors} errors, {rings} rings");
    for length in [0, 7, 4096, 8192, good.len() / 2, good.len() - 1] {
        std::fs::write(&broken, &good[..length]).unwrap();
        Ring::attach(&broken).unwrap_err();
    }
}
