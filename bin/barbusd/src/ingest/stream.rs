//! A producer's stream: batches are cast, taken by the writer, and acknowledged.
//!
//! Where the ring is full the producer waits, and with it only what it sends: back-pressure is the socket's.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use barbus::protocol::{ACK, AckMode};
use barbus_writer::{BatchNormalizer, Ingested, NormalizedBatch};

use crate::ingest::acks::Acks;
use crate::ingest::connection::{End, LINGER, Peer, Reader};
use crate::shared_writer::Daemon;
use crate::ingest::decoder::Decoder;
use crate::ingest::framing::Messages;

/// Most rows that are taken at once: nobody holds the writer for long.
const PIECE: usize = 65_536;
/// The pause of a producer before a full ring.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// Counts a producer for as long as it lives.
struct Counted<'a>(&'a AtomicU64);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Takes a stream to its end.
pub(crate) fn take(reader: &mut Reader<'_>, stream: &Arc<UnixStream>, peer: Peer, daemon: &Daemon) -> Result<(), End> {
    let _counted = Counted::new(&daemon.producers);
    let source = peer.to_string();
    tracing::debug!(%peer, "producer connected");
    let mut sum = Ingested::default();
    let mut acks = Acks::new(stream);
    let end = take_batches(reader, &source, daemon, &mut sum, &mut acks);
    tracing::debug!(%peer, rows = sum.ack.rows, "producer done");
    match end {
        Ok(()) => {
            acks.send(sum.ack, sum.through_seq)?;
            acks.finish()
        }
        Err(End::Refused(why)) => {
            // The batches before are acknowledged first.
            acks.finish_swallowing(Instant::now() + LINGER)?;
            Err(End::Refused(why))
        }
        Err(End::Gone) => Err(End::Gone),
    }
}

fn take_batches(
    reader: &mut Reader<'_>,
    source: &str,
    daemon: &Daemon,
    sum: &mut Ingested,
    acks: &mut Acks<'_>,
) -> Result<(), End> {
    let mut decoder = Decoder::new();
    let mut intake = daemon.intake.clone();
    let mut mode = None;
    let messages = Messages::new(daemon.max_message_bytes());
    loop {
        let message = messages.read(reader)?;
        // What was taken is acknowledged before the end is looked at.
        if daemon.is_over() {
            return Err(End::Gone);
        }
        let Some(message) = message else { return Ok(()) };
        let Some(batch) = decoder.decode(message).map_err(End::Refused)? else { continue };
        if mode.is_none() {
            // A stream has one schema.
            let asked = ack_mode(&batch, daemon)?;
            if asked == AckMode::Durable {
                acks.wait_for_disk(daemon.durability.clone())?;
            }
            mode = Some(asked);
        }
        let (begun, rows) = (sum.ack.rows, batch.num_rows());
        if (1..=PIECE).contains(&rows) {
            take_piece(daemon, &mut intake, batch, source, begun, sum)?;
        } else {
            for first in (0..rows).step_by(PIECE) {
                let piece = batch.slice(first, PIECE.min(rows - first));
                take_piece(daemon, &mut intake, piece, source, begun + first as u64, sum)?;
            }
        }
        acks.send(sum.ack, sum.through_seq)?;
    }
}

/// When the rows of a stream are acknowledged, by its schema's metadata or else by `bus.toml`.
fn ack_mode(batch: &RecordBatch, daemon: &Daemon) -> Result<AckMode, End> {
    let schema = batch.schema();
    let Some(asked) = schema.metadata().get(ACK) else { return Ok(daemon.bus.settings().ack) };
    let refused = |why: String| End::Refused(format!("schema metadata {ACK}: {why}"));
    let mode = asked.parse().map_err(refused)?;
    if mode == AckMode::Durable && daemon.ring_is_volatile {
        let ring = daemon.bus.ring();
        return Err(refused(format!(
            "the ring {} is on tmpfs and does not survive a loss of power: nothing in it is durable",
            ring.display()
        )));
    }
    Ok(mode)
}

/// Has all of `piece` taken, however long that needs.
fn take_piece(
    daemon: &Daemon,
    intake: &mut BatchNormalizer,
    piece: RecordBatch,
    source: &str,
    first_row: u64,
    sum: &mut Ingested,
) -> Result<(), End> {
    let incoming = intake.normalize(piece, source, first_row);
    let incoming = incoming.map_err(|error| End::Refused(error.to_string()))?;
    take_all(daemon, &incoming, sum)
}

/// Has the rows taken, however long that needs.
fn take_all(daemon: &Daemon, incoming: &NormalizedBatch, sum: &mut Ingested) -> Result<(), End> {
    let mut next = 0;
    while next < incoming.rows() {
        let taken = daemon.take(incoming, next).ok_or(End::Gone)?;
        let taken = taken.map_err(|error| End::Refused(error.to_string()))?;
        sum.ack += taken.ack;
        sum.through_seq = sum.through_seq.max(taken.through_seq);
        next = taken.next;
        if next < incoming.rows() {
            if daemon.is_over() {
                return Err(End::Gone);
            }
            std::thread::sleep(FULL_PAUSE);
        }
    }
    Ok(())
}
