//! The read-back of a file that was just written: no file is committed before it has passed.
//!
//! The file is read from the disk and decoded by the library, and every value is compared, to the
//! bit, with the row it was encoded from.

use std::ops::Range;
use std::path::Path;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{Int32Type, Schema};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;

use crate::conform::with_dictionary;
use crate::day_file::read_footer;
use crate::sort::SortedRows;
use crate::{ArchiveError, Corruption, DayMeta, Result, file_checksum, workers};

/// Rows compared at a time: they stay in the nearest caches.
const BATCH_ROWS: usize = 8_192;

/// Checks that `file` has `rows`, to the bit and in order, and that its footer states `meta` and
/// the checksum `crc32c` of its values. Messages name `path`.
pub(crate) fn verify(path: &Path, file: &Bytes, rows: &SortedRows<'_>, meta: &DayMeta, crc32c: u32) -> Result<()> {
    let differs = || ArchiveError::corrupt(path, Corruption::ReadBack);
    // The library may panic over damaged pages, so this is first.
    file_checksum::check(file).map_err(|_| differs())?;
    let (footer, read_meta, read_crc32c) = read_footer(path, meta.day, file)?;
    compare_schemas(path, rows.schema(), footer.schema())?;
    let said = read_meta == *meta && read_crc32c == crc32c && meta.rows == rows.len() as u64;
    if !said || !rows.is_ascending() {
        return Err(differs());
    }
    let same = has_rows(file, &footer, rows).map_err(|error| ArchiveError::corrupt(path, error))?;
    if same { Ok(()) } else { Err(differs()) }
}

/// Whether the row groups of `file` have exactly `rows`.
fn has_rows(file: &Bytes, footer: &ArrowReaderMetadata, rows: &SortedRows<'_>) -> Result<bool, ParquetError> {
    let options = ArrowReaderOptions::new().with_schema(with_dictionary(rows.schema()));
    let footer = ArrowReaderMetadata::try_new(footer.metadata().clone(), options)?;
    let (mut chunks, mut start) = (Vec::new(), 0);
    for (group, metadata) in footer.metadata().row_groups().iter().enumerate() {
        let range = start..start + metadata.num_rows() as usize;
        start = range.end;
        chunks.extend((0..rows.schema().fields().len()).map(|i| (group, i, range.clone())));
    }
    if start != rows.len() {
        return Ok(false);
    }
    let same = workers::map(chunks, rows.len(), |(group, i, range)| {
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), footer.clone())
            .with_row_groups(vec![group])
            .with_projection(ProjectionMask::leaves(footer.parquet_schema(), [i]))
            .with_batch_size(BATCH_ROWS)
            .build()?;
        let Range { mut start, end } = range;
        for batch in reader {
            let batch = batch?;
            let piece = start..start + batch.num_rows();
            if piece.end > end || !is_column(rows, i, piece.clone(), batch.column(0))? {
                return Ok(false);
            }
            start = piece.end;
        }
        Ok(start == end)
    });
    same.into_iter().try_fold(true, |all, same: Result<bool, ParquetError>| Ok(all & same?))
}

/// Whether `found` is column `i` of some rows, to the bit.
fn is_column(rows: &SortedRows<'_>, i: usize, range: Range<usize>, found: &ArrayRef) -> Result<bool, ParquetError> {
    if i > 0 {
        // Arrays are equal when the bytes of their values are: -0.0 is not 0.0, and NaN is itself.
        return Ok(*rows.column(i, range)? == **found);
    }
    let found = found.as_dictionary::<Int32Type>();
    let symbols: Vec<&str> = rows.symbols().iter().flatten().collect();
    let key_of = |name: Option<&str>| symbols.binary_search(&name?).ok().map(|key| key as i32);
    let keys: Vec<Option<i32>> = found.values().as_string::<i32>().iter().map(key_of).collect();
    let same = |(found, meant): (Option<i32>, i32)| found.and_then(|key| keys[key as usize]) == Some(meant);
    Ok(found.keys().iter().zip(rows.symbol_keys(range)).all(same))
}

/// Rejects a file whose columns are not those that were written.
fn compare_schemas(path: &Path, bus: &Schema, file: &Schema) -> Result<()> {
    let show = |schema: &Schema, name: &str| {
        let field = schema.column_with_name(name).map(|(_, field)| field);
        field.map_or("absent".to_owned(), |field| field.data_type().to_string())
    };
    let names = bus.fields().iter().chain(file.fields());
    for name in names.map(|field| field.name()) {
        let (expected, found) = (show(bus, name), show(file, name));
        if expected != found {
            return Err(ArchiveError::Schema { path: path.to_owned(), column: name.clone(), expected, found });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::test_rows::{self, many_rows, meta, sorted, unsorted};
    use arrow::array::{Float64Array, RecordBatch};
    use arrow::compute::concat_batches;

    /// Two row groups.
    const ROWS: usize = 65_540;
    /// On both sides of the border between them, and at the ends.
    const PLACES: [usize; 4] = [0, ROWS / 2 - 1, ROWS / 2, ROWS - 1];

    fn zeros(symbol: &str, changed: Option<(usize, f64)>) -> RecordBatch {
        many_rows(ROWS, symbol, |row| changed.filter(|(place, _)| *place == row).map_or(0.0, |(_, value)| value))
    }

    /// The bytes of a file, and the checksum of its values.
    type Encoded = (Vec<u8>, u32);

    fn encode(rows: &SortedRows<'_>, meta: &DayMeta) -> Encoded {
        test_rows::encoded(rows, |crc32c| meta.to_key_values(crc32c))
    }

    fn encoded(rows: &RecordBatch) -> Encoded {
        encode(&sorted(rows), &meta(rows.num_rows()))
    }

    fn verified((file, crc32c): Encoded, rows: &SortedRows<'_>, meta: &DayMeta) -> Result<(), String> {
        let verified = verify(Path::new("day"), &file.into(), rows, meta, crc32c);
        verified.map_err(|error| error.to_string())
    }

    fn differs() -> Result<(), String> {
        Err("day: read back differently from what was written".to_owned())
    }

    /// Guards every write: a file that is consistent in itself, but has other rows, is found.
    #[test]
    fn a_file_of_other_rows_is_rejected() {
        let meant = zeros("A", None);
        let check = |other: &RecordBatch| verified(encoded(other), &sorted(&meant), &meta(other.num_rows()));
        assert_eq!(check(&meant), Ok(()));
        for place in PLACES {
            assert_eq!(check(&zeros("A", Some((place, -0.0)))), differs(), "row {place}");
        }
        assert_eq!(check(&zeros("B", None)), differs());
        for shorter in [meant.slice(0, ROWS - 2), meant.slice(2, ROWS - 2)] {
            assert_eq!(check(&shorter), differs());
            assert_eq!(verified(encoded(&shorter), &sorted(&meant), &meta(ROWS)), differs());
        }
    }

    #[test]
    fn values_are_compared_to_the_bit() {
        let nan = |payload: u64| f64::from_bits(0x7ff8_0000_0000_0000 | payload);
        let values = [0.0, -0.0, nan(0), nan(1), f64::from_bits(nan(1).to_bits() | 1 << 63), f64::INFINITY, 5e-324];
        for (i, &a) in values.iter().enumerate() {
            for (j, &b) in values.iter().enumerate() {
                let (meant, other) = (many_rows(3, "A", |_| a), many_rows(3, "A", |_| b));
                let outcome = verified(encoded(&other), &sorted(&meant), &meta(3));
                assert_eq!(outcome, if i == j { Ok(()) } else { differs() }, "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn nulls_are_compared_by_place() {
        let with_money = |null: &dyn Fn(usize) -> bool| {
            let rows = zeros("A", None);
            let mut columns = rows.columns().to_vec();
            columns[7] = Arc::new((0..ROWS).map(|row| (!null(row)).then_some(0.0)).collect::<Float64Array>());
            RecordBatch::try_new(rows.schema(), columns).unwrap()
        };
        let none = |_: usize| false;
        let third = |row: usize| row % 3 == 1;
        let all = |_: usize| true;
        for null in [&none as &dyn Fn(usize) -> bool, &third, &all] {
            let meant = with_money(null);
            assert_eq!(verified(encoded(&meant), &sorted(&meant), &meta(ROWS)), Ok(()));
            for place in PLACES {
                let other = with_money(&|row| null(row) != (row == place));
                assert_eq!(verified(encoded(&other), &sorted(&meant), &meta(ROWS)), differs(), "row {place}");
            }
        }
    }

    #[test]
    fn a_file_with_other_metadata_is_rejected() {
        let meant = zeros("A", None);
        let rows = sorted(&meant);
        let lineage = DayMeta { lineage: 2, ..meta(ROWS) };
        assert_eq!(verified(encoded(&meant), &rows, &lineage), differs());
        let other = encoded(&meant);
        assert_eq!(verified((other.0, other.1 ^ 1), &rows, &meta(ROWS)), differs());
        let counted = encode(&rows, &meta(ROWS - 1));
        assert_eq!(verified(counted, &rows, &meta(ROWS - 1)), differs());
    }

    #[test]
    fn a_changed_byte_anywhere_is_rejected() {
        let meant = many_rows(5, "A", |row| row as f64);
        for i in 0..encoded(&meant).0.len() {
            let mut other = encoded(&meant);
            other.0[i] ^= 1 << (i % 8);
            assert_eq!(verified(other, &sorted(&meant), &meta(5)), differs(), "byte {i}");
        }
    }

    /// The second row group begins with the first's last row again.
    #[test]
    fn rows_that_do_not_ascend_are_rejected() {
        let meant = zeros("A", None);
        let again = [meant.slice(0, ROWS / 2), meant.slice(ROWS / 2 - 1, ROWS / 2)];
        let again = concat_batches(&meant.schema(), &again).unwrap();
        let rows = unsorted(&again);
        let file = encode(&rows, &meta(again.num_rows()));
        assert_eq!(verified(file, &rows, &meta(again.num_rows())), differs());
    }
}
