//! What a bus has from before the position of a feed: the symbols of the last trading day, and the
//! minutes that are over.

use std::collections::{BTreeMap, BTreeSet};

use barbus_bars::{Date, TradingDay, date_from_epoch_days};
use barbus_ring::{Polled, Ring, RingReader, RingStart, Row, SymbolId};

use crate::bus::Bus;
use crate::error::Result;
use crate::ring_rows::for_each_row;
use crate::withdrawn_rows::WithdrawnRows;

/// What is known before the first event of a feed.
#[derive(Debug, Default)]
pub struct Known {
    /// The last minute that is over; `None` if that follows from the first bar.
    pub(super) closed_through_ms: Option<i64>,
    /// The trading day in progress.
    pub(super) day: Option<TradingDay>,
    /// The last trading day before it.
    pub(super) last_day: Option<Date>,
    /// The symbols of that day.
    pub(super) last_symbols: Vec<String>,
    /// The symbols of the day in progress.
    pub(super) symbols: Vec<String>,
}

/// The rows of a ring before a position.
#[derive(Default)]
struct Earlier {
    symbols: BTreeMap<Date, BTreeSet<u32>>,
    newest_frame_ms: Option<i64>,
}

impl Known {
    /// Of the ring before the row with the number `position`, and of the archive. With `from` the
    /// feed begins with the bars of that day, which are in the archive.
    pub(super) fn of_ring(
        bus: &Bus,
        ring: &Ring,
        position: u64,
        from: Option<Date>,
        with_symbols: bool,
    ) -> Result<Self> {
        let calendar = &bus.settings().calendar;
        let earlier = Earlier::new(bus, ring, position)?;
        let open = ring.open_day().map(date_from_epoch_days);
        let mut known = Self::default();
        match row_at(ring, position) {
            _ if from.is_some() => {}
            Some(first) => {
                let day = calendar.trading_day(first.frame_ms);
                let is_partial = match earlier.newest_frame_ms {
                    Some(_) => earlier.symbols.contains_key(&day.date),
                    None => position > 0,
                };
                known.closed_through_ms = Some(if is_partial { first.frame_ms - 1 } else { day.after_ms });
                known.day = Some(day);
            }
            None => {
                known.closed_through_ms = earlier.newest_frame_ms;
                let newest = earlier.newest_frame_ms.map(|frame_ms| calendar.trading_day(frame_ms));
                known.day = newest.filter(|day| open == Some(day.date));
            }
        }
        let first_day = from.or(known.day.map(|day| day.date));
        let is_before = |day: &Date| first_day.is_none_or(|first| *day < first);
        let archived = bus.archived_days()?.into_iter().rfind(is_before);
        known.last_day = earlier.symbols.keys().copied().rfind(is_before).max(archived);
        if with_symbols {
            let names = |day: Option<Date>| -> BTreeSet<String> {
                let ids = day.and_then(|day| earlier.symbols.get(&day)).into_iter().flatten();
                ids.filter_map(|id| ring.symbol(SymbolId(*id))).collect()
            };
            known.symbols = names(known.day.map(|day| day.date)).into_iter().collect();
            let mut last = names(known.last_day);
            last.extend(archived_symbols(bus, known.last_day)?);
            known.last_symbols = last.into_iter().collect();
        }
        Ok(known)
    }
}

impl Earlier {
    fn new(bus: &Bus, ring: &Ring, position: u64) -> Result<Self> {
        let mut earlier = Self::default();
        let mut of_day: Option<(Date, BTreeSet<u32>)> = None;
        let withdrawn = WithdrawnRows::load(bus, ring.geometry().lineage)?;
        for_each_row(ring, &bus.settings().calendar, &withdrawn, |date, row| {
            if row.seq >= position {
                return;
            }
            if of_day.as_ref().is_none_or(|(day, _)| *day != date) {
                earlier.keep(of_day.take());
                of_day = Some((date, earlier.symbols.remove(&date).unwrap_or_default()));
            }
            if let Some((_, symbols)) = &mut of_day {
                symbols.insert(row.symbol.0);
            }
            earlier.newest_frame_ms = earlier.newest_frame_ms.max(Some(row.frame_ms));
        });
        earlier.keep(of_day);
        Ok(earlier)
    }

    fn keep(&mut self, of_day: Option<(Date, BTreeSet<u32>)>) {
        self.symbols.extend(of_day);
    }
}

/// The row with this number, or the first one after it that the ring still has.
fn row_at(ring: &Ring, seq: u64) -> Option<Row> {
    let mut reader = RingReader::new(ring, RingStart::Seq(seq)).ok()?;
    let mut rows = Vec::new();
    loop {
        match reader.poll(ring, &mut rows, 1) {
            Polled::Rows(_) => return rows.first().copied(),
            Polled::DayClosed(_) | Polled::Lapped { .. } => {}
            Polled::Empty | Polled::Corrupt => return None,
        }
    }
}

#[cfg(feature = "archive")]
fn archived_symbols(bus: &Bus, day: Option<Date>) -> Result<Vec<String>> {
    day.map_or(Ok(Vec::new()), |day| crate::archived_rows::archived_symbols(&bus.open_archive(), bus, day))
}

/// Without the feature nothing of the archive is read: a day that has left the ring is not known.
#[cfg(not(feature = "archive"))]
fn archived_symbols(_: &Bus, _: Option<Date>) -> Result<Vec<String>> {
    Ok(Vec::new())
}
