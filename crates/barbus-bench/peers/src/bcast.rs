//! bcast as a peer.

use std::path::Path;

use barbus_bench_link::{AnyPeer, Bar, Measure, Peer, Receiver, Sender, Wait, until};
use bcast::{HEADER_SIZE, MappedReader, MappedWriter};

/// Bytes of the ring; a bar takes 80 of them.
const BYTES: usize = 8 << 20;
/// Maximum bars of one poll.
const POLL: usize = 256;

pub(crate) fn all() -> [Box<dyn AnyPeer>; 1] {
    [Box::new(Bcast)]
}

struct Bcast;

impl Peer for Bcast {
    type Sender = BcastSender;
    type Receiver = BcastReceiver;

    fn name(&self) -> &'static str {
        "bcast"
    }

    fn settings(&self) -> String {
        format!(
            "0.0.31, {} MB behind the driver's window (a message that was overrun fails the measure); MappedWriter::claim, commit; \
             read_batch, Message::read",
            BYTES >> 20
        )
    }

    fn measures(&self) -> &'static [Measure] {
        &[Measure::OneWay, Measure::OneByOne]
    }

    fn capacity(&self) -> Option<u64> {
        Some((BYTES / 80) as u64)
    }

    fn sender(&self, directory: &Path, name: &str, _wait: Wait) -> anyhow::Result<BcastSender> {
        Ok(BcastSender(MappedWriter::new(directory.join(name), HEADER_SIZE + BYTES)?))
    }

    fn receiver(&self, directory: &Path, name: &str, _wait: Wait) -> anyhow::Result<BcastReceiver> {
        Ok(BcastReceiver(until(|| MappedReader::new(directory.join(name)))?))
    }
}

struct BcastSender(MappedWriter);

impl Sender for BcastSender {
    #[inline(always)]
    fn send(&mut self, n: u64) -> anyhow::Result<()> {
        let mut claim = self.0.claim(Bar::BYTES, true);
        claim.get_buffer_mut().copy_from_slice(&Bar::number(n).bytes());
        claim.commit();
        Ok(())
    }
}

struct BcastReceiver(MappedReader);

impl Receiver for BcastReceiver {
    #[inline(always)]
    fn receive(&mut self, next: u64) -> anyhow::Result<u64> {
        let Some(batch) = self.0.read_batch() else { return Ok(0) };
        let mut bytes = [0; Bar::BYTES];
        let mut n = next;
        for message in batch.into_iter().take(POLL) {
            let len = message?.read(&mut bytes)?;
            Bar::from_bytes(&bytes[..len])?.check(n)?;
            n += 1;
        }
        Ok(n - next)
    }
}
