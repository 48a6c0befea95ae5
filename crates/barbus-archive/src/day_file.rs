//! One day (or part of one) as the bytes of a Parquet file, there and back.
//!
//! Encodings are the smallest measured on real bars: rows sorted by (symbol, frame), prices and money PLAIN, volume
//! BYTE_STREAM_SPLIT, frame DELTA_BINARY_PACKED, symbol and factor as dictionary, zstd 3, row groups of 32,768 rows so
//! that one symbol is found quickly. Any other optional column is a dictionary too, which falls back to PLAIN when it
//! grows too large.
//!
//! What is decoded has been checked in full: seal, metadata, columns, number and order of rows, values.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, ArrowNativeTypeOp, RecordBatch, new_null_array};
use arrow_schema::{DataType, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use barbus_bars::{FACTOR, FIXED_COLUMNS, FRAME, MONEY, SYMBOL, VOLUME};
use bytes::Bytes;
use jiff::civil::Date;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::{Corruption, DayMeta, Error, Result, checksum, seal};

/// Rows in a row group.
const ROW_GROUP_ROWS: usize = 32_768;
/// Level of zstd.
const ZSTD_LEVEL: i32 = 3;

/// The bytes of a file that holds `rows`, sorted, with `meta`.
pub(crate) fn encode(rows: &RecordBatch, meta: &DayMeta) -> Result<Bytes, ParquetError> {
    assert_eq!(rows.num_rows() as u64, meta.rows);
    let properties = properties(rows.schema_ref(), meta, checksum::values(rows))?;
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties))?;
    writer.write_all(&seal::blank())?;
    writer.write(rows)?;
    let mut file = writer.into_inner()?;
    seal::close(&mut file);
    Ok(file.into())
}

fn properties(schema: &Schema, meta: &DayMeta, crc32c: u32) -> Result<WriterProperties, ParquetError> {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_sorting_columns(Some(vec![ascending(0), ascending(1)]))
        .set_key_value_metadata(Some(meta.to_key_values(crc32c)));
    for field in schema.fields() {
        let name = field.name().as_str();
        let dictionary = matches!(name, SYMBOL | FACTOR) || (name != MONEY && !FIXED_COLUMNS.contains(&name));
        let encoding = match name {
            FRAME => Encoding::DELTA_BINARY_PACKED,
            VOLUME => Encoding::BYTE_STREAM_SPLIT,
            _ => Encoding::PLAIN,
        };
        let path = || ColumnPath::from(name);
        builder = builder.set_column_dictionary_enabled(path(), dictionary).set_column_encoding(path(), encoding);
    }
    Ok(builder.build())
}

fn ascending(column_idx: i32) -> SortingColumn {
    SortingColumn { column_idx, descending: false, nulls_first: false }
}

/// Checks the seal of `file` and reads its metadata, without its rows.
pub(crate) fn decode_meta(path: &Path, day: Date, file: &Bytes) -> Result<DayMeta> {
    open(path, day, file).map(|(_, meta, _)| meta)
}

/// Reads a file in full and checks everything about it. Optional columns of `schema` that the file does not have are
/// null; any other difference in columns is [`Error::Schema`].
pub(crate) fn decode(path: &Path, day: Date, file: &Bytes, schema: &SchemaRef) -> Result<(DayMeta, RecordBatch)> {
    let corrupt = |what: Corruption| Error::corrupt(path, what);
    let (footer, meta, crc32c) = open(path, day, file)?;
    compare_schemas(path, schema, footer.schema())?;

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

    let found = batches.num_rows() as u64;
    if found != meta.rows {
        let said = meta.rows;
        return Err(corrupt(Corruption::Rows { said, found }));
    }
    let found = checksum::values(&batches);
    if found != crc32c {
        let said = crc32c;
        return Err(corrupt(Corruption::Values { said, found }));
    }
    if let Some(row) = first_out_of_order(&batches) {
        return Err(corrupt(Corruption::Order { row }));
    }
    Ok((meta, conform(&batches, schema)))
}

fn open(path: &Path, day: Date, file: &Bytes) -> Result<(ArrowReaderMetadata, DayMeta, u32)> {
    let corrupt = |what: Corruption| Error::corrupt(path, what);
    seal::check(file).map_err(corrupt)?;
    let footer = ArrowReaderMetadata::load(file, ArrowReaderOptions::new()).map_err(|error| corrupt(error.into()))?;
    let pairs = footer.metadata().file_metadata().key_value_metadata();
    let pairs = pairs.map(Vec::as_slice).unwrap_or_default();
    let (meta, crc32c) = DayMeta::from_key_values(path, pairs)?;
    if meta.day != day {
        return Err(corrupt(Corruption::OtherDay { found: meta.day }));
    }
    Ok((footer, meta, crc32c))
}

fn compare_schemas(path: &Path, bus: &Schema, file: &Schema) -> Result<()> {
    let show = |schema: &Schema, name: &str| {
        let field = schema.column_with_name(name).map(|(_, field)| field);
        field.map_or("absent".to_owned(), |field| field.data_type().to_string())
    };
    let names = bus.fields().iter().chain(file.fields());
    for name in names.map(|field| field.name()) {
        let (expected, found) = (show(bus, name), show(file, name));
        let may_lack = bus.column_with_name(name).is_some_and(|(_, f)| f.is_nullable());
        if expected != found && !(found == "absent" && may_lack) {
            return Err(Error::Schema { path: path.to_owned(), column: name.clone(), expected, found });
        }
    }
    Ok(())
}

/// The file's columns in the order of `schema`, null where it has none.
fn conform(rows: &RecordBatch, schema: &SchemaRef) -> RecordBatch {
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .map(|field| match rows.column_by_name(field.name()) {
            Some(column) => column.clone(),
            None => new_null_array(field.data_type(), rows.num_rows()),
        })
        .collect();
    RecordBatch::try_new(schema.clone(), columns).expect("schemas were compared")
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

/// True when both have the same rows to the bit; what stands under a null does not count.
pub(crate) fn same_bits(a: &RecordBatch, b: &RecordBatch) -> bool {
    let column = |(a, b): (&ArrayRef, &ArrayRef)| match a.data_type() {
        DataType::Float32 => same_values::<Float32Type>(a, b),
        DataType::Float64 => same_values::<Float64Type>(a, b),
        _ => a == b,
    };
    a.schema_ref().fields() == b.schema_ref().fields()
        && a.num_rows() == b.num_rows()
        && a.columns().iter().zip(b.columns()).all(column)
}

/// As `ArrayData`'s equality, but -0.0 differs from 0.0.
fn same_values<T>(a: &ArrayRef, b: &ArrayRef) -> bool
where
    T: arrow_array::ArrowPrimitiveType,
{
    let (a, b) = (a.as_primitive::<T>(), b.as_primitive::<T>());
    // Row by row: an array without nulls may or may not have a buffer for them.
    (0..a.len()).all(|row| match (a.is_null(row), b.is_null(row)) {
        (false, false) => a.value(row).is_eq(b.value(row)),
        (a_null, b_null) => a_null && b_null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::FORMAT_VERSION;
    use arrow_array::{Float64Array, StringArray, TimestampMillisecondArray};
    use barbus_bars::{BarSchema, PriceType};
    use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};
    use std::sync::Arc;

    const DAY: Date = jiff::civil::date(2024, 2, 29);

    fn rows(symbols: [&str; 2]) -> RecordBatch {
        let optional = ["money", "factor", "vwap"];
        let schema = BarSchema::new("Asia/Shanghai", PriceType::Float64, optional).unwrap();
        let frames = TimestampMillisecondArray::from(vec![60_000, 120_000]);
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(StringArray::from(symbols.to_vec())), Arc::new(frames.with_timezone("Asia/Shanghai"))];
        columns.resize(10, Arc::new(Float64Array::from(vec![1.0, -0.0])));
        RecordBatch::try_new(schema.archive_schema(), columns).unwrap()
    }

    fn meta() -> DayMeta {
        DayMeta {
            day: DAY,
            calendar: "XSHG".to_owned(),
            schema_version: FORMAT_VERSION,
            rows: 2,
            first_seq: 0,
            through_seq: 2,
            lineage: 1,
            part: 0,
        }
    }

    /// As `encode`, but with what it never writes.
    fn forge(rows: &RecordBatch, meta: &DayMeta, crc32c: u32) -> Bytes {
        let properties = properties(rows.schema_ref(), meta, crc32c).unwrap();
        let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties)).unwrap();
        writer.write_all(&seal::blank()).unwrap();
        writer.write(rows).unwrap();
        let mut file = writer.into_inner().unwrap();
        seal::close(&mut file);
        file.into()
    }

    fn found(rows: &RecordBatch, file: &Bytes) -> String {
        let decoded = decode(Path::new("day"), DAY, file, &rows.schema());
        decoded.unwrap_err().to_string()
    }

    #[test]
    fn what_is_decoded_is_what_was_encoded() {
        let rows = rows(["A", "B"]);
        let file = encode(&rows, &meta()).unwrap();
        let (read_meta, read) = decode(Path::new("day"), DAY, &file, &rows.schema()).unwrap();
        assert_eq!(read_meta, meta());
        assert!(same_bits(&read, &rows));
    }

    #[test]
    fn negative_zero_is_not_zero() {
        let rows = rows(["A", "B"]);
        let mut columns = rows.columns().to_vec();
        columns[4] = Arc::new(Float64Array::from(vec![1.0, 0.0]));
        let other = RecordBatch::try_new(rows.schema(), columns).unwrap();
        assert!(!same_bits(&rows, &other));
        assert_ne!(checksum::values(&rows), checksum::values(&other));
    }

    #[test]
    fn a_sealed_file_that_contradicts_itself_is_found() {
        let rows_ = rows(["A", "B"]);
        let crc = checksum::values(&rows_);
        let other = crc ^ 1;
        assert_eq!(
            found(&rows_, &forge(&rows_, &meta(), other)),
            format!("day: its values have checksum {crc:08x}, its metadata says {other:08x}")
        );
        let counted = DayMeta { rows: 3, ..meta() };
        assert_eq!(found(&rows_, &forge(&rows_, &counted, crc)), "day: it has 2 rows, its metadata says 3");
        let unsorted = rows(["B", "A"]);
        assert_eq!(
            found(&unsorted, &encode(&unsorted, &meta()).unwrap()),
            "day: row 1 is not after the row before it in (symbol, frame)"
        );
    }

    #[test]
    fn columns_are_encoded_as_measured_best_and_indexed() {
        let file = encode(&rows(["A", "B"]), &meta()).unwrap();
        let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
        let footer = reader.parse_and_finish(&file).unwrap();
        let group = footer.row_group(0);
        let uses = |i: usize, encoding| group.column(i).encodings().any(|e| e == encoding);
        for i in [0, 8, 9] {
            assert!(uses(i, Encoding::RLE_DICTIONARY), "column {i}");
        }
        assert!(uses(1, Encoding::DELTA_BINARY_PACKED));
        assert!(uses(6, Encoding::BYTE_STREAM_SPLIT));
        for i in [2, 3, 4, 5, 7] {
            assert!(uses(i, Encoding::PLAIN), "column {i}");
            assert!(!uses(i, Encoding::RLE_DICTIONARY), "column {i}");
        }
        assert!(footer.column_index().is_some() && footer.offset_index().is_some());
        let zstd = |c: &parquet::file::metadata::ColumnChunkMetaData| matches!(c.compression(), Compression::ZSTD(_));
        assert!(group.columns().iter().all(zstd));
        assert_eq!(group.sorting_columns().unwrap().len(), 2);
    }
}
