//! All inputs as one feed: batches in the order, and at the time, they are to be sent.
//!
//! In feed order (the usual) every input is read into memory first, about 100 bytes a bar, and sorted stably by frame,
//! as if the market were running again; as-is, batches follow the files. Every input's columns are checked before the
//! first batch. When an input fails half-way, what was read of it and the other inputs are still given; the failure
//! comes in its place (as-is) or after the last batch (feed order).
//!
//! By frame time a batch holds bars of one frame, and is due when [`Schedule`] says.

use std::collections::VecDeque;
use std::time::Duration;

use arrow::array::RecordBatch;
use barbus::{Pace, Schedule};

use super::input::file_size;
use super::{BATCH_ROWS, Input, InputError, Options, Parsed, Progress, Reject};

/// What is to be sent next.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Bars under [`barbus_bars::BarSchema::wire_schema`]: at most [`BATCH_ROWS`], possibly none.
    pub(crate) bars: RecordBatch,
    /// Rows that could not be read: at most [`BATCH_ROWS`], mostly none.
    pub(crate) rejects: Vec<Reject>,
    /// When to send it, counted from the first batch; zero at full speed.
    pub(crate) due: Duration,
}

/// Inputs on their way to the bus.
pub(crate) struct Feed {
    options: Options,
    waiting: VecDeque<Waiting>,
    progress: Progress,
    current: Option<Input>,
    parsed: Parsed,
    /// Order in which the bars are to be sent, and how many of them have been.
    order: Vec<usize>,
    sent: usize,
    total_rows: Option<u64>,
    errors: VecDeque<InputError>,
    schedule: Schedule,
}

/// An input whose columns are known to be good.
enum Waiting {
    /// Cannot be opened twice: standard input, a pipe.
    Open(Box<Input>),
    /// Opened again when its turn comes, so that a thousand files are not open at once.
    Path(String),
}

impl Feed {
    /// Opens every one of `paths` (`-` is standard input) and checks its columns.
    ///
    /// # Errors
    /// The first [`InputError`] found; nothing has been given then.
    pub(crate) fn open<P: AsRef<str>>(paths: &[P], options: &Options) -> Result<Feed, InputError> {
        let progress = Progress::default();
        let mut waiting = VecDeque::new();
        for path in paths {
            let path = path.as_ref();
            let size = file_size(path);
            progress.expect(size);
            waiting.push_back(if size.is_some() {
                Input::open(path, options, &Progress::default())?;
                Waiting::Path(path.to_owned())
            } else {
                Waiting::Open(Box::new(Input::open(path, options, &progress)?))
            });
        }
        Ok(Feed {
            parsed: Parsed::new(&options.schema),
            schedule: options.pace.schedule(options.interval_ms),
            options: options.clone(),
            waiting,
            progress,
            current: None,
            order: Vec::new(),
            sent: 0,
            total_rows: None,
            errors: VecDeque::new(),
        })
    }

    /// Bytes read so far and bytes there are; can be watched from another thread.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// How many rows (bars and rejects) there are in all, once that is known: in feed order, after [`Feed::load`].
    pub(crate) fn total_rows(&self) -> Option<u64> {
        self.total_rows
    }

    /// Reads every input and sorts the bars. Done by the first batch if it has not been; does nothing as-is.
    pub(crate) fn load(&mut self) {
        if self.options.as_is || self.total_rows.is_some() {
            return;
        }
        while self.read() {}
        self.order = self.parsed.bars.feed_order();
        self.total_rows = Some(self.parsed.len() as u64);
    }

    /// Adds the next rows of the inputs, file by file; `false` when there are no more.
    fn read(&mut self) -> bool {
        let read = match &mut self.current {
            Some(input) => input.read(&mut self.parsed),
            None => match self.waiting.pop_front() {
                None => return false,
                Some(Waiting::Open(input)) => self.current.insert(*input).read(&mut self.parsed),
                Some(Waiting::Path(path)) => Input::open(&path, &self.options, &self.progress)
                    .and_then(|input| self.current.insert(input).read(&mut self.parsed)),
            },
        };
        if !matches!(read, Ok(true)) {
            self.current = None;
        }
        self.errors.extend(read.err());
        true
    }

    /// Takes the next of `order` that go into one batch.
    fn cut(&mut self) -> Batch {
        let Parsed { bars, rejects } = &mut self.parsed;
        let frames = bars.frames_ms();
        let rest = &self.order[self.sent..];
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
        Batch { bars: bars.batch(rows), rejects: rejects.drain(..rejected).collect(), due }
    }
}

impl Iterator for Feed {
    type Item = Result<Batch, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.load();
        while self.sent == self.order.len() && self.parsed.rejects.is_empty() {
            if let Some(error) = self.errors.pop_front() {
                return Some(Err(error));
            }
            self.parsed.bars.clear();
            self.sent = 0;
            if self.total_rows.is_some() || !self.read() {
                self.order.clear();
                return None;
            }
            self.order = (0..self.parsed.bars.len()).collect();
        }
        Some(Ok(self.cut()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{HEADER, bars, batches, file, gzip, options};
    use super::*;

    /// Minute `minute` of 2022-03-01 in Shanghai, counted from 09:00.
    fn row(symbol: &str, minute: usize, close: usize) -> String {
        format!("{symbol},2022-03-01 {:02}:{:02},1,1,1,{close},1,,\n", 9 + minute / 60, minute % 60)
    }

    fn grouped(symbols: &[&str], minutes: usize) -> String {
        let rows = symbols.iter().flat_map(|symbol| (0..minutes).map(|minute| row(symbol, minute, minute)));
        HEADER.to_owned() + &rows.collect::<String>()
    }

    fn order(batches: &[Batch]) -> Vec<(String, i64, f64)> {
        let all = batches.iter().flat_map(|batch| bars(&batch.bars));
        all.map(|bar| (bar.0, bar.1, bar.2[3])).collect()
    }

    #[test]
    fn feed_order_goes_across_files_and_is_stable() {
        let first = format!("{HEADER}{}{}{}", row("A", 2, 0), row("A", 1, 1), row("A", 1, 2));
        let second = format!("{HEADER}{}{}", row("B", 1, 3), row("B", 0, 4));
        let (_a, first) = file("a.csv", first);
        let (_b, second) = file("b.csv", second);
        let mut feed = Feed::open(&[&first, &second], &options()).unwrap();
        assert_eq!(feed.total_rows(), None);
        feed.load();
        assert_eq!(feed.total_rows(), Some(5));
        let (batches, errors) = batches(feed);
        assert!(errors.is_empty());
        let closes: Vec<f64> = order(&batches).into_iter().map(|bar| bar.2).collect();
        assert_eq!(closes, [4.0, 1.0, 2.0, 3.0, 0.0]);
    }

    // Both ways end in the same archive: the same bars are given, in another order.
    #[test]
    fn as_is_keeps_the_order_of_the_file_and_loses_nothing() {
        let symbols: Vec<String> = (0..40).map(|i| format!("S{i}")).collect();
        let symbols: Vec<&str> = symbols.iter().map(String::as_str).collect();
        let (_directory, path) = file("a.csv.gz", gzip(grouped(&symbols, 600)));
        let mut options = options();
        let (sorted, _) = batches(Feed::open(&[&path], &options).unwrap());
        options.as_is = true;
        let (as_is, _) = batches(Feed::open(&[&path], &options).unwrap());
        for batches in [&sorted, &as_is] {
            assert!(batches.iter().all(|batch| batch.bars.num_rows() <= BATCH_ROWS && batch.due.is_zero()));
            assert_eq!(batches.iter().map(|batch| batch.bars.num_rows()).sum::<usize>(), 24_000);
        }
        let (mut sorted, mut as_is) = (order(&sorted), order(&as_is));
        assert!(sorted.is_sorted_by_key(|bar| bar.1));
        assert!(as_is.chunks(600).all(|chunk| chunk.iter().all(|bar| bar.0 == chunk[0].0)));
        let key = |bar: &(String, i64, f64)| (bar.0.clone(), bar.1);
        sorted.sort_by_key(key);
        as_is.sort_by_key(key);
        assert_eq!(sorted, as_is);
    }

    // Promise 9: rejects are given too, whatever the order, and a failing file does not take others with it.
    #[test]
    fn rejects_and_failures_are_given_after_good_rows() {
        let whole = gzip(grouped(&["A"], 800));
        let (_a, cut) = file("a.csv.gz", &whole[..whole.len() - 20]);
        let (_b, bad) = file("b.csv", format!("{HEADER}x\n{}y\n", row("B", 0, 0)));
        let mut options = options();
        for as_is in [false, true] {
            options.as_is = as_is;
            let (batches, errors) = batches(Feed::open(&[&cut, &bad], &options).unwrap());
            let symbols: Vec<String> = order(&batches).into_iter().map(|bar| bar.0).collect();
            assert!(symbols.contains(&"A".to_owned()) && symbols.contains(&"B".to_owned()));
            let rejects: Vec<&str> = batches.iter().flat_map(|batch| &batch.rejects).map(|r| &*r.row).collect();
            assert!(rejects.ends_with(&["x", "y"]), "{rejects:?}");
            assert_eq!(errors.len(), 1);
            assert!(matches!(errors[0], InputError::CutOff { .. }), "{}", errors[0]);
        }
    }

    #[test]
    fn rejects_alone_are_a_feed() {
        let (_directory, path) = file("a.csv", format!("{HEADER}{}", "bad\n".repeat(BATCH_ROWS + 1)));
        let mut feed = Feed::open(&[&path], &options()).unwrap();
        feed.load();
        assert_eq!(feed.total_rows(), Some(BATCH_ROWS as u64 + 1));
        let (batches, _) = batches(feed);
        let sizes: Vec<usize> = batches.iter().map(|batch| batch.rejects.len()).collect();
        assert_eq!(sizes, [BATCH_ROWS, 1]);
        assert!(batches.iter().all(|batch| batch.bars.num_rows() == 0));
    }

    #[test]
    fn nothing_is_given_when_one_input_is_refused() {
        let (_a, good) = file("a.csv", grouped(&["A"], 1));
        let (_b, bad) = file("b.csv", "symbol\n");
        let error = Feed::open(&[&good, &bad], &options()).err().unwrap();
        assert!(matches!(error, InputError::Columns { .. }));
    }

    #[test]
    fn by_frame_time_a_minute_takes_its_share_of_a_minute() {
        let (_directory, path) = file("a.csv", grouped(&["A", "B"], 3));
        let mut options = options();
        options.pace = Pace::Times(60.0);
        let (batches, _) = batches(Feed::open(&[&path], &options).unwrap());
        let seen: Vec<_> = batches.iter().map(|batch| (batch.bars.num_rows(), batch.due.as_millis())).collect();
        assert_eq!(seen, [(2, 0), (2, 1000), (2, 2000)]);
    }
}
