//! What a reader does where the ring has lost the bars that it starts at.

/// What happens if the ring has lost the beginning of the day at which a reader starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnGap {
    /// [`Reader::poll`](crate::Reader::poll) and [`Reader::next`](crate::Reader::next) deliver the
    /// lost bars from the archive first, and then go on in the ring without a gap.
    ///
    /// Bars from the archive come by trading day, and within a day by frame, as in a
    /// [`Replay`](crate::Replay); all bars up to now come in this order, once each. They have no
    /// `seq`, `received_ns` and `revision`.
    #[default]
    Fill,
    /// The first event is [`Event::Lapped`](crate::Event::Lapped) with the number of bars that the
    /// ring has lost.
    Lapped,
    /// [`Reader::start_at`](crate::Reader::start_at) fails.
    Error,
}
