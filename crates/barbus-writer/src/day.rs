//! Opening and closing trading days.

use barbus::Result;
use barbus_bars::{Date, date_from_epoch_days};
use jiff::Timestamp;

use crate::dedup::load_day;
use crate::writer::Writer;

impl Writer {
    /// The open trading day.
    pub fn day(&self) -> Option<Date> {
        self.ring.day().map(date_from_epoch_days)
    }

    /// Prepares for rows of `day`: publishes the staged rows, closes the open day if `day` is a
    /// later one, and makes the index of `day` the current one.
    #[cold]
    pub(crate) fn switch_to_day(&mut self, day: i64) -> Result<()> {
        self.publish_staged();
        if self.ring.day() != Some(day) && day > self.ring.day().unwrap_or(self.day_state.closed_through) {
            self.close_day();
            self.open_day(day);
        }
        let Self { dedup, ring, bus, symbols, withdrawals, .. } = self;
        dedup.switch_to(day, || load_day(ring, bus, symbols, withdrawals, day))?;
        self.staging.set_day(Some(day));
        Ok(())
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
            self.dedup.finish_loading();
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

    /// Closes the open day if that is due: the configured grace after its last session, and after
    /// the last bar that was received.
    ///
    /// It closes no day within a minute after the writer was opened or the clock was set.
    ///
    /// Call it at an interval, for example once a second.
    pub fn close_by_clock(&mut self, now: Timestamp) -> Option<Date> {
        let day = self.ring.day()?;
        let (moment, true) = self.clock.observe() else { return None };
        let settings = self.bus.settings();
        let quiet = self.counters.since_last_received(moment);
        let due = self.day_state.is_close_due(day, &settings.calendar, settings.grace, quiet, now)?;
        if due { self.close_day() } else { None }
    }
}
