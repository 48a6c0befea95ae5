//! What all connections share: the one writer, behind a lock that is never held while anybody waits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use barbus::protocol::Stat;
use barbus::{Bus, Date, Result};
use barbus_writer::{BatchNormalizer, DurabilityWaiter, FlushWaiter, Ingested, NormalizedBatch, Writer};
use jiff::Timestamp;

use crate::access::Access;

/// The daemon of one bus.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) bus: Bus,
    pub(crate) intake: BatchNormalizer,
    pub(crate) waiter: FlushWaiter,
    pub(crate) access: Access,
    pub(crate) durability: DurabilityWaiter,
    /// The ring is on a file system in memory: nothing in it is durable.
    pub(crate) ring_is_volatile: bool,
    /// Streams of bars that are connected.
    pub(crate) producers: AtomicU64,
    /// `None` from the daemon's end on.
    writer: Mutex<Option<Writer>>,
    over: AtomicBool,
    warned_of_horizon: AtomicBool,
}

impl Daemon {
    pub(crate) fn new(writer: Writer, access: Access) -> Result<Self> {
        let ring_is_volatile = writer.bus().ring_is_volatile()?;
        let open = writer.day();
        let durability = writer.durability_waiter();
        let daemon = Self {
            bus: writer.bus().clone(),
            intake: writer.normalizer(),
            waiter: writer.flush_waiter(),
            access,
            durability,
            ring_is_volatile,
            producers: AtomicU64::new(0),
            writer: Mutex::new(Some(writer)),
            over: AtomicBool::new(false),
            warned_of_horizon: AtomicBool::new(false),
        };
        let calendar = &daemon.bus.settings().calendar;
        let today = Timestamp::now().to_zoned(calendar.zone().clone()).date();
        daemon.look_at_horizon(open.map_or(today, |day| day.max(today)));
        Ok(daemon)
    }

    /// Works with the writer, and says which day closed and which opened meanwhile; `None` when the daemon is ending.
    fn with<T>(&self, work: impl FnOnce(&mut Writer) -> T) -> Option<T> {
        let (before, after, result) = {
            // A thread that panicked with the writer met a bug: nobody goes on with what it left, and the server ends the daemon.
            let mut guard = self.writer.lock().ok()?;
            let writer = guard.as_mut()?;
            let before = writer.day();
            let result = work(writer);
            (before, writer.day(), result)
        };
        if before != after {
            if let Some(day) = before {
                tracing::info!(%day, "trading day closed");
            }
            if let Some(day) = after {
                tracing::info!(%day, "trading day open");
                self.look_at_horizon(day);
            }
        }
        Some(result)
    }

    /// Has the rows of a batch taken from `from` on, as many as there is room for.
    pub(crate) fn take(&self, incoming: &NormalizedBatch, from: usize) -> Option<Result<Ingested>> {
        self.with(|writer| writer.ingest(incoming, from))
    }

    /// How the bus is.
    pub(crate) fn stat(&self, now: Timestamp) -> Option<Stat> {
        let stat = self.with(|writer| writer.stat(now))?;
        Some(Stat { producers: Some(self.producers.load(Ordering::Relaxed)), ..stat })
    }

    /// Closes the open day, which must be `asked` or an earlier one's successor: the day that was closed by this. `Err` says why not.
    pub(crate) fn close_day(&self, asked: Option<Date>) -> Option<Result<Option<Date>, String>> {
        self.with(|writer| match (asked, writer.day()) {
            // Closed before: there is only its file to wait for.
            (Some(asked), Some(open)) if asked < open => Ok(None),
            (Some(asked), Some(open)) if asked > open => Err(format!("{asked}: not the open day, which is {open}")),
            (Some(_), None) => Ok(None),
            _ => Ok(writer.close_day()),
        })
    }

    /// Closes the open day where its time has come.
    pub(crate) fn close_by_clock(&self, now: Timestamp) {
        self.with(|writer| writer.close_by_clock(now));
    }

    /// Longest body of a message, bytes.
    pub(crate) fn max_message_bytes(&self) -> u64 {
        self.bus.settings().max_message_bytes
    }

    /// Warns, once, where the calendar does not know the holidays of `day`.
    fn look_at_horizon(&self, day: Date) {
        let calendar = &self.bus.settings().calendar;
        if let Some(horizon) = calendar.horizon().filter(|&horizon| day > horizon)
            && !self.warned_of_horizon.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                %day, %horizon,
                "calendar {} knows holidays up to {horizon} only: {day} and later weekdays are taken for trading days",
                calendar.name()
            );
        }
    }

    /// Has connections end, each when it looks next.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether the daemon is ending.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Takes the writer away, after whoever has it now.
    pub(crate) fn retire(&self) -> Option<Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
