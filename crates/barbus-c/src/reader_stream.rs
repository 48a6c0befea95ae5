//! A reader or a replay as an Arrow stream of its bars.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use barbus::Event;
use barbus_shm::{fork_generation, is_generation};

use crate::batch::{live_batch, with_schema};
use crate::failure::Failure;
use crate::feed::Feed;
use crate::options::StreamOptions;
use crate::raw::bars;
use crate::reader::ReaderState;
use crate::types::*;

/// The batches of a reader's bars. Its end is a pause: bars that come later follow.
#[derive(Debug)]
pub(crate) struct ReaderStream {
    /// `None` after the stream was dropped.
    reader: Option<Box<ReaderState>>,
    schema: SchemaRef,
    timeout_ms: i64,
    until_day_closed: bool,
    /// The process that made the stream.
    generation: u32,
}

/// What a feed has delivered.
enum Delivered {
    Bars(RecordBatch),
    DayClosed,
    /// Nothing that a stream shows.
    Hidden,
}

impl ReaderStream {
    /// The stream of a reader that is opened, from its position on.
    pub(crate) fn new(mut reader: Box<ReaderState>, options: StreamOptions) -> Self {
        let StreamOptions { timeout_ms, until_day_closed } = options;
        let schema = reader.schema();
        Self { reader: Some(reader), schema, timeout_ms, until_day_closed, generation: fork_generation() }
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The next bars; `None` if there are none in time, and after a close of a day that ends the
    /// stream.
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, Failure> {
        if !is_generation(self.generation) {
            return Err(Failure::new(
                BARBUS_ERROR_FORKED,
                "stream: made before a fork: make another one in this process",
            ));
        }
        let Some(reader) = &mut self.reader else { return Ok(None) };
        let timeout = u64::try_from(self.timeout_ms).map(Duration::from_millis).ok();
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            // A pin is for many bars: those that have come already. A filter needs copies.
            if let Feed::Live(live) = &mut reader.feed
                && !live.is_filtered()
                && let Some(view) = live.pin()?
            {
                return Ok(Some(with_schema(&self.schema, &view.into_batch()?)?));
            }
            let left = end.map_or(-1, |end| end.saturating_duration_since(Instant::now()).as_millis() as i64);
            match reader.feed.next_within(left, |event| delivered(&self.schema, event))?.transpose()? {
                Some(Delivered::Bars(batch)) => return Ok(Some(batch)),
                Some(Delivered::DayClosed) if self.until_day_closed => return Ok(None),
                Some(Delivered::DayClosed | Delivered::Hidden) => {}
                None => return Ok(None),
            }
        }
    }
}

impl Iterator for ReaderStream {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let error = |failure: Failure| {
            let text = failure.text().to_owned();
            ArrowError::IoError(text.clone(), io::Error::other(text))
        };
        self.next_batch().map_err(error).transpose()
    }
}

impl Drop for ReaderStream {
    /// In a forked child, whose parent uses the reader still, nothing happens.
    fn drop(&mut self) {
        let reader = self.reader.take();
        if !is_generation(self.generation) {
            std::mem::forget(reader);
        }
    }
}

/// What a stream makes of an event. What a batch cannot say is an error, and the bars after it
/// follow.
fn delivered(schema: &SchemaRef, event: Event<'_>) -> Result<Delivered, Failure> {
    match event {
        Event::Bars(event) => {
            let names: HashMap<u32, &str> = event.iter().map(|bar| ((*bar).symbol.0, bar.symbol)).collect();
            let batch = live_batch(schema, bars(event.rows()), |id| names.get(&id).copied())?;
            Ok(Delivered::Bars(batch))
        }
        Event::DayClosed(_) => Ok(Delivered::DayClosed),
        Event::MinuteClosed(_) => Ok(Delivered::Hidden),
        Event::Lapped { missed } => {
            let what =
                format!("{missed} bars were overwritten before they were read: the next call has those after them");
            Err(Failure::new(BARBUS_ERROR_OTHER, what))
        }
        Event::Withdrawn(selection) => {
            let day = selection.day;
            let what = format!("bars of {day} were withdrawn: drop them, the next call has the bars after them");
            Err(Failure::new(BARBUS_ERROR_OTHER, what))
        }
    }
}
