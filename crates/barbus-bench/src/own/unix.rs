//! A Unix stream socket as a peer.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use anyhow::ensure;
use barbus_bench_link::{Bar, Measure, Peer, Receiver, Scale, Sender, Wait, until};

/// Maximum bytes of one read.
const BUFFER: usize = 64 * 1024;

/// A Unix stream socket.
pub(crate) struct Unix {
    /// Whether both ends spin instead of sleeping in the kernel.
    pub(crate) spinning: bool,
}

impl Peer for Unix {
    type Sender = UnixSender;
    type Receiver = UnixReceiver;

    fn name(&self) -> &'static str {
        if self.spinning { "Unix socket, spinning" } else { "Unix socket" }
    }

    fn settings(&self) -> String {
        let how = if self.spinning { "non-blocking reads and writes, again and again" } else { "blocking" };
        format!("stream, {how}; a write for each bar or batch, reads of up to 64 KB")
    }

    fn measures(&self) -> &'static [Measure] {
        match self.spinning {
            true => &[Measure::OneWay, Measure::OneByOne, Measure::Batches],
            false => &[Measure::OneWayAsleep, Measure::OneByOne, Measure::Batches],
        }
    }

    fn scale(&self) -> Scale {
        Scale { spinning: 100_000, asleep: 3_000, one_by_one: 1_000_000, batched: 5_000_000 }
    }

    fn sender(&self, directory: &Path, name: &str, _wait: Wait) -> anyhow::Result<UnixSender> {
        let listener = UnixListener::bind(directory.join(name))?;
        Ok(UnixSender { listener, stream: None, spinning: self.spinning, bytes: Vec::new() })
    }

    fn receiver(&self, directory: &Path, name: &str, _wait: Wait) -> anyhow::Result<UnixReceiver> {
        let stream = until(|| UnixStream::connect(directory.join(name)))?;
        stream.set_nonblocking(self.spinning)?;
        Ok(UnixReceiver { stream, bytes: vec![0; BUFFER], filled: 0 })
    }
}

pub(crate) struct UnixSender {
    listener: UnixListener,
    /// The receiver's connection, accepted before the first bar.
    stream: Option<UnixStream>,
    spinning: bool,
    bytes: Vec<u8>,
}

impl Sender for UnixSender {
    fn send(&mut self, n: u64) -> anyhow::Result<()> {
        self.send_batch(n, 1)
    }

    fn send_batch(&mut self, first: u64, count: u64) -> anyhow::Result<()> {
        if self.stream.is_none() {
            let stream = self.listener.accept()?.0;
            stream.set_nonblocking(self.spinning)?;
            self.stream = Some(stream);
        }
        let Some(stream) = &mut self.stream else { return Ok(()) };
        self.bytes.clear();
        (first..first + count).for_each(|n| self.bytes.extend_from_slice(&Bar::number(n).bytes()));
        let mut rest = self.bytes.as_slice();
        while !rest.is_empty() {
            match stream.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::hint::spin_loop(),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

pub(crate) struct UnixReceiver {
    stream: UnixStream,
    bytes: Vec<u8>,
    /// Bytes of a bar that has not arrived completely.
    filled: usize,
}

impl Receiver for UnixReceiver {
    fn receive(&mut self, next: u64) -> anyhow::Result<u64> {
        match self.stream.read(&mut self.bytes[self.filled..]) {
            Ok(read) => {
                ensure!(read > 0, "the sender has hung up");
                self.filled += read;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error.into()),
        }
        let whole = self.filled / Bar::BYTES * Bar::BYTES;
        for (bytes, n) in self.bytes[..whole].chunks_exact(Bar::BYTES).zip(next..) {
            Bar::from_bytes(bytes)?.check(n)?;
        }
        self.bytes.copy_within(whole..self.filled, 0);
        self.filled -= whole;
        Ok((whole / Bar::BYTES) as u64)
    }
}
