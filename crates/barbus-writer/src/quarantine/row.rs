//! Rows as JSON, as the quarantine keeps them: of bounded length, whatever a producer sends.

use std::fmt::{self, Write};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{
    DataType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use barbus_bars::BarSchema;
use barbus_ring::Row;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Longest text of a value, bytes; a longer one is cut.
const MAX_VALUE_BYTES: usize = 4 * 1024;
/// Longest row, bytes of names and values; further columns are left out.
///
/// Without the limit, a dictionary of one long value would be written again with each row.
const MAX_ROW_BYTES: usize = 64 * 1024;

/// The beginning of a text, with `…` if it was cut.
pub(super) fn shortened(text: &str, bytes: usize) -> String {
    let mut short = Bounded { text: String::new(), left: bytes };
    let _ = short.write_str(text);
    short.text
}

/// Takes text up to a limit; then it ends with `…`, and takes no more.
struct Bounded {
    text: String,
    left: usize,
}

impl Write for Bounded {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        if more.len() <= self.left {
            self.left -= more.len();
            self.text += more;
            return Ok(());
        }
        let end = (0..=self.left).rev().find(|&end| more.is_char_boundary(end)).unwrap_or(0);
        self.text += &more[..end];
        self.text.push('…');
        self.left = 0;
        Err(fmt::Error)
    }
}

/// A pushed row as a batch of one row.
pub(crate) fn row_as_batch(row: &Row, symbol: &str, schema: &BarSchema) -> RecordBatch {
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
pub(crate) fn row_as_json(batch: &RecordBatch, row: usize) -> Value {
    let options = FormatOptions::default().with_display_error(true);
    let mut object = Map::new();
    let mut left = MAX_ROW_BYTES;
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let value = match ArrayFormatter::try_new(column, &options) {
            _ if column.is_null(row) => Value::Null,
            // Arrow's formatter has no time zone database, so it fails for a named zone.
            Err(_) if zoned(column, row).is_some() => json!(zoned(column, row)),
            Err(_) => json!(format!("a {}", field.data_type())),
            Ok(formatter) => {
                let mut text = Bounded { text: String::new(), left: MAX_VALUE_BYTES };
                // An error of the formatter is in the text; otherwise the text is full.
                let _ = write!(text, "{}", formatter.value(row));
                let text = text.text;
                let numeric = field.data_type().is_numeric() && *field.data_type() != DataType::Boolean;
                // JSON has no infinity and no NaN: they stay text.
                let number = numeric.then(|| serde_json::from_str::<serde_json::Number>(&text).ok()).flatten();
                number.map_or(Value::String(text), Value::Number)
            }
        };
        let name = shortened(field.name(), MAX_VALUE_BYTES);
        let bytes = name.len() + value.as_str().map_or(8, str::len);
        if bytes > left {
            object.insert("…".to_owned(), json!("the row is too long: further columns are left out"));
            break;
        }
        left -= bytes;
        object.insert(name, value);
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

    /// A short message with a long value may not become a long file.
    #[test]
    fn long_values_and_rows_are_cut() {
        let long = Arc::new(StringArray::from(vec!["é".repeat(1 << 20)])) as ArrayRef;
        let columns = (0..100).map(|number| (format!("c{number}"), Arc::clone(&long)));
        let text = row_as_json(&RecordBatch::try_from_iter(columns).unwrap(), 0).to_string();
        assert!((MAX_ROW_BYTES / 2..MAX_ROW_BYTES + 4 * MAX_VALUE_BYTES).contains(&text.len()), "{}", text.len());
        assert!(text.contains("éé…") && text.contains("left out"));
        assert_eq!(shortened("abc", 3), "abc");
        assert_eq!(shortened("abcd", 3), "abc…");
        assert_eq!(shortened("aé", 2), "a…");
    }
}
