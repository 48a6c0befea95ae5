//! ringfire as a peer, in three settings.

use std::path::Path;

use anyhow::ensure;
use barbus_bench_link::{AnyPeer, Bar, Measure, Peer, Receiver, Sender, Wait, until};
use ringfire::{FlowControl, FutexWait, RingConsumer, RingProducer, RingProducerBuilder};

/// Records of a ring as large as barbus's, and of the ring that ringfire's documentation shows.
const LARGE: u64 = 1 << 22;
const SMALL: u64 = 1 << 16;
/// Maximum records of one poll.
const POLL: usize = 256;

pub(crate) fn all() -> [Box<dyn AnyPeer>; 3] {
    let ring = |name, capacity, lossless| Box::new(Ringfire { name, capacity, lossless }) as Box<dyn AnyPeer>;
    [
        ring("ringfire", LARGE, false),
        ring("ringfire, 65,536 records", SMALL, false),
        ring("ringfire, lossless", LARGE, true),
    ]
}

struct Ringfire {
    name: &'static str,
    capacity: u64,
    /// Uses ringfire's own back-pressure: the reader stores a word for each record.
    lossless: bool,
}

impl Peer for Ringfire {
    type Sender = RingfireSender;
    type Receiver = RingfireReceiver;

    fn name(&self) -> &'static str {
        self.name
    }

    fn settings(&self) -> String {
        let flow = if self.lossless { "LosslessBackpressure" } else { "LossyLatestWins behind the driver's window" };
        format!(
            "0.5, {} records, {flow}; RingProducer::push (batches: push_batch), recv_batch of up to {POLL}; asleep: FutexWait without spins",
            self.capacity
        )
    }

    fn measures(&self) -> &'static [Measure] {
        &[Measure::OneWay, Measure::OneWayAsleep, Measure::OneByOne, Measure::Batches]
    }

    fn capacity(&self) -> Option<u64> {
        (!self.lossless).then_some(self.capacity)
    }

    fn sender(&self, directory: &Path, name: &str, _wait: Wait) -> anyhow::Result<RingfireSender> {
        let flow = if self.lossless { FlowControl::LosslessBackpressure } else { FlowControl::LossyLatestWins };
        let producer = RingProducerBuilder::new(self.capacity).flow_control(flow).build(directory.join(name))?;
        Ok(RingfireSender { producer, bars: Vec::new() })
    }

    fn receiver(&self, directory: &Path, name: &str, wait: Wait) -> anyhow::Result<RingfireReceiver> {
        let consumer = until(|| RingConsumer::attach(directory.join(name)))?;
        Ok(RingfireReceiver {
            consumer,
            bars: vec![Bar::default(); POLL],
            sleep: (wait == Wait::Sleep).then(|| FutexWait::new(0, None)),
        })
    }
}

struct RingfireSender {
    producer: RingProducer<Bar>,
    bars: Vec<Bar>,
}

impl Sender for RingfireSender {
    #[inline(always)]
    fn send(&mut self, n: u64) -> anyhow::Result<()> {
        self.producer.push(&Bar::number(n));
        Ok(())
    }

    fn send_batch(&mut self, first: u64, count: u64) -> anyhow::Result<()> {
        self.bars.clear();
        self.bars.extend((first..first + count).map(Bar::number));
        self.producer.push_batch(&self.bars);
        Ok(())
    }
}

struct RingfireReceiver {
    consumer: RingConsumer<Bar>,
    bars: Vec<Bar>,
    sleep: Option<FutexWait>,
}

impl Receiver for RingfireReceiver {
    #[inline(always)]
    fn receive(&mut self, next: u64) -> anyhow::Result<u64> {
        if let Some(wait) = &mut self.sleep {
            self.consumer.recv_blocking(wait).check(next)?;
            return Ok(1);
        }
        let count = self.consumer.recv_batch(&mut self.bars);
        for (bar, n) in self.bars[..count].iter().zip(next..) {
            bar.check(n)?;
        }
        ensure!(self.consumer.lapped_count() == 0, "{} bars lost", self.consumer.lapped_count());
        Ok(count as u64)
    }
}
