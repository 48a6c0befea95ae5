//! One connection: checks the peer, then serves its requests or its stream of bars.

use std::io::{BufRead, BufReader};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Instant;

use barbus::protocol::Answer;

use crate::access::Access;
use crate::ingest::stream;
use crate::peer::{End, Peer, PeerReader, REJECT_GRACE, drain};
use crate::shared_writer::SharedWriter;
use crate::{control, json_lines};

/// Bytes read at once. Longer bodies are read straight into their own buffer.
const BUFFER_BYTES: usize = 64 * 1024;

/// Serves one connection until either side closes it. It blocks, so it needs a thread of its own.
pub(crate) fn serve(socket: &Arc<UnixStream>, peer: Peer, access: &Access, writer: &SharedWriter) {
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, &**socket);
    if let Err(End::Rejected(error)) = serve_peer(&mut reader, socket, peer, access, writer)
        // A message that the shutdown cut off is not the peer's fault.
        && !writer.is_shutting_down()
    {
        tracing::info!(%peer, %error, "connection rejected");
        let _ = reject_and_drain(socket, &Answer::Error { error });
    }
    // A thread that still sends acknowledgements shares the socket: this makes its write fail.
    let _ = socket.shutdown(Shutdown::Both);
}

fn serve_peer(
    reader: &mut PeerReader<'_>,
    socket: &Arc<UnixStream>,
    peer: Peer,
    access: &Access,
    writer: &SharedWriter,
) -> Result<(), End> {
    access.check(peer.uid, peer.gid).map_err(End::Rejected)?;
    match reader.fill_buf()?.first() {
        // A client that only checks whether a daemon listens.
        None => Ok(()),
        Some(b'{') => control::serve_requests(reader, socket, writer),
        Some(_) => stream::ingest(reader, socket, peer, writer),
    }
}

/// Sends the reason, closes the sending side, and drains what the peer still sends.
fn reject_and_drain(mut socket: &UnixStream, answer: &Answer) -> std::io::Result<()> {
    let deadline = Instant::now() + REJECT_GRACE;
    socket.set_write_timeout(Some(REJECT_GRACE))?;
    json_lines::write(&mut socket, answer)?;
    socket.shutdown(Shutdown::Write)?;
    drain(socket, deadline, || false)
}
