//! `barbus-relay out`: publishes the bars of a bus to a stream.
//!
//! It works in sessions. A session reads the last message of the bus on the stream, and goes on
//! after it; whatever fails ends it, and another one begins. So the stream itself is the position:
//! nothing that this process or its machine forgets can lose or double a bar.
//!
//! Each message states which message it follows, so the server refuses one that would come out of
//! order. If the stream has one bus only, that is the last message of the stream, whose number is
//! known ahead: many messages are in flight. If the stream has several, it is the last message of
//! the subject, and one message is in flight.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use async_nats::HeaderMap;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::stream::Stream;
use barbus::{Bus, Reader, RelayDirection};
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use tokio::sync::mpsc;

use super::author::{Author, Outgoing};
use super::chain::{Chain, Expected};
use super::connect::{Connection, connect};
use super::failure::{Failure, Outcome, fatal, retry};
use super::folder::{Folder, random_id};
use super::header::{Header, NotOurs};
use super::options::OutArgs;
use super::payload::wire_schema;
use super::resume::{Resume, resume_after};
use super::sessions::{self, Sessions};
use super::shared::Shared;
use super::signals::Signals;
use super::source::{SourceOptions, read};
use super::stream::{get_or_make, is_exclusive, last_message};
use super::subjects::{SubjectNames, all_of};

/// Most messages in flight on a stream of one bus.
const WINDOW: usize = 256;
/// Messages that are read ahead.
const AHEAD: usize = 64;
/// How long the messages in flight may take when the relay ends.
const LAST_ACKS: Duration = Duration::from_secs(3);
/// The number of sessions after which this process gives up because another one, which started
/// earlier, has published the bars of this bus meanwhile. One such session may follow a process
/// that was killed.
const MOST_CONFLICTS: u32 = 2;
/// The same if the other one started later. That one gives up first, unless it always comes first.
const MOST_CONFLICTS_OF_ELDER: u32 = 5;

/// Runs until a signal ends it.
pub(crate) async fn run(args: OutArgs) -> anyhow::Result<()> {
    let bus = Bus::open(&args.place.bus)?;
    // The bus must be readable before anything is made on the server.
    drop(Reader::open(bus.path())?.anonymous());
    let folder = Folder::of(&bus)?;
    let stream = &args.place.stream;
    let name = format!("out-{stream}");
    let _lock = folder.lock(&name)?;
    let prefix = args.prefix.clone().map_or_else(|| default_prefix(&bus), Ok)?;
    let mut signals = Signals::new()?;
    let connection = tokio::select! {
        connection = connect(&args.place, &name) => connection?,
        () = signals.next() => return Ok(()),
    };
    let shared = Shared::new(&name, RelayDirection::Out, stream, &prefix);
    let reports = tokio::spawn(shared.clone().write_reports(folder.clone()));
    let owner = format!("{:019}-{}", jiff::Timestamp::now().as_nanosecond(), random_id()?);
    let author = Arc::new(Author {
        bus: folder.bus_id()?,
        owner,
        subjects: SubjectNames::new(prefix.clone(), args.subjects),
        schema: wire_schema(&bus.settings().schema),
        batch_rows: args.batch_rows as usize,
    });
    let source = SourceOptions {
        bus: bus.path().to_owned(),
        reader_name: format!("relay {stream}"),
        author: Arc::clone(&author),
        linger: args.linger,
        begin: args.start,
    };
    let mut out = Out {
        args,
        prefix,
        author,
        source,
        connection,
        shared: shared.clone(),
        seen: 0,
        conflicts: 0,
        sessions: 0,
        salt: None,
    };
    let done = sessions::run(&mut out, &mut signals).await;
    reports.abort();
    if let Err(error) = &done {
        shared.failed(&format!("{error:#}"));
    }
    shared.end(&folder);
    done
}

/// The prefix of a bus: `barbus.` and the name of its directory.
fn default_prefix(bus: &Bus) -> anyhow::Result<String> {
    let path = std::fs::canonicalize(bus.path())?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match !name.is_empty() && name.chars().all(allowed) {
        true => Ok(format!("barbus.{name}")),
        false => Err(anyhow!("{}: its name cannot be part of a subject: give --prefix", bus.path().display())),
    }
}

struct Out {
    args: OutArgs,
    prefix: String,
    author: Arc<Author>,
    source: SourceOptions,
    connection: Connection,
    shared: Shared,
    /// The newest message of the stream that a session has begun after.
    seen: u64,
    /// How often another process has published between two sessions.
    conflicts: u32,
    sessions: u64,
    /// Makes messages other ones to the server, which has forgotten those that it recognizes.
    salt: Option<u64>,
}

/// A message in flight.
struct InFlight {
    header: Header,
    subject: String,
    bytes: usize,
    sent: Instant,
    /// The number that it gets, if that is known.
    sequence: Option<u64>,
    result: Result<PublishAck, PublishError>,
}

impl Sessions for Out {
    const GOES_ON: &str = "the last message of the stream";

    fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Publishes from the end of the stream on, until a failure or a signal.
    async fn session(&mut self, signals: &mut Signals) -> Outcome<()> {
        self.sessions += 1;
        let connection = self.connection.clone();
        let mut losses = connection.losses.clone();
        let begin = async {
            connection.stands().await;
            losses.borrow_and_update();
            let mut stream = get_or_make(&connection, &self.args, &self.prefix).await?;
            let info = stream.info().await.map_err(|error| anyhow!(connection.explain(error.to_string())))?.clone();
            let last = last_message(&connection, &stream, &all_of(&self.prefix)).await?;
            Ok::<_, Failure>((stream, info, last))
        };
        let (stream, info, last) = tokio::select! {
            begun = begin => begun?,
            () = signals.next() => return Ok(()),
        };
        if last.as_ref().is_some_and(|last| last.sequence > info.state.last_sequence) {
            return retry("the stream got a message at the begin of the session".to_owned());
        }
        let mut chain = Chain::new(is_exclusive(&info, &self.prefix), info.state.last_sequence);
        let mut resume = Resume::Empty;
        if let Some(last) = last {
            chain.add(last.subject.as_str(), last.sequence);
            let header = self.own_header(&last.headers, last.sequence, last.subject.as_str())?;
            self.check_owner(&header, last.sequence)?;
            resume = resume_after(&header);
        }
        let (to_publish, messages) = mpsc::channel(AHEAD);
        let source = self.source.clone();
        let thread = tokio::task::spawn_blocking(move || read(&source, resume, &to_publish));
        self.connection.set_worked();
        self.shared.update(|stat| stat.connected = true);
        let published = tokio::select! {
            published = self.publish(&stream, messages, chain, signals) => published,
            _ = losses.changed() => retry("the connection to the server was lost".to_owned()),
        };
        // The thread ends because nobody takes its messages.
        let read = thread.await;
        match (published, read) {
            (Ok(true), _) => Ok(()),
            (Ok(false), Ok(Err(error))) => Err(Failure::Retry(error)),
            (Ok(false), Ok(Ok(()))) => retry("the reader of the bus has ended".to_owned()),
            (Ok(false), Err(error)) => Err(Failure::Retry(anyhow!("the reader of the bus failed: {error}"))),
            (Err(failure), _) => Err(failure),
        }
    }
}

impl Out {
    /// The headers of a message that this bus must have published.
    fn own_header(&self, headers: &HeaderMap, sequence: u64, subject: &str) -> Outcome<Header> {
        let stream = &self.args.place.stream;
        let header = match Header::of_map(headers) {
            Ok(header) => header,
            Err(NotOurs::Foreign) => {
                return fatal(format!(
                    "stream {stream}: message {sequence} on {subject} is not from a relay: choose another --prefix, \
                     or remove it with nats stream rmm"
                ));
            }
            Err(NotOurs::Version(version)) => {
                return fatal(format!(
                    "stream {stream}: message {sequence} is of version {version}: use a newer barbus-relay"
                ));
            }
        };
        if header.bus != self.author.bus {
            return fatal(format!(
                "stream {stream}: {}.> has the bars of another bus ({}; this one is {}): choose another --prefix, or \
                 if this one is its copy, the file relays/id of that bus",
                self.prefix, header.bus, self.author.bus
            ));
        }
        Ok(header)
    }

    /// Gives up if another process publishes the same bus. Only one of the two does: who ends has
    /// published nothing after the message of the other one.
    fn check_owner(&mut self, header: &Header, sequence: u64) -> Outcome<()> {
        if self.sessions > 1 && sequence > self.seen && header.owner != self.author.owner {
            self.conflicts += 1;
            // The one that started first stays if it can: owners begin with the time.
            let is_elder = header.owner > self.author.owner;
            if self.conflicts >= if is_elder { MOST_CONFLICTS_OF_ELDER } else { MOST_CONFLICTS } {
                return fatal(format!(
                    "stream {}: another barbus-relay out publishes this bus: stop one of them",
                    self.args.place.stream
                ));
            }
        }
        self.seen = sequence;
        Ok(())
    }

    /// Publishes messages in order. Returns whether a signal has ended it; otherwise the messages
    /// have ended.
    async fn publish(
        &mut self,
        stream: &Stream,
        mut messages: mpsc::Receiver<Outgoing>,
        mut chain: Chain,
        signals: &mut Signals,
    ) -> Outcome<bool> {
        let window = if chain.is_exclusive { WINDOW } else { 1 };
        let mut in_flight = FuturesOrdered::new();
        loop {
            self.shared.update(|stat| {
                stat.lag_messages = Some((in_flight.len() + messages.len()) as u64);
            });
            tokio::select! {
                biased;
                Some(acknowledged) = in_flight.next(), if !in_flight.is_empty() => {
                    self.acknowledge(acknowledged, &mut chain)?;
                }
                message = messages.recv(), if in_flight.len() < window => {
                    let Some(message) = message else {
                        // What was sent before the reader failed counts.
                        while let Some(acknowledged) = in_flight.next().await {
                            self.acknowledge(acknowledged, &mut chain)?;
                        }
                        return Ok(false);
                    };
                    in_flight.push_back(self.send(stream, message, &mut chain).await?);
                }
                () = signals.next() => break,
            }
        }
        drop(messages);
        let rest = async {
            while let Some(acknowledged) = in_flight.next().await {
                self.acknowledge(acknowledged, &mut chain)?;
            }
            Ok::<_, Failure>(())
        };
        // Without the last acknowledgements the next start finds out what the stream has.
        if let Ok(Err(failure)) = tokio::time::timeout(LAST_ACKS, rest).await {
            tracing::warn!("{failure}");
        }
        Ok(true)
    }

    /// Sends a message, and returns what becomes of it.
    async fn send(
        &self,
        stream: &Stream,
        message: Outgoing,
        chain: &mut Chain,
    ) -> Outcome<impl Future<Output = InFlight> + use<>> {
        let Outgoing { subject, header, payload, id } = message;
        if !chain.is_exclusive && !chain.knows(&subject) {
            let last = last_message(&self.connection, stream, &subject).await?;
            chain.add(&subject, last.map_or(0, |last| last.sequence));
        }
        let id = self.salt.map_or(id.clone(), |salt| format!("{id}-{salt}-{}", self.author.owner));
        let headers = header.to_map();
        let bytes = payload.len() + size_of_headers(&headers);
        let mut publish = PublishMessage::build()
            .headers(headers)
            .message_id(id)
            .expected_stream(&self.args.place.stream)
            .payload(payload.into());
        let sequence = match chain.expected(&subject) {
            Expected::OfStream(last) => {
                publish = publish.expected_last_sequence(last);
                Some(last + 1)
            }
            Expected::OfSubject(last) => {
                publish = publish.expected_last_subject_sequence(last);
                None
            }
            Expected::Unknown => None,
        };
        let sent = Instant::now();
        let acknowledgement = match self.connection.jetstream.send_publish(subject.clone(), publish).await {
            Ok(acknowledgement) => acknowledgement,
            Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                return fatal(format!(
                    "stream {}: a message of {bytes} bytes is longer than the server allows ({error}): \
                     lower --batch-rows, or raise max_payload of the server",
                    self.args.place.stream
                ));
            }
            Err(error) => return retry(self.connection.explain(format!("a message cannot be sent: {error}"))),
        };
        Ok(async move { InFlight { header, subject, bytes, sent, sequence, result: acknowledgement.await } })
    }

    /// Handles the server's answer to the oldest message in flight.
    fn acknowledge(&mut self, message: InFlight, chain: &mut Chain) -> Outcome<()> {
        let ack = match message.result {
            Ok(ack) => ack,
            Err(error) => {
                let what = format!("the server has not stored a message: {error}");
                return retry(self.connection.explain(what));
            }
        };
        if ack.duplicate {
            // It was stored before the stream lost it, as by a purge.
            self.salt = Some(self.sessions);
            return retry("the server knows a message that the stream has lost".to_owned());
        }
        if message.sequence.is_some_and(|sequence| sequence != ack.sequence) {
            return retry(format!("the server has given a message the number {}", ack.sequence));
        }
        chain.add(&message.subject, ack.sequence);
        self.seen = ack.sequence;
        self.shared.update(|stat| {
            stat.messages += 1;
            stat.bars += u64::from(message.header.rows);
            stat.bytes += message.bytes as u64;
            stat.next_seq = message.header.next;
            stat.lag_s = Some(message.sent.elapsed().as_secs_f64());
        });
        Ok(())
    }
}

/// The size of headers as the server counts them, nearly.
fn size_of_headers(headers: &HeaderMap) -> usize {
    let sizes = headers.iter().flat_map(|(name, values)| {
        let name: &str = name.as_ref();
        values.iter().map(|value| name.len() + value.as_str().len() + 4)
    });
    sizes.sum()
}
