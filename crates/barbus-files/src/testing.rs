//! Helpers of the tests of inputs and of publishing.

use std::fs;
use std::io::Write;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, Int32Type, TimestampMillisecondType};
use barbus_bars::BarSchema;
use tempfile::TempDir;

use crate::error::InputError;
use crate::input::Opener;
use crate::options::InputOptions;
use crate::packing::progress::Progress;
use crate::reject::Reject;
use crate::source::ParsedRows;

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

/// The rows of one input, and the error at its end.
pub(crate) struct Found {
    pub(crate) bars: Vec<Bar>,
    pub(crate) rejects: Vec<Reject>,
    pub(crate) error: Option<InputError>,
}

pub(crate) fn read_path(path: &str, options: &InputOptions) -> Result<Found, InputError> {
    let mut parsed = ParsedRows::new(&options.schema);
    let opener = Opener::new(options.clone()).expect("layouts are sound");
    let mut rows = opener.open(path, &Progress::default())?;
    let error = loop {
        match rows.read(&mut parsed) {
            Ok(true) => {}
            Ok(false) => break None,
            Err(error) => break Some(error),
        }
    };
    let all: Vec<usize> = (0..parsed.bars.len()).collect();
    Ok(Found { bars: bars(&parsed.bars.batch(&all)), rejects: parsed.rejects.into(), error })
}

/// Reads `content` from a file called `name`.
pub(crate) fn read(name: &str, content: impl AsRef<[u8]>, options: &InputOptions) -> Result<Found, InputError> {
    let (_directory, path) = file(name, content);
    read_path(&path, options)
}

/// The message when `content` in a file called `name` cannot be opened, without the directory.
pub(crate) fn open_error(name: &str, content: impl AsRef<[u8]>) -> String {
    let (directory, path) = file(name, content);
    let error = read_path(&path, &options()).err().expect("opening fails");
    without_directory(directory.path(), &error)
}

/// A message without the directory of the test.
pub(crate) fn without_directory(directory: &Path, error: &InputError) -> String {
    error.to_string().replace(&format!("{}/", directory.display()), "")
}

/// The place of a reject in its file, and the reason.
pub(crate) fn reason(reject: &Reject) -> (&str, &str) {
    let (_, place) = reject.source.rsplit_once('/').unwrap();
    (place, &reject.reason)
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
