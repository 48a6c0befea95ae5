//! Minutes that are known to be complete: a feed that delivers bars minute by minute, and says when
//! each minute is complete.
//!
//! - `assembler.rs`: which minute closes when.
//! - `pending.rs`: the bars of a minute that is not closed.
//! - `universe.rs`: the symbols, and which of them are expected in a minute.
//! - `known.rs`: what the bus has from before the feed's position.
//! - `source.rs`: what a reader and a replay add to `Feed`.

mod assembler;
mod known;
mod pending;
mod source;
mod universe;

use std::time::{Duration, Instant};

use barbus_bars::Date;
use barbus_ring::{Row, SymbolId};
use jiff::Timestamp;

use crate::error::Result;
use crate::event::{Bars, Event};
use crate::feed::Feed;
use crate::reader::Reader;
#[cfg(feature = "archive")]
use crate::replay::Replay;
use assembler::{Assembler, Output};
pub use source::MinuteSource;

/// Longest wait before the clock is looked at again: a session may have begun.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A minute is complete: no more of its bars are expected. Bars of it that follow are late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinuteClosed {
    /// The end of the minute, milliseconds since 1970-01-01 UTC.
    pub frame_ms: i64,
    /// Number of symbols that have a bar of the minute.
    pub symbols: usize,
    /// The symbols of the universe that are expected in the minute and have no bar of it, in the
    /// order of their bytes. Perhaps they did not trade.
    pub missing: Vec<String>,
}

/// Which symbols a minute waits for, and for how long.
///
/// ```
/// use barbus::MinuteOptions;
/// let options = MinuteOptions { grace: std::time::Duration::from_secs(5), ..Default::default() };
/// assert_eq!(options.universe, None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinuteOptions {
    /// The symbols that a minute waits for. `None`: those of the last trading day, and those seen
    /// earlier on the present day; of a feed that is filtered by symbol, the ones that pass.
    ///
    /// A symbol is expected in the regular hours of its product group only.
    pub universe: Option<Vec<String>>,
    /// How long after its end, or after its first bar if that is later, a minute waits for the
    /// symbols that have no bar. It must be longer than the delay of the producers.
    pub grace: Duration,
}

impl Default for MinuteOptions {
    fn default() -> Self {
        Self { universe: None, grace: Duration::from_secs(2) }
    }
}

/// A feed that delivers bars minute by minute, with an [`Event::MinuteClosed`] after each minute:
/// [`Reader::minutes`] and `Replay::minutes` make it.
///
/// All bars of a minute are one [`Event::Bars`], in the order of the bytes of their symbols, each
/// symbol once with its last revision. An [`Event::MinuteClosed`] follows. Minutes are closed in
/// their order, and bars of a later minute wait for the close of the earlier ones. Other events are
/// delivered when the feed delivers them; [`Event::DayClosed`] comes after the last minute of its
/// day.
///
/// A minute closes as soon as one of these holds:
/// - each symbol of the universe that is expected in it has its bar ([`MinuteOptions::universe`]);
///   without a listed universe, not on the first trading day of a bus;
/// - the producers have stated that it is done ([`Publisher::done`](crate::Publisher::done));
/// - [`MinuteOptions::grace`] has passed since its end and since its first bar;
/// - a bar of a later minute was received the grace period after its end.
///
/// A minute of the regular hours without any bar closes too, with all symbols missing, if a symbol
/// of the universe is expected in it: at the present by the clock, in the past when a later bar or
/// the close of the day shows that it is over. There is no such minute at lunch or at night, and
/// none before the first bar of a new bus.
///
/// A bar that comes after the close of its minute is late, and so is a revision: it is delivered at
/// once in an [`Event::Bars`] of its own, in which no frame is after the last closed minute. The
/// minute is not closed again. After an [`Event::Lapped`], bars that were missed count as missing.
///
/// [`Feed::position`] is the number of the first bar that is not delivered: a reader that starts
/// there again loses none. [`Feed::latest`] and [`Feed::window`] of a live reader answer from all
/// that the ring holds, also from minutes that are not closed.
///
/// ```
/// use std::time::Duration;
/// use barbus::{Bus, Event, Feed, InitOptions, MinuteOptions, Reader, Row};
/// # let dir = tempfile::tempdir().unwrap();
/// # let options = InitOptions { calendar: "XSHG".into(), ..Default::default() };
/// # let bus = Bus::init(&dir.path().join("bus"), &options)?;
/// # let mut writer = barbus_writer::Writer::open(&bus)?;
/// let universe = ["600000.XSHG", "600036.XSHG"].map(String::from);
/// let options = MinuteOptions { universe: Some(universe.to_vec()), ..Default::default() };
/// let mut minutes = Reader::open(bus.path())?.minutes(options)?;
/// # let frame_ms = 1_720_056_660_000; // 2024-07-04 09:31 in Shanghai
/// # for symbol in universe.iter().rev() {
/// #     let symbol = writer.symbol(symbol).unwrap();
/// #     writer.push(&Row { symbol, frame_ms, ..Row::default() })?;
/// # }
/// while let Some(event) = minutes.next(Duration::ZERO)? {
///     match event {
///         // Learn the bars of the minute, or late ones.
///         Event::Bars(bars) => assert_eq!(bars.len(), 2),
///         // Decide: every symbol has its bar, or is named in `missing`.
///         Event::MinuteClosed(minute) => assert!(minute.missing.is_empty()),
///         _ => {}
///     }
/// }
/// # Ok::<(), barbus::Error>(())
/// ```
#[derive(Debug)]
pub struct Minutes<F> {
    feed: F,
    assembler: Assembler,
    /// What the last event lends.
    current: Output,
}

impl Reader {
    /// Delivers bars minute by minute, and says when each minute is complete: see [`Minutes`].
    ///
    /// Call it after [`Reader::start_at`] and [`Reader::symbols`]. The first minute is the one of
    /// the reader's first bar, and for a reader at [`Start::Live`](crate::Start::Live) the first
    /// one after the newest bar. It reads the ring, and the archive's newest day, to learn the
    /// symbols.
    ///
    /// # Errors
    /// [`Error::Archive`](crate::Error::Archive) if the file of the last trading day is damaged:
    /// a listed universe needs none.
    pub fn minutes(self, options: MinuteOptions) -> Result<Minutes<Self>> {
        Minutes::new(self, options)
    }
}

#[cfg(feature = "archive")]
impl Replay {
    /// Delivers bars minute by minute, and says when each minute is complete: see [`Minutes`].
    ///
    /// Call it after [`Replay::symbols`]. A minute closes after its last bar in the archive, so
    /// [`MinuteOptions::grace`] has no effect. The events are those of the live day, with these
    /// exceptions: a bar that was late live is in its minute here, because the archive does not
    /// keep when a bar was received; and live, [`Event::Lapped`] and [`Event::Withdrawn`] exist.
    ///
    /// # Errors
    /// As [`Reader::minutes`], of the day before the first one.
    pub fn minutes(self, options: MinuteOptions) -> Result<Minutes<Self>> {
        Minutes::new(self.by_frame(), options)
    }
}

impl<F: MinuteSource> Minutes<F> {
    fn new(feed: F, options: MinuteOptions) -> Result<Self> {
        let known = feed.known(options.universe.is_none())?;
        let calendar = feed.bus().settings().calendar.clone();
        let assembler = Assembler::new(calendar, options, known, feed.wanted(), F::SORTED);
        Ok(Self { feed, assembler, current: Output::Lapped(0) })
    }

    /// The feed.
    pub fn feed(&self) -> &F {
        &self.feed
    }

    /// The next event; `None` if there is none yet. It does not wait.
    ///
    /// # Errors
    /// As `poll` of the feed.
    pub fn poll(&mut self) -> Result<Option<Event<'_>>> {
        self.gather()?;
        Ok(self.take())
    }

    /// The next event; waits for it for at most `timeout`.
    ///
    /// # Errors
    /// As `next` of the feed.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Event<'_>>> {
        self.wait(timeout)?;
        Ok(self.take())
    }

    /// Waits until there is an event to poll, for at most `timeout`; returns whether there is one.
    ///
    /// # Errors
    /// As `next` of the feed.
    pub fn wait(&mut self, timeout: Duration) -> Result<bool> {
        let end = Instant::now().checked_add(timeout);
        while !self.gather()? {
            let left = end.map_or(LONGEST_WAIT, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() || self.ended() {
                return Ok(false);
            }
            let wait = left.min(LONGEST_WAIT).min(self.assembler.time_to_close(now_ms()));
            let watermark_ms = self.assembler.watermark_ms();
            let appended = self.feed.next_into(self.assembler.intake(), wait, watermark_ms)?;
            if self.assembler.take_appended(appended) {
                self.after_event();
            } else if self.feed.was_interrupted() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// True after the last event: after the last day of a replay, never for a reader.
    pub fn ended(&self) -> bool {
        self.feed.ended() && self.assembler.is_empty()
    }

    /// Reads the feed until there is an event to deliver; false if there is none yet.
    fn gather(&mut self) -> Result<bool> {
        while !self.assembler.has_output() {
            // Before the poll: a poll that finds nothing has read every bar up to both.
            let (now_ms, watermark_ms) = (now_ms(), self.feed.watermark_ms());
            let appended = self.feed.poll_into(self.assembler.intake())?;
            if !self.assembler.take_appended(appended) {
                self.assembler.idle(now_ms, watermark_ms);
                return Ok(self.assembler.has_output());
            }
            self.after_event();
        }
        Ok(true)
    }

    fn after_event(&mut self) {
        self.assembler.raise_watermark(self.feed.delivered_through_ms());
    }

    /// The next event that was gathered.
    fn take(&mut self) -> Option<Event<'_>> {
        let next = self.assembler.next()?;
        self.assembler.recycle(std::mem::replace(&mut self.current, next));
        Some(match &self.current {
            Output::Bars(rows) => Event::Bars(Bars::new(rows, self.assembler.symbol_texts())),
            Output::MinuteClosed(minute) => Event::MinuteClosed(minute),
            Output::DayClosed(day) => Event::DayClosed(*day),
            Output::Lapped(missed) => Event::Lapped { missed: *missed },
            Output::Withdrawn(selection) => Event::Withdrawn(selection),
        })
    }
}

impl<F: MinuteSource> Feed for Minutes<F> {
    fn poll(&mut self) -> Result<Option<Event<'_>>> {
        Minutes::poll(self)
    }

    fn next(&mut self, timeout: Duration) -> Result<Option<Event<'_>>> {
        Minutes::next(self, timeout)
    }

    fn ended(&self) -> bool {
        Minutes::ended(self)
    }

    fn latest(&mut self, symbol: &str) -> Result<Option<Row>> {
        self.feed.latest(symbol)
    }

    fn window(&mut self, symbol: &str, count: usize) -> Result<Vec<Row>> {
        self.feed.window(symbol, count)
    }

    /// The symbols of the universe and those that have occurred: the ids are not those of the feed.
    fn symbol_names(&mut self) -> &[String] {
        self.assembler.symbol_names()
    }

    fn symbol_name(&mut self, id: SymbolId) -> Option<&str> {
        self.assembler.symbol_names().get(id.0 as usize).map(String::as_str)
    }

    fn position(&self) -> u64 {
        self.assembler.first_seq().unwrap_or_else(|| self.feed.position())
    }

    fn day(&mut self) -> Option<Date> {
        self.feed.day()
    }
}

fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}
