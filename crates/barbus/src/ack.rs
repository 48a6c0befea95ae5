//! Acknowledgements: when rows are acknowledged, and the counts of their outcomes.

use serde::{Deserialize, Serialize};

/// When rows are acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AckMode {
    /// After the commit to the ring: the rows survive a crash of the daemon. A loss of power may
    /// lose the rows of the last `ring.sync` interval.
    #[default]
    Commit,
    /// After the sync to disk: the rows survive a loss of power.
    Durable,
}

impl AckMode {
    /// The name in `bus.toml` and in the metadata of a schema.
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
            .ok_or_else(|| format!("{text:?}: give \"commit\" or \"durable\""))
    }
}

/// The outcomes of a producer's rows, as counts. `rows` is the sum of the six outcomes.
///
/// The daemon sends one after each batch, with the counts since the start of the connection. Each
/// counted row but the refused ones and the conflicts is in the ring or in the quarantine; with
/// [`AckMode::Durable`] it is also on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Rows handled.
    pub rows: u64,
    /// New bars.
    pub accepted: u64,
    /// Bars that the bus had already with the same values: ignored.
    pub duplicate: u64,
    /// Bars that the bus had with other values: published as revisions.
    pub revised: u64,
    /// Bars that the bus had with other values from a source of higher priority: not published.
    /// They are kept in `conflicts/` as far as it has room. Absent in JSON if there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub conflict: u64,
    /// Invalid rows, kept in the quarantine with the reason.
    pub quarantined: u64,
    /// Invalid rows that the quarantine has no room for: they are kept nowhere. Absent in JSON if
    /// there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refused: u64,
    /// Those of the quarantined rows that have a symbol for which the full symbol table has no
    /// room.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub symbol_table_full: u64,
    /// Milliseconds that the rows waited for room in the ring. Absent in JSON if they did not.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub waited_ms: u64,
    /// Sequence number of the last published row.
    pub seq: Option<u64>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Ack {
    /// The rows that were acknowledged after `before`, an earlier acknowledgement of the same
    /// connection; `seq` stays that of the last published row.
    pub fn since(self, before: Self) -> Self {
        Self {
            rows: self.rows - before.rows,
            accepted: self.accepted - before.accepted,
            duplicate: self.duplicate - before.duplicate,
            revised: self.revised - before.revised,
            conflict: self.conflict - before.conflict,
            quarantined: self.quarantined - before.quarantined,
            refused: self.refused - before.refused,
            symbol_table_full: self.symbol_table_full - before.symbol_table_full,
            waited_ms: self.waited_ms - before.waited_ms,
            seq: self.seq,
        }
    }
}

impl std::ops::AddAssign for Ack {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.accepted += other.accepted;
        self.duplicate += other.duplicate;
        self.revised += other.revised;
        self.conflict += other.conflict;
        self.quarantined += other.quarantined;
        self.refused += other.refused;
        self.symbol_table_full += other.symbol_table_full;
        self.waited_ms += other.waited_ms;
        self.seq = other.seq.or(self.seq);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_undoes_the_addition_of_every_count() {
        let counts = |first: u64| Ack {
            rows: first,
            accepted: first + 1,
            duplicate: first + 2,
            revised: first + 3,
            quarantined: first + 4,
            refused: first + 5,
            symbol_table_full: first + 6,
            waited_ms: first + 7,
            conflict: first + 8,
            seq: Some(first),
        };
        let (before, batch) = (counts(100), counts(7));
        let mut after = before;
        after += batch;
        assert_eq!(after.since(before), batch);
    }
}
