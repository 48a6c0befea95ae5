//! One connection: checks the peer, then serves its requests or its stream of bars.

use std::io::BufRead;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use barbus::internal::LogLimit;
use barbus::protocol::Answer;
use nix::poll::{PollFd, PollFlags, poll};

use crate::access::Access;
use crate::ingest::stream;
use crate::peer::{End, Peer, REJECT_GRACE, drain};
use crate::peer_reader::{TimeLimits, TimedSocket};
use crate::places::Place;
use crate::shared_writer::SharedWriter;
use crate::{control, json_lines};

/// How long a newcomer has for its first byte when all places for producers are taken.
const NEWCOMER_GRACE: u16 = 1_000;
/// How long a connection with requests may be silent: its place is for others then.
const REQUESTS_IDLE: Duration = Duration::from_secs(60);

/// The lines about rejected connections: a peer can cause thousands of them a second.
static REJECTIONS: LogLimit = LogLimit::of_peers();

/// Serves one connection until either side closes it. It blocks, so it needs a thread of its own.
pub(crate) fn serve(socket: &Arc<UnixStream>, peer: Peer, place: Place, access: &Access, writer: &SharedWriter) {
    if let Err(End::Rejected(error)) = serve_peer(socket, peer, place, access, writer)
        // A message that the shutdown cut off is not the peer's fault.
        && !writer.is_shutting_down()
    {
        log_rejection(peer, &error);
        let _ = reject_and_drain(socket, &Answer::Error { error });
    }
    // A thread that still sends acknowledgements shares the socket: this makes its write fail.
    let _ = socket.shutdown(Shutdown::Both);
}

/// Logs a rejected connection, unless the log has many of them already.
pub(crate) fn log_rejection(peer: Peer, error: &str) {
    if let Some(suppressed) = REJECTIONS.admit_line() {
        tracing::warn!(%peer, %error, suppressed, "connection rejected: correct what the error names, and send again");
    }
}

fn serve_peer(
    socket: &Arc<UnixStream>,
    peer: Peer,
    mut place: Place,
    access: &Access,
    writer: &SharedWriter,
) -> Result<(), End> {
    let rights = access.rights(peer.uid, peer.gid);
    rights.may_connect().map_err(End::Rejected)?;
    let limits = writer.time_limits();
    if let Some(why) = place.rejection()
        && !has_bytes(socket, NEWCOMER_GRACE)
    {
        return Err(End::Rejected(why.to_owned()));
    }
    let mut reader = TimedSocket::buffered(socket, limits)?;
    match reader.fill_buf()?.first() {
        // A client that only checks whether a daemon listens.
        None => Ok(()),
        Some(b'{') => {
            place.move_to_requests().map_err(End::Rejected)?;
            reader.get_mut().set_limits(TimeLimits { idle: limits.idle.min(REQUESTS_IDLE), ..limits })?;
            control::serve_requests(&mut reader, socket, writer, &rights)
        }
        Some(_) => {
            rights.may_publish().map_err(End::Rejected)?;
            match place.rejection() {
                Some(why) => Err(End::Rejected(why.to_owned())),
                None => stream::ingest(&mut reader, socket, peer, writer),
            }
        }
    }
}

/// Whether the peer sends something, or hangs up, within this time.
fn has_bytes(socket: &UnixStream, milliseconds: u16) -> bool {
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, milliseconds).is_ok_and(|ready| ready > 0)
}

/// Sends the reason, closes the sending side, and drains what the peer still sends.
fn reject_and_drain(mut socket: &UnixStream, answer: &Answer) -> std::io::Result<()> {
    let deadline = Instant::now() + REJECT_GRACE;
    socket.set_write_timeout(Some(REJECT_GRACE))?;
    json_lines::write(&mut socket, answer)?;
    socket.shutdown(Shutdown::Write)?;
    drain(socket, deadline, || false)
}
