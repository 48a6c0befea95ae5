//! What readers cost: the writer, with 64 of them attached and with none; a wake; and the memory of a hundred.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use barbus::{Bus, Event, InitOptions, Reader, Start, Writer};
use barbus_bench_link::{Peer, Receiver, Sender, Wait, pin, scratch, unpin};
use barbus_shm::{Load, Memory, Store, WriteMap, allocate};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::own::{Library, Ring, Wakes};
use crate::report::Report;
use crate::restart;

/// Readers of the measures of cost, and of that of memory.
const READERS: usize = 64;
const CROWD: usize = 100;
/// Bars that are timed together.
const BURST: u64 = 16_384;
/// Blocks of the ring: all of it has been written and read before anything is timed.
const BLOCKS: u32 = 8;
const TIMED: u64 = 16;
/// Wakes that are timed, each when the reader has fallen asleep again.
const WAKES: u64 = 3_000;
/// A line for each reader's position.
const LINE: usize = 128;

/// What a reader process is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Job {
    /// To follow the ring, or the bus, in `directory`, on core 1, and to store its position in line `index` of the file `positions`.
    Follow { directory: PathBuf, library: bool, wait: Wait, index: usize },
    /// To read all that is in the bus, and to stay attached.
    Stay { bus: PathBuf, bars: u64 },
}

/// The reader process.
pub(crate) fn reader(job: &str) -> anyhow::Result<()> {
    // Who spins does not notice that nobody waits for him any more.
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    match serde_json::from_str(job)? {
        Job::Follow { directory, library: false, wait, index } => {
            follow(&Ring { blocks: BLOCKS }, &directory, wait, index)
        }
        Job::Follow { directory, library: true, wait, index } => follow(&Library, &directory, wait, index),
        Job::Stay { bus, bars } => stay(&bus, bars),
    }
}

fn follow<P: Peer>(peer: &P, directory: &Path, wait: Wait, index: usize) -> anyhow::Result<()> {
    pin(1);
    let mut receiver = peer.receiver(directory, "out", wait)?;
    let positions = WriteMap::open(&directory.join("positions"))?;
    let own = &positions.words64(index * LINE, 1)[0];
    // One more than was read: 0 says that it is not attached yet.
    own.set_release(1);
    let mut next = 0;
    loop {
        match receiver.receive(next)? {
            0 => std::hint::spin_loop(),
            count => {
                next += count;
                own.set_release(next + 1);
            }
        }
    }
}

fn stay(bus: &Path, bars: u64) -> anyhow::Result<()> {
    let mut reader = Reader::open(bus)?.from(Start::Oldest)?;
    let mut read = 0;
    while read < bars {
        if let Some(Event::Bars(rows)) = reader.poll()? {
            for (row, n) in rows.rows().iter().zip(read..) {
                let (symbol, minute) = (n % restart::SYMBOLS as u64, n / restart::SYMBOLS as u64);
                ensure!(row.seq == n && row.open == (symbol + minute) as f64 + 1.25, "bar {n} came as {row:?}");
            }
            read += rows.len() as u64;
        }
    }
    println!("{read}");
    loop {
        reader.wait(Duration::from_secs(10))?;
    }
}

/// Reader processes; they end with the value.
struct Readers(Vec<(Child, Option<ChildStdin>)>);

impl Readers {
    fn start(jobs: impl Iterator<Item = Job>) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?;
        let mut readers = Self(Vec::new());
        for job in jobs {
            let mut child = Command::new(&program)
                .args(["reader", &serde_json::to_string(&job)?])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let input = child.stdin.take();
            readers.0.push((child, input));
        }
        Ok(readers)
    }

    fn all_live(&mut self) -> anyhow::Result<()> {
        for (child, _) in &mut self.0 {
            ensure!(child.try_wait()?.is_none(), "a reader has ended");
        }
        Ok(())
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        for (child, _) in &mut self.0 {
            let _ = child.kill();
        }
        for (child, _) in &mut self.0 {
            let _ = child.wait();
        }
    }
}

/// A writer, and readers that follow it.
struct Followed<S> {
    sender: S,
    positions: WriteMap,
    readers: Readers,
    next: u64,
    _directory: tempfile::TempDir,
}

impl<S: Sender + Wakes> Followed<S> {
    fn start<P: Peer<Sender = S>>(peer: &P, library: bool, readers: usize, wait: Wait) -> anyhow::Result<Self> {
        let directory = scratch()?;
        let path = directory.path();
        allocate(&path.join("positions"), (READERS * LINE) as u64)?;
        // The writer's own threads may have the other core; this one has one.
        unpin();
        let sender = peer.sender(path, "out", Wait::Spin)?;
        let job = |index| Job::Follow { directory: path.to_owned(), library, wait, index };
        let readers = Readers::start((0..readers).map(job))?;
        pin(0);
        let positions = WriteMap::open(&path.join("positions"))?;
        let mut followed = Self { sender, positions, readers, next: 0, _directory: directory };
        followed.until_all_have_read()?;
        Ok(followed)
    }

    fn until_all_have_read(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let readers = self.readers.0.len();
        while (0..readers).any(|index| self.positions.words64(index * LINE, 1)[0].get() != self.next + 1) {
            self.readers.all_live()?;
            ensure!(begun.elapsed() < Duration::from_secs(30), "a reader does not follow");
            std::thread::sleep(Duration::from_micros(500));
        }
        Ok(())
    }

    /// Nanoseconds for a bar, of a burst that nobody is woken by; then everybody reads it, and sleeps again.
    fn burst(&mut self) -> anyhow::Result<f64> {
        self.sender.set_wakes(false);
        let start = Instant::now();
        for n in self.next..self.next + BURST - 1 {
            self.sender.send(n)?;
        }
        let ns = start.elapsed().as_nanos() as f64 / (BURST - 1) as f64;
        self.sender.set_wakes(true);
        self.sender.send(self.next + BURST - 1)?;
        self.next += BURST;
        self.until_all_have_read()?;
        std::thread::sleep(Duration::from_millis(2));
        Ok(ns)
    }

    /// Median of the bursts, after all of the ring has been written once.
    fn cost(&mut self) -> anyhow::Result<f64> {
        for _ in 0..u64::from(BLOCKS) + 1 {
            self.burst()?;
        }
        let mut bursts = (0..TIMED).map(|_| self.burst()).collect::<anyhow::Result<Vec<_>>>()?;
        bursts.sort_by(f64::total_cmp);
        Ok(bursts[bursts.len() / 2])
    }

    /// Nanoseconds of each send, with or without a wake, each when the readers sleep.
    fn sends(&mut self, wakes: bool) -> anyhow::Result<Histogram<u64>> {
        let mut histogram = Histogram::new(3)?;
        for _ in 0..WAKES {
            self.sender.set_wakes(wakes);
            let start = Instant::now();
            self.sender.send(self.next)?;
            histogram.record(start.elapsed().as_nanos() as u64)?;
            self.next += 1;
            if self.readers.0.is_empty() {
                continue;
            }
            if !wakes {
                self.sender.set_wakes(true);
                self.sender.send(self.next)?;
                self.next += 1;
            }
            self.until_all_have_read()?;
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(histogram)
    }
}

fn costs<P: Peer<Sender: Wakes>>(report: &mut Report, peer: &P, library: bool, measure: &str) -> anyhow::Result<()> {
    for (system, readers, wait) in [
        ("no reader", 0, Wait::Sleep),
        ("64 readers, asleep", READERS, Wait::Sleep),
        ("1 reader, polling", 1, Wait::Spin),
        ("64 readers, polling", READERS, Wait::Spin),
    ] {
        let ns = Followed::start(peer, library, readers, wait)?.cost().context(system)?;
        report.add(measure, system, Some("no reader"), "ns", ns);
    }
    Ok(())
}

/// The writer's cost of a bar, with readers on the other core and without.
pub(crate) fn round(report: &mut Report) -> anyhow::Result<()> {
    costs(report, &Ring { blocks: BLOCKS }, false, "writer's cost of a bar, ring")?;
    costs(report, &Library, true, "writer's cost of a bar, library")?;
    unpin();
    Ok(())
}

/// The writer's cost of a wake.
pub(crate) fn wakes(report: &mut Report) -> anyhow::Result<()> {
    for (system, readers, wakes) in [
        ("no wake", 0, false),
        ("wake, no reader", 0, true),
        ("wake, 1 reader asleep", 1, true),
        ("wake, 64 readers asleep", READERS, true),
    ] {
        let histogram =
            Followed::start(&Ring { blocks: BLOCKS }, false, readers, Wait::Sleep)?.sends(wakes).context(system)?;
        for (measure, quantile) in
            [("writer's cost of a bar with a wake, p50", 0.5), ("writer's cost of a bar with a wake, p99", 0.99)]
        {
            report.add(measure, system, Some("no wake"), "ns", histogram.value_at_quantile(quantile) as f64);
        }
    }
    unpin();
    Ok(())
}

/// The memory of a hundred processes, each of which has read all of a full ring of the default size.
pub(crate) fn memory(report: &mut Report) -> anyhow::Result<()> {
    let directory = scratch()?;
    let bus = Bus::init(&directory.path().join("bus"), &InitOptions { calendar: "24x7".into(), preset: None })?;
    let mut writer = Writer::open(&bus)?;
    let blocks = u64::from(barbus::stat(&bus)?.blocks);
    // All blocks but one: a ring without a free one would spill.
    let minutes = (blocks - 1) * u64::from(bus.settings().rows_per_block) / restart::SYMBOLS as u64;
    for minute in 0..minutes {
        writer.publish(restart::minute(minute as i64))?;
    }
    drop(writer);
    let bars = minutes * restart::SYMBOLS as u64;
    let path = bus.path().to_owned();
    let mut readers = Readers::start((0..CROWD).map(|_| Job::Stay { bus: path.clone(), bars }))?;
    for (child, _) in &mut readers.0 {
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("it was piped")?).read_line(&mut line)?;
        ensure!(line.trim() == bars.to_string(), "a reader has not read all");
    }
    let ring = std::fs::metadata(bus.ring())?.len() as f64 / 1e6;
    let (mut shared, mut private) = (0.0, Vec::new());
    for (child, _) in &readers.0 {
        let memory = Mapped::of(child.id(), &bus.ring())?;
        shared += memory.ring_pss_mb;
        private.push(memory.private_mb);
    }
    private.sort_by(f64::total_cmp);
    let measure = "memory of 100 readers of a full ring";
    report.add(measure, "the ring's file", None, "MB", ring);
    report.add(measure, "the ring in all of them (PSS)", Some("the ring's file"), "MB", shared);
    let measure = "private memory of each of 100 readers";
    report.add(measure, "to reach", None, "MB", 2.0);
    report.add(measure, "median", Some("to reach"), "MB", private[private.len() / 2]);
    report.add(measure, "largest", Some("to reach"), "MB", private[private.len() - 1]);
    Ok(())
}

/// What the kernel says of a process's memory.
struct Mapped {
    /// Its share of the ring's pages.
    ring_pss_mb: f64,
    /// What nobody shares with it.
    private_mb: f64,
}

impl Mapped {
    fn of(pid: u32, ring: &Path) -> anyhow::Result<Self> {
        let ring = ring.to_str().context("the path is UTF-8")?;
        let (mut of_ring, mut ring_pss_mb, mut private_mb) = (false, 0.0, 0.0);
        for line in std::fs::read_to_string(format!("/proc/{pid}/smaps"))?.lines() {
            let mut words = line.split_whitespace();
            let (key, value) =
                (words.next().unwrap_or_default(), words.next().and_then(|value| value.parse::<f64>().ok()));
            match (key, value.map(|kb| kb * 1024.0 / 1e6)) {
                ("Pss:", Some(mb)) if of_ring => ring_pss_mb += mb,
                ("Private_Clean:" | "Private_Dirty:", Some(mb)) => private_mb += mb,
                // The first line of a mapping: addresses, and at the end the path.
                (key, _) if !key.ends_with(':') => of_ring = line.ends_with(ring),
                _ => {}
            }
        }
        Ok(Self { ring_pss_mb, private_mb })
    }
}
