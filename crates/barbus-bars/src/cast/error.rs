//! The reasons why a whole batch cannot be cast.

use arrow::datatypes::DataType;

use crate::schema::{FRAME, SYMBOL};
use crate::suggestion::did_you_mean;

/// Why a whole batch cannot be cast.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CastError {
    /// The batch has no column with any known name of a required column.
    #[error("no column for {column} among {}{}", found.join(", "), did_you_mean(nearest))]
    MissingColumn {
        /// Canonical name of the column.
        column: String,
        /// The producer's columns.
        found: Vec<String>,
        /// The producer's most similar column, if any.
        nearest: Option<String>,
    },
    /// Several of the producer's columns match one column of the bus.
    #[error("columns {} all match {column}: {}", candidates.join(" and "), way_out(column, &candidates[0]))]
    Ambiguous {
        /// Canonical name of the column.
        column: String,
        /// The producer's columns that match; at least two.
        candidates: Vec<String>,
    },
    /// Two columns have the same name.
    #[error("two columns are named {name:?}: rename one of them")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// The column map names a column that the producer does not have.
    #[error("{target} is mapped to {name:?}, which is not among {}{}", found.join(", "), did_you_mean(nearest))]
    MappedColumnMissing {
        /// Canonical name of the column.
        target: String,
        /// The name that it is mapped to.
        name: String,
        /// The producer's columns.
        found: Vec<String>,
        /// The producer's most similar column, if any.
        nearest: Option<String>,
    },
    /// The column map names a column that the bus does not have.
    #[error("the column map names {target:?}, which is not a column of this bus{}", did_you_mean(nearest))]
    UnknownTarget {
        /// The name in the map.
        target: String,
        /// The most similar column of the bus, if any.
        nearest: Option<String>,
    },
    /// A column has a type that cannot be cast.
    #[error("column {column} has type {data_type}, which cannot be read as {}", kind_of(column))]
    Unsupported {
        /// Canonical name of the column.
        column: String,
        /// Its Arrow type.
        data_type: DataType,
    },
    /// The interval is zero or negative.
    #[error("the bar interval is {0} ms: give one above zero")]
    BadInterval(i64),
}

/// How to resolve an ambiguity. Of several times none is proposed: a date alone is not the time of
/// a bar.
fn way_out(column: &str, first: &str) -> String {
    match column {
        FRAME => "give one column with the whole time, or name it in a column map".to_owned(),
        _ => format!("choose one with a column map, such as {column}={first}"),
    }
}

fn kind_of(column: &str) -> &'static str {
    match column {
        SYMBOL => "text",
        FRAME => "a time",
        _ => "a number",
    }
}
