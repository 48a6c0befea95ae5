//! The column of symbols, which rows are sorted by: a dictionary, and a run for each symbol.

use std::sync::Arc;

use arrow::array::Array;
use arrow::array::AsArray;
use arrow::datatypes::Int32Type;
use arrow::datatypes::{DataType, Field, Fields};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::basic::{BoundaryOrder, Encoding};
use parquet::column::page::{PageIterator, PageReader};
use parquet::data_type::ByteArray;
use parquet::file::metadata::{FileMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor, Type};

use crate::chunk::{Chunk, ChunkWriter, Effort, Found, PAGE_ROWS, PageValues, Result, Zstd};
use crate::hybrid;

/// Names of fewer bytes are kept as they are.
const MIN_BYTES: usize = 512;

/// Encodes the symbols of a row group: each with the number of its rows.
pub(crate) fn encode(column: &ColumnDescPtr, runs: &[(&str, usize)], zstd: &mut Zstd) -> Result<Chunk> {
    let mut plain = Vec::new();
    for (name, _) in runs {
        plain.extend_from_slice(&(name.len() as u32).to_le_bytes());
        plain.extend_from_slice(name.as_bytes());
    }
    let plain_bytes = plain.len();
    let few = plain_bytes < MIN_BYTES;
    let dictionary = if few { plain.into() } else { Bytes::copy_from_slice(zstd.compress(Effort::Fast, &plain)?) };
    let mut chunk = ChunkWriter::new(column, zstd);
    if few {
        chunk.leave_uncompressed();
    }
    chunk.dictionary(dictionary, plain_bytes, runs.len())?;
    let width = hybrid::width(runs.len().saturating_sub(1));
    let mut rest = runs.iter().zip(0..).map(|(&(name, rows), index)| (name, rows, index)).peekable();
    while rest.peek().is_some() {
        let (mut bytes, mut rows, mut text_bytes) = (vec![width as u8], 0, 0);
        let mut names: Vec<&str> = Vec::new();
        while let Some((name, left, index)) = rest.peek_mut().filter(|_| rows < PAGE_ROWS) {
            let now = (*left).min(PAGE_ROWS - rows);
            hybrid::repeat(*index, now, width, &mut bytes);
            names.push(name);
            text_bytes += (name.len() * now) as i64;
            rows += now;
            *left -= now;
            if *left == 0 {
                rest.next();
            }
        }
        let least = names.iter().min().copied().unwrap_or_default();
        let most = names.iter().max().copied().unwrap_or_default();
        let values = PageValues {
            encoding: Encoding::RLE_DICTIONARY,
            bytes: &bytes,
            effort: Effort::Fast,
            bounds: Some((least.into(), most.into())),
            text_bytes: Some(text_bytes),
        };
        chunk.page(rows, None, values)?;
    }
    let names = || runs.iter().map(|&(name, _)| name);
    let (least, most) = (names().min().map(ByteArray::from), names().max().map(ByteArray::from));
    let statistics = ValueStatistics::new(least, most, None, Some(0), false);
    let order = if names().is_sorted() { BoundaryOrder::ASCENDING } else { BoundaryOrder::UNORDERED };
    chunk.close(Statistics::ByteArray(statistics.with_backwards_compatible_min_max(false)), order)
}

/// Whether `chunk`, read back, has these symbols.
pub(crate) fn reads_as(chunk: Found<'_>, runs: &[(&str, usize)]) -> Result<bool> {
    let rows: usize = runs.iter().map(|(_, rows)| rows).sum();
    let chunk = OneChunk::new(chunk, rows)?;
    let schema = chunk.metadata.file_metadata().schema_descr();
    // As a dictionary: no text is made for each row.
    let as_dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let hint = Fields::from(vec![Field::new(schema.column(0).name(), as_dictionary, false)]);
    let levels = parquet_to_arrow_field_levels(schema, ProjectionMask::all(), Some(&hint))?;
    let mut runs = runs.iter().copied();
    let (mut name, mut left) = ("", 0);
    let mut found_rows = 0;
    for batch in ParquetRecordBatchReader::try_new_with_row_groups(&levels, &chunk, PAGE_ROWS, None)? {
        let batch = batch?;
        let Some(found) = batch.column(0).as_dictionary_opt::<Int32Type>() else { return Ok(false) };
        let names = found.values().as_string::<i32>();
        let mut keys = &found.keys().values()[..];
        while !keys.is_empty() {
            if left == 0 {
                let Some(next) = runs.next() else { return Ok(false) };
                (name, left) = next;
            }
            let (now, later) = keys.split_at(left.min(keys.len()));
            let named = names.value(now[0] as usize) == name;
            if !named || now.iter().fold(0, |differ, key| differ | (key ^ now[0])) != 0 {
                return Ok(false);
            }
            left -= now.len();
            keys = later;
        }
        if found.null_count() > 0 {
            return Ok(false);
        }
        found_rows += found.len();
    }
    Ok(found_rows == rows)
}

/// A chunk as if it were a file of one column and one row group.
struct OneChunk<'a> {
    chunk: Found<'a>,
    metadata: ParquetMetaData,
}

impl<'a> OneChunk<'a> {
    fn new(chunk: Found<'a>, rows: usize) -> Result<Self> {
        let column = chunk.metadata;
        let schema = Type::group_type_builder("schema").with_fields(vec![column.column_descr().self_type_ptr()]);
        let schema = Arc::new(SchemaDescriptor::new(Arc::new(schema.build()?)));
        let group = RowGroupMetaData::builder(Arc::clone(&schema)).set_num_rows(rows as i64);
        let group = group.set_column_metadata(vec![column.clone()]).build()?;
        let file = FileMetaData::new(2, rows as i64, None, None, schema, None);
        Ok(Self { chunk, metadata: ParquetMetaData::new(file, vec![group]) })
    }
}

impl RowGroups for OneChunk<'_> {
    fn num_rows(&self) -> usize {
        self.metadata.file_metadata().num_rows() as usize
    }

    fn column_chunks(&self, _: usize) -> Result<Box<dyn PageIterator>> {
        Ok(Box::new(OnePageReader(Some(Box::new(self.chunk.pages(self.num_rows())?)))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.metadata.row_groups().iter())
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

struct OnePageReader(Option<Box<dyn PageReader>>);

impl Iterator for OnePageReader {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for OnePageReader {}
