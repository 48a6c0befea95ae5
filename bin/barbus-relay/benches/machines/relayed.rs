//! The relay: from the socket of a daemon on one machine to a reader of a ring on the other.

use std::ops::Range;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use barbus::{Bus, Event, InitOptions, Publisher, Reader, Start};
use tempfile::TempDir;

use crate::Places;
use crate::market::{Day, SYMBOLS};
use crate::measure::{Consumer, Producer, Running, Way};
use crate::network::Machine;
use crate::plain_nats::{NatsServer, version};
use crate::processes::{Process, daemon, scratch};
use crate::table::Table;

const NAME: &str = "barbus relay";
const STREAM: &str = "BARS";

/// The relay over a stream of NATS.
pub(crate) struct Relayed;

/// A bus with its daemon, in memory.
struct Side {
    bus: Bus,
    _daemon: Process,
    _folder: TempDir,
}

impl Side {
    fn new() -> anyhow::Result<Self> {
        let folder = scratch()?;
        let bus = Bus::init(&folder.path().join("bus"), &InitOptions { calendar: "XSHG".into(), preset: None })?;
        let daemon = daemon(&bus)?;
        Ok(Self { bus, _daemon: daemon, _folder: folder })
    }

    fn reader(&self) -> anyhow::Result<Reader> {
        Ok(Reader::open(self.bus.path())?.start_at(Start::Oldest)?)
    }

    fn relay(&self, machine: &Machine, direction: &str, server: &NatsServer) -> anyhow::Result<Process> {
        let mut command: Command = machine.command(env!("CARGO_BIN_EXE_barbus-relay"));
        command.arg(direction).arg(self.bus.path()).args(["--nats", &server.url, "--stream", STREAM]);
        command.env("RUST_LOG", "error");
        Process::start(&mut command)
    }
}

/// Two buses with relays between them. The relays end before the servers.
struct Pair {
    _relays: [Process; 2],
    here: Side,
    there: Side,
    server: NatsServer,
}

impl Pair {
    fn start(places: &Places) -> anyhow::Result<Self> {
        let server = NatsServer::start(&places.server).with_context(version)?;
        let (here, there) = (Side::new()?, Side::new()?);
        let out = here.relay(&places.feed, "out", &server)?;
        places.feed.enter(|| server.until_it_has(STREAM))?;
        let relays = [out, there.relay(&places.desk, "in", &server)?];
        Ok(Self { _relays: relays, here, there, server })
    }
}

impl Way for Relayed {
    fn name(&self) -> &'static str {
        NAME
    }

    fn start(&self, places: &Places) -> anyhow::Result<Box<dyn Running>> {
        Ok(Box::new(Pair::start(places)?))
    }
}

impl Running for Pair {
    fn producer<'a>(&'a self, day: &'a Day) -> anyhow::Result<Box<dyn Producer + 'a>> {
        Ok(Box::new(Feed { publisher: Publisher::connect(&self.here.bus)?, day }))
    }

    fn consumer<'a>(&'a self, day: &'a Day) -> anyhow::Result<Box<dyn Consumer + 'a>> {
        Ok(Box::new(Eye { reader: self.there.reader()?, day }))
    }
}

struct Feed<'a> {
    publisher: Publisher,
    day: &'a Day,
}

impl Producer for Feed<'_> {
    fn send(&mut self, bars: Range<usize>) -> anyhow::Result<()> {
        match bars.len() {
            1 => self.publisher.queue(&self.day.single(bars.start))?,
            SYMBOLS => self.publisher.queue(self.day.minute(bars.start / SYMBOLS))?,
            other => anyhow::bail!("{other} bars are no portion"),
        }
        Ok(())
    }
}

struct Eye<'a> {
    reader: Reader,
    day: &'a Day,
}

impl Consumer for Eye<'_> {
    fn receive(&mut self, next: usize) -> anyhow::Result<usize> {
        match self.reader.next(Duration::from_millis(100))? {
            Some(Event::Bars(bars)) => {
                for (number, row) in (next..).zip(bars.rows()) {
                    self.day.check(number, row)?;
                }
                Ok(bars.len())
            }
            Some(Event::DayClosed(_)) | None => Ok(0),
            Some(other) => anyhow::bail!("{other:?}"),
        }
    }
}

/// A new bus catches up with a day that is in the stream; and what a bar costs on the wire.
pub(crate) fn catch_up(places: &Places, day: &Day, minutes: usize, table: &mut Table) -> anyhow::Result<()> {
    let pair = Pair::start(places)?;
    let count = minutes * SYMBOLS;
    let mut feed = pair.producer(day)?;
    for minute in 0..minutes {
        feed.send(minute * SYMBOLS..(minute + 1) * SYMBOLS)?;
    }
    read(&mut Eye { reader: pair.there.reader()?, day }, count)?;
    let late = Side::new()?;
    let mut eye = Eye { reader: late.reader()?, day };
    let bytes = received_bytes(&places.desk)?;
    let begun = Instant::now();
    let _relay = late.relay(&places.desk, "in", &pair.server)?;
    read(&mut eye, count)?;
    table.add("a new bus catches up with a day", "s", NAME, begun.elapsed().as_secs_f64());
    let per_bar = (received_bytes(&places.desk)? - bytes) as f64 / count as f64;
    table.add("bytes of a bar on the wire", "bytes", NAME, per_bar);
    Ok(())
}

fn read(eye: &mut Eye, count: usize) -> anyhow::Result<()> {
    let (mut next, mut last) = (0, Instant::now());
    while next < count {
        let more = eye.receive(next)?;
        if more > 0 {
            (next, last) = (next + more, Instant::now());
        }
        ensure!(last.elapsed() < Duration::from_secs(60), "no bar after {next}");
    }
    Ok(())
}

/// What a machine's cable has brought, with all headers.
fn received_bytes(machine: &Machine) -> anyhow::Result<u64> {
    let cable = if machine.address.is_loopback() { "lo" } else { "net" };
    let output = machine.command("cat").arg(format!("/sys/class/net/{cable}/statistics/rx_bytes")).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}
