//! Arrow IPC, as a file or a stream, and whatever else comes as Arrow batches.
//!
//! Types are cast as the daemon casts them. A row that cannot be read is rejected, with its values as a JSON object;
//! one that can but breaks a rule goes on as it is. Columns are checked when the input is opened, also when it has no rows.

use std::io::{BufRead, Read, Seek};

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use barbus_bars::{BarBatch, CastOptions, Fault};

use super::fields::column_error;
use super::input::Source;
use super::{InputError, Options, Parsed, Reject, Rows};

/// Rows of Arrow batches.
pub(super) struct Batches<I> {
    input: String,
    format: &'static str,
    batches: I,
    options: Options,
    cast: CastOptions,
    rows_read: u64,
}

impl<I: Iterator<Item = Result<RecordBatch, ArrowError>>> Batches<I> {
    /// Rows of `batches`, which all have `schema`.
    ///
    /// # Errors
    /// [`InputError::Columns`] when the schema does not have what a bar needs.
    pub(super) fn open(
        input: &str,
        format: &'static str,
        schema: SchemaRef,
        batches: I,
        options: &Options,
    ) -> Result<Batches<I>, InputError> {
        let source = Batches {
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
            .map_err(|error| column_error(&self.input, "the schema", error))
    }

    fn add(&mut self, batch: &RecordBatch, parsed: &mut Parsed) -> Result<(), InputError> {
        let bars = self.bars(batch)?;
        let mut faults = bars.faults().iter().peekable();
        let mut optional = vec![None; self.options.schema.optional().len()];
        for row in 0..bars.len() {
            let fault = faults.next_if(|(at, _)| *at == row);
            if let Some((_, fault)) = fault.filter(|(_, fault)| !is_readable(&bars, row, fault)) {
                parsed.rejects.push_back(Reject {
                    row: text(batch, row),
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

impl<I: Iterator<Item = Result<RecordBatch, ArrowError>> + Send> Source for Batches<I> {
    fn read(&mut self, parsed: &mut Parsed) -> Result<bool, InputError> {
        match self.batches.next() {
            None => Ok(false),
            Some(Ok(batch)) => self.add(&batch, parsed).map(|()| true),
            Some(Err(error)) => Err(undecodable(&self.input, self.format, self.rows_read, &error)),
        }
    }
}

/// Opens an Arrow IPC file.
pub(super) fn open_file(
    input: &str,
    reader: impl Read + Seek + Send + 'static,
    options: &Options,
) -> Result<Box<dyn Source>, InputError> {
    let reader = FileReader::try_new(reader, None).map_err(|error| undecodable(input, "Arrow", 0, &error))?;
    let schema = reader.schema();
    Ok(Box::new(Batches::open(input, "Arrow", schema, reader, options)?))
}

/// Opens an Arrow IPC stream.
pub(super) fn open_stream(
    input: &str,
    reader: impl BufRead + Send + 'static,
    options: &Options,
) -> Result<Box<dyn Source>, InputError> {
    let reader = StreamReader::try_new(reader, None).map_err(|error| undecodable(input, "Arrow", 0, &error))?;
    let schema = reader.schema();
    Ok(Box::new(Batches::open(input, "Arrow", schema, reader, options)?))
}

/// The error for a decoder having stopped after `rows_read` rows.
pub(super) fn undecodable(
    input: &str,
    format: &'static str,
    rows_read: u64,
    error: &dyn std::error::Error,
) -> InputError {
    InputError::Unreadable {
        input: input.to_owned(),
        format,
        place: match rows_read {
            0 => String::new(),
            rows => format!(" after row {rows}"),
        },
        reason: error.to_string(),
    }
}

/// Whether all values of a row with this fault are there: the daemon can then judge it by itself.
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

/// A row as a JSON object, nulls left out.
fn text(batch: &RecordBatch, row: usize) -> String {
    let mut members = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        if column.is_null(row) {
            continue;
        }
        let value = shown(&column.slice(row, 1));
        let number = field.data_type().is_numeric() && value.parse().is_ok_and(f64::is_finite);
        let value = if number { value } else { quoted(&value) };
        members.push(format!("{}:{value}", quoted(field.name())));
    }
    format!("{{{}}}", members.join(","))
}

/// The first value of a column as text; times with a zone are shown in UTC.
fn shown(column: &ArrayRef) -> String {
    // Named zones cannot be shown without a time zone database inside arrow; the instant is the same.
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

fn quoted(text: &str) -> String {
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

    use super::super::testing::{Bar, Found, file, gzip, options, plain, read, read_path, reason, refusal};
    use super::*;

    const FRAME_S: i64 = 1_646_098_260; // 2022-03-01 09:31 in Shanghai

    /// Bars the way a vendor might have them, in types that have to be cast.
    fn foreign(closes: &[Option<f64>]) -> RecordBatch {
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

    // Also that a negative volume is left to the daemon, and a null price is not.
    #[test]
    fn every_form_gives_the_same_bars_and_rejects() {
        let batch = foreign(&[Some(1.5), None, Some(-2.5)]);
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
        let batch = foreign(&[]).project(&[0, 1, 2, 3, 4, 6]).unwrap();
        let message =
            |name| format!("{name}: no column for \"close\": the schema has ticker, datetime, open, high, low, volume");
        assert_eq!(refusal("a.arrow", ipc_file(&batch)), message("a.arrow"));
        assert_eq!(refusal("a.arrows", ipc_stream(&batch)), message("a.arrows"));
        assert_eq!(refusal("a.parquet", parquet(&batch)), message("a.parquet"));
    }

    #[test]
    fn a_cut_stream_gives_what_came_before_and_says_so() {
        let batch = foreign(&[Some(1.5); 100]);
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        let first = writer.get_ref().len();
        writer.write(&batch).unwrap();
        let bytes = &writer.get_ref()[..first + 600];
        let (directory, path) = file("a.arrows", bytes);
        let found = read_path(&path, &options()).unwrap();
        assert_eq!(found.bars.len(), 100);
        let message = plain(directory.path(), &found.error.unwrap());
        assert!(message.starts_with("a.arrows: unreadable Arrow after row 100: "), "{message}");
    }

    #[test]
    fn cut_and_foreign_files_are_refused() {
        let batch = foreign(&[Some(1.5); 100]);
        let cut = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
        let message = refusal("a.arrow", cut(ipc_file(&batch)));
        assert!(message.starts_with("a.arrow: unreadable Arrow: "), "{message}");
        let message = refusal("a.parquet", cut(parquet(&batch)));
        assert!(message.starts_with("a.parquet: unreadable Parquet: "), "{message}");
    }
}
