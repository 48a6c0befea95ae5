//! Appending to the ring: room for rows, and their publication.

use std::time::Duration;

use barbus::Result;
use barbus_bars::date_from_epoch_days;

use crate::clock::Moment;
use crate::ingest::Wait;
use crate::writer::Writer;

/// The longest wait for a free block before the ring is checked again.
const SPACE_WAIT: Duration = Duration::from_millis(100);

/// Why a row cannot be appended now.
#[derive(Debug)]
pub(crate) enum Hold {
    /// Something else must happen first.
    Wait(Wait),
    /// Its day was removed from the archive: it is never appended.
    Removed,
}

impl Writer {
    /// Prepares for a row that ends at `frame_ms`: switches to its day and reserves a place for it.
    /// Returns what is in its way, if anything.
    #[inline(always)]
    pub(crate) fn reserve_row(&mut self, frame_ms: i64) -> Result<Option<Hold>> {
        let day = self.trading_days.day(frame_ms);
        if self.staging.day() != Some(day) {
            if self.removed_days.contains(day) {
                return Ok(Some(Hold::Removed));
            }
            if !self.switch_to_day(day)? {
                return Ok(Some(Hold::Wait(Wait::Day(date_from_epoch_days(day)))));
            }
        }
        if self.staging.is_full() {
            self.publish_staged();
            if self.ring_state.is_lost() && !self.replace_lost_ring() {
                return Ok(Some(Hold::Wait(Wait::Space)));
            }
            if !self.enlargement_lets_rows_pass() {
                return Ok(Some(Hold::Wait(Wait::Space)));
            }
            if self.staging.day() != Some(day) && !self.switch_to_day(day)? {
                // The indexes of a larger ring are loaded again.
                return Ok(Some(Hold::Wait(Wait::Day(date_from_epoch_days(day)))));
            }
            let Some(room) = self.reserve_in_block() else { return Ok(Some(Hold::Wait(Wait::Space))) };
            self.staging.set_room(room);
            self.full_ring.end();
            if self.reserve_block.is_some() {
                self.check_reserve();
            }
        }
        Ok(None)
    }

    /// Reserves rows in the open block, or in the next one; `None` if the ring is full.
    #[cold]
    fn reserve_in_block(&mut self) -> Option<usize> {
        if self.ring.block_is_full() {
            // An index that is being loaded has yet to read the blocks from this one on.
            self.ring.keep_blocks_from(self.dedup.oldest_unread());
        }
        if let Ok(rows) = self.ring.reserve_rows() {
            return Some(rows);
        }
        self.finish_loading();
        self.ring.reserve_rows().map_or_else(|full| self.free_space(full), Some)
    }

    /// Waits until every index is loaded: all blocks may be reused then that no load of a closed
    /// day has yet to read.
    pub(crate) fn finish_loading(&mut self) {
        self.dedup.finish_loading();
        self.ring.keep_blocks_from(self.dedup.oldest_unread());
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

    /// Writes the appended rows back to their columns.
    #[inline]
    pub(crate) fn after_commit(&mut self, received: Moment) {
        self.ring.write_back();
        self.counters.set_last_received(received);
    }

    /// Wakes the readers that sleep.
    #[inline]
    pub(crate) fn wake_readers(&mut self) {
        self.rows_to_wake_for = 0;
        if self.wakes {
            self.ring.wake();
        }
    }

    /// Wakes as many readers as there are processors besides this thread's.
    #[inline]
    pub(crate) fn wake_some_readers(&mut self) {
        if self.wakes && self.other_processors > 0 {
            self.ring.wake_some(self.other_processors);
        }
    }
}
