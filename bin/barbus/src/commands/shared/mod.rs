//! The parts that several commands share.

pub(super) mod answer_writer;
pub(super) mod bar_sheet;
pub(super) mod bus_time;
pub(super) mod calendar_of_daemon;
pub(super) mod daemon_flags;
pub(super) mod errors;
pub(super) mod facts;
pub(super) mod file_flags;
pub(super) mod meter;
pub(super) mod missing;
pub(super) mod other_program;
pub(super) mod parent_process;
pub(super) mod publication;
pub(super) mod report_format;
pub(super) mod stdout;
pub(super) mod terminal;
pub(super) mod understanding;
