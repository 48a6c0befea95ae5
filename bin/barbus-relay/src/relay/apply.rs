//! Publishes what messages say to the bus, exactly once.
//!
//! The daemon ignores a bar that it has with the same values. So bars may be sent again, as long
//! as none is sent after a later revision of it. Three rules give that:
//! - Messages are applied in the order of the stream, and none again that is known to be applied.
//! - Before a message is sent, the position file says that it may be.
//! - After a crash of the relay or of the daemon, the messages in doubt are sent together, each bar
//!   with its last values only.

use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use async_nats::Subject;
use barbus::{Bus, Reader};
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, UnboundedSender};

use super::backoff::Pause;
use super::daemon::Daemon;
use super::doubt::settle;
use super::failure::{Outcome, retry};
use super::folder::boot_id;
use super::incoming::{Incoming, Item, Understanding};
use super::position_file::{Place, PositionFile};
use super::shared::Shared;

/// Most messages that are applied together, if no more are in doubt.
const MOST_AT_ONCE: usize = 256;
/// The position file states this many messages as being applied before they are: one sync of the
/// file serves all of them.
const RESERVE: u64 = 256;
/// How often the position is written.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// Applies messages to the bus.
#[derive(Debug)]
pub(crate) struct Applier {
    bus: Bus,
    stream: String,
    schema: SchemaRef,
    shared: Shared,
    file: PositionFile,
    understanding: Understanding,
    daemon: Option<Daemon>,
    /// The bars and events that are not published yet.
    items: Vec<Item>,
    /// The messages through this number are in doubt: they are published together.
    doubt: u64,
    is_volatile: bool,
    /// A position, and how many syncs the daemon had made when it was reached.
    unsynced: Option<(Place, u64)>,
    saved: Instant,
    /// Whether the ring was made anew while messages were applied: the position may be ahead of it.
    is_ring_new: bool,
}

impl Applier {
    /// For a bus whose daemon runs.
    ///
    /// # Errors
    /// No daemon runs, or its ring cannot be read.
    pub(crate) fn new(
        bus: Bus,
        stream: &str,
        schema: SchemaRef,
        shared: Shared,
        file: PositionFile,
    ) -> anyhow::Result<Self> {
        let daemon = Daemon::connect(&bus, &source_name(stream), &shared, file.positions.done_ms)?;
        let is_volatile = bus.ring_is_volatile()?;
        let understanding = Understanding::new(stream, schema.clone(), None);
        Ok(Self {
            bus,
            stream: stream.to_owned(),
            schema,
            shared,
            file,
            understanding,
            daemon: Some(daemon),
            items: Vec::new(),
            doubt: 0,
            is_volatile,
            unsynced: None,
            saved: Instant::now(),
            is_ring_new: false,
        })
    }

    /// Prepares for messages of a stream that was made at `created` and whose last message of the
    /// source is `last`. Returns the number of the first message that is needed.
    pub(crate) fn begin(&mut self, created: &str, last: u64) -> anyhow::Result<u64> {
        self.is_ring_new = false;
        self.go_back_if_lost()?;
        let positions = &mut self.file.positions;
        let is_other = positions.stream_created != created;
        if is_other || positions.applied.as_ref().is_some_and(|applied| applied.message > last) {
            // The stream was made anew, or has lost its end: its messages have other numbers.
            let places = [&mut positions.applied, &mut positions.safe];
            places.into_iter().flatten().for_each(|place| place.message = 0);
            positions.reserved = 0;
            positions.stream_created = created.to_owned();
        }
        let applied = positions.applied.as_ref().map_or(0, |applied| applied.message);
        self.doubt = positions.reserved.min(last);
        self.items.clear();
        self.unsynced = None;
        self.understanding = Understanding::new(&self.stream, self.schema.clone(), positions.applied.as_ref());
        self.save()?;
        Ok(applied + 1)
    }

    /// Goes back to the safe position if the ring is another one, or the machine was started again.
    fn go_back_if_lost(&mut self) -> anyhow::Result<()> {
        let lineage = Reader::open(self.bus.path())?.anonymous().lineage();
        let boot = boot_id();
        let positions = &mut self.file.positions;
        if positions.own_lineage == lineage && positions.boot == boot {
            return Ok(());
        }
        if positions.own_lineage != 0 {
            let archive = self.bus.open_archive();
            if positions.own_lineage != lineage && archive.days_with_bars()?.is_empty() {
                tracing::info!("the bus was emptied: it gets the stream from its oldest message on");
                (positions.safe, positions.reserved) = (None, 0);
            }
            positions.applied = positions.safe.clone();
        }
        (positions.own_lineage, positions.boot) = (lineage, boot);
        Ok(())
    }

    /// Applies messages until there are no more. Replies to the last message of each group that was
    /// applied go to `acks`.
    pub(crate) fn run(
        &mut self,
        runtime: &Handle,
        mut messages: Receiver<Incoming>,
        acks: &UnboundedSender<Subject>,
    ) -> Outcome<()> {
        loop {
            let next = async { tokio::time::timeout(SAVE_INTERVAL, messages.recv()).await };
            match runtime.block_on(next) {
                Ok(None) => return Ok(self.save()?),
                Err(_) => {}
                Ok(Some(message)) => {
                    let mut group = vec![message];
                    while group.len() < MOST_AT_ONCE {
                        let Ok(message) = messages.try_recv() else { break };
                        group.push(message);
                    }
                    if let Some(reply) = self.apply(group)? {
                        let _ = acks.send(reply);
                    }
                }
            }
            if self.saved.elapsed() >= SAVE_INTERVAL {
                self.find_safe_place();
                self.save()?;
            }
        }
    }

    /// Applies a group of messages. Returns where the last one that was applied is acknowledged.
    fn apply(&mut self, group: Vec<Incoming>) -> Outcome<Option<Subject>> {
        let mut through = None;
        for message in &group {
            self.understanding.add(message, &mut self.items)?;
            if !self.understanding.is_open() {
                through = Some((message, self.understanding.place(message.number)));
            }
        }
        self.count(&group);
        let Some((last, place)) = through.filter(|(last, _)| last.number >= self.doubt) else { return Ok(None) };
        if self.file.positions.reserved < last.number {
            self.file.positions.reserved = last.number + RESERVE;
            self.save()?;
        }
        self.publish()?;
        self.doubt = 0;
        if place.is_some() {
            self.file.positions.applied = place;
        }
        let lag_s = match last.pending {
            0 => 0.0,
            _ => Timestamp::now().duration_since(last.published).as_secs_f64().max(0.0),
        };
        self.shared.update(|stat| {
            stat.lag_messages = Some(last.pending);
            stat.lag_s = Some(lag_s);
        });
        Ok(last.reply.clone())
    }

    fn count(&mut self, group: &[Incoming]) {
        let counts = std::mem::take(&mut self.understanding.counts);
        self.shared.update(|stat| {
            stat.messages += group.len() as u64;
            stat.bytes += group.iter().map(|message| message.bytes as u64).sum::<u64>();
            stat.bars += counts.bars;
            stat.missed += counts.missed;
            stat.foreign += counts.foreign;
            stat.next_seq = stat.next_seq.max(counts.next_seq);
        });
    }

    /// Publishes all items; tries until it succeeds or the relay ends.
    fn publish(&mut self) -> Outcome<()> {
        if self.items.is_empty() {
            return Ok(());
        }
        let mut is_in_doubt = self.doubt > 0;
        let mut pause = Pause::default();
        loop {
            if std::mem::take(&mut is_in_doubt) {
                settle(&mut self.items, &self.bus.settings().calendar)?;
            }
            let failure = match self.try_publish() {
                Ok(()) => {
                    self.items.clear();
                    return Ok(());
                }
                Err(failure) => failure,
            };
            // The daemon may have committed some of the bars.
            (self.daemon, is_in_doubt) = (None, true);
            if self.shared.is_stopping() || self.is_ring_new {
                return Err(failure);
            }
            let wait = pause.next();
            self.shared.complain(&failure.to_string(), "the bars are sent again");
            std::thread::sleep(wait);
        }
    }

    fn try_publish(&mut self) -> Outcome<()> {
        if self.daemon.is_none() {
            let daemon =
                Daemon::connect(&self.bus, &source_name(&self.stream), &self.shared, self.file.positions.done_ms)?;
            let lineage = Reader::open(self.bus.path())?.anonymous().lineage();
            self.is_ring_new = lineage != self.file.positions.own_lineage;
            if self.is_ring_new {
                return retry("the ring of the bus was made anew".to_owned());
            }
            self.daemon = Some(daemon);
        }
        let daemon = self.daemon.as_mut().expect("it is connected");
        let ack = daemon.publish(&self.items)?;
        self.file.positions.done_ms = daemon.done_ms;
        let rejected = ack.quarantined + ack.refused;
        if rejected > 0 {
            tracing::warn!(rejected, "the bus has rejected bars: see barbus stat, and its quarantine for the reasons");
        }
        self.shared.update(|stat| {
            stat.duplicates += ack.duplicate;
            stat.conflicts += ack.conflict;
            stat.rejected += rejected;
        });
        Ok(())
    }

    /// Moves the safe place: what was applied before two syncs that the daemon has ended since.
    fn find_safe_place(&mut self) {
        let Some(applied) = self.file.positions.applied.clone() else { return };
        if self.file.positions.safe.as_ref() == Some(&applied) {
            return;
        }
        let Ok(stat) = barbus::stat(&self.bus) else { return };
        let tasks = if self.is_volatile { stat.flushes } else { stat.syncs };
        let Some(syncs) = tasks.map(|tasks| tasks.done) else { return };
        match &self.unsynced {
            Some((place, before)) if syncs >= before + 2 => {
                self.file.positions.safe = Some(place.clone());
                self.unsynced = Some((applied, syncs));
            }
            // A daemon that was started again counts from 0.
            Some((_, before)) if syncs >= *before => {}
            _ => self.unsynced = Some((applied, syncs)),
        }
    }

    fn save(&mut self) -> anyhow::Result<()> {
        self.saved = Instant::now();
        self.file.save()
    }
}

/// The name by which the quarantine and the counters of the daemon know the relay.
fn source_name(stream: &str) -> String {
    format!("relay {stream}")
}
