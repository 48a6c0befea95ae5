//! Acknowledgements: when rows are acknowledged, and the counts that an acknowledgement carries.

use serde::{Deserialize, Serialize};

/// When rows are acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AckMode {
    /// When they are committed: they survive the daemon's death, and a loss of power costs at most `ring.sync`.
    #[default]
    Commit,
    /// When they are on disk: they survive a loss of power.
    Durable,
}

impl AckMode {
    /// As it stands in `bus.toml` and in a schema's metadata.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Durable => "durable",
        }
    }
}

impl std::str::FromStr for AckMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Commit, Self::Durable]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| format!("{text:?}: say \"commit\" or \"durable\""))
    }
}

/// What became of rows: `rows` is the sum of the four kinds.
///
/// The daemon sends one after each batch, cumulative for the connection. Every row counted in it is committed, or kept in the quarantine; with
/// [`AckMode::Durable`] it is on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Rows handled.
    pub rows: u64,
    /// New bars.
    pub accepted: u64,
    /// Bars that were there already with the same values; not published again.
    pub duplicate: u64,
    /// Bars that were there with other values; published as revisions.
    pub revised: u64,
    /// Bars put aside with a reason.
    pub quarantined: u64,
    /// Sequence number of the last row published.
    pub seq: Option<u64>,
}

impl std::ops::AddAssign for Ack {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.accepted += other.accepted;
        self.duplicate += other.duplicate;
        self.revised += other.revised;
        self.quarantined += other.quarantined;
        self.seq = other.seq.or(self.seq);
    }
}
