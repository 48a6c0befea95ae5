//! The writer's cost of readers: for a bar with 64 readers and with none, and for a wake.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use barbus_bench_link::{Sender, Wait, pin, scratch, unpin};
use barbus_shm::{Load, Memory, WriteMap, allocate};
use hdrhistogram::Histogram;

use crate::own::{Attach, Library, Ring, Wakes};
use crate::reader::{Follow, LINE, ReaderJob, Readers};
use crate::report::Report;

/// Readers.
const READERS: usize = 64;
/// Bars of one burst, which are timed together: a block of the ring.
const BURST: u64 = 16_384;
/// Number of timed bursts, with readers and without.
const BURSTS: u64 = 20;
/// Blocks of the ring: more than fit into a cache, as on a real bus.
const BLOCKS: u32 = 64;
/// Pause between bursts, in which all readers catch up and fall asleep.
const GAP: Duration = Duration::from_millis(40);
/// Number of timed wakes; before each one the readers fall asleep.
const WAKES: u64 = 2_000;

/// A writer on core 0 and varying readers on core 1.
struct Followed<P: Attach> {
    library: bool,
    sender: P::Sender,
    positions: WriteMap,
    readers: Readers,
    next: u64,
    directory: tempfile::TempDir,
}

impl<P: Attach> Followed<P> {
    fn start(peer: &P, library: bool) -> anyhow::Result<Self> {
        let directory = scratch()?;
        allocate(&directory.path().join("positions"), (READERS * LINE) as u64)?;
        // This thread has one core; the writer's other threads may use the other.
        unpin();
        let sender = peer.sender(directory.path(), "out", Wait::Spin)?;
        pin(0);
        let positions = WriteMap::open(&directory.path().join("positions"))?;
        Ok(Self { library, sender, positions, readers: Readers::default(), next: 0, directory })
    }

    /// Replaces the current readers by `readers` that follow the ring from its newest bar.
    fn attach(&mut self, readers: usize, wait: Wait) -> anyhow::Result<()> {
        self.readers = Readers::default();
        let directory = self.directory.path();
        let follow =
            |line| Follow { directory: directory.to_owned(), library: self.library, wait, line, next: self.next };
        self.readers = Readers::start((0..readers).map(|line| ReaderJob::Follow(follow(line))))?;
        self.until_all_have_read()
    }

    fn until_all_have_read(&mut self) -> anyhow::Result<()> {
        self.readers.all_live()?;
        let begun = Instant::now();
        let readers = self.readers.0.len();
        // The thread keeps its core, because other work there would evict its caches.
        while (0..readers).any(|line| self.positions.words64(line * LINE, 1)[0].get() != self.next + 1) {
            ensure!(begun.elapsed() < Duration::from_secs(30), "a reader does not follow");
            std::hint::spin_loop();
        }
        Ok(())
    }

    /// Sends `bars`, of which only the last one wakes sleepers.
    /// Returns nanoseconds for each of the others.
    fn send(&mut self, bars: u64) -> anyhow::Result<f64> {
        self.sender.set_wakes(false);
        let start = Instant::now();
        for n in self.next..self.next + bars - 1 {
            self.sender.send(n)?;
        }
        let ns = start.elapsed().as_nanos() as f64 / (bars - 1) as f64;
        self.sender.set_wakes(true);
        self.sender.send(self.next + bars - 1)?;
        self.next += bars;
        Ok(ns)
    }

    /// Nanoseconds per bar of each burst; between bursts all readers catch up and fall asleep.
    fn bursts(&mut self, bursts: u64) -> anyhow::Result<Vec<f64>> {
        let mut all = Vec::new();
        for burst in 0..=bursts {
            let ns = self.send(BURST)?;
            // The first burst finds cold caches, because the readers have just started.
            if burst > 0 {
                all.push(ns);
            }
            let begun = Instant::now();
            self.until_all_have_read()?;
            while begun.elapsed() < GAP {
                std::hint::spin_loop();
            }
        }
        Ok(all)
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Each kind of readers between bursts without readers.
///
/// The cost of a bar grows during the day, and the machine's speed varies.
fn costs<P: Attach>(report: &mut Report, peer: &P, library: bool, touched: u64, measure: &str) -> anyhow::Result<()> {
    let mut all_alone = Vec::new();
    let mut figures = Vec::new();
    for (system, readers, wait) in [
        ("1 reader, asleep", 1, Wait::Sleep),
        ("64 readers, asleep", READERS, Wait::Sleep),
        ("1 reader, polling", 1, Wait::Spin),
        ("64 readers, polling", READERS, Wait::Spin),
    ] {
        let mut followed = Followed::start(peer, library)?;
        // All pages of the ring are touched before anything is timed.
        followed.send(touched)?;
        let mut alone = followed.bursts(BURSTS / 2)?;
        followed.attach(readers, wait)?;
        let mut with = followed.bursts(BURSTS).context(system)?;
        followed.attach(0, wait)?;
        alone.extend(followed.bursts(BURSTS / 2)?);
        figures.push((system, median(&mut alone), median(&mut with)));
        all_alone.extend(alone);
    }
    report.add(measure, "no reader", None, "ns", median(&mut all_alone));
    for (system, alone, with) in figures {
        report.add_beside(measure, system, alone, "ns", with);
    }
    Ok(())
}

/// The writer's cost of a bar, with readers on the other core and without.
pub(crate) fn round(report: &mut Report) -> anyhow::Result<()> {
    costs(report, &Ring { blocks: BLOCKS }, false, u64::from(BLOCKS) * BURST, "writer's cost of a bar, ring")?;
    // All bars are of one day, so nothing is archived meanwhile.
    costs(report, &Library, true, BURST, "writer's cost of a bar, library")?;
    unpin();
    Ok(())
}

/// The writer's cost of a wake.
pub(crate) fn wakes(report: &mut Report) -> anyhow::Result<()> {
    let ring = Ring { blocks: BLOCKS };
    let mut followed = Followed::start(&ring, false)?;
    followed.send(u64::from(BLOCKS) * BURST)?;
    for (system, readers, wakes) in [
        ("no wake", 0, false),
        ("wake, no reader", 0, true),
        ("wake, 1 reader asleep", 1, true),
        ("wake, 64 readers asleep", READERS, true),
    ] {
        followed.attach(readers, Wait::Sleep)?;
        followed.sender.set_wakes(wakes);
        let mut histogram = Histogram::<u64>::new(3)?;
        for _ in 0..WAKES {
            let start = Instant::now();
            followed.sender.send(followed.next)?;
            histogram.record(start.elapsed().as_nanos() as u64)?;
            followed.next += 1;
            followed.until_all_have_read()?;
            // Let the readers fall asleep again.
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_micros(200) {
                std::hint::spin_loop();
            }
        }
        for (quantile, measure) in
            [(0.5, "a bar and a wake, writer's cost, p50"), (0.99, "a bar and a wake, writer's cost, p99")]
        {
            report.add(measure, system, Some("no wake"), "ns", histogram.value_at_quantile(quantile) as f64);
        }
    }
    unpin();
    Ok(())
}
