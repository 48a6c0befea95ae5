//! Conflicts: bars that are not published because a source of higher priority gave other values.
//!
//! Each is a line of JSON in the file of its date, with both values and both sources. The folder
//! has the limits of the quarantine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use barbus::Bus;
use barbus::protocol::Stat;
use barbus_bars::{BarBatch, BarSchema};
use barbus_ring::{Row, SymbolId};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::current_ring::CurrentRing;
use crate::dated_lines::{DatedLines, Unkept};
use crate::ingest::row_of;
use crate::normalize::{NormalizedBatch, Payload};
use crate::quarantine::{row_as_batch, row_as_json};
use crate::sources::priority::Priority;
use crate::sources::rank::Rank;
use crate::sources::standing::{Standing, StandingBars};
use crate::trading_day::CurrentCalendar;

/// Conflicts whose standing bars are looked up together.
const ROWS_AT_ONCE: usize = 1_024;

/// A bar of a batch that [`crate::Writer::ingest`] did not publish, because a source of higher
/// priority gave other values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict {
    pub(crate) row: usize,
    pub(crate) symbol: SymbolId,
    /// Of the source whose value stands.
    pub(crate) giver: Rank,
}

/// The folder of conflicts of a bus. It may be used in other threads than the writer.
#[derive(Debug, Clone)]
pub struct Conflicts {
    shared: Arc<Shared>,
    /// The user whose share of the rate is used.
    user: Option<u32>,
}

#[derive(Debug)]
struct Shared {
    priority: Priority,
    schema: BarSchema,
    chunk_bytes: usize,
    standing: StandingBars,
    lines: DatedLines,
    /// Conflicts since the start, those included that are not kept.
    count: AtomicU64,
}

/// Who sent a bar that is not published.
struct Sender<'a> {
    source: &'a str,
    user: Option<u32>,
}

impl Conflicts {
    pub(crate) fn new(bus: &Bus, ring: CurrentRing, calendar: CurrentCalendar) -> Self {
        let settings = bus.settings();
        let lines = DatedLines::new(bus.conflicts(), "the folder of conflicts", settings);
        let shared = Shared {
            priority: Priority::new(&settings.sources),
            schema: settings.schema.clone(),
            chunk_bytes: DatedLines::chunk_bytes(settings),
            standing: StandingBars::new(bus, ring, calendar),
            lines,
            count: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared), user: None }
    }

    /// The same folder for the bars of one user, who may use half of `ingest.quarantine_rate`.
    pub fn of_user(self, user: u32) -> Self {
        Self { user: Some(user), ..self }
    }

    /// Counts the conflicts of a batch, and stores them with the bars that stand. It reads those
    /// from the ring and the archive, without the writer.
    ///
    /// What the folder has no room for is only counted; the state of the bus says so.
    pub fn store(&self, batch: &NormalizedBatch, conflicts: &[Conflict]) {
        let Payload::Bars(bars) = &batch.payload else { return };
        let sender = Sender { source: &batch.source, user: self.user };
        self.shared.count.fetch_add(conflicts.len() as u64, Ordering::Relaxed);
        let mut left = conflicts;
        while !left.is_empty() {
            let (now, later) = left.split_at(left.len().min(ROWS_AT_ONCE));
            let rows: Vec<(&str, Row, Rank)> = now
                .iter()
                .map(|&Conflict { row, symbol, giver }| (symbol_of(bars, row), row_of(bars, row, symbol), giver))
                .collect();
            left = later;
            if !self.shared.store(&rows, &sender) {
                self.shared.lines.count_unkept(left.len() as u64);
                return;
            }
        }
    }

    /// Stores a row that was pushed.
    pub(crate) fn store_row(&self, row: &Row, symbol: &str, giver: Rank) {
        self.shared.count.fetch_add(1, Ordering::Relaxed);
        self.shared.store(&[(symbol, *row, giver)], &Sender { source: "writer", user: self.user });
    }

    /// Copies the counts and the last failure to `stat`.
    pub(crate) fn fill(&self, stat: &mut Stat) {
        if self.shared.priority.is_empty() {
            return;
        }
        let Unkept { rows, failure } = self.shared.lines.unkept();
        stat.conflicts = Some(self.shared.count.load(Ordering::Relaxed));
        stat.conflicts_unkept = Some(rows);
        stat.last_conflicts_error_at = failure.as_ref().map(|failure| failure.at);
        stat.last_conflicts_error = failure.as_ref().map(ToString::to_string);
    }
}

impl Shared {
    /// Stores bars of one sender, each with its symbol and the rank of the source whose value
    /// stands. Returns whether there is room for more.
    fn store(&self, rows: &[(&str, Row, Rank)], sender: &Sender<'_>) -> bool {
        let standing = self.standing.find(rows.iter().map(|(symbol, row, _)| (*symbol, row.symbol, row.frame_ms)));
        let (mut lines, mut count) = (String::new(), 0);
        for (at, ((symbol, row, giver), standing)) in rows.iter().zip(standing).enumerate() {
            lines += &self.line(symbol, row, *giver, standing, sender.source).to_string();
            lines.push('\n');
            count += 1;
            if lines.len() < self.chunk_bytes && at + 1 < rows.len() {
                continue;
            }
            let stored = self.lines.store(&lines, count, sender.user, |conflicts, error| {
                tracing::warn!(
                    conflicts,
                    error,
                    "conflicts of sources are not kept: they are only counted: make room for them"
                );
            });
            if stored.is_err() {
                self.lines.count_unkept((rows.len() - at - 1) as u64);
                return false;
            }
            (lines, count) = (String::new(), 0);
        }
        true
    }

    fn line(&self, symbol: &str, row: &Row, giver: Rank, standing: Standing, source: &str) -> Value {
        let values = |row: &Row| row_as_json(&row_as_batch(row, symbol, &self.schema), 0);
        json!({
            "received": Timestamp::now().to_string(),
            "source": source,
            "bar": values(row),
            "standing_source": self.priority.name(giver),
            "standing": standing.as_ref().map(values),
        })
    }
}

fn symbol_of(bars: &BarBatch, row: usize) -> &str {
    bars.symbol(row).unwrap_or_default()
}
