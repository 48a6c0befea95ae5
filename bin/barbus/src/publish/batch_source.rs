//! The rows of all inputs as batches, in the order and at the time they are to be sent.
//!
//! Every input's columns are checked before the first batch.
//! In feed order all inputs are first read into memory, about 100 bytes a bar, and sorted by frame,
//! as if the market were running again.
//! As-is, batches follow the files.
//! When an input fails half-way, its rows before the failure are still delivered, and so are the
//! other inputs.
//! The error takes the place of the missing rows (as-is) or follows the last batch (feed order).

use std::collections::VecDeque;
use std::time::Duration;

use barbus::{Pace, Schedule};

use super::batch::Batch;
use crate::input::{self, BATCH_ROWS, InputError, InputOptions, ParsedRows, Progress, RowSource, file_size};

/// The order in which rows are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// By frame; rows of one frame in the order of the inputs.
    Feed,
    /// As they are in the inputs.
    AsIs,
}

/// Batches from inputs.
pub(crate) struct BatchSource {
    options: InputOptions,
    order: Order,
    schedule: Schedule,
    pending: VecDeque<PendingInput>,
    current: Option<Box<dyn RowSource>>,
    progress: Progress,
    parsed: ParsedRows,
    /// The rows of `parsed` in the order of sending, and how many of them were sent.
    rows: Vec<usize>,
    sent: usize,
    total_rows: Option<u64>,
    errors: VecDeque<InputError>,
}

/// An input that was opened once to check its columns.
enum PendingInput {
    /// Standard input or a pipe, which cannot be opened again.
    Open(Box<dyn RowSource>),
    /// A file, opened again in its turn, so that a thousand files are not open at once.
    Path(String),
}

impl BatchSource {
    /// Opens every one of `paths` (`-` is standard input) and checks its columns.
    ///
    /// # Errors
    /// The first [`InputError`]; nothing was delivered.
    pub(crate) fn open<P: AsRef<str>>(
        paths: &[P],
        options: &InputOptions,
        order: Order,
        pace: Pace,
    ) -> Result<BatchSource, InputError> {
        let progress = Progress::default();
        let mut pending = VecDeque::new();
        for path in paths {
            let path = path.as_ref();
            let size = file_size(path);
            progress.expect(size);
            pending.push_back(if size.is_some() {
                input::open(path, options, &Progress::default())?;
                PendingInput::Path(path.to_owned())
            } else {
                PendingInput::Open(input::open(path, options, &progress)?)
            });
        }
        Ok(BatchSource {
            parsed: ParsedRows::new(&options.schema),
            schedule: pace.schedule(options.interval_ms),
            options: options.clone(),
            order,
            pending,
            current: None,
            progress,
            rows: Vec::new(),
            sent: 0,
            total_rows: None,
            errors: VecDeque::new(),
        })
    }

    /// Bytes read and bytes to read; another thread may watch them.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The number of bars and rejects of all inputs, which [`BatchSource::load`] determines.
    pub(crate) fn total_rows(&self) -> Option<u64> {
        self.total_rows
    }

    /// In feed order, reads all inputs and sorts the bars. As-is, does nothing.
    ///
    /// Without this call the first batch does it.
    pub(crate) fn load(&mut self) {
        if self.order == Order::AsIs || self.total_rows.is_some() {
            return;
        }
        while self.read() {}
        self.rows = self.parsed.bars.feed_order();
        self.total_rows = Some(self.parsed.len() as u64);
    }

    /// Appends the next rows of the inputs to `parsed`; `false` when there are no more.
    fn read(&mut self) -> bool {
        let read = match &mut self.current {
            Some(input) => input.read(&mut self.parsed),
            None => match self.pending.pop_front() {
                None => return false,
                Some(PendingInput::Open(input)) => self.current.insert(input).read(&mut self.parsed),
                Some(PendingInput::Path(path)) => input::open(&path, &self.options, &self.progress)
                    .and_then(|input| self.current.insert(input).read(&mut self.parsed)),
            },
        };
        if !matches!(read, Ok(true)) {
            self.current = None;
        }
        self.errors.extend(read.err());
        true
    }

    /// Takes the next rows that fit into one batch. When paced, a batch has the bars of one frame.
    fn next_batch(&mut self) -> Batch {
        let ParsedRows { bars, rejects } = &mut self.parsed;
        let frames = bars.frames_ms();
        let rest = &self.rows[self.sent..];
        let most = &rest[..rest.len().min(BATCH_ROWS)];
        let mut due = Duration::ZERO;
        let mut rows = most;
        if let (Some(first), false) = (most.first(), self.schedule.pace() == Pace::Max) {
            let frame_ms = frames[*first];
            let same = most.iter().take_while(|row| frames[**row] == frame_ms);
            rows = &most[..same.count()];
            due = self.schedule.due(frame_ms);
        }
        self.sent += rows.len();
        let rejected = rejects.len().min(BATCH_ROWS);
        let rounded = bars.rounded().map(str::to_owned);
        Batch { bars: bars.batch(rows), rejects: rejects.drain(..rejected).collect(), rounded, due }
    }
}

impl Iterator for BatchSource {
    type Item = Result<Batch, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.load();
        while self.sent == self.rows.len() && self.parsed.rejects.is_empty() {
            if let Some(error) = self.errors.pop_front() {
                return Some(Err(error));
            }
            self.parsed.bars.clear();
            self.sent = 0;
            if self.total_rows.is_some() || !self.read() {
                self.rows.clear();
                return None;
            }
            self.rows = (0..self.parsed.bars.len()).collect();
        }
        Some(Ok(self.next_batch()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::testing::{HEADER, bars, file, gzip, options};

    fn open(paths: &[&String], order: Order, pace: Pace) -> Result<BatchSource, InputError> {
        BatchSource::open(paths, &options(), order, pace)
    }

    /// All batches of a source, and its errors.
    fn batches(source: BatchSource) -> (Vec<Batch>, Vec<InputError>) {
        let mut batches = Vec::new();
        let mut errors = Vec::new();
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

    fn sent_bars(batches: &[Batch]) -> Vec<(String, i64, f64)> {
        let all = batches.iter().flat_map(|batch| bars(&batch.bars));
        all.map(|bar| (bar.0, bar.1, bar.2[3])).collect()
    }

    #[test]
    fn feed_order_is_stable_across_files() {
        let first = format!("{HEADER}{}{}{}", row("A", 2, 0), row("A", 1, 1), row("A", 1, 2));
        let second = format!("{HEADER}{}{}", row("B", 1, 3), row("B", 0, 4));
        let (_a, first) = file("a.csv", first);
        let (_b, second) = file("b.csv", second);
        let mut source = open(&[&first, &second], Order::Feed, Pace::Max).unwrap();
        assert_eq!(source.total_rows(), None);
        source.load();
        assert_eq!(source.total_rows(), Some(5));
        let (batches, errors) = batches(source);
        assert!(errors.is_empty());
        let closes: Vec<f64> = sent_bars(&batches).into_iter().map(|bar| bar.2).collect();
        assert_eq!(closes, [4.0, 1.0, 2.0, 3.0, 0.0]);
    }

    /// Both orders deliver the same bars, so both end in the same archive.
    #[test]
    fn as_is_keeps_the_order_of_the_file_and_loses_nothing() {
        let symbols: Vec<String> = (0..40).map(|i| format!("S{i}")).collect();
        let symbols: Vec<&str> = symbols.iter().map(String::as_str).collect();
        let (_directory, path) = file("a.csv.gz", gzip(grouped(&symbols, 600)));
        let (sorted, _) = batches(open(&[&path], Order::Feed, Pace::Max).unwrap());
        let (as_is, _) = batches(open(&[&path], Order::AsIs, Pace::Max).unwrap());
        for batches in [&sorted, &as_is] {
            assert!(batches.iter().all(|batch| batch.bars.num_rows() <= BATCH_ROWS && batch.due.is_zero()));
            assert_eq!(batches.iter().map(|batch| batch.bars.num_rows()).sum::<usize>(), 24_000);
        }
        let (mut sorted, mut as_is) = (sent_bars(&sorted), sent_bars(&as_is));
        assert!(sorted.is_sorted_by_key(|bar| bar.1));
        assert!(as_is.chunks(600).all(|chunk| chunk.iter().all(|bar| bar.0 == chunk[0].0)));
        let key = |bar: &(String, i64, f64)| (bar.0.clone(), bar.1);
        sorted.sort_by_key(key);
        as_is.sort_by_key(key);
        assert_eq!(sorted, as_is);
    }

    /// Promise 9: rejects are delivered in both orders, and a failing file does not stop the
    /// others.
    #[test]
    fn rejects_and_failures_follow_good_rows() {
        let whole = gzip(grouped(&["A"], 800));
        let (_a, truncated) = file("a.csv.gz", &whole[..whole.len() - 20]);
        let (_b, bad) = file("b.csv", format!("{HEADER}x\n{}y\n", row("B", 0, 0)));
        for order in [Order::Feed, Order::AsIs] {
            let (batches, errors) = batches(open(&[&truncated, &bad], order, Pace::Max).unwrap());
            let symbols: Vec<String> = sent_bars(&batches).into_iter().map(|bar| bar.0).collect();
            assert!(symbols.contains(&"A".to_owned()) && symbols.contains(&"B".to_owned()));
            let rejects: Vec<&str> = batches.iter().flat_map(|batch| &batch.rejects).map(|r| &*r.row).collect();
            assert!(rejects.ends_with(&["x", "y"]), "{rejects:?}");
            assert_eq!(errors.len(), 1);
            assert!(matches!(errors[0], InputError::Truncated { .. }), "{}", errors[0]);
        }
    }

    #[test]
    fn an_input_of_only_rejects_is_delivered() {
        let (_directory, path) = file("a.csv", format!("{HEADER}{}", "bad\n".repeat(BATCH_ROWS + 1)));
        let mut source = open(&[&path], Order::Feed, Pace::Max).unwrap();
        source.load();
        assert_eq!(source.total_rows(), Some(BATCH_ROWS as u64 + 1));
        let (batches, _) = batches(source);
        let sizes: Vec<usize> = batches.iter().map(|batch| batch.rejects.len()).collect();
        assert_eq!(sizes, [BATCH_ROWS, 1]);
        assert!(batches.iter().all(|batch| batch.bars.num_rows() == 0));
    }

    #[test]
    fn nothing_is_delivered_when_one_input_is_refused() {
        let (_a, good) = file("a.csv", grouped(&["A"], 1));
        let (_b, bad) = file("b.csv", "symbol\n");
        let error = open(&[&good, &bad], Order::Feed, Pace::Max).err().unwrap();
        assert!(matches!(error, InputError::Columns { .. }));
    }

    #[test]
    fn a_paced_minute_takes_its_share_of_a_minute() {
        let (_directory, path) = file("a.csv", grouped(&["A", "B"], 3));
        let (batches, _) = batches(open(&[&path], Order::Feed, Pace::Times(60.0)).unwrap());
        let seen: Vec<_> = batches.iter().map(|batch| (batch.bars.num_rows(), batch.due.as_millis())).collect();
        assert_eq!(seen, [(2, 0), (2, 1000), (2, 2000)]);
    }
}
