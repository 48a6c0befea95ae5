//! The bytes of an input: how they are packed, which format they have, how many were read.

pub(crate) mod gzip;
pub(crate) mod live;
pub(crate) mod notes;
pub(crate) mod progress;
pub(crate) mod read_ahead;
pub(crate) mod text_encoding;
pub(crate) mod unpack;
pub(crate) mod zip_archive;
