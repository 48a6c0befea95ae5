//! Sources with a priority, and a program that embeds the writer: what it pushes has no name.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::Schema;
use barbus::protocol::SOURCE;
use barbus::{Bus, Row};
use barbus_writer::{Pushed, Writer};
use serde_json::Value;

const MINUTE: i64 = 60_000;
/// 2024-07-04 09:30 in Shanghai.
const OPEN: i64 = 1_720_056_600_000;

/// The bar of a minute, as a batch of `source`.
fn batch(source: &str, minute: i64, close: f64) -> RecordBatch {
    let number = |value: f64| Arc::new(Float64Array::from(vec![value])) as ArrayRef;
    let frame = TimestampMillisecondArray::from(vec![OPEN + minute * MINUTE]).with_timezone("UTC");
    let batch = RecordBatch::try_from_iter([
        ("symbol", Arc::new(StringArray::from(vec!["600000.XSHG"])) as ArrayRef),
        ("frame", Arc::new(frame)),
        ("open", number(8.0)),
        ("high", number(9.0)),
        ("low", number(7.0)),
        ("close", number(close)),
        ("volume", number(100.0)),
    ])
    .unwrap();
    let metadata = [(SOURCE.to_owned(), source.to_owned())].into();
    let schema = Schema::new_with_metadata(batch.schema().fields().clone(), metadata);
    batch.with_schema(Arc::new(schema)).unwrap()
}

/// Promise 8: batches state their source; pushed rows are those of a source without a name, and the
/// same holds after the writer was opened again.
#[test]
fn pushed_rows_come_after_the_sources_with_a_name() {
    let dir = tempfile::tempdir().unwrap();
    let settings =
        "calendar = \"XSHG\"\n[ring]\nsize = \"2MB\"\nrows_per_block = 64\n[sources]\npriority = [\"feed\"]\n";
    std::fs::write(dir.path().join("bus.toml"), settings).unwrap();
    let bus = Bus::open(dir.path()).unwrap();
    let mut writer = Writer::open(&bus).unwrap();
    let symbol = writer.symbol("600000.XSHG").unwrap();
    let row = |minute: i64, close: f64| {
        let (open, high, low, volume) = (8.0, 9.0, 7.0, 100.0);
        Row { symbol, frame_ms: OPEN + minute * MINUTE, open, high, low, close, volume, ..Row::default() }
    };
    assert_eq!(writer.publish(batch("feed", 1, 8.25)).unwrap().accepted, 1);
    assert_eq!(writer.push(&row(1, 8.25)).unwrap(), Pushed::Duplicate);
    assert_eq!(writer.push(&row(1, 8.5)).unwrap(), Pushed::Conflict);
    assert_eq!(writer.push(&row(2, 8.5)).unwrap(), Pushed::Accepted(1));
    assert_eq!(writer.push(&row(2, 8.75)).unwrap(), Pushed::Revised(2));
    assert_eq!(writer.publish(batch("feed", 2, 8.25)).unwrap().revised, 1);
    assert_eq!(writer.publish(batch("another", 2, 8.5)).unwrap().conflict, 1);
    assert_eq!((writer.stat().conflicts, writer.stat().conflicts_unkept), (Some(2), Some(0)));
    drop(writer);

    let mut writer = Writer::open(&bus).unwrap();
    assert_eq!(writer.push(&row(2, 8.5)).unwrap(), Pushed::Conflict);
    assert_eq!(writer.publish(batch("feed", 2, 8.5)).unwrap().revised, 1);
    assert_eq!(writer.push(&row(2, 8.5)).unwrap(), Pushed::Duplicate);

    let files = std::fs::read_dir(bus.conflicts()).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
    let texts = files.map(|path| std::fs::read_to_string(path).unwrap());
    let lines: Vec<Value> = texts
        .flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>())
        .collect();
    let closes = |line: &Value| (line["bar"]["close"].as_f64(), line["standing"]["close"].as_f64());
    assert_eq!(lines.iter().map(closes).collect::<Vec<_>>(), vec![(Some(8.5), Some(8.25)); 3]);
    let sources: Vec<&Value> = lines.iter().map(|line| &line["source"]).collect();
    assert_eq!(sources, ["writer", "another (writer)", "writer"]);
    assert_eq!(
        lines.iter().map(|line| &line["standing_source"]).collect::<Vec<_>>(),
        [&"feed".into(), &"feed".into(), &Value::Null]
    );
}
