//! The last bars of a symbol when the ring does not have as many as were asked for.

use std::collections::HashMap;

use barbus_bars::date_from_epoch_days;
use barbus_ring::{Row, SymbolId};

use crate::error::{Error, Result};
use crate::history::rows_of_batch;
use crate::reader::open::Reader;
use crate::reader::start::{Start, ring_reader_at};

/// Bars that were looked up, by symbol.
#[derive(Debug)]
pub(super) struct OlderBars {
    /// The ring has all rows from this number on, if no later one was lost since.
    pub(super) contiguous_from: u64,
    by_symbol: HashMap<String, LookedUp>,
    /// The last answer.
    rows: Vec<Row>,
}

impl Default for OlderBars {
    fn default() -> Self {
        // No row has the highest number: what was lost is looked up by the first question.
        Self { contiguous_from: u64::MAX, by_symbol: HashMap::new(), rows: Vec::new() }
    }
}

/// Bars of a symbol that the ring did not have.
#[derive(Debug)]
struct LookedUp {
    /// Ascending by frame.
    rows: Vec<Row>,
    /// The bars that were asked for.
    count: usize,
    /// Rows of the ring from this number on are newer.
    next_seq: u64,
    /// The newest block of the ring: while it is the same, the ring has lost no other bar.
    block: u64,
    /// Neither the ring nor the archive has ever had the symbol.
    is_unknown: bool,
}

impl Reader {
    /// Finds out up to which time the ring may have lost bars.
    ///
    /// A late bar may be in the ring although bars after it are not: the bars of the ring alone
    /// would then have a hole.
    #[cold]
    pub(super) fn find_lost_bars(&mut self) {
        let Some(index) = &self.index else { return };
        let contiguous_from = index.contiguous_from();
        self.older_bars.contiguous_from = contiguous_from;
        // If the archive cannot be read, the ring answers as far as it can.
        let lost_through_ms = self.lost_through_ms(contiguous_from).unwrap_or(i64::MIN);
        self.index.as_mut().expect("it is there").set_lost_through_ms(lost_through_ms);
    }

    fn lost_through_ms(&self, contiguous_from: u64) -> Result<i64> {
        let settings = self.bus.settings();
        let start = ring_reader_at(&self.bus, &self.ring, Start::Seq(contiguous_from))?;
        let Some(day) = start.clone().day(&self.ring).map(date_from_epoch_days) else { return Ok(i64::MAX) };
        // What was lost of earlier days, late bars among them, ends before this day begins.
        let (begin_ms, _) = settings.calendar.span_of_date(day);
        let archive = self.bus.open_archive();
        let mut through_ms = begin_ms;
        for day in archive.days_with_bars()?.split_off(&day) {
            let scan = archive.scan(day, self.bus.footers())?;
            if scan.first_seq(self.lineage())?.is_none_or(|first| first < contiguous_from) {
                through_ms = through_ms.max(scan.last_frame_ms()?);
            }
        }
        Ok(through_ms)
    }

    /// The last `count` bars of a symbol, of which the ring has `in_ring`.
    #[cold]
    pub(super) fn with_older_bars(&mut self, symbol: &str, in_ring: Vec<Row>, count: usize) -> Result<&[Row]> {
        let block = self.ring.newest_block();
        let known = self.older_bars.by_symbol.get(symbol);
        if !known.is_some_and(|known| known.block == block && known.count >= count) {
            let (rows, next_seq, is_unknown) = match self.look_up_older(symbol, &in_ring, count) {
                Err(Error::UnknownSymbol { .. }) => (Vec::new(), 0, true),
                found => found.map(|(rows, next_seq)| (rows, next_seq, false))?,
            };
            let looked_up = LookedUp { rows, count, next_seq, block, is_unknown };
            self.older_bars.by_symbol.insert(symbol.to_owned(), looked_up);
        }
        let older = &self.older_bars.by_symbol[symbol];
        if older.is_unknown {
            self.symbols.id(symbol, self.bus.path())?;
        }
        let rows = &mut self.older_bars.rows;
        rows.clear();
        // The ring may have an older revision of a bar after it has lost the last one.
        let newest = |row: &Row| match older.rows.binary_search_by_key(&row.frame_ms, |bar| bar.frame_ms) {
            Ok(at) if row.seq < older.next_seq && !has_values_of(row, &older.rows[at]) => older.rows[at],
            _ => *row,
        };
        rows.extend(in_ring.iter().map(newest));
        let is_in_ring = |row: &&Row| in_ring.binary_search_by_key(&row.frame_ms, |bar| bar.frame_ms).is_ok();
        rows.extend(older.rows.iter().filter(|row| !is_in_ring(row)));
        rows.sort_by_key(|row| row.frame_ms);
        Ok(&rows[rows.len().saturating_sub(count)..])
    }

    /// The last bars of a symbol, and bars before them.
    fn look_up_older(&self, symbol: &str, in_ring: &[Row], count: usize) -> Result<(Vec<Row>, u64)> {
        let mut history = match self.bus.bars().symbols([symbol]).last(count).open() {
            Err(Error::NoRing { .. } | Error::OtherBoot { .. }) => return Ok((Vec::new(), 0)),
            history => history?,
        };
        let mut rows = Vec::new();
        while let Some(next) = history.next_day() {
            next?.1.iter().for_each(|batch| rows.extend(rows_of_batch(batch, history.stored_columns())));
        }
        let id = in_ring.first().map_or(SymbolId(u32::MAX), |row| row.symbol);
        rows.iter_mut().for_each(|row| row.symbol = id);
        Ok((rows, history.next_seq().unwrap_or_default()))
    }
}

/// Whether two rows of one bar have the same values.
fn has_values_of(row: &Row, other: &Row) -> bool {
    let values = |row: &Row| ([row.open, row.high, row.low, row.close, row.volume].map(f64::to_bits), row.present);
    let optional = |i: usize| row.optional(i).map(f64::to_bits) == other.optional(i).map(f64::to_bits);
    values(row) == values(other) && (0..row.optional.len()).all(optional)
}
