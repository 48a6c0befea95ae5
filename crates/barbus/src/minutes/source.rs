//! What a reader and a replay have in common beyond [`Feed`], for minutes.

use std::time::Duration;

use barbus_ring::Row;

use super::known::Known;
use crate::bus::Bus;
use crate::error::Result;
use crate::event::Appended;
use crate::feed::Feed;
use crate::reader::Reader;
#[cfg(feature = "archive")]
use crate::replay::Replay;
use crate::symbol_filter::SymbolFilter;

/// A feed whose bars can be delivered minute by minute: a [`Reader`] or a `Replay`.
///
/// No other type can implement it.
#[allow(private_interfaces)]
pub trait MinuteSource: Feed {
    /// Whether frames are delivered in order.
    #[doc(hidden)]
    const SORTED: bool;

    /// The bus.
    #[doc(hidden)]
    fn bus(&self) -> &Bus;

    /// The symbols that are delivered; `None` for all.
    #[doc(hidden)]
    fn wanted(&self) -> Option<&SymbolFilter>;

    /// What is known before the first event, with the symbols or without them.
    #[doc(hidden)]
    fn known(&self, with_symbols: bool) -> Result<Known>;

    /// The minute through which the producers have sent all bars. A poll after this call that finds
    /// nothing has delivered them.
    #[doc(hidden)]
    fn watermark_ms(&self) -> i64;

    /// The minute through which all bars are delivered, whatever follows.
    #[doc(hidden)]
    fn delivered_through_ms(&self) -> i64;

    /// Whether a signal ended the last wait.
    #[doc(hidden)]
    fn was_interrupted(&self) -> bool;

    /// The next event; bars may be appended to `rows`.
    #[doc(hidden)]
    fn poll_into(&mut self, rows: &mut Vec<Row>) -> Result<Appended<'_>>;

    /// The same; waits for it for at most `timeout`, and returns early without one if the watermark
    /// is above `watermark_ms`.
    #[doc(hidden)]
    fn next_into(&mut self, rows: &mut Vec<Row>, timeout: Duration, watermark_ms: i64) -> Result<Appended<'_>>;
}

#[allow(private_interfaces)]
impl MinuteSource for Reader {
    const SORTED: bool = false;

    fn bus(&self) -> &Bus {
        Reader::bus(self)
    }

    fn wanted(&self) -> Option<&SymbolFilter> {
        self.filter()
    }

    fn known(&self, with_symbols: bool) -> Result<Known> {
        Known::of_ring(Reader::bus(self), self.ring(), self.position(), self.fills_from(), with_symbols)
    }

    fn watermark_ms(&self) -> i64 {
        self.ring().watermark_ms()
    }

    fn delivered_through_ms(&self) -> i64 {
        i64::MIN
    }

    fn was_interrupted(&self) -> bool {
        Reader::was_interrupted(self)
    }

    fn poll_into(&mut self, rows: &mut Vec<Row>) -> Result<Appended<'_>> {
        Reader::poll_into(self, rows)
    }

    fn next_into(&mut self, rows: &mut Vec<Row>, timeout: Duration, watermark_ms: i64) -> Result<Appended<'_>> {
        Reader::next_into(self, rows, timeout, watermark_ms)
    }
}

#[cfg(feature = "archive")]
#[allow(private_interfaces)]
impl MinuteSource for Replay {
    const SORTED: bool = true;

    fn bus(&self) -> &Bus {
        Replay::bus(self)
    }

    fn wanted(&self) -> Option<&SymbolFilter> {
        self.filter()
    }

    fn known(&self, with_symbols: bool) -> Result<Known> {
        let before = if with_symbols { self.symbols_before()? } else { None };
        let (last_day, last_symbols) = before.unzip();
        Ok(Known { last_day, last_symbols: last_symbols.unwrap_or_default(), ..Known::default() })
    }

    fn watermark_ms(&self) -> i64 {
        i64::MIN
    }

    fn delivered_through_ms(&self) -> i64 {
        Replay::delivered_through_ms(self).unwrap_or(i64::MIN)
    }

    fn was_interrupted(&self) -> bool {
        false
    }

    fn poll_into(&mut self, _: &mut Vec<Row>) -> Result<Appended<'_>> {
        Ok(Replay::poll(self)?.map_or(Appended::Nothing, Appended::Event))
    }

    fn next_into(&mut self, _: &mut Vec<Row>, timeout: Duration, _: i64) -> Result<Appended<'_>> {
        Ok(Replay::next(self, timeout)?.map_or(Appended::Nothing, Appended::Event))
    }
}
