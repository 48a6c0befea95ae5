use std::collections::VecDeque;
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::writer::StreamWriter;

use crate::protocol::{ACK, Ack, AckMode, Answer, DayClose, Request, SOURCE, Stat};
use crate::{Bus, Date, Error, Result};

/// Batches sent ahead of their acknowledgement.
const WINDOW: usize = 8;
/// Pause between tries to connect again.
const RETRY: Duration = Duration::from_millis(50);

/// A producer's connection to the daemon: batches of bars go in, acknowledgements come back.
///
/// A batch may have any columns that can be cast to bars; batches of different schemas may follow each other. What is acknowledged is
/// committed. Sending again after a failure is harmless: what was committed is a duplicate.
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
/// println!("{} new, {} known, {} refused", ack.accepted, ack.duplicate, ack.quarantined);
/// # Ok::<(), barbus::Error>(())
/// ```
#[derive(Debug)]
pub struct Publisher {
    bus: Bus,
    source: Option<String>,
    ack_mode: Option<AckMode>,
    reconnect_for: Duration,
    stream: Option<Stream>,
    /// Sent on no stream yet, or on one that broke before it was acknowledged.
    unacknowledged: VecDeque<RecordBatch>,
    /// Acknowledged on streams that are over.
    before: Ack,
    /// Acknowledged on the stream that is open.
    here: Ack,
}

struct Stream {
    schema: SchemaRef,
    writer: StreamWriter<BufWriter<UnixStream>>,
    answers: BufReader<UnixStream>,
    /// Of the unacknowledged batches, how many were sent on this stream.
    sent: usize,
    /// Rows of the batches that were acknowledged on this stream.
    rows: u64,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("schema", &self.schema).field("sent", &self.sent).finish_non_exhaustive()
    }
}

/// Why a stream is over: what may be tried again, and what may not.
enum Broken {
    Connection(String),
    Final(Error),
}

impl Publisher {
    /// Connects to the daemon of `bus`; [`Error::NoDaemon`] where nobody listens.
    pub fn connect(bus: &Bus) -> Result<Self> {
        drop(dial(bus)?);
        Ok(Self {
            bus: bus.clone(),
            source: None,
            ack_mode: None,
            reconnect_for: Duration::ZERO,
            stream: None,
            unacknowledged: VecDeque::new(),
            before: Ack::default(),
            here: Ack::default(),
        })
    }

    /// Names the source of the bars; the quarantine keeps it with every row.
    pub fn source(mut self, name: impl Into<String>) -> Self {
        self.source = Some(name.into());
        self
    }

    /// Sets when batches are acknowledged; without it, `ingest.ack` in `bus.toml` decides.
    pub fn ack_mode(mut self, mode: AckMode) -> Self {
        self.ack_mode = Some(mode);
        self
    }

    /// When the connection breaks, tries to reconnect for at most `duration`, then fails. After a reconnect every
    /// batch without an acknowledgement is sent again.
    pub fn reconnect_for(mut self, duration: Duration) -> Self {
        self.reconnect_for = duration;
        self
    }

    /// Sends a batch without waiting for its acknowledgement, but for that of the eighth batch before it.
    pub fn queue(&mut self, batch: &RecordBatch) -> Result<()> {
        self.unacknowledged.push_back(batch.clone());
        self.settle(WINDOW)
    }

    /// Sends a batch and waits: what became of its rows.
    pub fn send(&mut self, batch: &RecordBatch) -> Result<Ack> {
        self.settle(0)?;
        let before = self.acked();
        self.unacknowledged.push_back(batch.clone());
        self.settle(0)?;
        let now = self.acked();
        Ok(Ack {
            rows: now.rows - before.rows,
            accepted: now.accepted - before.accepted,
            duplicate: now.duplicate - before.duplicate,
            revised: now.revised - before.revised,
            quarantined: now.quarantined - before.quarantined,
            seq: now.seq,
        })
    }

    /// What became of everything acknowledged so far.
    pub fn acked(&self) -> Ack {
        let mut sum = self.before;
        sum += self.here;
        sum
    }

    /// Waits for the acknowledgement of everything sent, and says what became of it.
    pub fn finish(mut self) -> Result<Ack> {
        self.settle(0)?;
        if let Some(mut stream) = self.stream.take() {
            // Everything is acknowledged; the end mark is a courtesy.
            let _ = stream.writer.finish();
        }
        Ok(self.acked())
    }

    /// Sends what is not sent, and waits until at most `ahead` batches are unacknowledged.
    fn settle(&mut self, ahead: usize) -> Result<()> {
        let mut trouble: Option<Instant> = None;
        loop {
            let progress = self.acked().rows;
            match self.try_settle(ahead) {
                Ok(()) => return Ok(()),
                Err(Broken::Final(error)) => return Err(error),
                Err(Broken::Connection(why)) => {
                    self.end_stream();
                    if self.acked().rows > progress {
                        trouble = None;
                    }
                    let since = *trouble.get_or_insert_with(Instant::now);
                    if since.elapsed() >= self.reconnect_for {
                        let what = format!("the daemon went away: {why}");
                        return Err(Error::Protocol { bus: self.bus.path().to_owned(), what });
                    }
                    std::thread::sleep(RETRY);
                }
            }
        }
    }

    fn end_stream(&mut self) {
        self.stream = None;
        self.before = self.acked();
        self.here = Ack::default();
    }

    fn try_settle(&mut self, ahead: usize) -> Result<(), Broken> {
        loop {
            let sent = self.stream.as_ref().map_or(0, |stream| stream.sent);
            if sent > ahead {
                self.receive()?;
                continue;
            }
            let Some(next) = self.unacknowledged.get(sent).cloned() else { return Ok(()) };
            match &self.stream {
                Some(stream) if stream.schema == next.schema() => {}
                // A stream has one schema: the one before is waited for and ended.
                Some(_) if sent > 0 => {
                    self.receive()?;
                    continue;
                }
                Some(_) => {
                    if let Some(mut stream) = self.stream.take() {
                        let _ = stream.writer.finish();
                    }
                    self.end_stream();
                    continue;
                }
                None => self.stream = Some(self.dial_stream(next.schema())?),
            }
            let stream = self.stream.as_mut().expect("made above");
            if let Err(error) = stream.writer.write(&next).and_then(|()| stream.writer.flush()) {
                return Err(self.hung_up(&error.to_string()));
            }
            self.stream.as_mut().expect("made above").sent += 1;
        }
    }

    /// Reads one answer: a cumulative acknowledgement, of one batch or of several.
    fn receive(&mut self) -> Result<(), Broken> {
        let stream = self.stream.as_mut().expect("something was sent");
        match answer(&mut stream.answers) {
            Ok(Answer::Ack(ack)) => {
                self.here = ack;
                while stream.sent > 0 {
                    let Some(oldest) = self.unacknowledged.front() else { break };
                    let end = stream.rows + oldest.num_rows() as u64;
                    if end > ack.rows {
                        break;
                    }
                    stream.rows = end;
                    stream.sent -= 1;
                    self.unacknowledged.pop_front();
                }
                Ok(())
            }
            Ok(Answer::Error { error }) => {
                Err(Broken::Final(Error::Refused { bus: self.bus.path().to_owned(), why: error }))
            }
            Err(why) => Err(Broken::Connection(why)),
        }
    }

    /// A write failed: the daemon may have said why before it hung up.
    fn hung_up(&mut self, why: &str) -> Broken {
        while self.stream.as_ref().is_some_and(|stream| stream.sent > 0) {
            if let Err(broken) = self.receive() {
                return broken;
            }
        }
        match self.stream.as_mut().map(|stream| answer(&mut stream.answers)) {
            Some(Ok(Answer::Error { error })) => {
                Broken::Final(Error::Refused { bus: self.bus.path().to_owned(), why: error })
            }
            _ => Broken::Connection(why.to_owned()),
        }
    }

    fn dial_stream(&self, schema: SchemaRef) -> Result<Stream, Broken> {
        let broken = |error: &dyn std::fmt::Display| Broken::Connection(error.to_string());
        let socket = dial(&self.bus).map_err(|error| broken(&error))?;
        let answers = BufReader::new(socket.try_clone().map_err(|error| broken(&error))?);
        let mut metadata = schema.metadata().clone();
        if let Some(source) = &self.source {
            metadata.insert(SOURCE.to_owned(), source.clone());
        }
        if let Some(mode) = self.ack_mode {
            metadata.insert(ACK.to_owned(), mode.as_str().to_owned());
        }
        let named = Schema::new_with_metadata(schema.fields().clone(), metadata);
        let writer = StreamWriter::try_new_buffered(socket, &named).map_err(|error| broken(&error))?;
        Ok(Stream { schema, writer, answers, sent: 0, rows: 0 })
    }
}

fn answer(answers: &mut BufReader<UnixStream>) -> Result<Answer, String> {
    let mut line = String::new();
    match answers.read_line(&mut line) {
        Ok(0) => Err("it hung up".into()),
        Ok(_) => serde_json::from_str(&line).map_err(|error| format!("it answered {:?}: {error}", line.trim_end())),
        Err(error) => Err(error.to_string()),
    }
}

fn dial(bus: &Bus) -> Result<UnixStream> {
    let socket = bus.socket();
    UnixStream::connect(&socket).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            Error::NoDaemon { socket: socket.clone(), bus: bus.path().to_owned() }
        }
        _ => Error::io(&socket, "connect", error),
    })
}

/// Asks the daemon of `bus` something.
fn request<T: serde::de::DeserializeOwned>(bus: &Bus, request: &Request) -> Result<T> {
    ask(dial(bus)?, bus, request)
}

fn ask<T: serde::de::DeserializeOwned>(mut socket: UnixStream, bus: &Bus, request: &Request) -> Result<T> {
    let protocol = |what: String| Error::Protocol { bus: bus.path().to_owned(), what };
    let mut line = serde_json::to_vec(request).map_err(|error| protocol(error.to_string()))?;
    line.push(b'\n');
    // A daemon that has hung up already may have said why.
    let written = socket.write_all(&line);
    let mut reply = String::new();
    let read = BufReader::new(socket).read_line(&mut reply);
    if reply.is_empty() {
        written.map_err(|error| Error::io(&bus.socket(), "write", error))?;
        read.map_err(|error| Error::io(&bus.socket(), "read", error))?;
        return Err(protocol("the daemon hung up without an answer".into()));
    }
    if let Ok(Answer::Error { error }) = serde_json::from_str(&reply) {
        return Err(Error::Refused { bus: bus.path().to_owned(), why: error });
    }
    serde_json::from_str(&reply)
        .map_err(|error| protocol(format!("the daemon answered {:?}: {error}", reply.trim_end())))
}

/// How the bus is: what its daemon says, or, where none runs, what the ring and the archive tell.
pub fn stat(bus: &Bus) -> Result<Stat> {
    match request(bus, &Request::Stat {}) {
        Err(Error::NoDaemon { .. }) => Ok(crate::Reader::open(bus.path())?.stat()),
        other => other,
    }
}

/// Has the daemon close the trading day (`date`, where it is given, must be the open one or one that is closed) and archive it.
pub fn request_close_day(bus: &Bus, date: Option<Date>) -> Result<DayClose> {
    request(bus, &Request::CloseDay { date })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InitOptions;

    /// One connection too many is turned away by a daemon that does not wait for what it asks.
    #[test]
    fn why_a_daemon_hung_up_is_told_also_where_nothing_could_be_asked() {
        let folder = tempfile::tempdir().unwrap();
        let bus =
            Bus::init(&folder.path().join("bus"), &InitOptions { calendar: "24x7".into(), preset: None }).unwrap();
        let turned_away = |answer: &[u8]| {
            let (own, mut theirs) = UnixStream::pair().unwrap();
            theirs.write_all(answer).unwrap();
            drop(theirs);
            ask::<Stat>(own, &bus, &Request::Stat {}).unwrap_err()
        };
        match turned_away(b"{\"error\":\"too many connections\"}\n") {
            Error::Refused { why, .. } => assert_eq!(why, "too many connections"),
            other => panic!("{other:?}"),
        }
        match turned_away(b"") {
            Error::Io { action, source, .. } => assert_eq!((action, source.kind()), ("write", ErrorKind::BrokenPipe)),
            other => panic!("{other:?}"),
        }
    }
}
