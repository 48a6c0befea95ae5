//! One connection: who it is, and which of the two languages it speaks.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use barbus::protocol::Answer;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use crate::daemon::Daemon;
use crate::{lines, producer, requests};

/// Bytes that are read at once; longer bodies are read straight to where they belong.
const BUFFER: usize = 64 * 1024;

/// How long a peer that was refused may take to hear of it, while it sends into the void.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

pub(crate) type Reader = BufReader<OwnedReadHalf>;
pub(crate) type Writer = OwnedWriteHalf;

/// Who is at the other end, as the kernel says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pid: Option<i32>,
    uid: Option<u32>,
    gid: Option<u32>,
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
pub(crate) async fn serve(stream: UnixStream, daemon: Arc<Daemon>) {
    let credentials = stream.peer_cred().ok();
    let peer = Peer {
        pid: credentials.as_ref().and_then(tokio::net::unix::UCred::pid),
        uid: credentials.as_ref().map(tokio::net::unix::UCred::uid),
        gid: credentials.as_ref().map(tokio::net::unix::UCred::gid),
    };
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::with_capacity(BUFFER, reader);
    let served = tokio::select! {
        // In this order what was taken is acknowledged before the end is looked at.
        biased;
        served = converse(&mut reader, &mut writer, peer, &daemon) => served,
        () = daemon.over() => Err(End::Gone),
    };
    if let Err(End::Refused(error)) = served {
        tracing::info!(%peer, %error, "connection given up");
        let _ = timeout(LINGER, refuse(&mut reader, &mut writer, &Answer::Error { error })).await;
    }
}

/// Says why, that nothing more comes, and swallows what is still sent: a peer in the middle of a long write reads the answer then, instead
/// of finding the connection reset.
async fn refuse(reader: &mut Reader, writer: &mut Writer, answer: &Answer) -> std::io::Result<()> {
    lines::write(writer, answer).await?;
    writer.shutdown().await?;
    tokio::io::copy_buf(reader, &mut tokio::io::sink()).await.map(drop)
}

async fn converse(reader: &mut Reader, writer: &mut Writer, peer: Peer, daemon: &Arc<Daemon>) -> Result<(), End> {
    if !daemon.access.is_open() {
        let asked = Arc::clone(daemon);
        let check = tokio::task::spawn_blocking(move || asked.access.check(peer.uid, peer.gid));
        check.await.map_err(|_| End::Gone)?.map_err(End::Refused)?;
    }
    match reader.fill_buf().await?.first() {
        // Somebody looked whether anybody is there.
        None => Ok(()),
        Some(b'{') => requests::answer(reader, writer, daemon).await,
        Some(_) => producer::take(reader, writer, peer, daemon).await,
    }
}
