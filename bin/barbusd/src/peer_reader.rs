//! Reads from a peer within time limits: one for silence, one for a message that has begun.

use std::io::{BufReader, Error, ErrorKind, Read, Result};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Bytes read at once. Longer bodies are read straight into their own buffer.
const BUFFER_BYTES: usize = 64 * 1024;
/// A message gets one more second each time this number of bytes has arrived.
const BYTES_PER_SECOND: u64 = 1_000_000;
/// The limits are checked at least this often.
const LONGEST_TICK: Duration = Duration::from_secs(5);
const SHORTEST_TICK: Duration = Duration::from_millis(20);

/// The buffered bytes of one peer.
pub(crate) type PeerReader<'a> = BufReader<TimedSocket<'a>>;

/// How long a peer may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeLimits {
    /// Between two messages.
    pub(crate) idle: Duration,
    /// From the first to the last byte of a message.
    pub(crate) message: Duration,
}

/// A socket whose reads fail with [`ErrorKind::TimedOut`] when the peer takes too long.
#[derive(Debug)]
pub(crate) struct TimedSocket<'a> {
    socket: &'a UnixStream,
    limits: TimeLimits,
    idle_since: Instant,
    /// When the message began whose end has not arrived.
    message_since: Option<Instant>,
    /// Bytes of that message.
    received: u64,
}

impl<'a> TimedSocket<'a> {
    /// A buffered reader of the socket.
    pub(crate) fn buffered(socket: &'a UnixStream, limits: TimeLimits) -> Result<PeerReader<'a>> {
        let mut timed = Self { socket, limits, idle_since: Instant::now(), message_since: None, received: 0 };
        timed.set_limits(limits)?;
        Ok(BufReader::with_capacity(BUFFER_BYTES, timed))
    }

    /// Sets other limits.
    pub(crate) fn set_limits(&mut self, limits: TimeLimits) -> Result<()> {
        self.limits = limits;
        // The kernel wakes the thread at each tick. A timeout that is set before each read would
        // cost a system call for each bar.
        let tick = limits.idle.min(limits.message) / 4;
        self.socket.set_read_timeout(Some(tick.clamp(SHORTEST_TICK, LONGEST_TICK)))
    }

    fn check(&self) -> Result<()> {
        let late = match self.message_since {
            Some(since) => {
                let limit = self.limits.message + Duration::from_secs(self.received / BYTES_PER_SECOND);
                (since.elapsed() > limit).then(|| format!("a message did not arrive within {limit:?}"))
            }
            None => {
                let limit = self.limits.idle;
                (self.idle_since.elapsed() > limit).then(|| format!("nothing was sent for {limit:?}"))
            }
        };
        late.map_or(Ok(()), |why| Err(Error::new(ErrorKind::TimedOut, why)))
    }
}

/// Notes that a message was read to its end: the next one may begin.
pub(crate) fn await_message(reader: &mut PeerReader<'_>) {
    let now = Instant::now();
    let has_begun = !reader.buffer().is_empty();
    let socket = reader.get_mut();
    (socket.idle_since, socket.message_since, socket.received) = (now, has_begun.then_some(now), 0);
}

impl Read for TimedSocket<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
        loop {
            match self.socket.read(bytes) {
                Ok(read) => {
                    self.message_since.get_or_insert_with(Instant::now);
                    self.received += read as u64;
                    // A peer that sends a byte from time to time is not silent, and too slow.
                    self.check()?;
                    return Ok(read);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => self.check()?,
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, Write};

    use super::*;

    fn limits(idle: u64, message: u64) -> TimeLimits {
        TimeLimits { idle: Duration::from_millis(idle), message: Duration::from_millis(message) }
    }

    fn late(reader: &mut PeerReader<'_>) -> String {
        let error = reader.read_exact(&mut [0; 1_000]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        error.to_string()
    }

    #[test]
    fn silence_and_half_a_message_have_limits_of_their_own() {
        let (mut peer, socket) = UnixStream::pair().unwrap();
        let mut reader = TimedSocket::buffered(&socket, limits(60, 240_000)).unwrap();
        assert!(late(&mut reader).contains("nothing was sent"));
        reader.get_mut().set_limits(limits(240_000, 60)).unwrap();
        peer.write_all(b"half").unwrap();
        assert!(late(&mut reader).contains("did not arrive"));
    }

    /// The beginning of the next message may be in the buffer already.
    #[test]
    fn the_bytes_in_the_buffer_are_the_beginning_of_a_message() {
        let (mut peer, socket) = UnixStream::pair().unwrap();
        let mut reader = TimedSocket::buffered(&socket, limits(240_000, 60)).unwrap();
        peer.write_all(b"one two").unwrap();
        reader.fill_buf().unwrap();
        reader.consume(3);
        await_message(&mut reader);
        assert!(late(&mut reader).contains("did not arrive"));
    }

    #[test]
    fn a_byte_from_time_to_time_is_too_slow() {
        let (mut peer, socket) = UnixStream::pair().unwrap();
        let slow = std::thread::spawn(move || {
            while peer.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let mut reader = TimedSocket::buffered(&socket, limits(240_000, 100)).unwrap();
        assert!(late(&mut reader).contains("did not arrive"));
        drop(reader);
        drop(socket);
        slow.join().unwrap();
    }
}
