//! Archived days as a feed: what a [`Replay`] gives out, in batches for a publisher.

use std::path::PathBuf;
use std::time::Duration;

use barbus::{Bars, Error, Event, Pace, Replay};

use super::input::file_size;
use super::{BATCH_ROWS, Batch, Progress, Rows};

/// Longest wait without a look; nothing is done after it.
const LOOK: Duration = Duration::from_secs(5);

/// Batches of a replay's bars. Each comes when it is due; a day that cannot be read is an error and the end.
pub(crate) struct ReplayFeed {
    replay: Replay,
    pace: Pace,
    rows: Rows,
    progress: Progress,
    /// Sizes of the files of the days that are still to be read, the next day's last.
    sizes: Vec<u64>,
    failure: Option<Error>,
    failed: bool,
}

impl ReplayFeed {
    /// The bars of `replay`, which was not begun, at `pace`.
    pub(crate) fn new(replay: Replay, pace: Pace) -> ReplayFeed {
        let rows = Rows::new(&replay.bus().settings().schema);
        let archive = replay.bus().archive();
        let path = |day| -> PathBuf { archive.join(format!("{day}.parquet")) };
        let size = |day| path(day).to_str().and_then(file_size).unwrap_or(0);
        let mut sizes: Vec<u64> = replay.days_to_come().map(size).collect();
        sizes.reverse();
        let progress = Progress::default();
        progress.expect(Some(sizes.iter().sum()));
        ReplayFeed { replay: replay.pace(pace), pace, rows, progress, sizes, failure: None, failed: false }
    }

    /// Bytes of the days read so far, and of all.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }
}

fn push(rows: &mut Rows, bars: Bars<'_>) {
    let mut optional = [None; barbus_bars::MAX_OPTIONAL];
    for bar in bars {
        for (k, value) in optional.iter_mut().enumerate() {
            *value = bar.optional(k);
        }
        let numbers = [bar.open, bar.high, bar.low, bar.close, bar.volume];
        rows.push(bar.symbol, bar.frame_ms, numbers, &optional[..rows.optional_columns()]);
    }
}

impl Iterator for ReplayFeed {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rows.clear();
        let mut largest = 0;
        // At a pace each event is a minute's, to be sent when it is given out; else as much as a batch takes.
        while !self.failed
            && !self.replay.ended()
            && (self.rows.len() == 0 || self.pace == Pace::Max && self.rows.len() + largest <= BATCH_ROWS)
        {
            match self.replay.next(LOOK) {
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
            while self.sizes.len() > self.replay.days_to_come().len() {
                self.progress.add(self.sizes.pop().unwrap_or(0));
            }
        }
        if self.rows.len() > 0 {
            let all: Vec<usize> = (0..self.rows.len()).collect();
            return Some(Ok(Batch { bars: self.rows.batch(&all), rejects: Vec::new(), due: Duration::ZERO }));
        }
        self.failure.take().map(Err)
    }
}
