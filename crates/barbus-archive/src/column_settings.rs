//! How each column of a day is encoded, as writer properties of the Parquet library.
//!
//! Symbols are a dictionary. Frames are steps from one to the next, or plain where symbols repeat
//! the same minutes. The encoding of numbers depends on their values: a dictionary where values
//! repeat, otherwise the encoding that makes a sample of them smallest. One price decides for all
//! four.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::schema::types::ColumnPath;

use crate::sort::SortedRows;
use crate::workers;

/// Rows in a page: a reader decodes no less.
const PAGE_ROWS: usize = 20_000;
/// Rows that the library encodes at a time.
const BATCH_ROWS: usize = 4_096;
/// Largest size of a dictionary. If the values exceed it, the rest of the row group has no
/// dictionary.
const MAX_DICTIONARY_BYTES: usize = 8 << 20;
/// A day with fewer rows is written in less time than a trial takes. For each of its columns the
/// memory that zstd works in takes longer to prepare than all the rest, so LZ4 has its place where
/// it makes little difference.
const MIN_TRIAL_ROWS: usize = 10_000;
/// Rows whose distinct values are counted to decide on a dictionary.
const DISTINCT_ROWS: usize = 16_384;
/// A dictionary is used where at most this part of the values is distinct.
const MAX_DISTINCT: f64 = 0.35;
/// Values in long repetitions are compressed as they are: nothing is written or read faster. They
/// are such values if a sample is compressed to this part of its size.
const REPETITIVE: f64 = 0.03;
/// A dictionary of fewer values is not compressed: its indices are a few bits each.
const FEW_DISTINCT: usize = 64;
/// Rows of the sample by which encodings are compared.
const TRIAL_ROWS: usize = 4_096;
/// A higher compression level takes half as long again, so it must save at least this part of the
/// size.
const STRONG_MUST_SAVE: f64 = 0.07;
/// Columns 2 to 5, open to close.
const PRICES: std::ops::Range<usize> = 2..6;

/// How one column is encoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ColumnSettings {
    /// The encoding; without effect where there is a dictionary.
    encoding: Encoding,
    dictionary: bool,
    compression: Compression,
}

const DICTIONARY: ColumnSettings =
    ColumnSettings { encoding: Encoding::PLAIN, dictionary: true, compression: Compression::UNCOMPRESSED };

fn zstd(level: i32) -> Compression {
    Compression::ZSTD(ZstdLevel::try_new(level).expect("a level that zstd has"))
}

fn compressed(encoding: Encoding, compression: Compression) -> ColumnSettings {
    ColumnSettings { encoding, dictionary: false, compression }
}

/// The properties of the file of `rows`.
pub(crate) fn properties(rows: &SortedRows<'_>) -> Result<WriterProperties, ParquetError> {
    let ascending = |column_idx| SortingColumn { column_idx, descending: false, nulls_first: false };
    let mut builder = general(WriterProperties::builder()).set_sorting_columns(Some(vec![ascending(0), ascending(1)]));
    let fields = rows.schema().fields();
    let decisive: Vec<usize> = (0..fields.len()).filter(|i| !PRICES.contains(i) || *i == PRICES.start).collect();
    for chosen in workers::map(decisive, rows.len(), |i| settings(rows, i).map(|settings| (i, settings))) {
        let (i, settings) = chosen?;
        let alike = if i == PRICES.start { PRICES } else { i..i + 1 };
        for field in &fields[alike] {
            builder = settings.apply(builder, ColumnPath::from(field.name().as_str()));
        }
    }
    Ok(builder.build())
}

/// What all columns have in common.
fn general(builder: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
    builder
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(BATCH_ROWS)
        .set_dictionary_page_size_limit(MAX_DICTIONARY_BYTES)
        .set_statistics_enabled(EnabledStatistics::Page)
}

impl ColumnSettings {
    fn apply(self, builder: WriterPropertiesBuilder, column: ColumnPath) -> WriterPropertiesBuilder {
        builder
            .set_column_encoding(column.clone(), self.encoding)
            .set_column_dictionary_enabled(column.clone(), self.dictionary)
            .set_column_compression(column, self.compression)
    }
}

fn settings(rows: &SortedRows<'_>, i: usize) -> Result<ColumnSettings, ParquetError> {
    let field = rows.schema().field(i);
    if *field.data_type() == DataType::Utf8 {
        return Ok(DICTIONARY);
    }
    let short = rows.len() < MIN_TRIAL_ROWS;
    let (plain, light) = (compressed(Encoding::PLAIN, zstd(1)), if short { Compression::LZ4_RAW } else { zstd(1) });
    let sample = middle(rows, i, DISTINCT_ROWS)?;
    let is_repetitive = || {
        let bytes = sample.len() * field.data_type().primitive_width().unwrap_or_default();
        Ok::<_, ParquetError>(!short && encoded_bytes(field, &sample, plain)? <= REPETITIVE * bytes as f64)
    };
    if let DataType::Timestamp(..) = field.data_type() {
        return Ok(if is_repetitive()? { plain } else { compressed(Encoding::DELTA_BINARY_PACKED, light) });
    }
    let distinct = distinct(&sample);
    if distinct < FEW_DISTINCT && distinct < sample.len() {
        return Ok(if is_repetitive()? { plain } else { DICTIONARY });
    }
    if distinct as f64 <= MAX_DISTINCT * sample.len() as f64 {
        return Ok(ColumnSettings { compression: light, ..DICTIONARY });
    }
    let split = compressed(Encoding::BYTE_STREAM_SPLIT, zstd(1));
    if short {
        return Ok(if PRICES.contains(&i) { plain } else { split });
    }
    smallest(field, &middle(rows, i, TRIAL_ROWS)?, plain, split)
}

/// Which of `plain`, with a higher level too, and `split` makes `sample` smallest.
fn smallest(
    field: &Field,
    sample: &ArrayRef,
    plain: ColumnSettings,
    split: ColumnSettings,
) -> Result<ColumnSettings, ParquetError> {
    let size = |settings| encoded_bytes(field, sample, settings);
    let strong = compressed(Encoding::PLAIN, zstd(3));
    let (plain_bytes, strong_bytes, split_bytes) = (size(plain)?, size(strong)?, size(split)?);
    let strong_bytes = strong_bytes * (1.0 + STRONG_MUST_SAVE);
    Ok(match plain_bytes.min(strong_bytes).min(split_bytes) {
        bytes if bytes == split_bytes => split,
        bytes if bytes == plain_bytes => plain,
        _ => strong,
    })
}

/// Rows from the middle of a column.
fn middle(rows: &SortedRows<'_>, i: usize, count: usize) -> Result<ArrayRef, ParquetError> {
    let count = count.min(rows.len());
    let start = (rows.len() - count) / 2;
    Ok(rows.column(i, start..start + count)?)
}

/// How many values differ in their bits.
fn distinct(numbers: &ArrayRef) -> usize {
    let mut bits: Vec<u64> = match numbers.data_type() {
        DataType::Float32 => {
            let values = numbers.as_primitive::<Float32Type>().iter().flatten();
            values.map(|value| u64::from(value.to_bits())).collect()
        }
        _ => numbers.as_primitive::<Float64Type>().iter().flatten().map(f64::to_bits).collect(),
    };
    bits.sort_unstable();
    bits.dedup();
    bits.len()
}

/// The size of a file that has only this column.
fn encoded_bytes(field: &Field, column: &ArrayRef, settings: ColumnSettings) -> Result<f64, ParquetError> {
    let schema = Arc::new(Schema::new(vec![field.clone()]));
    let batch = RecordBatch::try_new(schema.clone(), vec![column.clone()])?;
    let path = ColumnPath::from(field.name().as_str());
    let properties = settings.apply(general(WriterProperties::builder()), path).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties))?;
    writer.write(&batch)?;
    Ok(writer.into_inner()?.len() as f64)
}
