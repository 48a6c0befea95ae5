//! What a reader of C holds besides its feed, and how its events become structs of C.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use barbus::{Event, Row, Selection, SymbolId};

use crate::batch::live_schema;
use crate::failure::Failure;
use crate::feed::{Feed, Waited, sleep_until};
use crate::options::day_number;
use crate::raw::{Handle, Pool, bars, check_size};
use crate::types::*;

/// What a reader of C holds.
#[derive(Debug)]
pub(crate) struct ReaderState {
    pub(crate) feed: Feed,
    /// The answer to the last question for a window.
    window: Vec<Row>,
    /// The names of the last event.
    names: Vec<barbus_text>,
    /// The last withdrawal.
    withdrawn: Option<Selection>,
    /// Ids by text; each is compared with the text of the id before it is used.
    ids: HashMap<String, u32>,
    /// The columns of copied bars in Arrow's form.
    schema: Option<SchemaRef>,
}

impl Handle for ReaderState {
    const TAG: u64 = 0xba26_0005_7ead_e201;
    const NAME: &'static str = "reader";
    fn pool() -> &'static Pool<Self> {
        static POOL: Pool<ReaderState> = Pool::new();
        &POOL
    }
}

impl ReaderState {
    pub(crate) fn new(feed: Feed) -> Self {
        Self { feed, window: Vec::new(), names: Vec::new(), withdrawn: None, ids: HashMap::new(), schema: None }
    }

    /// The next event, without waiting.
    #[inline(always)]
    pub(crate) fn poll(&mut self, out: &mut barbus_event) -> Result<(), Failure> {
        if out.size != size_of::<barbus_event>() {
            check_size(out)?;
        }
        out.kind = BARBUS_EVENT_NONE;
        match self.feed.poll()? {
            None => Ok(()),
            Some(Event::Bars(event)) => {
                let rows = bars(event.rows());
                out.kind = BARBUS_EVENT_BARS;
                (out.bars, out.count) = (rows.as_ptr(), rows.len());
                Ok(())
            }
            Some(event) => {
                put(event, &mut self.names, &mut self.withdrawn, out);
                Ok(())
            }
        }
    }

    /// The next event; waits for it for at most `timeout_ms`, without a limit if that is negative.
    pub(crate) fn next(&mut self, timeout_ms: i64, out: &mut barbus_event) -> Result<(), Failure> {
        check_size(out)?;
        let timeout = u64::try_from(timeout_ms).map_or(Duration::MAX, Duration::from_millis);
        let end = Instant::now().checked_add(timeout);
        out.kind = BARBUS_EVENT_NONE;
        loop {
            if let Some(event) = self.feed.next(timeout)? {
                put(event, &mut self.names, &mut self.withdrawn, out);
                return Ok(());
            }
            let waited = match self.feed.is_replay() {
                true if self.feed.ended() => Some(Waited::TimeIsOver),
                true => sleep_until(end),
                false => Some(self.feed.waited()).filter(|waited| *waited == Waited::Interrupted || timeout_ms >= 0),
            };
            match waited {
                // A wait without a limit goes on.
                None => {}
                Some(Waited::Interrupted) if timeout_ms != 0 => {
                    return Err(Failure::new(BARBUS_ERROR_INTERRUPTED, "a signal ended the wait: call again, or end"));
                }
                Some(_) => return Ok(()),
            }
        }
    }

    /// Whether the last withdrawal has the bar of `symbol` that ends at `frame_ms`.
    pub(crate) fn withdrawal_covers(&self, symbol: &str, frame_ms: i64) -> Result<bool, Failure> {
        let selection = self.withdrawn.as_ref();
        selection.map(|selection| selection.covers(symbol, frame_ms)).ok_or_else(|| {
            Failure::argument("the reader has delivered no BARBUS_EVENT_WITHDRAWN: ask after such an event")
        })
    }

    /// The newest bar of a symbol.
    #[inline]
    pub(crate) fn latest(&mut self, symbol: &str) -> Result<Option<Row>, Failure> {
        let mut found = self.feed.latest(symbol)?;
        if !matches!(self.feed, Feed::Live(_)) {
            let id = self.symbol_id(symbol).unwrap_or(u32::MAX);
            found.iter_mut().for_each(|row| row.symbol = SymbolId(id));
        }
        Ok(found)
    }

    /// The last bars of a symbol, which stay where they are until the next call.
    #[inline]
    pub(crate) fn window(&mut self, symbol: &str, count: usize) -> Result<&[Row], Failure> {
        self.feed.window_into(symbol, count, &mut self.window)?;
        if !matches!(self.feed, Feed::Live(_)) {
            let id = self.symbol_id(symbol).unwrap_or(u32::MAX);
            self.window.iter_mut().for_each(|row| row.symbol = SymbolId(id));
        }
        Ok(&self.window)
    }

    /// The id of a symbol in the bars of this reader.
    pub(crate) fn symbol_id(&mut self, symbol: &str) -> Option<u32> {
        let names = self.feed.symbol_names();
        let is_it = |id: &u32| names.get(*id as usize).is_some_and(|name| name == symbol);
        if let Some(id) = self.ids.get(symbol).copied().filter(is_it) {
            return Some(id);
        }
        // The ring was replaced, or symbols were added.
        self.ids = names.iter().cloned().zip(0..).collect();
        self.ids.get(symbol).copied()
    }

    /// The columns of copied bars in Arrow's form.
    pub(crate) fn schema(&mut self) -> SchemaRef {
        let feed = &self.feed;
        self.schema.get_or_insert_with(|| live_schema(&feed.bus().settings().schema)).clone()
    }
}

/// Puts an event into a struct of C.
fn put(event: Event<'_>, names: &mut Vec<barbus_text>, withdrawn: &mut Option<Selection>, out: &mut barbus_event) {
    names.clear();
    match event {
        Event::Bars(event) => {
            let rows = bars(event.rows());
            out.kind = BARBUS_EVENT_BARS;
            (out.bars, out.count) = (rows.as_ptr(), rows.len());
            return;
        }
        Event::DayClosed(day) => {
            out.kind = BARBUS_EVENT_DAY_CLOSED;
            out.day = day_number(day);
            return;
        }
        Event::Lapped { missed } => {
            out.kind = BARBUS_EVENT_LAPPED;
            out.missed = missed;
            return;
        }
        Event::Withdrawn(selection) => {
            out.kind = BARBUS_EVENT_WITHDRAWN;
            out.day = day_number(selection.day);
            // The names point into this copy.
            let kept = withdrawn.insert(selection.clone());
            names.extend(kept.symbols.iter().chain(kept.bars.keys()).map(|name| barbus_text::of(name)));
        }
        Event::MinuteClosed(minute) => {
            out.kind = BARBUS_EVENT_MINUTE_CLOSED;
            (out.frame_ms, out.symbols) = (minute.frame_ms, minute.symbols);
            names.extend(minute.missing.iter().map(|name| barbus_text::of(name)));
        }
    }
    (out.names, out.name_count) = (names.as_ptr(), names.len());
}
