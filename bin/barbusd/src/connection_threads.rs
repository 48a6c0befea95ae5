//! The threads of the connections, one each: how many may run, and how they end.
//!
//! A thread that blocks in `recv` wakes with the bytes in its buffer.
//! With an event loop, the wait for readiness and the switch to the task precede that, and cost a
//! fifth of the time from a producer's socket to a reader.

use std::any::Any;
use std::collections::HashMap;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use barbus::internal::LogLimit;
use barbus::protocol::Answer;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::access::Access;
use crate::connection;
use crate::json_lines;
use crate::peer::Peer;
use crate::places::Places;
use crate::shared_writer::SharedWriter;

/// The lines about threads that cannot be started: each connection causes one.
static NO_THREAD: LogLimit = LogLimit::of_peers();

/// The number of a connection that has ended, and the message of the panic that ended it, if any.
///
/// Input cannot make a connection panic, so a panic is a bug and the daemon cannot trust its state.
type Ended = (u64, Option<String>);

/// Every open connection of the daemon.
#[derive(Debug)]
pub(crate) struct ConnectionThreads {
    access: Arc<Access>,
    writer: Arc<SharedWriter>,
    places: Arc<Places>,
    sockets: HashMap<u64, Arc<UnixStream>>,
    next_number: u64,
    ended: UnboundedReceiver<Ended>,
    on_end: UnboundedSender<Ended>,
}

impl ConnectionThreads {
    pub(crate) fn new(access: Access, writer: Arc<SharedWriter>) -> Self {
        let (on_end, ended) = unbounded_channel();
        let places = Places::new(writer.bus().settings().connections_per_user as usize);
        Self { access: Arc::new(access), writer, places, sockets: HashMap::new(), next_number: 0, ended, on_end }
    }

    /// Serves an accepted connection in a thread of its own.
    pub(crate) fn spawn(&mut self, stream: tokio::net::UnixStream) {
        let peer = Peer::of(&stream);
        // A user that is known to be excluded takes no place and no thread.
        let admitted = self.access.known_rejection(peer.uid, peer.gid).map_or(Ok(()), Err);
        let place = match admitted.and_then(|()| self.places.enter(peer)) {
            Ok(place) => place,
            Err(why) => return reject(&stream, peer, why),
        };
        let Ok(socket) = stream.into_std().and_then(|socket| socket.set_nonblocking(false).map(|()| socket)) else {
            return;
        };
        let (socket, number) = (Arc::new(socket), self.next_number);
        self.next_number += 1;
        let (access, writer) = (Arc::clone(&self.access), Arc::clone(&self.writer));
        let (on_end, thread_socket) = (self.on_end.clone(), Arc::clone(&socket));
        let work = move || {
            let served =
                catch_unwind(AssertUnwindSafe(|| connection::serve(&thread_socket, peer, place, &access, &writer)));
            drop((thread_socket, access, writer));
            let _ = on_end.send((number, served.err().map(|panic| panic_message(&*panic))));
        };
        match std::thread::Builder::new().name("barbusd-peer".into()).spawn(work) {
            Ok(_) => drop(self.sockets.insert(number, socket)),
            Err(error) => {
                if let Some(suppressed) = NO_THREAD.admit_line() {
                    tracing::warn!(
                        %peer, %error, suppressed,
                        "cannot start a thread for a connection: raise the limits of memory and processes"
                    );
                }
                let error = format!("cannot start a thread for the connection: {error}");
                let _ = json_lines::write(&mut &*socket, &Answer::Error { error });
            }
        }
    }

    /// Waits until a connection ends. Returns the message of the panic that ended it, if any.
    pub(crate) async fn next_end(&mut self) -> Option<String> {
        let (number, bug) = self.ended.recv().await?;
        self.sockets.remove(&number);
        bug
    }

    /// Ends every connection, and cuts off those that have not ended within `grace`.
    ///
    /// Returns the message of a panic in a connection, if there was one meanwhile.
    pub(crate) async fn shut_down(mut self, grace: Duration) -> Option<String> {
        self.writer.start_shutdown();
        // Threads that wait for bytes find the end of the stream.
        // Rows that are committed are still acknowledged.
        self.shut_down_sockets(Shutdown::Read);
        let mut bug = None;
        let all_ended = async {
            while !self.sockets.is_empty() {
                // The timeout may cancel the wait: `bug` must keep its value meanwhile.
                bug = self.next_end().await.or(bug.take());
            }
        };
        let _ = timeout(grace, all_ended).await;
        self.shut_down_sockets(Shutdown::Both);
        bug
    }

    fn shut_down_sockets(&self, how: Shutdown) {
        for socket in self.sockets.values() {
            let _ = socket.shutdown(how);
        }
    }
}

/// Answers a connection that gets no thread.
fn reject(stream: &tokio::net::UnixStream, peer: Peer, error: String) {
    connection::log_rejection(peer, &error);
    // A new socket has room for one line.
    let _ = stream.try_write(&json_lines::encode(&Answer::Error { error }));
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic").to_owned()
}
