//! The memory of one producer's stream: its dictionaries, and the message that is being read.

use crate::memory::Reservation;

/// What a stream uses of the budget.
#[derive(Debug, Default)]
pub(crate) struct MessageMemory {
    /// `None` without a budget.
    reservation: Option<Reservation>,
    dictionaries: u64,
    message: u64,
}

impl MessageMemory {
    pub(crate) fn new(reservation: Reservation) -> Self {
        Self { reservation: Some(reservation), dictionaries: 0, message: 0 }
    }

    /// Sets the bytes of the current message; 0 when it is no longer in use.
    ///
    /// # Errors
    /// The budget has no room. The text is an answer to the producer.
    pub(crate) fn set_message(&mut self, bytes: u64) -> Result<(), String> {
        self.message = bytes;
        let all = self.dictionaries.saturating_add(bytes);
        self.reservation.as_mut().map_or(Ok(()), |reservation| reservation.set(all))
    }

    /// Adds to the bytes of the current message.
    ///
    /// # Errors
    /// As [`MessageMemory::set_message`].
    pub(crate) fn add_to_message(&mut self, bytes: u64) -> Result<(), String> {
        self.set_message(self.message.saturating_add(bytes))
    }

    /// Sets the bytes of all dictionaries, which stay until the end of the stream.
    ///
    /// # Errors
    /// As [`MessageMemory::set_message`].
    pub(crate) fn set_dictionaries(&mut self, bytes: u64) -> Result<(), String> {
        self.dictionaries = bytes;
        self.set_message(0)
    }
}
