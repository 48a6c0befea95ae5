//! The times of producers, and the instants that they mean.

pub(crate) mod frame_reader;
pub(crate) mod limits;
pub(crate) mod parse;
pub(crate) mod wall_clock;
