//! Reader processes for the measures of the writer and of memory.

use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::ensure;
use barbus::{Event, Reader, Start};
use barbus_bench_link::{Receiver, Wait, pin};
use barbus_shm::{Memory, Store, WriteMap};
use serde::{Deserialize, Serialize};

use crate::own::{Attach, Library, Ring};
use crate::restart;

/// Bytes of a reader's line in the file `positions`, so that readers share no cache line.
pub(crate) const LINE: usize = 128;

/// The job of a reader process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum ReaderJob {
    /// Follow the ring.
    Follow(Follow),
    /// Read all bars of the bus and stay attached.
    Stay {
        /// The bus.
        bus: PathBuf,
        /// Number of bars on the bus.
        bars: u64,
    },
}

/// Follow on core 1 from bar `next` on, and store the position in the file `positions`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Follow {
    pub(crate) directory: PathBuf,
    /// Whether to read a bus instead of a ring.
    pub(crate) library: bool,
    pub(crate) wait: Wait,
    pub(crate) line: usize,
    pub(crate) next: u64,
}

/// The body of a reader process.
pub(crate) fn run(job: &str) -> anyhow::Result<()> {
    // A spinning process would not notice that its parent has ended.
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    match serde_json::from_str(job)? {
        ReaderJob::Follow(job) if job.library => follow(&Library, &job),
        // The receiver reads the ring's size from the ring.
        ReaderJob::Follow(job) => follow(&Ring { blocks: 0 }, &job),
        ReaderJob::Stay { bus, bars } => stay(&bus, bars),
    }
}

fn follow<P: Attach>(peer: &P, job: &Follow) -> anyhow::Result<()> {
    pin(1);
    let mut receiver = peer.attach(&job.directory, "out", job.wait, job.next)?;
    let positions = WriteMap::open(&job.directory.join("positions"))?;
    let own = &positions.words64(job.line * LINE, 1)[0];
    // One more than the rows read, because 0 means not attached.
    let mut next = job.next;
    own.set_release(next + 1);
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
    let mut reader = Reader::open(bus)?.start_at(Start::Oldest)?;
    let mut read = 0;
    while read < bars {
        if let Some(Event::Bars(rows)) = reader.poll()? {
            for (row, n) in rows.rows().iter().zip(read..) {
                let (symbol, minute) = (n % restart::SYMBOLS as u64, n / restart::SYMBOLS as u64);
                ensure!(row.seq == n && row.open == (symbol + minute) as f64 + 1.25, "bar {n} arrived as {row:?}");
            }
            read += rows.len() as u64;
        }
    }
    println!("{read}");
    loop {
        reader.wait(Duration::from_secs(10))?;
    }
}

/// Reader processes; dropping the value ends them.
#[derive(Debug, Default)]
pub(crate) struct Readers(pub(crate) Vec<(Child, Option<ChildStdin>)>);

impl Readers {
    pub(crate) fn start(jobs: impl Iterator<Item = ReaderJob>) -> anyhow::Result<Self> {
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

    pub(crate) fn all_live(&mut self) -> anyhow::Result<()> {
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
