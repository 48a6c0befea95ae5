//! Sends batches to the daemon, each when it is due.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use barbus::Publisher;
use barbus::protocol::{Ack, LABEL, REJECTS};
use barbus_bars::Label;

use super::batch::Batch;
use barbus_files::reject_batch;

/// The outcome of a publication.
pub(crate) struct Sent {
    /// What the daemon acknowledged.
    pub(crate) ack: Ack,
    /// The errors of inputs that could not be read, or not to their end.
    pub(crate) failures: Vec<String>,
    /// The first column with a value that was rounded.
    pub(crate) rounded: Option<String>,
}

/// Sends all `batches` and calls `on_ack` with the rows acknowledged so far.
///
/// With `each` set, every batch is acknowledged before the next one is sent.
///
/// # Errors
/// The error of the publisher; errors of `batches` are in [`Sent::failures`].
pub(crate) fn send<E: Display>(
    batches: impl Iterator<Item = Result<Batch, E>>,
    mut publisher: Publisher,
    each: bool,
    mut on_ack: impl FnMut(&Ack),
) -> Result<Sent, barbus::Error> {
    let start = Instant::now();
    let (mut failures, mut first_rounded) = (Vec::new(), None);
    let mut end_labelled = EndLabelled::default();
    for batch in batches {
        let Batch { bars, rejects, rounded, due } = match batch {
            Ok(batch) => batch,
            Err(error) => {
                failures.push(error.to_string());
                continue;
            }
        };
        first_rounded = first_rounded.or(rounded);
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        let bars = (bars.num_rows() > 0).then(|| end_labelled.label(bars));
        let rejects = (!rejects.is_empty()).then(|| marked(reject_batch(&rejects), REJECTS, "1"));
        for batch in bars.into_iter().chain(rejects) {
            if each {
                publisher.send(&batch)?;
            } else {
                publisher.queue(&batch)?;
            }
            on_ack(&publisher.acked());
        }
    }
    let ack = publisher.finish()?;
    on_ack(&ack);
    Ok(Sent { ack, failures, rounded: first_rounded })
}

/// The batch with one more entry in the metadata of its schema.
fn marked(batch: RecordBatch, key: &str, value: &str) -> RecordBatch {
    let metadata = [(key.to_owned(), value.to_owned())].into();
    let schema = Arc::new(Schema::new_with_metadata(batch.schema().fields().clone(), metadata));
    batch.with_schema(schema).expect("only metadata is added")
}

/// Marks the frames of batches as ends of bars, so that the label in bus.toml is not applied.
#[derive(Default)]
struct EndLabelled(Option<SchemaRef>);

impl EndLabelled {
    fn label(&mut self, batch: RecordBatch) -> RecordBatch {
        let schema = self.0.get_or_insert_with(|| {
            let metadata = [(LABEL.to_owned(), Label::End.as_str().to_owned())].into();
            Arc::new(Schema::new_with_metadata(batch.schema().fields().clone(), metadata))
        });
        batch.with_schema(schema.clone()).expect("only metadata is added")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times of an input are already shifted to the ends of the bars.
    #[test]
    fn batches_state_that_their_frames_are_ends() {
        let schema = barbus_bars::BarSchema::in_zone("UTC").unwrap().wire_schema();
        let batch = EndLabelled::default().label(RecordBatch::new_empty(schema));
        assert_eq!(batch.schema().metadata()["barbus.label"], "end");
    }
}
