//! Arrow IPC, as a file or a stream, and other formats that decode to Arrow batches.
//!
//! Types are cast as the daemon casts them.
//! A row that cannot be read is rejected, with its values as a JSON object.
//! A row that only breaks a rule is passed on.
//! Columns are checked when the input is opened, also when it has no rows.

use std::io::{BufRead, Read, Seek};

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use barbus_bars::{BarBatch, CastOptions, Fault};

use super::error::InputError;
use super::options::InputOptions;
use super::reject::Reject;
use super::rows::Rows;
use super::source::{ParsedRows, RowSource};

/// The rows of Arrow batches.
pub(super) struct ArrowSource<I> {
    input: String,
    format: &'static str,
    batches: I,
    options: InputOptions,
    cast: CastOptions,
    rows_read: u64,
}

impl<I: Iterator<Item = Result<RecordBatch, ArrowError>>> ArrowSource<I> {
    /// The rows of `batches`, which all have `schema`.
    ///
    /// # Errors
    /// [`InputError::Columns`] when the schema lacks a column of a bar.
    pub(super) fn open(
        input: &str,
        format: &'static str,
        schema: SchemaRef,
        batches: I,
        options: &InputOptions,
    ) -> Result<ArrowSource<I>, InputError> {
        let source = ArrowSource {
            input: input.to_owned(),
            format,
            batches,
            options: options.clone(),
            cast: options.cast(),
            rows_read: 0,
        };
        source.bars(&RecordBatch::new_empty(schema))?;
        Ok(source)
    }

    fn bars(&self, batch: &RecordBatch) -> Result<BarBatch, InputError> {
        BarBatch::cast(batch, &self.options.schema, &self.cast)
            .map_err(|error| InputError::columns(&self.input, "the schema", error))
    }

    fn append(&mut self, batch: &RecordBatch, parsed: &mut ParsedRows) -> Result<(), InputError> {
        let bars = self.bars(batch)?;
        if let Some(column) = bars.rounded() {
            parsed.bars.note_rounded(column);
        }
        let mut faults = bars.faults().iter().peekable();
        let mut optional = vec![None; self.options.schema.optional().len()];
        for row in 0..bars.len() {
            let fault = faults.next_if(|(at, _)| *at == row);
            if let Some((_, fault)) = fault.filter(|(_, fault)| !is_readable(&bars, row, fault)) {
                parsed.rejects.push_back(Reject {
                    row: row_as_json(batch, row),
                    source: format!("{}:row {}", self.input, self.rows_read + row as u64 + 1),
                    reason: fault.to_string(),
                });
                continue;
            }
            push(&bars, row, &mut optional, &mut parsed.bars);
        }
        self.rows_read += bars.len() as u64;
        Ok(())
    }
}

impl<I: Iterator<Item = Result<RecordBatch, ArrowError>> + Send> RowSource for ArrowSource<I> {
    fn read(&mut self, parsed: &mut ParsedRows) -> Result<bool, InputError> {
        match self.batches.next() {
            None => Ok(false),
            Some(Ok(batch)) => self.append(&batch, parsed).map(|()| true),
            Some(Err(error)) => Err(InputError::decode(&self.input, self.format, self.rows_read, &error)),
        }
    }
}

/// Opens an Arrow IPC file.
pub(super) fn open_file(
    input: &str,
    reader: impl Read + Seek + Send + 'static,
    options: &InputOptions,
) -> Result<Box<dyn RowSource>, InputError> {
    let reader = FileReader::try_new(reader, None).map_err(|error| InputError::decode(input, "Arrow", 0, &error))?;
    let schema = reader.schema();
    Ok(Box::new(ArrowSource::open(input, "Arrow", schema, reader, options)?))
}

/// Opens an Arrow IPC stream.
pub(super) fn open_stream(
    input: &str,
    reader: impl BufRead + Send + 'static,
    options: &InputOptions,
) -> Result<Box<dyn RowSource>, InputError> {
    let reader = StreamReader::try_new(reader, None).map_err(|error| InputError::decode(input, "Arrow", 0, &error))?;
    let schema = reader.schema();
    Ok(Box::new(ArrowSource::open(input, "Arrow", schema, reader, options)?))
}

/// Whether the row has all its values despite the fault: the daemon then applies the rule itself.
fn is_readable(bars: &BarBatch, row: usize, fault: &Fault) -> bool {
    let by_rule =
        matches!(fault, Fault::NotFinite { .. } | Fault::NegativeVolume | Fault::HighLow | Fault::OffInterval);
    by_rule && bars.symbol(row).is_some() && bars.frames_ms()[row] != i64::MIN
}

fn push(bars: &BarBatch, row: usize, optional: &mut [Option<f64>], rows: &mut Rows) {
    for (i, value) in optional.iter_mut().enumerate() {
        let column = bars.optional(i);
        *value = column.is_valid(row).then(|| column.value(row));
    }
    let numbers = [bars.open(), bars.high(), bars.low(), bars.close(), bars.volume()];
    rows.push(bars.symbol(row).unwrap_or_default(), bars.frames_ms()[row], numbers.map(|column| column[row]), optional);
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

    use super::super::testing::{
        Bar, Found, file, gzip, open_error, options, read, read_path, reason, without_directory,
    };
    use super::*;

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
        options.label = Label::Start;
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
        let message =
            |name| format!("{name}: no column for \"close\": the schema has ticker, datetime, open, high, low, volume");
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
