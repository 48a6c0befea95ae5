//! The state of the archive, as the flusher shows it.

use barbus::protocol::TaskStat;
use barbus_bars::Date;

use crate::failure::Failure;

/// The state of the archive.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct FlushStatus {
    /// Closed days with rows that are not in their files yet.
    pub days_waiting: Vec<Date>,
    /// Files written since the writer started.
    pub files_written: u64,
    /// Parts of open days spilled since the writer started.
    pub parts_spilled: u64,
    /// The writes of files and parts, with the failed ones.
    pub writes: TaskStat,
    /// How often the ring continued in a new file, because readers held its blocks or its symbol
    /// table was full.
    pub rings_replaced: u64,
    /// The last failure, until the next success.
    pub last_failure: Option<Failure>,
}
