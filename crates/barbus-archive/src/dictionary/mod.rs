//! Dictionary columns of 64-bit floats, encoded by barbus instead of the Parquet library.
//!
//! Four prices and the volume are most of a day. The library looks up each value in a general hash
//! table and packs each index by itself, which takes two to three times as long as this encoder. It
//! is the only own encoder: all other columns, the footer and all decoding are the library's.

mod chunk;
mod distinct;
mod hybrid;

use arrow::array::{Array, Float64Array};
use parquet::basic::BoundaryOrder;
use parquet::errors::ParquetError;
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::schema::types::ColumnDescPtr;

pub(crate) use chunk::Chunk;
use chunk::{ChunkWriter, PageValues};
use distinct::Distinct;

/// Encodes `array` as a column chunk with a dictionary and pages of `page_rows` rows, compressed by
/// zstd at level 1.
pub(crate) fn encode(column: &ColumnDescPtr, array: &Float64Array, page_rows: usize) -> Result<Chunk, ParquetError> {
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
    let present: Vec<f64>;
    let values = match nulls {
        None => &array.values()[..],
        Some(_) => {
            present = array.iter().flatten().collect();
            &present
        }
    };
    let distinct = Distinct::of(values);
    let width = hybrid::width(distinct.values.len());
    let mut chunk = ChunkWriter::new(column)?;
    let dictionary: Vec<u8> = distinct.values.iter().flat_map(|bits| bits.to_le_bytes()).collect();
    chunk.dictionary(&dictionary, distinct.values.len())?;
    let (mut bounds, mut buffer, mut start) = (Vec::new(), Vec::new(), 0);
    for row in (0..array.len()).step_by(page_rows) {
        let rows = page_rows.min(array.len() - row);
        let levels = nulls.map(|nulls| nulls.slice(row, rows));
        let end = start + levels.as_ref().map_or(rows, |levels| rows - levels.null_count());
        let page_bounds = bounds_of(&values[start..end]);
        bounds.extend(page_bounds);
        buffer.clear();
        buffer.push(width as u8);
        hybrid::encode(&distinct.indices[start..end], width, &mut buffer);
        chunk.page(PageValues { rows, levels: levels.as_ref(), indices: &buffer, bounds: page_bounds })?;
        start = end;
    }
    let min = bounds.iter().map(|bounds| bounds.0).min_by(f64::total_cmp);
    let max = bounds.iter().map(|bounds| bounds.1).max_by(f64::total_cmp);
    let statistics = ValueStatistics::new(min, max, None, Some(array.null_count() as u64), false);
    let statistics = Statistics::Double(statistics.with_backwards_compatible_min_max(true));
    chunk.close(statistics, order_of(&bounds))
}

/// The smallest and the largest value. NaN does not count, and a zero has the sign that includes
/// both zeros, as the Parquet format demands. `None` when no value counts.
fn bounds_of(values: &[f64]) -> Option<(f64, f64)> {
    // Several minima and maxima at a time: the compiler makes them one instruction each.
    const LANES: usize = 8;
    let (mut min, mut max) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
    let mut add = |values: &[f64; LANES]| {
        for (i, &value) in values.iter().enumerate() {
            min[i] = if value < min[i] { value } else { min[i] };
            max[i] = if value > max[i] { value } else { max[i] };
        }
    };
    let (whole, rest) = values.as_chunks();
    whole.iter().for_each(&mut add);
    rest.iter().for_each(|&value| add(&[value; LANES]));
    let min = min.into_iter().fold(f64::INFINITY, f64::min);
    let max = max.into_iter().fold(f64::NEG_INFINITY, f64::max);
    let signed = |bound: f64, zero: f64| if bound == 0.0 { zero } else { bound };
    (min <= max).then(|| (signed(min, -0.0), signed(max, 0.0)))
}

/// The order of the pages' bounds.
fn order_of(pages: &[(f64, f64)]) -> BoundaryOrder {
    let ascending = |a: &(f64, f64), b: &(f64, f64)| a.0 <= b.0 && a.1 <= b.1;
    if pages.is_sorted_by(ascending) {
        BoundaryOrder::ASCENDING
    } else if pages.is_sorted_by(|a, b| ascending(b, a)) {
        BoundaryOrder::DESCENDING
    } else {
        BoundaryOrder::UNORDERED
    }
}

#[cfg(test)]
mod tests;
