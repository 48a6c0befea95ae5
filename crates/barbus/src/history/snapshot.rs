//! Ring and archive at one moment.
//!
//! Rows leave the ring only after a file of the archive has them. So the ring is read first, from
//! the oldest row on that the archive may not have; then the files are opened; then the ring is
//! read again up to its newest row. Every row before the last one read is then in the files or in
//! memory, and no file has a later one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use barbus_archive::{Archive, ArchiveError, DayScan, Footers, Wanted};
use barbus_bars::{Date, date_from_epoch_days};
use barbus_ring::{Ring, Row};

use super::bound::Range;
use super::live_rows::{Caught, LiveRows};
use crate::attach::attach;
use crate::bus::Bus;
use crate::error::{Error, Result};

/// Day files that are kept open, the newest ones. An older one is opened when it is read.
const OPEN_FILES: usize = 256;
/// Attempts to read the ring before the writer overwrites what was not read yet.
const MAX_ATTEMPTS: usize = 20;

/// The files of a day.
#[derive(Debug, Default)]
enum DayFiles {
    /// It had none when the snapshot was taken: all of its rows are in memory.
    #[default]
    Absent,
    /// Opened with the snapshot.
    Open(DayScan),
    /// They are opened when the day is read.
    Unopened,
}

/// The bars of one day.
#[derive(Debug, Default)]
pub(super) struct DaySource {
    files: DayFiles,
    /// Rows of the ring, in the order of their numbers. The files may have some of them.
    pub(super) live: Vec<Row>,
}

/// What a question is answered from.
#[derive(Debug)]
pub(super) struct Snapshot {
    archive: Archive,
    footers: Footers,
    pub(super) days: BTreeMap<Date, DaySource>,
    /// Days with bars in the ring, wanted or not.
    in_ring: BTreeSet<Date>,
    /// The texts of the ring's symbols, by id.
    pub(super) names: Vec<String>,
    /// The number of the next row of the bus; `None` without a ring.
    pub(super) next_seq: Option<u64>,
    /// Why there is no ring.
    pub(super) no_ring: Option<Error>,
    lineage: u64,
    /// The highest known frame of the open day.
    pub(super) newest_ms: i64,
    /// Days up to this one are closed.
    pub(super) closed_through: Option<Date>,
}

impl Snapshot {
    /// The rows of the `wanted` symbols (ascending) in `range`, and the files of its days.
    pub(super) fn take(bus: &Bus, range: Range, wanted: Option<Vec<String>>) -> Result<Self> {
        let archive = bus.open_archive();
        let mut snapshot = Self {
            archive,
            footers: bus.footers().clone(),
            days: BTreeMap::new(),
            in_ring: BTreeSet::new(),
            names: Vec::new(),
            next_seq: None,
            no_ring: None,
            lineage: 0,
            newest_ms: i64::MIN,
            closed_through: None,
        };
        for _ in 0..MAX_ATTEMPTS {
            let ring = match attach(bus) {
                Ok(ring) => ring,
                Err(error @ (Error::NoRing { .. } | Error::OtherBoot { .. } | Error::RingLost { .. })) => {
                    snapshot.no_ring = Some(error);
                    snapshot.days = snapshot.open_days(range, BTreeMap::new())?;
                    return Ok(snapshot);
                }
                Err(error) => return Err(error),
            };
            if snapshot.read(bus, &ring, range, wanted.clone())? {
                return Ok(snapshot);
            }
        }
        let what = format!("the writer overwrote the ring {MAX_ATTEMPTS} times while it was read: enlarge ring.size");
        Err(Error::Changing { bus: bus.path().to_owned(), what })
    }

    /// Reads ring and archive; false if the ring changed too fast.
    fn read(&mut self, bus: &Bus, ring: &Ring, range: Range, wanted: Option<Vec<String>>) -> Result<bool> {
        self.lineage = ring.geometry().lineage;
        let mut live = LiveRows::new(bus, ring, range, wanted)?;
        let mut covered = HashMap::new();
        let (archive, footers, lineage) = (&self.archive, &self.footers, self.lineage);
        let mut covered = |day: Date| {
            // A damaged file is reported when the day is read.
            let of_day = || archive.scan(day, footers).and_then(|scan| scan.through_seq(lineage)).unwrap_or_default();
            *covered.entry(day).or_insert_with(of_day)
        };
        // Rows that the writer has overwritten so far are in the files that are opened next.
        while live.catch_up(bus, ring, &mut covered)? == Caught::Lapped {}
        let mut days = self.open_days(range, std::mem::take(&mut live.days))?;
        // A writer that ended before it put a new ring in place has left the flag.
        let is_replaced = ring.superseded() && !ring.is_at_its_path();
        if live.catch_up(bus, ring, |_| 0)? == Caught::Lapped || is_replaced {
            return Ok(false);
        }
        for (day, rows) in std::mem::take(&mut live.days) {
            days.entry(day).or_default().live.extend(rows);
        }
        for source in days.values_mut() {
            if let (DayFiles::Open(scan), false) = (&source.files, source.live.is_empty()) {
                let through = scan.through_seq(self.lineage).unwrap_or_default();
                source.live.retain(|row| row.seq >= through);
            }
        }
        let newest = ring.day_of_newest_block().map(|(day, is_closed)| (date_from_epoch_days(day), is_closed));
        self.in_ring = std::mem::take(&mut live.seen);
        self.in_ring.extend(newest.map(|(day, _)| day));
        self.closed_through = newest.map(|(day, is_closed)| match is_closed {
            true => day,
            false => day.yesterday().unwrap_or(day),
        });
        self.days = days;
        self.next_seq = Some(live.next_seq());
        self.newest_ms = live.newest_ms;
        self.names = live.names;
        Ok(true)
    }

    /// Opens the files of the newest days of `range`.
    fn open_days(&self, range: Range, live: BTreeMap<Date, Vec<Row>>) -> Result<BTreeMap<Date, DaySource>> {
        let spilled: BTreeSet<Date> = self.archive.spilled_days()?.into_iter().collect();
        let files = self.archive.days()?.into_iter().chain(spilled.iter().copied());
        let days: BTreeSet<Date> = files.filter(|day| range.has_day(*day)).collect();
        let mut sources: BTreeMap<Date, DaySource> = BTreeMap::new();
        for (i, day) in days.into_iter().rev().enumerate() {
            // A part that is written from now on has rows that are in memory.
            let open = || match spilled.contains(&day) {
                true => self.archive.scan(day, &self.footers),
                false => self.archive.scan_file(day, &self.footers),
            };
            let scan = (i < OPEN_FILES).then(open).transpose();
            let files = match scan {
                Ok(None) => DayFiles::Unopened,
                Ok(Some(scan)) => DayFiles::Open(scan),
                // It is opened again, and fails again, when the day is read.
                Err(ArchiveError::Corrupt { .. }) => DayFiles::Unopened,
                Err(error) => return Err(error.into()),
            };
            sources.entry(day).or_default().files = files;
        }
        for (day, rows) in live {
            sources.entry(day).or_default().live = rows;
        }
        Ok(sources)
    }

    /// Whether the bus has bars of a day, of whichever symbol.
    pub(super) fn has_day(&self, day: Date) -> bool {
        self.days.contains_key(&day) || self.in_ring.contains(&day)
    }

    /// The first and the last day with bars, of those that were looked at.
    pub(super) fn ends(&self) -> Option<(Date, Date)> {
        let days = || self.days.keys().chain(&self.in_ring).copied();
        days().min().zip(days().max())
    }

    /// Whether no bar of a day is expected any more, except late ones.
    pub(super) fn is_closed(&self, day: Date) -> bool {
        self.closed_through.is_some_and(|closed| day <= closed) || self.archive.path(day).exists()
    }

    /// The files of a day. An error of a file is one of the archive.
    pub(super) fn with_scan<T>(
        &self,
        bus: &Bus,
        day: Date,
        read: impl FnOnce(&DayScan) -> Result<T, ArchiveError>,
    ) -> Result<T> {
        let scan = match self.days.get(&day).map(|source| &source.files) {
            Some(DayFiles::Open(scan)) => return Ok(read(scan)?),
            Some(DayFiles::Unopened) => self.archive.scan(day, &self.footers)?,
            Some(DayFiles::Absent) | None => self.archive.scan_nothing(),
        };
        if self.next_seq.is_some_and(|next| scan.through_seq(self.lineage).is_ok_and(|through| through > next)) {
            let what = format!("{day} was written again while it was read: ask again");
            return Err(Error::Changing { bus: bus.path().to_owned(), what });
        }
        Ok(read(&scan)?)
    }

    /// Whether any file of the archive has a bar of `symbol`; the newest ones are read first.
    pub(super) fn archive_has(&self, symbol: &str) -> Result<bool> {
        let symbols = [symbol.to_owned()];
        let (from_ms, to_ms) = (i64::MIN, i64::MAX);
        let wanted = Wanted { symbols: Some(&symbols), from_ms, to_ms, columns: &[], last: Some(1) };
        for day in self.archive.days()?.into_iter().rev() {
            // A damaged file is reported when it is read for the answer.
            let found = self.archive.scan(day, &self.footers).and_then(|scan| scan.read(&wanted));
            if found.is_ok_and(|found| found.iter().any(|batch| batch.num_rows() > 0)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
