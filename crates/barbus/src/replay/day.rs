//! An archived day in the order of a feed.

use std::ops::Range;

use arrow::array::RecordBatch;
use barbus_bars::{BarSchema, Date};
use barbus_ring::{Row, SymbolId};

use crate::archived_rows::ArchivedRows;
use crate::symbols::Symbols;

/// A day's bars, of which the first `released` in feed order (by frame, then by the bytes of the symbol) were given out.
#[derive(Debug)]
pub(crate) struct Day {
    pub(crate) date: Date,
    /// As the archive has them: by symbol, then by frame.
    rows: ArchivedRows,
    /// Row numbers in feed order.
    order: Vec<u32>,
    /// The inverse of `order`.
    place: Vec<u32>,
    /// Of each row the number of its symbol among those of the day.
    symbol: Vec<u32>,
    /// Where the rows of each of the day's symbols begin.
    starts: Vec<u32>,
    /// The ids of those that have occurred.
    ids: Vec<Option<SymbolId>>,
    released: usize,
    /// Sequence number of the day's first bar.
    first_seq: u64,
}

impl Day {
    pub(crate) fn new(date: Date, batch: &RecordBatch, schema: &BarSchema, first_seq: u64) -> Self {
        let rows = ArchivedRows::new(batch, schema);
        let count = rows.len() as u32;
        let frames = rows.frames_ms();
        let mut order: Vec<u32> = (0..count).collect();
        // Stable, and the rows of one frame lie in the order of their symbols.
        order.sort_by_key(|row| frames[*row as usize]);
        let mut place = vec![0; order.len()];
        for (at, row) in order.iter().enumerate() {
            place[*row as usize] = at as u32;
        }
        let (mut symbol, mut starts) = (Vec::with_capacity(order.len()), Vec::new());
        for row in 0..count {
            if row == 0 || rows.symbol(row as usize) != rows.symbol(row as usize - 1) {
                starts.push(row);
            }
            symbol.push(starts.len() as u32 - 1);
        }
        let ids = vec![None; starts.len()];
        Self { date, rows, order, place, symbol, starts, ids, released: 0, first_seq }
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// The frame of the next bar; `None` when the day is over.
    pub(crate) fn next_frame_ms(&self) -> Option<i64> {
        let row = *self.order.get(self.released)?;
        Some(self.rows.frames_ms()[row as usize])
    }

    /// Gives out the next bars, at most `max`, and only those of frame `frame_ms` where it is given.
    pub(crate) fn release(&mut self, max: usize, frame_ms: Option<i64>, symbols: &mut Symbols, rows: &mut Vec<Row>) {
        let frames = self.rows.frames_ms();
        for row in self.order[self.released..].iter().take(max).map(|row| *row as usize) {
            if frame_ms.is_some_and(|frame| frames[row] != frame) {
                break;
            }
            let id = self.ids[self.symbol[row] as usize].get_or_insert_with(|| {
                let name = self.rows.symbol(row);
                symbols.find(name).unwrap_or_else(|| symbols.push(name.to_owned()))
            });
            rows.push(Row { seq: self.first_seq + self.released as u64, symbol: *id, ..self.rows.row(row) });
            self.released += 1;
        }
    }

    /// Appends the last `count` of a symbol's bars that were given out, newest first.
    pub(crate) fn last(&self, name: &str, count: usize, rows: &mut Vec<Row>) {
        let Some((symbol, range)) = self.rows_of(name) else { return };
        let Some(id) = self.ids[symbol] else { return };
        // Within a symbol frames ascend, and so do the places.
        let given = self.place[range.clone()].partition_point(|place| (*place as usize) < self.released);
        let newest_first = (range.start..range.start + given).rev().take(count);
        rows.extend(newest_first.map(|row| Row {
            seq: self.first_seq + u64::from(self.place[row]),
            symbol: id,
            ..self.rows.row(row)
        }));
    }

    /// The rows of a symbol, and its number among those of the day.
    fn rows_of(&self, name: &str) -> Option<(usize, Range<usize>)> {
        let symbol = self.starts.binary_search_by(|start| self.rows.symbol(*start as usize).cmp(name)).ok()?;
        let end = self.starts.get(symbol + 1).map_or(self.len(), |end| *end as usize);
        Some((symbol, self.starts[symbol] as usize..end))
    }
}
