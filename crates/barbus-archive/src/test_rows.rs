//! Rows and metadata for the unit tests.

use std::io;
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use barbus_bars::{BarSchema, PriceType};
use jiff::civil::Date;
use parquet::file::metadata::KeyValue;

use crate::DayMeta;
use crate::checksummed_file::ChecksummedFile;
use crate::encode::encode_with;
use crate::files::NewFile;
use crate::metadata::FORMAT_VERSION;
use crate::sort::{SortInput, SortedRows};

pub(crate) const DAY: Date = jiff::civil::date(2024, 2, 29);

/// Two rows with these symbols.
pub(crate) fn two_rows(symbols: [&str; 2]) -> RecordBatch {
    let optional = ["money", "factor", "vwap"];
    let schema = BarSchema::new("Asia/Shanghai", PriceType::Float64, optional).unwrap();
    let frames = TimestampMillisecondArray::from(vec![60_000, 120_000]);
    let mut columns: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(symbols.to_vec())), Arc::new(frames.with_timezone("Asia/Shanghai"))];
    columns.resize(10, Arc::new(Float64Array::from(vec![1.0, -0.0])));
    RecordBatch::try_new(schema.archive_schema(), columns).unwrap()
}

/// Many minutes of one symbol; `value` is every number of a row.
pub(crate) fn many_rows(count: usize, symbol: &str, value: impl Fn(usize) -> f64) -> RecordBatch {
    let frames = TimestampMillisecondArray::from_iter_values((0..count as i64).map(|minute| minute * 60_000));
    let mut columns: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(vec![symbol; count])), Arc::new(frames.with_timezone("Asia/Shanghai"))];
    columns.resize(10, Arc::new((0..count).map(value).collect::<Float64Array>()));
    RecordBatch::try_new(two_rows([symbol; 2]).schema(), columns).unwrap()
}

pub(crate) fn meta(rows: usize) -> DayMeta {
    DayMeta {
        day: DAY,
        calendar: "XSHG".to_owned(),
        schema_version: FORMAT_VERSION,
        rows: rows as u64,
        first_seq: 0,
        through_seq: 2,
        lineage: 1,
        part: 0,
    }
}

pub(crate) fn sorted(batch: &RecordBatch) -> SortedRows<'_> {
    SortedRows::new(vec![SortInput { columns: batch.columns(), rows: None }], batch.schema_ref()).unwrap()
}

/// The rows in the order they have, so that a test can write a file that barbus never does.
pub(crate) fn unsorted(batch: &RecordBatch) -> SortedRows<'_> {
    SortedRows::unsorted(vec![SortInput { columns: batch.columns(), rows: None }], batch.schema_ref()).unwrap()
}

/// A new file in memory.
#[derive(Default)]
pub(crate) struct MemoryFile(pub(crate) Mutex<Vec<u8>>);

impl NewFile for MemoryFile {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap()[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The bytes of a file of `rows`, and the checksum of its values.
pub(crate) fn encoded(rows: &SortedRows<'_>, metadata: impl FnOnce(u32) -> Vec<KeyValue>) -> (Vec<u8>, u32) {
    let file = MemoryFile::default();
    let (written, crc32c) = encode_with(rows, metadata, ChecksummedFile::new(&file)).unwrap();
    assert_eq!(written.finish().unwrap(), file.0.lock().unwrap().len() as u64);
    (file.0.into_inner().unwrap(), crc32c)
}
