//! The rows of inputs as batches, in the order of the inputs.
//!
//! Nothing is sorted and little is in memory, so bars of an input that is still written can be sent
//! as they come.

use std::collections::VecDeque;
use std::time::Duration;

use barbus::{Pace, Schedule};
use barbus_files::{BATCH_ROWS, InputError, Opener, ParsedRows, Progress, RowSource, Understood};

use super::batch::Batch;

/// Batches from inputs, one input after the other.
pub(crate) struct AsIsSource {
    opener: Opener,
    progress: Progress,
    inputs: VecDeque<Result<String, InputError>>,
    current: Option<Box<dyn RowSource>>,
    parsed: ParsedRows,
    /// How many rows of `parsed` were sent.
    sent: usize,
    schedule: Schedule,
}

impl AsIsSource {
    /// The rows of `inputs` at a `pace`.
    pub(crate) fn new(
        opener: &Opener,
        inputs: Vec<Result<String, InputError>>,
        pace: Pace,
        progress: &Progress,
    ) -> AsIsSource {
        AsIsSource {
            parsed: ParsedRows::new(&opener.options().schema),
            schedule: pace.schedule(opener.options().interval_ms),
            opener: opener.clone(),
            progress: progress.clone(),
            inputs: inputs.into(),
            current: None,
            sent: 0,
        }
    }

    /// Reads the first rows, so that they can be examined; they are still delivered.
    ///
    /// # Errors
    /// [`InputError`] when the first input cannot be read.
    pub(crate) fn read_first(&mut self) -> Result<(&mut ParsedRows, Vec<Understood>), InputError> {
        while self.parsed.is_empty() && self.read()? {}
        let understood = self.current.as_ref().map(|current| current.understood()).unwrap_or_default();
        Ok((&mut self.parsed, understood))
    }

    /// Reads more rows; `false` when there are no more.
    fn read(&mut self) -> Result<bool, InputError> {
        if self.current.is_none() {
            let Some(input) = self.inputs.pop_front() else { return Ok(false) };
            self.current = Some(self.opener.open(&input?, &self.progress)?);
        }
        let Some(current) = &mut self.current else { return Ok(false) };
        let read = current.read(&mut self.parsed);
        if !matches!(read, Ok(true)) {
            self.current = None;
        }
        read.map(|_| true)
    }

    /// Takes the next rows that fit into one batch. When paced, a batch has the bars of one frame.
    fn next_batch(&mut self) -> Batch {
        let ParsedRows { bars, rejects, .. } = &mut self.parsed;
        let frames = bars.frames_ms();
        let mut end = bars.len().min(self.sent + BATCH_ROWS);
        let mut due = Duration::ZERO;
        if self.sent < end && self.schedule.pace() != Pace::Max {
            let first = frames[self.sent];
            end = self.sent + frames[self.sent..end].iter().take_while(|frame| **frame == first).count();
            due = self.schedule.due(first);
        }
        let rows: Vec<usize> = (self.sent..end).collect();
        self.sent = end;
        let rejected = rejects.len().min(BATCH_ROWS);
        let rounded = bars.rounded().map(str::to_owned);
        Batch { bars: bars.batch(&rows), rejects: rejects.drain(..rejected).collect(), rounded, due }
    }
}

impl Iterator for AsIsSource {
    type Item = Result<Batch, String>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.sent == self.parsed.bars.len() && self.parsed.rejects.is_empty() {
            self.parsed.bars.clear();
            self.sent = 0;
            match self.read() {
                Ok(true) => {}
                Ok(false) => return None,
                // The rows before the failure are still delivered: they are in `parsed`.
                Err(error) => return Some(Err(error.to_string())),
            }
        }
        Some(Ok(self.next_batch()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::testing::{HEADER, bars, file, gzip, options};

    /// The order and the number of rows are those of the files, also behind a failure.
    #[test]
    fn rows_keep_their_order_and_none_is_lost() {
        let text = |symbol: &str| {
            let row = |i: usize| format!("{symbol},2022-03-01 {:02}:{:02},1,1,1,{i},1,,\n", 9 + i % 9, i % 60);
            HEADER.to_owned() + &(0..9000).map(row).collect::<String>() + "bad\n"
        };
        let (_a, first) = file("a.csv.gz", gzip(text("A")));
        let (_b, second) = file("b.csv", text("B"));
        let opener = Opener::new(options()).unwrap();
        let inputs = barbus_files::expand_inputs(&[&first, &"/nowhere/x.csv".to_owned(), &second]);
        let mut source = AsIsSource::new(&opener, inputs, Pace::Max, &Progress::default());
        assert!(!source.read_first().unwrap().0.is_empty());
        let (mut closes, mut rejects, mut errors) = (Vec::new(), 0, 0);
        for batch in source {
            match batch {
                Ok(batch) => {
                    assert!(batch.bars.num_rows() <= BATCH_ROWS);
                    closes.extend(bars(&batch.bars).into_iter().map(|bar| bar.2[3]));
                    rejects += batch.rejects.len();
                }
                Err(_) => errors += 1,
            }
        }
        let one: Vec<f64> = (0..9000).map(f64::from).collect();
        assert!(closes == [one.clone(), one].concat());
        assert_eq!((rejects, errors), (2, 1));
    }
}
