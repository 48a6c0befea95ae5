//! The unit of publishing: some bars, some rejects, and the time to send them.

use std::time::Duration;

use arrow::array::RecordBatch;

use barbus_files::Reject;

/// The next rows to send.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Bars under [`barbus_bars::BarSchema::wire_schema`]: at most [`barbus_files::BATCH_ROWS`],
    /// possibly none.
    pub(crate) bars: RecordBatch,
    /// Rows that could not be read: at most [`barbus_files::BATCH_ROWS`], usually none.
    pub(crate) rejects: Vec<Reject>,
    /// The first column of the inputs so far with a value that was rounded.
    pub(crate) rounded: Option<String>,
    /// When to send it, counted from the first batch; zero at full speed.
    pub(crate) due: Duration,
}
