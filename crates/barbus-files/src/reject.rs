//! Rows that cannot be read: they are sent to the quarantine with their place and the reason.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

/// One row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The text of the row as it is in the input; bytes that are not UTF-8 are replaced.
    pub row: String,
    /// Its place: `ticks.csv:17` or `ticks.parquet:row 17`, both counted from one.
    pub source: String,
    /// Why it cannot be read.
    pub reason: String,
}

/// Rejected rows as a batch of three text columns, `row`, `source` and `reason`.
pub fn reject_batch(rejects: &[Reject]) -> RecordBatch {
    let column =
        |text: fn(&Reject) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(rejects.iter().map(text))) };
    let fields = ["row", "source", "reason"].map(|name| Field::new(name, DataType::Utf8, false));
    let schema = Schema::new(fields.to_vec());
    let columns = vec![column(|reject| &reject.row), column(|reject| &reject.source), column(|reject| &reject.reason)];
    RecordBatch::try_new(Arc::new(schema), columns).expect("three text columns match a schema of three text columns")
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;

    use super::*;

    #[test]
    fn a_reject_batch_has_three_text_columns() {
        let batch = reject_batch(&[Reject {
            row: "a,b".to_owned(),
            source: "x.csv:2".to_owned(),
            reason: "2 fields where the header has 9".to_owned(),
        }]);
        let text = |name: &str| batch[name].as_string::<i32>().value(0).to_owned();
        assert_eq!(text("row"), "a,b");
        assert_eq!(text("source"), "x.csv:2");
        assert_eq!(text("reason"), "2 fields where the header has 9");
    }
}
