//! Takes the events of a bus from a reader or a replay, as Python objects.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use barbus::{Event, Feed, Minutes, Reader, Replay, Resampled, Row, View};
use pyo3::prelude::*;

use crate::bars::Bars;
use crate::batch::{self, TradingDays};
use crate::error::raised;
use crate::event::{DayClosed, Lapped, MinuteClosed, Withdrawn};
use crate::layout::Layout;

/// Longest sleep before a replay is polled again.
const REPLAY_POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Fewest bars that are pinned: a pin takes two system calls, and fewer bars are copied sooner.
const MIN_PINNED_ROWS: usize = 256;
/// Most batches without a wanted symbol that one call of [`EventReader::take`] passes over, so that
/// other threads and tasks get their turn.
const MAX_SKIPPED: usize = 16;

/// The source of events.
pub(crate) enum EventSource {
    Live(Box<Reader>),
    Replay(Box<Replay>),
    /// No event will follow.
    Closed {
        bus: Box<barbus::Bus>,
        position: u64,
    },
    LiveMinutes(Box<Minutes<Reader>>),
    ReplayedMinutes(Box<Minutes<Replay>>),
    LiveResampled(Box<Resampled<Reader>>),
    ReplayedResampled(Box<Resampled<Replay>>),
}

impl EventSource {
    fn poll(&mut self) -> barbus::Result<Option<Event<'_>>> {
        match self {
            Self::Live(reader) => reader.poll(),
            Self::Replay(replay) => replay.poll(),
            Self::Closed { .. } => Ok(None),
            Self::LiveMinutes(minutes) => minutes.poll(),
            Self::ReplayedMinutes(minutes) => minutes.poll(),
            Self::LiveResampled(bars) => bars.poll(),
            Self::ReplayedResampled(bars) => bars.poll(),
        }
    }

    /// The next bars in place. A replay has no ring, and minutes are copies.
    fn pin(&mut self) -> barbus::Result<Option<View>> {
        match self {
            Self::Live(reader) => reader.pin(),
            _ => Ok(None),
        }
    }

    /// Whether bars were copied because the reader has pinned as many as it may.
    fn pin_limit_reached(&self) -> bool {
        match self {
            Self::Live(reader) => reader.pin_limit_reached(),
            _ => false,
        }
    }

    fn wait(&mut self, timeout: Duration) -> barbus::Result<()> {
        match self {
            Self::Live(reader) => reader.wait(timeout).map(drop),
            // A replay does not report when its next bars are due. The caller has just polled it
            // and got none.
            Self::Replay(_) => {
                std::thread::sleep(timeout.min(REPLAY_POLL_INTERVAL));
                Ok(())
            }
            Self::Closed { .. } => Ok(()),
            Self::LiveMinutes(minutes) => minutes.wait(timeout).map(drop),
            Self::ReplayedMinutes(minutes) => minutes.wait(timeout).map(drop),
            Self::LiveResampled(bars) => bars.wait(timeout).map(drop),
            Self::ReplayedResampled(bars) => bars.wait(timeout).map(drop),
        }
    }

    fn ended(&self) -> bool {
        match self {
            Self::Live(_) | Self::LiveMinutes(_) | Self::LiveResampled(_) => false,
            Self::Replay(replay) => replay.ended(),
            Self::Closed { .. } => true,
            Self::ReplayedMinutes(minutes) => minutes.ended(),
            Self::ReplayedResampled(bars) => bars.ended(),
        }
    }

    fn position(&self) -> u64 {
        match self {
            Self::Live(reader) => reader.position(),
            Self::Replay(replay) => replay.position(),
            Self::Closed { position, .. } => *position,
            Self::LiveMinutes(minutes) => minutes.position(),
            Self::ReplayedMinutes(minutes) => minutes.position(),
            Self::LiveResampled(bars) => bars.position(),
            Self::ReplayedResampled(bars) => bars.position(),
        }
    }

    pub(crate) fn bus(&self) -> &barbus::Bus {
        match self {
            Self::Live(reader) => reader.bus(),
            Self::Replay(replay) => replay.bus(),
            Self::Closed { bus, .. } => bus,
            Self::LiveMinutes(minutes) => minutes.feed().bus(),
            Self::ReplayedMinutes(minutes) => minutes.feed().bus(),
            Self::LiveResampled(bars) => bars.feed().bus(),
            Self::ReplayedResampled(bars) => bars.feed().bus(),
        }
    }
}

/// One event, not yet a Python object.
pub(crate) enum Taken {
    Bars(Bars),
    DayClosed(DayClosed),
    Lapped(Lapped),
    Withdrawn(Withdrawn),
    MinuteClosed(MinuteClosed),
}

impl Taken {
    pub(crate) fn into_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(match self {
            Self::Bars(bars) => Py::new(py, bars)?.into_any(),
            Self::DayClosed(event) => Py::new(py, event)?.into_any(),
            Self::Lapped(event) => Py::new(py, event)?.into_any(),
            Self::Withdrawn(event) => Py::new(py, event)?.into_any(),
            Self::MinuteClosed(event) => Py::new(py, event)?.into_any(),
        })
    }
}

/// Reads events, and pins bars instead of copying them while many wait to be read.
pub(crate) struct EventReader {
    source: EventSource,
    layout: Arc<Layout>,
    days: TradingDays,
    symbols: Option<HashSet<String>>,
    /// Whether many bars wait to be read.
    catching_up: bool,
    /// Whether the warning about the limit of pins was given.
    warned: bool,
}

impl EventReader {
    pub(crate) fn new(source: EventSource, catching_up: bool, symbols: Option<HashSet<String>>) -> Self {
        let settings = source.bus().settings();
        let (layout, days) = (Layout::live(&settings.schema), TradingDays::new(&settings.calendar));
        Self { source, layout, days, symbols, catching_up, warned: false }
    }

    /// Lets go of the ring or the archive: no event follows.
    pub(crate) fn close(&mut self) {
        let (bus, position) = (Box::new(self.source.bus().clone()), self.source.position());
        self.source = EventSource::Closed { bus, position };
    }

    /// The next event, if one is ready.
    pub(crate) fn take(&mut self) -> PyResult<Option<Taken>> {
        for _ in 0..MAX_SKIPPED {
            match self.take_any()? {
                Some(Taken::Bars(bars)) if bars.rows() == 0 => continue,
                taken => return Ok(taken),
            }
        }
        Ok(None)
    }

    /// As [`EventReader::take`], but possibly without bars: none may be of a wanted symbol.
    fn take_any(&mut self) -> PyResult<Option<Taken>> {
        if self.catching_up
            && let Some(view) = self.source.pin().map_err(raised)?
        {
            return self.take_view(view).map(Some);
        }
        Ok(Some(match self.source.poll().map_err(raised)? {
            None => return Ok(None),
            Some(Event::DayClosed(day)) => Taken::DayClosed(DayClosed(day)),
            Some(Event::MinuteClosed(minute)) => {
                let (minute, zone) = (minute.clone(), self.source.bus().settings().schema.zone().to_owned());
                Taken::MinuteClosed(MinuteClosed { minute, zone })
            }
            Some(Event::Withdrawn(selection)) => Taken::Withdrawn(Withdrawn(selection.clone())),
            Some(Event::Lapped { missed }) => {
                self.catching_up = true;
                Taken::Lapped(Lapped { missed })
            }
            Some(Event::Bars(bars)) => {
                self.catching_up = bars.len() >= MIN_PINNED_ROWS;
                let is_wanted = |symbol| self.symbols.as_ref().is_none_or(|symbols| symbols.contains(symbol));
                let wanted = bars.iter().filter(|bar| is_wanted(bar.symbol));
                let (names, rows): (Vec<&str>, Vec<Row>) = wanted.map(|bar| (bar.symbol, *bar)).unzip();
                let batch = batch::from_rows(&self.layout, &rows, &names, &mut self.days).map_err(raised)?;
                Taken::Bars(Bars::new(Arc::clone(&self.layout), vec![batch], false))
            }
        }))
    }

    /// Whether the warning about the limit of pins is due. It is due once.
    pub(crate) fn take_warning(&mut self) -> bool {
        self.source.pin_limit_reached() && !std::mem::replace(&mut self.warned, true)
    }

    /// The bars of a view: the view itself, or a copy of those of the wanted symbols.
    fn take_view(&mut self, view: View) -> PyResult<Taken> {
        self.catching_up = view.num_rows() >= MIN_PINNED_ROWS;
        let in_place = view.is_pinned();
        let whole = batch::without_metadata(view.into_batch().map_err(raised)?).map_err(raised)?;
        let rows = whole.num_rows();
        let batch = match &self.symbols {
            Some(symbols) => batch::filter_symbols(&whole, symbols).map_err(raised)?,
            None => whole,
        };
        let pinned = in_place && batch.num_rows() == rows;
        let batch = batch::from_ring(&self.layout, &batch, &mut self.days).map_err(raised)?;
        Ok(Taken::Bars(Bars::new(Arc::clone(&self.layout), vec![batch], pinned)))
    }

    /// Waits until an event may be ready, at most for `timeout`. It takes no event.
    pub(crate) fn wait(&mut self, timeout: Duration) -> PyResult<()> {
        self.source.wait(timeout).map_err(raised)
    }

    /// Whether no event will follow: at the end of a replay.
    pub(crate) fn ended(&self) -> bool {
        self.source.ended()
    }

    /// Sequence number of the next bar.
    pub(crate) fn position(&self) -> u64 {
        self.source.position()
    }
}
