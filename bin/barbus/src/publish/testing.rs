//! Helpers of the tests of publishing.

use std::fs;
use std::io::Write;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, Int32Type, TimestampMillisecondType};
use barbus_bars::BarSchema;
use barbus_files::InputOptions;
use tempfile::TempDir;

pub(crate) const HEADER: &str = "symbol,frame,open,high,low,close,volume,money,factor\n";

/// One bar as a test sees it: symbol, frame, open, high, low, close, volume, money, factor.
pub(crate) type Bar = (String, i64, [f64; 5], [Option<f64>; 2]);

/// Options for a bus in Shanghai.
pub(crate) fn options() -> InputOptions {
    InputOptions::new(BarSchema::in_zone("Asia/Shanghai").unwrap())
}

/// A directory with one file; both live as long as the first value.
pub(crate) fn file(name: &str, content: impl AsRef<[u8]>) -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

pub(crate) fn gzip(content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content.as_ref()).unwrap();
    encoder.finish().unwrap()
}

/// The bars of a batch.
pub(crate) fn bars(batch: &RecordBatch) -> Vec<Bar> {
    let symbols = batch.column(0).as_dictionary::<Int32Type>().downcast_dict::<StringArray>().unwrap();
    let frames = batch.column(1).as_primitive::<TimestampMillisecondType>();
    let number = |column: usize, row: usize| {
        let column = batch.column(column).as_primitive::<Float64Type>();
        column.is_valid(row).then(|| column.value(row))
    };
    let rows = symbols.into_iter().enumerate();
    rows.map(|(row, symbol)| {
        (
            symbol.unwrap().to_owned(),
            frames.value(row),
            std::array::from_fn(|i| number(i + 2, row).unwrap()),
            [number(7, row), number(8, row)],
        )
    })
    .collect()
}
