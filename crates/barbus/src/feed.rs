use std::time::Duration;

use barbus_bars::Date;
use barbus_ring::{Row, SymbolId};

use crate::{Event, Reader, Replay, Result};

/// Where a strategy's bars come from: a [`Reader`] live, or a [`Replay`] of archived days. Written against it, a strategy's code does
/// not know the difference.
///
/// Every method is also one of the two types themselves, where it is explained.
///
/// ```
/// use std::time::Duration;
/// use barbus::{Event, Feed};
///
/// /// Counts how often a bar closes above the one before it.
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
///             Some(Event::Lapped { .. }) | None => {}
///         }
///     }
///     Ok(rises)
/// }
/// ```
pub trait Feed {
    /// What comes next, if it is there, without waiting.
    fn poll(&mut self) -> Result<Option<Event<'_>>>;

    /// What comes next, waiting for it at most `timeout`.
    fn next(&mut self, timeout: Duration) -> Result<Option<Event<'_>>>;

    /// Whether nothing will ever come: false of a reader, true of a replay whose last day was given out.
    fn ended(&self) -> bool;

    /// The newest bar of a symbol.
    fn latest(&mut self, symbol: &str) -> Result<Option<Row>>;

    /// The last `count` bars of a symbol, oldest first.
    fn window(&mut self, symbol: &str, count: usize) -> Result<Vec<Row>>;

    /// Every symbol that has occurred, by id.
    fn symbol_names(&mut self) -> &[String];

    /// The text of a symbol's id.
    fn symbol_name(&mut self, id: SymbolId) -> Option<&str>;

    /// Sequence number of the next bar.
    fn position(&self) -> u64;

    /// The trading day of the last bars, where one is known.
    fn day(&mut self) -> Option<Date>;
}

macro_rules! feed {
    ($type:ty, |$own:ident| $ended:expr) => {
        impl Feed for $type {
            #[inline]
            fn poll(&mut self) -> Result<Option<Event<'_>>> {
                <$type>::poll(self)
            }

            fn next(&mut self, timeout: Duration) -> Result<Option<Event<'_>>> {
                <$type>::next(self, timeout)
            }

            fn ended(&self) -> bool {
                let $own = self;
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

feed!(Reader, |_reader| false);
feed!(Replay, |replay| replay.ended());
