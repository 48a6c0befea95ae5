//! What a producer can cost: memory, time, rows and lines in the log.

mod support;

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{Int32Type, Schema};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use barbus::protocol::Ack;

use support::*;

const DAY: &str = "2024-03-04";

fn running(ingest: &str) -> Bus {
    let mut bus = Bus::new(&format!("calendar = \"XSHG\"\n[ingest]\n{ingest}\n{SMALL}"));
    bus.start(&[]);
    bus
}

/// A message of a few bytes that claims a billion rows, all without a symbol.
#[test]
fn a_short_message_cannot_claim_rows() {
    let bus = Bus::running();
    let rows = RecordBatchOptions::new().with_row_count(Some(0x0123_4567));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &rows).unwrap();
    let mut bytes = stream(&[batch]);
    let claim = |rows: i64| rows.to_le_bytes();
    let at = bytes.windows(8).position(|window| window == claim(0x0123_4567)).unwrap();
    bytes[at..at + 8].copy_from_slice(&claim(1 << 40));
    let mut producer = Connection::to(&bus);
    producer.send(&bytes);
    let error = producer.error();
    assert!(error.contains("1099511627776 rows in 0 bytes"), "{error}");
    assert!(bus.quarantine().is_empty());
}

/// Columns that the bus ignores, each with a dictionary that is short when compressed.
#[test]
fn dictionaries_stay_within_the_budget() {
    let bus = running("memory = \"16MB\"");
    let before = bus.peak_memory();
    let day = bars(DAY, &["600000.XSHG"], 10);
    let mut columns: Vec<(String, ArrayRef)> = day
        .schema()
        .fields()
        .iter()
        .zip(day.columns())
        .map(|(field, column)| (field.name().clone(), column.clone()))
        .collect();
    for number in 0..20 {
        let names = StringArray::from(vec!["x".repeat(10 << 20)]);
        let column = DictionaryArray::<Int32Type>::new(vec![0; 10].into(), Arc::new(names));
        columns.push((format!("ignored{number}"), Arc::new(column)));
    }
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD)).unwrap();
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    let bytes = writer.into_inner().unwrap();
    assert!(bytes.len() < 1 << 20);
    let mut producer = Connection::to(&bus);
    producer.send(&bytes);
    let error = producer.error();
    assert!(error.contains("ingest.memory"), "{error}");
    let grown = bus.peak_memory() - before;
    assert!(grown < 64 << 20, "{grown} bytes");
    assert_eq!(publish(&bus, &[day]).accepted, 10);
}

/// Connections that hold half of a long message each do not end the daemon by memory, and live bars
/// pass meanwhile.
#[test]
fn half_messages_stay_within_the_budget() {
    let bus = running("memory = \"64MB\"");
    let before = bus.peak_memory();
    let names = vec!["600000.XSHG".repeat(1 << 10); 4 << 10];
    let text: ArrayRef = Arc::new(StringArray::from(names));
    let long = stream(&[RecordBatch::try_from_iter([("symbol", text)]).unwrap()]);
    assert!(long.len() > 40 << 20);
    let half = &long[..long.len() - 100];
    std::thread::scope(|scope| {
        for _ in 0..6 {
            let mut producer = Connection::to(&bus);
            scope.spawn(move || {
                producer.send(half);
                // Those that find no memory are told so; the others wait for the rest.
                producer.half_close();
                let error = producer.error();
                assert!(error.contains("ingest.memory") || error.contains("half a message"), "{error}");
            });
        }
        let day = bars(DAY, &["600000.XSHG"], 240);
        for row in singly(&day) {
            assert_eq!(publish(&bus, &[row]).accepted, 1);
        }
    });
    let grown = bus.peak_memory() - before;
    assert!(grown < 130 << 20, "{grown} bytes");
}

#[test]
fn silent_and_slow_producers_are_disconnected() {
    let bus = running("idle = \"400ms\"\nmessage_timeout = \"300ms\"");
    let bytes = stream(&[bars(DAY, &["600000.XSHG"], 240)]);
    let mut half = Connection::to(&bus);
    half.send(&bytes[..bytes.len() / 2]);
    assert!(half.error().contains("a message did not arrive within 300ms"));
    let mut silent = Connection::to(&bus);
    silent.send(&bytes[..bytes.len() - 8]);
    assert_eq!(silent.ack(), Ack { rows: 240, accepted: 240, seq: Some(239), ..Ack::default() });
    assert!(silent.error().contains("nothing was sent for 400ms"));
    assert!(Connection::to(&bus).error().contains("nothing was sent"));
    let mut asking = Connection::to(&bus);
    asking.send(b"{\"stat\":");
    assert!(asking.error().contains("did not arrive"));
}

/// Flipped bytes are errors. They put no panic and no flood of lines into the log.
#[test]
fn flipped_streams_put_no_panic_into_the_log() {
    let bus = Bus::running();
    let batch = bars(DAY, &["600000.XSHG"], 40);
    let names = DictionaryArray::<Int32Type>::from_iter(vec!["600001.XSHG"; 40]);
    let batch = with_column(&batch, "symbol", Some(Arc::new(names)));
    let plain = stream(&[batch.clone(), batch.clone()]);
    let mut contradictions = 0;
    for round in 0..4_500 {
        let mut bytes = plain.clone();
        let at = (round * 7_919) % bytes.len();
        bytes[at] = [0, 1, 0x7f, 0xff][round % 4];
        let mut producer = Connection::to(&bus);
        producer.send(&bytes);
        let answers = producer.rest();
        contradictions += usize::from(answers.iter().any(|answer| answer.to_string().contains("contradicts itself")));
    }
    // Some of the streams must make the decoder panic, or this test proves little.
    assert!(contradictions > 10, "{contradictions}");
    let log = bus.log();
    assert!(!log.contains("panicked"), "{log}");
    assert!(log.matches("connection rejected").count() <= 200, "{log}");
}
