//! What all messages of a relay have in common, and a message that is ready to be published.

use arrow::datatypes::SchemaRef;

use super::header::Header;
use super::subjects::SubjectNames;

/// The relay that publishes the bars of a bus.
#[derive(Debug)]
pub(crate) struct Author {
    /// The identity of the bus.
    pub(crate) bus: String,
    /// This process: when it started, and a random text.
    pub(crate) owner: String,
    pub(crate) subjects: SubjectNames,
    /// The columns of the bars.
    pub(crate) schema: SchemaRef,
    /// Most bars of a message.
    pub(crate) batch_rows: usize,
}

/// A message that is ready to be published.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) subject: String,
    pub(crate) header: Header,
    pub(crate) payload: Vec<u8>,
    /// The text by which the server recognizes it.
    pub(crate) id: String,
}
