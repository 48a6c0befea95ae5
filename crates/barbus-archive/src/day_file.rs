//! A file of the archive, read: its seal, what it says of itself, and its rows.
//!
//! What is decoded has been checked in full: seal, metadata, columns, number and order of rows, values.

use std::path::Path;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::concat_batches;
use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use jiff::civil::Date;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;

use crate::rows::first_out_of_order;
use crate::{Corruption, DayMeta, Error, Result, checksum, seal};

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

/// Checks the seal of `file` and reads its footer, and the checksum that it says its values have.
pub(crate) fn open(path: &Path, day: Date, file: &Bytes) -> Result<(ArrowReaderMetadata, DayMeta, u32)> {
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

/// Refuses columns that the bus does not have so; a file may lack optional ones.
pub(crate) fn compare_schemas(path: &Path, bus: &Schema, file: &Schema) -> Result<()> {
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::encode::encode_saying;
    use crate::metadata::FORMAT_VERSION;
    use arrow::array::{Float64Array, StringArray, TimestampMillisecondArray};
    use barbus_bars::{BarSchema, PriceType};
    use std::sync::Arc;

    pub(crate) const DAY: Date = jiff::civil::date(2024, 2, 29);

    pub(crate) fn rows(symbols: [&str; 2]) -> RecordBatch {
        let optional = ["money", "factor", "vwap"];
        let schema = BarSchema::new("Asia/Shanghai", PriceType::Float64, optional).unwrap();
        let frames = TimestampMillisecondArray::from(vec![60_000, 120_000]);
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(StringArray::from(symbols.to_vec())), Arc::new(frames.with_timezone("Asia/Shanghai"))];
        columns.resize(10, Arc::new(Float64Array::from(vec![1.0, -0.0])));
        RecordBatch::try_new(schema.archive_schema(), columns).unwrap()
    }

    /// Many minutes of one symbol, all numbers zero but for a negative one.
    pub(crate) fn long(count: usize, changed: Option<usize>, symbol: &str) -> RecordBatch {
        let frames = TimestampMillisecondArray::from_iter_values((0..count as i64).map(|minute| minute * 60_000));
        let closes = (0..count).map(|row| if Some(row) == changed { -0.0 } else { 0.0 });
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(StringArray::from(vec![symbol; count])), Arc::new(frames.with_timezone("Asia/Shanghai"))];
        columns.resize(10, Arc::new(closes.collect::<Float64Array>()));
        RecordBatch::try_new(rows([symbol; 2]).schema(), columns).unwrap()
    }

    pub(crate) fn meta() -> DayMeta {
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

    fn encoded(rows: &RecordBatch, meta: &DayMeta, say: impl FnOnce(u32) -> u32) -> Bytes {
        encode_saying(Path::new("day"), rows, meta, say, |_| Ok(())).unwrap().file
    }

    fn found(rows: &RecordBatch, file: &Bytes) -> String {
        let decoded = decode(Path::new("day"), DAY, file, &rows.schema());
        decoded.unwrap_err().to_string()
    }

    #[test]
    fn what_is_decoded_is_what_was_encoded() {
        let rows = rows(["A", "B"]);
        let file = encoded(&rows, &meta(), |crc32c| {
            assert_eq!(crc32c, checksum::values(&rows));
            crc32c
        });
        let (read_meta, read) = decode(Path::new("day"), DAY, &file, &rows.schema()).unwrap();
        assert_eq!(read_meta, meta());
        assert_eq!((&read, checksum::values(&read)), (&rows, checksum::values(&rows)));
    }

    #[test]
    fn negative_zero_is_not_zero() {
        let rows = rows(["A", "B"]);
        let mut columns = rows.columns().to_vec();
        columns[4] = Arc::new(Float64Array::from(vec![1.0, 0.0]));
        let other = RecordBatch::try_new(rows.schema(), columns).unwrap();
        assert_ne!(checksum::values(&rows), checksum::values(&other));
    }

    #[test]
    fn a_sealed_file_that_contradicts_itself_is_found() {
        let rows_ = rows(["A", "B"]);
        let crc = checksum::values(&rows_);
        let other = crc ^ 1;
        assert_eq!(
            found(&rows_, &encoded(&rows_, &meta(), |_| other)),
            format!("day: its values have checksum {crc:08x}, its metadata says {other:08x}")
        );
        let counted = DayMeta { rows: 3, ..meta() };
        let said = |crc32c| crc32c;
        assert_eq!(found(&rows_, &encoded(&rows_, &counted, said)), "day: it has 2 rows, its metadata says 3");
        let unsorted = rows(["B", "A"]);
        assert_eq!(
            found(&unsorted, &encoded(&unsorted, &meta(), said)),
            "day: row 1 is not after the row before it in (symbol, frame)"
        );
    }
}
