//! The interface of every decoder: records of named cells, one after the other.

use crate::error::InputError;
use crate::values::cell::Cell;

/// One step of a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The decoder is at the next record.
    Record,
    /// As `Record`, and its columns have other names than those of the record before.
    NewNames,
    /// A record that cannot be split into cells.
    Bad,
    /// There are no more records.
    End,
}

/// The records of one input.
pub(crate) trait Records: Send {
    /// Goes to the next record.
    ///
    /// # Errors
    /// [`InputError`] when reading fails; records before it were delivered.
    fn advance(&mut self) -> Result<Step, InputError>;

    /// The names of the columns of the current record; before the first record, of the first one.
    fn names(&self) -> Vec<String>;

    /// A cell of the current record.
    fn cell(&self, column: usize) -> Cell<'_>;

    /// The symbol that the place of the record in a document states.
    fn symbol(&self) -> Option<&str> {
        None
    }

    /// The current record as it is in the input.
    fn text(&self) -> String;

    /// Where the current record is: `17` for a line, `row 17` for a row.
    fn place(&self) -> String;

    /// Why the current record is [`Step::Bad`].
    fn problem(&self) -> String;
}
