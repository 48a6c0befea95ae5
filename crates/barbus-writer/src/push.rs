//! Publishing single rows.

use barbus::Result;
use barbus_bars::Fault;
use barbus_ring::{Row, SymbolId};

use crate::append::Hold;
use crate::clock::Moment;
use crate::dedup::{BarStatus, fingerprint};
use crate::ingest::Wait;
use crate::new_symbol::Lookup;
use crate::sources::Rank;
use crate::writer::Writer;

/// The outcome of [`Writer::push`].
#[derive(Debug, Clone, PartialEq)]
pub enum Pushed {
    /// A new bar, published with this sequence number.
    Accepted(u64),
    /// The bus has the same bar already; it was not published again.
    Duplicate,
    /// Other values for a known symbol and frame, published as a revision with this sequence
    /// number.
    Revised(u64),
    /// Other values than those that a source of higher priority gave; not published.
    Conflict,
    /// An invalid bar; it is in the quarantine with this reason.
    Quarantined(Fault),
}

impl Writer {
    /// The id of a symbol, for [`Writer::push`]. A new symbol is added to the bus. If the ring has
    /// no room for it, this waits until the ring is replaced by a larger one.
    ///
    /// # Errors
    /// Returns the fault that a bar of this symbol would be quarantined with:
    /// [`Fault::SymbolTableFull`] if the ring has no room for it and cannot be enlarged.
    pub fn symbol(&mut self, symbol: &str) -> Result<SymbolId, Fault> {
        loop {
            match self.look_up(symbol, || 1) {
                Lookup::Known(id) => return Ok(id),
                Lookup::Invalid(fault) => return Err(fault),
                Lookup::Wait => self.wait_for_space(),
            }
        }
    }

    /// Publishes one bar; every reader sees it when this returns.
    ///
    /// The writer sets `seq`, `revision` and `received_ns` of the row itself.
    /// If the ring has no free block, it waits until the flusher has freed one.
    ///
    /// # Errors
    /// Returns an error if an invalid bar cannot be quarantined, or if the bars of an earlier day
    /// cannot be read.
    pub fn push(&mut self, row: &Row) -> Result<Pushed> {
        let now = self.clock.now();
        if let Some(fault) = self.fault(row, now) {
            return self.reject(row, fault);
        }
        if let Some(fault) = self.session_fault(row) {
            return self.reject(row, fault);
        }
        // The staging area is empty, because rows stay in it only while a batch is ingested. This
        // row does not go through it, so the room that it has left is not counted down: give it up.
        self.staging.set_room(0);
        while self.staging.day() != Some(self.trading_days.day(row.frame_ms))
            || self.ring.block_is_full()
            || self.ring_state.is_lost()
        {
            match self.reserve_row(row.frame_ms)? {
                Some(Hold::Wait(Wait::Space)) => self.wait_for_space(),
                Some(Hold::Wait(Wait::Day(day))) => self.load_day(day),
                Some(Hold::Removed) => return self.reject(row, Fault::RemovedDay),
                None => {}
            }
            self.staging.set_room(0);
        }
        let mut status = self.dedup.current().status(row.symbol, row.frame_ms, || fingerprint(row));
        let mut giver = Rank::UNKNOWN;
        if let Some(arbiter) = &mut self.arbiter {
            let (index, bar) = (self.dedup.current(), (row.symbol, row.frame_ms));
            // A program that pushes rows states no name.
            giver = Rank::UNLISTED;
            status = arbiter.judge(status, index, bar, giver, self.staging.day() == self.ring.day());
        }
        let revision = match status {
            BarStatus::Duplicate => return Ok(Pushed::Duplicate),
            BarStatus::Conflict(giver) => return Ok(self.keep_conflict(row, giver)),
            BarStatus::New => 0,
            BarStatus::Revision(number) => number,
        };
        self.ring.note_received(now.boot_ns as u64);
        let row = Row { received_ns: now.wall_ns, revision, ..*row };
        let seq = self.ring.push(&row).expect("the block is not full");
        // The bar is inserted after its publication, so that readers do not wait for it.
        self.dedup.current().insert_given(row.symbol, row.frame_ms, fingerprint(&row), revision, giver);
        self.note_appended(row.frame_ms);
        self.after_commit(now);
        self.wake_readers();
        if revision > 0 {
            self.count_revision(row.symbol, revision);
        }
        Ok(if status == BarStatus::New { Pushed::Accepted(seq) } else { Pushed::Revised(seq) })
    }

    pub(crate) fn count_revision(&mut self, symbol: SymbolId, number: u8) {
        let Self { revisions, ring, .. } = self;
        revisions.count(symbol, number, || ring.ring().symbol(symbol).unwrap_or_default());
    }

    #[cold]
    fn keep_conflict(&mut self, row: &Row, giver: Rank) -> Pushed {
        let symbol = self.ring.ring().symbol(row.symbol).unwrap_or_default();
        self.conflicts.store_row(row, &symbol, giver);
        Pushed::Conflict
    }

    /// The fault of a row, if it is invalid.
    #[inline]
    fn fault(&self, row: &Row, now: Moment) -> Option<Fault> {
        let settings = self.bus.settings();
        if row.frame_ms.rem_euclid(self.ring.ring().geometry().interval_ms.into()) != 0 {
            return Some(Fault::OffInterval);
        }
        let fault = settings.rules.check([row.open, row.high, row.low, row.close], row.volume);
        if fault.is_some() {
            return fault;
        }
        let ends_ms = self.ends.allowed(now);
        if !ends_ms.contains(&row.frame_ms) {
            return Some(if row.frame_ms < *ends_ms.start() { Fault::Past } else { Fault::Future });
        }
        let optional = settings.schema.optional().iter().enumerate();
        let mut wrong = optional.filter(|(k, _)| row.optional(*k).is_some_and(|value| !value.is_finite()));
        wrong.next().map(|(_, column)| Fault::NotFinite { column: column.clone() })
    }

    /// The fault of a bar outside the sessions, if such bars are quarantined.
    #[inline]
    fn session_fault(&mut self, row: &Row) -> Option<Fault> {
        let rule = self.normalizer.session_rule()?;
        let symbol = self.ring.ring().symbol(row.symbol).unwrap_or_default();
        rule.check(&symbol, row.frame_ms)
    }

    #[cold]
    fn reject(&mut self, row: &Row, fault: Fault) -> Result<Pushed> {
        let symbol = self.ring.ring().symbol(row.symbol).unwrap_or_default();
        self.quarantine.store_row(row, &symbol, &self.bus.settings().schema, &fault)?;
        Ok(Pushed::Quarantined(fault))
    }
}
