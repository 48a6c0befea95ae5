//! Sends acknowledgements to one producer, and never blocks the thread that ingests its bars.
//!
//! Acknowledgements are cumulative: where the socket is full, a newer one replaces the one before.
//! So a producer may send everything before it reads the first answer, and the bars of a producer
//! that hangs up without reading are committed all the same.
//!
//! Acknowledgements are sent at once while the socket has room.
//! The first one that finds the socket full starts a sender thread, which may block.
//! A stream with durable acknowledgements has a sender thread from its first batch on: it sends an
//! acknowledgement when a sync has covered the rows.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use barbus::internal::Monitor;
use barbus::protocol::{Ack, Answer};
use barbus_writer::DurabilityWaiter;
use socket2::SockRef;

use crate::json_lines;
use crate::peer::{End, POLL_INTERVAL, drain, has_hung_up};

/// Most acknowledgements that wait for the disk. When the queue is full, a new one replaces the
/// newest of them.
const MAX_QUEUED: usize = 1_024;

/// The acknowledgements of one producer.
#[derive(Debug)]
pub(crate) struct Acks<'a> {
    socket: &'a Arc<UnixStream>,
    sender: Option<AckSender>,
    /// A send failed: the producer has hung up.
    disconnected: bool,
}

impl<'a> Acks<'a> {
    pub(crate) fn new(socket: &'a Arc<UnixStream>) -> Self {
        Self { socket, sender: None, disconnected: false }
    }

    /// Holds each acknowledgement from this call on back until its rows are on disk.
    pub(crate) fn wait_for_disk(&mut self, disk: DurabilityWaiter) -> Result<(), End> {
        self.sender = Some(AckSender::start(self.socket, Vec::new(), Some(disk))?);
        Ok(())
    }

    /// Sends an acknowledgement, or queues it for the sender thread. It does not block.
    ///
    /// Every acknowledged row has a sequence number below `through_seq`.
    pub(crate) fn send(&mut self, ack: Ack, through_seq: u64) -> Result<(), End> {
        if let Some(sender) = &self.sender {
            sender.push(ack, through_seq);
            return Ok(());
        }
        if self.disconnected {
            return Ok(());
        }
        let line = json_lines::encode(&Answer::Ack(ack));
        let socket = SockRef::from(&**self.socket);
        let sent = match socket.send_with_flags(&line, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) {
            Ok(sent) => sent,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
            Err(_) => {
                self.disconnected = true;
                return Ok(());
            }
        };
        match &line[sent..] {
            [] => {}
            // No byte was sent, so a newer acknowledgement may replace this one.
            rest if sent == 0 => {
                debug_assert_eq!(rest, line);
                self.sender.insert(AckSender::start(self.socket, Vec::new(), None)?).push(ack, through_seq);
            }
            rest => self.sender = Some(AckSender::start(self.socket, rest.to_vec(), None)?),
        }
        Ok(())
    }

    /// Waits until every acknowledgement is sent.
    pub(crate) fn finish(mut self) -> Result<(), End> {
        let sent = self.sender.take().map_or(!self.disconnected, |sender| sender.finish(Duration::MAX));
        if sent { Ok(()) } else { Err(End::Disconnected) }
    }

    /// Waits until every acknowledgement is sent or the deadline has passed, and drains the socket.
    ///
    /// A producer that reads only after it has sent everything would otherwise block in its write,
    /// and the socket would never have room for an acknowledgement.
    pub(crate) fn finish_draining(mut self, deadline: Instant) -> Result<(), End> {
        let Some(sender) = self.sender.take() else { return self.finish() };
        sender.close();
        drain(self.socket, deadline, || sender.has_ended())?;
        let sent = sender.finish(deadline.saturating_duration_since(Instant::now()));
        if sent { Ok(()) } else { Err(End::Disconnected) }
    }
}

/// A thread that sends acknowledgements. It may block on the socket and on the disk.
#[derive(Debug)]
struct AckSender {
    queue: Arc<Monitor<AckQueue>>,
    disk: Option<DurabilityWaiter>,
}

impl AckSender {
    /// Starts the thread. It first sends `rest`, the end of a line that was sent in part.
    fn start(socket: &Arc<UnixStream>, rest: Vec<u8>, disk: Option<DurabilityWaiter>) -> Result<Self, End> {
        let sender = Self { queue: Arc::default(), disk };
        let (socket, queue, disk) = (Arc::clone(socket), Arc::clone(&sender.queue), sender.disk.clone());
        let work = move || {
            let all_sent = send_loop(&socket, &rest, &queue, disk.as_ref());
            queue.lock().all_sent = Some(all_sent);
            queue.notify_all();
        };
        let started = std::thread::Builder::new().name("barbusd-acks".into()).spawn(work);
        started.map_err(|error| End::Rejected(format!("cannot start a thread for acknowledgements: {error}")))?;
        Ok(sender)
    }

    fn push(&self, ack: Ack, through_seq: u64) {
        if let Some(disk) = &self.disk {
            disk.request(through_seq);
        }
        let capacity = if self.disk.is_some() { MAX_QUEUED } else { 1 };
        let mut queued = self.queue.lock();
        if queued.acks.len() == capacity {
            queued.acks.pop_back();
        }
        queued.acks.push_back((through_seq, ack));
        drop(queued);
        self.queue.notify_all();
    }

    /// Closes the queue: the thread sends what is queued and ends.
    fn close(&self) {
        self.queue.lock().closed = true;
        self.queue.notify_all();
    }

    fn has_ended(&self) -> bool {
        self.queue.lock().all_sent.is_some()
    }

    /// Closes the queue and waits for the thread. True where everything was sent in time.
    fn finish(self, timeout: Duration) -> bool {
        self.close();
        let queue = self.queue.wait_while_for(self.queue.lock(), timeout, |queue| queue.all_sent.is_none());
        queue.all_sent.unwrap_or(false)
    }
}

impl Drop for AckSender {
    fn drop(&mut self) {
        self.close();
    }
}

/// Acknowledgements for a sender thread, and the thread's outcome.
#[derive(Debug, Default)]
struct AckQueue {
    /// Oldest first, each with the sequence number below which every row must be on disk.
    acks: VecDeque<(u64, Ack)>,
    closed: bool,
    /// Set when the thread has ended: whether it sent everything.
    all_sent: Option<bool>,
}

/// Sends what is queued until the queue is closed and empty. True where everything was sent.
fn send_loop(mut socket: &UnixStream, rest: &[u8], queue: &Monitor<AckQueue>, disk: Option<&DurabilityWaiter>) -> bool {
    if socket.write_all(rest).is_err() {
        return false;
    }
    loop {
        let queued = queue.wait_while(queue.lock(), |queue| queue.acks.is_empty() && !queue.closed);
        let Some(&(through_seq, _)) = queued.acks.front() else { return true };
        drop(queued);
        if disk.is_some_and(|disk| !wait_durable(disk, through_seq, socket)) {
            return false;
        }
        let durable_seq = disk.map_or(u64::MAX, DurabilityWaiter::durable_seq);
        let mut newest = None;
        let mut queued = queue.lock();
        while let Some(&(_, ack)) = queued.acks.front().filter(|(through_seq, _)| *through_seq <= durable_seq) {
            queued.acks.pop_front();
            newest = Some(ack);
        }
        drop(queued);
        if let Some(ack) = newest
            && socket.write_all(&json_lines::encode(&Answer::Ack(ack))).is_err()
        {
            return false;
        }
    }
}

/// Waits until the rows below `through_seq` are on disk.
///
/// False where the producer has hung up, or the writer has ended before the sync.
fn wait_durable(disk: &DurabilityWaiter, through_seq: u64, socket: &UnixStream) -> bool {
    loop {
        let started = Instant::now();
        if disk.wait(through_seq, POLL_INTERVAL) {
            return true;
        }
        // The wait returns early only when the writer has ended.
        if started.elapsed() < POLL_INTERVAL || has_hung_up(socket) {
            return false;
        }
    }
}
