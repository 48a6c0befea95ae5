//! Redis pub/sub and Streams as peers.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail, ensure};
use barbus_bench_link::{
    AnyPeer, Bar, Burst, BurstBar, BurstReceiver, BurstSender, BurstSource, Measure, Peer, Receiver, STRATEGIES, Scale,
    Sender, StrategyMinute, Wait, until,
};
use redis::{Client, Connection, Value};

const SERVER: &str = "redis-server";
/// Maximum entries of one read of a stream.
const POLL: u64 = 256;

pub(crate) fn all() -> [Box<dyn AnyPeer>; 2] {
    [Box::new(Redis { stream: false }), Box::new(Redis { stream: true })]
}

/// As systems for a minute's burst.
pub(crate) fn bursts() -> [Box<dyn Burst>; 2] {
    [Box::new(Redis { stream: false }), Box::new(Redis { stream: true })]
}

struct Redis {
    /// Whether to use a stream instead of pub/sub.
    stream: bool,
}

impl Peer for Redis {
    type Sender = RedisSender;
    type Receiver = RedisReceiver;

    fn name(&self) -> &'static str {
        if self.stream { "Redis Streams" } else { "Redis pub/sub" }
    }

    fn settings(&self) -> String {
        let version = Command::new(SERVER)
            .arg("--version")
            .output()
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let version = version
            .ok()
            .and_then(|text| text.split_whitespace().find_map(|word| word.strip_prefix("v=").map(str::to_owned)));
        let how = match self.stream {
            true => "XADD, XREAD BLOCK COUNT 256",
            false => "PUBLISH (one receiver, or it fails), SUBSCRIBE without a limit of the output buffer",
        };
        format!("server {}, Unix socket, nothing saved; {how}; batches: a pipeline", version.unwrap_or_default())
    }

    fn missing(&self) -> Option<String> {
        let found = Command::new(SERVER).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        found.is_err().then(|| format!("no {SERVER} is installed"))
    }

    fn measures(&self) -> &'static [Measure] {
        &[Measure::OneWayAsleep, Measure::OneByOne, Measure::Batches]
    }

    fn scale(&self) -> Scale {
        Scale { spinning: 0, asleep: 3_000, one_by_one: 40_000, batched: 400_000 }
    }

    fn server(&self, directory: &Path) -> anyhow::Result<Option<Box<dyn Any>>> {
        let socket = socket(directory);
        let child = Command::new(SERVER)
            .args([
                "--port",
                "0",
                "--save",
                "",
                "--appendonly",
                "no",
                "--client-output-buffer-limit",
                "pubsub",
                "0",
                "0",
                "0",
            ])
            .arg("--unixsocket")
            .arg(&socket)
            .arg("--dir")
            .arg(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let server = Server(child);
        until(|| connect(directory))?;
        Ok(Some(Box::new(server)))
    }

    fn sender(&self, directory: &Path, name: &str, _wait: Wait) -> anyhow::Result<RedisSender> {
        Ok(RedisSender { connection: connect(directory)?, name: name.into(), stream: self.stream, receivers: 1 })
    }

    fn receiver(&self, directory: &Path, name: &str, _wait: Wait) -> anyhow::Result<RedisReceiver> {
        let mut connection = connect(directory)?;
        if !self.stream {
            connection.send_packed_command(&redis::cmd("SUBSCRIBE").arg(name).get_packed_command())?;
            connection.recv_response()?;
        }
        Ok(RedisReceiver { connection, name: name.into(), last: self.stream.then(|| "0".into()) })
    }
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("redis.sock")
}

fn connect(directory: &Path) -> anyhow::Result<Connection> {
    Ok(Client::open(format!("unix://{}", socket(directory).display()))?.get_connection()?)
}

struct RedisSender {
    connection: Connection,
    name: String,
    stream: bool,
    receivers: i64,
}

impl RedisSender {
    fn command(&self, bar: &[u8]) -> redis::Cmd {
        let mut command = redis::cmd(if self.stream { "XADD" } else { "PUBLISH" });
        command.arg(&self.name);
        if self.stream {
            command.arg("*").arg("bar");
        }
        command.arg(bar);
        command
    }

    fn send_all(&mut self, bars: impl Iterator<Item = impl AsRef<[u8]>>) -> anyhow::Result<()> {
        let mut pipeline = redis::pipe();
        let mut count = 0;
        for bar in bars {
            pipeline.add_command(self.command(bar.as_ref()));
            count += 1;
        }
        let replies: Vec<Value> = pipeline.query(&mut self.connection)?;
        ensure!(replies.len() == count, "{} answers to {count} bars", replies.len());
        replies.iter().try_for_each(|reply| self.check(reply))
    }

    /// The answer to `PUBLISH` is the number of receivers, to `XADD` the entry's id.
    fn check(&self, reply: &Value) -> anyhow::Result<()> {
        match reply {
            Value::Int(count) if !self.stream && *count == self.receivers => Ok(()),
            Value::BulkString(_) if self.stream => Ok(()),
            other => bail!("unexpected answer of the server: {other:?}"),
        }
    }
}

impl Sender for RedisSender {
    fn send(&mut self, n: u64) -> anyhow::Result<()> {
        let reply = self.command(&Bar::number(n).bytes()).query(&mut self.connection)?;
        self.check(&reply)
    }

    fn send_batch(&mut self, first: u64, count: u64) -> anyhow::Result<()> {
        self.send_all((first..first + count).map(|n| Bar::number(n).bytes()))
    }
}

/// A sender or a receiver, and what the minute's burst needs besides.
struct RedisBurst<E, S> {
    end: E,
    state: S,
}

impl BurstSender for RedisBurst<RedisSender, BurstSource> {
    fn send(&mut self, minute: u64) -> anyhow::Result<()> {
        self.end.send_all(self.state.bars(minute).map(|bar| bar.bytes()))
    }
}

impl BurstReceiver for RedisBurst<RedisReceiver, StrategyMinute> {
    fn receive(&mut self, minute: u64) -> anyhow::Result<()> {
        let mut is_complete = false;
        while !is_complete {
            self.end.receive_bars(|bytes| {
                ensure!(!is_complete, "a bar after a complete minute");
                is_complete = self.state.take(&BurstBar::from_bytes(bytes)?, minute)?;
                Ok(())
            })?;
        }
        Ok(())
    }
}

impl Burst for Redis {
    fn name(&self) -> &'static str {
        Peer::name(self)
    }

    fn settings(&self) -> String {
        Peer::settings(self)
    }

    fn missing(&self) -> Option<String> {
        Peer::missing(self)
    }

    fn server(&self, directory: &Path) -> anyhow::Result<Option<Box<dyn Any>>> {
        Peer::server(self, directory)
    }

    fn sender(&self, directory: &Path) -> anyhow::Result<Box<dyn BurstSender>> {
        let sender = Peer::sender(self, directory, "bars", Wait::Sleep)?;
        let end = RedisSender { receivers: STRATEGIES as i64, ..sender };
        Ok(Box::new(RedisBurst { end, state: BurstSource::default() }))
    }

    fn receiver(&self, directory: &Path) -> anyhow::Result<Box<dyn BurstReceiver>> {
        let end = Peer::receiver(self, directory, "bars", Wait::Sleep)?;
        Ok(Box::new(RedisBurst { end, state: StrategyMinute::default() }))
    }
}

struct RedisReceiver {
    connection: Connection,
    name: String,
    /// The id of the last entry read, for a stream.
    last: Option<String>,
}

impl Receiver for RedisReceiver {
    fn receive(&mut self, next: u64) -> anyhow::Result<u64> {
        let mut n = next;
        self.receive_bars(|bytes| {
            Bar::from_bytes(bytes)?.check(n)?;
            n += 1;
            Ok(())
        })?;
        Ok(n - next)
    }
}

impl RedisReceiver {
    /// Receives bars, and passes the bytes of each to `take`.
    fn receive_bars(&mut self, mut take: impl FnMut(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let Some(last) = &mut self.last else {
            let bytes = match self.connection.recv_response()? {
                Value::Array(parts) | Value::Push { data: parts, .. } => parts.into_iter().nth(2),
                other => bail!("unexpected message of the server: {other:?}"),
            };
            let Some(Value::BulkString(bytes)) = bytes else { bail!("a message without bytes") };
            return take(&bytes);
        };
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(POLL).arg("BLOCK").arg(100).arg("STREAMS").arg(&self.name).arg(last.as_str());
        /// Streams, their entries, and the entries' fields and values.
        type Reply = Vec<(String, Vec<(String, Vec<Vec<u8>>)>)>;
        let Some(mut streams) = command.query::<Option<Reply>>(&mut self.connection)? else { return Ok(()) };
        let (_, entries) = streams.pop().context("a reply without a stream")?;
        for (id, fields) in entries {
            take(fields.get(1).context("an entry without a value")?)?;
            *last = id;
        }
        Ok(())
    }
}
