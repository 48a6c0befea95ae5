//! What a reader of C holds besides its feed, and how its events become structs of C.

use arrow::datatypes::SchemaRef;
use barbus::{Event, Row, Selection, SymbolId};

use crate::batch::live_schema;
use crate::failure::Failure;
use crate::feed::Feed;
use crate::ids::Ids;
use crate::options::day_number;
use crate::raw::{Handle, Pool, bars, check_size};
use crate::types::*;

/// What a reader of C holds.
#[derive(Debug)]
pub(crate) struct ReaderState {
    pub(crate) feed: Feed,
    /// The answer to the last question for a window, if it is a copy.
    window: CopiedWindow,
    /// The names of the last event.
    names: Vec<barbus_text>,
    /// The last withdrawal.
    withdrawn: Option<Selection>,
    ids: Ids,
    /// The columns of copied bars in Arrow's form.
    schema: Option<SchemaRef>,
}

impl Handle for ReaderState {
    const TAG: u64 = 0x0ba2_6e01;
    const NAME: &'static str = "reader";
    fn pool() -> &'static Pool<Self> {
        static POOL: Pool<ReaderState> = Pool::new();
        &POOL
    }
}

impl ReaderState {
    pub(crate) fn new(feed: Feed) -> Self {
        let (window, names, ids) = Default::default();
        Self { feed, window, names, withdrawn: None, ids, schema: None }
    }

    /// The next event, without waiting.
    #[inline(always)]
    pub(crate) fn poll(&mut self, out: &mut barbus_event) -> Result<(), Failure> {
        if out.size != size_of::<barbus_event>() {
            check_size(out)?;
        }
        out.kind = BARBUS_EVENT_NONE;
        // Not by `?`, which would copy the event once more.
        match self.feed.poll() {
            Ok(None) => Ok(()),
            Ok(Some(Event::Bars(event))) => {
                let rows = bars(event.rows());
                out.kind = BARBUS_EVENT_BARS;
                (out.bars, out.count) = (rows.as_ptr(), rows.len());
                Ok(())
            }
            Ok(Some(event)) => {
                put(event, &mut self.names, &mut self.withdrawn, out);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The next event; waits for it for at most `timeout_ms`, without a limit if that is negative.
    pub(crate) fn next(&mut self, timeout_ms: i64, out: &mut barbus_event) -> Result<(), Failure> {
        check_size(out)?;
        out.kind = BARBUS_EVENT_NONE;
        let (names, withdrawn) = (&mut self.names, &mut self.withdrawn);
        self.feed.next_within(timeout_ms, |event| put(event, names, withdrawn, out))?;
        Ok(())
    }

    /// Whether the last withdrawal has the bar of `symbol` that ends at `frame_ms`.
    pub(crate) fn withdrawal_covers(&self, symbol: &str, frame_ms: i64) -> Result<bool, Failure> {
        let selection = self.withdrawn.as_ref();
        selection.map(|selection| selection.covers(symbol, frame_ms)).ok_or_else(|| {
            Failure::argument("the reader has delivered no BARBUS_EVENT_WITHDRAWN: ask after such an event")
        })
    }

    /// The last bars of a symbol, which stay where they are until the next call.
    #[inline(always)]
    pub(crate) fn window(&mut self, symbol: &str, count: usize) -> Result<&[Row], Failure> {
        match &mut self.feed {
            // Without a copy: the reader has them side by side.
            Feed::Live(reader) => Ok(reader.window_ref(symbol, count)?),
            feed => self.window.ask(feed, &mut self.ids, symbol, count),
        }
    }

    /// The id of a symbol in the bars of this reader.
    pub(crate) fn symbol_id(&mut self, symbol: &str) -> Option<u32> {
        self.ids.id(&mut self.feed, symbol)
    }

    /// The columns of copied bars in Arrow's form.
    pub(crate) fn schema(&mut self) -> SchemaRef {
        let feed = &self.feed;
        self.schema.get_or_insert_with(|| live_schema(&feed.bus().settings().schema)).clone()
    }
}

/// The last bars of a symbol, of a feed that does not lend them.
#[derive(Debug, Default)]
struct CopiedWindow(Vec<Row>);

impl CopiedWindow {
    /// Copies the bars, with the id that the symbol has in the bars of the feed.
    #[inline(never)]
    fn ask(&mut self, feed: &mut Feed, ids: &mut Ids, symbol: &str, count: usize) -> Result<&[Row], Failure> {
        self.0 = feed.window(symbol, count)?;
        let id = SymbolId(ids.id(feed, symbol).unwrap_or(u32::MAX));
        self.0.iter_mut().for_each(|row| row.symbol = id);
        Ok(&self.0)
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
