//! Another calendar for a running writer: what it changes, and whether it may.
//!
//! A change that gives bars of the bus another trading day is refused: they are filed already.

use std::collections::BTreeSet;

use barbus::internal::ArchivedRows;
use barbus::{Bus, Error, Result};
use barbus_archive::DayVersion;
use barbus_bars::{Calendar, Date, epoch_days};
use jiff::{Timestamp, ToSpan};

use crate::trading_day::TradingDayCache;
use crate::writer::Writer;

/// The first date that is compared; a bar before it is rarely on a bus.
const FIRST: Date = Date::constant(1990, 1, 1);
/// Dates are compared up to this number of days after the later horizon, or after today.
const DAYS_BEYOND: i32 = 400;
/// Changes that are described.
const DESCRIBED: usize = 20;

/// Another calendar for a bus, and what it changes.
#[derive(Debug)]
pub struct CalendarChange {
    calendar: Calendar,
    moved: Vec<MovedDate>,
    /// The archived days that were searched for bars of moved dates.
    versions: Vec<(Date, DayVersion)>,
    filed: BTreeSet<Move>,
    notes: Vec<String>,
}

/// A trading day, and the one to which bars of it belong by the other calendar.
type Move = (Date, Date);

/// A date whose bars belong to another trading day.
#[derive(Debug, Clone, Copy)]
struct MovedDate {
    days: Move,
    after_ms: i64,
    until_ms: i64,
}

impl MovedDate {
    fn has(&self, frame_ms: i64) -> bool {
        self.after_ms < frame_ms && frame_ms <= self.until_ms
    }
}

impl CalendarChange {
    /// Compares the calendar of `bus` with another one, and searches the archive for bars that
    /// would get another day. It needs no writer, and may take as long as reading some days.
    ///
    /// # Errors
    /// [`Error::Settings`] if the zone, the name or the beginning of the days differ, which a
    /// running writer cannot change. The error of the archive if it cannot be read.
    pub fn plan(bus: &Bus, calendar: Calendar) -> Result<Self> {
        let old = &bus.settings().calendar;
        let kept = [
            ("name", old.name() == calendar.name()),
            ("zone", old.zone_name() == calendar.zone_name()),
            ("day_starts", old.span_of_date(FIRST) == calendar.span_of_date(FIRST)),
        ];
        if let Some((what, _)) = kept.iter().find(|(_, is_kept)| !is_kept) {
            let what = format!("the calendar's {what} is another one: restart the daemon to change it");
            return Err(Error::Settings { path: bus.path().join("bus.toml"), what });
        }
        let today = Timestamp::now().to_zoned(old.zone().clone()).date();
        let last = [old.horizon(), calendar.horizon(), Some(today)].into_iter().flatten().max().unwrap_or(today);
        let last = last.saturating_add(DAYS_BEYOND.days());
        let mut change = Self {
            moved: moved_dates(old, &calendar, last),
            notes: notes(old, &calendar, today, last),
            versions: Vec::new(),
            filed: BTreeSet::new(),
            calendar,
        };
        change.search_archive(bus)?;
        Ok(change)
    }

    /// What changes, a phrase each; empty if nothing does.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Finds the moves of bars that are in the archive.
    fn search_archive(&mut self, bus: &Bus) -> Result<()> {
        let settings = bus.settings();
        let archive = bus.open_archive();
        let days: BTreeSet<Date> = self.moved.iter().map(|moved| moved.days.0).collect();
        for day in days {
            self.versions.push((day, archive.version(day)?));
            let Some((_, rows)) = archive.read(day)? else { continue };
            let rows = ArchivedRows::new(&rows, &settings.schema);
            self.filed.extend(moves_of(&self.moved, rows.iter().map(|(_, row)| row.frame_ms)));
        }
        Ok(())
    }

    fn is_current(&self, bus: &Bus) -> Result<bool> {
        let archive = bus.open_archive();
        for (day, version) in &self.versions {
            if archive.version(*day)? != *version {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Writer {
    /// Continues with another calendar. Returns false if the archive has changed since it was
    /// planned: plan it again.
    ///
    /// # Errors
    /// [`Error::Settings`] names the dates with bars that would get another trading day. Nothing is
    /// changed then.
    pub fn change_calendar(&mut self, change: &CalendarChange) -> Result<bool> {
        if !change.is_current(&self.bus)? {
            return Ok(false);
        }
        self.publish_staged();
        let mut filed = change.filed.clone();
        filed.extend(self.moves_in_ring(change));
        if !filed.is_empty() {
            let moves: Vec<String> = filed.iter().map(|(from, to)| format!("of {from} to {to}")).collect();
            let what = format!(
                "it would move bars that are filed already, those {}: take these dates out of the change, or stop the \
                 daemon, change the calendar, and start the daemon again",
                moves.join(", ")
            );
            return Err(Error::Settings { path: self.bus.path().join("bus.toml"), what });
        }
        self.bus = self.bus.with_calendar(change.calendar.clone());
        self.trading_days = TradingDayCache::new(change.calendar.clone());
        self.calendar.set(change.calendar.clone());
        Ok(true)
    }

    /// The moves of bars that are in the ring.
    fn moves_in_ring(&self, change: &CalendarChange) -> BTreeSet<Move> {
        let mut found = BTreeSet::new();
        if change.moved.is_empty() {
            return found;
        }
        let days: BTreeSet<i64> = change.moved.iter().map(|moved| epoch_days(moved.days.0)).collect();
        let maintenance = self.ring.maintenance();
        let mut frames = Vec::new();
        // A late bar is in a block of a later day, or of none.
        let first = days.first().copied().unwrap_or(i64::MAX);
        for block in maintenance.blocks() {
            if block.rows > 0 && block.day.is_none_or(|day| day >= first) {
                frames.clear();
                maintenance.frames(block.block, 0, block.rows, &mut frames);
                found.extend(moves_of(&change.moved, frames.iter().copied()));
            }
        }
        found
    }
}

/// The moves of bars with these frames.
fn moves_of(moved: &[MovedDate], frames_ms: impl Iterator<Item = i64>) -> BTreeSet<Move> {
    let mut found = BTreeSet::new();
    for frame_ms in frames_ms {
        let at = moved.partition_point(|moved| moved.until_ms < frame_ms);
        if let Some(moved) = moved.get(at).filter(|moved| moved.has(frame_ms)) {
            found.insert(moved.days);
        }
    }
    found
}

/// The dates up to `last` whose bars belong to another trading day, in order.
fn moved_dates(old: &Calendar, new: &Calendar, last: Date) -> Vec<MovedDate> {
    // Elsewhere every bar has its own date.
    if !old.days_begin_in_evening() {
        return Vec::new();
    }
    let dates = FIRST.series(1.day()).take_while(|date| *date <= last);
    let moved = dates.filter_map(|date| {
        let days = (old.next_trading_day(date), new.next_trading_day(date));
        let (after_ms, until_ms) = old.span_of_date(date);
        (days.0 != days.1).then_some(MovedDate { days, after_ms, until_ms })
    });
    moved.collect()
}

/// What changes, a phrase each.
fn notes(old: &Calendar, new: &Calendar, today: Date, last: Date) -> Vec<String> {
    let mut notes = Vec::new();
    if let (before, Some(horizon)) = (old.horizon(), new.horizon())
        && before != Some(horizon)
    {
        notes.push(format!("its holidays are known through {horizon}"));
    }
    for date in FIRST.series(1.day()).take_while(|date| *date <= last) {
        match (old.is_trading_day(date), new.is_trading_day(date)) {
            (false, true) => notes.push(format!("{date} is a trading day")),
            (true, false) => notes.push(format!("{date} is no trading day")),
            (true, true) if old.sessions(date) != new.sessions(date) => {
                notes.push(format!("{date} has other sessions"));
            }
            _ => {}
        }
    }
    notes.extend(group_notes(old, new, today, last));
    let more = notes.len().saturating_sub(DESCRIBED);
    if more > 0 {
        notes.truncate(DESCRIBED);
        notes.push(format!("and {more} more"));
    }
    notes
}

/// Which product groups have other hours on the days from `today` to `last`.
fn group_notes(old: &Calendar, new: &Calendar, today: Date, last: Date) -> Vec<String> {
    let names: BTreeSet<&str> = old.groups().chain(new.groups()).collect();
    let differs = |name: &&str| match (old.of_group(name), new.of_group(name)) {
        (Some(old), Some(new)) => old.trading_days(today, last).any(|day| old.sessions(day) != new.sessions(day)),
        _ => true,
    };
    names.into_iter().filter(differs).map(|name| format!("the group {name} has other hours")).collect()
}
