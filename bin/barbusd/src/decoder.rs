//! From messages to record batches.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;

use crate::messages::{MARKER, Message};
use crate::plain::Layout;

/// The decoder of one stream: it keeps the schema and the dictionaries. After an error it is of no use.
#[derive(Debug)]
pub(crate) struct Decoder {
    decoder: StreamDecoder,
    schema: Option<SchemaRef>,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        let mut decoder = StreamDecoder::new();
        // Every message is fed with the marker of its successor, see below; this is the first one's.
        let begun = decoder.decode(&mut marker());
        debug_assert!(matches!(begun, Ok(None)));
        Self { decoder, schema: None }
    }

    /// The schema, and how the bars of the stream lie in `message`, where it is a plain batch.
    pub(crate) fn plain(&self, message: &Message) -> Option<(&SchemaRef, Arc<Layout>)> {
        self.schema.as_ref().zip(message.layout.clone())
    }

    /// Decodes a message; only a record batch gives one.
    ///
    /// Metadata and body may contradict each other in ways that make the decoder panic; that is an error as well.
    pub(crate) fn decode(&mut self, message: Message) -> Result<Option<RecordBatch>, String> {
        let decoded = catch_unwind(AssertUnwindSafe(|| {
            if let (Some(layout), Some(schema)) = (&message.layout, &self.schema)
                && let Some(batch) = layout.batch(schema, &message.body)
            {
                return Ok(Some(batch));
            }
            let mut batch = None;
            // The decoder looks at a message without a body only when another byte comes: the next message's marker is that byte.
            for mut bytes in [message.metadata, message.body, marker()] {
                while !bytes.is_empty() {
                    batch = self.decoder.decode(&mut bytes)?.or(batch);
                }
            }
            self.schema = self.decoder.schema();
            Ok::<_, ArrowError>(batch)
        }));
        match decoded {
            Ok(Ok(batch)) => Ok(batch),
            Ok(Err(error)) => Err(explain(&error)),
            Err(_) => Err("an Arrow IPC message that contradicts itself".to_owned()),
        }
    }
}

/// What a decoder's error means to whoever sent the stream.
fn explain(error: &ArrowError) -> String {
    const BROKEN_WORD: &str = "' is declared as non-nullable but contains null values";
    let text = error.to_string();
    let column = text.split_once("Column '").and_then(|(_, rest)| rest.split_once(BROKEN_WORD));
    match column {
        Some((column, _)) => format!(
            "column {column:?} has nulls, though the stream's schema declares it non-nullable: declare it nullable, and the rows that lack a \
             required value are quarantined, the others taken"
        ),
        None => format!("not an Arrow IPC stream of bars: {text}"),
    }
}

fn marker() -> Buffer {
    Buffer::from(&MARKER[..])
}
