//! One way from process to process, both spinning: half of a round trip, a message at a time.
//!
//! The limit is two words of shared memory on lines of their own. barbus sends a bar through one ring and gets it back through another.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use barbus::{Bus, Event, InitOptions, Reader, Row, Writer};
use barbus_ring::{Follower, Polled, Ring, RingWriter, Spec, Start, SymbolId, create};
use barbus_shm::{Load, Memory, ReadMap, Store, WriteMap, allocate};
use hdrhistogram::Histogram;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::report::Report;

const COUNT: u64 = 200_000;
const WARM_UP: u64 = 20_000;
const MEASURE: &str = "one bar, one way";

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum System {
    /// Two words.
    Raw,
    /// `RingWriter::push` and `Follower::poll`.
    Ring,
    /// `Writer::push` and `Reader::poll`: with rules, books and clock.
    Library,
}

pub(crate) fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    // A machine with one core measures unpinned.
    let _ = sched_setaffinity(None, &set);
}

/// Undoes [`pin`]: threads that are started from here on may run anywhere.
pub(crate) fn pin_to_all() -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    (0..std::thread::available_parallelism()?.get().max(2)).for_each(|core| set.set(core));
    let _ = sched_setaffinity(None, &set);
    Ok(())
}

/// Sends a message and waits for its answer.
trait Side {
    fn send(&mut self, message: u64) -> anyhow::Result<()>;
    /// Spins until the next message, and checks it.
    fn receive(&mut self, message: u64) -> anyhow::Result<()>;
}

struct Raw {
    out: WriteMap,
    back: ReadMap,
}

impl Side for Raw {
    fn send(&mut self, message: u64) -> anyhow::Result<()> {
        self.out.words64(0, 1)[0].set_release(message);
        Ok(())
    }
    fn receive(&mut self, message: u64) -> anyhow::Result<()> {
        while self.back.words64(0, 1)[0].get() != message {
            std::hint::spin_loop();
        }
        self.back.fence_acquire();
        Ok(())
    }
}

/// Bars of one day: so many symbols a minute.
const SYMBOLS: u64 = 1_000;

fn bar(message: u64) -> Row {
    let price = message as f64 + 0.5;
    Row {
        symbol: SymbolId((message % SYMBOLS) as u32),
        frame_ms: (1 + message / SYMBOLS) as i64 * 60_000,
        open: price,
        high: price,
        low: price,
        close: price,
        volume: message as f64,
        optional: [price * 2.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        present: 3,
        ..Row::default()
    }
}

fn check(row: &Row, message: u64) -> anyhow::Result<()> {
    let wanted = bar(message);
    let same = (row.symbol, row.frame_ms, row.open, row.close, row.volume, row.optional, row.present)
        == (wanted.symbol, wanted.frame_ms, wanted.open, wanted.close, wanted.volume, wanted.optional, wanted.present);
    ensure!(same, "bar {message} came as {row:?}");
    Ok(())
}

struct RingSide {
    writer: RingWriter,
    ring: Ring,
    follower: Follower,
    rows: Vec<Row>,
}

impl Side for RingSide {
    fn send(&mut self, message: u64) -> anyhow::Result<()> {
        self.writer.push(&bar(message))?;
        Ok(())
    }
    fn receive(&mut self, message: u64) -> anyhow::Result<()> {
        self.rows.clear();
        while self.follower.poll(&self.ring, &mut self.rows, 16) == Polled::Empty {
            std::hint::spin_loop();
        }
        ensure!(self.rows.len() == 1, "{} bars at once", self.rows.len());
        check(&self.rows[0], message)
    }
}

struct LibrarySide {
    writer: Writer,
    reader: Reader,
}

impl Side for LibrarySide {
    fn send(&mut self, message: u64) -> anyhow::Result<()> {
        self.writer.push(&bar(message))?;
        Ok(())
    }
    fn receive(&mut self, message: u64) -> anyhow::Result<()> {
        loop {
            match self.reader.poll()? {
                Some(Event::Bars(bars)) => return check(&bars.rows()[0], message),
                Some(_) | None => std::hint::spin_loop(),
            }
        }
    }
}

/// Files of one direction; the writer's side makes them.
fn make(system: System, path: &Path) -> anyhow::Result<()> {
    match system {
        System::Raw => drop(allocate(path, 4096)?),
        System::Ring => create(path, &Spec { blocks: 64, ..Spec::default() })?,
        System::Library => {
            Bus::init(path, &InitOptions { calendar: "24x7".into(), preset: None })?;
        }
    }
    Ok(())
}

fn side(system: System, directory: &Path, out: &str, back: &str) -> anyhow::Result<Box<dyn Side>> {
    let (out, back) = (directory.join(out), directory.join(back));
    Ok(match system {
        System::Raw => Box::new(Raw { out: WriteMap::open(&out)?, back: ReadMap::open(&back)? }),
        System::Ring => {
            let mut writer = RingWriter::open(&out)?;
            for symbol in 0..SYMBOLS {
                writer.intern(&format!("{symbol:06}.XSHE")).context("a thousand symbols fit")?;
            }
            writer.begin_day(1);
            let ring = Ring::attach(&back)?;
            let follower = Follower::new(&ring, Start::Oldest)?;
            Box::new(RingSide { writer, ring, follower, rows: Vec::with_capacity(16) })
        }
        System::Library => {
            let mut writer = Writer::open(&Bus::open(&out)?)?;
            writer.set_wakes(false);
            for symbol in 0..SYMBOLS {
                writer.symbol(&format!("{symbol:06}.XSHE"))?;
            }
            // The other side's ring is there once its writer is.
            let reader = loop {
                match Reader::open(&back).and_then(|reader| reader.from(barbus::Start::Oldest)) {
                    Ok(reader) => break reader,
                    Err(barbus::Error::NoRing { .. }) => std::hint::spin_loop(),
                    Err(error) => return Err(error.into()),
                }
            };
            Box::new(LibrarySide { writer, reader })
        }
    })
}

/// The other process: answers every message with the same.
pub(crate) fn echo(system: System, directory: &Path, count: u64) -> anyhow::Result<()> {
    pin(1);
    let mut side = side(system, directory, "back", "out")?;
    for message in 1..=count {
        side.receive(message)?;
        side.send(message)?;
    }
    Ok(())
}

struct Killed(Child);
impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn measure(system: System) -> anyhow::Result<Histogram<u64>> {
    pin(0);
    // Shared memory, not a disk: the limit has none either.
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
    make(system, &directory.path().join("out"))?;
    make(system, &directory.path().join("back"))?;
    let name = clap::ValueEnum::to_possible_value(&system).context("every system has a name")?;
    let child = Command::new(std::env::current_exe()?)
        .args(["echo", name.get_name()])
        .arg(directory.path())
        .arg(COUNT.to_string())
        .stdin(Stdio::null())
        .spawn()?;
    let mut child = Killed(child);
    let mut side = side(system, directory.path(), "out", "back")?;
    let mut histogram = Histogram::new(3)?;
    for message in 1..=COUNT {
        let start = Instant::now();
        side.send(message)?;
        side.receive(message)?;
        if message > WARM_UP {
            histogram.record(start.elapsed().as_nanos() as u64 / 2)?;
        }
    }
    ensure!(child.0.wait()?.success(), "the other process failed");
    Ok(histogram)
}

pub(crate) fn round(report: &mut Report) -> anyhow::Result<()> {
    let systems = [
        (System::Raw, "raw ping-pong", "raw ping-pong p99"),
        (System::Ring, "barbus ring", "barbus ring p99"),
        (System::Library, "barbus library", "barbus library p99"),
    ];
    for (system, name, name_p99) in systems {
        let histogram = measure(system)?;
        report.add(MEASURE, name, Some("raw ping-pong"), "ns", histogram.value_at_quantile(0.5) as f64);
        report.add(MEASURE, name_p99, Some("raw ping-pong p99"), "ns", histogram.value_at_quantile(0.99) as f64);
    }
    Ok(())
}
