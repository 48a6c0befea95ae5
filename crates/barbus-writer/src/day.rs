//! Opening and closing trading days.

use barbus::Result;
use barbus_bars::{Date, date_from_epoch_days, epoch_days};
use jiff::Timestamp;

use crate::dedup::{ArchivedDay, DayLoader, LateDay, LoadedDay, load_day};
use crate::writer::Writer;

impl Writer {
    /// The open trading day.
    pub fn day(&self) -> Option<Date> {
        self.ring.day().map(date_from_epoch_days)
    }

    /// Prepares for rows of `day`: publishes the staged rows, closes the open day if `day` is a
    /// later one, and makes the index of `day` the current one.
    ///
    /// Returns false if the index of a closed day must be loaded first: see
    /// [`Writer::begin_late_day`].
    #[cold]
    pub(crate) fn switch_to_day(&mut self, day: i64) -> Result<bool> {
        self.publish_staged();
        if self.ring.day() != Some(day) && day > self.ring.day().unwrap_or(self.day_state.closed_through) {
            self.close_day();
            self.open_day(day);
        } else if !self.dedup.has(day) {
            return Ok(false);
        }
        let Self { dedup, ring, bus, symbols, withdrawals, .. } = self;
        dedup.switch_to(day, || load_day(ring, bus, symbols, withdrawals, day))?;
        self.staging.set_day(Some(day));
        Ok(true)
    }

    /// Reads closed days without the writer, for [`Writer::begin_late_day`].
    pub fn day_loader(&self) -> DayLoader {
        DayLoader::new(&self.bus, self.calendar.clone())
    }

    /// Finds what has to be read from the ring for late bars of a day, besides its archived bars.
    ///
    /// Until that was read with [`LateDay::load_in_background`] or dropped, the ring keeps it, and
    /// after the end of this writer no other one can open the bus.
    /// Returns `None` if the archive has changed since: load the day again.
    pub fn begin_late_day(&mut self, archived: ArchivedDay) -> Option<LateDay> {
        if !archived.is_current(&self.bus) {
            return None;
        }
        let Self { ring, bus, symbols, withdrawals, dedup, .. } = self;
        Some(archived.with_ring(ring, bus, symbols, withdrawals).begin(dedup))
    }

    /// Takes the bars with which late bars of a day are compared. Returns false if they are
    /// outdated: load the day again.
    pub fn end_late_day(&mut self, loaded: LoadedDay) -> bool {
        self.dedup.end_load(loaded.day, loaded.index, &loaded.unread)
    }

    /// Whether late bars of `day` can be ingested without loading its earlier bars.
    pub fn is_day_loaded(&self, day: Date) -> bool {
        self.dedup.has(epoch_days(day))
    }

    /// Loads the earlier bars of a closed day and waits for it.
    pub(crate) fn load_day(&mut self, day: Date) {
        let loader = self.day_loader();
        while !self.begin_late_day(loader.load(day)).is_some_and(|late| self.end_late_day(late.load())) {}
    }

    fn open_day(&mut self, day: i64) {
        self.ring.begin_day(day);
        self.day_state.closed_through = day - 1;
        self.flusher.close_before(day);
        let day = date_from_epoch_days(day);
        tracing::info!(%day, "trading day open");
        self.day_state.check_horizon(&self.bus.settings().calendar, day);
    }

    /// Closes the open trading day: readers see the close, and the flusher archives the day.
    ///
    /// Returns the day, if one with bars was open.
    pub fn close_day(&mut self) -> Option<Date> {
        // The next row must switch to its day again.
        self.staging.set_day(None);
        let Some(day) = self.ring.day() else {
            // Late rows since the last close are in a block of no day; it need not stay open for
            // more of them.
            self.ring.close_day();
            return None;
        };
        let in_ring = self.ring.close_day();
        let renumbered = std::mem::take(&mut self.day_state.was_renumbered);
        let had_bars = in_ring || renumbered || self.flusher.has_spilled(day);
        if had_bars && !in_ring {
            // The day's bars are in parts, and its ring was replaced, or they are in blocks of
            // another number. Without a free block readers do not see this close.
            self.finish_loading();
            let _ = self.ring.close_day_without_rows(day);
        }
        if had_bars {
            self.flusher.expect_rows(day, self.ring.next_seq());
        }
        self.day_state.closed_through = self.day_state.closed_through.max(day);
        self.flusher.close_before(self.day_state.closed_through + 1);
        if had_bars && self.wakes {
            self.ring.wake();
        }
        let day = date_from_epoch_days(day);
        tracing::info!(%day, "trading day closed");
        had_bars.then_some(day)
    }

    /// Takes no more bars of the days that the flusher is about to remove.
    fn agree_to_removal(&mut self) {
        let Some(days) = self.flusher.take_asked_removal() else { return };
        self.publish_staged();
        self.removed_days.extend(days);
        // The next row must switch to its day again, and is compared with the removed days.
        self.staging.set_day(None);
        self.flusher.agree_to_removal(self.ring.next_seq());
    }

    /// Closes the open day if that is due: the configured grace after its last session, and after
    /// the last bar that was received.
    ///
    /// It closes no day within a minute after the writer was opened or the clock was set.
    ///
    /// Call it at an interval, for example once a second. It also continues in a new ring if the
    /// ring's file was removed, and lets the flusher remove the days that `archive.keep` does not
    /// keep.
    pub fn close_by_clock(&mut self, now: Timestamp) -> Option<Date> {
        if self.ring_state.is_lost() {
            self.replace_lost_ring();
        }
        self.agree_to_removal();
        let day = self.ring.day()?;
        let (moment, true) = self.clock.observe() else { return None };
        let settings = self.bus.settings();
        let quiet = self.counters.since_last_received(moment);
        let due = self.day_state.is_close_due(day, &settings.calendar, settings.grace, quiet, now)?;
        if due { self.close_day() } else { None }
    }
}
