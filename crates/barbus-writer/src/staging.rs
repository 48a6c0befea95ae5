//! The staging area: valid rows of one trading day, on their way into the ring.

use barbus_ring::Row;

/// Rows that are published together: few enough to stay in the L1 cache, enough for the ring to
/// write its columns in groups.
const CAPACITY: usize = 128;

/// Rows that are compared and not yet published.
#[derive(Debug)]
pub(crate) struct Staging {
    rows: Box<[Row; CAPACITY]>,
    len: usize,
    /// The rows that may be staged: the ring has room for all of them in its open block.
    room: usize,
    /// The trading day of every staged row; `None` if the next row has to switch to its day.
    day: Option<i64>,
}

impl Staging {
    pub(crate) fn new() -> Self {
        Self { rows: Box::new([Row::default(); CAPACITY]), len: 0, room: 0, day: None }
    }

    /// The day of the staged rows (days since 1970-01-01).
    #[inline(always)]
    pub(crate) fn day(&self) -> Option<i64> {
        self.day
    }

    /// Sets the day of the rows that follow. The staging area must be empty.
    pub(crate) fn set_day(&mut self, day: Option<i64>) {
        self.day = day;
    }

    /// Whether [`Staging::next_row`] needs room first.
    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        self.len == self.room
    }

    /// Admits as many rows as the open block of the ring has room for.
    #[inline(always)]
    pub(crate) fn set_room(&mut self, rows: usize) {
        self.room = rows.min(CAPACITY);
    }

    /// The next free row. It is overwritten unless [`Staging::push`] follows.
    #[inline(always)]
    pub(crate) fn next_row(&mut self) -> &mut Row {
        &mut self.rows[self.len]
    }

    /// Stages the row that was written to [`Staging::next_row`].
    #[inline(always)]
    pub(crate) fn push(&mut self) {
        self.len += 1;
    }

    /// Takes all staged rows and gives up the room.
    #[inline(always)]
    pub(crate) fn take(&mut self) -> &mut [Row] {
        self.room = 0;
        &mut self.rows[..std::mem::take(&mut self.len)]
    }
}
