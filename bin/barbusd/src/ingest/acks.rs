//! Acknowledgements on their way to a producer that may read them late, or not at all.
//!
//! They are cumulative: one that finds the socket full is replaced by the next. So a producer that first sends everything and reads
//! afterwards does not stop itself, and one that hangs up without reading has nevertheless sent its bars.
//!
//! Where there is room they are sent at once. The first one that there is no room for gets a thread, the courier, which may wait; so do those of a
//! stream that asked for durability, which are held back until a sync has covered their rows.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use barbus::protocol::{Ack, Answer};
use barbus_writer::DurabilityWaiter;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendFlags, send};

use crate::ingest::connection::{End, LOOK, swallow};
use crate::json_lines as lines;

/// Acknowledgements that wait for the disk at most; beyond that a newer one takes the place of the last.
const MOST_HELD: usize = 1_024;

/// The acknowledgements of one producer.
#[derive(Debug)]
pub(crate) struct Acks<'a> {
    socket: &'a Arc<UnixStream>,
    courier: Option<Courier>,
    /// Nobody reads them any more.
    gone: bool,
}

impl<'a> Acks<'a> {
    pub(crate) fn new(socket: &'a Arc<UnixStream>) -> Self {
        Self { socket, courier: None, gone: false }
    }

    /// From now on an acknowledgement waits for the disk.
    pub(crate) fn wait_for_disk(&mut self, disk: DurabilityWaiter) -> Result<(), End> {
        self.courier = Some(Courier::start(self.socket, Vec::new(), Some(disk))?);
        Ok(())
    }

    /// Sends it, or has it sent when there is room; it does not wait. Every row that is acknowledged has a number below `through_seq`.
    pub(crate) fn send(&mut self, ack: Ack, through_seq: u64) -> Result<(), End> {
        if let Some(courier) = &self.courier {
            courier.take(ack, through_seq);
            return Ok(());
        }
        if self.gone {
            return Ok(());
        }
        let line = lines::line(&Answer::Ack(ack));
        let sent = match send(self.socket, &line, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(sent) => sent,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
            Err(_) => {
                self.gone = true;
                return Ok(());
            }
        };
        match &line[sent..] {
            [] => {}
            // Nothing of it went out: a newer one may take its place.
            rest if sent == 0 => {
                debug_assert_eq!(rest, line);
                self.courier.insert(Courier::start(self.socket, Vec::new(), None)?).take(ack, through_seq);
            }
            rest => self.courier = Some(Courier::start(self.socket, rest.to_vec(), None)?),
        }
        Ok(())
    }

    /// Waits until all are sent.
    pub(crate) fn finish(mut self) -> Result<(), End> {
        let sent = self.courier.take().map_or(!self.gone, |courier| courier.finish(Duration::MAX));
        if sent { Ok(()) } else { Err(End::Gone) }
    }

    /// As [`Acks::finish`], at most until `deadline`. What is still sent is swallowed meanwhile: a producer may read only when he has sent
    /// everything, and there would never be room.
    pub(crate) fn finish_swallowing(mut self, deadline: Instant) -> Result<(), End> {
        let Some(courier) = self.courier.take() else { return self.finish() };
        courier.no_more_come();
        swallow(self.socket, deadline, || courier.has_ended())?;
        let sent = courier.finish(deadline.saturating_duration_since(Instant::now()));
        if sent { Ok(()) } else { Err(End::Gone) }
    }
}

/// A thread that sends acknowledgements and may wait for room and for the disk.
#[derive(Debug)]
struct Courier {
    bag: Arc<Bag>,
    disk: Option<DurabilityWaiter>,
}

#[derive(Debug, Default)]
struct Bag {
    held: Mutex<Held>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Held {
    /// With the number below which every row must be on disk, oldest first.
    acks: VecDeque<(u64, Ack)>,
    /// No more come.
    last: bool,
    /// How the thread ended: whether all were sent.
    ended: Option<bool>,
}

impl Bag {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Courier {
    /// Starts with the rest of a line that was sent in part.
    fn start(socket: &Arc<UnixStream>, rest: Vec<u8>, disk: Option<DurabilityWaiter>) -> Result<Self, End> {
        let bag = Arc::<Bag>::default();
        let (socket, theirs, waiter) = (Arc::clone(socket), Arc::clone(&bag), disk.clone());
        let work = move || {
            let sent = deliver(&socket, &rest, &theirs, waiter.as_ref());
            theirs.lock().ended = Some(sent);
            theirs.changed.notify_all();
        };
        let started = std::thread::Builder::new().name("barbusd-acks".into()).spawn(work);
        started.map_err(|error| End::Refused(format!("no thread for acknowledgements: {error}")))?;
        Ok(Self { bag, disk })
    }

    fn take(&self, ack: Ack, through_seq: u64) {
        if let Some(disk) = &self.disk {
            disk.ask(through_seq);
        }
        let most = if self.disk.is_some() { MOST_HELD } else { 1 };
        let mut held = self.bag.lock();
        if held.acks.len() == most {
            held.acks.pop_back();
        }
        held.acks.push_back((through_seq, ack));
        drop(held);
        self.bag.changed.notify_all();
    }

    /// It ends when all that it has are sent.
    fn no_more_come(&self) {
        self.bag.lock().last = true;
        self.bag.changed.notify_all();
    }

    fn has_ended(&self) -> bool {
        self.bag.lock().ended.is_some()
    }

    /// Waits until all are sent: whether they were.
    fn finish(self, timeout: Duration) -> bool {
        self.no_more_come();
        let ended = self.bag.changed.wait_timeout_while(self.bag.lock(), timeout, |held| held.ended.is_none());
        ended.unwrap_or_else(PoisonError::into_inner).0.ended.unwrap_or(false)
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.no_more_come();
    }
}

/// Sends what is in the bag until the last one: whether all were sent.
fn deliver(mut socket: &UnixStream, rest: &[u8], bag: &Bag, disk: Option<&DurabilityWaiter>) -> bool {
    if socket.write_all(rest).is_err() {
        return false;
    }
    loop {
        let held = bag.changed.wait_while(bag.lock(), |held| held.acks.is_empty() && !held.last);
        let Some(&(through_seq, _)) = held.unwrap_or_else(PoisonError::into_inner).acks.front() else { return true };
        if disk.is_some_and(|disk| !reaches_disk(disk, through_seq, socket)) {
            return false;
        }
        let durable = disk.map_or(u64::MAX, DurabilityWaiter::durable_seq);
        let mut newest = None;
        let mut held = bag.lock();
        while let Some(&(_, ack)) = held.acks.front().filter(|(through_seq, _)| *through_seq <= durable) {
            held.acks.pop_front();
            newest = Some(ack);
        }
        drop(held);
        if let Some(ack) = newest
            && socket.write_all(&lines::line(&Answer::Ack(ack))).is_err()
        {
            return false;
        }
    }
}

/// Waits until the rows below `through_seq` are on disk: false where nobody is left to hear of it, or the writer ended without it.
fn reaches_disk(disk: &DurabilityWaiter, through_seq: u64, socket: &UnixStream) -> bool {
    loop {
        let begun = Instant::now();
        if disk.wait(through_seq, LOOK) {
            return true;
        }
        // It waits no longer for a writer that ended.
        if begun.elapsed() < LOOK || is_hung_up(socket) {
            return false;
        }
    }
}

/// Whether the other end is closed, which says more than that it sends nothing more.
fn is_hung_up(socket: &UnixStream) -> bool {
    let mut look = [PollFd::new(socket, PollFlags::empty())];
    poll(&mut look, Some(&Timespec::default())).is_ok() && look[0].revents().contains(PollFlags::HUP)
}
