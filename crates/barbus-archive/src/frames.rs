//! The column of frames: steps from one to the next.

use parquet::basic::Encoding;
use parquet::data_type::Int64Type;
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::schema::types::ColumnDescPtr;

use crate::chunk::{Chunk, ChunkWriter, Effort, Found, PAGE_ROWS, PageValues, Result};
use crate::column::Tools;
use crate::delta;
use crate::numbers::order_of;

/// Encodes the frames of a row group, in milliseconds.
pub(crate) fn encode(column: &ColumnDescPtr, frames: &[i64], tools: &mut Tools) -> Result<Chunk> {
    let Tools { zstd, buffer, .. } = tools;
    let mut chunk = ChunkWriter::new(column, zstd);
    let mut bounds = Vec::new();
    for page in frames.chunks(PAGE_ROWS) {
        buffer.clear();
        delta::encode(page, buffer);
        let (least, most) = page.iter().fold((i64::MAX, i64::MIN), |(least, most), &ms| (least.min(ms), most.max(ms)));
        bounds.push((least, most));
        let values = PageValues {
            encoding: Encoding::DELTA_BINARY_PACKED,
            bytes: buffer,
            effort: Effort::Fast,
            bounds: Some((least.to_le_bytes().to_vec(), most.to_le_bytes().to_vec())),
            text_bytes: None,
        };
        chunk.page(page.len(), None, values)?;
    }
    let least = bounds.iter().map(|&(least, _)| least).min();
    let most = bounds.iter().map(|&(_, most)| most).max();
    let statistics = ValueStatistics::new(least, most, None, Some(0), false);
    chunk.close(Statistics::Int64(statistics.with_backwards_compatible_min_max(true)), order_of(&bounds))
}

/// Whether `chunk`, read back, has these frames.
pub(crate) fn reads_as(chunk: Found<'_>, frames: &[i64]) -> Result<bool> {
    chunk.reads_as::<Int64Type>(frames.len(), |row, levels, found| {
        levels.is_none() && frames.get(row..row + found.len()) == Some(found)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::basic::{BoundaryOrder, Type};
    use parquet::schema::types::{ColumnDescriptor, ColumnPath, Type as SchemaType};
    use std::sync::Arc;

    fn chunk(frames: &[i64]) -> Chunk {
        let of = SchemaType::primitive_type_builder("frame", Type::INT64);
        let of = of.with_repetition(parquet::basic::Repetition::REQUIRED).build().unwrap();
        let column = ColumnDescriptor::new(Arc::new(of), 0, 0, ColumnPath::from("frame"));
        encode(&Arc::new(column), frames, &mut Tools::default()).unwrap()
    }

    /// The library decodes what is encoded here: any length of the last block, steps of every width.
    #[test]
    fn frames_are_read_back_and_no_others_pass_for_them() {
        let day = |row: i64| 1_709_164_800_000 + row % 240 * 60_000;
        let wild = |row: i64| row.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64) >> (row % 64);
        for frame in [day, wild, |row| row * 60_000, |row| if row % 2 == 0 { i64::MIN } else { i64::MAX }] {
            for count in [1, 2, 32, 33, 34, 128, 129, 130, 1_000, PAGE_ROWS as i64 + 500] {
                let frames: Vec<i64> = (0..count).map(frame).collect();
                let chunk = chunk(&frames);
                assert!(reads_as(chunk.found(), &frames).unwrap(), "{count}");
                let mut other = frames.clone();
                other[count as usize - 1] ^= 1;
                assert!(!reads_as(chunk.found(), &other).unwrap(), "{count}");
                assert!(!reads_as(chunk.found(), &frames[1..]).unwrap(), "{count}");
            }
        }
    }

    #[test]
    fn a_reader_finds_the_page_of_a_frame() {
        let close = chunk(&(0..2 * PAGE_ROWS as i64).collect::<Vec<_>>()).close;
        let index = close.column_index.unwrap();
        assert_eq!(index.get_boundary_order(), Some(BoundaryOrder::ASCENDING));
        assert_eq!(close.offset_index.unwrap().page_locations.len(), 2);
        let Some(Statistics::Int64(found)) = close.metadata.statistics() else { panic!("no statistics") };
        assert_eq!((found.min_opt(), found.max_opt()), (Some(&0), Some(&(2 * PAGE_ROWS as i64 - 1))));
    }
}
