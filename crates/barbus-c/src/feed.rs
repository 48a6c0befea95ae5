//! What a reader of C reads: a bus or a replay, as it comes, by minutes or by longer bars.

use std::time::{Duration, Instant};

use barbus::{Bus, Date, Error, Event, Feed as _, Minutes, Reader, Replay, Resampled, Row, SymbolId};
use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_nanosleep};

use crate::failure::Failure;
use crate::types::BARBUS_ERROR_INTERRUPTED;

/// Longest sleep before a replay is polled again.
const REPLAY_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The source of a reader's events.
#[expect(clippy::large_enum_variant, reason = "a live reader is polled most often, and needs no further pointer")]
#[derive(Debug)]
pub(crate) enum Feed {
    Live(Reader),
    LiveMinutes(Box<Minutes<Reader>>),
    LiveBars(Box<Resampled<Reader>>),
    Replay(Box<Replay>),
    ReplayedMinutes(Box<Minutes<Replay>>),
    ReplayedBars(Box<Resampled<Replay>>),
}

/// Calls the same method of each kind of feed.
macro_rules! of_each {
    ($feed:expr, $one:ident => $work:expr) => {
        match $feed {
            Feed::Live($one) => $work,
            Feed::LiveMinutes($one) => $work,
            Feed::LiveBars($one) => $work,
            Feed::Replay($one) => $work,
            Feed::ReplayedMinutes($one) => $work,
            Feed::ReplayedBars($one) => $work,
        }
    };
}

/// How a wait without an event ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waited {
    TimeIsOver,
    Interrupted,
}

impl Feed {
    #[inline(always)]
    pub(crate) fn poll(&mut self) -> Result<Option<Event<'_>>, Error> {
        match self {
            Self::Live(reader) => poll_live(reader),
            other => other.poll_other(),
        }
    }

    #[inline(never)]
    fn poll_other(&mut self) -> Result<Option<Event<'_>>, Error> {
        of_each!(self, feed => feed.poll())
    }

    /// The next event; waits for it for at most `timeout`.
    fn next(&mut self, timeout: Duration) -> Result<Option<Event<'_>>, Error> {
        match self {
            Self::Live(reader) => reader.next(timeout),
            Self::LiveMinutes(minutes) => minutes.next(timeout),
            Self::LiveBars(bars) => bars.next(timeout),
            _ => self.poll(),
        }
    }

    /// What `take` makes of the next event; waits for it for at most `timeout_ms`, without a limit
    /// if that is negative.
    ///
    /// `None` if there is none in this time, or at the end of a replay.
    pub(crate) fn next_within<R>(
        &mut self,
        timeout_ms: i64,
        take: impl FnOnce(Event<'_>) -> R,
    ) -> Result<Option<R>, Failure> {
        let timeout = u64::try_from(timeout_ms).map_or(Duration::MAX, Duration::from_millis);
        let end = Instant::now().checked_add(timeout);
        loop {
            if let Some(event) = self.next(timeout)? {
                return Ok(Some(take(event)));
            }
            let waited = match self.is_replay() {
                true if self.ended() => Some(Waited::TimeIsOver),
                true => sleep_until(end),
                false => Some(self.waited()).filter(|waited| *waited == Waited::Interrupted || timeout_ms >= 0),
            };
            match waited {
                // A wait without a limit goes on.
                None => {}
                Some(Waited::Interrupted) if timeout_ms != 0 => {
                    return Err(Failure::new(BARBUS_ERROR_INTERRUPTED, "a signal ended the wait: call again, or end"));
                }
                Some(_) => return Ok(None),
            }
        }
    }

    /// Whether the feed is a replay, which [`Feed::next`] does not wait for.
    fn is_replay(&self) -> bool {
        matches!(self, Self::Replay(_) | Self::ReplayedMinutes(_) | Self::ReplayedBars(_))
    }

    /// How the last call of [`Feed::next`] ended, which gave no event.
    fn waited(&self) -> Waited {
        let interrupted = match self {
            Self::Live(reader) => reader.was_interrupted(),
            Self::LiveMinutes(minutes) => minutes.feed().was_interrupted(),
            Self::LiveBars(bars) => bars.feed().was_interrupted(),
            _ => false,
        };
        if interrupted { Waited::Interrupted } else { Waited::TimeIsOver }
    }

    pub(crate) fn ended(&self) -> bool {
        match self {
            Self::Live(_) | Self::LiveMinutes(_) | Self::LiveBars(_) => false,
            Self::Replay(replay) => replay.ended(),
            Self::ReplayedMinutes(minutes) => minutes.ended(),
            Self::ReplayedBars(bars) => bars.ended(),
        }
    }

    /// The reader of the ring; a replay has none.
    pub(crate) fn reader(&self) -> Option<&Reader> {
        match self {
            Self::Live(reader) => Some(reader),
            Self::LiveMinutes(minutes) => Some(minutes.feed()),
            Self::LiveBars(bars) => Some(bars.feed()),
            _ => None,
        }
    }

    pub(crate) fn bus(&self) -> &Bus {
        match self {
            Self::Live(reader) => reader.bus(),
            Self::LiveMinutes(minutes) => minutes.feed().bus(),
            Self::LiveBars(bars) => bars.feed().bus(),
            Self::Replay(replay) => replay.bus(),
            Self::ReplayedMinutes(minutes) => minutes.feed().bus(),
            Self::ReplayedBars(bars) => bars.feed().bus(),
        }
    }

    pub(crate) fn position(&self) -> u64 {
        of_each!(self, feed => feed.position())
    }

    pub(crate) fn day(&mut self) -> Option<Date> {
        of_each!(self, feed => feed.day())
    }

    pub(crate) fn symbol_names(&mut self) -> &[String] {
        of_each!(self, feed => feed.symbol_names())
    }

    pub(crate) fn symbol_name(&mut self, id: SymbolId) -> Option<&str> {
        match self {
            Self::LiveBars(bars) => bars.symbol_name(id),
            Self::ReplayedBars(bars) => bars.symbol_name(id),
            Self::Live(reader) => reader.symbol_name(id),
            Self::LiveMinutes(minutes) => minutes.symbol_name(id),
            Self::Replay(replay) => replay.symbol_name(id),
            Self::ReplayedMinutes(minutes) => minutes.symbol_name(id),
        }
    }

    /// The last bars of a symbol, with the id that the symbol has in the reader of the ring.
    #[inline(never)]
    pub(crate) fn window(&mut self, symbol: &str, count: usize) -> Result<Vec<Row>, Error> {
        of_each!(self, feed => feed.window(symbol, count))
    }
}

/// Polls a reader. Within an exported function its many paths would cost an idle poll registers
/// that it does not need.
#[inline(never)]
fn poll_live(reader: &mut Reader) -> Result<Option<Event<'_>>, Error> {
    reader.poll()
}

/// Sleeps before a replay is polled again, until `end` at most. A replay does not say when its next
/// bars are due.
fn sleep_until(end: Option<Instant>) -> Option<Waited> {
    let left = end.map_or(REPLAY_POLL_INTERVAL, |end| end.saturating_duration_since(Instant::now()));
    if left.is_zero() {
        return Some(Waited::TimeIsOver);
    }
    let time = TimeSpec::from_duration(left.min(REPLAY_POLL_INTERVAL));
    match clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::empty(), &time) {
        Err(Errno::EINTR) => Some(Waited::Interrupted),
        _ => None,
    }
}
