//! The bars of a reading as batches in feed order, each at the time it is to be sent.

use std::io;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMillisecondType;
use barbus::{Pace, Schedule};
use barbus_files::{BATCH_ROWS, Ordered, Reading, Reject};

use super::batch::Batch;

/// Batches of bars by frame, then the rejects, then the failures of inputs.
pub(crate) struct FeedSource {
    bars: Ordered,
    schedule: Schedule,
    /// Bars of the last batch that are not sent yet.
    rest: Option<RecordBatch>,
    rejects: Box<dyn Iterator<Item = io::Result<Reject>>>,
    failures: std::vec::IntoIter<String>,
    rounded: Option<String>,
}

impl FeedSource {
    /// The batches of `reading` at a `pace`; bars have a length of `interval_ms`.
    ///
    /// # Errors
    /// When a temporary file cannot be read.
    pub(crate) fn new(reading: Reading, pace: Pace, interval_ms: i64) -> io::Result<FeedSource> {
        let Reading { bars, rejects, failures, .. } = reading;
        let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
        Ok(FeedSource {
            rounded: bars.rounded().map(str::to_owned),
            bars,
            schedule: pace.schedule(interval_ms),
            rest: None,
            rejects: Box::new(rejects.into_rejects()?),
            failures: failures.into_iter(),
        })
    }

    /// The next bars that fit into one batch. When paced, a batch has the bars of one frame.
    fn next_bars(&mut self) -> io::Result<Option<(RecordBatch, Duration)>> {
        let batch = match self.rest.take() {
            Some(batch) => batch,
            None => match self.bars.next_batch()? {
                Some(batch) => batch,
                None => return Ok(None),
            },
        };
        let mut rows = batch.num_rows().min(BATCH_ROWS);
        let mut due = Duration::ZERO;
        if self.schedule.pace() != Pace::Max {
            let frames = batch.column(1).as_primitive::<TimestampMillisecondType>().values();
            rows = frames[..rows].iter().take_while(|frame| **frame == frames[0]).count();
            due = self.schedule.due(frames[0]);
        }
        if rows < batch.num_rows() {
            self.rest = Some(batch.slice(rows, batch.num_rows() - rows));
        }
        Ok(Some((batch.slice(0, rows), due)))
    }

    fn next_batch(&mut self) -> io::Result<Option<Batch>> {
        let rounded = self.rounded.clone();
        if let Some((bars, due)) = self.next_bars()? {
            return Ok(Some(Batch { bars, rejects: Vec::new(), rounded, due }));
        }
        let rejects = self.rejects.by_ref().take(BATCH_ROWS).collect::<io::Result<Vec<Reject>>>()?;
        let bars = self.bars.empty_batch();
        Ok((!rejects.is_empty()).then_some(Batch { bars, rejects, rounded, due: Duration::ZERO }))
    }
}

impl Iterator for FeedSource {
    type Item = Result<Batch, String>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.next_batch() {
            Ok(Some(batch)) => Some(Ok(batch)),
            Ok(None) => self.failures.next().map(Err),
            Err(error) => Some(Err(format!("the temporary file of the sorted bars: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use barbus_files::{Opener, Progress};

    use super::*;
    use crate::publish::testing::{HEADER, bars, file, gzip, options};

    fn source(paths: &[&String], pace: Pace) -> FeedSource {
        let opener = Opener::new(options()).unwrap();
        let inputs = barbus_files::expand_inputs(paths);
        FeedSource::new(Reading::of(inputs, &opener, &Progress::default()).unwrap(), pace, 60_000).unwrap()
    }

    /// All batches of a source, and its errors.
    fn batches(source: FeedSource) -> (Vec<Batch>, Vec<String>) {
        let (mut batches, mut errors) = (Vec::new(), Vec::new());
        for batch in source {
            match batch {
                Ok(batch) => batches.push(batch),
                Err(error) => errors.push(error),
            }
        }
        (batches, errors)
    }

    /// Minute `minute` of 2022-03-01 in Shanghai, counted from 09:00.
    fn row(symbol: &str, minute: usize, close: usize) -> String {
        format!("{symbol},2022-03-01 {:02}:{:02},1,1,1,{close},1,,\n", 9 + minute / 60, minute % 60)
    }

    fn grouped(symbols: &[&str], minutes: usize) -> String {
        let rows = symbols.iter().flat_map(|symbol| (0..minutes).map(|minute| row(symbol, minute, minute)));
        HEADER.to_owned() + &rows.collect::<String>()
    }

    fn closes(batches: &[Batch]) -> Vec<f64> {
        batches.iter().flat_map(|batch| bars(&batch.bars)).map(|bar| bar.2[3]).collect()
    }

    #[test]
    fn feed_order_is_stable_across_files() {
        let first = format!("{HEADER}{}{}{}", row("A", 2, 0), row("A", 1, 1), row("A", 1, 2));
        let second = format!("{HEADER}{}{}", row("B", 1, 3), row("B", 0, 4));
        let (_a, first) = file("a.csv", first);
        let (_b, second) = file("b.csv", second);
        let (batches, errors) = batches(source(&[&first, &second], Pace::Max));
        assert!(errors.is_empty());
        assert_eq!(closes(&batches), [4.0, 1.0, 2.0, 3.0, 0.0]);
    }

    /// Promise 9: rejects follow the bars, and a failing file does not stop the others.
    #[test]
    fn rejects_and_failures_follow_good_rows() {
        let whole = gzip(grouped(&["A"], 800));
        let (_a, truncated) = file("a.csv.gz", &whole[..whole.len() - 20]);
        let (_b, bad) = file("b.csv", format!("{HEADER}x\n{}y\n", row("B", 0, 0)));
        let (_c, unmappable) = file("c.csv", "symbol\n");
        let (batches, errors) = batches(source(&[&unmappable, &truncated, &bad], Pace::Max));
        assert!(closes(&batches).len() > 700);
        let rejects: Vec<&str> = batches.iter().flat_map(|batch| &batch.rejects).map(|r| &*r.row).collect();
        assert!(rejects.ends_with(&["x", "y"]), "{rejects:?}");
        assert_eq!(errors.len(), 2, "{errors:?}");
    }

    #[test]
    fn an_input_of_only_rejects_is_delivered() {
        let (_directory, path) = file("a.csv", format!("{HEADER}{}", "bad\n".repeat(BATCH_ROWS + 1)));
        let (batches, _) = batches(source(&[&path], Pace::Max));
        let sizes: Vec<usize> = batches.iter().map(|batch| batch.rejects.len()).collect();
        assert_eq!(sizes, [BATCH_ROWS, 1]);
        assert!(batches.iter().all(|batch| batch.bars.num_rows() == 0));
    }

    #[test]
    fn a_paced_minute_takes_its_share_of_a_minute() {
        let (_directory, path) = file("a.csv", grouped(&["A", "B"], 3));
        let (batches, _) = batches(source(&[&path], Pace::Times(60.0)));
        let seen: Vec<_> = batches.iter().map(|batch| (batch.bars.num_rows(), batch.due.as_millis())).collect();
        assert_eq!(seen, [(2, 0), (2, 1000), (2, 2000)]);
    }
}
