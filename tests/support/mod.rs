//! What the tests stand on: a bus of their own, bars to put into it, and other people's readers to look at it.

pub(crate) mod bus;
pub(crate) mod command;
pub(crate) mod data;
pub(crate) mod market;
pub(crate) mod oracle;
pub(crate) mod producer;
pub(crate) mod python;
pub(crate) mod random;
pub(crate) mod wait;
