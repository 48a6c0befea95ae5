//! Many sources of bars into one batch, sorted by (symbol, frame), the last source's bar kept where two have the same.
//!
//! Symbols are ordered by their bytes. No text is copied per row: every symbol gets a rank, rows are dealt out by rank,
//! and only the rows of a symbol whose frames did not come in order are sorted.
//!
//! What comes out is an order, not a copy of the day: rows are gathered when they are encoded, and again when what was encoded is checked.

use std::borrow::Cow;
use std::collections::HashMap;
use std::iter;
use std::mem;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, RecordBatch, StringArray};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::datatypes::{Float32Type, Float64Type, Int32Type, TimestampMillisecondType};

use crate::rows::Rows;
use crate::{Misuse, Result, workers};

/// With fewer rows they are dealt out before another thread has begun.
const DEAL_WORTH: usize = 100_000;

/// Bars in the columns of the archive; `symbol` may be a dictionary.
pub(crate) struct Source<'a> {
    /// The columns, `symbol` and `frame` first.
    pub(crate) columns: &'a [ArrayRef],
    /// The rows meant, later ones counting over earlier ones; all of them, in order, when `None`.
    pub(crate) rows: Option<Vec<u32>>,
}

impl Source<'_> {
    /// Rows meant.
    pub(crate) fn len(&self) -> usize {
        self.rows.as_ref().map_or(self.columns[0].len(), Vec::len)
    }

    /// Some of the rows meant, one after another.
    fn each(&self, part: Range<usize>, row: impl FnMut(usize)) {
        match &self.rows {
            Some(rows) => rows[part].iter().map(|&row| row as usize).for_each(row),
            None => part.for_each(row),
        }
    }
}

/// Sources merged, later ones counting over earlier ones: which rows are kept, in which order. Their values stay where they are until they are
/// asked for.
pub(crate) struct Sorted<'a> {
    schema: &'a SchemaRef,
    /// For each column but the symbols' those of all sources.
    columns: Vec<Vec<&'a ArrayRef>>,
    /// The symbols, ascending.
    names: Vec<&'a str>,
    /// For each symbol the end of its rows.
    ends: Vec<usize>,
    /// The rows, as they are numbered through all sources.
    picks: Vec<u32>,
    starts: Starts,
    /// The frames of each source.
    frames: Vec<&'a [i64]>,
}

impl<'a> Sorted<'a> {
    /// Merges `sources` to rows of `schema`.
    ///
    /// # Errors
    /// [`Misuse::TooManyRows`] beyond what 32-bit row numbers and string offsets can hold.
    pub(crate) fn of(sources: &[Source<'a>], schema: &'a SchemaRef) -> Result<Self> {
        let total: usize = sources.iter().map(|source| source.columns[0].len()).sum();
        let too_many = || Misuse::TooManyRows { rows: total as u64 };
        if u32::try_from(total).is_err() {
            return Err(too_many().into());
        }
        let starts = Starts::of(sources);
        let symbols = Ranks::of(sources);
        let frames: Vec<&[i64]> = sources.iter().map(|source| frame_values(&source.columns[1])).collect();
        let (picks, ends) = sorted_picks(sources, &starts, &frames, &symbols);
        let names = symbols.sorted;
        let of_name = |(i, name): (usize, &&str)| name.len() * (ends[i] - if i == 0 { 0 } else { ends[i - 1] });
        let bytes: usize = names.iter().enumerate().map(of_name).sum();
        i32::try_from(bytes).map_err(|_| too_many())?;
        let columns = (1..schema.fields().len()).map(|i| sources.iter().map(|source| &source.columns[i]).collect());
        Ok(Self { schema, columns: columns.collect(), names, ends, picks, starts, frames })
    }

    /// All rows.
    pub(crate) fn all(&self) -> RecordBatch {
        let others = workers::in_order(self.columns.len(), workers::threads(self.count(), workers::WORTH), |i| {
            self.picked(i + 1, &self.picks)
        });
        let columns = iter::once(self.texts()).chain(others).collect();
        RecordBatch::try_new(self.schema.clone(), columns).expect("checked sources fit the schema")
    }

    fn picked(&self, i: usize, picks: &[u32]) -> ArrayRef {
        let data_type = self.schema.field(i).data_type();
        let sources = &self.columns[i - 1];
        match data_type {
            DataType::Timestamp(..) => gather::<TimestampMillisecondType>(sources, &self.starts, picks, data_type),
            DataType::Float32 => gather::<Float32Type>(sources, &self.starts, picks, data_type),
            _ => gather::<Float64Type>(sources, &self.starts, picks, data_type),
        }
    }

    /// The symbols of all rows.
    fn texts(&self) -> ArrayRef {
        let (mut text, mut offsets) = (Vec::new(), Vec::with_capacity(self.count() + 1));
        offsets.push(0);
        for (name, rows) in self.symbols(0..self.count()) {
            text.reserve(name.len() * rows);
            for _ in 0..rows {
                text.extend_from_slice(name.as_bytes());
                offsets.push(text.len() as i32);
            }
        }
        let offsets = OffsetBuffer::new(offsets.into());
        Arc::new(StringArray::try_new(offsets, Buffer::from_vec(text), None).expect("whole strings put end to end"))
    }
}

impl Rows for Sorted<'_> {
    fn columns(&self) -> &SchemaRef {
        self.schema
    }

    fn count(&self) -> usize {
        self.picks.len()
    }

    fn symbols(&self, range: Range<usize>) -> Vec<(&str, usize)> {
        let mut runs = Vec::new();
        let mut row = range.start;
        let mut rank = self.ends.partition_point(|&end| end <= row);
        while row < range.end {
            let end = self.ends[rank].min(range.end);
            if end > row {
                runs.push((self.names[rank], end - row));
            }
            (row, rank) = (end, rank + 1);
        }
        runs
    }

    fn column(&self, i: usize, range: Range<usize>) -> ArrayRef {
        self.picked(i, &self.picks[range])
    }

    fn ascend(&self, range: Range<usize>) -> bool {
        let mut rank = self.ends.partition_point(|&end| end <= range.start);
        let first = rank;
        let frame_ms = |pick: &u32| self.starts.pick(&self.frames, *pick);
        let mut row = range.start;
        while row < range.end {
            let begin = if rank == 0 { 0 } else { self.ends[rank - 1] };
            let end = self.ends[rank].min(range.end);
            // With the row before, where it is of the same symbol.
            let rows = &self.picks[begin.max(row.saturating_sub(1))..end];
            if !rows.is_sorted_by(|a, b| frame_ms(a) < frame_ms(b)) {
                return false;
            }
            (row, rank) = (end, rank + 1);
        }
        self.names[first.saturating_sub(1)..rank].is_sorted_by(|a, b| a < b)
    }
}

/// The values of `picks`, as `data_type`: sources may name different zones, which says nothing about the instants.
fn gather<T: ArrowPrimitiveType>(
    arrays: &[&ArrayRef],
    starts: &Starts,
    picks: &[u32],
    data_type: &DataType,
) -> ArrayRef {
    let arrays: Vec<&PrimitiveArray<T>> = arrays.iter().map(|array| array.as_primitive()).collect();
    let values: Vec<&[T::Native]> = arrays.iter().map(|array| &array.values()[..]).collect();
    let values: Vec<T::Native> = match values.as_slice() {
        // No choice of source for every row where there is but one.
        [values] => picks.iter().map(|&pick| values[pick as usize]).collect(),
        values => picks.iter().map(|&pick| starts.pick(values, pick)).collect(),
    };
    let nulls = arrays.iter().any(|array| array.null_count() > 0).then(|| {
        let valid = |i: usize| {
            let (source, row) = starts.place(picks[i]);
            arrays[source].is_valid(row)
        };
        NullBuffer::new(BooleanBuffer::collect_bool(picks.len(), valid))
    });
    Arc::new(PrimitiveArray::<T>::new(values.into(), nulls).with_data_type(data_type.clone()))
}

/// How the rows are numbered through all sources: for each the number of its first.
struct Starts(Vec<u32>);

impl Starts {
    fn of(sources: &[Source<'_>]) -> Self {
        let mut next = 0;
        let start = |source: &Source<'_>| {
            let start = next;
            next += source.columns[0].len() as u32;
            start
        };
        Self(sources.iter().map(start).collect())
    }

    /// The source of a row, and its place in it.
    fn place(&self, pick: u32) -> (usize, usize) {
        let source = self.0.partition_point(|&start| start <= pick) - 1;
        (source, (pick - self.0[source]) as usize)
    }

    fn pick<T: Copy>(&self, of_sources: &[&[T]], pick: u32) -> T {
        match of_sources {
            [one] => one[pick as usize],
            many => {
                let (source, row) = self.place(pick);
                many[source][row]
            }
        }
    }
}

/// The rows to keep, sorted, and for each rank the end of its rows.
fn sorted_picks(
    sources: &[Source<'_>],
    starts: &Starts,
    frames: &[&[i64]],
    symbols: &Ranks<'_>,
) -> (Vec<u32>, Vec<usize>) {
    let total: usize = sources.iter().map(Source::len).sum();
    let threads = workers::threads(total, DEAL_WORTH);
    let deals = workers::in_order(threads, threads, |i| {
        let share = total * i / threads..total * (i + 1) / threads;
        Deal::of(share, sources, starts, frames, symbols)
    });
    let frame_ms = |pick: &u32| starts.pick(frames, *pick);
    let Deal { mut picks, ends, ascend } = Deal::join(deals, frame_ms);
    // A feed's rows come in order, each frame once: nothing is left to do then.
    if ascend {
        return (picks, ends);
    }

    let mut kept = 0;
    let mut start = 0;
    let kept_ends = ends.iter().map(|&end| {
        // Dealt out in the order of sources and rows, which both the check and the stable sort keep for equal frames.
        let rows = &mut picks[start..end];
        if !rows.is_sorted_by_key(frame_ms) {
            rows.sort_by_key(frame_ms);
        }
        for i in start..end {
            if i + 1 == end || frame_ms(&picks[i]) != frame_ms(&picks[i + 1]) {
                picks[kept] = picks[i];
                kept += 1;
            }
        }
        start = end;
        kept
    });
    let kept_ends = kept_ends.collect();
    picks.truncate(kept);
    (picks, kept_ends)
}

/// Some of the rows, dealt out by rank, in each in the order of sources and rows.
struct Deal {
    picks: Vec<u32>,
    /// For each rank the end of its rows.
    ends: Vec<usize>,
    /// Whether the frames of each rank ascend.
    ascend: bool,
}

impl Deal {
    /// Deals out these of the rows meant, as they are counted through all sources.
    fn of(
        share: Range<usize>,
        sources: &[Source<'_>],
        starts: &Starts,
        frames: &[&[i64]],
        symbols: &Ranks<'_>,
    ) -> Self {
        let mut parts = Vec::new();
        let mut begin = 0;
        for (i, source) in sources.iter().enumerate() {
            let end = begin + source.len();
            let (from, to) = (share.start.clamp(begin, end), share.end.clamp(begin, end));
            parts.push((i, source, from - begin..to - begin));
            begin = end;
        }
        // The rank's next place, and the frame before.
        let mut next = vec![(0, i64::MIN); symbols.sorted.len()];
        for (i, source, part) in &parts {
            source.each(part.clone(), |row| next[symbols.rank(*i, row)].0 += 1);
        }
        let mut begin = 0;
        for (next, _) in &mut next {
            begin += mem::replace(next, begin);
        }
        let mut picks = vec![0; share.len()];
        let mut ascend = true;
        for (i, source, part) in parts {
            source.each(part, |row| {
                let (next, last_ms) = &mut next[symbols.rank(i, row)];
                picks[*next] = starts.0[i] + row as u32;
                *next += 1;
                let frame_ms = frames[i][row];
                ascend &= *last_ms < frame_ms;
                *last_ms = frame_ms;
            });
        }
        Self { picks, ends: next.into_iter().map(|(next, _)| next).collect(), ascend }
    }

    /// Those of a rank.
    fn rows(&self, rank: usize) -> &[u32] {
        let begin = if rank == 0 { 0 } else { self.ends[rank - 1] };
        &self.picks[begin..self.ends[rank]]
    }

    /// All of these rows, which were dealt out one share after the other.
    fn join(mut deals: Vec<Self>, frame_ms: impl Fn(&u32) -> i64) -> Self {
        if deals.len() == 1 {
            return deals.remove(0);
        }
        let mut picks = Vec::with_capacity(deals.iter().map(|deal| deal.picks.len()).sum());
        let mut ascend = deals.iter().all(|deal| deal.ascend);
        let ranks = deals.first().map_or(0, |deal| deal.ends.len());
        let ends = (0..ranks).map(|rank| {
            let begin = picks.len();
            for deal in &deals {
                let rows = deal.rows(rank);
                if let (Some(last), Some(first)) = (picks[begin..].last(), rows.first()) {
                    ascend &= frame_ms(last) < frame_ms(first);
                }
                picks.extend_from_slice(rows);
            }
            picks.len()
        });
        let ends = ends.collect();
        Self { picks, ends, ascend }
    }
}

fn frame_values(array: &ArrayRef) -> &[i64] {
    array.as_primitive::<TimestampMillisecondType>().values()
}

/// The symbols of all sources in order, and for each source the rank of every row.
struct Ranks<'a> {
    sorted: Vec<&'a str>,
    of_source: Vec<SourceRanks<'a>>,
}

struct SourceRanks<'a> {
    /// Index of a row's symbol among the source's own.
    keys: Cow<'a, [i32]>,
    /// From there to the rank.
    ranks: Vec<u32>,
}

impl<'a> Ranks<'a> {
    fn of(sources: &[Source<'a>]) -> Ranks<'a> {
        let (names, keys): (Vec<_>, Vec<_>) = sources.iter().map(|source| local_symbols(&source.columns[0])).unzip();
        // Each with its place, so that none has to be searched for.
        let places = names.iter().enumerate();
        let places = places.flat_map(|(i, names)| names.iter().zip(0..).map(move |(&name, at)| (name, i, at)));
        let mut places: Vec<(&str, usize, usize)> = places.collect();
        places.sort_unstable();
        let mut sorted: Vec<&str> = Vec::new();
        let mut ranks: Vec<Vec<u32>> = names.iter().map(|names| vec![0; names.len()]).collect();
        for (name, i, at) in places {
            if sorted.last() != Some(&name) {
                sorted.push(name);
            }
            ranks[i][at] = sorted.len() as u32 - 1;
        }
        let of_source = keys.into_iter().zip(ranks).map(|(keys, ranks)| SourceRanks { keys, ranks });
        Ranks { sorted, of_source: of_source.collect() }
    }

    fn rank(&self, source: usize, row: usize) -> usize {
        let source = &self.of_source[source];
        source.ranks[source.keys[row] as usize] as usize
    }
}

/// The distinct symbols of a column (in a dictionary perhaps more than are used) and each row's index among them.
fn local_symbols(column: &ArrayRef) -> (Vec<&str>, Cow<'_, [i32]>) {
    if let Some(column) = column.as_dictionary_opt::<Int32Type>() {
        let names = column.values().as_string::<i32>();
        let names = names.iter().map(Option::unwrap_or_default).collect();
        return (names, Cow::Borrowed(column.keys().values()));
    }
    let column = column.as_string::<i32>();
    let mut names: Vec<&str> = Vec::new();
    let mut index: HashMap<&str, i32> = HashMap::new();
    let mut last: Option<(&str, i32)> = None;
    let mut keys = Vec::with_capacity(column.len());
    for row in 0..column.len() {
        let name = column.value(row);
        let key = match last {
            Some((same, key)) if same == name => key,
            _ => *index.entry(name).or_insert_with(|| {
                names.push(name);
                names.len() as i32 - 1
            }),
        };
        last = Some((name, key));
        keys.push(key);
    }
    (names, keys.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{DictionaryArray, TimestampMillisecondArray};

    /// Symbols and minutes, one after the other.
    fn columns(rows: &[(&str, i64)]) -> Vec<ArrayRef> {
        let symbols: DictionaryArray<Int32Type> = rows.iter().map(|(symbol, _)| *symbol).collect();
        let frames = TimestampMillisecondArray::from_iter_values(rows.iter().map(|(_, minute)| minute * 60_000));
        vec![Arc::new(symbols), Arc::new(frames)]
    }

    /// Promise 7: however many processors deal the rows out, the same ones come in the same order.
    #[test]
    fn rows_dealt_out_in_shares_are_those_dealt_out_at_once() {
        let minutes = |symbols: [&'static str; 3]| {
            (0..50).flat_map(move |minute| symbols.map(|symbol| (symbol, minute))).collect::<Vec<_>>()
        };
        let in_order = minutes(["B", "A", "C"]);
        let mut again = minutes(["C", "D", "A"]);
        again.rotate_left(70);
        for [first, second] in [[&in_order[..], &[]], [&[], &in_order], [&in_order, &again], [&again, &in_order[..7]]] {
            let (first, second) = (columns(first), columns(second));
            let some: Vec<u32> = (0..second[0].len() as u32).rev().filter(|row| row % 3 != 1).collect();
            for rows in [None, Some(some)] {
                let sources = [Source { columns: &first, rows: None }, Source { columns: &second, rows }];
                let (starts, symbols) = (Starts::of(&sources), Ranks::of(&sources));
                let frames: Vec<&[i64]> = sources.iter().map(|source| frame_values(&source.columns[1])).collect();
                let total: usize = sources.iter().map(Source::len).sum();
                let deal = |share: Range<usize>| Deal::of(share, &sources, &starts, &frames, &symbols);
                let frame_ms = |pick: &u32| starts.pick(&frames, *pick);
                let whole = deal(0..total);
                for shares in [2, 3, 7, total + 1] {
                    let deals = (0..shares).map(|i| deal(total * i / shares..total * (i + 1) / shares)).collect();
                    let joined = Deal::join(deals, frame_ms);
                    assert_eq!((&joined.picks, &joined.ends), (&whole.picks, &whole.ends), "{shares} shares");
                    assert_eq!(joined.ascend, whole.ascend, "{shares} shares");
                }
                // By the plain rule.
                let ranks = symbols.sorted.len();
                let ascends = (0..ranks).all(|rank| whole.rows(rank).is_sorted_by(|a, b| frame_ms(a) < frame_ms(b)));
                assert_eq!(whole.ascend, ascends);
            }
        }
    }
}
