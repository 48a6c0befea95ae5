//! New symbols: each takes a place in the symbol table of the ring, which is enlarged when it is
//! full.
//!
//! A file never grows, so the ring continues in a new file, as when readers hold its blocks. All
//! rows must be archived before. That is prepared while rows pass: only the producer with the new
//! symbol waits. Then all wait for the rest, a moment. If the archive or the disk does not permit
//! it, bars of new symbols are quarantined, and the others pass.

use std::time::{Duration, Instant};

use barbus_bars::{Fault, MAX_SYMBOL_BYTES};
use barbus_ring::{DictionaryFull, SymbolId};

use crate::flusher::RingEvent;
use crate::symbol_table_state::Enlargement;
use crate::writer::Writer;

/// Blocks that may still be to be archived when rows are stopped.
const LAST_BLOCKS: usize = 2;
/// How long the preparation may take before rows are stopped: a fast feed fills blocks as fast as
/// they are archived.
const PREPARATION: Duration = Duration::from_secs(2);
/// How long an attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// After this time without a question the attempt begins anew: its producer had gone.
const UNASKED: Duration = Duration::from_secs(1);
/// The pause before the next attempt.
const PAUSE: Duration = Duration::from_secs(60);
/// The limit of the ring's format.
const MOST_SYMBOLS: u32 = 1 << 20;

/// The answer to a symbol that the ring may not have yet.
pub(crate) enum Lookup {
    Known(SymbolId),
    /// A bar of this symbol has this fault.
    Invalid(Fault),
    /// The ring is being enlarged: ask again after a moment.
    Wait,
}

impl Writer {
    /// The id of a symbol, which is added if the bus does not have it. `unknown` counts the symbols
    /// that the caller has not looked up yet, this one included: the ring is enlarged for all of
    /// them at once.
    pub(crate) fn look_up(&mut self, symbol: &str, unknown: impl FnOnce() -> usize) -> Lookup {
        if let Some(id) = self.symbols.get(symbol) {
            return Lookup::Known(id);
        }
        if symbol.is_empty() {
            return Lookup::Invalid(Fault::EmptySymbol);
        }
        if symbol.len() > MAX_SYMBOL_BYTES {
            return Lookup::Invalid(Fault::LongSymbol);
        }
        let added = self.ring.intern(symbol).or_else(|full| match self.enlarge_for(unknown, full) {
            Some(why) => Err(Lookup::Invalid(Fault::SymbolTableFull { reason: why })),
            None if self.symbol_table.enlargement.is_some() => Err(Lookup::Wait),
            None => self.ring.intern(symbol).map_err(|_| Lookup::Wait),
        });
        match added {
            Ok(id) => {
                self.symbols.insert(symbol, id);
                Lookup::Known(id)
            }
            Err(lookup) => lookup,
        }
    }

    /// Begins or continues to enlarge the ring, by `more` symbols. Returns why it is not enlarged.
    #[cold]
    fn enlarge_for(&mut self, more: impl FnOnce() -> usize, full: DictionaryFull) -> Option<String> {
        if let Some((at, why)) = &self.symbol_table.full
            && at.elapsed() < PAUSE
        {
            return Some(why.clone());
        }
        if self.symbol_table.enlargement.is_none() {
            match self.larger_table(more() as u32) {
                Ok(symbols) => {
                    let now = Instant::now();
                    let enlargement = Enlargement { symbols, since: now, asked: now, stops_rows: false };
                    self.symbol_table.enlargement = Some(enlargement);
                }
                Err(why) => return Some(self.stay_full(&format!("{full}, and {why}"))),
            }
        }
        match self.continue_enlargement() {
            Ok(_) => None,
            Err(why) => Some(self.stay_full(&format!("{full}, and {why}"))),
        }
    }

    /// The symbols of a ring with room for `more`, or why there can be none.
    fn larger_table(&self, more: u32) -> Result<u32, String> {
        let ring = self.ring.ring();
        let (has, room) = (ring.symbol_count(), ring.geometry().symbols);
        let settings = self.bus.settings();
        let most = settings.max_symbols.max(settings.symbols).min(MOST_SYMBOLS);
        let symbols = has.saturating_add(more).max(has.saturating_mul(2)).max(room).min(most);
        if symbols <= has {
            return Err(format!("there may be {most} (ring.max_symbols)"));
        }
        if let Some(failure) = self.flusher.archive_failure() {
            return Err(format!("the ring is not enlarged while the archive fails: {}", failure.error));
        }
        self.may_replace().map_err(|why| format!("the ring is not enlarged: {why}"))?;
        Ok(symbols)
    }

    /// Records that the table stays full, logs it once, and returns the reason.
    fn stay_full(&mut self, why: &str) -> String {
        self.symbol_table.enlargement = None;
        if self.symbol_table.full.replace((Instant::now(), why.to_owned())).is_none_or(|(_, before)| before != why) {
            tracing::warn!(
                "the symbol table is full: {why}: bars of new symbols are quarantined: remove the cause, and publish the quarantined rows"
            );
        }
        why.to_owned()
    }

    /// Whether rows may be appended. While the ring is being replaced by a larger one they have to
    /// wait.
    #[inline]
    pub(crate) fn enlargement_lets_rows_pass(&mut self) -> bool {
        match &self.symbol_table.enlargement {
            Some(enlargement) if enlargement.stops_rows => self.finish_enlargement(),
            _ => true,
        }
    }

    #[cold]
    fn finish_enlargement(&mut self) -> bool {
        match self.continue_enlargement() {
            Ok(done) => done,
            Err(why) => {
                self.stay_full(&why);
                true
            }
        }
    }

    /// The next step to a larger ring. Returns whether the ring was replaced.
    fn continue_enlargement(&mut self) -> Result<bool, String> {
        let Some(enlargement) = &mut self.symbol_table.enlargement else { return Ok(true) };
        let now = Instant::now();
        if now.duration_since(std::mem::replace(&mut enlargement.asked, now)) > UNASKED {
            enlargement.since = now;
        }
        let elapsed = now.duration_since(enlargement.since);
        if elapsed >= ATTEMPT {
            return Err("the ring is not enlarged: its rows could not be archived in time".into());
        }
        if !enlargement.stops_rows {
            if elapsed < PREPARATION && self.ring.maintenance().unpersisted().len() > LAST_BLOCKS {
                self.flusher.request_spill(true);
                return Ok(false);
            }
            enlargement.stops_rows = true;
            self.publish_staged();
            self.ring.seal_block();
        }
        if !self.ring.all_persisted() {
            self.flusher.request_spill(true);
            return Ok(false);
        }
        let symbols = self.symbol_table.enlargement.take().map_or(0, |enlargement| enlargement.symbols);
        self.replace_ring(symbols, RingEvent::Enlarged(symbols))
            .map_err(|why| format!("the ring is not enlarged: {why}"))?;
        self.symbol_table.full = None;
        if std::mem::take(&mut self.symbols.is_missing) {
            // They lack archived bars of symbols that had no place. The next row loads its day.
            self.dedup.forget_all();
            self.staging.set_day(None);
        }
        Ok(true)
    }
}
