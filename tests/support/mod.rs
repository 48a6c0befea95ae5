//! Common parts of the end-to-end tests: a bus, synthetic bars, commands and Python scripts.

pub(crate) mod bus;
pub(crate) mod c_library;
pub(crate) mod command;
pub(crate) mod data;
pub(crate) mod disk;
pub(crate) mod fake_clock;
pub(crate) mod market;
pub(crate) mod oracle;
pub(crate) mod producer;
pub(crate) mod python;
pub(crate) mod random;
pub(crate) mod tmux;
pub(crate) mod venv;
pub(crate) mod wait;
