//! A minute's burst through the daemon of barbus, and through a plain hub of Unix sockets.

use std::any::Any;
use std::io::{BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use barbus::{Bus, Event, MinuteOptions, Minutes, Publisher, Reader};
use barbus_bench_link::{
    BURST, Bar, Burst, BurstBar, BurstReceiver, BurstSender, BurstSource, STRATEGIES, StrategyMinute, burst_symbols,
    burst_values, check_burst_values, until,
};

use super::library::bar_of;
use crate::command_line::{self, Daemon};

pub(crate) fn all() -> Vec<Box<dyn Burst>> {
    vec![Box::new(Barbus), Box::new(Hub)]
}

struct Barbus;

fn bus(directory: &Path) -> barbus::Result<Bus> {
    Bus::open(directory.join("bus"))
}

impl Burst for Barbus {
    fn name(&self) -> &'static str {
        "barbus"
    }

    fn settings(&self) -> String {
        "Publisher::queue, daemon, Reader::minutes with all symbols listed, asleep on the futex".into()
    }

    fn server(&self, directory: &Path) -> anyhow::Result<Option<Box<dyn Any>>> {
        command_line::init(&directory.join("bus"))?;
        let bus = bus(directory)?;
        let mut daemon = Daemon::start(&bus)?;
        daemon.until_it_listens(&bus, Duration::from_millis(1))?;
        Ok(Some(Box::new(daemon)))
    }

    fn sender(&self, directory: &Path) -> anyhow::Result<Box<dyn BurstSender>> {
        let symbols: ArrayRef = Arc::new(StringArray::from(burst_symbols()));
        Ok(Box::new(BarbusSender { publisher: Publisher::connect(&bus(directory)?)?, symbols }))
    }

    fn receiver(&self, directory: &Path) -> anyhow::Result<Box<dyn BurstReceiver>> {
        let symbols = burst_symbols();
        let options = MinuteOptions { universe: Some(symbols.clone()), grace: Duration::from_secs(3_600) };
        let minutes = Reader::open(directory.join("bus"))?.minutes(options)?;
        Ok(Box::new(BarbusReceiver { minutes, symbols }))
    }
}

struct BarbusSender {
    publisher: Publisher,
    symbols: ArrayRef,
}

impl BurstSender for BarbusSender {
    fn send(&mut self, minute: u64) -> anyhow::Result<()> {
        let bars = || (minute * BURST..(minute + 1) * BURST).map(burst_values);
        let frames = TimestampMillisecondArray::from_iter_values(bars().map(|bar| bar.frame_ms));
        let batch = RecordBatch::try_from_iter([
            ("symbol", Arc::clone(&self.symbols)),
            ("frame", Arc::new(frames.with_timezone("UTC"))),
            ("open", Arc::new(Float64Array::from_iter_values(bars().map(|bar| bar.open)))),
            ("high", Arc::new(Float64Array::from_iter_values(bars().map(|bar| bar.high)))),
            ("low", Arc::new(Float64Array::from_iter_values(bars().map(|bar| bar.low)))),
            ("close", Arc::new(Float64Array::from_iter_values(bars().map(|bar| bar.close)))),
            ("volume", Arc::new(Float64Array::from_iter_values(bars().map(|bar| bar.volume)))),
            ("money", Arc::new(Float64Array::from_iter_values(bars().map(|bar| bar.money)))),
            ("factor", Arc::new(Float64Array::from_iter_values(bars().map(|bar| bar.factor)))),
        ])?;
        self.publisher.queue(&batch)?;
        Ok(())
    }
}

struct BarbusReceiver {
    minutes: Minutes<Reader>,
    /// In the order in which a minute has them.
    symbols: Vec<String>,
}

impl BurstReceiver for BarbusReceiver {
    fn receive(&mut self, minute: u64) -> anyhow::Result<()> {
        loop {
            match self.minutes.next(Duration::from_secs(1))? {
                None => {}
                Some(Event::Bars(bars)) => {
                    ensure!(bars.len() as u64 == BURST, "{} bars of minute {minute}", bars.len());
                    for ((found, symbol), n) in bars.iter().zip(&self.symbols).zip(minute * BURST..) {
                        // Their ids are those of the reader: the name is compared.
                        ensure!(found.symbol == symbol && found.present == 3, "bar {n} arrived as {found:?}");
                        check_burst_values(&Bar { symbol: n % BURST, ..bar_of(&found) }, n)?;
                    }
                }
                Some(Event::MinuteClosed(closed)) => {
                    let is_complete = closed.symbols as u64 == BURST && closed.missing.is_empty();
                    ensure!(is_complete && closed.frame_ms == burst_values(minute * BURST).frame_ms, "{closed:?}");
                    return Ok(());
                }
                Some(other) => bail!("{other:?} instead of minute {minute}"),
            }
        }
    }
}

/// A process that copies what the producer sends to every strategy.
struct Hub;

const IN: &str = "in";
const OUT: &str = "out";

impl Burst for Hub {
    fn name(&self) -> &'static str {
        "Unix socket fan-out"
    }

    fn settings(&self) -> String {
        "a hub that copies what the producer writes to a socket of each strategy, 64 KB at a time".into()
    }

    fn server(&self, directory: &Path) -> anyhow::Result<Option<Box<dyn Any>>> {
        let (producers, strategies) =
            (UnixListener::bind(directory.join(IN))?, UnixListener::bind(directory.join(OUT))?);
        std::thread::spawn(move || -> anyhow::Result<()> {
            let outs = (0..STRATEGIES).map(|_| Ok(strategies.accept()?.0));
            let mut outs = outs.collect::<anyhow::Result<Vec<UnixStream>>>()?;
            let (mut producer, mut bytes) = (producers.accept()?.0, vec![0; 64 * 1024]);
            loop {
                let read = producer.read(&mut bytes)?;
                if read == 0 {
                    return Ok(());
                }
                outs.iter_mut().try_for_each(|out| out.write_all(&bytes[..read]))?;
            }
        });
        Ok(Some(Box::new(())))
    }

    fn sender(&self, directory: &Path) -> anyhow::Result<Box<dyn BurstSender>> {
        let output = until(|| UnixStream::connect(directory.join(IN)))?;
        Ok(Box::new(HubSender { output, source: BurstSource::default() }))
    }

    fn receiver(&self, directory: &Path) -> anyhow::Result<Box<dyn BurstReceiver>> {
        let stream = until(|| UnixStream::connect(directory.join(OUT)))?;
        let input = BufReader::with_capacity(64 * 1024, stream);
        Ok(Box::new(HubReceiver { input, strategy: StrategyMinute::default() }))
    }
}

struct HubSender {
    output: UnixStream,
    source: BurstSource,
}

impl BurstSender for HubSender {
    fn send(&mut self, minute: u64) -> anyhow::Result<()> {
        Ok(self.output.write_all(self.source.bytes(minute))?)
    }
}

struct HubReceiver {
    input: BufReader<UnixStream>,
    strategy: StrategyMinute,
}

impl BurstReceiver for HubReceiver {
    fn receive(&mut self, minute: u64) -> anyhow::Result<()> {
        let mut bytes = [0; BurstBar::BYTES];
        self.strategy.receive(minute, || {
            self.input.read_exact(&mut bytes).context("the hub has hung up")?;
            BurstBar::from_bytes(&bytes)
        })
    }
}
