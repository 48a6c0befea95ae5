//! The daemon of the bus that gets the bars.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{SchemaRef, TimestampMillisecondType};
use barbus::protocol::{Ack, AckMode, LABEL};
use barbus::{Bus, Date, Error, Publisher, Reader, Selection, request_close_day, request_withdraw};
use jiff::Timestamp;

use super::failure::{Outcome, retry};
use super::incoming::Item;
use super::shared::Shared;

/// A bar that ends later than the clock by more than this is no matter of clocks: the daemon
/// decides what becomes of it.
const MOST_CLOCK_DIFFERENCE: Duration = Duration::from_secs(3600);
/// Pause before the clock is read again.
const CLOCK_PAUSE: Duration = Duration::from_millis(100);

/// A connection to the daemon. After an error it must not be used again: what it has not
/// acknowledged is in doubt.
#[derive(Debug)]
pub(crate) struct Daemon {
    bus: Bus,
    publisher: Publisher,
    /// The columns, with the statement that frames are ends of bars.
    labelled: Option<SchemaRef>,
    shared: Shared,
    /// The newest complete minute that was stated.
    pub(crate) done_ms: i64,
}

impl Daemon {
    /// Connects; waits up to ten seconds for a daemon that is starting.
    pub(crate) fn connect(bus: &Bus, source: &str, shared: &Shared, done_ms: i64) -> barbus::Result<Self> {
        let publisher = Publisher::connect(bus)?.source(source).ack_mode(AckMode::Commit);
        let mut daemon = Self { bus: bus.clone(), publisher, labelled: None, shared: shared.clone(), done_ms };
        // The daemon knows a producer by its connection.
        if done_ms > 0 {
            daemon.publisher.done(done_ms)?;
            daemon.publisher.flush()?;
        }
        Ok(daemon)
    }

    /// Publishes `items` in order, and waits until the daemon has acknowledged all of them.
    pub(crate) fn publish(&mut self, items: &[Item]) -> Outcome<Ack> {
        let before = self.publisher.acked();
        for item in items {
            match item {
                Item::Bars(batch) if batch.num_rows() == 0 => {}
                Item::Bars(batch) => {
                    let frames = batch.column(1).as_primitive::<TimestampMillisecondType>().values();
                    self.wait_for_clock(frames.iter().copied().max().unwrap_or(i64::MIN))?;
                    let batch = self.labelled(batch)?;
                    self.publisher.queue(&batch)?;
                }
                Item::Done(frame_ms) if *frame_ms > self.done_ms => {
                    self.wait_for_clock(*frame_ms)?;
                    self.publisher.done(*frame_ms)?;
                    self.done_ms = *frame_ms;
                }
                Item::Done(_) => {}
                Item::Close(day) => {
                    self.publisher.flush()?;
                    self.close(*day)?;
                }
                Item::Withdraw(selection) => {
                    self.publisher.flush()?;
                    self.withdraw(selection)?;
                }
            }
        }
        self.publisher.flush()?;
        Ok(self.publisher.acked().since(before))
    }

    /// The batch with the statement that its frames are ends of bars, whatever `bus.toml` says of
    /// other producers.
    fn labelled(&mut self, batch: &RecordBatch) -> Outcome<RecordBatch> {
        let schema = self.labelled.get_or_insert_with(|| {
            let metadata = [(LABEL.to_owned(), "end".to_owned())].into();
            Arc::new(batch.schema().as_ref().clone().with_metadata(metadata))
        });
        Ok(batch.clone().with_schema(schema.clone())?)
    }

    /// Waits until the daemon takes a bar that ends at `frame_ms`: the clock of this machine may be
    /// behind that of the source.
    fn wait_for_clock(&self, frame_ms: i64) -> Outcome<()> {
        let allowed_ms = self.bus.settings().max_ahead.as_millis() as i64;
        let mut has_warned = false;
        loop {
            let ahead_ms = frame_ms.saturating_sub(Timestamp::now().as_millisecond()).saturating_sub(allowed_ms);
            if ahead_ms <= 0 || ahead_ms > MOST_CLOCK_DIFFERENCE.as_millis() as i64 {
                return Ok(());
            }
            if !has_warned {
                has_warned = true;
                let what = format!(
                    "the clock of this machine is at least {} s behind that of the source: set the clock",
                    (ahead_ms + 999) / 1000
                );
                self.shared.complain(&what, "the bars are sent when it is time");
            }
            if self.shared.is_stopping() {
                return retry("the relay ends".to_owned());
            }
            std::thread::sleep(CLOCK_PAUSE);
        }
    }

    /// Closes `day` if it is the open one.
    fn close(&self, day: Date) -> Outcome<()> {
        if Reader::open(self.bus.path())?.anonymous().stat().day != Some(day) {
            return Ok(());
        }
        match request_close_day(&self.bus, Some(day)) {
            Ok(_) => Ok(()),
            Err(Error::Refused { why, .. }) => {
                tracing::warn!(
                    "the daemon does not close {day} for the relay ({why}): its calendar closes it; see access in \
                     bus.toml"
                );
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Withdraws what the source has withdrawn.
    fn withdraw(&self, selection: &Selection) -> Outcome<()> {
        match request_withdraw(&self.bus, selection) {
            Ok(done) => {
                tracing::info!(day = %selection.day, withdrawn = done.withdrawn, "bars were withdrawn as at the source");
                Ok(())
            }
            Err(Error::Refused { why, .. }) => {
                let what = format!("bars of {} that the source has withdrawn are still here ({why})", selection.day);
                self.shared.complain(&what, "withdraw them with barbus withdraw");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}
