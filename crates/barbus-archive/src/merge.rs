//! Many sources of bars into one batch, sorted by (symbol, frame), the last source's bar kept where two have the same.
//!
//! Symbols are ordered by their bytes. No text is copied per row: every symbol gets a rank, rows are dealt out by rank,
//! and only the rows of a symbol whose frames did not come in order are sorted.

use std::collections::HashMap;
use std::iter;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, RecordBatch, StringArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, SchemaRef};

use crate::{Misuse, Result, workers};

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
    let (picks, rows_of_rank) = sorted_picks(sources, &symbols, total);
    let symbol = symbols.column(&rows_of_rank).ok_or_else(too_many)?;
    drop(symbols);
    let others = workers::in_order(schema.fields().len() - 1, picks.len(), |i| {
        let data_type = schema.field(i + 1).data_type();
        let arrays: Vec<&ArrayRef> = sources.iter().map(|source| &source.columns[i + 1]).collect();
        match data_type {
            DataType::Timestamp(..) => gather::<TimestampMillisecondType>(&arrays, &picks, data_type),
            DataType::Float32 => gather::<Float32Type>(&arrays, &picks, data_type),
            _ => gather::<Float64Type>(&arrays, &picks, data_type),
        }
    });
    let columns = iter::once(symbol).chain(others).collect();
    Ok(RecordBatch::try_new(schema.clone(), columns).expect("checked sources fit the schema"))
}

/// The values of `picks`, as `data_type`: sources may name different zones, which says nothing about the instants.
fn gather<T: ArrowPrimitiveType>(arrays: &[&ArrayRef], picks: &[Pick], data_type: &DataType) -> ArrayRef {
    let arrays: Vec<&PrimitiveArray<T>> = arrays.iter().map(|array| array.as_primitive()).collect();
    let values: Vec<&[T::Native]> = arrays.iter().map(|array| &array.values()[..]).collect();
    let values: Vec<T::Native> = match values.as_slice() {
        // No choice of source for every row where there is but one.
        [values] => picks.iter().map(|pick| values[pick.row as usize]).collect(),
        values => picks.iter().map(|pick| values[pick.source as usize][pick.row as usize]).collect(),
    };
    let nulls = arrays.iter().any(|array| array.null_count() > 0).then(|| {
        let valid = |i: usize| arrays[picks[i].source as usize].is_valid(picks[i].row as usize);
        NullBuffer::new(BooleanBuffer::collect_bool(picks.len(), valid))
    });
    Arc::new(PrimitiveArray::<T>::new(values.into(), nulls).with_data_type(data_type.clone()))
}

/// A row, and what it is sorted by within its symbol.
#[derive(Clone, Copy, Default)]
struct Pick {
    frame_ms: i64,
    source: u32,
    row: u32,
}

/// The rows to keep, sorted, and how many there are of each rank.
fn sorted_picks(sources: &[Source<'_>], symbols: &Ranks<'_>, total: usize) -> (Vec<Pick>, Vec<usize>) {
    let ranks = || {
        let of_source = |(i, source): (usize, &Source<'_>)| (0..source.len()).map(move |position| (i, position));
        let rows = sources.iter().enumerate().flat_map(of_source);
        rows.map(|(i, position)| {
            let row = sources[i].row(position);
            (symbols.rank(i, row) as usize, i, row)
        })
    };
    let mut ends = vec![0; symbols.sorted.len()];
    ranks().for_each(|(rank, ..)| ends[rank] += 1);
    let mut next: Vec<usize> = Vec::with_capacity(ends.len());
    let mut start = 0;
    for end in &mut ends {
        next.push(start);
        start += *end;
        *end = start;
    }
    let frames: Vec<&[i64]> = sources.iter().map(|source| frame_values(&source.columns[1])).collect();
    let mut picks = vec![Pick::default(); total];
    for (rank, source, row) in ranks() {
        picks[next[rank]] = Pick { frame_ms: frames[source][row], source: source as u32, row: row as u32 };
        next[rank] += 1;
    }

    let mut kept = 0;
    let mut start = 0;
    let rows_of_rank = ends.iter().map(|&end| {
        // Dealt out in the order of sources and rows, which both the check and the stable sort keep for equal frames.
        let rows = &mut picks[start..end];
        if !rows.is_sorted_by_key(|pick| pick.frame_ms) {
            rows.sort_by_key(|pick| pick.frame_ms);
        }
        let first = kept;
        for i in start..end {
            if i + 1 == end || picks[i].frame_ms != picks[i + 1].frame_ms {
                picks[kept] = picks[i];
                kept += 1;
            }
        }
        start = end;
        kept - first
    });
    let rows_of_rank = rows_of_rank.collect();
    picks.truncate(kept);
    (picks, rows_of_rank)
}

fn frame_values(array: &dyn Array) -> &[i64] {
    array.as_primitive::<TimestampMillisecondType>().values()
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

    /// The symbol column of sorted rows, so many of each rank; `None` when its text is more than 32-bit offsets reach.
    fn column(&self, rows_of_rank: &[usize]) -> Option<ArrayRef> {
        let names = || self.sorted.iter().zip(rows_of_rank).flat_map(|(name, &rows)| iter::repeat_n(*name, rows));
        let bytes: usize = self.sorted.iter().zip(rows_of_rank).map(|(name, rows)| name.len() * rows).sum();
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
