//! Many sources of bars into one batch, sorted by (symbol, frame), the last source's bar kept where two have the same.
//!
//! Symbols are ordered by their bytes. No text is copied per row: every symbol gets a rank, and rows are sorted as
//! plain numbers.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_buffer::{Buffer, OffsetBuffer};
use arrow_schema::{DataType, SchemaRef};
use arrow_select::interleave::interleave;

use crate::{Misuse, Result};

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

    fn row(&self, position: usize) -> usize {
        self.rows.as_ref().map_or(position, |rows| rows[position] as usize)
    }
}

/// Merges `sources`, later ones counting over earlier ones, into a batch of `schema`.
///
/// # Errors
/// [`Misuse::TooManyRows`] beyond what 32-bit row numbers and string offsets can hold.
pub(crate) fn merge(sources: &[Source<'_>], schema: &SchemaRef) -> Result<RecordBatch> {
    let total: usize = sources.iter().map(Source::len).sum();
    let too_many = || Misuse::TooManyRows { rows: total as u64 };
    if u32::try_from(total).is_err() {
        return Err(too_many().into());
    }
    let symbols = Ranks::of(sources);
    let keys = sorted_keys(sources, &symbols, total);

    let starts: Vec<usize> = sources
        .iter()
        .scan(0, |start, source| {
            let this = *start;
            *start += source.len();
            Some(this)
        })
        .collect();
    let picks: Vec<(usize, usize)> = keys
        .iter()
        .map(|key| {
            let ordinal = key.ordinal() as usize;
            let source = starts.partition_point(|&start| start <= ordinal) - 1;
            (source, sources[source].row(ordinal - starts[source]))
        })
        .collect();

    let mut columns = vec![symbols.column(&keys).ok_or_else(too_many)?];
    for (i, field) in schema.fields().iter().enumerate().skip(1) {
        let arrays: Vec<&dyn Array> = sources.iter().map(|s| s.columns[i].as_ref()).collect();
        let picked = if let DataType::Timestamp(..) = field.data_type() {
            frames(&arrays, &picks, field.data_type())
        } else {
            interleave(&arrays, &picks).expect("checked sources have the archive's types")
        };
        columns.push(picked);
    }
    Ok(RecordBatch::try_new(schema.clone(), columns).expect("checked sources fit the schema"))
}

/// Picked by hand: sources may name different zones, which says nothing about the instants.
fn frames(arrays: &[&dyn Array], picks: &[(usize, usize)], data_type: &DataType) -> ArrayRef {
    let values: Vec<&[i64]> = arrays.iter().map(|array| frame_values(*array)).collect();
    let picked = picks.iter().map(|&(source, row)| values[source][row]);
    let frames = arrow_array::TimestampMillisecondArray::from_iter_values(picked);
    Arc::new(frames.with_data_type(data_type.clone()))
}

fn frame_values(array: &dyn Array) -> &[i64] {
    array.as_primitive::<TimestampMillisecondType>().values()
}

/// What rows are sorted by, in one number: rank of the symbol, frame above the lowest, ordinal over all sources.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key(u128);

impl Key {
    fn new(rank: u32, frame_above: u64, ordinal: u32) -> Key {
        Key(u128::from(rank) << 96 | u128::from(frame_above) << 32 | u128::from(ordinal))
    }

    fn rank(self) -> u32 {
        (self.0 >> 96) as u32
    }

    fn ordinal(self) -> u32 {
        self.0 as u32
    }

    fn same_bar(self, other: Key) -> bool {
        self.0 >> 32 == other.0 >> 32
    }
}

fn sorted_keys(sources: &[Source<'_>], symbols: &Ranks<'_>, total: usize) -> Vec<Key> {
    let frames: Vec<&[i64]> = sources.iter().map(|source| frame_values(&source.columns[1])).collect();
    let lowest = frames.iter().copied().flatten().min().copied();
    let lowest = lowest.unwrap_or_default();
    let mut keys = Vec::with_capacity(total);
    for (i, source) in sources.iter().enumerate() {
        for position in 0..source.len() {
            let row = source.row(position);
            // The difference of two i64 always fits a u64.
            let above = frames[i][row].wrapping_sub(lowest) as u64;
            keys.push(Key::new(symbols.rank(i, row), above, keys.len() as u32));
        }
    }
    // The stable sort takes runs that are sorted already, as files and parts are, in one pass.
    keys.sort();
    // The last of equal bars is kept: `dedup_by` keeps the first, so it is given the later one's ordinal.
    keys.dedup_by(|later, kept| {
        let same = later.same_bar(*kept);
        if same {
            *kept = *later;
        }
        same
    });
    keys
}

/// The symbols of all sources in order, and for each source the rank of every row.
struct Ranks<'a> {
    sorted: Vec<&'a str>,
    of_source: Vec<SourceRanks>,
}

struct SourceRanks {
    /// Index of a row's symbol among the source's own.
    keys: Vec<u32>,
    /// From there to the rank.
    ranks: Vec<u32>,
}

impl<'a> Ranks<'a> {
    fn of(sources: &[Source<'a>]) -> Ranks<'a> {
        let locals: Vec<(Vec<&'a str>, Vec<u32>)> =
            sources.iter().map(|source| local_symbols(&source.columns[0])).collect();
        let mut sorted: Vec<&str> = locals.iter().flat_map(|(names, _)| names).copied().collect();
        sorted.sort_unstable();
        sorted.dedup();
        let rank = |name: &&str| sorted.partition_point(|other| other < name) as u32;
        let of_source = locals
            .into_iter()
            .map(|(names, keys)| SourceRanks { ranks: names.iter().map(rank).collect(), keys })
            .collect();
        Ranks { sorted, of_source }
    }

    fn rank(&self, source: usize, row: usize) -> u32 {
        let source = &self.of_source[source];
        source.ranks[source.keys[row] as usize]
    }

    /// The symbol column of sorted rows; `None` when its text is more than 32-bit offsets reach.
    fn column(&self, keys: &[Key]) -> Option<ArrayRef> {
        let names = || keys.iter().map(|key| self.sorted[key.rank() as usize]);
        let bytes: usize = names().map(str::len).sum();
        i32::try_from(bytes).ok()?;
        let mut text = Vec::with_capacity(bytes);
        names().for_each(|name| text.extend_from_slice(name.as_bytes()));
        let offsets = OffsetBuffer::from_lengths(names().map(str::len));
        let column = StringArray::try_new(offsets, Buffer::from_vec(text), None).expect("whole strings put end to end");
        Some(Arc::new(column))
    }
}

/// The distinct symbols of a column (in a dictionary perhaps more than are used) and each row's index among them.
fn local_symbols(column: &ArrayRef) -> (Vec<&str>, Vec<u32>) {
    if let Some(column) = column.as_dictionary_opt::<Int32Type>() {
        let names = column.values().as_string::<i32>();
        let names = names.iter().map(Option::unwrap_or_default).collect();
        let keys = column.keys().values().iter().map(|&key| key as u32);
        return (names, keys.collect());
    }
    let column = column.as_string::<i32>();
    let mut names: Vec<&str> = Vec::new();
    let mut index: HashMap<&str, u32> = HashMap::new();
    let mut last: Option<(&str, u32)> = None;
    let mut keys = Vec::with_capacity(column.len());
    for row in 0..column.len() {
        let name = column.value(row);
        let key = match last {
            Some((same, key)) if same == name => key,
            _ => *index.entry(name).or_insert_with(|| {
                names.push(name);
                names.len() as u32 - 1
            }),
        };
        last = Some((name, key));
        keys.push(key);
    }
    (names, keys)
}
