//! Reading in place: views of blocks, one or many.

use barbus_ring::{CopyReason, HeldRows, PinnedBlocks};

use crate::bus::Bus;
use crate::error::Result;
use crate::positions::PositionReporter;
use crate::reader::open::Reader;
use crate::reader::view::{View, ViewFactory};

impl Reader {
    /// The next bars as columns or as an Arrow record batch: all committed rows of the reader's
    /// block, in place unless the reader has pinned as much as it may, see [`View`]. The reader's
    /// position moves behind them.
    ///
    /// `None` if there is nothing new, or if the next event is a day's close, missed bars or bars
    /// of the archive: [`Reader::poll`] delivers it. A view costs two system calls, to lock and to
    /// unlock the block. It is for many bars at once, as `poll` is for the next one. If several
    /// blocks wait, [`Reader::views`] needs fewer calls.
    ///
    /// # Errors
    /// [`Error::Ring`](crate::Error::Ring) if the ring is corrupt, or the system refuses the lock.
    pub fn pin(&mut self) -> Result<Option<View>> {
        self.register();
        if self.has_backfill() {
            return Ok(None);
        }
        let Some(rows) = self.ring_reader.pin(&self.ring)? else { return Ok(None) };
        self.reporter.set_position(self.ring_reader.position().seq);
        note_copy(&mut self.pin_limit_reached, &rows, &self.bus);
        ViewFactory::view(&mut self.view_factory, &self.ring, &self.bus, rows).map(Some)
    }

    /// Whether bars of the archive, or their number, are delivered before those of the ring.
    fn has_backfill(&self) -> bool {
        #[cfg(feature = "archive")]
        return self.backfill.is_some();
        #[cfg(not(feature = "archive"))]
        false
    }

    /// Whether a view was a copy because this reader had pinned the share `readers.max_pins` of the
    /// ring. A program that keeps views, and does not need that, should copy them itself.
    pub fn pin_limit_reached(&self) -> bool {
        self.pin_limit_reached
    }

    /// Iterates over views of all bars in the ring: each is a result of [`Reader::pin`], and the
    /// iterator ends at its first `None`.
    ///
    /// ```no_run
    /// use barbus::arrow::datatypes::Float64Type;
    /// use barbus::{OnGap, Reader, Start};
    /// // Views show the ring: a beginning of the day that it has lost is an error here.
    /// let mut reader = Reader::open("BUS")?.on_gap(OnGap::Error).start_at(Start::Today)?;
    /// let mut turnover = 0.0;
    /// for view in reader.views() {
    ///     let view = view?;
    ///     let close = view.column::<Float64Type>("close").expect("a float64 column");
    ///     let volume = view.column::<Float64Type>("volume").expect("a float64 column");
    ///     turnover += close.iter().zip(volume).map(|(close, volume)| close * volume).sum::<f64>();
    /// }
    /// # Ok::<(), barbus::Error>(())
    /// ```
    ///
    /// The iterator locks a run of adjacent blocks by one system call: at most 16 blocks, and at
    /// most an eighth of the ring. While it lives it holds its current run, besides the blocks of
    /// its views. A view holds only its own block.
    pub fn views(&mut self) -> Views<'_> {
        self.register();
        let has_backfill = self.has_backfill();
        Views {
            has_backfill,
            blocks: self.ring_reader.pin_each(&self.ring),
            factory: &mut self.view_factory,
            bus: &self.bus,
            reporter: &self.reporter,
            pin_limit_reached: &mut self.pin_limit_reached,
        }
    }
}

/// An iterator over [`View`]s, made by [`Reader::views`].
#[derive(Debug)]
pub struct Views<'a> {
    /// Whether other events come before the bars of the ring.
    has_backfill: bool,
    blocks: PinnedBlocks<'a>,
    factory: &'a mut Option<ViewFactory>,
    bus: &'a Bus,
    reporter: &'a PositionReporter,
    pin_limit_reached: &'a mut bool,
}

/// Reports the first copy that a reader makes because it has pinned as much as it may.
#[inline]
fn note_copy(reached: &mut bool, rows: &HeldRows, bus: &Bus) {
    if rows.copied() == Some(CopyReason::PinLimit) && !std::mem::replace(reached, true) {
        let share = bus.settings().max_pins * 100.0;
        tracing::warn!(
            bus = %bus.path().display(),
            "this reader keeps blocks of {share}% of the ring (readers.max_pins): it gets copies until it drops some"
        );
    }
}

impl Views<'_> {
    fn try_next(&mut self) -> Result<Option<View>> {
        if self.has_backfill {
            return Ok(None);
        }
        let Some(rows) = self.blocks.next().transpose()? else { return Ok(None) };
        self.reporter.set_position(self.blocks.position().seq);
        note_copy(self.pin_limit_reached, &rows, self.bus);
        ViewFactory::view(self.factory, self.blocks.ring(), self.bus, rows).map(Some)
    }
}

impl Iterator for Views<'_> {
    type Item = Result<View>;

    fn next(&mut self) -> Option<Result<View>> {
        self.try_next().transpose()
    }
}
