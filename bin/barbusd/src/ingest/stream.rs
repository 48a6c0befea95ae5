//! Ingests a producer's stream: normalizes its batches, appends them to the bus, acknowledges them.
//!
//! Where the ring is full, the producer's thread waits and reads nothing more from its socket.
//! The socket fills up, and the producer blocks: other producers are not affected.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use barbus::protocol::{ACK, Ack, AckMode};
use barbus_writer::{BatchNormalizer, Conflicts, NormalizedBatch, Quarantine, Wait};

use crate::ingest::acks::Acks;
use crate::ingest::batch_reader::{BatchReader, ReceivedBatch};
use crate::ingest::message_memory::MessageMemory;
use crate::peer::{End, Peer, REJECT_GRACE};
use crate::peer_reader::{PeerReader, await_message};
use crate::shared_writer::SharedWriter;
use crate::sources::CountedSource;
use crate::watermarks::ProducerWatermark;

/// Most rows that are normalized at once: more would take more memory.
const MAX_PIECE_ROWS: usize = 65_536;
/// The pause before the next try to append to a full ring.
const FULL_RING_PAUSE: Duration = Duration::from_millis(5);

/// Ingests a stream to its end.
pub(crate) fn ingest(
    reader: &mut PeerReader<'_>,
    socket: &Arc<UnixStream>,
    peer: Peer,
    writer: &SharedWriter,
) -> Result<(), End> {
    let _counted = writer.count_producer();
    tracing::debug!(%peer, "producer connected");
    let mut acks = Acks::new(socket);
    let mut stream = ProducerStream {
        writer,
        peer,
        source: peer.to_string(),
        counted: None,
        watermark: writer.watermarks().of_producer(),
        normalizer: writer.normalizer_of(peer),
        quarantine: writer.quarantine_of(peer),
        conflicts: writer.conflicts_of(peer),
        ack_mode: None,
        total: Ack::default(),
        through_seq: 0,
    };
    let memory = MessageMemory::new(writer.memory_of(peer));
    let end = stream.ingest_batches(reader, &mut acks, memory);
    let (total, through_seq) = (stream.total, stream.through_seq);
    tracing::debug!(%peer, rows = total.rows, "producer disconnected");
    match end {
        Ok(()) => {
            acks.send(total, through_seq)?;
            acks.finish()
        }
        Err(End::Rejected(why)) => {
            // The batches before the faulty one are acknowledged before the error is sent.
            acks.finish_draining(Instant::now() + REJECT_GRACE)?;
            Err(End::Rejected(why))
        }
        Err(End::Disconnected) => Err(End::Disconnected),
    }
}

/// A stream of bars, and the counts of its processed rows.
struct ProducerStream<'a> {
    writer: &'a SharedWriter,
    peer: Peer,
    /// Names the producer in the quarantine.
    source: String,
    /// `None` before the first batch, which states the source.
    counted: Option<CountedSource>,
    watermark: ProducerWatermark<'a>,
    normalizer: BatchNormalizer,
    quarantine: Quarantine,
    conflicts: Conflicts,
    /// `None` before the first batch.
    ack_mode: Option<AckMode>,
    total: Ack,
    /// Every processed row has a sequence number below this one.
    through_seq: u64,
}

impl ProducerStream<'_> {
    fn ingest_batches(
        &mut self,
        reader: &mut PeerReader<'_>,
        acks: &mut Acks<'_>,
        memory: MessageMemory,
    ) -> Result<(), End> {
        let mut batches = BatchReader::within(reader, self.writer.max_message_bytes(), memory);
        loop {
            await_message(batches.reader());
            let received = batches.read_batch()?;
            if self.writer.is_shutting_down() {
                return Err(End::Disconnected);
            }
            let Some(ReceivedBatch { batch, done_ms }) = received else { return Ok(()) };
            self.set_ack_mode(&batch, acks)?;
            self.append(batch)?;
            batches.release_body();
            if let Some(frame_ms) = done_ms {
                let done = self.writer.done(&self.watermark, frame_ms).ok_or(End::Disconnected)?;
                done.map_err(|error| End::Rejected(error.to_string()))?;
            }
            acks.send(self.total, self.through_seq)?;
        }
    }

    /// Sets the acknowledgement mode from the first batch: a stream has one schema.
    fn set_ack_mode(&mut self, batch: &RecordBatch, acks: &mut Acks<'_>) -> Result<(), End> {
        if self.ack_mode.is_none() {
            let mode = self.writer.ack_mode(batch.schema_ref().metadata().get(ACK)).map_err(End::Rejected)?;
            if mode == AckMode::Durable {
                acks.wait_for_disk(self.writer.durability_waiter())?;
            }
            self.ack_mode = Some(mode);
        }
        Ok(())
    }

    /// Appends a batch in pieces, and waits for room where the ring is full.
    fn append(&mut self, batch: RecordBatch) -> Result<(), End> {
        let rows = batch.num_rows();
        if (1..=MAX_PIECE_ROWS).contains(&rows) {
            return self.append_piece(batch);
        }
        for first in (0..rows).step_by(MAX_PIECE_ROWS) {
            self.append_piece(batch.slice(first, MAX_PIECE_ROWS.min(rows - first)))?;
        }
        Ok(())
    }

    fn append_piece(&mut self, piece: RecordBatch) -> Result<(), End> {
        let batch = self.normalizer.normalize(piece, &self.source, self.total.rows);
        let batch = batch.map_err(|error| End::Rejected(error.to_string()))?;
        let before = self.total;
        let appended = self.append_rows(&batch);
        let stated = self.normalizer.stated_source();
        let counted = self.counted.get_or_insert_with(|| self.writer.sources().of_stream(stated, self.peer));
        counted.add(self.total.since(before), batch.newest_frame_ms());
        appended
    }

    fn append_rows(&mut self, batch: &NormalizedBatch) -> Result<(), End> {
        let (mut next, mut rejected, mut conflicts) = (0, Vec::new(), Vec::new());
        // Since when the next row has waited for room in the ring.
        let mut full_since: Option<Instant> = None;
        while next < batch.rows() {
            let ingested = self.writer.ingest(batch, next).ok_or(End::Disconnected)?;
            let ingested = ingested.map_err(|error| End::Rejected(error.to_string()))?;
            self.total += ingested.ack;
            self.through_seq = self.through_seq.max(ingested.through_seq);
            if ingested.next > next {
                self.end_wait(full_since.take());
            }
            next = ingested.next;
            rejected.extend(ingested.rejected);
            conflicts.extend(ingested.conflicts);
            if next < batch.rows() && self.writer.is_shutting_down() {
                return Err(End::Disconnected);
            }
            match ingested.wait {
                Some(Wait::Space) => {
                    full_since.get_or_insert_with(Instant::now);
                    std::thread::sleep(FULL_RING_PAUSE);
                }
                Some(Wait::Day(day)) => self.writer.load_day(day).ok_or(End::Disconnected)?,
                None => {}
            }
        }
        self.end_wait(full_since);
        // Without the writer: other producers do not wait while rows are formatted and synced.
        self.total += self.quarantine.store(batch, 0..batch.rows(), &rejected);
        self.conflicts.store(batch, &conflicts);
        Ok(())
    }

    /// Counts a wait for room in the ring, which the acknowledgement shows.
    fn end_wait(&mut self, since: Option<Instant>) {
        self.total.waited_ms += since.map_or(0, |since| since.elapsed().as_millis() as u64);
    }
}
