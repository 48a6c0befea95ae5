//! Events for asynchronous programs: a thread waits, the executor does not.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use barbus_bars::Date;
use barbus_ring::Row;
use futures_core::Stream;

use crate::internal::Monitor;
use crate::{Bars, BarsIter, Error, Event, Feed, Reader, Replay, Result};

/// Events that are read ahead of whoever takes them.
const AHEAD: usize = 16;
/// Longest wait without a look whether the stream was dropped.
const LOOK: Duration = Duration::from_millis(250);

/// An [`Event`] that owns its bars.
#[derive(Debug, Clone, PartialEq)]
pub enum OwnedEvent {
    /// New bars, at least one.
    Bars(OwnedBars),
    /// The trading day was closed; every bar that came before was given out.
    DayClosed(Date),
    /// The reader fell behind the ring: exactly so many bars were missed, and the next ones follow.
    Lapped {
        /// Bars missed.
        missed: u64,
    },
}

impl OwnedEvent {
    /// The event without its ownership, as [`Reader::poll`] gives it.
    pub fn as_event(&self) -> Event<'_> {
        match self {
            Self::Bars(bars) => Event::Bars(bars.bars()),
            Self::DayClosed(day) => Event::DayClosed(*day),
            Self::Lapped { missed } => Event::Lapped { missed: *missed },
        }
    }
}

/// [`Bars`] that can be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnedBars {
    rows: Vec<Row>,
    /// Shared by all events until another symbol comes.
    symbols: Arc<[String]>,
}

impl OwnedBars {
    /// The bars.
    pub fn bars(&self) -> Bars<'_> {
        Bars::new(&self.rows, &self.symbols)
    }
}

impl<'a> IntoIterator for &'a OwnedBars {
    type Item = crate::Bar<'a>;
    type IntoIter = BarsIter<'a>;

    fn into_iter(self) -> BarsIter<'a> {
        self.bars().iter()
    }
}

/// The events of a [`Reader`] or a [`Replay`] as a [`Stream`], for any executor.
///
/// A thread of its own does the waiting, in the way that the reader was told to; it reads a few events ahead and then waits until they are
/// taken, so that a program which is too slow is lapped like any other reader. Dropping the stream ends the thread within a fraction of a second.
/// After an error, and after the last day of a replay, the stream ends.
///
/// ```no_run
/// # async fn example() -> barbus::Result<()> {
/// use std::{future::poll_fn, pin::Pin};
/// use barbus::{OwnedEvent, Reader, Start};
/// use barbus::futures_core::Stream;
///
/// let mut events = Reader::open("BUS")?.start_at(Start::Today)?.into_stream()?;
/// // `events.next().await` where the crate futures or tokio-stream is at hand.
/// while let Some(event) = poll_fn(|context| Pin::new(&mut events).poll_next(context)).await {
///     if let OwnedEvent::Bars(bars) = event? {
///         bars.into_iter().for_each(|bar| println!("{} {}", bar.symbol, bar.close));
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct EventStream {
    queue: Arc<Queue>,
}

/// The queue between the thread that reads and the task that takes; the thread waits on it while it is full.
#[derive(Debug, Default)]
struct Queue(Monitor<QueueState>);

#[derive(Debug, Default)]
struct QueueState {
    events: VecDeque<Result<OwnedEvent>>,
    waker: Option<Waker>,
    /// Nothing more will come.
    over: bool,
    dropped: bool,
}

impl Queue {
    /// Waits for room; false if the stream was dropped.
    fn wait_for_room(&self) -> bool {
        let full = |state: &mut QueueState| state.events.len() >= AHEAD && !state.dropped;
        !self.0.wait_while(self.0.lock(), full).dropped
    }

    /// Hands on an event, or the end.
    fn hand_on(&self, event: Option<Result<OwnedEvent>>) {
        let mut state = self.0.lock();
        state.over |= !matches!(event, Some(Ok(_)));
        state.events.extend(event);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl EventStream {
    /// Streams what `feed` gives out from now on.
    ///
    /// # Errors
    /// [`Error::Io`] where the system has no thread for it.
    fn new(feed: impl Feed + Send + 'static, bus: std::path::PathBuf) -> Result<Self> {
        let queue = Arc::new(Queue::default());
        let own = Arc::clone(&queue);
        let thread = std::thread::Builder::new().name("barbus-stream".into()).spawn(move || follow(feed, &own));
        thread.map_err(|error| Error::io(&bus, "start a thread to follow", error))?;
        Ok(Self { queue })
    }
}

impl Reader {
    /// The events from here on as a stream for asynchronous programs.
    ///
    /// # Errors
    /// [`Error::Io`] where the system has no thread for it.
    pub fn into_stream(self) -> Result<EventStream> {
        let bus = self.bus().path().to_owned();
        EventStream::new(self, bus)
    }
}

impl Replay {
    /// The events from here on as a stream for asynchronous programs.
    ///
    /// # Errors
    /// As [`Reader::into_stream`].
    pub fn into_stream(self) -> Result<EventStream> {
        let bus = self.bus().path().to_owned();
        EventStream::new(self, bus)
    }
}

impl Stream for EventStream {
    type Item = Result<OwnedEvent>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.queue.0.lock();
        if let Some(event) = state.events.pop_front() {
            self.queue.0.notify_one();
            return Poll::Ready(Some(event));
        }
        if state.over {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.queue.0.lock().dropped = true;
        self.queue.0.notify_one();
    }
}

/// The thread: takes events and hands them on.
fn follow(mut feed: impl Feed, queue: &Queue) {
    let mut symbols: Arc<[String]> = Arc::default();
    while queue.wait_for_room() {
        let event = match feed.next(LOOK) {
            Ok(Some(Event::Bars(bars))) => Some(Ok(OwnedEvent::Bars(own(bars, &mut symbols)))),
            Ok(Some(Event::DayClosed(day))) => Some(Ok(OwnedEvent::DayClosed(day))),
            Ok(Some(Event::Lapped { missed })) => Some(Ok(OwnedEvent::Lapped { missed })),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        };
        if event.is_none() && !feed.ended() {
            continue;
        }
        let last = !matches!(event, Some(Ok(_)));
        queue.hand_on(event);
        if last {
            return;
        }
    }
}

fn own(bars: Bars<'_>, symbols: &mut Arc<[String]>) -> OwnedBars {
    let (rows, texts) = (bars.rows(), bars.symbols());
    // Another ring has another dictionary: the length alone does not tell.
    let known = |row: &Row| symbols.get(row.symbol.0 as usize) == texts.get(row.symbol.0 as usize);
    if symbols.len() != texts.len() || !rows.iter().all(known) {
        *symbols = texts.into();
    }
    OwnedBars { rows: rows.to_vec(), symbols: Arc::clone(symbols) }
}
