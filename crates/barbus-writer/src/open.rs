//! Becoming the writer of a bus: the lock, the ring, and what they hold from before.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use barbus::internal::{Owners, create_readers_folder};
use barbus::protocol::AckMode;
use barbus::{Bus, Error, Result};
use barbus_archive::Archive;
use barbus_bars::{date_from_epoch_days, epoch_days};
use barbus_ring::{BlockRows, RingWriter, Row, Spec, SymbolId};
use jiff::Timestamp;

use crate::bar_ends::BarEnds;
use crate::clock::{Clock, Moment};
use crate::counters::Counters;
use crate::current_ring::CurrentRing;
use crate::day_state::DayState;
use crate::dedup::{DedupIndex, load_day};
use crate::flusher::{DayArchiver, Flusher, Worker};
use crate::full_ring::FullRing;
use crate::heartbeat::Heartbeat;
use crate::normalize::BatchNormalizer;
use crate::places::{self, lock_archive, lock_bus, lock_conflicts, lock_quarantine};
use crate::quarantine::Quarantine;
use crate::recalendar::{reassign_parts, renumber_open_day, warn_of_other_days};
use crate::removed_days::RemovedDays;
use crate::revisions::Revisions;
use crate::ring_watch::{RingState, RingWatch};
use crate::rollback::leave_older_ring;
use crate::sources::{Arbiter, Conflicts};
use crate::spec::{ring_spec, successor_spec};
use crate::staging::Staging;
use crate::symbol_table_state::SymbolTableState;
use crate::symbols::SymbolIds;
use crate::syncer::Syncer;
use crate::trading_day::{CurrentCalendar, TradingDayCache};
use crate::withdrawals::Withdrawals;
use crate::writer::Writer;

impl Writer {
    /// Becomes the writer of `bus`: acquires the lock, creates or recovers the ring, and starts the
    /// threads.
    ///
    /// # Errors
    /// Returns [`Error::Busy`] if another process is the writer, [`Error::InUse`] if the writer of
    /// another bus uses the same ring, archive or quarantine, [`Error::Untrusted`] if another user
    /// could change them, [`Error::Settings`] if `bus.toml` does not fit the ring or the archive's
    /// place, and the error of the ring or of the archive if they cannot be used.
    pub fn open(bus: &Bus) -> Result<Self> {
        let owners = Owners::of(bus)?;
        let lock = lock_bus(bus, &owners)?;
        let settings = bus.settings();
        let volatile = is_volatile(bus)?;
        // Without this folder readers are not listed; everything else works.
        let _ = create_readers_folder(&bus.readers());
        let mut ring = open_ring(bus, &owners)?;
        let locks = [Some(lock), lock_archive(bus, &owners)?, lock_quarantine(bus)?, lock_conflicts(bus)?];
        let withdrawals = Withdrawals::load(bus)?;
        let removed_days = RemovedDays::load(bus)?;
        leave_older_ring(&mut ring, bus, &withdrawals, &removed_days)?;
        ring.set_withdrawals(withdrawals.count());
        // Rows that were lost with the machine may be sent again.
        ring.set_watermark_ms(0);
        let archive = Archive::open(bus.archive(), settings.schema.clone(), settings.calendar.name())?;

        let blocks = ring.maintenance().blocks();
        let newest = newest_row(&ring, &blocks);
        let (day_state, spilled) = resume_days(&mut ring, &blocks, &archive, bus, &withdrawals)?;

        let mut symbols = known_symbols(&ring);
        // The bars of the open day begin to load before the other threads compete for processors;
        // new bars are accepted meanwhile.
        let mut dedup = DedupIndex::default();
        if let Some(day) = ring.day() {
            dedup.switch_to(day, || load_day(&mut ring, bus, &mut symbols, &withdrawals, day))?;
        }
        // Frames of other days only make a source count as silent later.
        let newest_ms = ring.day().and_then(|_| dedup.current().last_frames().iter().copied().max());
        let newest_ms = newest_ms.unwrap_or(i64::MIN);
        let calendar = CurrentCalendar::new(settings.calendar.clone());
        let records = (withdrawals.clone(), removed_days.clone());
        let archiver = DayArchiver::new(ring.maintenance(), archive, settings, records, calendar.clone());
        let worker = Worker::new(archiver, bus, volatile.then_some(settings.spill));
        let flusher = Flusher::start(worker, day_state.closed_through.saturating_add(1), spilled);
        let current_ring = CurrentRing::new(ring.maintenance());
        let beating = current_ring.clone();
        let conflicts = Conflicts::new(bus, current_ring.clone(), calendar.clone());
        let clock = Clock::start();
        let received_boot_ns = ring.ring().received_boot_ns();
        let was_withdrawn = withdrawals.are_newer_than_closes(ring.ring().geometry().lineage, &blocks);
        let ring_state = Arc::new(RingState::default());
        let watched = (current_ring.clone(), Arc::clone(&ring_state), flusher.ring_loss_notice());
        let mut writer = Self {
            _ring_watch: RingWatch::start(bus, watched.0, watched.1, watched.2),
            ring_state,
            flusher,
            syncer: Syncer::start(current_ring.clone(), settings.sync),
            heartbeat: Heartbeat::start(clock.clone(), move |now| beating.beat(now)),
            current_ring,
            ring,
            full_ring: FullRing::default(),
            replace_failure: None,
            reserve_block: None,
            wakes: true,
            other_processors: thread::available_parallelism().map_or(0, |count| count.get() as u32 - 1),
            rows_to_wake_for: 0,
            ends: BarEnds::new(settings, clock.clone()),
            normalizer: BatchNormalizer::with_clock(bus, clock.clone(), calendar.clone()),
            clock,
            batch_received: Moment::default(),
            quarantine: Quarantine::new(bus),
            arbiter: Arbiter::new(&settings.sources, newest_ms),
            conflicts,
            symbols,
            symbol_table: SymbolTableState::default(),
            trading_days: TradingDayCache::new(settings.calendar.clone()),
            calendar,
            day_state,
            withdrawals,
            removed_days,
            watermark_ms: 0,
            dedup,
            staging: Staging::new(),
            counters: Counters::after(newest.as_ref(), received_boot_ns, Moment::read()),
            revisions: Revisions::default(),
            bus: bus.clone(),
            locks,
        };
        writer.continue_days(was_withdrawn);
        Ok(writer)
    }

    /// Opens the day again that a withdrawal gave back, and warns of a day in the future.
    fn continue_days(&mut self, was_withdrawn: bool) {
        // The writer before this one may have ended before the first bar of that day.
        if was_withdrawn && self.ring.day().is_none() {
            self.open_today_again();
            self.flusher.close_only_before(self.day_state.closed_through + 1);
        }
        self.warn_of_future_day();
    }
}

/// The state of the days in `ring` by the present calendar, and the days that have parts.
fn resume_days(
    ring: &mut RingWriter,
    blocks: &[BlockRows],
    archive: &Archive,
    bus: &Bus,
    withdrawals: &Withdrawals,
) -> Result<(DayState, BTreeSet<i64>)> {
    let calendar = &bus.settings().calendar;
    let spilled = reassign_parts(archive, calendar)?;
    warn_of_other_days(archive, calendar)?;
    let closed = closed_days(blocks, archive)?;
    let renumbered = renumber_open_day(ring, blocks, &closed, &spilled, calendar);
    let mut day_state = resume_day(ring, blocks, archive, &spilled, withdrawals)?;
    day_state.was_renumbered = renumbered;
    let today = Timestamp::now().to_zoned(calendar.zone().clone()).date();
    day_state.check_horizon(calendar, ring.day().map_or(today, |day| date_from_epoch_days(day).max(today)));
    Ok((day_state, spilled))
}

/// Whether the ring is on a tmpfs; an error if `bus.toml` asks for more than that can give.
fn is_volatile(bus: &Bus) -> Result<bool> {
    let volatile = bus.ring_is_volatile()?;
    if bus.settings().ack == AckMode::Durable && volatile {
        let ring = bus.ring();
        let ring = ring.display();
        return Err(bad_settings(
            bus,
            format!("ingest.ack = \"durable\": the ring {ring} is on tmpfs and does not survive a loss of power"),
        ));
    }
    Ok(volatile)
}

fn bad_settings(bus: &Bus, what: String) -> Error {
    Error::Settings { path: bus.path().join("bus.toml"), what }
}

/// Opens the ring of `bus`, or creates it. If `bus.toml` specifies other sizes, the ring is
/// replaced as soon as all of it is archived.
fn open_ring(bus: &Bus, owners: &Owners) -> Result<RingWriter> {
    let spec = ring_spec(bus);
    let path: &Path = &bus.ring();
    let mut ring = places::open_ring(bus, owners, &spec)?;
    let all_archived = ring.day().is_none() && ring.all_persisted();
    if !ring.ring().has_schema(&spec) {
        if !all_archived {
            let what = format!(
                "[bars] has other columns than {}: start with the columns of before, close the day, and stop",
                path.display()
            );
            return Err(bad_settings(bus, what));
        }
        // Readers of the old ring have to open the bus again: rows have other columns now.
        tracing::warn!("[bars] has other columns than before: the bus goes on in a new ring; restart readers");
        let first_seq = ring.next_seq();
        ring.begin_lineage(path, &Spec { first_seq, ..successor_spec(bus, ring.ring(), 0) })?;
    }
    let spec = successor_spec(bus, ring.ring(), 0);
    if all_archived && !ring.ring().geometry().has_sizes_of(&spec) {
        ring.replace(path, &spec)?;
    }
    Ok(ring)
}

/// The days whose close is in `blocks`, and those that have a file.
fn closed_days(blocks: &[BlockRows], archive: &Archive) -> Result<BTreeSet<i64>> {
    let in_ring = blocks.iter().filter(|block| block.last_of_day).filter_map(|block| block.day);
    Ok(in_ring.chain(archive.days()?.into_iter().map(epoch_days)).collect())
}

/// Determines which days are closed, and continues an open day whose ring was lost.
fn resume_day(
    ring: &mut RingWriter,
    blocks: &[BlockRows],
    archive: &Archive,
    spilled: &BTreeSet<i64>,
    withdrawals: &Withdrawals,
) -> Result<DayState> {
    if let Some(day) = ring.day() {
        return Ok(DayState::new(day - 1, false));
    }
    let in_ring = withdrawals.last_closed(ring.ring().geometry().lineage, blocks);
    let in_archive = archive.days()?.last().copied().map(epoch_days);
    let closed_through = in_ring.max(in_archive).unwrap_or(i64::MIN + 1);
    // A later day that has only parts was open when its ring was lost.
    match spilled.last().copied().filter(|&day| day > closed_through) {
        Some(day) => {
            ring.begin_day(day);
            Ok(DayState::new(day - 1, true))
        }
        None => Ok(DayState::new(closed_through, false)),
    }
}

fn newest_row(ring: &RingWriter, blocks: &[BlockRows]) -> Option<Row> {
    let newest = blocks.iter().rev().find(|block| block.rows > 0)?;
    let mut rows = Vec::new();
    ring.maintenance().rows(newest.block, newest.rows - 1, newest.rows, &mut rows);
    rows.pop()
}

fn known_symbols(ring: &RingWriter) -> SymbolIds {
    let mut symbols = SymbolIds::default();
    for id in (0..ring.ring().symbol_count()).map(SymbolId) {
        if let Some(symbol) = ring.ring().symbol(id) {
            symbols.insert(&symbol, id);
        }
    }
    symbols
}
