//! `Publisher`: sends batches of bars to the daemon, and collects the acknowledgements.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::ack::{Ack, AckMode};
use crate::bus::Bus;
use crate::connecting::{ConnectOptions, await_daemon};
use crate::done_message::done_message;
use crate::error::{Error, Result};
use crate::ingest_stream::{IngestStream, StreamError};
use crate::protocol::Answer;

/// Most batches in flight: sent before the first of them is acknowledged.
const MAX_IN_FLIGHT: usize = 8;
/// Pause between two attempts to reconnect.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);
/// The shortest time that a daemon has to answer while the publisher reconnects, unless its time
/// limit is shorter.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(1);

/// A producer's connection to the daemon: it sends batches of bars, and receives acknowledgements.
///
/// A batch may have any columns that can be cast to bars. Batches with different schemas may follow
/// each other. An acknowledged bar is committed. Sending a batch again after a failure does no
/// harm: the bars that were committed are duplicates.
///
/// ```no_run
/// # use arrow::array::RecordBatch;
/// # fn batch() -> RecordBatch { unimplemented!() }
/// use std::time::Duration;
/// use barbus::{Bus, Publisher};
///
/// let bus = Bus::open("/var/lib/barbus/ashare")?;
/// let mut publisher = Publisher::connect(&bus)?.source("my feed").reconnect_for(Duration::from_secs(30));
/// let ack = publisher.send(&batch())?;
/// println!("{} new, {} duplicate, {} invalid", ack.accepted, ack.duplicate, ack.quarantined);
/// # Ok::<(), barbus::Error>(())
/// ```
#[derive(Debug)]
pub struct Publisher {
    bus: Bus,
    source: Option<String>,
    ack_mode: Option<AckMode>,
    reconnect_for: Duration,
    /// How long the daemon may be silent.
    timeout: Duration,
    /// When the connection broke, until a row is acknowledged again.
    failing_since: Option<Instant>,
    stream: Option<IngestStream>,
    /// Not acknowledged, in order: first those in flight on `stream`, then those that are not sent
    /// on it.
    unacknowledged: VecDeque<Unacknowledged>,
    /// The newest minute that is done, as far as everything before it is acknowledged.
    done_ms: Option<i64>,
    /// The schema of the last batch.
    schema: Option<SchemaRef>,
    /// Acknowledged on streams that have ended.
    acked_before: Ack,
    /// Acknowledged on `stream`.
    acked_here: Ack,
}

/// What was sent or is to be sent, and is not acknowledged.
#[derive(Debug, Clone)]
struct Unacknowledged {
    /// Without rows for a statement that a minute is done.
    batch: RecordBatch,
    /// The end of the minute that is done, and the encoded statement.
    done: Option<(i64, Vec<u8>)>,
}

impl Publisher {
    /// Connects to the daemon of `bus`, and waits up to ten seconds for one that is starting.
    ///
    /// # Errors
    /// As [`Publisher::connect_with`].
    pub fn connect(bus: &Bus) -> Result<Self> {
        Self::connect_with(bus, ConnectOptions::default())
    }

    /// Connects to the daemon of `bus`, and waits for it as `options` state.
    ///
    /// # Errors
    /// [`Error::NoDaemon`] if no daemon runs, [`Error::Unresponsive`] if it is stopped or hung and
    /// accepts no connection.
    pub fn connect_with(bus: &Bus, options: ConnectOptions) -> Result<Self> {
        // The stream is opened with the schema of the first batch. This finds a missing daemon
        // early.
        await_daemon(bus, options)?;
        Ok(Self {
            bus: bus.clone(),
            source: None,
            ack_mode: None,
            reconnect_for: Duration::ZERO,
            timeout: options.timeout,
            failing_since: None,
            stream: None,
            unacknowledged: VecDeque::new(),
            done_ms: None,
            schema: None,
            acked_before: Ack::default(),
            acked_here: Ack::default(),
        })
    }

    /// Names the source of the bars. The quarantine keeps the name with each row, and
    /// `sources.priority` in `bus.toml` may give it a priority.
    pub fn source(mut self, name: impl Into<String>) -> Self {
        self.source = Some(name.into());
        self
    }

    /// Sets when batches are acknowledged; without it, `ingest.ack` in `bus.toml` decides.
    pub fn ack_mode(mut self, mode: AckMode) -> Self {
        self.ack_mode = Some(mode);
        self
    }

    /// If the connection breaks, tries to reconnect for at most `duration` before it fails. Batches
    /// that were not acknowledged are then sent again. Without it, the first failure is final.
    pub fn reconnect_for(mut self, duration: Duration) -> Self {
        self.reconnect_for = duration;
        self
    }

    /// Sends a batch without waiting for its acknowledgement. It waits only while eight batches are
    /// in flight.
    ///
    /// # Errors
    /// As [`Publisher::send`]; the failed batch may be an earlier one.
    pub fn queue(&mut self, batch: &RecordBatch) -> Result<()> {
        self.add(batch);
        self.drain_to(MAX_IN_FLIGHT)
    }

    fn add(&mut self, batch: &RecordBatch) {
        self.schema = Some(batch.schema());
        self.unacknowledged.push_back(Unacknowledged { batch: batch.clone(), done: None });
    }

    /// States that no more bars follow of the minute that ends at `frame_ms` (milliseconds UTC) and
    /// of those before it: readers with [`Reader::minutes`](crate::Reader::minutes) need not wait
    /// for the symbols that have no bar. Bars that follow all the same are late.
    ///
    /// `frame_ms` is the end of the minute also if the producer labels its bars by their start. If
    /// several producers state it, readers go by the one that is behind the others; a bus has such
    /// producers only, or none. It is sent after all batches before it and not waited for, as by
    /// [`Publisher::queue`]. If it is lost with the connection, readers wait for their grace
    /// period.
    ///
    /// ```no_run
    /// # use barbus::{Bus, Publisher};
    /// # fn bars_of_the_minute() -> arrow::array::RecordBatch { unimplemented!() }
    /// # use barbus::arrow;
    /// let mut publisher = Publisher::connect(&Bus::open("BUS")?)?;
    /// publisher.send(&bars_of_the_minute())?;
    /// publisher.done(1_720_056_660_000)?; // 2024-07-04 09:31 in Shanghai
    /// # Ok::<(), barbus::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Publisher::send`]. The daemon rejects a minute of the future, which a later call
    /// returns.
    pub fn done(&mut self, frame_ms: i64) -> Result<()> {
        // Without a batch before, any schema will do.
        let schema = self.schema.get_or_insert_with(|| self.bus.settings().schema.wire_schema());
        let message = done_message(schema, frame_ms).map_err(|error| {
            let what = format!("cannot encode a message: {error}");
            Error::Protocol { bus: self.bus.path().to_owned(), what }
        })?;
        let batch = RecordBatch::new_empty(schema.clone());
        self.unacknowledged.push_back(Unacknowledged { batch, done: Some((frame_ms, message)) });
        self.drain_to(MAX_IN_FLIGHT)
    }

    /// Sends a batch and waits for its acknowledgement, which counts the outcomes of its rows.
    ///
    /// It waits as long as the daemon lives: the ring may be full, or the disk slow.
    ///
    /// # Errors
    /// [`Error::Refused`] if the daemon rejects the stream or the batch, [`Error::Protocol`] if the
    /// connection broke and could not be restored in time, [`Error::Unresponsive`] if the daemon is
    /// silent for the time limit of [`ConnectOptions`].
    pub fn send(&mut self, batch: &RecordBatch) -> Result<Ack> {
        self.drain_to(0)?;
        let before = self.acked();
        self.add(batch);
        self.drain_to(0)?;
        Ok(self.acked().since(before))
    }

    /// Waits until everything that was queued is acknowledged.
    ///
    /// # Errors
    /// As [`Publisher::send`].
    pub fn flush(&mut self) -> Result<()> {
        self.drain_to(0)
    }

    /// The sum of all acknowledgements so far.
    pub fn acked(&self) -> Ack {
        let mut sum = self.acked_before;
        sum += self.acked_here;
        sum
    }

    /// Waits until all batches are acknowledged, and returns the sum of all acknowledgements.
    ///
    /// # Errors
    /// As [`Publisher::send`].
    pub fn finish(mut self) -> Result<Ack> {
        self.drain_to(0)?;
        if let Some(mut stream) = self.stream.take() {
            stream.finish();
        }
        Ok(self.acked())
    }

    /// Sends the batches that are not sent, and waits until at most `max_in_flight` batches are not
    /// acknowledged. It reconnects as often as needed; the time limit starts again with each
    /// acknowledged row.
    fn drain_to(&mut self, max_in_flight: usize) -> Result<()> {
        self.failing_since = None;
        loop {
            let rows_before = self.acked().rows;
            match self.try_drain_to(max_in_flight) {
                Ok(()) => return Ok(()),
                Err(StreamError::Final(error)) => return Err(error),
                Err(StreamError::Disconnected(why)) => {
                    let silence = self.stream.as_ref().and_then(|stream| stream.silence(&self.bus));
                    self.end_stream();
                    if let Some(error) = silence {
                        return Err(error);
                    }
                    if self.acked().rows > rows_before {
                        self.failing_since = None;
                    }
                    let since = *self.failing_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= self.reconnect_for {
                        let what = format!("the connection to the daemon broke: {why}");
                        return Err(Error::Protocol { bus: self.bus.path().to_owned(), what });
                    }
                    std::thread::sleep(RECONNECT_PAUSE);
                }
            }
        }
    }

    fn end_stream(&mut self) {
        self.stream = None;
        self.acked_before = self.acked();
        self.acked_here = Ack::default();
    }

    /// As [`Publisher::drain_to`], without reconnecting.
    fn try_drain_to(&mut self, max_in_flight: usize) -> Result<(), StreamError> {
        loop {
            let in_flight = self.stream.as_ref().map_or(0, |stream| stream.in_flight);
            if in_flight > max_in_flight {
                self.receive()?;
                continue;
            }
            let Some(next) = self.unacknowledged.get(in_flight).cloned() else { return Ok(()) };
            match &mut self.stream {
                Some(stream) if stream.accepts(&next.batch.schema()) => {}
                // A stream has one schema: this one must be acknowledged and ended before the next
                // is opened.
                Some(_) if in_flight > 0 => {
                    self.receive()?;
                    continue;
                }
                Some(stream) => {
                    stream.finish();
                    self.end_stream();
                    continue;
                }
                none => {
                    let patience = patience(self.failing_since, self.reconnect_for, self.timeout);
                    let source = self.source.as_deref();
                    let schema = next.batch.schema();
                    let stream =
                        none.insert(IngestStream::open(&self.bus, schema.clone(), source, self.ack_mode, patience)?);
                    // The daemon knows this producer by its connection.
                    if let Some(message) = self.done_ms.and_then(|frame_ms| done_message(&schema, frame_ms).ok()) {
                        stream.repeat_done(&message).map_err(StreamError::Disconnected)?;
                    }
                }
            }
            let stream = self.stream.as_mut().expect("it is open");
            let sent = match &next.done {
                Some((_, message)) => stream.send_encoded(message),
                None => stream.send(&next.batch),
            };
            if let Err(why) = sent {
                return Err(self.after_failed_send(why));
            }
        }
    }

    /// Reads one answer. An acknowledgement is cumulative: it covers one batch or several.
    fn receive(&mut self) -> Result<(), StreamError> {
        let stream = self.stream.as_mut().expect("a batch is in flight");
        match stream.answer() {
            Ok(Answer::Ack(ack)) => {
                self.acked_here = ack;
                while stream.in_flight > 0 {
                    let Some(oldest) = self.unacknowledged.front() else { break };
                    let end = stream.acked_rows + oldest.batch.num_rows() as u64;
                    if end > ack.rows {
                        break;
                    }
                    stream.acked_rows = end;
                    stream.in_flight -= 1;
                    let acknowledged = self.unacknowledged.pop_front().and_then(|oldest| oldest.done);
                    self.done_ms = self.done_ms.max(acknowledged.map(|(frame_ms, _)| frame_ms));
                }
                Ok(())
            }
            Ok(Answer::Error { error }) => Err(self.rejected(error)),
            Err(why) => Err(StreamError::Disconnected(why)),
        }
    }

    /// A send failed because the daemon hung up. Its last answer may have the reason.
    fn after_failed_send(&mut self, why: String) -> StreamError {
        while self.stream.as_ref().is_some_and(|stream| stream.in_flight > 0) {
            if let Err(error) = self.receive() {
                return error;
            }
        }
        match self.stream.as_mut().map(IngestStream::answer) {
            Some(Ok(Answer::Error { error })) => self.rejected(error),
            _ => StreamError::Disconnected(why),
        }
    }

    fn rejected(&self, why: String) -> StreamError {
        StreamError::Final(Error::Refused { bus: self.bus.path().to_owned(), why })
    }
}

/// How long the daemon may be silent, `timeout` at most: while the publisher reconnects, no longer
/// than it may.
fn patience(failing_since: Option<Instant>, reconnect_for: Duration, timeout: Duration) -> Duration {
    let left = failing_since.map_or(timeout, |since| reconnect_for.saturating_sub(since.elapsed()));
    left.max(SHORTEST_PATIENCE).min(timeout)
}
