//! The daemon's socket: latency from a producer to a spinning reader, and throughput of batches.
//!
//! The limit of the latency is one hop over a plain Unix socket.
//! There a process reads a bar's bytes and stores a word of them, which the sender sees.
//! In both cases sender and reader are one thread on one core.
//! The process between them sleeps on the other core until the bar arrives.
//! The limit of the throughput is a process that only reads the same bytes.

use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::ipc::writer::StreamWriter;
use barbus::{Bus, Event, InitOptions, Publisher, Reader, Start};
use barbus_bench_link::{pin, scratch, unpin};
use barbus_shm::{Load, Memory, ReadMap, Store, WriteMap, allocate};
use hdrhistogram::Histogram;

use crate::command_line::Daemon;
use crate::market::Market;
use crate::report::Report;

const WARM_UP: u64 = 500;
const BARS: u64 = WARM_UP + 6_000;
/// Bars of one path before the next path has its turn; the first ones find cold caches.
const TURN: u64 = 250;
const TURN_WARM_UP: u64 = 10;
/// Pause between two bars, after which every process except the reader sleeps.
const PAUSE: Duration = Duration::from_micros(250);
const HOP: &str = "plain Unix-socket hop";
const SYMBOLS: u64 = 1_000;
/// Bytes of a bar over the plain socket.
const HOP_BYTES: usize = 72;

/// Roles of the other processes of these measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SocketRole {
    /// Reads bars from a plain socket and stores a word of each.
    Hop,
    /// Reads bytes and discards them.
    Sink,
}

/// The `n`-th bar of one day.
fn bar(n: u64) -> RecordBatch {
    let symbol = StringArray::from(vec![format!("{:06}.XSHE", n % SYMBOLS)]);
    let frame = TimestampMillisecondArray::from(vec![frame_ms(n)]).with_timezone("UTC");
    let number = |value: f64| -> ArrayRef { Arc::new(Float64Array::from(vec![value])) };
    let price = n as f64 + 0.5;
    RecordBatch::try_from_iter([
        ("symbol", Arc::new(symbol) as ArrayRef),
        ("frame", Arc::new(frame)),
        ("open", number(price)),
        ("high", number(price + 1.0)),
        ("low", number(price - 1.0)),
        ("close", number(price)),
        ("volume", number(n as f64)),
        ("money", number(price)),
        ("factor", number(1.0)),
    ])
    .expect("columns of one length")
}

fn frame_ms(n: u64) -> i64 {
    (1 + n / SYMBOLS) as i64 * 60_000
}

/// The bodies of the other processes.
pub(crate) fn play(role: SocketRole, directory: &Path) -> anyhow::Result<()> {
    pin(1);
    let listener = UnixListener::bind(directory.join("socket"))?;
    println!("ready");
    let (mut stream, _) = listener.accept()?;
    match role {
        SocketRole::Hop => {
            let words = WriteMap::open(&directory.join("words"))?;
            let mut bytes = [0; HOP_BYTES];
            for word in words.words64(0, BARS as usize) {
                stream.read_exact(&mut bytes)?;
                word.set_release(bytes.first_chunk().map_or(0, |first| u64::from_le_bytes(*first)));
            }
        }
        SocketRole::Sink => {
            let (mut bytes, mut sum) = (vec![0; 256 * 1024], 0u64);
            loop {
                match stream.read(&mut bytes)? {
                    0 => break,
                    more => sum += more as u64,
                }
            }
            stream.write_all(&sum.to_le_bytes())?;
        }
    }
    Ok(())
}

/// A process of this measure; dropping it kills the process.
struct Process {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Process {
    /// Starts a role and waits until it is ready.
    fn start(role: SocketRole, directory: &Path) -> anyhow::Result<Self> {
        let name = clap::ValueEnum::to_possible_value(&role).context("every role has a name")?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["socket-role", name.get_name()]).arg(directory).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let lines = BufReader::new(child.stdout.take().context("it was piped")?);
        let mut process = Self { child, lines };
        ensure!(process.line()? == "ready", "{} did not start", name.get_name());
        Ok(process)
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The daemon of a bus on its own core.
fn daemon_of(bus: &Bus) -> anyhow::Result<Daemon> {
    // The daemon's threads inherit the core of the starting thread.
    pin(1);
    let daemon = Daemon::start(bus);
    pin(0);
    let mut daemon = daemon?;
    daemon.until_it_listens(bus, Duration::from_millis(1))?;
    Ok(daemon)
}

/// A path of a bar from this process through another one and back.
trait Way {
    fn system(&self) -> &'static str;
    /// Sends the `n`-th bar.
    fn send(&mut self, n: u64) -> anyhow::Result<()>;
    /// Spins until that bar arrives, and verifies it.
    fn see(&mut self, n: u64) -> anyhow::Result<()>;
    /// Work after the clock has stopped.
    fn afterwards(&mut self, _: u64) -> anyhow::Result<()> {
        Ok(())
    }
    /// Asserts that all bars arrived.
    fn end(self: Box<Self>) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Sends single bars over every path, each after the one before has arrived.
///
/// The paths take turns every [`TURN`] bars, because the machine's speed changes within seconds.
fn one_by_one(report: &mut Report, mut ways: Vec<Box<dyn Way>>) -> anyhow::Result<()> {
    let mut histograms = ways.iter().map(|_| Histogram::<u64>::new(3)).collect::<Result<Vec<_>, _>>()?;
    for turn in 0..BARS / TURN {
        for (way, histogram) in ways.iter_mut().zip(&mut histograms) {
            for n in turn * TURN..(turn + 1) * TURN {
                let start = Instant::now();
                way.send(n)?;
                way.see(n)?;
                if n >= WARM_UP && n % TURN >= TURN_WARM_UP {
                    histogram.record(start.elapsed().as_nanos() as u64)?;
                }
                way.afterwards(n)?;
                // Spin instead of sleeping, so that the reader's core stays awake.
                while start.elapsed() < PAUSE {
                    std::hint::spin_loop();
                }
            }
        }
    }
    for (way, histogram) in ways.into_iter().zip(histograms) {
        let measures = ["socket to eye, p50", "socket to eye, p99", "socket to eye, p99.9", "socket to eye, max"];
        for (measure, quantile) in measures.into_iter().zip([0.5, 0.99, 0.999, 1.0]) {
            report.add(measure, way.system(), Some(HOP), "us", histogram.value_at_quantile(quantile) as f64 / 1_000.0);
        }
        way.end()?;
    }
    Ok(())
}

pub(crate) fn round(report: &mut Report) -> anyhow::Result<()> {
    pin(0);
    let directory = scratch()?;
    let ways: Vec<Box<dyn Way>> = vec![
        Box::new(Hop::new(directory.path())?),
        Box::new(Message::new(directory.path())?),
        Box::new(Library::new(directory.path())?),
    ];
    one_by_one(report, ways)?;
    std::fs::remove_file(directory.path().join("socket"))?;
    ingest(report, directory.path())?;
    unpin();
    Ok(())
}

struct Hop {
    stream: UnixStream,
    words: ReadMap,
    _process: Process,
}

impl Hop {
    fn new(directory: &Path) -> anyhow::Result<Self> {
        drop(allocate(&directory.join("words"), 8 * BARS)?);
        let process = Process::start(SocketRole::Hop, directory)?;
        let stream = UnixStream::connect(directory.join("socket"))?;
        Ok(Self { stream, words: ReadMap::open(&directory.join("words"))?, _process: process })
    }
}

impl Way for Hop {
    fn system(&self) -> &'static str {
        HOP
    }

    fn send(&mut self, n: u64) -> anyhow::Result<()> {
        let mut bytes = [0; HOP_BYTES];
        bytes[..8].copy_from_slice(&(n + 1).to_le_bytes());
        Ok(self.stream.write_all(&bytes)?)
    }

    fn see(&mut self, n: u64) -> anyhow::Result<()> {
        let word = &self.words.words64(8 * n as usize, 1)[0];
        while word.get() != n + 1 {
            std::hint::spin_loop();
        }
        Ok(())
    }
}

/// A bus with its daemon, and a reader that verifies every field.
struct Watched {
    reader: Reader,
    bus: Bus,
    _daemon: Daemon,
}

impl Watched {
    fn new(path: &Path) -> anyhow::Result<Self> {
        let bus = Bus::init(path, &InitOptions { calendar: "24x7".into(), preset: None })?;
        let daemon = daemon_of(&bus)?;
        let reader = Reader::open(bus.path())?.start_at(Start::Oldest)?;
        Ok(Self { reader, bus, _daemon: daemon })
    }

    fn see(&mut self, n: u64) -> anyhow::Result<()> {
        let bars = loop {
            match self.reader.poll()? {
                Some(Event::Bars(bars)) => break bars,
                _ => std::hint::spin_loop(),
            }
        };
        let [row] = bars.rows() else { bail!("{} bars at once", bars.len()) };
        let price = n as f64 + 0.5;
        let found = (u64::from(row.symbol.0), row.frame_ms, row.open, row.high, row.low, row.close);
        let sent = (n % SYMBOLS, frame_ms(n), price, price + 1.0, price - 1.0, price);
        ensure!(found == sent && (row.volume, row.optional[0]) == (n as f64, price), "bar {n} arrived as {row:?}");
        Ok(())
    }
}

/// The latency from the system call on; the messages are prepared, as for the plain hop.
struct Message {
    messages: Vec<Vec<u8>>,
    socket: UnixStream,
    answers: BufReader<UnixStream>,
    acknowledged: String,
    watched: Watched,
}

impl Message {
    fn new(directory: &Path) -> anyhow::Result<Self> {
        let watched = Watched::new(&directory.join("message"))?;
        let mut stream = StreamWriter::try_new(Vec::new(), &bar(0).schema())?;
        let mut messages = Vec::new();
        for n in 0..BARS {
            stream.write(&bar(n))?;
            messages.push(std::mem::take(stream.get_mut()));
        }
        let socket = UnixStream::connect(watched.bus.socket())?;
        let answers = BufReader::new(socket.try_clone()?);
        Ok(Self { messages, socket, answers, acknowledged: String::new(), watched })
    }
}

impl Way for Message {
    fn system(&self) -> &'static str {
        "barbus: message, daemon, Reader"
    }

    fn send(&mut self, n: u64) -> anyhow::Result<()> {
        Ok(self.socket.write_all(&self.messages[n as usize])?)
    }

    fn see(&mut self, n: u64) -> anyhow::Result<()> {
        self.watched.see(n)
    }

    fn afterwards(&mut self, n: u64) -> anyhow::Result<()> {
        self.acknowledged.clear();
        self.answers.read_line(&mut self.acknowledged)?;
        ensure!(self.acknowledged.contains(&format!("\"accepted\":{},", n + 1)), "{}", self.acknowledged);
        Ok(())
    }
}

/// The latency from the call on, including the encoding of the Arrow message.
struct Library {
    publisher: Publisher,
    watched: Watched,
}

impl Library {
    fn new(directory: &Path) -> anyhow::Result<Self> {
        let watched = Watched::new(&directory.join("library"))?;
        Ok(Self { publisher: Publisher::connect(&watched.bus)?, watched })
    }
}

impl Way for Library {
    fn system(&self) -> &'static str {
        "barbus: Publisher, daemon, Reader"
    }

    fn send(&mut self, n: u64) -> anyhow::Result<()> {
        Ok(self.publisher.queue(&bar(n))?)
    }

    fn see(&mut self, n: u64) -> anyhow::Result<()> {
        self.watched.see(n)
    }

    fn end(self: Box<Self>) -> anyhow::Result<()> {
        let ack = self.publisher.finish()?;
        ensure!(ack.accepted == BARS, "{ack:?}");
        Ok(())
    }
}

fn ingest(report: &mut Report, directory: &Path) -> anyhow::Result<()> {
    const MEASURE: &str = "batches of 5,000 over the socket";
    const LIMIT: &str = "the same bytes, only read";
    let market = Market::new(5_000, 240);
    let batches = market.batches();
    let bars_per_second = |start: Instant| market.bars() as f64 / start.elapsed().as_secs_f64() / 1e6;
    {
        let _sink = Process::start(SocketRole::Sink, directory)?;
        let stream = UnixStream::connect(directory.join("socket"))?;
        let start = Instant::now();
        let mut writer = StreamWriter::try_new(BufWriter::new(&stream), &batches[0].schema())?;
        for batch in &batches {
            writer.write(batch)?;
        }
        writer.finish()?;
        drop(writer);
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut sum = [0; 8];
        (&stream).read_exact(&mut sum)?;
        report.add(MEASURE, LIMIT, None, "M bars/s", bars_per_second(start));
        ensure!(u64::from_le_bytes(sum) > 60 * market.bars() as u64, "bytes are missing");
    }
    let bus = Bus::init(&directory.join("batches"), &InitOptions { calendar: "XSHG".into(), preset: None })?;
    let _daemon = daemon_of(&bus)?;
    let mut publisher = Publisher::connect(&bus)?;
    let start = Instant::now();
    for batch in &batches {
        publisher.queue(batch)?;
    }
    let ack = publisher.finish()?;
    report.add(MEASURE, "barbus: Publisher, daemon", Some(LIMIT), "M bars/s", bars_per_second(start));
    ensure!(ack.accepted == market.bars() as u64, "{ack:?}");
    check(&market, &mut Reader::open(bus.path())?.start_at(Start::Oldest)?)
}

/// Reads the day back and verifies every bar in the order of sending.
fn check(market: &Market, reader: &mut Reader) -> anyhow::Result<()> {
    let mut read = 0;
    while let Some(event) = reader.poll()? {
        let Event::Bars(bars) = event else { continue };
        for row in bars.rows() {
            let (minute, symbol) = (read / market.symbols(), read % market.symbols());
            let numbers = [row.open, row.high, row.low, row.close, row.volume, row.optional[0], row.optional[1]];
            let found = (row.symbol.0 as usize, row.frame_ms, numbers);
            ensure!(found == (symbol, Market::frame_ms(minute), market.numbers(minute)[symbol]), "bar {read}: {row:?}");
            read += 1;
        }
    }
    ensure!(read == market.bars(), "{read} of {} bars read", market.bars());
    Ok(())
}
