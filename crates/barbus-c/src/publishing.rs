//! What the handle of a publisher holds.

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use barbus::protocol::{Ack, AckMode};
use barbus::{Bus, Publisher};

use crate::batch::wire_batch;
use crate::failure::Failure;
use crate::raw::{Handle, NewBars, Pool, array, check_size};
use crate::types::*;

/// What a publisher of C holds.
#[derive(Debug)]
pub(crate) struct PublisherState {
    /// `None` after it has finished.
    publisher: Option<Publisher>,
    schema: SchemaRef,
}

impl Handle for PublisherState {
    const TAG: u64 = 0x0ba2_6e05;
    const NAME: &'static str = "publisher";
    fn pool() -> &'static Pool<Self> {
        static POOL: Pool<PublisherState> = Pool::new();
        &POOL
    }
}

impl PublisherState {
    pub(crate) fn open(path: &str, options: Option<&barbus_publisher_options<'_>>) -> Result<Self, Failure> {
        let bus = Bus::open(path)?;
        let schema = bus.settings().schema.wire_schema();
        let mut publisher = Publisher::connect(&bus)?;
        if let Some(options) = options {
            check_size(options)?;
            if let Some(source) = options.source.optional("source")? {
                publisher = publisher.source(source);
            }
            publisher = match options.ack {
                BARBUS_ACK_DEFAULT => publisher,
                BARBUS_ACK_COMMIT => publisher.ack_mode(AckMode::Commit),
                BARBUS_ACK_DURABLE => publisher.ack_mode(AckMode::Durable),
                other => {
                    let what = format!("ack: {other} is no constant of this libbarbus: see barbus.h");
                    return Err(Failure::argument(what));
                }
            };
            publisher = publisher.reconnect_for(Duration::from_millis(options.reconnect_ms.max(0) as u64));
        }
        Ok(Self { publisher: Some(publisher), schema })
    }

    pub(crate) fn publisher(&mut self) -> Result<&mut Publisher, Failure> {
        let over = || Failure::new(BARBUS_ERROR_CLOSED, "publisher: it has finished: open another one");
        self.publisher.as_mut().ok_or_else(over)
    }

    /// Bars of C as a batch.
    pub(crate) fn batch(&self, bars: NewBars<'_>, count: usize) -> Result<RecordBatch, Failure> {
        wire_batch(&self.schema, array("bars", bars.pointer, count)?)
    }

    /// Sends a batch; waits for its acknowledgement if that is wanted.
    pub(crate) fn send(&mut self, batch: &RecordBatch, ack: Option<&mut barbus_ack>) -> Result<(), Failure> {
        let publisher = self.publisher()?;
        let Some(out) = ack else { return Ok(publisher.queue(batch)?) };
        check_size(out)?;
        put(publisher.send(batch)?, out);
        Ok(())
    }

    /// Waits until everything is acknowledged.
    pub(crate) fn finish(&mut self, ack: Option<&mut barbus_ack>) -> Result<(), Failure> {
        self.publisher()?;
        if let Some(out) = &ack {
            check_size(&**out)?;
        }
        if let Some(publisher) = self.publisher.take() {
            let sum = publisher.finish()?;
            ack.into_iter().for_each(|out| put(sum, out));
        }
        Ok(())
    }
}

fn put(ack: Ack, out: &mut barbus_ack) {
    *out = barbus_ack {
        size: out.size,
        rows: ack.rows,
        accepted: ack.accepted,
        duplicate: ack.duplicate,
        revised: ack.revised,
        quarantined: ack.quarantined,
        refused: ack.refused,
        waited_ms: ack.waited_ms,
        seq: ack.seq.unwrap_or(0),
        has_seq: ack.seq.is_some().into(),
        conflict: u32::try_from(ack.conflict).unwrap_or(u32::MAX),
    };
}
