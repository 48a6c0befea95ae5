//! Rows that could not be read: kept with where they stood and why, and sent to the daemon's quarantine.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

/// Metadata key by which the daemon knows a stream of rejected rows.
pub(crate) const REJECTS_KEY: &str = "barbus.rejects";

/// One row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reject {
    /// The row as it stood in the input; bytes that are not UTF-8 are replaced.
    pub(crate) row: String,
    /// Where it stood: `ticks.csv:17`, or `ticks.parquet:row 17`, both counted from one.
    pub(crate) source: String,
    /// Why it could not be read.
    pub(crate) reason: String,
}

/// Rejected rows as a batch of three text columns, `row`, `source` and `reason`, marked by [`REJECTS_KEY`].
pub(crate) fn reject_batch(rejects: &[Reject]) -> RecordBatch {
    let column =
        |text: fn(&Reject) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(rejects.iter().map(text))) };
    let fields = ["row", "source", "reason"].map(|name| Field::new(name, DataType::Utf8, false));
    let metadata = HashMap::from([(REJECTS_KEY.to_owned(), "1".to_owned())]);
    let schema = Schema::new_with_metadata(fields.to_vec(), metadata);
    let columns = vec![column(|reject| &reject.row), column(|reject| &reject.source), column(|reject| &reject.reason)];
    RecordBatch::try_new(Arc::new(schema), columns)
        .expect("three text columns are put under a schema of three text columns")
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;

    use super::*;

    #[test]
    fn a_reject_batch_is_what_the_daemon_takes() {
        let batch = reject_batch(&[Reject {
            row: "a,b".to_owned(),
            source: "x.csv:2".to_owned(),
            reason: "2 fields where the header has 9".to_owned(),
        }]);
        assert_eq!(batch.schema().metadata()[REJECTS_KEY], "1");
        let text = |name: &str| batch[name].as_string::<i32>().value(0).to_owned();
        assert_eq!(text("row"), "a,b");
        assert_eq!(text("source"), "x.csv:2");
        assert_eq!(text("reason"), "2 fields where the header has 9");
    }
}
