//! The connections there are, each a thread: how many, how they end.
//!
//! A thread that waits in `recv` is woken with the bytes in its hands; a runtime's wait for events, and its way from there to a task, would take a
//! fifth of the time from a producer's socket to a reader's eye.

use std::any::Any;
use std::collections::HashMap;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use barbus::protocol::Answer;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::ingest::connection::{self, Peer};
use crate::shared_writer::Daemon;
use crate::json_lines as lines;

/// Connections at once: one more is told so, and hung up on.
const MOST: usize = 512;

/// A connection that has ended, and what its thread panicked with. Input cannot do that: it is a bug, and what it left behind is not to be
/// trusted.
type Ended = (u64, Option<String>);

/// Every connection of the daemon.
#[derive(Debug)]
pub(crate) struct Connections {
    daemon: Arc<Daemon>,
    sockets: HashMap<u64, Arc<UnixStream>>,
    next: u64,
    ended: UnboundedReceiver<Ended>,
    tell: UnboundedSender<Ended>,
}

impl Connections {
    pub(crate) fn new(daemon: Arc<Daemon>) -> Self {
        let (tell, ended) = unbounded_channel();
        Self { daemon, sockets: HashMap::new(), next: 0, ended, tell }
    }

    /// Serves a connection that was accepted, in a thread of its own.
    pub(crate) fn serve(&mut self, stream: tokio::net::UnixStream) {
        let peer = Peer::of(&stream);
        if self.sockets.len() >= MOST {
            return turn_away(&stream, peer, format!("too many connections: {MOST} at once"));
        }
        let Ok(socket) = stream.into_std().and_then(|socket| socket.set_nonblocking(false).map(|()| socket)) else {
            return;
        };
        let (socket, number) = (Arc::new(socket), self.next);
        self.next += 1;
        let (daemon, tell, theirs) = (Arc::clone(&self.daemon), self.tell.clone(), Arc::clone(&socket));
        let work = move || {
            let served = catch_unwind(AssertUnwindSafe(|| connection::serve(&theirs, peer, &daemon)));
            drop((theirs, daemon));
            let _ = tell.send((number, served.err().map(|panic| text_of(&*panic))));
        };
        match std::thread::Builder::new().name("barbusd-peer".into()).spawn(work) {
            Ok(_) => drop(self.sockets.insert(number, socket)),
            Err(error) => {
                tracing::warn!(%peer, %error, "no thread for a connection");
                let error = format!("no thread for a connection: {error}");
                let _ = lines::write(&mut &*socket, &Answer::Error { error });
            }
        }
    }

    /// Waits for the end of a connection: the bug, where that is why it ended.
    pub(crate) async fn ended(&mut self) -> Option<String> {
        let (number, bug) = self.ended.recv().await?;
        self.sockets.remove(&number);
        bug
    }

    /// Has all of them end, and waits for that so long; then they are cut off. A bug, where one was met meanwhile.
    pub(crate) async fn end(mut self, patience: Duration) -> Option<String> {
        self.daemon.end();
        // Those that wait for bytes find that none come any more. What was taken is still acknowledged.
        self.shut_down(Shutdown::Read);
        let mut bug = None;
        let all = async {
            while !self.sockets.is_empty() {
                // It stays where it is while the next end is waited for: that may be given up.
                bug = self.ended().await.or(bug.take());
            }
        };
        let _ = timeout(patience, all).await;
        self.shut_down(Shutdown::Both);
        bug
    }

    fn shut_down(&self, how: Shutdown) {
        for socket in self.sockets.values() {
            let _ = socket.shutdown(how);
        }
    }
}

fn turn_away(stream: &tokio::net::UnixStream, peer: Peer, error: String) {
    tracing::warn!(%peer, %error, "connection turned away");
    // A new socket has room for a line.
    let _ = stream.try_write(&lines::line(&Answer::Error { error }));
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic").to_owned()
}
