//! From a producer's stream to bars on the bus.
//!
//! `stream` reads batches (`batch_reader`: `framing`, then `decoder`), hands them to the shared
//! writer, and acknowledges them (`acks`).

pub(crate) mod acks;
pub(crate) mod batch_reader;
pub(crate) mod decoder;
pub(crate) mod framing;
pub(crate) mod message_memory;
pub(crate) mod spare_bodies;
pub(crate) mod stream;
