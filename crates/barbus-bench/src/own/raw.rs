//! The limit as a peer: a raw ping-pong of words in shared memory.

use std::path::Path;

use anyhow::ensure;
use barbus_bench_link::{Measure, Peer, Receiver, Sender, Wait, until};
use barbus_shm::{Load, Memory, ReadMap, Store, WriteMap, allocate};

/// The limit: two words of shared memory on separate cache lines.
pub(crate) struct Raw;

impl Peer for Raw {
    type Sender = WriteMapSender;
    type Receiver = WordReceiver;

    fn name(&self) -> &'static str {
        super::LIMIT
    }

    fn settings(&self) -> String {
        "a word of shared memory: the limit".into()
    }

    fn measures(&self) -> &'static [Measure] {
        &[Measure::OneWay]
    }

    fn sender(&self, directory: &Path, name: &str, _wait: Wait) -> anyhow::Result<WriteMapSender> {
        let building = directory.join(format!("{name}.new"));
        allocate(&building, 4096)?;
        std::fs::rename(&building, directory.join(name))?;
        Ok(WriteMapSender(WriteMap::open(&directory.join(name))?))
    }

    fn receiver(&self, directory: &Path, name: &str, _wait: Wait) -> anyhow::Result<WordReceiver> {
        Ok(WordReceiver(until(|| ReadMap::open(&directory.join(name)))?))
    }
}

pub(crate) struct WriteMapSender(WriteMap);

impl Sender for WriteMapSender {
    #[inline(always)]
    fn send(&mut self, n: u64) -> anyhow::Result<()> {
        self.0.words64(0, 1)[0].set_release(n + 1);
        Ok(())
    }
}

pub(crate) struct WordReceiver(ReadMap);

impl Receiver for WordReceiver {
    #[inline(always)]
    fn receive(&mut self, next: u64) -> anyhow::Result<u64> {
        let word = self.0.words64(0, 1)[0].get();
        self.0.fence_acquire();
        ensure!(word <= next + 1, "{word} instead of {next}");
        Ok(u64::from(word == next + 1))
    }
}
