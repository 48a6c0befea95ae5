//! The frames of a day's bars, by symbol, from the archive and the ring.

use std::collections::{BTreeMap, BTreeSet};

use barbus_archive::Archive;
use barbus_bars::{Date, epoch_days};
use barbus_ring::Ring;

use super::GapSource;
use super::symbol::Expectation;
use crate::archived_rows::ArchivedRows;
use crate::attach::map;
use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::ring_rows::for_each_row;
use crate::withdrawn_rows::WithdrawnRows;

/// The frames of each symbol, in order and each once.
pub(super) type Frames = BTreeMap<String, Vec<i64>>;

/// The bars of one day.
pub(super) struct DayBars {
    frames: Frames,
    pub(super) source: GapSource,
}

impl DayBars {
    /// Those of the archive and `in_ring`.
    pub(super) fn new(bus: &Bus, archive: &Archive, day: Date, in_ring: Frames) -> Result<Self> {
        let mut frames = in_ring;
        let ring_rows: usize = frames.values().map(Vec::len).sum();
        let archived = archive.read(day)?;
        if let Some((_, rows)) = &archived {
            for (symbol, row) in ArchivedRows::new(rows, &bus.settings().schema).iter() {
                match frames.get_mut(symbol) {
                    Some(known) => known.push(row.frame_ms),
                    None => drop(frames.insert(symbol.to_owned(), vec![row.frame_ms])),
                }
            }
        }
        for frames in frames.values_mut() {
            frames.sort_unstable();
            frames.dedup();
        }
        let rows: usize = frames.values().map(Vec::len).sum();
        let is_archived = archive.path(day).exists();
        let archived_rows = archived.map_or(0, |(_, rows)| rows.num_rows());
        let source = match (is_archived, rows) {
            (_, 0) => GapSource::Nowhere,
            (true, rows) if rows == archived_rows || ring_rows == 0 => GapSource::Archive,
            (true, _) => GapSource::ArchiveAndRing,
            (false, _) => GapSource::Ring,
        };
        Ok(Self { frames, source })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(super) fn symbols(&self) -> impl Iterator<Item = &str> {
        self.frames.keys().map(String::as_str)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &[i64])> {
        self.frames.iter().map(|(symbol, frames)| (symbol.as_str(), frames.as_slice()))
    }

    /// The minutes, in order, that are expected of some symbol and in which none has a bar.
    pub(super) fn minutes_without<'a>(&self, hours: impl Iterator<Item = &'a Expectation>) -> Vec<i64> {
        let mut minutes: BTreeSet<i64> = hours.flat_map(|hours| hours.minutes()).collect();
        for frame_ms in self.frames.values().flatten() {
            minutes.remove(frame_ms);
        }
        minutes.into_iter().collect()
    }
}

/// The frames in the ring of the days from `from` to `through`. A bus without a ring has none.
pub(super) fn of_ring(bus: &Bus, from: Date, through: Date) -> Result<BTreeMap<Date, Frames>> {
    let Some(ring) = ring(bus)? else { return Ok(BTreeMap::new()) };
    let mut by_day: BTreeMap<Date, BTreeMap<u32, Vec<i64>>> = BTreeMap::new();
    let withdrawn = WithdrawnRows::load(bus, ring.geometry().lineage)?;
    for_each_row(&ring, &bus.settings().calendar, &withdrawn, |day, row| {
        if (from..=through).contains(&day) {
            by_day.entry(day).or_default().entry(row.symbol.0).or_default().push(row.frame_ms);
        }
    });
    let name = |id| ring.symbol(barbus_ring::SymbolId(id)).unwrap_or_default();
    let named = |symbols: BTreeMap<u32, Vec<i64>>| symbols.into_iter().map(|(id, frames)| (name(id), frames)).collect();
    Ok(by_day.into_iter().map(|(day, symbols)| (day, named(symbols))).collect())
}

/// The newest day that the ring names, or of its newest bar.
pub(super) fn newest_in_ring(bus: &Bus) -> Result<Option<Date>> {
    let Some(ring) = ring(bus)? else { return Ok(None) };
    let calendar = &bus.settings().calendar;
    let newest = ring.newest_row().map(|row| calendar.trading_day(row.frame_ms).date);
    let open = ring.day_of_newest_block().map(|(day, _)| barbus_bars::date_from_epoch_days(day));
    Ok(newest.max(open.filter(|day| epoch_days(*day) > 0)))
}

/// The ring of the bus; `None` without one.
fn ring(bus: &Bus) -> Result<Option<Ring<barbus_shm::ReadMap>>> {
    match map(bus) {
        Ok(map) => Ok(Some(Ring::attach_to(map)?)),
        Err(Error::NoRing { .. } | Error::OtherBoot { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
