//! The one writer of the bus, shared by all connections behind a lock.
//!
//! Never block while holding the lock: every producer and every request waits for it.
//! The lock is taken in turns. A thread that appends a long batch in pieces releases it between
//! two of them, and the next piece comes after the threads that wait.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use barbus::protocol::{ACK, AckMode, Stat};
use barbus::{Bus, Date, Result};
use barbus_writer::{
    BatchNormalizer, CalendarChange, Conflicts, DayLoader, DurabilityWaiter, FlushWaiter, Ingested, NormalizedBatch,
    Quarantine, Writer,
};
use jiff::Timestamp;

use crate::memory::{MemoryBudget, Reservation};
use crate::peer::Peer;
use crate::peer_reader::TimeLimits;
use crate::sources::Sources;
use crate::watermarks::{ProducerWatermark, Watermarks};

/// The one writer of the bus, and what its users need without the lock.
///
/// A method that needs the lock returns `None` where the daemon is shutting down.
#[derive(Debug)]
pub(crate) struct SharedWriter {
    bus: Bus,
    normalizer: BatchNormalizer,
    flush_waiter: FlushWaiter,
    durability_waiter: DurabilityWaiter,
    quarantine: Quarantine,
    conflicts: Conflicts,
    day_loader: DayLoader,
    /// Held while a closed day is loaded: one at a time limits the memory.
    loading: Mutex<()>,
    memory: Arc<MemoryBudget>,
    /// The ring is on a file system in memory: nothing in it is durable.
    ring_is_volatile: bool,
    /// Connected producers.
    producers: AtomicU64,
    watermarks: Watermarks,
    sources: Sources,
    /// Why the calendar of the files was not taken.
    calendar_refused: Mutex<Option<String>>,
    /// Held by the thread that takes the lock of the writer next.
    turn: Mutex<()>,
    /// `None` after [`SharedWriter::close`].
    writer: Mutex<Option<Writer>>,
    is_shutting_down: AtomicBool,
}

impl SharedWriter {
    pub(crate) fn new(writer: Writer) -> Result<Self> {
        Ok(Self {
            bus: writer.bus().clone(),
            normalizer: writer.normalizer(),
            flush_waiter: writer.flush_waiter(),
            durability_waiter: writer.durability_waiter(),
            quarantine: writer.quarantine(),
            conflicts: writer.conflicts(),
            day_loader: writer.day_loader(),
            loading: Mutex::default(),
            memory: MemoryBudget::new(writer.bus().settings().ingest_memory_bytes),
            ring_is_volatile: writer.bus().ring_is_volatile()?,
            producers: AtomicU64::new(0),
            watermarks: Watermarks::default(),
            sources: Sources::default(),
            calendar_refused: Mutex::default(),
            turn: Mutex::default(),
            writer: Mutex::new(Some(writer)),
            is_shutting_down: AtomicBool::new(false),
        })
    }

    pub(crate) fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The bus with its present calendar.
    pub(crate) fn bus_now(&self) -> Option<Bus> {
        self.with(|writer| writer.bus().clone())
    }

    /// Continues with another calendar: see [`Writer::change_calendar`].
    pub(crate) fn change_calendar(&self, change: &CalendarChange) -> Option<Result<bool>> {
        self.with(|writer| writer.change_calendar(change))
    }

    /// Notes why the calendar of the files is not the one of the writer; `None` if it is.
    pub(crate) fn note_calendar_refused(&self, why: Option<String>) {
        *self.calendar_refused.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// A handle that waits for the archive without the lock.
    pub(crate) fn flush_waiter(&self) -> FlushWaiter {
        self.flush_waiter.clone()
    }

    /// A handle that waits for the disk without the lock.
    pub(crate) fn durability_waiter(&self) -> DurabilityWaiter {
        self.durability_waiter.clone()
    }

    /// Normalizes the batches of one producer without the lock.
    pub(crate) fn normalizer_of(&self, peer: Peer) -> BatchNormalizer {
        let normalizer = self.normalizer.clone();
        // The system is asked for the name of the user only where that matters.
        match self.bus.settings().sources.priority.is_empty() {
            true => normalizer,
            false => normalizer.of_user(&peer.user_name()),
        }
    }

    /// Stores the invalid rows of a producer without the lock.
    pub(crate) fn quarantine_of(&self, peer: Peer) -> Quarantine {
        match peer.limited_user() {
            Some(user) => self.quarantine.clone().of_user(user),
            None => self.quarantine.clone(),
        }
    }

    /// Stores the conflicts of a producer without the lock.
    pub(crate) fn conflicts_of(&self, peer: Peer) -> Conflicts {
        match peer.limited_user() {
            Some(user) => self.conflicts.clone().of_user(user),
            None => self.conflicts.clone(),
        }
    }

    /// The memory for the messages of a producer.
    pub(crate) fn memory_of(&self, peer: Peer) -> Reservation {
        self.memory.reservation(peer.limited_user())
    }

    /// How long a peer may take.
    pub(crate) fn time_limits(&self) -> TimeLimits {
        let settings = self.bus.settings();
        TimeLimits { idle: settings.idle, message: settings.message_timeout }
    }

    /// Longest body of a message, bytes.
    pub(crate) fn max_message_bytes(&self) -> u64 {
        self.bus.settings().max_message_bytes
    }

    /// When rows are acknowledged: as the stream's metadata requests, otherwise as `bus.toml`
    /// states.
    ///
    /// # Errors
    /// No such mode, or the ring cannot be durable. The text is an answer to the producer.
    pub(crate) fn ack_mode(&self, asked: Option<&String>) -> Result<AckMode, String> {
        let Some(asked) = asked else { return Ok(self.bus.settings().ack) };
        let rejected = |why: String| format!("schema metadata {ACK}: {why}");
        let mode = asked.parse().map_err(rejected)?;
        if mode == AckMode::Durable && self.ring_is_volatile {
            let ring = self.bus.ring();
            return Err(rejected(format!(
                "the ring {} is on tmpfs and does not survive a loss of power: nothing in it is durable",
                ring.display()
            )));
        }
        Ok(mode)
    }

    /// Counts a producer in [`Stat::producers`] until the guard is dropped.
    pub(crate) fn count_producer(&self) -> ProducerGuard<'_> {
        self.producers.fetch_add(1, Ordering::Relaxed);
        ProducerGuard(&self.producers)
    }

    /// Appends rows of a batch from `from` on: see [`Writer::ingest`].
    pub(crate) fn ingest(&self, batch: &NormalizedBatch, from: usize) -> Option<Result<Ingested>> {
        self.with(|writer| writer.ingest(batch, from))
    }

    /// The counts of the sources of bars.
    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The watermarks of the connected producers.
    pub(crate) fn watermarks(&self) -> &Watermarks {
        &self.watermarks
    }

    /// A producer sends no more bars of the minutes through `frame_ms`: see [`Writer::done`].
    pub(crate) fn done(&self, watermark: &ProducerWatermark<'_>, frame_ms: i64) -> Option<Result<()>> {
        self.with(|writer| {
            writer.check_done(frame_ms)?;
            writer.done(watermark.raise(frame_ms))
        })
    }

    /// Loads the earlier bars of a closed day for its late ones, mostly without the lock.
    pub(crate) fn load_day(&self, day: Date) -> Option<()> {
        let _loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.with(|writer| writer.is_day_loaded(day))? {
            if self.is_shutting_down() {
                return None;
            }
            let archived = self.day_loader.load_in_background(day);
            // If the archive has changed meanwhile, the day is loaded again.
            let Some(late) = self.with(|writer| writer.begin_late_day(archived))? else { continue };
            let loaded = late.load_in_background();
            self.with(|writer| writer.end_late_day(loaded))?;
        }
        Some(())
    }

    /// Waits until no other thread holds the writer.
    pub(crate) fn is_free(&self) -> Option<()> {
        self.with(|_| ())
    }

    /// The state of the bus.
    pub(crate) fn stat(&self) -> Option<Stat> {
        let mut stat = self.with(Writer::stat_without_folders)?;
        self.day_loader.add_folders(&mut stat);
        stat.calendar_refused = self.calendar_refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        stat.producers = Some(self.producers.load(Ordering::Relaxed));
        stat.sources = self.sources.stat();
        stat.version = Some(barbus_version::short().to_owned());
        Some(stat)
    }

    /// What of the writer stands still: see [`Writer::stalled`].
    pub(crate) fn stalled(&self) -> Option<&'static str> {
        self.with(|writer| writer.stalled())?
    }

    /// The state of the bus in a line: the open day, bars, producers, and what needs attention.
    pub(crate) fn status_line(&self) -> Option<String> {
        let stat = self.with(Writer::stat_without_folders)?;
        let day = stat.day.map_or("no day is open".to_owned(), |day| format!("{day} is open"));
        let producers = self.producers.load(Ordering::Relaxed);
        let mut line = format!("{day}, {} bars, {producers} producers", stat.bars);
        let alarms = stat.alarms();
        if let Some(first) = alarms.first() {
            line += &format!("; {first}");
        }
        if alarms.len() > 1 {
            line += &format!(" (and {} more)", alarms.len() - 1);
        }
        Some(line)
    }

    /// Closes the open day and returns it; `Ok(None)` where no day had to be closed.
    ///
    /// # Errors
    /// `asked` is later than the open day. The text is an answer to the client.
    pub(crate) fn close_day(&self, asked: Option<Date>) -> Option<Result<Option<Date>, String>> {
        self.with(|writer| match (asked, writer.day()) {
            // An earlier day is closed already. The caller only waits for its file.
            (Some(asked), Some(open)) if asked < open => Ok(None),
            (Some(asked), Some(open)) if asked > open => Err(format!("{asked}: not the open day, which is {open}")),
            (Some(_), None) => Ok(None),
            _ => Ok(writer.close_day()),
        })
    }

    /// Begins a withdrawal of bars of `day`.
    ///
    /// # Errors
    /// `day` is the open day and not in the future. The text is an answer to the client.
    pub(crate) fn begin_withdrawal(&self, day: Date) -> Option<Result<FlushWaiter, String>> {
        self.with(|writer| writer.begin_withdrawal(day))
    }

    /// Ends it, and returns the open day.
    pub(crate) fn end_withdrawal(&self, day: Date) -> Option<Result<Option<Date>>> {
        self.with(|writer| writer.end_withdrawal(day))
    }

    /// Closes the open day if its grace period has passed.
    pub(crate) fn close_by_clock(&self, now: Timestamp) {
        self.with(|writer| writer.close_by_clock(now));
    }

    /// Makes connections end: each checks [`SharedWriter::is_shutting_down`] between two batches.
    pub(crate) fn start_shutdown(&self) {
        self.is_shutting_down.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn is_shutting_down(&self) -> bool {
        self.is_shutting_down.load(Ordering::Relaxed)
    }

    /// Drops the writer: archives the closed days, syncs the ring, releases the bus.
    ///
    /// Blocks until that is done.
    pub(crate) fn close(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(writer);
    }

    /// Works with the writer; `None` where the daemon is shutting down.
    fn with<T>(&self, work: impl FnOnce(&mut Writer) -> T) -> Option<T> {
        // Without the turn, a thread that releases the lock and takes it again would be faster than
        // one that waits for it and has to wake up.
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = self.writer.lock();
        drop(turn);
        // A poisoned lock is a bug in another thread. The writer may be inconsistent, so no thread
        // may use it; the server learns of the panic and ends the daemon.
        writer.ok()?.as_mut().map(work)
    }
}

/// Counts a producer for as long as it is held.
#[derive(Debug)]
pub(crate) struct ProducerGuard<'a>(&'a AtomicU64);

impl Drop for ProducerGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
