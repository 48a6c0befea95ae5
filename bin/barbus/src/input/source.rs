//! The interface that every format implements: a source of rows.

use std::collections::VecDeque;

use barbus_bars::BarSchema;

use super::error::InputError;
use super::reject::Reject;
use super::rows::Rows;

/// Most rows of one batch on the way to the daemon.
pub(crate) const BATCH_ROWS: usize = 8192;

/// The rows of one input.
pub(crate) trait RowSource: Send {
    /// Appends about [`BATCH_ROWS`] rows to `parsed`; returns `false` when the input has no more.
    ///
    /// # Errors
    /// [`InputError`] when reading fails. The rows before the failure are in `parsed`.
    fn read(&mut self, parsed: &mut ParsedRows) -> Result<bool, InputError>;
}

/// Rows read from inputs.
#[derive(Debug)]
pub(crate) struct ParsedRows {
    /// The bars.
    pub(crate) bars: Rows,
    /// The rows that could not be read.
    pub(crate) rejects: VecDeque<Reject>,
}

impl ParsedRows {
    /// No rows yet.
    pub(crate) fn new(schema: &BarSchema) -> ParsedRows {
        ParsedRows { bars: Rows::new(schema), rejects: VecDeque::new() }
    }

    /// The number of bars and rejects.
    pub(crate) fn len(&self) -> usize {
        self.bars.len() + self.rejects.len()
    }
}
