use std::path::Path;

use anyhow::bail;
use barbus_bench_link::{AnyPeer, Bar, Measure, Peer, Receiver, Sender, Wait, until};
use ringfire::{FlowControl, FutexWait, RecvStatus, RingConsumer, RingProducer, RingProducerBuilder};

/// Records of the ring that its documentation shows (smaller ones are slower here), and of one as large as barbus's.
const SMALL: u64 = 65_536;
const LARGE: u64 = 1 << 22;

pub(crate) fn all() -> [Box<dyn AnyPeer>; 3] {
    let ring = |name, capacity, lossless| Box::new(Ringfire { name, capacity, lossless }) as Box<dyn AnyPeer>;
    [
        ring("ringfire", SMALL, false),
        ring("ringfire, 4 M records", LARGE, false),
        ring("ringfire, lossless", SMALL, true),
    ]
}

struct Ringfire {
    name: &'static str,
    capacity: u64,
    /// Its own back-pressure, by a word in the ring that the reader stores for each record.
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
            "0.5, {} records, {flow}; RingProducer::push, recv_status (batches: push_batch); asleep: FutexWait without spins",
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
        Ok(RingfireReceiver { consumer, sleep: (wait == Wait::Sleep).then(|| FutexWait::new(0, None)) })
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
    sleep: Option<FutexWait>,
}

impl Receiver for RingfireReceiver {
    #[inline(always)]
    fn receive(&mut self, next: u64) -> anyhow::Result<u64> {
        if let Some(wait) = &mut self.sleep {
            self.consumer.recv_blocking(wait).check(next)?;
            return Ok(1);
        }
        match self.consumer.recv_status() {
            RecvStatus::Ok(bar) => bar.check(next).map(|()| 1),
            RecvStatus::Empty => Ok(0),
            RecvStatus::Lapped { skipped, .. } => bail!("{skipped} bars lost"),
        }
    }
}
