//! Redis Streams: an entry for each bar, a minute in one pipeline.

use std::ops::Range;

use anyhow::{Context, ensure};
use redis::Connection;
use tempfile::TempDir;

use crate::Places;
use crate::market::Day;
use crate::measure::{Consumer, Producer, Running, Way};
use crate::processes::{Process, scratch};

const STREAM: &str = "bars";
/// Most entries of one answer.
const READ: usize = 5_000;

/// Redis Streams, which are kept in memory only.
pub(crate) struct RedisStreams;

impl Way for RedisStreams {
    fn name(&self) -> &'static str {
        "Redis Streams"
    }

    fn start(&self, places: &Places) -> anyhow::Result<Box<dyn Running>> {
        let (port, folder, address) = (places.server.free_port(), scratch()?, places.server.address);
        let mut command = places.server.command("redis-server");
        command.args(["--bind", &address.to_string(), "--port", &port.to_string()]);
        command.args(["--protected-mode", "no", "--save", "", "--appendonly", "no"]).arg("--dir").arg(folder.path());
        let process = Process::start(&mut command)?.listens(&places.server, port)?;
        Ok(Box::new(Server { url: format!("redis://{address}:{port}"), _process: process, _folder: folder }))
    }
}

struct Server {
    url: String,
    _process: Process,
    _folder: TempDir,
}

impl Running for Server {
    fn producer<'a>(&'a self, day: &'a Day) -> anyhow::Result<Box<dyn Producer + 'a>> {
        let connection = redis::Client::open(self.url.as_str())?.get_connection()?;
        Ok(Box::new(RedisProducer { connection, day }))
    }

    fn consumer<'a>(&'a self, day: &'a Day) -> anyhow::Result<Box<dyn Consumer + 'a>> {
        let connection = redis::Client::open(self.url.as_str())?.get_connection()?;
        Ok(Box::new(RedisConsumer { connection, last: "0".into(), day }))
    }
}

struct RedisProducer<'a> {
    connection: Connection,
    day: &'a Day,
}

impl Producer for RedisProducer<'_> {
    fn send(&mut self, bars: Range<usize>) -> anyhow::Result<()> {
        let mut pipeline = redis::pipe();
        for number in bars {
            pipeline.cmd("XADD").arg(STREAM).arg("*").arg("bar").arg(&self.day.message(number)[..]).ignore();
        }
        Ok(pipeline.query(&mut self.connection)?)
    }
}

struct RedisConsumer<'a> {
    connection: Connection,
    /// The entry that was read last.
    last: String,
    day: &'a Day,
}

impl Consumer for RedisConsumer<'_> {
    fn receive(&mut self, next: usize) -> anyhow::Result<usize> {
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(READ).arg("BLOCK").arg(100).arg("STREAMS").arg(STREAM).arg(&self.last);
        /// Streams, their entries, and the entries' fields and values.
        type Reply = Vec<(String, Vec<(String, Vec<Vec<u8>>)>)>;
        let Some(mut streams) = command.query::<Option<Reply>>(&mut self.connection)? else { return Ok(0) };
        let (_, entries) = streams.pop().context("a reply without a stream")?;
        let count = entries.len();
        for (number, (id, fields)) in (next..).zip(entries) {
            let found = fields.get(1).context("an entry without a value")?;
            ensure!(found[..] == self.day.message(number), "bar {number} arrived as another");
            self.last = id;
        }
        Ok(count)
    }
}
