//! Where a reader starts.

use barbus_bars::{Date, epoch_days};
use barbus_ring::{Ring, RingError, RingReader, RingStart, StartError};

use crate::bus::Bus;
use crate::error::{Error, Result};

/// Where a reader starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// After the newest bar: only future bars are delivered.
    #[default]
    Live,
    /// At the oldest bar in the ring.
    Oldest,
    /// At the first bar of the newest trading day.
    Today,
    /// At the first bar of a trading day, or of the first later day in the ring.
    Day(Date),
    /// At a sequence number. If that bar has been overwritten, the first event is
    /// [`Event::Lapped`](crate::Event::Lapped).
    Seq(u64),
}

/// The position of `start` in `ring`, which is the ring of `bus`.
pub(crate) fn ring_reader_at(bus: &Bus, ring: &Ring, start: Start) -> Result<RingReader> {
    let ring_start = match start {
        Start::Live => RingStart::Live,
        Start::Oldest => RingStart::Oldest,
        Start::Today => RingStart::Today,
        Start::Day(day) => RingStart::Day(epoch_days(day)),
        Start::Seq(seq) => RingStart::Seq(seq),
    };
    RingReader::new(ring, ring_start).map_err(|error| {
        let what = match (error, start) {
            (StartError::NoSuchDay, Start::Day(day)) => {
                format!("the ring holds no bar of {day} or a later day: closed days are in {}", bus.archive().display())
            }
            _ => error.to_string(),
        };
        Error::Start { bus: bus.path().to_owned(), what }
    })
}

/// The error of a ring that a poll found to be corrupt.
#[cold]
pub(crate) fn corrupt(bus: &Bus) -> Error {
    let what = "its cursor, directory and block headers contradict each other".to_owned();
    Error::Ring(RingError::Corrupt { path: bus.ring(), what })
}
