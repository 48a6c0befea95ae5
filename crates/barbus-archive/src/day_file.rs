//! A file of the archive, decoded: its metadata and its rows.
//!
//! Everything is checked: file checksum, metadata, columns, number and order of rows, values.

use std::path::Path;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Schema, SchemaRef, TimestampMillisecondType};
use bytes::Bytes;
use jiff::civil::Date;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;

use crate::{ArchiveError, Corruption, DayMeta, Result, checksum, conform, file_checksum};

/// Checks the file checksum of `file` and reads its metadata, without its rows.
pub(crate) fn decode_meta(path: &Path, day: Date, file: &Bytes) -> Result<DayMeta> {
    open(path, day, file).map(|(_, meta, _)| meta)
}

/// The columns of a file, whose file checksum is checked.
pub(crate) fn columns(path: &Path, day: Date, file: &Bytes, schema: &SchemaRef) -> Result<Schema> {
    let (footer, ..) = open(path, day, file)?;
    conform::check(path, schema, footer.schema())?;
    Ok(Schema::new(footer.schema().fields().clone()))
}

/// A file's metadata and rows, and whether the columns of the bus cannot have every value of it.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) meta: DayMeta,
    pub(crate) rows: RecordBatch,
    pub(crate) gives_up: bool,
}

/// Reads a file in full, checks everything about it, and converts its columns to those of
/// `schema`; a difference that cannot be converted is [`ArchiveError::Schema`].
pub(crate) fn decode(path: &Path, day: Date, file: &Bytes, schema: &SchemaRef) -> Result<Decoded> {
    let corrupt = |what: Corruption| ArchiveError::corrupt(path, what);
    let (footer, meta, crc32c) = open(path, day, file)?;
    conform::check(path, schema, footer.schema())?;
    let gives_up = conform::gives_up(schema, footer.schema());

    let file_schema = SchemaRef::new(Schema::new(footer.schema().fields().clone()));
    let stated = usize::try_from(footer.metadata().file_metadata().num_rows()).unwrap_or_default();
    let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), footer)
        .with_batch_size(stated.max(1))
        .build()
        .map_err(|error| corrupt(error.into()))?
        .map(|batch| {
            let columns = batch?.columns().to_vec();
            RecordBatch::try_new(file_schema.clone(), columns)
        })
        .collect::<Result<Vec<_>, _>>()
        .and_then(|batches| match batches.as_slice() {
            [one] => Ok(one.clone()),
            many => concat_batches(&file_schema, many),
        })
        .map_err(|error| corrupt(ParquetError::from(error).into()))?;

    check_rows(meta.rows, batches.num_rows()).map_err(corrupt)?;
    let found = checksum::of_batch(&batches);
    if found != crc32c {
        let stated = crc32c;
        return Err(corrupt(Corruption::Values { stated, found }));
    }
    if let Some(row) = first_out_of_order(&batches) {
        return Err(corrupt(Corruption::Order { row }));
    }
    let rows = conform::conform(&batches, schema).map_err(ArchiveError::Merge)?;
    Ok(Decoded { meta, rows, gives_up })
}

/// A file that gives another number of rows than its metadata states is damaged.
pub(crate) fn check_rows(stated: u64, found: usize) -> std::result::Result<(), Corruption> {
    let found = found as u64;
    if found == stated { Ok(()) } else { Err(Corruption::Rows { stated, found }) }
}

/// Checks the file checksum and reads the footer, with the checksum it states for the values.
fn open(path: &Path, day: Date, file: &Bytes) -> Result<(ArrowReaderMetadata, DayMeta, u32)> {
    file_checksum::check(file).map_err(|what| ArchiveError::corrupt(path, what))?;
    read_footer(path, day, file)
}

/// Reads the footer, with the checksum it states for the values. The file checksum is not checked.
pub(crate) fn read_footer(path: &Path, day: Date, file: &Bytes) -> Result<(ArrowReaderMetadata, DayMeta, u32)> {
    let corrupt = |what: Corruption| ArchiveError::corrupt(path, what);
    let footer = ArrowReaderMetadata::load(file, ArrowReaderOptions::new()).map_err(|error| corrupt(error.into()))?;
    let (meta, crc32c) = meta_of(path, day, &footer)?;
    Ok((footer, meta, crc32c))
}

/// The metadata in a footer, and the checksum that it states for the values.
pub(crate) fn meta_of(path: &Path, day: Date, footer: &ArrowReaderMetadata) -> Result<(DayMeta, u32)> {
    let pairs = footer.metadata().file_metadata().key_value_metadata();
    let pairs = pairs.map(Vec::as_slice).unwrap_or_default();
    let (meta, crc32c) = DayMeta::from_key_values(path, pairs)?;
    match meta.day == day {
        true => Ok((meta, crc32c)),
        false => Err(ArchiveError::corrupt(path, Corruption::OtherDay { found: meta.day })),
    }
}

/// The first row that is not after the one before it.
fn first_out_of_order(rows: &RecordBatch) -> Option<usize> {
    let symbols = rows.column(0).as_string::<i32>();
    let frames = rows.column(1).as_primitive::<TimestampMillisecondType>();
    (1..rows.num_rows()).find(|&row| {
        let before = (symbols.value(row - 1), frames.value(row - 1));
        before >= (symbols.value(row), frames.value(row))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sort::SortedRows;
    use crate::test_rows::{DAY, encoded, meta, sorted, two_rows, unsorted};
    use arrow::array::Float64Array;
    use std::sync::Arc;

    /// A file of `rows` that states this checksum of its values.
    fn file(rows: &SortedRows<'_>, meta: &DayMeta, stated: impl FnOnce(u32) -> u32) -> Bytes {
        encoded(rows, |crc32c| meta.to_key_values(stated(crc32c))).0.into()
    }

    fn error(rows: &RecordBatch, file: &Bytes) -> String {
        decode(Path::new("day"), DAY, file, &rows.schema()).unwrap_err().to_string()
    }

    #[test]
    fn a_file_decodes_to_the_rows_it_was_encoded_from() {
        let rows = two_rows(["A", "B"]);
        let file = file(&sorted(&rows), &meta(2), |crc32c| {
            assert_eq!(crc32c, checksum::of_batch(&rows));
            crc32c
        });
        let Decoded { meta: read_meta, rows: read, .. } = decode(Path::new("day"), DAY, &file, &rows.schema()).unwrap();
        assert_eq!(read_meta, meta(2));
        assert_eq!((&read, checksum::of_batch(&read)), (&rows, checksum::of_batch(&rows)));
    }

    #[test]
    fn negative_zero_is_not_zero() {
        let rows = two_rows(["A", "B"]);
        let mut columns = rows.columns().to_vec();
        columns[4] = Arc::new(Float64Array::from(vec![1.0, 0.0]));
        let other = RecordBatch::try_new(rows.schema(), columns).unwrap();
        assert_ne!(checksum::of_batch(&rows), checksum::of_batch(&other));
    }

    #[test]
    fn a_file_that_contradicts_itself_is_corrupt() {
        let rows = two_rows(["A", "B"]);
        let crc = checksum::of_batch(&rows);
        let other = crc ^ 1;
        assert_eq!(
            error(&rows, &file(&sorted(&rows), &meta(2), |_| other)),
            format!("day: its values have checksum {crc:08x}, its metadata states {other:08x}")
        );
        let stated = |crc32c| crc32c;
        let counted = file(&sorted(&rows), &meta(3), stated);
        assert_eq!(error(&rows, &counted), "day: it has 2 rows, its metadata states 3");
        let reversed = two_rows(["B", "A"]);
        assert_eq!(
            error(&reversed, &file(&unsorted(&reversed), &meta(2), stated)),
            "day: row 1 is not after the row before it in (symbol, frame)"
        );
    }
}
