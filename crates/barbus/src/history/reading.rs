//! Reading an answer, day by day.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Date32Array, Int32Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int32Type, SchemaRef, TimestampMillisecondType};
use arrow::error::ArrowError;
use barbus_archive::{ArchiveError, Wanted, merge, workers};
use barbus_bars::{Date, Interval, epoch_days};
use barbus_ring::{Row, SymbolId};

use super::adjust::{Adjust, Adjuster, factor_column};
use super::answer::Answer;
use super::bound::Range;
use super::columns::{Column, Columns};
use super::depth::Depth;
use super::dictionary::{Dictionary, dictionary_of, keys_of};
use super::factors::factor_ends;
use super::folding::{Folding, pieces};
use super::missing::{check_symbols, missing_days};
use super::query::BarsQuery;
use super::resample::{IntervalBar, Resampler};
use super::row_batch::{batch_of_rows, frame_column, stored_column, symbol_column};
use super::shortfall::Shortfall;
use super::snapshot::Snapshot;
use crate::error::{Error, Result};

/// Days that a processor reads at once if only a few symbols are wanted.
const DAYS_OF_SYMBOLS: usize = 8;
/// Up to this number of symbols, several days are read at once.
const FEW_SYMBOLS: usize = 64;

/// An answer that is read day by day: an iterator of record batches of one schema.
///
/// Bars come by trading day, and within a day by symbol and frame. The dictionary of a batch begins
/// with that of the batch before it.
#[derive(Debug)]
pub struct History {
    query: BarsQuery,
    range: Range,
    columns: Columns,
    snapshot: Snapshot,
    days: VecDeque<Date>,
    symbols: Option<Vec<String>>,
    /// The instant after which the first minute of a symbol ends; without an entry, all count.
    starts: HashMap<String, i64>,
    dictionary: Dictionary,
    adjuster: Option<Adjuster>,
    resampler: Option<Resampler>,
    /// The bars of the week or month that runs, by symbol.
    running: BTreeMap<String, IntervalBar>,
    running_start: Option<Date>,
    /// The minutes of the next days, as far as they are read.
    ahead: VecDeque<Result<Vec<RecordBatch>>>,
    ready: VecDeque<RecordBatch>,
    shortfalls: Vec<Shortfall>,
    failed: bool,
}

impl History {
    pub(super) fn new(query: BarsQuery) -> Result<Self> {
        let range = query.range()?;
        let settings = query.bus.settings();
        let columns = query.answer_columns()?;
        let mut snapshot = Snapshot::take(&query.bus, range, query.symbols.clone())?;
        let mut shortfalls = Vec::new();
        if let Some(error) = snapshot.no_ring.take() {
            if query.bus.archived_days()?.is_empty() {
                return Err(error);
            }
            shortfalls.push(Shortfall::NoRing { error: error.to_string() });
        }
        if !query.unknown_symbols {
            check_symbols(&query, &snapshot)?;
        }
        shortfalls.extend(missing_days(&query, &snapshot, range));
        let (mut first_day, mut symbols, mut starts) = (None, query.symbols.clone(), HashMap::new());
        if let Some(count) = query.last {
            let depth = Depth::find(&query, &snapshot, range, count)?;
            // Only days that the answer has may be missing from it.
            shortfalls.retain(|shortfall| match shortfall {
                Shortfall::MissingDays { last, .. } => depth.first_day.is_none_or(|first| *last > first),
                _ => true,
            });
            shortfalls.extend(depth.shortfalls);
            (first_day, symbols, starts) = (depth.first_day, Some(depth.symbols), depth.starts);
        }
        let adjuster = match factor_column(settings.schema.optional()).filter(|_| query.adjust != Adjust::None) {
            None => None,
            Some(factor) => {
                let ends = factor_ends(&query, &snapshot, range, first_day, symbols.as_deref(), factor)?;
                Some(Adjuster::new(query.adjust, factor, ends))
            }
        };
        let resampler = (query.interval != Interval::MINUTE)
            .then(|| Resampler::new(settings.calendar.clone(), query.interval, settings.schema.optional()));
        let days = snapshot.days.range(first_day.unwrap_or(Date::MIN)..).map(|(day, _)| *day).collect();
        Ok(Self {
            query,
            range,
            columns,
            snapshot,
            days,
            symbols,
            starts,
            dictionary: Dictionary::default(),
            adjuster,
            resampler,
            running: BTreeMap::new(),
            running_start: None,
            ahead: VecDeque::new(),
            ready: VecDeque::new(),
            shortfalls,
            failed: false,
        })
    }

    /// The columns of every batch.
    pub fn schema(&self) -> &SchemaRef {
        &self.columns.schema
    }

    /// As [`Answer::next_seq`].
    pub fn next_seq(&self) -> Option<u64> {
        self.snapshot.next_seq
    }

    /// As [`Answer::shortfalls`]: all of them after the last batch.
    pub fn shortfalls(&self) -> &[Shortfall] {
        &self.shortfalls
    }

    /// The minutes of the next day, sorted by symbol and frame, as they are stored.
    pub(crate) fn next_day(&mut self) -> Option<Result<(Date, Vec<RecordBatch>)>> {
        let day = self.days.pop_front()?;
        Some(self.bars_of_day(day).map(|bars| (day, bars)))
    }

    /// The numbers of the columns of [`History::next_day`] in the archive's schema, without the
    /// first two.
    pub(crate) fn stored_columns(&self) -> &[usize] {
        &self.columns.read
    }

    /// Whether no bar of a day is expected any more, except late ones.
    pub fn is_closed(&self, day: Date) -> bool {
        self.snapshot.is_closed(day)
    }

    /// Days up to this one are closed.
    pub(crate) fn closed_through(&self) -> Option<Date> {
        self.snapshot.closed_through
    }

    /// Leaves out the days for which `keep` is false. Its second argument is whether the ring has
    /// bars of the day that the files lack.
    pub(super) fn retain_days(&mut self, mut keep: impl FnMut(Date, bool) -> bool) {
        let sources = &self.snapshot.days;
        self.days.retain(|day| keep(*day, sources.get(day).is_some_and(|source| !source.live.is_empty())));
    }

    /// Reads all that is left.
    pub(super) fn collect_all(mut self) -> Result<Answer> {
        let mut batches = Vec::new();
        for batch in &mut self {
            batches.push(batch?);
        }
        // One dictionary for all: readers of Arrow files need that.
        let names = self.dictionary.array();
        let same_dictionary = |batch: RecordBatch| {
            // It begins with the symbols of the batch, so the keys need no check.
            let symbols = batch.column(0).as_dictionary::<Int32Type>().with_values(Arc::clone(&names));
            let mut columns = batch.columns().to_vec();
            columns[0] = Arc::new(symbols);
            RecordBatch::try_new(batch.schema(), columns)
        };
        let batches = batches.into_iter().map(same_dictionary).collect::<Result<Vec<_>, ArrowError>>();
        Ok(Answer {
            schema: self.columns.schema.clone(),
            batches: batches.map_err(ArchiveError::Merge)?,
            next_seq: self.snapshot.next_seq,
            shortfalls: self.shortfalls,
        })
    }

    /// Reads a day and queues its bars.
    fn read_day(&mut self, day: Date) -> Result<()> {
        let bars = match self.next_bars(day) {
            Err(Error::Archive(error)) if self.query.skip_damaged => {
                self.shortfalls.push(Shortfall::Damaged { day, error: error.to_string() });
                return Ok(());
            }
            bars => bars?,
        };
        if self.adjuster.is_some() || self.resampler.is_some() {
            return self.fold_day(&bars, day);
        }
        for batch in &bars {
            let batch = self.minutes(batch, day).map_err(ArchiveError::Merge)?;
            self.ready.extend(Some(batch).filter(|batch| batch.num_rows() > 0));
        }
        Ok(())
    }

    /// The minutes of a day. The days after it are read at the same time, on all processors.
    fn next_bars(&mut self, day: Date) -> Result<Vec<RecordBatch>> {
        if let Some(bars) = self.ahead.pop_front() {
            return bars;
        }
        // The days of a few symbols are small. Of many, a day is decoded on all processors.
        let are_few = self.symbols.as_ref().is_some_and(|symbols| symbols.len() <= FEW_SYMBOLS);
        let at_once = match workers::threads(usize::MAX) {
            processors if are_few && processors > 1 => processors * DAYS_OF_SYMBOLS,
            _ => 1,
        };
        let days: Vec<Date> = std::iter::once(day).chain(self.days.iter().copied()).take(at_once).collect();
        let mut read = VecDeque::from(workers::map(days, usize::MAX, |day| self.bars_of_day(day)));
        let first = read.pop_front().expect("at least one day is read");
        self.ahead = read;
        first
    }

    /// The minutes of a day, sorted by symbol and frame, with the columns that are read.
    fn bars_of_day(&self, day: Date) -> Result<Vec<RecordBatch>> {
        let (symbols, columns) = (self.symbols.as_deref(), &self.columns.read[..]);
        let (from_ms, to_ms) = (self.range.from_ms, self.range.to_ms);
        let wanted = Wanted { symbols, from_ms, to_ms, columns, last: self.query.last_minutes() };
        let stored = self.snapshot.with_scan(&self.query.bus, day, |scan| scan.read(&wanted))?;
        let source = self.snapshot.days.get(&day);
        let is_wanted = |row: &&Row| {
            let name = &self.snapshot.names[row.symbol.0 as usize];
            symbols.is_none_or(|symbols| symbols.binary_search(name).is_ok())
        };
        let live: Vec<Row> =
            source.into_iter().flat_map(|source| source.live.iter()).filter(is_wanted).copied().collect();
        if live.is_empty() {
            return Ok(stored);
        }
        let names: ArrayRef = Arc::new(StringArray::from_iter_values(&self.snapshot.names));
        let live = batch_of_rows(&live, &names, columns, &stored[0].schema()).map_err(ArchiveError::Merge)?;
        let all: Vec<RecordBatch> = stored.into_iter().chain([live]).collect();
        Ok(vec![merge(&all)?])
    }

    /// Minutes as they are stored, in the columns of the answer.
    fn minutes(&mut self, bars: &RecordBatch, day: Date) -> Result<RecordBatch, ArrowError> {
        let names = dictionary_of(bars);
        let new_keys: Vec<i32> = names.iter().map(|name| self.dictionary.key(name.unwrap_or_default())).collect();
        let keys = keys_of(bars);
        let frames = bars.column(1).as_primitive::<TimestampMillisecondType>().values();
        let inside = self.is_inside(names, keys, frames);
        let keys = Int32Array::from_iter_values(keys.iter().map(|key| new_keys[*key as usize]));
        let mut columns = vec![symbol_column(keys, &self.dictionary.array())?, bars.column(1).clone()];
        for column in &self.columns.others {
            columns.push(match column {
                Column::Stored(number) => {
                    let at = self.columns.read.binary_search(number).expect("it is read");
                    bars.column(2 + at).clone()
                }
                Column::Day => Arc::new(Date32Array::from_value(epoch_days(day) as i32, bars.num_rows())),
                Column::Bars | Column::Complete => unreachable!("minutes have no such column"),
            });
        }
        let batch = RecordBatch::try_new(self.columns.schema.clone(), columns)?;
        match inside {
            None => Ok(batch),
            Some(keep) => filter_record_batch(&batch, &keep),
        }
    }

    /// Which rows remain when those before the first bar of their symbol are left out; `None`: all.
    fn is_inside(&self, names: &StringArray, keys: &[i32], frames: &[i64]) -> Option<BooleanArray> {
        if self.starts.is_empty() {
            return None;
        }
        let start = |name: Option<&str>| self.starts.get(name.unwrap_or_default()).copied().unwrap_or(i64::MIN);
        let starts: Vec<i64> = names.iter().map(start).collect();
        let keep = keys.iter().zip(frames).map(|(key, frame_ms)| Some(*frame_ms > starts[*key as usize]));
        Some(keep.collect())
    }

    /// Adjusts the minutes of a day and folds them into the bars of the interval.
    fn fold_day(&mut self, bars: &[RecordBatch], day: Date) -> Result<()> {
        let start = self.query.period_start(day);
        if self.running_start.is_some_and(|running| running != start) {
            self.end_running()?;
        }
        self.running_start = Some(start);
        let folded = self.fold_batches(bars, day);
        if matches!(self.query.interval, Interval::Week | Interval::Month) {
            for bar in folded {
                let symbol = self.dictionary.names()[bar.row.symbol.0 as usize].clone();
                match (self.running.get_mut(&symbol), &self.resampler) {
                    (Some(running), Some(resampler)) => resampler.join(running, &bar),
                    _ => drop(self.running.insert(symbol, bar)),
                }
            }
            return Ok(());
        }
        self.queue(folded)
    }

    /// The bars of the interval that the minutes of a day make, sorted by symbol and frame.
    fn fold_batches(&mut self, bars: &[RecordBatch], day: Date) -> Vec<IntervalBar> {
        let rows = bars.iter().map(RecordBatch::num_rows).sum();
        let folding = Folding { day, stored: &self.columns.read, starts: &self.starts };
        let resampler = || self.resampler.clone();
        let pieces = pieces(bars);
        let folded = match &mut self.adjuster {
            None => workers::map(pieces.iter().collect(), rows, |piece| folding.piece(piece, resampler(), |_, _| {})),
            Some(adjuster) => {
                let mut adjust = |symbol: &str, rows: &mut [Row]| {
                    if !adjuster.adjust(symbol, rows) {
                        let shortfall = Shortfall::NotAdjusted { symbol: symbol.to_owned() };
                        if !self.shortfalls.contains(&shortfall) {
                            self.shortfalls.push(shortfall);
                        }
                    }
                };
                pieces.iter().map(|piece| folding.piece(piece, resampler(), &mut adjust)).collect()
            }
        };
        let mut all: Vec<IntervalBar> = Vec::with_capacity(folded.iter().map(Vec::len).sum());
        for (part, piece) in folded.into_iter().zip(&pieces) {
            self.append(&mut all, part, dictionary_of(&piece[0]));
        }
        all
    }

    /// Appends bars whose ids of symbols are keys of `names`. Two keys may have the same text: the
    /// last bar of the symbol goes on.
    fn append(&mut self, all: &mut Vec<IntervalBar>, part: Vec<IntervalBar>, names: &StringArray) {
        for of_symbol in part.chunk_by(|a, b| a.row.symbol == b.row.symbol) {
            let key = SymbolId(self.dictionary.key(names.value(of_symbol[0].row.symbol.0 as usize)) as u32);
            let mut of_symbol = of_symbol;
            if let (Some(last), Some(resampler)) = (all.last_mut(), &self.resampler)
                && last.row.symbol == key
                && last.period.after_ms == of_symbol[0].period.after_ms
            {
                resampler.join(last, &of_symbol[0]);
                of_symbol = &of_symbol[1..];
            }
            let first = all.len();
            all.extend_from_slice(of_symbol);
            all[first..].iter_mut().for_each(|bar| bar.row.symbol = key);
        }
    }

    /// Queues the bars of a week or a month.
    fn end_running(&mut self) -> Result<()> {
        let bars = std::mem::take(&mut self.running).into_values().collect();
        self.running_start = None;
        self.queue(bars)
    }

    fn queue(&mut self, bars: Vec<IntervalBar>) -> Result<()> {
        if bars.is_empty() {
            return Ok(());
        }
        let batch = self.batch_of_bars(&bars).map_err(ArchiveError::Merge)?;
        self.ready.push_back(batch);
        Ok(())
    }

    fn batch_of_bars(&mut self, bars: &[IntervalBar]) -> Result<RecordBatch, ArrowError> {
        let rows: Vec<Row> = bars.iter().map(|bar| bar.row).collect();
        let keys = Int32Array::from_iter_values(rows.iter().map(|row| row.symbol.0 as i32));
        let schema = self.columns.schema.clone();
        let names = self.dictionary.array();
        let mut columns = vec![symbol_column(keys, &names)?, frame_column(&rows, schema.field(1).data_type())];
        for (i, column) in self.columns.others.iter().enumerate() {
            columns.push(match column {
                Column::Stored(number) => stored_column(&rows, *number, schema.field(i + 2).data_type()),
                Column::Day => day_column(bars),
                Column::Bars => Arc::new(UInt32Array::from_iter_values(bars.iter().map(|bar| bar.bars))),
                Column::Complete => Arc::new(self.complete_column(bars)),
            });
        }
        RecordBatch::try_new(schema, columns)
    }

    /// Of which bars no minute is still to come, and the question has all minutes.
    fn complete_column(&self, bars: &[IntervalBar]) -> BooleanArray {
        let mut complete: Vec<bool> = Vec::with_capacity(bars.len());
        for of_day in bars.chunk_by(|a, b| a.period.day == b.period.day) {
            // Determined once for all bars of the day: it takes longer than the rest.
            let has_first_day = self.has_first_day(of_day[0].period.day);
            complete.extend(of_day.iter().map(|bar| has_first_day && self.is_complete(bar)));
        }
        complete.into()
    }

    /// Whether the question begins at a moment, or not after the first day of the period of `day`.
    fn has_first_day(&self, day: Date) -> bool {
        let (range, calendar) = (self.range, &self.query.bus.settings().calendar);
        let first = self.query.period_start(day);
        let before = range.first_day.yesterday().ok().filter(|before| *before >= first);
        range.from_ms > i64::MIN || before.is_none_or(|before| calendar.trading_days(first, before).next().is_none())
    }

    /// Whether a bar of a period whose first day the question has is complete.
    fn is_complete(&self, bar: &IntervalBar) -> bool {
        let (range, period, snapshot) = (self.range, &bar.period, &self.snapshot);
        let starts_inside = range.from_ms == i64::MIN || range.from_ms <= period.after_ms + 60_000;
        if !starts_inside || range.to_ms < period.end_ms || range.last_day < period.day {
            return false;
        }
        bar.last_ms >= period.end_ms || snapshot.is_closed(period.day) || snapshot.newest_ms > period.end_ms
    }
}

impl Iterator for History {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Result<RecordBatch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Some(Ok(batch));
            }
            if self.failed {
                return None;
            }
            let read = match self.days.pop_front() {
                Some(day) => self.read_day(day),
                None if self.running.is_empty() => return None,
                None => self.end_running(),
            };
            if let Err(error) = read {
                self.failed = true;
                return Some(Err(error));
            }
        }
    }
}

fn day_column(bars: &[IntervalBar]) -> ArrayRef {
    let mut days: Vec<i32> = Vec::with_capacity(bars.len());
    // The number of a date takes longer to calculate than all the rest of its bar.
    for of_day in bars.chunk_by(|a, b| a.period.day == b.period.day) {
        days.extend(std::iter::repeat_n(epoch_days(of_day[0].period.day) as i32, of_day.len()));
    }
    Arc::new(Date32Array::from(days))
}
