//! `barbus-relay in`: publishes the bars of a stream to a bus.
//!
//! It works in sessions, as `out` does. A session makes the durable consumer anew, at the message
//! after the position, because a consumer that goes on would deliver what its client has lost later
//! than what follows it. The consumer shows operators of the server how far the bus is.

use std::time::Duration;

use anyhow::{Context, anyhow};
use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer};
use async_nats::jetstream::context::ConsumerInfoErrorKind;
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{ErrorCode, Message};
use barbus::{Bus, RelayDirection};
use futures::StreamExt;
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::apply::Applier;
use super::connect::{Connection, connect};
use super::failure::{Failure, Outcome, fatal, retry};
use super::folder::Folder;
use super::header::Header;
use super::incoming::Incoming;
use super::options::InArgs;
use super::payload::wire_schema;
use super::position_file::PositionFile;
use super::sessions::{self, Sessions};
use super::shared::Shared;
use super::signals::Signals;
use super::stream::{get, last_message};
use super::subjects::all_of;

/// Messages that are read ahead.
const AHEAD: usize = 256;
/// Messages of a request to the server.
const BATCH: usize = 256;
/// How long the server waits for an acknowledgement before it delivers again. A session does not
/// need that: it notices a message that was lost by its number.
const ACK_WAIT: Duration = Duration::from_secs(60);
/// The relay asks whether the stream has more messages after this time without one.
const QUIET: Duration = Duration::from_secs(10);
/// How long a consumer is kept that nobody uses.
const KEEP_CONSUMER: Duration = Duration::from_secs(30 * 86_400);
/// How long a daemon that does not answer may delay the end of the relay.
const LAST_BATCH: Duration = Duration::from_secs(5);

/// Runs until a signal ends it.
pub(crate) async fn run(args: InArgs) -> anyhow::Result<()> {
    let bus = Bus::open(&args.place.bus)?;
    let folder = Folder::of(&bus)?;
    let own_id = folder.bus_id()?;
    let mut signals = Signals::new()?;
    let stream = args.place.stream.clone();
    let client = format!("in-{stream}");
    let connection = tokio::select! {
        connection = connect(&args.place, &client) => connection?,
        () = signals.next() => return Ok(()),
    };
    let consumer = args.name.clone().unwrap_or_else(|| default_consumer(&bus, &own_id));
    let prefix = tokio::select! {
        prefix = find_prefix(&connection, &args) => prefix.map_err(Failure::into_error)?,
        () = signals.next() => return Ok(()),
    };
    let name = format!("in-{stream}-{}", prefix.replace('.', "_"));
    let _lock = folder.lock(&name)?;
    let shared = Shared::new(&name, RelayDirection::In, &stream, &prefix);
    let file = PositionFile::open(folder.file(&format!("{name}.position")))?;
    let schema = wire_schema(&bus.settings().schema);
    let applier = tokio::task::spawn_blocking({
        let (stream, shared) = (stream.clone(), shared.clone());
        move || Applier::new(bus, &stream, schema, shared, file)
    });
    let applier = tokio::select! {
        applier = applier => applier??,
        () = signals.next() => return Ok(()),
    };
    let reports = tokio::spawn(shared.clone().write_reports(folder.clone()));
    let mut relay = In { stream, prefix, consumer, own_id, connection, shared: shared.clone(), applier: Some(applier) };
    let done = sessions::run(&mut relay, &mut signals).await;
    reports.abort();
    if let Err(error) = &done {
        shared.failed(&format!("{error:#}"));
    }
    shared.end(&folder);
    done
}

/// A consumer's name that no other bus has.
fn default_consumer(bus: &Bus, id: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let path = std::fs::canonicalize(bus.path()).unwrap_or_else(|_| bus.path().to_owned());
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name: String = name.chars().map(allowed).take(32).collect();
    format!("{name}-{}", id.chars().take(8).collect::<String>())
}

/// The prefix that was asked for, or the only one of the stream.
async fn find_prefix(connection: &Connection, args: &InArgs) -> Outcome<String> {
    let name = &args.place.stream;
    let stream = get(connection, name).await?;
    if let Some(prefix) = &args.prefix {
        return Ok(prefix.clone());
    }
    if let Some(bus) = &args.from_bus {
        return Ok(format!("barbus.{bus}"));
    }
    let subjects = &stream.cached_info().config.subjects;
    let prefixes: Vec<&str> = subjects.iter().filter_map(|subject| subject.strip_suffix(".>")).collect();
    match prefixes[..] {
        [prefix] if subjects.len() == 1 && !prefix.contains(['*', '>']) => Ok(prefix.to_owned()),
        _ => fatal(format!(
            "stream {name}: it has several subjects ({}): say which bus with --bus or --prefix",
            subjects.join(", ")
        )),
    }
}

struct In {
    stream: String,
    prefix: String,
    consumer: String,
    /// The identity of the bus that gets the bars.
    own_id: String,
    connection: Connection,
    shared: Shared,
    /// Absent while a session's thread has it.
    applier: Option<Applier>,
}

impl Sessions for In {
    const GOES_ON: &str = "the last bar of the bus";

    fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Applies messages until a failure or a signal.
    async fn session(&mut self, signals: &mut Signals) -> Outcome<()> {
        let connection = self.connection.clone();
        let mut losses = connection.losses.clone();
        let begin = async {
            connection.stands().await;
            losses.borrow_and_update();
            let stream = get(&connection, &self.stream).await;
            // A stream that was there may come back.
            let stream = stream.map_err(|failure| Failure::Retry(failure.into_error()))?;
            let last = last_message(&connection, &stream, &all_of(&self.prefix)).await?;
            let created = stream.cached_info().created.unix_timestamp_nanos().to_string();
            let applier = self.applier.as_mut().expect("no session runs");
            let first = applier.begin(&created, last.map_or(0, |last| last.sequence))?;
            let consumer = self.make_consumer(&stream, first).await?;
            Ok::<_, Failure>((stream, consumer, first))
        };
        let (stream, consumer, first) = tokio::select! {
            begun = begin => begun?,
            () = signals.next() => return Ok(()),
        };
        tracing::info!(stream = self.stream, consumer = self.consumer, first, "the relay reads the stream");
        let (to_apply, messages) = mpsc::channel(AHEAD);
        let (to_acknowledge, acks) = mpsc::unbounded_channel();
        let mut applier = self.applier.take().expect("no session runs");
        let runtime = Handle::current();
        let mut thread = tokio::task::spawn_blocking(move || {
            let done = applier.run(&runtime, messages, &to_acknowledge);
            (applier, done)
        });
        self.connection.set_worked();
        self.shared.update(|stat| stat.connected = true);
        let ended = tokio::select! {
            read = self.read(&stream, consumer, to_apply, acks, first) => Some(read),
            _ = losses.changed() => Some(retry("the connection to the server was lost".to_owned())),
            () = signals.next() => {
                self.shared.stop();
                Some(Ok(()))
            }
        };
        // The thread applies what it has, and ends. A daemon that is away may keep it for long.
        if !self.shared.is_stopping() {
            tokio::select! {
                () = wait_for(&thread) => {}
                () = signals.next() => self.shared.stop(),
            }
        }
        let last = if self.shared.is_stopping() { LAST_BATCH } else { Duration::MAX };
        let Ok(applied) = tokio::time::timeout(last, &mut thread).await else {
            tracing::warn!("the daemon does not answer: the next start sends again what it has not acknowledged");
            return Ok(());
        };
        let (applier, applied) = applied.context("the thread that applies messages failed").map_err(Failure::Fatal)?;
        self.applier = Some(applier);
        match (ended, applied) {
            (_, Err(Failure::Fatal(error))) => Err(Failure::Fatal(error)),
            _ if self.shared.is_stopping() => Ok(()),
            (_, Err(failure)) => Err(failure),
            (Some(Err(failure)), Ok(())) => Err(failure),
            _ => retry("the messages have ended".to_owned()),
        }
    }
}

impl In {
    /// Makes the durable consumer at the message `first`.
    async fn make_consumer(&self, stream: &Stream, first: u64) -> Outcome<PullConsumer> {
        let name = &self.consumer;
        match stream.consumer_info(name).await {
            Ok(info) => {
                let owner = info.config.description.unwrap_or_default();
                if !owner.ends_with(&self.own_id) {
                    return fatal(format!(
                        "stream {}: the consumer {name} is not of this bus ({owner}): choose another --name",
                        self.stream
                    ));
                }
                if let Err(error) = stream.delete_consumer(name).await {
                    return retry(self.connection.explain(format!("the consumer {name} cannot be made anew: {error}")));
                }
            }
            Err(error) if matches!(error.kind(), ConsumerInfoErrorKind::NotFound) => {}
            Err(error) if matches!(error.kind(), ConsumerInfoErrorKind::JetStream(error) if error.error_code() == ErrorCode::CONSUMER_NOT_FOUND) =>
                {}
            Err(error) => {
                return retry(self.connection.explain(format!("the consumer {name} cannot be read: {error}")));
            }
        }
        let config = Config {
            durable_name: Some(name.clone()),
            description: Some(format!("barbus-relay in, bus {}", self.own_id)),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: first },
            ack_policy: AckPolicy::All,
            ack_wait: ACK_WAIT,
            filter_subject: all_of(&self.prefix),
            max_ack_pending: -1,
            inactive_threshold: KEEP_CONSUMER,
            // Its state is no truth, and a node whose disk is full could not lead it.
            memory_storage: true,
            ..Config::default()
        };
        match stream.create_consumer(config).await {
            Ok(consumer) => Ok(consumer),
            Err(error) => retry(self.connection.explain(format!("the consumer {name} cannot be made: {error}"))),
        }
    }

    /// Whether the stream has a message after number `newest`, as far as the server says.
    async fn has_more(&self, stream: &Stream, newest: u64) -> bool {
        let subjects = all_of(&self.prefix);
        let last = last_message(&self.connection, stream, &subjects);
        // A server that does not answer sends no heartbeats either, which ends the session.
        matches!(tokio::time::timeout(QUIET, last).await, Ok(Ok(Some(last))) if last.sequence > newest)
    }

    /// Takes messages from the server and hands them over, until a failure.
    async fn read(
        &self,
        stream: &Stream,
        consumer: PullConsumer,
        messages: mpsc::Sender<Incoming>,
        mut acks: mpsc::UnboundedReceiver<async_nats::Subject>,
        first: u64,
    ) -> Outcome<()> {
        let mut delivered = consumer
            .stream()
            .max_messages_per_batch(BATCH)
            .heartbeat(Duration::from_secs(5))
            .expires(Duration::from_secs(30))
            .messages()
            .await
            .map_err(|error| anyhow!(self.connection.explain(format!("the stream cannot be read: {error}"))))?;
        let (mut consumed, mut newest) = (0, first.saturating_sub(1));
        // A server may hold a consumer that delivers nothing, for example where its disk is full.
        let mut quiet = tokio::time::interval_at(Instant::now() + QUIET, QUIET);
        let mut suspected = None;
        quiet.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                reply = acks.recv() => {
                    let Some(reply) = reply else { return retry("the bars cannot be published".to_owned()) };
                    self.connection.client.publish(reply, "+ACK".into()).await?;
                }
                message = delivered.next() => {
                    let Some(message) = message else { return retry("the server has ended the consumer".to_owned()) };
                    let message = message.map_err(|error| anyhow!(self.connection.explain(error.to_string())))?;
                    let info = message.info().map_err(|error| anyhow!("a message has no number: {error}"))?;
                    let (number, in_consumer, is_again) = (info.stream_sequence, info.consumer_sequence, info.delivered > 1);
                    if in_consumer != consumed + 1 {
                        return retry(format!("message {} of the consumer was lost on the way", consumed + 1));
                    }
                    consumed = in_consumer;
                    if is_again {
                        self.shared.update(|stat| stat.redelivered += 1);
                    }
                    if number <= newest {
                        continue;
                    }
                    newest = number;
                    let message = incoming(message)?;
                    if Header::of_map(&message.headers).is_ok_and(|header| header.bus == self.own_id) {
                        return fatal(format!(
                            "stream {}: {}.> has the bars of this bus itself: give the relay another bus, or --prefix",
                            self.stream, self.prefix
                        ));
                    }
                    if messages.send(message).await.is_err() {
                        return retry("the bars cannot be published".to_owned());
                    }
                    // The bus may have kept the message waiting.
                    quiet.reset();
                }
                _ = quiet.tick() => {
                    // A message that has just come is on its way at the first look.
                    let is_stuck = self.has_more(stream, newest).await;
                    if is_stuck && suspected == Some(newest) {
                        return retry(format!("the server delivers nothing after message {newest}, and has more"));
                    }
                    suspected = is_stuck.then_some(newest);
                }
            }
        }
    }
}

/// Waits until a thread has ended.
async fn wait_for<T>(thread: &JoinHandle<T>) {
    while !thread.is_finished() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn incoming(message: Message) -> Outcome<Incoming> {
    let info = message.info().map_err(|error| anyhow!("a message has no number: {error}"))?;
    let (number, pending) = (info.stream_sequence, info.pending);
    let published = Timestamp::from_nanosecond(info.published.unix_timestamp_nanos()).unwrap_or(Timestamp::UNIX_EPOCH);
    let message = message.message;
    Ok(Incoming {
        number,
        reply: message.reply,
        bytes: message.length,
        subject: message.subject,
        headers: message.headers.unwrap_or_default(),
        payload: message.payload,
        published,
        pending,
    })
}
