//! The readers and the quarantine of a bus as tables, as they are when a session begins.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema};
use barbus::{Bus, Error};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::error::Result;
use serde_json::Value;

use crate::external;

/// The readers of a bus; none if it has no ring.
pub(crate) fn readers(bus: &Bus) -> Result<Arc<dyn TableProvider>> {
    let readers = match barbus::readers(bus) {
        Ok(readers) => readers,
        Err(Error::NoRing { .. } | Error::OtherBoot { .. } | Error::RingLost { .. }) => Vec::new(),
        Err(error) => return Err(external(error)),
    };
    let text = |value: fn(&barbus::ReaderStat) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(readers.iter().map(value)))
    };
    table([
        ("name", text(|reader| reader.name.clone())),
        ("pid", Arc::new(UInt32Array::from_iter_values(readers.iter().map(|reader| reader.pid)))),
        ("user", text(|reader| reader.user())),
        ("state", text(|reader| reader.state.as_str().to_owned())),
        ("position", Arc::new(UInt64Array::from_iter_values(readers.iter().map(|reader| reader.position)))),
        ("lag_bars", Arc::new(readers.iter().map(|reader| reader.lag_bars).collect::<UInt64Array>())),
        ("lag_s", Arc::new(readers.iter().map(|reader| reader.lag_s).collect::<Float64Array>())),
        ("pins", Arc::new(UInt32Array::from_iter_values(readers.iter().map(|reader| reader.pins)))),
    ])
}

/// The rows of the quarantine, oldest first. A line that is no JSON is left out: the daemon may be
/// writing it.
pub(crate) fn quarantine(bus: &Bus) -> Result<Arc<dyn TableProvider>> {
    let folder = bus.quarantine();
    let mut files: Vec<_> = match std::fs::read_dir(&folder) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    files.retain(|file| file.extension().is_some_and(|ending| ending == "ndjson"));
    files.sort();
    let mut lines: Vec<Value> = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        lines.extend(text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()));
    }
    let column = |name: &str| -> ArrayRef {
        let text = |line: &Value| match line.get(name)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        Arc::new(lines.iter().map(text).collect::<StringArray>())
    };
    table(["received", "source", "code", "reason", "row"].map(|name| (name, column(name))))
}

fn table<const N: usize>(columns: [(&str, ArrayRef); N]) -> Result<Arc<dyn TableProvider>> {
    let nullable = |data_type: &DataType, name: &str| Field::new(name, data_type.clone(), true);
    let fields: Vec<Field> = columns.iter().map(|(name, column)| nullable(column.data_type(), name)).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.into_iter().map(|(_, column)| column).collect())?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
}
