//! The position of `in`: a file of the bus that gets the bars, because it dies with them.
//!
//! It has three numbers of messages. Through `applied` the daemon has acknowledged everything.
//! Nothing behind `reserved` was ever sent to it, so after a crash of the relay the messages in
//! doubt are those between the two. `safe` is an earlier `applied` whose bars are on the daemon's
//! disk: where the ring did not survive, the relay goes back to it.

use std::path::PathBuf;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::folder::replace_file;

/// A place in the stream, and what the bars before it were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The identity of the source's bus.
    pub(crate) bus: String,
    /// The lineage of the source's numbers.
    pub(crate) lineage: u64,
    /// The number of the next bar.
    pub(crate) next: u64,
    /// The number of the last message that counts.
    pub(crate) message: u64,
    /// How many withdrawals of the source are known.
    #[serde(default)]
    pub(crate) withdrawals: u64,
}

/// What the file has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Positions {
    /// When the stream was made: a stream of the same name that was made later has other numbers.
    pub(crate) stream_created: String,
    pub(crate) applied: Option<Place>,
    pub(crate) safe: Option<Place>,
    pub(crate) reserved: u64,
    /// The newest complete minute that was stated to the daemon.
    pub(crate) done_ms: i64,
    /// The lineage of the bus that gets the bars.
    pub(crate) own_lineage: u64,
    /// The boot of the machine.
    pub(crate) boot: String,
}

/// The file.
#[derive(Debug)]
pub(crate) struct PositionFile {
    path: PathBuf,
    pub(crate) positions: Positions,
}

impl PositionFile {
    /// Reads the file; a missing one is empty.
    ///
    /// # Errors
    /// It cannot be read, or it is damaged.
    pub(crate) fn open(path: PathBuf) -> anyhow::Result<Self> {
        let positions = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| {
                format!(
                    "{}: it is damaged: remove it, and the relay begins with the oldest message of the stream",
                    path.display()
                )
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Positions::default(),
            Err(error) => return Err(error).with_context(|| format!("{}: cannot read it", path.display())),
        };
        Ok(Self { path, positions })
    }

    /// Writes the file; it is on disk when this returns.
    ///
    /// # Errors
    /// The system refuses it.
    pub(crate) fn save(&self) -> anyhow::Result<()> {
        let text = serde_json::to_vec(&self.positions)?;
        replace_file(&self.path, &text, true).with_context(|| format!("{}: cannot write it", self.path.display()))
    }
}
