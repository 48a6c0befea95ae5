//! ZeroMQ PUB/SUB for a minute's burst: the producer is connected to every strategy.

use std::path::Path;
use std::time::Duration;

use barbus_bench_link::{Burst, BurstBar, BurstReceiver, BurstSender, BurstSource, STRATEGIES, StrategyMinute};

pub(crate) fn bursts() -> [Box<dyn Burst>; 1] {
    [Box::new(ZeroMq)]
}

struct ZeroMq;

fn endpoint(directory: &Path) -> String {
    format!("ipc://{}", directory.join("zeromq").display())
}

impl Burst for ZeroMq {
    fn name(&self) -> &'static str {
        "ZeroMQ PUB/SUB"
    }

    fn settings(&self) -> String {
        let (major, minor, patch) = zmq::version();
        format!("libzmq {major}.{minor}.{patch}, ipc, no broker, no limits of the queues; a message for each bar")
    }

    fn sender(&self, directory: &Path) -> anyhow::Result<Box<dyn BurstSender>> {
        let socket = zmq::Context::new().socket(zmq::XPUB)?;
        socket.set_sndhwm(0)?;
        // Every subscription is reported, also an equal one.
        socket.set_xpub_verbose(true)?;
        socket.bind(&endpoint(directory))?;
        Ok(Box::new(ZeroMqSender { socket, source: BurstSource::default() }))
    }

    fn receiver(&self, directory: &Path) -> anyhow::Result<Box<dyn BurstReceiver>> {
        let socket = zmq::Context::new().socket(zmq::SUB)?;
        socket.set_rcvhwm(0)?;
        socket.connect(&endpoint(directory))?;
        socket.set_subscribe(b"")?;
        Ok(Box::new(ZeroMqReceiver { socket, strategy: StrategyMinute::default() }))
    }
}

struct ZeroMqSender {
    socket: zmq::Socket,
    source: BurstSource,
}

impl BurstSender for ZeroMqSender {
    fn begin(&mut self) -> anyhow::Result<()> {
        self.socket.set_rcvtimeo(Duration::from_secs(10).as_millis() as i32)?;
        (0..STRATEGIES).try_for_each(|_| Ok(drop(self.socket.recv_bytes(0)?)))
    }

    fn send(&mut self, minute: u64) -> anyhow::Result<()> {
        self.source.bars(minute).try_for_each(|bar| Ok(self.socket.send(&bar.bytes()[..], 0)?))
    }
}

struct ZeroMqReceiver {
    socket: zmq::Socket,
    strategy: StrategyMinute,
}

impl BurstReceiver for ZeroMqReceiver {
    fn receive(&mut self, minute: u64) -> anyhow::Result<()> {
        let mut bytes = [0; BurstBar::BYTES];
        self.strategy.receive(minute, || {
            let length = self.socket.recv_into(&mut bytes, 0)?;
            anyhow::ensure!(length == BurstBar::BYTES, "{length} bytes are not a bar");
            BurstBar::from_bytes(&bytes)
        })
    }
}
