//! Acknowledgements on their way to a producer that may read them late, or not at all.
//!
//! They are cumulative: one that finds the socket full is replaced by the next. So a producer that first sends everything and reads
//! afterwards does not stop itself, and one that hangs up without reading has nevertheless sent its bars.

use std::io::ErrorKind;

use barbus::protocol::{Ack, Answer};

use crate::connection::{End, Writer};
use crate::lines;

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
}

impl<'a> Acks<'a> {
    pub(crate) fn new(writer: &'a mut Writer) -> Self {
        Self { writer, rest: Vec::new(), late: None, gone: false }
    }

    /// Sends as much as there is room for.
    pub(crate) fn send(&mut self, ack: Ack) {
        self.late = Some(ack);
        self.push();
    }

    /// Is there something to send, for which there was no room?
    pub(crate) fn behind(&self) -> bool {
        !self.gone && (self.late.is_some() || !self.rest.is_empty())
    }

    /// Waits for room and sends what there is. It may be given up at any moment.
    pub(crate) async fn catch_up(&mut self) {
        match self.writer.writable().await {
            Ok(()) => self.push(),
            Err(_) => self.gone = true,
        }
    }

    /// Sends all that is due, however long that takes.
    pub(crate) async fn finish(&mut self) -> Result<(), End> {
        while self.behind() {
            self.catch_up().await;
        }
        if self.gone { Err(End::Gone) } else { Ok(()) }
    }

    fn push(&mut self) {
        while self.behind() {
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
