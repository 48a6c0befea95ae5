//! An archived day, delivered by frame instead of by symbol.

use std::ops::Range;

use arrow::array::RecordBatch;
use barbus_bars::{BarSchema, Date};
use barbus_ring::{Row, SymbolId};

use crate::archived_rows::ArchivedRows;
use crate::symbol_table::SymbolTable;

/// The bars of a day. They are delivered by frame, then by the bytes of the symbol.
#[derive(Debug)]
pub(super) struct ReplayDay {
    pub(super) date: Date,
    /// In the archive's order: by symbol, then by frame.
    rows: ArchivedRows,
    /// Row numbers in the order of delivery.
    order: Vec<u32>,
    /// The inverse of `order`: where each row is in the order of delivery.
    rank: Vec<u32>,
    /// For each row, the number of its symbol among those of the day.
    symbol: Vec<u32>,
    /// The first row of each of the day's symbols.
    starts: Vec<u32>,
    /// The replay's id for each of the day's symbols; `None` before its first bar is delivered.
    ids: Vec<Option<SymbolId>>,
    /// Number of bars that were delivered.
    delivered: usize,
    /// Sequence number of the day's first bar.
    first_seq: u64,
}

impl ReplayDay {
    pub(super) fn new(date: Date, batch: &RecordBatch, schema: &BarSchema, first_seq: u64) -> Self {
        let rows = ArchivedRows::new(batch, schema);
        let count = rows.len() as u32;
        let frames = rows.frames_ms();
        let mut order: Vec<u32> = (0..count).collect();
        // The sort is stable, so rows of one frame keep the order of their symbols.
        order.sort_by_key(|row| frames[*row as usize]);
        let mut rank = vec![0; order.len()];
        for (at, row) in order.iter().enumerate() {
            rank[*row as usize] = at as u32;
        }
        let (mut symbol, mut starts) = (Vec::with_capacity(order.len()), Vec::new());
        for row in 0..count {
            if row == 0 || rows.symbol(row as usize) != rows.symbol(row as usize - 1) {
                starts.push(row);
            }
            symbol.push(starts.len() as u32 - 1);
        }
        let ids = vec![None; starts.len()];
        Self { date, rows, order, rank, symbol, starts, ids, delivered: 0, first_seq }
    }

    /// Number of bars.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// The frame of the next bar, milliseconds UTC; `None` at the end of the day.
    pub(super) fn next_frame_ms(&self) -> Option<i64> {
        let row = *self.order.get(self.delivered)?;
        Some(self.rows.frames_ms()[row as usize])
    }

    /// The frame through which all bars are delivered; `None` before the first.
    pub(super) fn delivered_through_ms(&self) -> Option<i64> {
        let frames = self.rows.frames_ms();
        let next = self.next_frame_ms();
        let delivered = self.order[..self.delivered].iter().rev().map(|row| frames[*row as usize]);
        delivered.into_iter().find(|frame| Some(*frame) != next)
    }

    /// Appends the next bars to `rows`, at most `max`; with `frame_ms`, only those of this frame.
    pub(super) fn deliver(
        &mut self,
        max: usize,
        frame_ms: Option<i64>,
        symbols: &mut SymbolTable,
        rows: &mut Vec<Row>,
    ) {
        let frames = self.rows.frames_ms();
        for row in self.order[self.delivered..].iter().take(max).map(|row| *row as usize) {
            if frame_ms.is_some_and(|frame| frames[row] != frame) {
                break;
            }
            let id = self.ids[self.symbol[row] as usize].get_or_insert_with(|| {
                let name = self.rows.symbol(row);
                symbols.find(name).unwrap_or_else(|| symbols.push(name.to_owned()))
            });
            rows.push(Row { seq: self.first_seq + self.delivered as u64, symbol: *id, ..self.rows.row(row) });
            self.delivered += 1;
        }
    }

    /// Appends the last `count` delivered bars of a symbol, newest first.
    pub(super) fn last(&self, name: &str, count: usize, rows: &mut Vec<Row>) {
        let Some((symbol, range)) = self.rows_of(name) else { return };
        let Some(id) = self.ids[symbol] else { return };
        // The frames of a symbol ascend, and so do the ranks of its rows.
        let delivered = self.rank[range.clone()].partition_point(|rank| (*rank as usize) < self.delivered);
        let newest_first = (range.start..range.start + delivered).rev().take(count);
        rows.extend(newest_first.map(|row| Row {
            seq: self.first_seq + u64::from(self.rank[row]),
            symbol: id,
            ..self.rows.row(row)
        }));
    }

    /// The number of a symbol among those of the day, and its rows.
    fn rows_of(&self, name: &str) -> Option<(usize, Range<usize>)> {
        let symbol = self.starts.binary_search_by(|start| self.rows.symbol(*start as usize).cmp(name)).ok()?;
        let end = self.starts.get(symbol + 1).map_or(self.len(), |end| *end as usize);
        Some((symbol, self.starts[symbol] as usize..end))
    }
}
