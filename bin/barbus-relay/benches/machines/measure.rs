//! What is measured of every system.

use std::ops::Range;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::Places;
use crate::market::{Day, SYMBOLS};
use crate::table::Table;

/// Longest pause between two bars that arrive.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause after a bar or a minute, in which every process goes to sleep.
const PAUSE: Duration = Duration::from_millis(10);
/// Bars or minutes that are not counted.
const WARM: usize = 10;

/// A way of bars from one machine to another.
pub(crate) trait Way: Sync {
    fn name(&self) -> &'static str;

    /// Starts the servers; dropping the value ends them.
    fn start(&self, places: &Places) -> anyhow::Result<Box<dyn Running>>;
}

/// A system whose servers run.
pub(crate) trait Running: Sync {
    /// The producer's end, for the machine of the feed.
    fn producer<'a>(&'a self, day: &'a Day) -> anyhow::Result<Box<dyn Producer + 'a>>;

    /// The consumer's end, for the machine of the desk; it exists before anything is sent.
    fn consumer<'a>(&'a self, day: &'a Day) -> anyhow::Result<Box<dyn Consumer + 'a>>;
}

/// The producer's end.
pub(crate) trait Producer {
    /// Sends bars, by their numbers.
    fn send(&mut self, bars: Range<usize>) -> anyhow::Result<()>;
}

/// The consumer's end.
pub(crate) trait Consumer {
    /// Waits at most a moment for bars from number `next` on, verifies them, and returns how many
    /// there were.
    fn receive(&mut self, next: usize) -> anyhow::Result<usize>;
}

/// Runs `send` on the machine of the feed while the desk receives `count` bars.
/// Each arrival is sent to `send` with its time and the number of bars so far.
fn run<T: Send>(
    way: &dyn Way,
    places: &Places,
    day: &Day,
    count: usize,
    send: impl FnOnce(&mut dyn Producer, &Receiver<(usize, Instant)>) -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    let running = way.start(places).with_context(|| way.name())?;
    let running = running.as_ref();
    let (to_feed, arrivals) = channel();
    std::thread::scope(|scope| {
        let consumer = scope.spawn(|| {
            places.desk.enter(move || {
                let mut consumer = running.consumer(day)?;
                to_feed.send((0, Instant::now()))?;
                let (mut next, mut last) = (0, Instant::now());
                while next < count {
                    let more = consumer.receive(next)?;
                    if more > 0 {
                        (next, last) = (next + more, Instant::now());
                        // Nobody listens if the producer has failed.
                        let _ = to_feed.send((next, last));
                    }
                    ensure!(last.elapsed() < PATIENCE, "no bar after {next}");
                }
                Ok(())
            })
        });
        let sent = places.feed.enter(move || {
            let mut producer = running.producer(day)?;
            arrivals.recv().context("the consumer failed")?;
            send(producer.as_mut(), &arrivals)
        });
        consumer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).with_context(|| way.name())?;
        sent.with_context(|| way.name())
    })
}

/// Waits until `count` bars have arrived, and returns when.
fn until(arrivals: &Receiver<(usize, Instant)>, count: usize) -> anyhow::Result<Instant> {
    loop {
        let (arrived, at) = arrivals.recv_timeout(PATIENCE).context("the bars do not arrive")?;
        if arrived >= count {
            return Ok(at);
        }
    }
}

/// Sends `times` portions of `portion` bars, each after the one before has arrived.
fn portions(
    way: &dyn Way,
    places: &Places,
    day: &Day,
    (portion, times): (usize, usize),
) -> anyhow::Result<Vec<Duration>> {
    let count = portion * (times + WARM);
    run(way, places, day, count, |producer, arrivals| {
        let mut took = Vec::new();
        for first in (0..count).step_by(portion) {
            std::thread::sleep(PAUSE);
            let begun = Instant::now();
            producer.send(first..first + portion)?;
            took.push(until(arrivals, first + portion)?.duration_since(begun));
        }
        Ok(took.split_off(WARM))
    })
}

fn quantile(times: &mut [Duration], part: f64) -> f64 {
    times.sort();
    let at = ((times.len() - 1) as f64 * part).round() as usize;
    times[at].as_secs_f64() * 1e3
}

/// Single bars, from the producer's call until the consumer has the bar.
pub(crate) fn singles(
    way: &dyn Way,
    places: &Places,
    day: &Day,
    times: usize,
    table: &mut Table,
) -> anyhow::Result<()> {
    let mut took = portions(way, places, day, (1, times))?;
    table.add("a bar to the other machine, p50", "ms", way.name(), quantile(&mut took, 0.5));
    table.add("a bar to the other machine, p99", "ms", way.name(), quantile(&mut took, 0.99));
    Ok(())
}

/// Minutes of 5,000 bars, from the producer's call until the consumer has the last bar.
pub(crate) fn bursts(
    way: &dyn Way,
    places: &Places,
    day: &Day,
    minutes: usize,
    table: &mut Table,
) -> anyhow::Result<()> {
    let mut took = portions(way, places, day, (SYMBOLS, minutes.saturating_sub(WARM).max(1)))?;
    table.add("a minute of 5,000 bars, p50", "ms", way.name(), quantile(&mut took, 0.5));
    table.add("a minute of 5,000 bars, p99", "ms", way.name(), quantile(&mut took, 0.99));
    Ok(())
}

/// A day, sent as fast as the system takes it.
pub(crate) fn whole_day(
    way: &dyn Way,
    places: &Places,
    day: &Day,
    minutes: usize,
    table: &mut Table,
) -> anyhow::Result<()> {
    let count = minutes * SYMBOLS;
    let took = run(way, places, day, count, |producer, arrivals| {
        let begun = Instant::now();
        for minute in 0..minutes {
            producer.send(minute * SYMBOLS..(minute + 1) * SYMBOLS)?;
        }
        Ok(until(arrivals, count)?.duration_since(begun))
    })?;
    table.add("a day as fast as possible", "M bars/s", way.name(), count as f64 / took.as_secs_f64() / 1e6);
    Ok(())
}
