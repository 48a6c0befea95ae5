//! Arrow IPC, as a file or a stream, and other formats that decode to Arrow batches.
//!
//! A rejected row is shown with its values as a JSON object.

use std::io::{BufRead, Read, Seek};

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::arrow_column::ArrowColumn;
use super::guarded::{guarded, guarded_batches};
use super::ipc_limits::{CheckedStream, check_file};
use crate::error::InputError;
use crate::records::{Records, Step};
use crate::sample::SAMPLE_ROWS;
use crate::values::cell::Cell;

/// Batches of an input, whatever decodes them.
pub(crate) type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

/// The records of Arrow batches.
pub(crate) struct ArrowRecords {
    input: String,
    format: &'static str,
    schema: SchemaRef,
    batches: Batches,
    /// The first batch, which was read for the sample, or its failure.
    ahead: Option<Result<RecordBatch, ArrowError>>,
    batch: Option<RecordBatch>,
    columns: Vec<ArrowColumn>,
    row: usize,
    /// Rows of the batches before the current one.
    rows_before: u64,
}

impl ArrowRecords {
    /// The records of `batches`, which all have `schema`.
    pub(crate) fn new(input: &str, format: &'static str, schema: SchemaRef, batches: Batches) -> ArrowRecords {
        let mut batches = guarded_batches(batches);
        let ahead = batches.find(|batch| batch.as_ref().map_or(true, |batch| batch.num_rows() > 0));
        ArrowRecords {
            input: input.to_owned(),
            format,
            schema,
            batches,
            ahead,
            batch: None,
            columns: Vec::new(),
            row: 0,
            rows_before: 0,
        }
    }

    /// The texts of the first rows.
    pub(crate) fn sample(&self) -> Vec<Vec<Option<String>>> {
        let Some(Ok(batch)) = &self.ahead else { return Vec::new() };
        let columns: Vec<ArrowColumn> = batch.columns().iter().map(ArrowColumn::new).collect();
        let text = |column: &ArrowColumn, row: usize| match column.cell(row) {
            Cell::Time(time) => Some(shown(&time)),
            other => other.text().map(|text| text.into_owned()),
        };
        let rows = 0..batch.num_rows().min(SAMPLE_ROWS);
        rows.map(|row| columns.iter().map(|column| text(column, row)).collect()).collect()
    }

    /// The column that pandas marked as the index of the table.
    pub(crate) fn index(&self) -> Option<usize> {
        let metadata = self.schema.metadata().get("pandas")?;
        let value: serde_json::Value = serde_json::from_str(metadata).ok()?;
        let name = value["index_columns"].as_array()?.first()?.as_str()?.to_owned();
        self.schema.fields().iter().position(|field| *field.name() == name)
    }

    /// The first of `columns` whose type is no part of a bar: its name and type.
    pub(crate) fn unreadable(&self, mut columns: impl Iterator<Item = usize>) -> Option<(String, DataType)> {
        let column = columns.find(|&column| {
            let field = self.schema.field(column);
            !ArrowColumn::new(&arrow::array::new_empty_array(field.data_type())).is_readable()
        })?;
        let field = self.schema.field(column);
        Some((field.name().clone(), field.data_type().clone()))
    }
}

/// A time as the sample has it: an instant with `Z`, a wall clock without, a date alone.
fn shown(time: &barbus_bars::ParsedTime) -> String {
    let (barbus_bars::Moment::Instant(ms) | barbus_bars::Moment::WallClock(ms)) = time.moment;
    let text = jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| at.to_string());
    match time.moment {
        _ if time.date_only => text.split('T').next().unwrap_or_default().to_owned(),
        barbus_bars::Moment::Instant(_) => text,
        barbus_bars::Moment::WallClock(_) => text.trim_end_matches('Z').to_owned(),
    }
}

impl Records for ArrowRecords {
    fn advance(&mut self) -> Result<Step, InputError> {
        if let Some(batch) = &self.batch {
            self.row += 1;
            if self.row < batch.num_rows() {
                return Ok(Step::Record);
            }
            self.rows_before += batch.num_rows() as u64;
            self.batch = None;
        }
        loop {
            let batch = match self.ahead.take().or_else(|| self.batches.next()) {
                None => return Ok(Step::End),
                Some(Err(error)) => {
                    return Err(InputError::decode(&self.input, self.format, self.rows_before, &error));
                }
                Some(Ok(batch)) => batch,
            };
            if batch.num_rows() > 0 {
                self.columns = batch.columns().iter().map(ArrowColumn::new).collect();
                self.batch = Some(batch);
                self.row = 0;
                return Ok(Step::Record);
            }
        }
    }

    fn names(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    fn cell(&self, column: usize) -> Cell<'_> {
        self.columns.get(column).map_or(Cell::Missing, |column| column.cell(self.row))
    }

    fn text(&self) -> String {
        self.batch.as_ref().map_or_else(String::new, |batch| row_as_json(batch, self.row))
    }

    fn place(&self) -> String {
        format!("row {}", self.rows_before + self.row as u64 + 1)
    }

    fn problem(&self) -> String {
        String::new()
    }
}

/// The records of an Arrow IPC file.
pub(crate) fn open_file(
    input: &str,
    mut reader: impl Read + Seek + Send + 'static,
) -> Result<ArrowRecords, InputError> {
    let checked = guarded(|| check_file(&mut reader));
    let reader = checked
        .and_then(|()| guarded(|| FileReader::try_new(reader, None)))
        .map_err(|error| InputError::decode(input, "Arrow", 0, &error))?;
    let schema = reader.schema();
    Ok(ArrowRecords::new(input, "Arrow", schema, Box::new(reader)))
}

/// The records of an Arrow IPC stream.
pub(crate) fn open_stream(input: &str, reader: impl BufRead + Send + 'static) -> Result<ArrowRecords, InputError> {
    let reader = guarded(|| StreamReader::try_new(CheckedStream::new(reader), None))
        .map_err(|error| InputError::decode(input, "Arrow", 0, &error))?;
    let schema = reader.schema();
    Ok(ArrowRecords::new(input, "Arrow", schema, Box::new(reader)))
}

/// A row as a JSON object without its nulls.
fn row_as_json(batch: &RecordBatch, row: usize) -> String {
    let mut members = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        if column.is_null(row) {
            continue;
        }
        let value = first_value(&column.slice(row, 1));
        let number = field.data_type().is_numeric() && value.parse().is_ok_and(f64::is_finite);
        let value = if number { value } else { json_string(&value) };
        members.push(format!("{}:{value}", json_string(field.name())));
    }
    format!("{{{}}}", members.join(","))
}

/// The first value of a column as text; times with a zone are written in UTC.
fn first_value(column: &ArrayRef) -> String {
    // This build of arrow has no time zone database, so it cannot format a named zone.
    let in_utc = match column.data_type() {
        DataType::Timestamp(unit, Some(_)) => {
            arrow::compute::cast(column, &DataType::Timestamp(*unit, Some("+00:00".into()))).ok()
        }
        _ => None,
    };
    let column = in_utc.as_ref().unwrap_or(column);
    match ArrayFormatter::try_new(column, &FormatOptions::default()) {
        Ok(formatter) => formatter.value(0).to_string(),
        Err(error) => error.to_string(),
    }
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Arc;

    use arrow::array::{Decimal128Array, Float64Array, Int64Array, StringViewArray, TimestampSecondArray};
    use arrow::ipc::writer::{FileWriter, StreamWriter};
    use barbus_bars::Label;
    use parquet::arrow::ArrowWriter;

    use super::*;
    use crate::testing::{Bar, Found, file, gzip, open_error, options, read, read_path, reason, without_directory};

    const FRAME_S: i64 = 1_646_098_260; // 2022-03-01 09:31 in Shanghai

    /// Bars in the types of a vendor, which have to be cast.
    fn vendor_batch(closes: &[Option<f64>]) -> RecordBatch {
        let rows = closes.len();
        let symbols = StringViewArray::from_iter_values((0..rows).map(|row| format!("S{row}")));
        let frames = TimestampSecondArray::from_iter_values((0..rows as i64).map(|row| FRAME_S + row * 60));
        let opens = Decimal128Array::from_iter_values((0..rows).map(|_| 927)).with_precision_and_scale(10, 2);
        let number = |value| Arc::new(Float64Array::from(vec![value; rows])) as ArrayRef;
        RecordBatch::try_from_iter([
            ("ticker", Arc::new(symbols) as ArrayRef),
            ("datetime", Arc::new(frames.with_timezone("UTC"))),
            ("open", Arc::new(opens.unwrap())),
            ("high", number(9.5)),
            ("low", number(0.1)),
            ("close", Arc::new(Float64Array::from(closes.to_vec()))),
            ("volume", Arc::new(Int64Array::from(vec![-5; rows]))),
        ])
        .unwrap()
    }

    fn ipc_file(batch: &RecordBatch) -> Vec<u8> {
        let mut writer = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(batch).unwrap();
        writer.into_inner().unwrap()
    }

    fn ipc_stream(batch: &RecordBatch) -> Vec<u8> {
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(batch).unwrap();
        writer.into_inner().unwrap()
    }

    fn parquet(batch: &RecordBatch) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(Cursor::new(&mut bytes), batch.schema(), None).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        bytes
    }

    fn expected(row: usize, close: f64) -> Bar {
        let frame_ms = (FRAME_S + row as i64 * 60 + 60) * 1000;
        (format!("S{row}"), frame_ms, [9.27, 9.5, 0.1, close, -5.0], [None, None])
    }

    /// Also: a negative volume is left to the daemon, a null price is rejected here.
    #[test]
    fn every_form_gives_the_same_bars_and_rejects() {
        let batch = vendor_batch(&[Some(1.5), None, Some(-2.5)]);
        let forms = [
            ("a.arrow", ipc_file(&batch)),
            ("a.feather", ipc_file(&batch)),
            ("a.arrows", ipc_stream(&batch)),
            ("a.arrow", ipc_stream(&batch)),
            ("a.parquet", parquet(&batch)),
            ("no_ending_file", ipc_file(&batch)),
            ("no_ending_stream", ipc_stream(&batch)),
            ("no_ending_parquet", parquet(&batch)),
            ("misnamed.csv", parquet(&batch)),
            ("a.parquet.gz", gzip(parquet(&batch))),
            ("a.arrow.gz", gzip(ipc_file(&batch))),
            ("a.arrows.gz", gzip(ipc_stream(&batch))),
        ];
        let mut options = options();
        options.label = Some(Label::Start);
        for (name, bytes) in forms {
            let Found { bars, rejects, error } = read(name, bytes, &options).unwrap();
            assert_eq!(bars, [expected(0, 1.5), expected(2, -2.5)], "{name}");
            let reasons: Vec<_> = rejects.iter().map(reason).collect();
            assert_eq!(reasons, [(&*format!("{name}:row 2"), "close is missing")]);
            assert_eq!(
                rejects[0].row,
                r#"{"ticker":"S1","datetime":"2022-03-01T01:32:00Z","open":9.27,"high":9.5,"low":0.1,"volume":-5}"#
            );
            assert!(error.is_none());
        }
    }

    #[test]
    fn columns_are_checked_when_the_input_is_opened() {
        let batch = vendor_batch(&[]).project(&[0, 1, 2, 3, 4, 6]).unwrap();
        let message = |name| {
            format!(
                "{name}: no column for \"close\": the schema has ticker, datetime, open, high, low, volume; give --map 'close=NAME'"
            )
        };
        assert_eq!(open_error("a.arrow", ipc_file(&batch)), message("a.arrow"));
        assert_eq!(open_error("a.arrows", ipc_stream(&batch)), message("a.arrows"));
        assert_eq!(open_error("a.parquet", parquet(&batch)), message("a.parquet"));
    }

    #[test]
    fn a_truncated_stream_gives_the_rows_before_and_an_error() {
        let batch = vendor_batch(&[Some(1.5); 100]);
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        let first = writer.get_ref().len();
        writer.write(&batch).unwrap();
        let bytes = &writer.get_ref()[..first + 600];
        let (directory, path) = file("a.arrows", bytes);
        let found = read_path(&path, &options()).unwrap();
        assert_eq!(found.bars.len(), 100);
        let message = without_directory(directory.path(), &found.error.unwrap());
        assert!(message.starts_with("a.arrows: unreadable Arrow after row 100: "), "{message}");
    }

    #[test]
    fn truncated_files_are_refused() {
        let batch = vendor_batch(&[Some(1.5); 100]);
        let truncated = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
        let message = open_error("a.arrow", truncated(ipc_file(&batch)));
        assert!(message.starts_with("a.arrow: unreadable Arrow: "), "{message}");
        let message = open_error("a.parquet", truncated(parquet(&batch)));
        assert!(message.starts_with("a.parquet: unreadable Parquet: "), "{message}");
    }
}
