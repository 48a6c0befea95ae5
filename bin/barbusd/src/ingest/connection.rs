//! One connection: who it is, and which of the two languages it speaks. It has a thread of its own, which waits in the system's calls.

use std::fmt;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use barbus::protocol::Answer;

use crate::shared_writer::Daemon;
use crate::{control as requests, ingest::stream as producer, json_lines as lines};

/// Bytes that are read at once; longer bodies are read straight to where they belong.
const BUFFER: usize = 64 * 1024;

/// How long a peer that was refused may take to hear of it, while it sends into the void.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// How often it is looked, while one waits for a peer, whether that is still of use.
pub(crate) const LOOK: Duration = Duration::from_millis(100);

pub(crate) type Reader<'a> = BufReader<&'a UnixStream>;

/// Who is at the other end, as the kernel says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pid: Option<i32>,
    uid: Option<u32>,
    gid: Option<u32>,
}

impl Peer {
    /// Who has connected.
    pub(crate) fn of(stream: &tokio::net::UnixStream) -> Self {
        let credentials = stream.peer_cred().ok();
        Self {
            pid: credentials.as_ref().and_then(tokio::net::unix::UCred::pid),
            uid: credentials.as_ref().map(tokio::net::unix::UCred::uid),
            gid: credentials.as_ref().map(tokio::net::unix::UCred::gid),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pid, self.uid) {
            (Some(pid), Some(uid)) => write!(f, "pid {pid} uid {uid}"),
            (None, Some(uid)) => write!(f, "uid {uid}"),
            _ => f.write_str("unknown"),
        }
    }
}

/// Why a connection is given up.
#[derive(Debug)]
pub(crate) enum End {
    /// The peer said something that cannot be understood or done; it is told.
    Refused(String),
    /// The peer is gone, or the daemon is ending: there is nobody to tell.
    Gone,
}

impl From<std::io::Error> for End {
    fn from(_: std::io::Error) -> Self {
        Self::Gone
    }
}

/// Serves one connection to its end.
pub(crate) fn serve(stream: &Arc<UnixStream>, peer: Peer, daemon: &Daemon) {
    let mut reader = BufReader::with_capacity(BUFFER, &**stream);
    if let Err(End::Refused(error)) = converse(&mut reader, stream, peer, daemon)
        // What was cut off by the daemon's end is no fault of the peer's.
        && !daemon.is_over()
    {
        tracing::info!(%peer, %error, "connection given up");
        let _ = refuse(stream, &Answer::Error { error });
    }
    // Whoever else has the socket still, a thread that sends acknowledgements, ends by this.
    let _ = stream.shutdown(Shutdown::Both);
}

/// Says why, that nothing more comes, and swallows what is still sent: a peer in the middle of a long write reads the answer then, instead
/// of finding the connection reset.
fn refuse(mut stream: &UnixStream, answer: &Answer) -> std::io::Result<()> {
    let until = Instant::now() + LINGER;
    stream.set_write_timeout(Some(LINGER))?;
    lines::write(&mut stream, answer)?;
    stream.shutdown(Shutdown::Write)?;
    swallow(stream, until, || false)
}

/// Swallows what a peer still sends: to its end, until `enough` says so, at most until `until`.
pub(crate) fn swallow(
    mut stream: &UnixStream,
    until: Instant,
    mut enough: impl FnMut() -> bool,
) -> std::io::Result<()> {
    let mut void = [0; 8 * 1024];
    while !enough() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        stream.set_read_timeout(Some(left.min(LOOK)))?;
        match stream.read(&mut void) {
            Ok(0) => break,
            Err(error) if ![ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind()) => break,
            _ => {}
        }
    }
    Ok(())
}

fn converse(reader: &mut Reader<'_>, stream: &Arc<UnixStream>, peer: Peer, daemon: &Daemon) -> Result<(), End> {
    daemon.access.check(peer.uid, peer.gid).map_err(End::Refused)?;
    match reader.fill_buf()?.first() {
        // Somebody looked whether anybody is there.
        None => Ok(()),
        Some(b'{') => requests::answer(reader, stream, daemon),
        Some(_) => producer::take(reader, stream, peer, daemon),
    }
}
