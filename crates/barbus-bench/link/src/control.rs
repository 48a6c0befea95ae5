//! The control file by which the two processes of a measure synchronize.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use barbus_shm::{Load, Memory, Store, WriteMap, allocate};

const BYTES: u64 = 4096;
/// Offsets of the words, each on its own cache line.
const READY: [usize; 2] = [0, 256];
const POSITION: usize = 512;
const FAILED: usize = 768;
const OVER: usize = 1_024;

/// Creates the control file of a measure in `directory`.
pub fn prepare(directory: &Path) -> anyhow::Result<()> {
    allocate(&directory.join("control"), BYTES)?;
    Ok(())
}

/// Shared words of the two processes: readiness, the reader's progress, and failure.
pub(crate) struct Control(WriteMap);

impl Control {
    pub(crate) fn open(directory: &Path) -> anyhow::Result<Self> {
        Ok(Self(WriteMap::open(&directory.join("control"))?))
    }

    /// Reports that side `own` (0 or 1) is ready and waits for the other side.
    pub(crate) fn meet(&self, own: usize) -> anyhow::Result<()> {
        self.0.words64(READY[own], 1)[0].set_release(1);
        let begun = Instant::now();
        while self.0.words64(READY[1 - own], 1)[0].get() == 0 {
            ensure!(begun.elapsed() < Duration::from_secs(20), "the other process is not ready");
            ensure!(self.0.words64(FAILED, 1)[0].get() == 0, "the other process failed");
            std::thread::sleep(Duration::from_millis(1));
        }
        self.0.fence_acquire();
        Ok(())
    }

    /// Stores the number of bars that the reader has read.
    #[inline(always)]
    pub(crate) fn set_position(&self, bars: u64) {
        self.0.words64(POSITION, 1)[0].set_release(bars);
    }

    /// Waits until the reader has read `bars` bars, and returns its progress.
    pub(crate) fn wait_for(&self, bars: u64) -> anyhow::Result<u64> {
        loop {
            let position = self.0.words64(POSITION, 1)[0].get();
            self.0.fence_acquire();
            if position >= bars {
                return Ok(position);
            }
            ensure!(self.0.words64(FAILED, 1)[0].get() == 0, "the other process failed");
            std::hint::spin_loop();
        }
    }

    /// Reports that the first process has finished.
    pub(crate) fn finish(&self) {
        self.0.words64(OVER, 1)[0].set_release(1);
    }

    /// Waits until the first process has finished.
    ///
    /// A side that closes its end too early could fail the other's last call.
    pub(crate) fn wait_until_finished(&self) -> anyhow::Result<()> {
        while self.0.words64(OVER, 1)[0].get() == 0 {
            ensure!(self.0.words64(FAILED, 1)[0].get() == 0, "the other process failed");
            std::thread::sleep(Duration::from_micros(100));
        }
        Ok(())
    }

    /// Reports a failure, so that the other process stops waiting.
    pub(crate) fn fail(&self) {
        self.0.words64(FAILED, 1)[0].set_release(1);
    }
}
