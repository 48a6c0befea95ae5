//! One day (or part of one) as the bytes of a Parquet file, there and back.
//!
//! Encodings are the smallest measured on real bars: rows sorted by (symbol, frame), prices and money PLAIN, volume
//! BYTE_STREAM_SPLIT, frame DELTA_BINARY_PACKED, symbol and factor as dictionary, zstd 1 (money 3), row groups of 32,768 rows so
//! that one symbol is found quickly. Any other optional column is a dictionary too, which falls back to PLAIN when it
//! grows too large.
//!
//! What is decoded has been checked in full: seal, metadata, columns, number and order of rows, values.

use std::ops::Range;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, ArrowNativeTypeOp, RecordBatch, new_null_array};
use arrow_schema::{DataType, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use barbus_bars::{FACTOR, FIXED_COLUMNS, FRAME, MONEY, SYMBOL, VOLUME};
use bytes::Bytes;
use jiff::civil::Date;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::arrow_writer::compute_leaves;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::checksum::Digests;
use crate::rows::{Rows, first_out_of_order};
use crate::{Corruption, DayMeta, Error, Result, checksum, seal, workers};

/// Rows in a row group.
const ROW_GROUP_ROWS: usize = 32_768;
/// Rows that are gathered and encoded, or decoded and compared, at a time.
const PIECE_ROWS: usize = 4_096;
/// Level of zstd.
const ZSTD_LEVEL: i32 = 1;
/// The same for money, which a higher level makes a fifth smaller; it makes the others hardly any.
const MONEY_ZSTD_LEVEL: i32 = 3;

/// The bytes of a file that holds `rows`, sorted, with `meta` and their checksum, which is given as well. Row groups are encoded on all
/// processors; the bytes are the same on any number of them.
pub(crate) fn encode(rows: &impl Rows, meta: &DayMeta) -> Result<(Bytes, u32), ParquetError> {
    encode_saying(rows, meta, |crc32c| crc32c)
}

fn encode_saying(rows: &impl Rows, meta: &DayMeta, say: impl FnOnce(u32) -> u32) -> Result<(Bytes, u32), ParquetError> {
    let schema = rows.columns();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties(schema)?))?;
    writer.write_all(&seal::blank())?;
    let (mut writer, columns) = writer.into_serialized_writer()?;
    let groups = workers::in_order(rows.count().div_ceil(ROW_GROUP_ROWS), rows.count(), |group| {
        let mut writers = columns.create_column_writers(group)?;
        let mut digests = Digests::new(writers.len());
        for piece in pieces(rows, group) {
            let rows = rows.rows(piece);
            digests.add(&rows);
            for ((writer, field), column) in writers.iter_mut().zip(schema.fields()).zip(rows.columns()) {
                for leaf in compute_leaves(field, column)? {
                    writer.write(&leaf)?;
                }
            }
        }
        let closed = writers.into_iter().map(|writer| writer.close()).collect::<Result<Vec<_>, _>>()?;
        Ok::<_, ParquetError>((closed, digests))
    });
    let mut digests = Vec::with_capacity(groups.len());
    for group in groups {
        let (columns, digest) = group?;
        digests.push(digest);
        let mut group = writer.next_row_group()?;
        for column in columns {
            column.append_to_row_group(&mut group)?;
        }
        group.close()?;
    }
    let crc32c = say(checksum::join(schema, digests));
    meta.to_key_values(crc32c).into_iter().for_each(|pair| writer.append_key_value_metadata(pair));
    let mut file = writer.into_inner()?;
    seal::close(&mut file);
    Ok((file.into(), crc32c))
}

/// The rows of a group, so many at a time that they stay in the nearest caches.
fn pieces(rows: &impl Rows, group: usize) -> impl Iterator<Item = Range<usize>> {
    let end = rows.count().min((group + 1) * ROW_GROUP_ROWS);
    (group * ROW_GROUP_ROWS..end).step_by(PIECE_ROWS).map(move |start| start..end.min(start + PIECE_ROWS))
}

/// Decodes `file`, just encoded from the others, and compares all of it with them: to the bit, row group by row group on
/// all processors, so that no second copy of the day is made.
pub(crate) fn check_encoded(path: &Path, file: &Bytes, rows: &impl Rows, meta: &DayMeta, crc32c: u32) -> Result<()> {
    let corrupt = |what: Corruption| Error::corrupt(path, what);
    let (footer, read_meta, read_crc32c) = open(path, meta.day, file)?;
    compare_schemas(path, rows.columns(), footer.schema())?;
    let groups = rows.count().div_ceil(ROW_GROUP_ROWS);
    if footer.metadata().num_row_groups() != groups {
        return Err(corrupt(Corruption::ReadBack));
    }
    let same = workers::in_order(groups, rows.count(), |group| -> Result<bool, ParquetError> {
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), footer.clone());
        let mut batches = reader.with_row_groups(vec![group]).with_batch_size(PIECE_ROWS).build()?;
        for piece in pieces(rows, group) {
            let found = batches.next().transpose()?;
            if !found.is_some_and(|found| same_bits(&found, &rows.rows(piece.clone()))) || !rows.ascend(piece) {
                return Ok(false);
            }
        }
        Ok(batches.next().is_none())
    });
    let same = same.into_iter().collect::<Result<Vec<_>, _>>().map_err(|error| corrupt(error.into()))?;
    let all = same.into_iter().all(|same| same);
    match all && read_meta == *meta && read_crc32c == crc32c && meta.rows == rows.count() as u64 {
        true => Ok(()),
        false => Err(corrupt(Corruption::ReadBack)),
    }
}

fn properties(schema: &Schema) -> Result<WriterProperties, ParquetError> {
    let zstd = |level| ZstdLevel::try_new(level).map(Compression::ZSTD);
    let mut builder = WriterProperties::builder()
        .set_compression(zstd(ZSTD_LEVEL)?)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_sorting_columns(Some(vec![ascending(0), ascending(1)]));
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
        if name == MONEY {
            builder = builder.set_column_compression(path(), zstd(MONEY_ZSTD_LEVEL)?);
        }
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
    if a.null_count() == 0 && b.null_count() == 0 {
        return a.values().inner() == b.values().inner();
    }
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

    fn found(rows: &RecordBatch, file: &Bytes) -> String {
        let decoded = decode(Path::new("day"), DAY, file, &rows.schema());
        decoded.unwrap_err().to_string()
    }

    #[test]
    fn what_is_decoded_is_what_was_encoded() {
        let rows = rows(["A", "B"]);
        let (file, crc32c) = encode(&rows, &meta()).unwrap();
        assert_eq!(crc32c, checksum::values(&rows));
        let (read_meta, read) = decode(Path::new("day"), DAY, &file, &rows.schema()).unwrap();
        assert_eq!(read_meta, meta());
        assert!(same_bits(&read, &rows));
    }

    /// Guards the read-back of every write: whatever differs is found, in whichever row group.
    #[test]
    fn a_file_of_other_rows_than_meant_does_not_pass_for_theirs() {
        let count = ROW_GROUP_ROWS + 3;
        let long = |changed: Option<usize>, symbol: &str| {
            let one = rows([symbol, symbol]);
            let frames = TimestampMillisecondArray::from_iter_values((0..count as i64).map(|minute| minute * 60_000));
            let closes = (0..count).map(|row| if Some(row) == changed { -0.0 } else { 0.0 });
            let mut columns: Vec<ArrayRef> =
                vec![Arc::new(StringArray::from(vec![symbol; count])), Arc::new(frames.with_timezone("Asia/Shanghai"))];
            columns.resize(10, Arc::new(closes.collect::<Float64Array>()));
            RecordBatch::try_new(one.schema(), columns).unwrap()
        };
        let meta = DayMeta { rows: count as u64, ..meta() };
        let meant = long(None, "A");
        let (file, _) = encode_saying(&meant, &meta, |_| 7).unwrap();
        let check = |rows: &RecordBatch, meta: &DayMeta, crc32c| {
            check_encoded(Path::new("day"), &file, rows, meta, crc32c).map_err(|error| error.to_string())
        };
        assert_eq!(check(&meant, &meta, 7), Ok(()));
        let differs = Err("day: read back differently from what was written".to_owned());
        for row in [0, ROW_GROUP_ROWS - 1, ROW_GROUP_ROWS, count - 1] {
            assert_eq!(check(&long(Some(row), "A"), &meta, 7), differs, "row {row}");
        }
        assert_eq!(check(&long(None, "B"), &meta, 7), differs);
        assert_eq!(check(&meant.slice(0, count - 1), &meta, 7), differs);
        assert_eq!(check(&meant.slice(0, ROW_GROUP_ROWS), &meta, 7), differs);
        assert_eq!(check(&meant, &DayMeta { lineage: 2, ..meta.clone() }, 7), differs);
        assert_eq!(check(&meant, &meta, 8), differs);

        // The second row group begins with the first's last row again.
        let last = meant.slice(ROW_GROUP_ROWS - 1, 1);
        let repeated = concat_batches(&meant.schema(), &[meant.slice(0, ROW_GROUP_ROWS), last]).unwrap();
        let meta = DayMeta { rows: ROW_GROUP_ROWS as u64 + 1, ..meta };
        let (file, _) = encode_saying(&repeated, &meta, |_| 7).unwrap();
        let error = check_encoded(Path::new("day"), &file, &repeated, &meta, 7).unwrap_err();
        assert!(matches!(error, Error::Corrupt { what: Corruption::ReadBack, .. }));
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
            found(&rows_, &encode_saying(&rows_, &meta(), |_| other).unwrap().0),
            format!("day: its values have checksum {crc:08x}, its metadata says {other:08x}")
        );
        let counted = DayMeta { rows: 3, ..meta() };
        assert_eq!(found(&rows_, &encode(&rows_, &counted).unwrap().0), "day: it has 2 rows, its metadata says 3");
        let unsorted = rows(["B", "A"]);
        assert_eq!(
            found(&unsorted, &encode(&unsorted, &meta()).unwrap().0),
            "day: row 1 is not after the row before it in (symbol, frame)"
        );
    }

    #[test]
    fn columns_are_encoded_as_measured_best_and_indexed() {
        let (file, _) = encode(&rows(["A", "B"]), &meta()).unwrap();
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
