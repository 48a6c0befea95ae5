//! The beginning of a day that the ring has lost, delivered from the archive before the ring.

use std::collections::{HashMap, HashSet};

use barbus_bars::{Date, date_from_epoch_days};
use barbus_ring::{Polled, Ring, RingReader, Row, SymbolId};

use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::history::{History, dictionary_of, rows_of_batch};
use crate::reader::on_gap::OnGap;
use crate::reader::open::Reader;
use crate::reader::start::{Start, ring_reader_at};
use crate::symbol_filter::SymbolFilter;
use crate::symbol_table::SymbolTable;

/// What a reader delivers before it reads the ring.
#[derive(Debug)]
pub(super) enum Backfill {
    /// The bars from this day on; they are looked up by the first poll.
    From(Date),
    /// A count of lost bars.
    Lapped(u64),
    Running(Box<Running>),
}

/// Bars that are being delivered.
#[derive(Debug)]
pub(super) struct Running {
    history: History,
    /// The bars of a day that are left, the last one first.
    rows: Vec<Row>,
    /// The day of `rows`, if its close is still to be delivered.
    closes: Option<Date>,
}

/// What the backfill has for the next event.
pub(super) enum BackfillStep {
    /// In the rows of the reader.
    Bars,
    DayClosed(Date),
    Lapped(u64),
    /// The ring is next.
    Ended,
}

/// Where a reader starts in the ring, and what it delivers before.
pub(super) struct Beginning {
    pub(super) ring_reader: RingReader,
    pub(super) backfill: Option<Backfill>,
    /// Closes up to this day are not delivered: they were before the start.
    pub(super) closed_before: Option<Date>,
}

impl Beginning {
    /// The beginning of a day, or of the newest day without one.
    pub(super) fn of_day(bus: &Bus, ring: &Ring, day: Option<Date>, on_gap: OnGap) -> Result<Self> {
        let in_ring = ring_reader_at(bus, ring, day.map_or(Start::Today, Start::Day));
        let oldest = ring_reader_at(bus, ring, Start::Oldest)?;
        if let Ok(ring_reader) = &in_ring
            && ring_reader.position().seq > oldest.position().seq
        {
            let mut ring_reader = ring_reader.clone();
            let day = day.or_else(|| ring_reader.day(ring).map(date_from_epoch_days));
            return Ok(Self { ring_reader, backfill: None, closed_before: day.and_then(|day| day.yesterday().ok()) });
        }
        let newest = || ring.day_of_newest_block().map(|(day, _)| date_from_epoch_days(day));
        let known = day.or_else(newest);
        // Without a day in the ring the archive may have one.
        let Some(from) = known.map_or_else(|| bus.newest_day(), |day| Ok(Some(day)))? else {
            return Ok(Self { ring_reader: oldest, backfill: None, closed_before: None });
        };
        let closed_before = from.yesterday().ok();
        let lost = lost_bars(bus, ring, from, &in_ring)?;
        if lost == 0 {
            return Ok(Self { ring_reader: in_ring?, backfill: None, closed_before });
        }
        let backfill = match on_gap {
            OnGap::Fill => Backfill::From(from),
            OnGap::Lapped => Backfill::Lapped(lost),
            OnGap::Error => {
                let what =
                    format!("the ring has lost {lost} bars since {from}: they are in {}", bus.archive().display());
                return Err(Error::Start { bus: bus.path().to_owned(), what });
            }
        };
        let ring_reader = in_ring.or_else(|_| ring_reader_at(bus, ring, Start::Live))?;
        Ok(Self { ring_reader, backfill: Some(backfill), closed_before })
    }
}

/// The number of bars from a day on that are in the archive and not in the ring.
fn lost_bars(bus: &Bus, ring: &Ring, from: Date, in_ring: &Result<RingReader>) -> Result<u64> {
    let archive = bus.open_archive();
    let newest = archive.days_with_bars()?.pop_last();
    if newest.is_none_or(|newest| newest < from) {
        return Ok(0);
    }
    // The history ends at the moment when it is opened: the ring is read after it, and no bar that
    // arrives meanwhile counts as lost.
    let history = bus.bars().from(from).columns(Vec::<String>::new()).open()?;
    let mut held: HashSet<(SymbolId, i64)> = HashSet::new();
    if let Ok(reader) = in_ring {
        let (mut reader, mut rows) = (reader.clone(), Vec::new());
        loop {
            rows.clear();
            match reader.poll(ring, &mut rows, 4_096) {
                Polled::Rows(_) | Polled::DayClosed(_) | Polled::Lapped { .. } => {}
                Polled::Empty | Polled::Corrupt => break,
            }
            held.extend(rows.iter().map(|row| (row.symbol, row.frame_ms)));
        }
    }
    let ids = (0..ring.symbol_count()).map(SymbolId).filter_map(|id| Some((ring.symbol(id)?, id)));
    let ids: HashMap<String, SymbolId> = ids.collect();
    let mut lost = 0;
    for batch in history {
        let batch = batch?;
        let ids: Vec<Option<&SymbolId>> = dictionary_of(&batch).iter().map(|name| ids.get(name?)).collect();
        let is_held = |row: &Row| ids[row.symbol.0 as usize].is_some_and(|id| held.contains(&(*id, row.frame_ms)));
        lost += rows_of_batch(&batch, &[]).iter().filter(|row| !is_held(row)).count() as u64;
    }
    Ok(lost)
}

impl Reader {
    /// The next event before those of the ring.
    #[cold]
    pub(super) fn next_of_backfill(&mut self) -> Result<BackfillStep> {
        loop {
            match self.backfill.take() {
                None => return Ok(BackfillStep::Ended),
                Some(Backfill::Lapped(missed)) => return Ok(BackfillStep::Lapped(missed)),
                Some(Backfill::From(day)) => {
                    let running = self.look_up(day)?;
                    self.backfill = Some(Backfill::Running(Box::new(running)));
                }
                Some(Backfill::Running(mut running)) => {
                    let step = running.step(&mut self.rows, &mut self.backfill_symbols, self.filter.as_ref())?;
                    if !matches!(step, BackfillStep::Ended) {
                        self.backfill = Some(Backfill::Running(running));
                    }
                    return Ok(step);
                }
            }
        }
    }

    /// Looks up the bars from a day on, and moves the reader in the ring behind them.
    fn look_up(&mut self, day: Date) -> Result<Running> {
        let history = self.bus.bars().from(day).open()?;
        if let Some(seq) = history.next_seq() {
            self.ring_reader = ring_reader_at(&self.bus, &self.ring, Start::Seq(seq))?;
            self.reporter.set_position(seq);
        }
        self.closed_before = self.closed_before.max(history.closed_through());
        self.learn_symbols();
        self.backfill_symbols = SymbolTable::default();
        let names = self.symbols.names().iter().cloned().chain(std::iter::repeat(String::new()));
        for name in names.take(self.ring.geometry().symbols as usize) {
            self.backfill_symbols.push(name);
        }
        Ok(Running { history, rows: Vec::new(), closes: None })
    }
}

impl Running {
    fn step(
        &mut self,
        rows: &mut Vec<Row>,
        symbols: &mut SymbolTable,
        filter: Option<&SymbolFilter>,
    ) -> Result<BackfillStep> {
        loop {
            if !self.rows.is_empty() {
                rows.clear();
                let rest = self.rows.len().saturating_sub(super::follow::BATCH);
                rows.extend(self.rows.drain(rest..).rev());
                if let Some(filter) = filter {
                    rows.retain(|row| filter.wants(symbols.get(row.symbol).unwrap_or_default()));
                }
                if !rows.is_empty() {
                    return Ok(BackfillStep::Bars);
                }
                continue;
            }
            if let Some(day) = self.closes.take() {
                return Ok(BackfillStep::DayClosed(day));
            }
            let Some(next) = self.history.next_day() else { return Ok(BackfillStep::Ended) };
            let (day, batches) = next?;
            self.closes = Some(day).filter(|day| self.history.is_closed(*day));
            for batch in batches {
                let ids: Vec<SymbolId> =
                    dictionary_of(&batch).iter().map(|name| symbols.find_or_push(name.unwrap_or_default())).collect();
                let rows = rows_of_batch(&batch, self.history.stored_columns()).into_iter();
                self.rows.extend(rows.map(|row| Row { symbol: ids[row.symbol.0 as usize], ..row }));
            }
            // By frame, and within a minute by symbol, as a replay delivers them.
            self.rows.sort_by_key(|row| std::cmp::Reverse(row.frame_ms));
            self.rows.chunk_by_mut(|a, b| a.frame_ms == b.frame_ms).for_each(<[Row]>::reverse);
        }
    }
}
