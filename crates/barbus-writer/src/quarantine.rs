//! The quarantine: each invalid row as a line of JSON, with its source and the reason.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{
    DataType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use barbus::internal::create_folder;
use barbus::{Error, Result};
use barbus_bars::{BarSchema, Date, Fault};
use barbus_ring::Row;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Column of a batch of rejected rows: the text of the row.
pub const REJECTED_ROW: &str = "row";
/// Column of a batch of rejected rows: where the row was read, as `file:line`.
pub const REJECTED_SOURCE: &str = "source";
/// Column of a batch of rejected rows: why the producer rejected the row.
pub const REJECTED_REASON: &str = "reason";

/// The folder of quarantined rows, with one file for each UTC date of receipt.
#[derive(Debug)]
pub(crate) struct Quarantine {
    folder: PathBuf,
    open: Option<(Date, File)>,
}

impl Quarantine {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, open: None }
    }

    /// Stores the invalid rows of `batch` as they were received. A row may be acknowledged only
    /// after this.
    pub(crate) fn store(
        &mut self,
        batch: &RecordBatch,
        faults: &[(usize, Fault)],
        source: &str,
        first_row: u64,
        now: Timestamp,
    ) -> Result<()> {
        let mut lines = String::new();
        for (row, fault) in faults {
            let line = json!({
                "received": now.to_string(),
                "source": format!("{source}, row {}", first_row + *row as u64 + 1),
                "code": fault.code(),
                "reason": fault.to_string(),
                "row": row_as_json(batch, *row),
            });
            lines += &line.to_string();
            lines.push('\n');
        }
        self.append(&lines, now)
    }

    /// Stores a single row that was pushed.
    pub(crate) fn store_row(
        &mut self,
        row: &Row,
        symbol: &str,
        schema: &BarSchema,
        fault: &Fault,
        now: Timestamp,
    ) -> Result<()> {
        self.store(&row_as_batch(row, symbol, schema), &[(0, fault.clone())], "writer", 0, now)
    }

    /// Stores the rows of a batch whose producer rejected them. Returns their number.
    pub(crate) fn store_rejected(&mut self, batch: &RecordBatch, source: &str, now: Timestamp) -> Result<u64> {
        let column = |name: &str| -> Option<&StringArray> { batch.column_by_name(name)?.as_string_opt::<i32>() };
        let text = |name: &str, row: usize| {
            column(name).filter(|column| column.is_valid(row)).map_or("", |column| column.value(row))
        };
        let mut lines = String::new();
        for row in 0..batch.num_rows() {
            let fault = Fault::Rejected { reason: text(REJECTED_REASON, row).to_owned() };
            let place = text(REJECTED_SOURCE, row);
            let line = json!({
                "received": now.to_string(),
                "source": if place.is_empty() { source } else { place },
                "code": fault.code(),
                "reason": text(REJECTED_REASON, row),
                "row": text(REJECTED_ROW, row),
            });
            lines += &line.to_string();
            lines.push('\n');
        }
        self.append(&lines, now)?;
        Ok(batch.num_rows() as u64)
    }

    fn append(&mut self, lines: &str, now: Timestamp) -> Result<()> {
        let date = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let path = self.folder.join(format!("{date}.ndjson"));
        let result = self.file(date, &path).and_then(|mut file| {
            file.write_all(lines.as_bytes())?;
            file.sync_data()
        });
        result.map_err(|e| {
            self.open = None;
            Error::io(&path, "store rows in the quarantine", e)
        })
    }

    fn file(&mut self, date: Date, path: &Path) -> std::io::Result<&File> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != date) {
            create_folder(&self.folder)?;
            let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
            // Without this sync the file's name may be lost with the power, and its lines with it.
            File::open(&self.folder)?.sync_all()?;
            self.open = Some((date, file));
        }
        Ok(&self.open.as_ref().expect("opened above").1)
    }
}

/// A pushed row as a batch of one row.
fn row_as_batch(row: &Row, symbol: &str, schema: &BarSchema) -> RecordBatch {
    let frame = TimestampMillisecondArray::from(vec![row.frame_ms]).with_timezone(schema.zone());
    let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(vec![symbol])), Arc::new(frame)];
    let numbers = [row.open, row.high, row.low, row.close, row.volume].map(Some);
    let optional = (0..schema.optional().len()).map(|k| row.optional(k));
    for value in numbers.into_iter().chain(optional) {
        columns.push(Arc::new(Float64Array::from(vec![value])));
    }
    RecordBatch::try_from_iter(schema.column_names().zip(columns)).expect("every column has one row")
}

/// A row of any batch: numbers as numbers, null as null, all other values as text.
fn row_as_json(batch: &RecordBatch, row: usize) -> Value {
    let options = FormatOptions::default().with_display_error(true);
    let mut object = Map::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let value = match ArrayFormatter::try_new(column, &options) {
            _ if column.is_null(row) => Value::Null,
            // Arrow's formatter has no time zone database, so it fails for a named zone.
            Err(_) if zoned(column, row).is_some() => json!(zoned(column, row)),
            Err(_) => json!(format!("a {}", field.data_type())),
            Ok(formatter) => {
                let text = formatter.value(row).to_string();
                let numeric = field.data_type().is_numeric() && *field.data_type() != DataType::Boolean;
                // JSON has no infinity and no NaN: they stay text.
                let number = numeric.then(|| serde_json::from_str::<serde_json::Number>(&text).ok()).flatten();
                number.map_or(Value::String(text), Value::Number)
            }
        };
        object.insert(field.name().clone(), value);
    }
    Value::Object(object)
}

/// A timestamp of a named zone, as RFC 3339.
fn zoned(column: &dyn Array, row: usize) -> Option<String> {
    let DataType::Timestamp(unit, Some(zone)) = column.data_type() else { return None };
    let value = |nanoseconds: i128, count: i64| i128::from(count) * nanoseconds;
    let instant = match unit {
        TimeUnit::Second => value(1_000_000_000, column.as_primitive::<TimestampSecondType>().value(row)),
        TimeUnit::Millisecond => value(1_000_000, column.as_primitive::<TimestampMillisecondType>().value(row)),
        TimeUnit::Microsecond => value(1_000, column.as_primitive::<TimestampMicrosecondType>().value(row)),
        TimeUnit::Nanosecond => value(1, column.as_primitive::<TimestampNanosecondType>().value(row)),
    };
    let instant = Timestamp::from_nanosecond(instant).ok()?;
    let zone = jiff::tz::TimeZone::get(zone).ok()?;
    Some(instant.display_with_offset(zone.to_offset(instant)).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_json_has_no_number_for_stay_text() {
        let batch = RecordBatch::try_from_iter([
            ("symbol", Arc::new(StringArray::from(vec!["A"])) as ArrayRef),
            ("open", Arc::new(Float64Array::from(vec![f64::NAN]))),
            ("close", Arc::new(Float64Array::from(vec![0.1]))),
            ("money", Arc::new(Float64Array::from(vec![None::<f64>]))),
            (
                "frame",
                Arc::new(TimestampMillisecondArray::from(vec![1_709_516_100_000]).with_timezone("Asia/Shanghai")),
            ),
        ])
        .unwrap();
        let frame = "2024-03-04T09:35:00+08:00";
        let expected = json!({"symbol": "A", "open": "NaN", "close": 0.1, "money": null, "frame": frame});
        assert_eq!(row_as_json(&batch, 0), expected);
    }
}
