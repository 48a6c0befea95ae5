//! ZeroMQ PUB/SUB for a minute's burst: the producer is connected to every strategy.

use std::path::Path;
use std::time::Duration;

use barbus_bench_link::{BURST, Bar, Burst, BurstReceiver, BurstSender, STRATEGIES, burst_bar, check_burst_bar};

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
        Ok(Box::new(ZeroMqSender(socket)))
    }

    fn receiver(&self, directory: &Path) -> anyhow::Result<Box<dyn BurstReceiver>> {
        let socket = zmq::Context::new().socket(zmq::SUB)?;
        socket.set_rcvhwm(0)?;
        socket.connect(&endpoint(directory))?;
        socket.set_subscribe(b"")?;
        Ok(Box::new(ZeroMqReceiver(socket)))
    }
}

struct ZeroMqSender(zmq::Socket);

impl BurstSender for ZeroMqSender {
    fn begin(&mut self) -> anyhow::Result<()> {
        self.0.set_rcvtimeo(Duration::from_secs(10).as_millis() as i32)?;
        (0..STRATEGIES).try_for_each(|_| Ok(drop(self.0.recv_bytes(0)?)))
    }

    fn send(&mut self, minute: u64) -> anyhow::Result<()> {
        (minute * BURST..(minute + 1) * BURST).try_for_each(|n| Ok(self.0.send(&burst_bar(n).bytes()[..], 0)?))
    }
}

struct ZeroMqReceiver(zmq::Socket);

impl BurstReceiver for ZeroMqReceiver {
    fn receive(&mut self, minute: u64) -> anyhow::Result<()> {
        let mut bytes = [0; Bar::BYTES];
        for n in minute * BURST..(minute + 1) * BURST {
            let length = self.0.recv_into(&mut bytes, 0)?;
            anyhow::ensure!(length == Bar::BYTES, "{length} bytes are not a bar");
            check_burst_bar(&Bar::from_bytes(&bytes)?, n)?;
        }
        Ok(())
    }
}
