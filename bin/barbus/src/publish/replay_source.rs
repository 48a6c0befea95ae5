//! Archived days as batches: the bars of a [`Replay`], for a publisher.

use std::path::PathBuf;
use std::time::Duration;

use barbus::{Bars, Error, Event, Pace, Replay};

use super::batch::Batch;
use barbus_files::{BATCH_ROWS, Progress, Rows, file_size};

/// Longest wait of one call for the next event.
const POLL_TIMEOUT: Duration = Duration::from_secs(5);

/// Batches from a replay, each delivered when it is due.
///
/// A day that cannot be read is an error and ends the source.
pub(crate) struct ReplaySource {
    replay: Replay,
    pace: Pace,
    rows: Rows,
    progress: Progress,
    /// The file sizes of the remaining days, the next day last.
    sizes: Vec<u64>,
    failure: Option<Error>,
    failed: bool,
}

impl ReplaySource {
    /// The bars of `replay`, from its beginning, at `pace`.
    pub(crate) fn new(replay: Replay, pace: Pace) -> ReplaySource {
        let rows = Rows::new(&replay.bus().settings().schema);
        let archive = replay.bus().archive();
        let path = |day| -> PathBuf { archive.join(format!("{day}.parquet")) };
        let size = |day| path(day).to_str().and_then(file_size).unwrap_or(0);
        let mut sizes: Vec<u64> = replay.remaining_days().map(size).collect();
        sizes.reverse();
        let progress = Progress::default();
        progress.expect(Some(sizes.iter().sum()));
        ReplaySource { replay: replay.pace(pace), pace, rows, progress, sizes, failure: None, failed: false }
    }

    /// Bytes of the days read so far, and of all days.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Whether another event of `largest` bars fits into the current batch.
    ///
    /// When paced, each event has the bars of one minute and is a batch of its own.
    fn has_room(&self, largest: usize) -> bool {
        self.rows.is_empty() || (self.pace == Pace::Max && self.rows.len() + largest <= BATCH_ROWS)
    }
}

fn push(rows: &mut Rows, bars: Bars<'_>) {
    let mut optional = [None; barbus_bars::MAX_OPTIONAL_COLUMNS];
    for bar in bars {
        for (k, value) in optional.iter_mut().enumerate() {
            *value = bar.optional(k);
        }
        let numbers = [bar.open, bar.high, bar.low, bar.close, bar.volume];
        rows.push(bar.symbol, bar.frame_ms, numbers, &optional[..rows.optional_columns()]);
    }
}

impl Iterator for ReplaySource {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rows.clear();
        let mut largest = 0;
        while !self.failed && !self.replay.ended() && self.has_room(largest) {
            match self.replay.next(POLL_TIMEOUT) {
                Ok(Some(Event::Bars(bars))) => {
                    largest = largest.max(bars.len());
                    push(&mut self.rows, bars);
                }
                Ok(_) => {}
                Err(error) => {
                    self.failed = true;
                    self.failure = Some(error);
                }
            }
            while self.sizes.len() > self.replay.remaining_days().len() {
                self.progress.add(self.sizes.pop().unwrap_or(0));
            }
        }
        if !self.rows.is_empty() {
            let all: Vec<usize> = (0..self.rows.len()).collect();
            return Some(Ok(Batch {
                bars: self.rows.batch(&all),
                rejects: Vec::new(),
                rounded: None,
                due: Duration::ZERO,
            }));
        }
        self.failure.take().map(Err)
    }
}
