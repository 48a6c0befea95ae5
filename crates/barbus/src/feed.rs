//! `Feed`: what a live reader and a replay of archived days have in common.

use std::time::Duration;

use barbus_bars::Date;
use barbus_ring::{Row, SymbolId};

use crate::error::Result;
use crate::event::Event;
use crate::reader::Reader;
#[cfg(feature = "archive")]
use crate::replay::Replay;

/// A source of bars: a live [`Reader`], or a `Replay` of archived days. A strategy that is generic
/// over `Feed` runs on both.
///
/// Each method does what the method of the same name does on these types.
///
/// ```
/// use std::time::Duration;
/// use barbus::{Event, Feed};
///
/// /// Counts how often a bar closes above the bar before it.
/// fn strategy(feed: &mut impl Feed, symbol: &str) -> barbus::Result<usize> {
///     let mut rises = 0;
///     while !feed.ended() {
///         match feed.next(Duration::from_secs(1))? {
///             Some(Event::Bars(_)) => {
///                 if let [before, last] = feed.window(symbol, 2)?[..] {
///                     rises += usize::from(last.close > before.close);
///                 }
///             }
///             Some(Event::DayClosed(_)) => return Ok(rises),
///             Some(Event::Lapped { .. } | Event::Withdrawn(_) | Event::MinuteClosed(_)) | None => {}
///         }
///     }
///     Ok(rises)
/// }
/// ```
pub trait Feed {
    /// The next event, without waiting; `None` if there is none yet.
    fn poll(&mut self) -> Result<Option<Event<'_>>>;

    /// The next event; waits for it for at most `timeout`.
    fn next(&mut self, timeout: Duration) -> Result<Option<Event<'_>>>;

    /// True after the last event: after the last day of a replay, never for a reader.
    fn ended(&self) -> bool;

    /// The newest bar of a symbol; `None` if the feed no longer holds one.
    fn latest(&mut self, symbol: &str) -> Result<Option<Row>>;

    /// The last `count` bars of a symbol, oldest first.
    fn window(&mut self, symbol: &str, count: usize) -> Result<Vec<Row>>;

    /// The texts of all symbols that have occurred, by id.
    fn symbol_names(&mut self) -> &[String];

    /// The text of a symbol's id.
    fn symbol_name(&mut self, id: SymbolId) -> Option<&str>;

    /// Sequence number of the next bar to be delivered.
    fn position(&self) -> u64;

    /// The trading day of the last bars, if one is known.
    fn day(&mut self) -> Option<Date>;
}

/// Implements [`Feed`] for a type by its own methods of the same names.
macro_rules! implement_feed {
    ($type:ty, |$feed:ident| $ended:expr) => {
        impl Feed for $type {
            #[inline]
            fn poll(&mut self) -> Result<Option<Event<'_>>> {
                <$type>::poll(self)
            }

            fn next(&mut self, timeout: Duration) -> Result<Option<Event<'_>>> {
                <$type>::next(self, timeout)
            }

            fn ended(&self) -> bool {
                let $feed = self;
                $ended
            }

            fn latest(&mut self, symbol: &str) -> Result<Option<Row>> {
                <$type>::latest(self, symbol)
            }

            fn window(&mut self, symbol: &str, count: usize) -> Result<Vec<Row>> {
                <$type>::window(self, symbol, count)
            }

            fn symbol_names(&mut self) -> &[String] {
                <$type>::symbol_names(self)
            }

            fn symbol_name(&mut self, id: SymbolId) -> Option<&str> {
                <$type>::symbol_name(self, id)
            }

            fn position(&self) -> u64 {
                <$type>::position(self)
            }

            fn day(&mut self) -> Option<Date> {
                <$type>::day(self)
            }
        }
    };
}

implement_feed!(Reader, |_reader| false);
#[cfg(feature = "archive")]
implement_feed!(Replay, |replay| replay.ended());
