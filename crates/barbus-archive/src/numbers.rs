//! Columns of 64-bit floats, encoded as the values themselves call for.
//!
//! A dictionary where values repeat: prices in ticks, volumes in lots. Else zstd over the plain values, which finds those that come again nearby; or,
//! where hardly any does, over their bytes put together by place (BYTE_STREAM_SPLIT). Which of the two, and how hard to try, is
//! found out once for a column, from a piece of it.

use std::sync::OnceLock;

use arrow::array::AsArray;
use arrow::array::{Array, ArrayRef, Float64Array};
use arrow::buffer::{Buffer, NullBuffer, ScalarBuffer};
use bytes::Bytes;
use parquet::basic::{BoundaryOrder, Encoding};
use parquet::data_type::DoubleType;
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::schema::types::ColumnDescPtr;

use crate::chunk::{Chunk, ChunkWriter, Effort, Found, PAGE_ROWS, PageValues, Result, Zstd};
use crate::column::Tools;
use crate::dictionary::Dictionary;
use crate::hybrid;

/// A dictionary is written and read in a third of the time: it may be larger by this factor.
const DICTIONARY_MAY: f64 = 1.35;
/// What a harder try must save to be made: it takes half as long again.
const EFFORT_SAVES: f64 = 0.07;

/// Of fewer values it cannot be told, and they are soon written.
const TELLING: usize = 512;

/// A dictionary of so much less than what the first look makes of the plain values is taken without another look.
const DICTIONARY_SURELY: f64 = 0.8;

/// What a column is written as where its values have no dictionary.
#[derive(Debug, Clone, Copy)]
struct Plan {
    encoding: Encoding,
    effort: Effort,
    /// What that makes of a value.
    value_bytes: f64,
}

/// The plan of a column, and what zstd makes of its plain values at the least effort, in bytes a value: both found out when they are first
/// asked for, from a sample. All row groups have the same.
#[derive(Default)]
pub(crate) struct Plans {
    fast: OnceLock<f64>,
    plan: OnceLock<Plan>,
}

impl Plans {
    fn fast(&self, sample: &dyn Fn() -> ArrayRef, zstd: &mut Zstd) -> Result<f64> {
        if let Some(fast) = self.fast.get() {
            return Ok(*fast);
        }
        let values = present(sample().as_primitive());
        let fast = zstd.compress(Effort::Fast, &le_bytes(&values))?.len();
        Ok(*self.fast.get_or_init(|| fast as f64 / values.len().max(1) as f64))
    }

    fn plan(&self, sample: &dyn Fn() -> ArrayRef, zstd: &mut Zstd, buffer: &mut Vec<u8>) -> Result<Plan> {
        if let Some(plan) = self.plan.get() {
            return Ok(*plan);
        }
        let fast = self.fast(sample, zstd)?;
        let values = present(sample().as_primitive());
        let mut size = |effort, bytes: &[u8]| {
            zstd.compress(effort, bytes).map(|bytes| bytes.len() as f64 / values.len().max(1) as f64)
        };
        let strong = match values.len() {
            ..TELLING => fast,
            _ => size(Effort::Strong, &le_bytes(&values))?,
        };
        split(&values, buffer);
        let split = size(Effort::Fast, buffer)?;
        let worth = strong < (1.0 - EFFORT_SAVES) * fast;
        let (effort, value_bytes) = if worth { (Effort::Strong, strong) } else { (Effort::Fast, fast) };
        let plan = match split <= value_bytes {
            true => Plan { encoding: Encoding::BYTE_STREAM_SPLIT, effort: Effort::Fast, value_bytes: split },
            false => Plan { encoding: Encoding::PLAIN, effort, value_bytes },
        };
        Ok(*self.plan.get_or_init(|| plan))
    }
}

/// Encodes the values of a row group, as the column's plans say; `sample` gives some of all its values.
pub(crate) fn encode(
    column: &ColumnDescPtr,
    array: &Float64Array,
    plans: &Plans,
    sample: &dyn Fn() -> ArrayRef,
    tools: &mut Tools,
) -> Result<Chunk> {
    let Tools { zstd, dictionary, buffer } = tools;
    let values = present(array);
    let mut of_dictionary = None;
    if dictionary.fill(&values) {
        let width = hybrid::width(dictionary.values.len().saturating_sub(1));
        buffer.clear();
        buffer.resize(8 * dictionary.values.len(), 0);
        let (places, _) = buffer.as_chunks_mut();
        places.iter_mut().zip(&dictionary.values).for_each(|(place, bits)| *place = bits.to_le_bytes());
        if is_constant(dictionary) {
            of_dictionary = Some((Bytes::copy_from_slice(buffer), width));
        } else {
            let compressed = Bytes::copy_from_slice(zstd.compress(Effort::Fast, buffer)?);
            let bytes = compressed.len() + hybrid::encoded_bytes(&dictionary.indices, width);
            let value_bytes = bytes as f64 / values.len().max(1) as f64;
            if value_bytes <= DICTIONARY_SURELY * plans.fast(sample, zstd)?
                || value_bytes <= DICTIONARY_MAY * plans.plan(sample, zstd, buffer)?.value_bytes
            {
                of_dictionary = Some((compressed, width));
            }
        }
    }
    let plan = match of_dictionary {
        Some(_) => None,
        None => Some(plans.plan(sample, zstd, buffer)?),
    };
    let mut chunk = ChunkWriter::new(column, zstd);
    let indexed = of_dictionary.as_ref().map(|&(_, width)| (&dictionary.indices, width));
    if let Some((buf, _)) = of_dictionary {
        if is_constant(dictionary) {
            chunk.leave_uncompressed();
        }
        chunk.dictionary(buf, 8 * dictionary.values.len(), dictionary.values.len())?;
    }
    let mut bounds = Vec::new();
    let mut begin = 0;
    for row in (0..array.len()).step_by(PAGE_ROWS) {
        let rows = PAGE_ROWS.min(array.len() - row);
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0).map(|nulls| nulls.slice(row, rows));
        let levels = nulls.as_ref().map(|nulls| nulls.iter().map(u32::from).collect::<Vec<_>>());
        let end = begin + rows - nulls.as_ref().map_or(0, NullBuffer::null_count);
        let page = values.slice(begin, end - begin);
        let page_bounds = bounds_of(&page);
        bounds.push(page_bounds);
        let plain;
        let (encoding, effort, bytes) = match (indexed, plan) {
            (Some((indices, width)), _) => {
                buffer.clear();
                buffer.push(width as u8);
                hybrid::encode(&indices[begin..end], width, buffer);
                (Encoding::RLE_DICTIONARY, Effort::Fast, &buffer[..])
            }
            (None, Some(Plan { encoding: Encoding::BYTE_STREAM_SPLIT, effort, .. })) => {
                split(&page, buffer);
                (Encoding::BYTE_STREAM_SPLIT, effort, &buffer[..])
            }
            (None, plan) => {
                plain = le_bytes(&page);
                (Encoding::PLAIN, plan.map_or(Effort::Fast, |plan| plan.effort), &plain[..])
            }
        };
        let bounds = page_bounds.map(|(min, max)| (min.to_le_bytes().to_vec(), max.to_le_bytes().to_vec()));
        chunk.page(rows, levels.as_deref(), PageValues { encoding, bytes, effort, bounds, text_bytes: None })?;
        begin = end;
    }
    let known: Vec<(f64, f64)> = bounds.into_iter().flatten().collect();
    let least = known.iter().map(|&(min, _)| min).min_by(f64::total_cmp);
    let most = known.iter().map(|&(_, max)| max).max_by(f64::total_cmp);
    let statistics = ValueStatistics::new(least, most, None, Some(chunk.nulls()), false);
    let statistics = Statistics::Double(statistics.with_backwards_compatible_min_max(true));
    chunk.close(statistics, order_of(&known))
}

/// Whether all rows have one value, or none has any.
fn is_constant(dictionary: &Dictionary) -> bool {
    dictionary.values.len() <= 1
}

/// Whether `chunk`, read back, has these values, to the bit.
pub(crate) fn reads_as(chunk: Found<'_>, array: &Float64Array) -> Result<bool> {
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
    let values = present(array);
    let mut begin = 0;
    chunk.reads_as::<DoubleType>(array.len(), |row, levels, found| {
        let levels_same = match (levels, nulls) {
            (Some(levels), Some(nulls)) => {
                levels.iter().enumerate().all(|(i, &level)| (level == 1) == nulls.is_valid(row + i))
            }
            (Some(levels), None) => levels.iter().all(|&level| level == 1),
            (None, nulls) => nulls.is_none(),
        };
        let Some(meant) = values.get(begin..begin + found.len()) else { return false };
        begin += found.len();
        let differ = meant.iter().zip(found).fold(0, |differ, (a, b)| differ | (a.to_bits() ^ b.to_bits()));
        levels_same && differ == 0
    })
}

/// The values that are not null.
fn present(array: &Float64Array) -> ScalarBuffer<f64> {
    match array.null_count() {
        0 => array.values().clone(),
        _ => array.iter().flatten().collect::<Vec<_>>().into(),
    }
}

fn le_bytes(values: &ScalarBuffer<f64>) -> Buffer {
    if cfg!(target_endian = "little") {
        return values.inner().clone();
    }
    values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into()
}

/// The first bytes of all values, then the second ones, and so on.
fn split(values: &[f64], out: &mut Vec<u8>) {
    out.clear();
    out.resize(values.len() * 8, 0);
    if values.is_empty() {
        return;
    }
    for (place, stream) in out.chunks_exact_mut(values.len()).enumerate() {
        for (byte, value) in stream.iter_mut().zip(values) {
            *byte = (value.to_bits() >> (8 * place)) as u8;
        }
    }
}

/// The smallest and the largest value; zero of either sign within them, what is not a number left out.
fn bounds_of(values: &[f64]) -> Option<(f64, f64)> {
    const LANES: usize = 8;
    let (mut least, mut most) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
    let (rows, rest) = values.as_chunks::<LANES>();
    let mut take = |row: &[f64; LANES]| {
        for i in 0..LANES {
            least[i] = if row[i] < least[i] { row[i] } else { least[i] };
            most[i] = if row[i] > most[i] { row[i] } else { most[i] };
        }
    };
    rows.iter().for_each(&mut take);
    rest.iter().for_each(|&value| take(&[value; LANES]));
    let least = least.into_iter().fold(f64::INFINITY, f64::min);
    let most = most.into_iter().fold(f64::NEG_INFINITY, f64::max);
    let signed = |bound: f64, zero: f64| if bound == 0.0 { zero } else { bound };
    (least <= most).then(|| (signed(least, -0.0), signed(most, 0.0)))
}

/// The order of the pages' bounds.
pub(crate) fn order_of<T: PartialOrd + Copy>(pages: &[(T, T)]) -> BoundaryOrder {
    let all = |ordered: fn(T, T) -> bool| {
        pages.windows(2).all(|pair| ordered(pair[0].0, pair[1].0) && ordered(pair[0].1, pair[1].1))
    };
    match (all(|a, b| a <= b), all(|a, b| a >= b)) {
        (true, _) => BoundaryOrder::ASCENDING,
        (false, true) => BoundaryOrder::DESCENDING,
        (false, false) => BoundaryOrder::UNORDERED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::basic::{Compression, Repetition, Type};
    use parquet::schema::types::{ColumnDescriptor, ColumnPath, Type as SchemaType};
    use std::sync::Arc;

    const ROWS: usize = PAGE_ROWS + 1_000;

    fn column(nullable: bool) -> ColumnDescPtr {
        let repetition = if nullable { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        let of = SchemaType::primitive_type_builder("x", Type::DOUBLE).with_repetition(repetition).build().unwrap();
        Arc::new(ColumnDescriptor::new(Arc::new(of), i16::from(nullable), 0, ColumnPath::from("x")))
    }

    fn chunk(array: &Float64Array, nullable: bool) -> Chunk {
        let sample = || Arc::new(array.slice(0, array.len().min(1_000))) as ArrayRef;
        encode(&column(nullable), array, &Plans::default(), &sample, &mut Tools::default()).unwrap()
    }

    fn encodings(chunk: &Chunk) -> Vec<Encoding> {
        chunk.close.metadata.encodings().collect()
    }

    fn noise(row: usize) -> f64 {
        f64::from_bits((row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 12 | 0x3ff0_0000_0000_0000)
    }

    /// The value of a row, and what it is written as for certain.
    type Kind = (fn(usize) -> f64, Option<Encoding>);

    /// Ticks, lots, the same again, numbers of all kinds, what comes again nearby, and whole numbers that seldom do.
    fn kinds() -> Vec<Kind> {
        let odd = |row: usize| [0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.5, 5e-324][row % 7];
        vec![
            (|row| (noise(row) * 1_000.0).floor() / 100.0, Some(Encoding::RLE_DICTIONARY)),
            (|row| (noise(row) * 500.0).floor() * 100.0, None),
            (|_| 1.0, None),
            (odd, None),
            (|row| noise(row / 2), Some(Encoding::PLAIN)),
            (|row| (noise(row) * 1e6).floor(), Some(Encoding::BYTE_STREAM_SPLIT)),
        ]
    }

    #[test]
    fn values_are_read_back_to_the_bit_and_no_others_pass_for_them() {
        for (kind, (value, encoding)) in kinds().into_iter().enumerate() {
            let with =
                |other: Option<usize>| (0..ROWS).map(move |row| value(if Some(row) == other { row + 1 } else { row }));
            let array: Float64Array = with(None).collect();
            let chunk = chunk(&array, false);
            let plain = chunk.close.metadata.compression() == Compression::UNCOMPRESSED;
            assert_eq!(plain, kind == 2, "{kind}: only those of one value");
            assert!(
                encoding.is_none_or(|encoding| encodings(&chunk).contains(&encoding)),
                "{kind}: {:?}",
                encodings(&chunk)
            );
            assert!(reads_as(chunk.found(), &array).unwrap(), "{kind}");
            for row in [0, PAGE_ROWS - 1, PAGE_ROWS, ROWS - 1].into_iter().filter(|&row| value(row) != value(row + 1)) {
                let other: Float64Array = with(Some(row)).collect();
                assert!(!reads_as(chunk.found(), &other).unwrap(), "{kind}: row {row}");
            }
            assert!(!reads_as(chunk.found(), &array.slice(1, ROWS - 1)).unwrap(), "{kind}");
            assert!(!reads_as(chunk.found(), &array.slice(0, ROWS - 1)).unwrap(), "{kind}");
        }
    }

    #[test]
    fn nulls_are_read_back_where_they_were() {
        for (kind, (value, _)) in kinds().into_iter().enumerate() {
            for null in [|_| false, |row| row % 3 == 1, |row| row < PAGE_ROWS, |_| true] as [fn(usize) -> bool; 4] {
                let with = |other: Option<usize>| {
                    (0..ROWS)
                        .map(|row| (null(row) == (Some(row) == other)).then(|| value(row)))
                        .collect::<Float64Array>()
                };
                let array = with(None);
                let chunk = chunk(&array, true);
                assert!(reads_as(chunk.found(), &array).unwrap(), "{kind}");
                for row in [0, PAGE_ROWS, ROWS - 1] {
                    assert!(!reads_as(chunk.found(), &with(Some(row))).unwrap(), "{kind}: row {row}");
                }
                let found = chunk.close.metadata.statistics().unwrap().null_count_opt();
                assert_eq!(found, Some(array.null_count() as u64), "{kind}");
            }
        }
    }

    #[test]
    fn bounds_leave_out_what_cannot_be_compared_and_have_both_zeros() {
        assert_eq!(bounds_of(&[3.0, f64::NAN, -2.0]), Some((-2.0, 3.0)));
        assert_eq!(bounds_of(&[f64::INFINITY; 9]), Some((f64::INFINITY, f64::INFINITY)));
        assert_eq!(bounds_of(&[f64::NAN; 9]), None);
        assert_eq!(bounds_of(&[]), None);
        let (least, most) = bounds_of(&[0.0; 20]).unwrap();
        assert!(least.is_sign_negative() && most.is_sign_positive());
        // A page with nothing to compare leaves the chunk without an index.
        let first_nan: Float64Array = (0..ROWS).map(|row| if row < PAGE_ROWS { f64::NAN } else { 1.0 }).collect();
        assert!(chunk(&first_nan, false).close.column_index.is_none());
        let ascending: Float64Array = (0..ROWS).map(|row| row as f64).collect();
        let close = chunk(&ascending, false).close;
        let index = close.column_index.unwrap();
        assert_eq!(index.get_boundary_order(), Some(BoundaryOrder::ASCENDING));
        assert_eq!(close.offset_index.unwrap().page_locations.len(), 2);
        let Some(Statistics::Double(found)) = close.metadata.statistics() else { panic!("no statistics") };
        assert_eq!((found.min_opt(), found.max_opt()), (Some(&-0.0), Some(&(ROWS as f64 - 1.0))));
    }
}
