//! The writer itself: its state, and its report on the bus.

use std::sync::Arc;
use std::time::{Duration, Instant};

use barbus::protocol::{DayBars, Stat};
use barbus::{Bus, Result};
use barbus_bars::date_from_epoch_days;
use barbus_ring::{Recovery, Ring, RingWriter};
use barbus_shm::{Memory, WriterLock};

use crate::bar_ends::BarEnds;
use crate::clock::{Clock, Moment};
use crate::counters::Counters;
use crate::current_ring::CurrentRing;
use crate::day_state::DayState;
use crate::dedup::DedupIndex;
use crate::flusher::{FlushWaiter, Flusher};
use crate::full_ring::FullRing;
use crate::heartbeat::Heartbeat;
use crate::normalize::BatchNormalizer;
use crate::quarantine::Quarantine;
use crate::removed_days::RemovedDays;
use crate::revisions::Revisions;
use crate::ring_watch::{RingState, RingWatch};
use crate::sources::{Arbiter, Conflicts};
use crate::spec::successor_spec;
use crate::staging::Staging;
use crate::symbol_table_state::SymbolTableState;
use crate::symbols::SymbolIds;
use crate::syncer::{DurabilityWaiter, Syncer};
use crate::trading_day::{CurrentCalendar, TradingDayCache};
use crate::withdrawals::Withdrawals;

/// Symbols that [`Writer::stat`] shows as the most revised ones.
const MOST_REVISED: usize = 5;

/// A heartbeat that is older stands still: fifty of them are missing.
const HEARTBEAT_LIMIT: Duration = Duration::from_secs(5);

/// The one writer of a bus.
///
/// Dropping it ends it cleanly: it tries to archive the closed days, syncs every committed row to
/// disk, and releases the lock.
///
/// ```
/// use barbus::{Bus, InitOptions};
/// use barbus_writer::{Pushed, Writer};
/// # let dir = tempfile::tempdir().unwrap();
/// let bus = Bus::init(&dir.path().join("bus"), &InitOptions { calendar: "XSHG".into(), ..Default::default() })?;
/// let mut writer = Writer::open(&bus)?;
/// let symbol = writer.symbol("600000.XSHG").unwrap();
/// let bar = barbus::Row {
///     symbol,
///     frame_ms: 1_720_056_660_000, // the end of the bar: 2024-07-04 09:31 in Shanghai
///     open: 8.0, high: 8.2, low: 7.9, close: 8.1, volume: 12_300.0,
///     ..Default::default()
/// };
/// assert_eq!(writer.push(&bar)?, Pushed::Accepted(0));
/// assert_eq!(writer.push(&bar)?, Pushed::Duplicate);
/// // Other values for the same symbol and frame are a revision.
/// assert_eq!(writer.push(&barbus::Row { close: 8.0, ..bar })?, Pushed::Revised(1));
/// # Ok::<(), barbus::Error>(())
/// ```
#[derive(Debug)]
pub struct Writer {
    // Fields are dropped in this order. The watch ends first, because it gives the flusher work.
    pub(crate) _ring_watch: RingWatch,
    pub(crate) ring_state: Arc<RingState>,
    // The flusher and the syncer end before the heartbeat,
    // because their last work may take long; all threads end before the lock is released.
    pub(crate) flusher: Flusher,
    pub(crate) syncer: Syncer,
    pub(crate) heartbeat: Heartbeat,
    /// The ring of the syncer and the heartbeat.
    pub(crate) current_ring: CurrentRing,
    pub(crate) ring: RingWriter,
    pub(crate) full_ring: FullRing,
    /// When the ring could not be replaced last, and why.
    pub(crate) replace_failure: Option<(Instant, String)>,
    /// The newest block that was opened in the reserve because readers hold all others.
    pub(crate) reserve_block: Option<u64>,
    /// Whether commits wake readers that sleep.
    pub(crate) wakes: bool,
    /// Processors besides the one of the thread that publishes.
    pub(crate) other_processors: u32,
    /// Rows of the batch that is being ingested, from the first new one on that not all readers
    /// were woken for.
    pub(crate) rows_to_wake_for: usize,
    pub(crate) clock: Clock,
    pub(crate) ends: BarEnds,
    /// When the batch was received that is being ingested.
    pub(crate) batch_received: Moment,
    pub(crate) normalizer: BatchNormalizer,
    pub(crate) quarantine: Quarantine,
    /// `None` if no source has a priority.
    pub(crate) arbiter: Option<Arbiter>,
    pub(crate) conflicts: Conflicts,
    pub(crate) symbols: SymbolIds,
    pub(crate) symbol_table: SymbolTableState,
    pub(crate) trading_days: TradingDayCache,
    /// The same calendar for other threads.
    pub(crate) calendar: CurrentCalendar,
    pub(crate) day_state: DayState,
    pub(crate) withdrawals: Withdrawals,
    pub(crate) removed_days: RemovedDays,
    /// The end of the newest minute that is complete; 0 before the first.
    pub(crate) watermark_ms: i64,
    pub(crate) dedup: DedupIndex,
    pub(crate) staging: Staging,
    pub(crate) counters: Counters,
    pub(crate) revisions: Revisions,
    pub(crate) bus: Bus,
    /// Of the bus, the archive, the quarantine and the conflicts; the ring's belongs to its map.
    pub(crate) locks: [Option<WriterLock>; 4],
}

/// A batch that was not handled to its end has woken some readers only.
impl Drop for Writer {
    fn drop(&mut self) {
        if self.rows_to_wake_for > 0 {
            self.wake_readers();
        }
    }
}

impl Writer {
    /// The bus that is written.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The ring, for reading.
    pub fn ring(&self) -> &Ring<impl Memory + use<>> {
        self.ring.ring()
    }

    /// What recovery found in the ring when the writer was opened.
    pub fn recovery(&self) -> &Recovery {
        self.ring.recovery()
    }

    /// Whether `bus.toml` specifies a ring of other sizes.
    ///
    /// [`Writer::open`] makes it as soon as every day in the ring is closed and archived.
    pub fn ring_is_outdated(&self) -> bool {
        !self.ring.ring().geometry().has_sizes_of(&successor_spec(&self.bus, self.ring.ring(), 0))
    }

    /// Whether commits wake readers that sleep, which is the default.
    ///
    /// Without it a commit makes no system call, and readers must poll.
    pub fn set_wakes(&mut self, wakes: bool) {
        self.wakes = wakes;
    }

    /// The sequence number of the next row.
    pub fn next_seq(&self) -> u64 {
        self.ring.next_seq()
    }

    /// Keeps a megabyte of the bus's disk for the next start, which may need it on a full disk to
    /// create its socket.
    pub fn reserve_room_for_restart(&self) {
        if let Some(lock) = &self.locks[0] {
            lock.reserve();
        }
    }

    /// A handle to wait for the archive, also from another thread.
    pub fn flush_waiter(&self) -> FlushWaiter {
        self.flusher.waiter()
    }

    /// A handle to wait for the disk, also from another thread.
    ///
    /// Everything pushed before is durable once [`DurabilityWaiter::wait`] for [`Writer::next_seq`]
    /// returns true.
    pub fn durability_waiter(&self) -> DurabilityWaiter {
        self.syncer.waiter()
    }

    /// The quarantine, also for other threads: it stores the rows that [`Writer::ingest`] does not
    /// publish.
    pub fn quarantine(&self) -> Quarantine {
        self.quarantine.clone()
    }

    /// The conflicts of the sources, also for other threads: it stores the bars that
    /// [`Writer::ingest`] does not publish for that reason.
    pub fn conflicts(&self) -> Conflicts {
        self.conflicts.clone()
    }

    /// What of the writer stands still, if anything does; a thread that waits for a disk does not.
    ///
    /// It is a bug, or a machine that gives the process no processor: only a restart helps.
    pub fn stalled(&self) -> Option<&'static str> {
        let threads = [
            (self.flusher.has_ended(), "the thread of the archive has ended"),
            (self.syncer.has_ended(), "the thread of the syncs has ended"),
            (self.heartbeat.age() >= HEARTBEAT_LIMIT, "the heartbeat stands still"),
        ];
        threads.into_iter().find_map(|(stalled, what)| stalled.then_some(what))
    }

    /// Archives every closed day now, and waits for it.
    ///
    /// # Errors
    /// It makes one attempt: [`barbus::Error::Flush`] is the failure of it, which the flusher
    /// retries.
    pub fn flush(&self) -> Result<()> {
        self.flusher.waiter().flush()
    }

    /// The state of the bus. Ages are measured by the clock of this boot.
    pub fn stat(&mut self) -> Stat {
        let mut stat = self.stat_without_folders();
        self.day_loader().add_folders(&mut stat);
        stat
    }

    /// The same without what the folders of the bus show, so that it takes some microseconds:
    /// [`DayLoader::add_folders`](crate::DayLoader::add_folders) adds that without the writer.
    pub fn stat_without_folders(&mut self) -> Stat {
        let mut stat = Stat::from_ring(self.ring.ring(), &self.bus);
        stat.pid = Some(std::process::id());
        stat.pid_here = stat.pid;
        stat.day = self.day();
        self.counters.fill(&mut stat, self.clock.now());
        let symbol = |id| self.ring.ring().symbol(id).unwrap_or_default();
        let most = self.revisions.most(MOST_REVISED);
        stat.most_revised = most.into_iter().map(|(id, revisions)| (symbol(id), revisions)).collect();
        self.quarantine.fill(&mut stat);
        self.conflicts.fill(&mut stat);
        self.dedup.take_loaded();
        let day_bars = |(day, bars)| DayBars { day: date_from_epoch_days(day), acknowledged: bars, archived: 0 };
        stat.days = self.dedup.bars_by_day().into_iter().map(day_bars).collect();
        stat.outside_sessions = self.normalizer.outside_sessions();
        let flush = self.flusher.status();
        stat.days_waiting = flush.days_waiting;
        stat.last_flush_error_at = flush.last_failure.as_ref().map(|failure| failure.at);
        stat.last_flush_error = flush.last_failure.map(|failure| failure.to_string());
        stat.flushes = Some(flush.writes);
        stat.symbol_table_full = self.symbol_table.why_full();
        stat.rings_replaced = Some(flush.rings_replaced);
        let held = self.flusher.held_rings();
        stat.rings_held = Some(held.rings.into());
        stat.rings_held_bytes = Some(held.bytes);
        stat.ring_in_reserve = self.reserve_block.is_some();
        let syncer = self.syncer.waiter();
        stat.syncs = Some(syncer.syncs());
        let sync = syncer.last_failure();
        stat.last_sync_error_at = sync.as_ref().map(|failure| failure.at);
        stat.last_sync_error = sync.map(|failure| failure.to_string());
        let ring = self.ring_state.failure();
        stat.ring_error_at = ring.as_ref().map(|failure| failure.at);
        stat.ring_error = ring.map(|failure| failure.error);
        self.full_ring.fill(&mut stat, &self.flusher, &self.syncer);
        stat
    }
}
