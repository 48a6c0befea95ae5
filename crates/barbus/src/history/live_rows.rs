//! The rows of the ring that the archive may not have.

use std::collections::{BTreeMap, BTreeSet};

use barbus_bars::{Calendar, Date, TradingDay};
use barbus_ring::{Polled, Ring, RingReader, Row, SymbolId};

use super::bound::Range;
use crate::bus::Bus;
use crate::error::Result;
use crate::reader::{Start, corrupt, ring_reader_at};
use crate::withdrawn_rows::WithdrawnRows;

/// Rows that are read at once.
const ROWS_AT_ONCE: usize = 4_096;

/// What reading the ring found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Caught {
    /// Every row up to the newest one.
    Up,
    /// The writer has overwritten rows before they were read.
    Lapped,
}

/// Rows of the ring from the first one on that the archive may not have, by trading day.
#[derive(Debug)]
pub(super) struct LiveRows {
    ring_reader: RingReader,
    calendar: Calendar,
    span: TradingDay,
    range: Range,
    /// The texts of the ring's symbols by id, and whether each is wanted.
    pub(super) names: Vec<String>,
    is_wanted: Vec<bool>,
    wanted: Option<Vec<String>>,
    withdrawn: WithdrawnRows,
    /// In the order of their numbers.
    pub(super) days: BTreeMap<Date, Vec<Row>>,
    /// The days of all rows that were read, wanted or not.
    pub(super) seen: BTreeSet<Date>,
    /// The highest frame of all rows that were read, wanted or not.
    pub(super) newest_ms: i64,
    rows: Vec<Row>,
}

impl LiveRows {
    /// Nothing read yet. Only rows of the `wanted` symbols (ascending) in `range` are kept.
    pub(super) fn new(bus: &Bus, ring: &Ring, range: Range, wanted: Option<Vec<String>>) -> Result<Self> {
        // The end of the ring is looked up first: a block that begins after that is read.
        let mut ring_reader = ring_reader_at(bus, ring, Start::Live)?;
        let newest = ring_reader.position().seq;
        let seq = bus.persisted().before(ring, newest);
        if seq < newest {
            ring_reader = ring_reader_at(bus, ring, Start::Seq(seq))?;
        }
        let calendar = bus.settings().calendar.clone();
        Ok(Self {
            ring_reader,
            span: calendar.trading_day(0),
            calendar,
            range,
            names: Vec::new(),
            is_wanted: Vec::new(),
            wanted,
            withdrawn: WithdrawnRows::load(bus, ring.geometry().lineage)?,
            days: BTreeMap::new(),
            seen: BTreeSet::new(),
            newest_ms: ring.newest_row().map_or(i64::MIN, |row| row.frame_ms),
            rows: Vec::with_capacity(ROWS_AT_ONCE),
        })
    }

    /// The number of the next row to be read.
    pub(super) fn next_seq(&self) -> u64 {
        self.ring_reader.position().seq
    }

    /// Reads the rows that are new since the last call. `covered` tells below which number the
    /// archive has every row of a day.
    pub(super) fn catch_up(&mut self, bus: &Bus, ring: &Ring, mut covered: impl FnMut(Date) -> u64) -> Result<Caught> {
        // Also without a row: the names of the question are compared with these.
        self.learn_symbols(ring);
        loop {
            self.rows.clear();
            match self.ring_reader.poll(ring, &mut self.rows, ROWS_AT_ONCE) {
                Polled::Rows(_) => {}
                Polled::DayClosed(_) => continue,
                Polled::Empty => return Ok(Caught::Up),
                Polled::Lapped { .. } => return Ok(Caught::Lapped),
                Polled::Corrupt => return Err(corrupt(bus)),
            }
            self.learn_symbols(ring);
            let rows = std::mem::take(&mut self.rows);
            for row in &rows {
                self.newest_ms = self.newest_ms.max(row.frame_ms);
                let id = row.symbol.0 as usize;
                if !self.span.contains(row.frame_ms) {
                    self.span = self.calendar.trading_day(row.frame_ms);
                    if !self.withdrawn.is_removed(self.span.date) {
                        self.seen.insert(self.span.date);
                    }
                }
                let day = self.span.date;
                let is_wanted = self.is_wanted.get(id).copied().unwrap_or(false);
                if !is_wanted || !self.range.has_frame(row.frame_ms) {
                    continue;
                }
                let is_archived = row.seq < covered(day);
                if !is_archived && self.range.has_day(day) && !self.withdrawn.cover(day, row, || &self.names[id]) {
                    self.days.entry(day).or_default().push(*row);
                }
            }
            self.rows = rows;
        }
    }

    fn learn_symbols(&mut self, ring: &Ring) {
        for id in self.names.len() as u32..ring.symbol_count() {
            let name = ring.symbol(SymbolId(id)).unwrap_or_default();
            let is_wanted = self.wanted.as_ref().is_none_or(|wanted| wanted.binary_search(&name).is_ok());
            self.is_wanted.push(is_wanted);
            self.names.push(name);
        }
    }
}
