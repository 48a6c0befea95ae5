//! Acknowledgements on their way to a producer that may read them late, or not at all.
//!
//! They are cumulative: one that finds the socket full is replaced by the next. So a producer that first sends everything and reads
//! afterwards does not stop itself, and one that hangs up without reading has nevertheless sent its bars.
//!
//! Those of a stream that asked for durability are held back until a sync has covered their rows.

use std::collections::VecDeque;
use std::future::pending;
use std::io::ErrorKind;

use barbus::DurabilityWaiter;
use barbus::protocol::{Ack, Answer};
use tokio::sync::watch;

use crate::connection::{End, Writer};
use crate::lines;

/// Acknowledgements that are held back at most; beyond that a newer one takes the place of the last.
const MOST_HELD: usize = 1_024;

/// The disk, for whom it matters.
#[derive(Debug)]
struct Disk {
    waiter: DurabilityWaiter,
    /// Rows below it are there.
    durable: watch::Receiver<u64>,
}

/// The acknowledgements of one producer.
#[derive(Debug)]
pub(crate) struct Acks<'a> {
    writer: &'a mut Writer,
    /// The rest of a line that was sent in part.
    rest: Vec<u8>,
    /// The newest one that there was no room for.
    late: Option<Ack>,
    /// Nobody reads them any more.
    gone: bool,
    disk: Option<Disk>,
    /// Held back until every row below the number is on disk, oldest first.
    held: VecDeque<(u64, Ack)>,
}

impl<'a> Acks<'a> {
    pub(crate) fn new(writer: &'a mut Writer) -> Self {
        Self { writer, rest: Vec::new(), late: None, gone: false, disk: None, held: VecDeque::new() }
    }

    /// From now on an acknowledgement waits for the disk.
    pub(crate) fn wait_for_disk(&mut self, waiter: DurabilityWaiter, durable: watch::Receiver<u64>) {
        self.disk = Some(Disk { waiter, durable });
    }

    /// Sends as much as there is room for. Every row that is acknowledged has a number below `through_seq`.
    pub(crate) fn send(&mut self, ack: Ack, through_seq: u64) {
        match &self.disk {
            None => self.late = Some(ack),
            Some(disk) => {
                disk.waiter.ask(through_seq);
                if self.held.len() == MOST_HELD {
                    self.held.pop_back();
                }
                self.held.push_back((through_seq, ack));
                self.release();
            }
        }
        self.push();
    }

    /// Lets those go whose rows are on disk.
    fn release(&mut self) {
        let Some(disk) = &mut self.disk else { return };
        let durable = *disk.durable.borrow_and_update();
        while let Some(&(_, ack)) = self.held.front().filter(|(through_seq, _)| *through_seq <= durable) {
            self.held.pop_front();
            self.late = Some(ack);
        }
    }

    /// Is there something to send, for which there was no room, or which the disk holds up?
    pub(crate) fn behind(&self) -> bool {
        !self.gone && (self.unsent() || !self.held.is_empty())
    }

    fn unsent(&self) -> bool {
        self.late.is_some() || !self.rest.is_empty()
    }

    /// Waits for room, or for the disk, and sends what there is. It may be given up at any moment.
    pub(crate) async fn catch_up(&mut self) {
        let (unsent, held) = (self.unsent(), !self.held.is_empty());
        let synced = async {
            match &mut self.disk {
                Some(disk) if held => disk.durable.changed().await.is_ok(),
                _ => pending().await,
            }
        };
        let there = tokio::select! {
            room = self.writer.writable(), if unsent => room.is_ok(),
            synced = synced => synced,
        };
        self.gone |= !there;
        self.release();
        self.push();
    }

    /// Sends all that is due, however long that takes.
    pub(crate) async fn finish(&mut self) -> Result<(), End> {
        while self.behind() {
            self.catch_up().await;
        }
        if self.gone { Err(End::Gone) } else { Ok(()) }
    }

    fn push(&mut self) {
        while !self.gone && self.unsent() {
            if self.rest.is_empty()
                && let Some(ack) = self.late.take()
            {
                self.rest = lines::line(&Answer::Ack(ack));
                match self.writer.try_write(&self.rest) {
                    Ok(sent) => drop(self.rest.drain(..sent)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        // Nothing of it went out: a newer one may take its place.
                        self.rest.clear();
                        self.late = Some(ack);
                        return;
                    }
                    Err(_) => self.gone = true,
                }
                continue;
            }
            match self.writer.try_write(&self.rest) {
                Ok(sent) => drop(self.rest.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.gone = true,
            }
        }
    }
}
