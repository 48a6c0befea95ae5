//! The other end of a connection: who it is, and why the daemon closes it.

use std::fmt;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Uid, User, geteuid};

/// How long a rejected peer has to read the reason while the daemon discards what it still sends.
pub(crate) const REJECT_GRACE: Duration = Duration::from_secs(2);

/// How often a thread that waits for a peer or for the disk checks whether to continue waiting.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The process at the other end, as the kernel reports it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pid: Option<i32>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
}

impl Peer {
    /// The process that opened this connection.
    pub(crate) fn of(stream: &tokio::net::UnixStream) -> Self {
        let credentials = stream.peer_cred().ok();
        Self {
            pid: credentials.as_ref().and_then(tokio::net::unix::UCred::pid),
            uid: credentials.as_ref().map(tokio::net::unix::UCred::uid),
            gid: credentials.as_ref().map(tokio::net::unix::UCred::gid),
        }
    }

    /// A process of this user.
    #[cfg(test)]
    pub(crate) fn of_user(uid: u32) -> Self {
        Self { pid: None, uid: Some(uid), gid: None }
    }

    /// The user whose limits it counts against; `None` if it is trusted or unknown.
    pub(crate) fn limited_user(self) -> Option<u32> {
        self.uid.filter(|_| !self.is_trusted())
    }

    /// The name of its user, or the number if the system has no name for it.
    pub(crate) fn user_name(self) -> String {
        let Some(uid) = self.uid else { return "unknown".to_owned() };
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        user.map_or_else(|| uid.to_string(), |user| user.name)
    }

    /// Whether it belongs to the daemon's own user or to root, who can do anything to the daemon.
    pub(crate) fn is_trusted(self) -> bool {
        self.uid.is_some_and(|uid| uid == 0 || uid == geteuid().as_raw())
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

/// Why the daemon closes a connection before the peer has finished.
#[derive(Debug)]
pub(crate) enum End {
    /// The peer sent something that the daemon cannot read or do; the text is the answer to it.
    Rejected(String),
    /// The peer hung up or the daemon is shutting down: no answer is possible.
    Disconnected,
}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            // A time limit of `peer_reader`: its text is for the peer.
            ErrorKind::TimedOut => Self::Rejected(error.to_string()),
            _ => Self::Disconnected,
        }
    }
}

/// Reads and discards what a peer still sends.
///
/// Returns when the peer has closed its side, when `is_done` is true, or at the deadline.
/// A peer in the middle of a long write finishes it and then reads its answer.
/// Without this it would fail to write and never read the answer.
pub(crate) fn drain(
    mut socket: &UnixStream,
    deadline: Instant,
    mut is_done: impl FnMut() -> bool,
) -> std::io::Result<()> {
    let mut discarded = [0; 8 * 1024];
    while !is_done() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        socket.set_read_timeout(Some(left.min(POLL_INTERVAL)))?;
        match socket.read(&mut discarded) {
            Ok(0) => break,
            Err(error) if ![ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind()) => break,
            _ => {}
        }
    }
    Ok(())
}

/// Whether the peer has closed both directions. It may close its sending side and still read.
pub(crate) fn has_hung_up(socket: &UnixStream) -> bool {
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).is_ok()
        && fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP))
}
