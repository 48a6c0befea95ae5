//! One day, or a part of one, as the bytes of a Parquet file.
//!
//! Row groups have an eighth of the day, so that a reader of one symbol reads little more. Their
//! columns are encoded on all processors, each by a column writer of the library; the bytes are
//! the same on any number of processors.

use std::io::Write;
use std::ops::Range;

use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, compute_leaves};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;

use crate::checksum::{self, ColumnChecksum};
use crate::sort::SortedRows;
use crate::{DayMeta, column_settings, file_checksum, workers};

const ROW_GROUPS: usize = 8;
/// Smaller row groups make a file larger and no reader faster.
const MIN_GROUP_ROWS: usize = 65_536;
/// Larger ones cost readers memory.
const MAX_GROUP_ROWS: usize = 262_144;

/// Encodes `rows` with `meta` into `out`; returns `out` and the checksum of the values.
///
/// Row groups go to `out` in their order while later ones are being encoded.
pub(crate) fn encode<W: Write + Send>(rows: &SortedRows<'_>, meta: &DayMeta, out: W) -> Result<(W, u32), ParquetError> {
    encode_with(rows, |crc32c| meta.to_key_values(crc32c), out)
}

/// Encodes `rows` with the metadata that is made of the checksum of their values.
pub(crate) fn encode_with<W: Write + Send>(
    rows: &SortedRows<'_>,
    metadata: impl FnOnce(u32) -> Vec<KeyValue>,
    out: W,
) -> Result<(W, u32), ParquetError> {
    let schema = rows.schema();
    let properties = column_settings::properties(rows)?;
    let mut writer = ArrowWriter::try_new(out, schema.clone(), Some(properties))?;
    writer.write_all(&file_checksum::placeholder())?;
    let (mut writer, factory) = writer.into_serialized_writer()?;

    let mut tasks = Vec::new();
    for (group, range) in row_groups(rows.len()).enumerate() {
        let columns = factory.create_column_writers(group)?.into_iter().enumerate();
        tasks.extend(columns.map(|(i, writer)| Task { range: range.clone(), i, writer }));
    }
    let mut checksums = vec![ColumnChecksum::default(); schema.fields().len()];
    let encode = |task: Task| task.encode(rows);
    workers::map_in_order(tasks, rows.len(), encode, |chunks| {
        for _ in row_groups(rows.len()) {
            let mut group = writer.next_row_group()?;
            for (checksum, chunk) in checksums.iter_mut().zip(&mut *chunks) {
                let (chunk, of_chunk) = chunk?;
                chunk.append_to_row_group(&mut group)?;
                checksum.append(of_chunk);
            }
            group.close()?;
        }
        Ok::<_, ParquetError>(())
    })?;
    let crc32c = checksum::of_columns(schema, &checksums);
    metadata(crc32c).into_iter().for_each(|pair| writer.append_key_value_metadata(pair));
    Ok((writer.into_inner()?, crc32c))
}

/// The rows of each row group: even parts of all rows.
fn row_groups(rows: usize) -> impl Iterator<Item = Range<usize>> {
    let most = rows.div_ceil(ROW_GROUPS).clamp(MIN_GROUP_ROWS, MAX_GROUP_ROWS);
    let groups = rows.div_ceil(most).max(1);
    let group_rows = rows.div_ceil(groups).max(1);
    (0..rows).step_by(group_rows).map(move |start| start..rows.min(start + group_rows))
}

/// A column of a row group that is to be encoded.
struct Task {
    range: Range<usize>,
    i: usize,
    writer: ArrowColumnWriter,
}

impl Task {
    fn encode(mut self, rows: &SortedRows<'_>) -> Result<(ArrowColumnChunk, ColumnChecksum), ParquetError> {
        let field = rows.schema().field(self.i);
        let column = rows.column(self.i, self.range)?;
        for leaf in compute_leaves(field, &column)? {
            self.writer.write(&leaf)?;
        }
        Ok((self.writer.close()?, ColumnChecksum::of(&column, field.is_nullable())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_rows::{encoded, meta, sorted, two_rows};
    use bytes::Bytes;
    use parquet::basic::Encoding;
    use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};

    #[test]
    fn row_groups_are_even_parts_of_the_day() {
        for (rows, groups) in [(0, 0), (1, 1), (65_536, 1), (65_537, 2), (1_200_000, 8), (10_000_000, 39)] {
            let ranges: Vec<_> = row_groups(rows).collect();
            assert_eq!(ranges.len(), groups, "{rows}");
            assert!(
                ranges.iter().map(Range::len).sum::<usize>() == rows && ranges.is_sorted_by(|a, b| a.end == b.start)
            );
            assert!(ranges.iter().all(|range| range.len() <= ranges[0].len()), "{rows}");
        }
    }

    #[test]
    fn files_have_a_page_index_and_name_their_sort_order() {
        let file: Bytes = encoded(&sorted(&two_rows(["A", "B"])), |crc32c| meta(2).to_key_values(crc32c)).0.into();
        let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
        let footer = reader.parse_and_finish(&file).unwrap();
        let group = footer.row_group(0);
        assert!(group.column(1).encodings().any(|encoding| encoding == Encoding::DELTA_BINARY_PACKED));
        assert!(group.column(0).encodings().any(|encoding| encoding == Encoding::RLE_DICTIONARY));
        let index = footer.column_index().unwrap();
        assert_eq!((index[0].len(), footer.offset_index().unwrap()[0].len()), (10, 10));
        assert!(group.columns().iter().all(|column| column.statistics().is_some()));
        assert_eq!(group.sorting_columns().unwrap().len(), 2);
    }
}
