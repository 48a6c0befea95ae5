//! The way in: from the bytes of a connection to the shared writer.

pub(crate) mod acks;
pub(crate) mod batch_reader;
pub(crate) mod connection;
pub(crate) mod connection_threads;
pub(crate) mod decoder;
pub(crate) mod framing;
pub(crate) mod stream;
