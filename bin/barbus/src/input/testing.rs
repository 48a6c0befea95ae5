//! What the tests of this folder share.

use std::fs;
use std::io::Write;
use std::path::Path;

use arrow::array::AsArray;
use arrow::array::RecordBatch;
use arrow::array::{Array, StringArray};
use arrow::datatypes::{Float64Type, Int32Type, TimestampMillisecondType};
use barbus_bars::BarSchema;
use tempfile::TempDir;

use super::{Feed, Input, InputError, Options, Parsed, Progress, Reject};

pub(super) const HEADER: &str = "symbol,frame,open,high,low,close,volume,money,factor\n";

/// One bar as a test sees it: symbol, frame, open, high, low, close, volume, money, factor.
pub(super) type Bar = (String, i64, [f64; 5], [Option<f64>; 2]);

/// Options for a bus in Shanghai.
pub(super) fn options() -> Options {
    Options::new(BarSchema::in_zone("Asia/Shanghai").unwrap())
}

/// A directory with one file; both live as long as the first value.
pub(super) fn file(name: &str, content: impl AsRef<[u8]>) -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

pub(super) fn gzip(content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content.as_ref()).unwrap();
    encoder.finish().unwrap()
}

/// Everything one input gives.
pub(super) struct Found {
    pub(super) bars: Vec<Bar>,
    pub(super) rejects: Vec<Reject>,
    pub(super) error: Option<InputError>,
}

pub(super) fn read_path(path: &str, options: &Options) -> Result<Found, InputError> {
    let mut parsed = Parsed::new(&options.schema);
    let mut input = Input::open(path, options, &Progress::default())?;
    let error = loop {
        match input.read(&mut parsed) {
            Ok(true) => {}
            Ok(false) => break None,
            Err(error) => break Some(error),
        }
    };
    let all: Vec<usize> = (0..parsed.bars.len()).collect();
    Ok(Found { bars: bars(&parsed.bars.batch(&all)), rejects: parsed.rejects.into(), error })
}

/// Reads `content` from a file called `name`.
pub(super) fn read(name: &str, content: impl AsRef<[u8]>, options: &Options) -> Result<Found, InputError> {
    let (_directory, path) = file(name, content);
    read_path(&path, options)
}

/// What `name` with `content` is refused for, without the directory.
pub(super) fn refusal(name: &str, content: impl AsRef<[u8]>) -> String {
    let (directory, path) = file(name, content);
    let error = read_path(&path, &options()).err().expect("the input is refused");
    plain(directory.path(), &error)
}

/// A message without the directory of the test.
pub(super) fn plain(directory: &Path, error: &InputError) -> String {
    error.to_string().replace(&format!("{}/", directory.display()), "")
}

/// Where in its file a reject stood, and why it is one.
pub(super) fn reason(reject: &Reject) -> (&str, &str) {
    let (_, place) = reject.source.rsplit_once('/').unwrap();
    (place, &reject.reason)
}

/// Batches of a feed, and its errors.
pub(super) fn batches(feed: Feed) -> (Vec<super::Batch>, Vec<InputError>) {
    let mut batches = Vec::new();
    let mut errors = Vec::new();
    for batch in feed {
        match batch {
            Ok(batch) => batches.push(batch),
            Err(error) => errors.push(error),
        }
    }
    (batches, errors)
}

pub(super) fn bars(batch: &RecordBatch) -> Vec<Bar> {
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
