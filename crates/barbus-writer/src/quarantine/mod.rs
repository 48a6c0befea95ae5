//! The quarantine: each invalid row as a line of JSON, with its source and the reason.
//!
//! It has a lock of its own. Rows are formatted and synced without the writer, so that invalid
//! rows of one producer do not delay the bars of another.

mod row;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, AsArray, StringArray};
use barbus::internal::Monitor;
use barbus::protocol::{Ack, Stat};
use barbus::{Bus, Error, Result};
use barbus_bars::{BarSchema, Fault};
use barbus_ring::Row;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::dated_lines::{DatedLines, Unkept};
use crate::normalize::{NormalizedBatch, Payload};
use row::shortened;
pub(crate) use row::{row_as_batch, row_as_json};

/// Column of a batch of rejected rows: the text of the row.
pub const REJECTED_ROW: &str = "row";
/// Column of a batch of rejected rows: where the row was read, as `file:line`.
pub const REJECTED_SOURCE: &str = "source";
/// Column of a batch of rejected rows: why the producer rejected the row.
pub const REJECTED_REASON: &str = "reason";

/// Longest text of a rejected row, bytes; a longer one is cut.
const MAX_ROW_TEXT: usize = 64 * 1024;
/// Longest source and reason, bytes.
const MAX_WORDS: usize = 1024;

/// The quarantine of a bus. It may be used in other threads than the writer.
#[derive(Debug, Clone)]
pub struct Quarantine {
    shared: Arc<Shared>,
    /// Bytes of lines that are stored together: few enough that the rate has room for them.
    chunk_bytes: usize,
    /// The user whose share of the rate is used.
    user: Option<u32>,
}

#[derive(Debug)]
struct Shared {
    lines: DatedLines,
    /// Stored rows by the code of their fault.
    stored: Monitor<BTreeMap<&'static str, u64>>,
}

/// Lines that are not stored yet.
#[derive(Default)]
struct Lines {
    text: String,
    codes: BTreeMap<&'static str, u64>,
    rows: u64,
}

impl Quarantine {
    pub(crate) fn new(bus: &Bus) -> Self {
        let settings = bus.settings();
        let lines = DatedLines::new(bus.quarantine(), "the quarantine", settings);
        let shared = Shared { lines, stored: Monitor::default() };
        let chunk_bytes = DatedLines::chunk_bytes(settings);
        Self { shared: Arc::new(shared), chunk_bytes, user: None }
    }

    /// The same quarantine for the rows of one user, who may use half of `ingest.quarantine_rate`.
    pub fn of_user(self, user: u32) -> Self {
        Self { user: Some(user), ..self }
    }

    /// Stores the invalid ones of the given rows of a batch as they were received, and those in
    /// `rejected`, which the writer has rejected.
    ///
    /// A row is counted as quarantined when it is on disk and was read back. A row that there is no
    /// room for is counted as refused: the file cannot be written, or a limit is reached.
    pub fn store(&self, batch: &NormalizedBatch, rows: Range<usize>, rejected: &[(usize, Fault)]) -> Ack {
        let mut storing = Storing { quarantine: self, lines: Lines::default(), ack: Ack::default(), full: false };
        match &batch.payload {
            Payload::Bars(bars) => {
                let faults = bars.faults();
                let from = faults.partition_point(|(row, _)| *row < rows.start);
                let to = faults.partition_point(|(row, _)| *row < rows.end);
                for (row, fault) in faults[from..to].iter().chain(rejected) {
                    storing.add(fault, || bar_line(batch, *row, fault));
                }
            }
            Payload::Faulty(fault) => rows.for_each(|row| storing.add(fault, || bar_line(batch, row, fault))),
            Payload::Rejected => rows.for_each(|row| {
                let fault = Fault::Rejected { reason: String::new() };
                storing.add(&fault, || rejected_line(batch, row, &fault));
            }),
        }
        storing.finish()
    }

    /// Stores a single row that was pushed.
    ///
    /// # Errors
    /// [`Error::Io`]: there is no room for it.
    pub(crate) fn store_row(&self, row: &Row, symbol: &str, schema: &BarSchema, fault: &Fault) -> Result<()> {
        let batch = row_as_batch(row, symbol, schema);
        let line = line("writer, row 1", fault.code(), &fault.to_string(), row_as_json(&batch, 0));
        let mut lines = Lines::default();
        lines.push(fault.code(), &line);
        self.shared.store(&lines, self.user).map_err(|error| {
            let path = self.shared.lines.path();
            Error::io(&path, "store rows in the quarantine", std::io::Error::other(error))
        })
    }

    /// Copies the counts and the last failure to `stat`.
    pub(crate) fn fill(&self, stat: &mut Stat) {
        let stored = self.shared.stored.lock();
        stat.quarantined = stored.iter().map(|(&code, &count)| (code.to_owned(), count)).collect();
        let Unkept { rows, failure } = self.shared.lines.unkept();
        stat.refused = Some(rows);
        stat.last_quarantine_error_at = failure.as_ref().map(|failure| failure.at);
        stat.last_quarantine_error = failure.as_ref().map(ToString::to_string);
    }
}

/// The rows of one call on their way to the file.
struct Storing<'a> {
    quarantine: &'a Quarantine,
    lines: Lines,
    ack: Ack,
    /// A chunk was refused: the further rows of this call are only counted.
    full: bool,
}

impl Storing<'_> {
    fn add(&mut self, fault: &Fault, line: impl FnOnce() -> String) {
        if self.full {
            self.lines.rows += 1;
            return;
        }
        self.lines.push(fault.code(), &line());
        if self.lines.text.len() >= self.quarantine.chunk_bytes {
            self.store();
        }
    }

    fn store(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        if lines.rows == 0 {
            return;
        }
        let shared = &self.quarantine.shared;
        self.ack.rows += lines.rows;
        if self.full {
            shared.lines.count_unkept(lines.rows);
            self.ack.refused += lines.rows;
        } else if shared.store(&lines, self.quarantine.user).is_ok() {
            self.ack.quarantined += lines.rows;
        } else {
            self.ack.refused += lines.rows;
            self.full = true;
        }
    }

    fn finish(mut self) -> Ack {
        self.store();
        self.ack
    }
}

impl Lines {
    fn push(&mut self, code: &'static str, line: &str) {
        self.text += line;
        self.text.push('\n');
        *self.codes.entry(code).or_default() += 1;
        self.rows += 1;
    }
}

impl Shared {
    /// Stores the lines of a producer of `user` and counts them. The error says why there is no
    /// room for them.
    fn store(&self, lines: &Lines, user: Option<u32>) -> Result<(), String> {
        self.lines.store(&lines.text, lines.rows, user, |rows, error| {
            tracing::warn!(
                rows,
                error,
                "invalid rows are not kept in the quarantine: they are only counted: make room for them"
            );
        })?;
        let mut stored = self.stored.lock();
        for (code, rows) in &lines.codes {
            *stored.entry(code).or_default() += rows;
        }
        Ok(())
    }
}

fn line(source: &str, code: &str, reason: &str, row: Value) -> String {
    let received = Timestamp::now().to_string();
    json!({"received": received, "source": source, "code": code, "reason": reason, "row": row}).to_string()
}

fn bar_line(batch: &NormalizedBatch, row: usize, fault: &Fault) -> String {
    let source = format!("{}, row {}", batch.source, batch.first_row + row as u64 + 1);
    line(&source, fault.code(), &fault.to_string(), row_as_json(&batch.raw, row))
}

/// A row that its producer rejected.
fn rejected_line(batch: &NormalizedBatch, row: usize, fault: &Fault) -> String {
    let column = |name: &str| -> Option<&StringArray> { batch.raw.column_by_name(name)?.as_string_opt::<i32>() };
    let text = |name: &str, bytes: usize| {
        let column = column(name).filter(|column| column.is_valid(row));
        column.map_or(String::new(), |column| shortened(column.value(row), bytes))
    };
    let place = text(REJECTED_SOURCE, MAX_WORDS);
    let source = if place.is_empty() { &batch.source } else { &place };
    line(source, fault.code(), &text(REJECTED_REASON, MAX_WORDS), text(REJECTED_ROW, MAX_ROW_TEXT).into())
}
