//! Following the bus: polling, waiting, and switching to a new ring.

use std::time::{Duration, Instant};

use barbus_bars::{Date, date_from_epoch_days};
use barbus_ring::{Polled, Ring, Row, SymbolId};

use crate::attach::attach;
use crate::error::{Error, Result};
use crate::event::{Appended, Bars, Event};
use crate::liveness::writer_alive;
#[cfg(feature = "archive")]
use crate::reader::backfill::{Backfill, BackfillStep};
use crate::reader::open::Reader;
use crate::reader::start::{Start, corrupt, ring_reader_at};
use crate::reader::wait_strategy::{Waited, wait_until};
use crate::symbol_filter::SymbolFilter;

/// Most bars of one [`Event::Bars`].
pub(super) const BATCH: usize = 1_024;

/// The result of a poll; the bars of an event are in `rows`.
enum Step {
    Bars,
    /// Bars from the archive, which the ring has lost.
    #[cfg(feature = "archive")]
    OldBars,
    DayClosed(Date),
    Lapped(u64),
    /// The selection is in `withdrawals`.
    Withdrawn,
    /// Another ring has replaced the one that was read: it may have bars.
    OtherRing,
    Nothing,
}

impl Reader {
    /// The next event; `None` if there is none yet. It does not wait.
    ///
    /// A reader that is behind gets up to a thousand bars at a time; at the newest bar it gets the
    /// bars since the last poll, often a single one. A poll makes no system call, except for the
    /// first one, which lists the reader ([`Reader::name`]), and for the one that switches to a new
    /// ring.
    ///
    /// # Errors
    /// [`Error::Ring`] if the ring is corrupt. After the ring was replaced: [`Error::Start`] if the
    /// new one has another lineage, and the errors of [`Reader::open`].
    #[inline]
    pub fn poll(&mut self) -> Result<Option<Event<'_>>> {
        let step = self.step()?;
        Ok(self.event(step))
    }

    /// Waits until there is an event to poll, for at most `timeout`; returns whether there is one.
    ///
    /// # Errors
    /// [`Error::Ring`] if the ring's file was truncated while the reader slept in the kernel.
    pub fn wait(&mut self, timeout: Duration) -> Result<bool> {
        self.wait_for(timeout, |_| false)
    }

    /// Waits for an event, or until `is_ready` of the ring.
    #[inline(always)]
    fn wait_for(&mut self, timeout: Duration, is_ready: impl Fn(&Ring) -> bool) -> Result<bool> {
        self.interrupted = false;
        if self.is_starting && self.has_old_event() {
            return Ok(true);
        }
        let (ring, ring_reader, withdrawals) = (&self.ring, &self.ring_reader, &self.withdrawals);
        let has_event =
            || ring_reader.is_ready(ring) || ring.superseded() || withdrawals.are_before(ring.withdrawals());
        let is_ready = || has_event() || is_ready(ring);
        let waited = wait_until(ring, self.wait, &mut self.spins, self.stops_at_signals, timeout, is_ready)?;
        self.interrupted = waited == Waited::Interrupted;
        Ok(waited == Waited::Ready)
    }

    /// Whether the last wait ended because of a signal: see [`Reader::stop_at_signals`].
    pub fn was_interrupted(&self) -> bool {
        self.interrupted
    }

    /// The next event; waits for it for at most `timeout`.
    ///
    /// # Errors
    /// As [`Reader::poll`] and [`Reader::wait`]. If no writer stores in the ring any more and its
    /// file is not at its path: [`Error::RingLost`] while a daemon runs, and otherwise the errors
    /// of [`Reader::open`].
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Event<'_>>> {
        let step = match self.filter {
            None => {
                self.wait(timeout)?;
                self.step()?
            }
            Some(_) => self.next_filtered(timeout)?,
        };
        let step = self.check_ring_if_nothing(step)?;
        Ok(self.event(step))
    }

    /// The end of the newest minute of which producers send no more bars ([`Publisher::done`]),
    /// milliseconds UTC; 0 if none has said so. A poll after this call that finds nothing
    /// has delivered these bars.
    ///
    /// [`Publisher::done`]: crate::Publisher::done
    pub fn watermark_ms(&self) -> i64 {
        self.ring.watermark_ms()
    }

    /// As [`Reader::next`]; it returns early without an event if the watermark of the bus is above
    /// `watermark_ms`, or if all new bars were filtered out.
    ///
    /// # Errors
    /// As [`Reader::next`].
    pub fn next_or_watermark(&mut self, timeout: Duration, watermark_ms: i64) -> Result<Option<Event<'_>>> {
        let step = self.step_or_watermark(timeout, watermark_ms)?;
        Ok(self.event(step))
    }

    fn step_or_watermark(&mut self, timeout: Duration, watermark_ms: i64) -> Result<Step> {
        self.wait_or_watermark(timeout, watermark_ms)?;
        let step = self.step()?;
        self.check_ring_if_nothing(step)
    }

    fn wait_or_watermark(&mut self, timeout: Duration, watermark_ms: i64) -> Result<()> {
        self.wait_for(timeout, |ring| ring.watermark_ms() > watermark_ms).map(drop)
    }

    /// As [`Reader::poll`], but bars of the ring are appended to `rows`.
    pub(crate) fn poll_into(&mut self, rows: &mut Vec<Row>) -> Result<Appended<'_>> {
        // Bars of the archive have ids of their own.
        if self.is_starting {
            let step = self.step()?;
            return Ok(self.not_appended(step));
        }
        std::mem::swap(&mut self.rows, rows);
        let step = self.step_on();
        std::mem::swap(&mut self.rows, rows);
        step.map(|step| self.appended(step))
    }

    /// As [`Reader::next_or_watermark`], but bars of the ring are appended to `rows`.
    pub(crate) fn next_into(
        &mut self,
        rows: &mut Vec<Row>,
        timeout: Duration,
        watermark_ms: i64,
    ) -> Result<Appended<'_>> {
        if self.is_starting {
            let step = self.step_or_watermark(timeout, watermark_ms)?;
            return Ok(self.not_appended(step));
        }
        self.wait_or_watermark(timeout, watermark_ms)?;
        std::mem::swap(&mut self.rows, rows);
        let step = self.step_on().and_then(|step| self.check_ring_if_nothing(step));
        std::mem::swap(&mut self.rows, rows);
        step.map(|step| self.appended(step))
    }

    fn appended(&self, step: Step) -> Appended<'_> {
        match step {
            Step::Bars => Appended::Bars(self.symbols.names()),
            step => self.not_appended(step),
        }
    }

    fn not_appended(&self, step: Step) -> Appended<'_> {
        match step {
            Step::OtherRing => Appended::OtherIds,
            step => self.event(step).map_or(Appended::Nothing, Appended::Event),
        }
    }

    /// The day with which the reader begins in the archive.
    pub(crate) fn fills_from(&self) -> Option<Date> {
        #[cfg(feature = "archive")]
        if let Some(Backfill::From(day)) = &self.backfill {
            return Some(*day);
        }
        None
    }

    /// The ring that is read at present.
    pub(crate) fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The symbols that are delivered; `None` for all.
    pub(crate) fn filter(&self) -> Option<&SymbolFilter> {
        self.filter.as_ref()
    }

    /// As [`Reader::next`]; if all new bars were filtered out, it waits for more.
    fn next_filtered(&mut self, timeout: Duration) -> Result<Step> {
        let end = Instant::now().checked_add(timeout);
        let mut left = timeout;
        loop {
            let ready = self.wait(left)?;
            let step = self.step()?;
            left = end.map_or(timeout, |end| end.saturating_duration_since(Instant::now()));
            if !matches!(step, Step::Nothing | Step::OtherRing) || !ready || left.is_zero() {
                return Ok(step);
            }
        }
    }

    /// Lists the reader, before its first poll.
    #[inline(always)]
    pub(super) fn register(&mut self) {
        if self.reporter.is_pending() {
            self.reporter.register(&self.bus, &self.ring, self.ring_reader.position().seq);
        }
    }

    #[inline(always)]
    fn step(&mut self) -> Result<Step> {
        self.rows.clear();
        self.step_on()
    }

    /// The next step; bars are appended to `rows`.
    #[inline(always)]
    fn step_on(&mut self) -> Result<Step> {
        let from = self.rows.len();
        if self.is_starting
            && let Some(step) = self.first_step()?
        {
            return Ok(step);
        }
        loop {
            let polled = self.ring_reader.poll(&self.ring, &mut self.rows, BATCH);
            if polled != Polled::Empty {
                self.reporter.set_position(self.ring_reader.position().seq);
            }
            match polled {
                Polled::Rows(_) => {}
                Polled::Empty if self.ring.superseded() => return self.switch_ring(),
                Polled::Empty if self.withdrawals.are_before(self.ring.withdrawals()) => {
                    return Ok(self.next_withdrawal());
                }
                Polled::Empty => return Ok(Step::Nothing),
                Polled::DayClosed(day) => {
                    let day = date_from_epoch_days(day);
                    // The close of a day before the start.
                    if self.closed_before.is_some_and(|before| day <= before) {
                        continue;
                    }
                    return Ok(Step::DayClosed(day));
                }
                Polled::Lapped { missed } => return Ok(Step::Lapped(missed)),
                Polled::Corrupt => return Err(corrupt(&self.bus)),
            }
            self.learn_symbols();
            let Some(filter) = &mut self.filter else { return Ok(Step::Bars) };
            filter.retain(&mut self.rows, from, self.symbols.names());
            if self.rows.len() > from {
                return Ok(Step::Bars);
            }
        }
    }

    #[inline(always)]
    fn event(&self, step: Step) -> Option<Event<'_>> {
        match step {
            Step::Bars => Some(Event::Bars(Bars::new(&self.rows, self.symbols.texts()))),
            #[cfg(feature = "archive")]
            Step::OldBars => Some(Event::Bars(Bars::new(&self.rows, self.backfill_symbols.texts()))),
            Step::DayClosed(day) => Some(Event::DayClosed(day)),
            Step::Lapped(missed) => Some(Event::Lapped { missed }),
            Step::Withdrawn => self.withdrawals.delivered().map(Event::Withdrawn),
            Step::OtherRing | Step::Nothing => None,
        }
    }

    /// Registers the reader. Returns the next event before those of the ring, if there is one.
    #[cold]
    fn first_step(&mut self) -> Result<Option<Step>> {
        self.register();
        #[cfg(feature = "archive")]
        match self.next_of_backfill()? {
            BackfillStep::Bars => return Ok(Some(Step::OldBars)),
            BackfillStep::DayClosed(day) => return Ok(Some(Step::DayClosed(day))),
            BackfillStep::Lapped(missed) => return Ok(Some(Step::Lapped(missed))),
            BackfillStep::Ended => {}
        }
        self.is_starting = false;
        Ok(None)
    }

    /// Registers the reader. Returns whether there may be an event before those of the ring.
    #[cold]
    fn has_old_event(&mut self) -> bool {
        self.register();
        #[cfg(feature = "archive")]
        if self.backfill.is_some() {
            return true;
        }
        self.is_starting = false;
        false
    }

    /// Takes the next withdrawal; nothing if the bus's file does not have it.
    #[cold]
    fn next_withdrawal(&mut self) -> Step {
        match self.withdrawals.take(&self.bus, self.ring.withdrawals()) {
            true => Step::Withdrawn,
            false => Step::Nothing,
        }
    }

    #[inline]
    fn check_ring_if_nothing(&mut self, step: Step) -> Result<Step> {
        match step {
            Step::Nothing => self.check_ring(),
            step => Ok(step),
        }
    }

    /// Without an event: whether the ring is still the one of the bus. A file that was removed,
    /// moved or replaced by another program never gets a row again, and no flag in it shows that.
    #[inline]
    fn check_ring(&mut self) -> Result<Step> {
        // Without the bus's directory at its path nothing can be said: a person may have moved it.
        if writer_alive(&self.ring) || self.ring.is_at_its_path() || !self.bus.path().is_dir() {
            return Ok(Step::Nothing);
        }
        self.switch_ring()
    }

    /// The ring was replaced: reads what is left of it, then switches to the new one.
    #[cold]
    fn switch_ring(&mut self) -> Result<Step> {
        // The writer may have committed a row after the last poll and before it replaced the ring.
        if self.ring_reader.is_ready(&self.ring) {
            return self.step_on();
        }
        // The writer marks the old ring a moment before it puts the new file in its place.
        if self.ring.is_at_its_path() {
            return Ok(Step::Nothing);
        }
        let ring = attach(&self.bus)?;
        if ring.geometry().lineage != self.ring.geometry().lineage {
            let what = "another ring with other sequence numbers has replaced this one: open a new reader".into();
            return Err(Error::Start { bus: self.bus.path().to_owned(), what });
        }
        let seq = self.position();
        // If the new ring continues at this row, start at its beginning: it may close a day before
        // its first row, which a start at the row itself would miss.
        let mut ring_reader = ring_reader_at(&self.bus, &ring, Start::Oldest)?;
        if ring_reader.position().seq != seq {
            ring_reader = ring_reader_at(&self.bus, &ring, Start::Seq(seq))?;
        }
        self.ring_reader = ring_reader;
        self.ring = ring;
        self.reporter.set_ring(&self.ring, self.ring_reader.position().seq);
        self.symbols.clear();
        if let Some(filter) = &mut self.filter {
            filter.forget_ids();
        }
        self.index = None;
        self.successor = None;
        self.view_factory = None;
        Ok(Step::OtherRing)
    }

    /// Reads the texts of symbols that are new in the ring.
    #[inline]
    pub(super) fn learn_symbols(&mut self) {
        let count = self.ring.symbol_count();
        while (self.symbols.names().len() as u32) < count {
            let id = SymbolId(self.symbols.names().len() as u32);
            self.symbols.push(self.ring.symbol(id).unwrap_or_default());
        }
    }
}
