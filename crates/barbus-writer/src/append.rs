//! Appending to the ring: room for rows, their publication, and the replacement of a full ring.

use std::time::{Duration, Instant};

use barbus::Result;
use barbus_bars::date_from_epoch_days;
use barbus_ring::RingFull;

use crate::clock::Moment;
use crate::ingest::Wait;
use crate::spec::ring_spec;
use crate::writer::Writer;

/// The pause after a ring could not be replaced.
pub(crate) const REPLACE_PAUSE: Duration = Duration::from_secs(1);
/// The longest wait for a free block before the ring is checked again.
const SPACE_WAIT: Duration = Duration::from_millis(100);

impl Writer {
    /// Prepares for a row that ends at `frame_ms`: switches to its day and reserves a place for it.
    /// Returns what must happen first, if anything.
    #[inline(always)]
    pub(crate) fn reserve_row(&mut self, frame_ms: i64) -> Result<Option<Wait>> {
        let day = self.trading_days.day(frame_ms);
        if self.staging.day() != Some(day) && !self.switch_to_day(day)? {
            return Ok(Some(Wait::Day(date_from_epoch_days(day))));
        }
        if self.staging.is_full() {
            self.publish_staged();
            if self.ring_state.is_lost() && !self.replace_lost_ring() {
                return Ok(Some(Wait::Space));
            }
            if self.ring.block_is_full() {
                // The next block may reuse one that an index is still loaded from.
                self.dedup.finish_loading();
            }
            match self.ring.reserve_rows() {
                Ok(rows) => {
                    self.staging.set_room(rows);
                    self.end_full_ring();
                }
                Err(full) => {
                    self.free_space(full);
                    return Ok(Some(Wait::Space));
                }
            }
        }
        Ok(None)
    }

    /// Requests a free block: the flusher archives closed days and spills the open one.
    ///
    /// If readers hold every block that could be reused, all rows are archived and the ring
    /// continues in a new file: the writer never waits for a reader.
    #[cold]
    fn free_space(&mut self, full: RingFull) {
        self.note_full_ring(full);
        if full.pinned == 0 {
            return self.flusher.request_spill(false);
        }
        self.ring.seal_full_block();
        if !self.ring.all_persisted() {
            return self.flusher.request_spill(true);
        }
        if self.retry_replace_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        if self.replace_ring().is_ok() {
            tracing::info!("ring replaced: readers held every archived block");
        }
    }

    /// Continues in a new ring file. Every row must be archived.
    pub(crate) fn replace_ring(&mut self) -> Result<(), String> {
        let mut spec = ring_spec(&self.bus);
        // The symbols keep their ids, so the new ring has room for all of them.
        let old = self.ring.ring().geometry();
        (spec.symbols, spec.symbol_bytes) = (spec.symbols.max(old.symbols), spec.symbol_bytes.max(old.symbol_bytes));
        let replaced = self.ring.replace(&self.bus.ring(), &spec);
        self.retry_replace_at = replaced.is_err().then(|| Instant::now() + REPLACE_PAUSE);
        let why = replaced.as_ref().err().map(|error| error.to_string());
        let replaced = replaced.map_err(|error| (self.day_state.closed_through + 1, error.into()));
        self.flusher.switch_to(self.ring.maintenance(), replaced);
        self.current_ring.switch_to(self.ring.maintenance());
        why.map_or(Ok(()), Err)
    }

    /// Waits until a block may be free.
    pub(crate) fn wait_for_space(&self) {
        self.flusher.wait_for_space(SPACE_WAIT);
    }

    /// Publishes the staged rows: every reader sees them when this returns.
    #[inline]
    pub(crate) fn publish_staged(&mut self) {
        let rows = self.staging.take();
        let Some(last) = rows.last() else { return };
        let last_frame_ms = last.frame_ms;
        self.ring.note_received(self.batch_received.boot_ns as u64);
        self.ring.append(rows);
        self.note_appended(last_frame_ms);
    }

    /// Records that rows of the staging day were appended; the last one ends at `last_frame_ms`.
    #[inline]
    pub(crate) fn note_appended(&mut self, last_frame_ms: i64) {
        self.counters.set_last_frame(last_frame_ms);
        if let Some(day) = self.staging.day().filter(|&day| self.ring.day() != Some(day)) {
            self.flusher.expect_rows(day, self.ring.next_seq());
        }
    }

    /// Writes the appended rows back to their columns and wakes the readers that sleep.
    #[inline]
    pub(crate) fn after_commit(&mut self, received: Moment) {
        self.ring.write_back();
        if self.wakes {
            self.ring.wake();
        }
        self.counters.set_last_received(received);
    }
}
