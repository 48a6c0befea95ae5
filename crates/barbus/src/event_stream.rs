//! `EventStream`: the events of a feed for asynchronous programs. A thread waits for them, not the
//! executor.

use std::collections::VecDeque;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;

use crate::error::{Error, Result};
use crate::event::Event;
use crate::feed::Feed;
use crate::minutes::{MinuteSource, Minutes};
use crate::monitor::Monitor;
use crate::owned_event::{OwnedBars, OwnedEvent};
use crate::reader::Reader;
#[cfg(feature = "archive")]
use crate::replay::Replay;

/// Most events in the queue. A task that does not take them is lapped like any slow reader.
const QUEUE_LENGTH: usize = 16;
/// Longest wait for an event before the thread checks whether the stream was dropped.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The events of a [`Reader`] or of a `Replay` as a [`Stream`], for any executor.
///
/// A thread of its own waits for events, by the reader's [wait strategy](Reader::wait_strategy). It
/// reads a few events ahead, then waits until they are taken: a task that is too slow is lapped
/// like any other reader. The thread ends within a fraction of a second after the stream is
/// dropped. The stream ends after an error, and after the last day of a replay.
///
/// ```no_run
/// # async fn example() -> barbus::Result<()> {
/// use std::{future::poll_fn, pin::Pin};
/// use barbus::{OwnedEvent, Reader, Start};
/// use barbus::futures_core::Stream;
///
/// let mut events = Reader::open("BUS")?.start_at(Start::Today)?.into_stream()?;
/// // With the crate futures or tokio-stream: `events.next().await`.
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

/// The queue from the thread to the task. The thread waits on it while it is full.
#[derive(Debug, Default)]
struct Queue(Monitor<QueueState>);

#[derive(Debug, Default)]
struct QueueState {
    events: VecDeque<Result<OwnedEvent>>,
    waker: Option<Waker>,
    /// The thread adds no more events.
    ended: bool,
    /// The task takes no more events.
    dropped: bool,
}

impl Queue {
    /// Waits for room; false if the stream was dropped.
    fn wait_for_room(&self) -> bool {
        let full = |state: &mut QueueState| state.events.len() >= QUEUE_LENGTH && !state.dropped;
        !self.0.wait_while(self.0.lock(), full).dropped
    }

    /// Adds an event. An error, or `None`, is the end of the stream.
    fn push(&self, event: Option<Result<OwnedEvent>>) {
        let mut state = self.0.lock();
        state.ended |= !matches!(event, Some(Ok(_)));
        state.events.extend(event);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl EventStream {
    /// Starts the thread that reads `feed`.
    fn new(feed: impl Feed + Send + 'static, bus: &Path) -> Result<Self> {
        let queue = Arc::new(Queue::default());
        let of_thread = Arc::clone(&queue);
        let thread = std::thread::Builder::new().name("barbus-stream".into()).spawn(move || run(feed, &of_thread));
        thread.map_err(|error| Error::io(bus, "start a thread to read", error))?;
        Ok(Self { queue })
    }
}

impl Reader {
    /// Turns the reader into a stream of its events, for asynchronous programs.
    ///
    /// # Errors
    /// [`Error::Io`] if the system cannot start the thread.
    pub fn into_stream(self) -> Result<EventStream> {
        let bus = self.bus().path().to_owned();
        EventStream::new(self, &bus)
    }
}

#[cfg(feature = "archive")]
impl Replay {
    /// Turns the replay into a stream of its events, for asynchronous programs.
    ///
    /// # Errors
    /// As [`Reader::into_stream`].
    pub fn into_stream(self) -> Result<EventStream> {
        let bus = self.bus().path().to_owned();
        EventStream::new(self, &bus)
    }
}

impl<F: MinuteSource + Send + 'static> Minutes<F> {
    /// Turns the minutes into a stream of their events, for asynchronous programs.
    ///
    /// # Errors
    /// As [`Reader::into_stream`].
    pub fn into_stream(self) -> Result<EventStream> {
        let bus = self.feed().bus().path().to_owned();
        EventStream::new(self, &bus)
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
        if state.ended {
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

/// The thread: moves events from the feed to the queue.
fn run(mut feed: impl Feed, queue: &Queue) {
    let mut names = Arc::default();
    while queue.wait_for_room() {
        let event = match feed.next(POLL_INTERVAL) {
            Ok(Some(Event::Bars(bars))) => Some(Ok(OwnedEvent::Bars(OwnedBars::new(bars, &mut names)))),
            Ok(Some(Event::DayClosed(day))) => Some(Ok(OwnedEvent::DayClosed(day))),
            Ok(Some(Event::Lapped { missed })) => Some(Ok(OwnedEvent::Lapped { missed })),
            Ok(Some(Event::Withdrawn(selection))) => Some(Ok(OwnedEvent::Withdrawn(Box::new(selection.clone())))),
            Ok(Some(Event::MinuteClosed(minute))) => Some(Ok(OwnedEvent::MinuteClosed(Box::new(minute.clone())))),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        };
        if event.is_none() && !feed.ended() {
            continue;
        }
        let last = !matches!(event, Some(Ok(_)));
        queue.push(event);
        if last {
            return;
        }
    }
}
