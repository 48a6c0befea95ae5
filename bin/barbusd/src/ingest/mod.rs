//! From the bytes of a connection to bars for the shared writer.
//!
//! `connection_threads` → `connection` (`peer`) → `stream`, which reads batches
//! (`batch_reader`: `framing`, `decoder`), hands them to the writer and acknowledges them (`acks`).

pub(crate) mod acks;
pub(crate) mod batch_reader;
pub(crate) mod connection;
pub(crate) mod connection_threads;
pub(crate) mod decoder;
pub(crate) mod framing;
pub(crate) mod peer;
pub(crate) mod stream;
