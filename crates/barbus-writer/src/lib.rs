//! The writer of a barbus bus: it validates and deduplicates bars, appends them to the ring, and
//! archives closed days.
//!
//! [`Writer`] is the entry point. The daemon is a [`Writer`] behind a Unix socket; a feed handler
//! in Rust can embed one itself. A lock admits one writer to a bus at a time. A program that only
//! reads needs the crate `barbus` alone.
//!
//! - An invalid row is quarantined with the reason; it is never dropped and never published.
//! - A duplicate is ignored. Other values for a known symbol and frame are published as a revision.
//! - With `sources.priority`, other values of a lower source are conflicts: not published.
//! - The first bar of a later day closes the open day.
//! - Three threads run beside the writer: the flusher archives closed days, the syncer syncs the
//!   ring to disk, and the heartbeat shows readers that the writer lives.
//! - The threads log through `tracing`: each failure once, the recovery from it, and what they have
//!   done.
#![forbid(unsafe_code)]

mod adopt;
mod append;
mod background;
mod bar_ends;
mod clock;
mod counters;
mod current_ring;
mod dated_lines;
mod day;
mod day_state;
mod dedup;
mod failure;
mod flusher;
mod full_ring;
mod heartbeat;
mod ingest;
mod lost_ring;
mod migrate;
mod new_symbol;
mod normalize;
mod open;
mod places;
mod push;
mod quarantine;
mod rate;
mod recalendar;
mod record_file;
mod reload;
mod removed_days;
mod replace;
mod revisions;
mod ring_watch;
mod rollback;
mod session_rule;
mod sources;
mod spec;
mod staging;
mod symbol_table_state;
mod symbols;
mod syncer;
mod ticker;
mod trading_day;
mod watermark;
mod withdraw;
mod withdrawals;
mod writer;

pub use adopt::IdleArchive;
pub use dedup::{ArchivedDay, DayLoader, LateDay, LoadedDay};
pub use failure::Failure;
pub use flusher::{FlushStatus, FlushWaiter};
pub use ingest::{Ingested, Wait};
pub use migrate::migrate;
pub use normalize::{BatchNormalizer, NormalizedBatch};
pub use push::Pushed;
pub use quarantine::{Quarantine, REJECTED_REASON, REJECTED_ROW, REJECTED_SOURCE};
pub use reload::CalendarChange;
pub use sources::{Conflict, Conflicts};
pub use syncer::DurabilityWaiter;
pub use withdrawals::Withdrawn;
pub use writer::Writer;
