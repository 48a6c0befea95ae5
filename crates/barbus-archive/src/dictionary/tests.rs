//! Chunks are appended to a file of the library and read back by the library.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::PageIndexPolicy;

use super::*;

const PAGE_ROWS: usize = 1_000;
const ROWS: usize = 2 * PAGE_ROWS + 500;

/// The footer of a file that has only `array`, and the column that the library reads from it.
fn written(array: &Float64Array, nullable: bool) -> (ArrowReaderMetadata, ArrayRef) {
    let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Float64, nullable)]));
    let writer = ArrowWriter::try_new(Vec::new(), schema, None).unwrap();
    let (mut writer, _) = writer.into_serialized_writer().unwrap();
    let chunk = encode(&writer.schema_descr().column(0), array, PAGE_ROWS).unwrap();
    let mut group = writer.next_row_group().unwrap();
    chunk.append_to_row_group(&mut group).unwrap();
    group.close().unwrap();
    let file: Bytes = writer.into_inner().unwrap().into();
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
    let footer = ArrowReaderMetadata::load(&file, options).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, footer.clone());
    let mut batches = reader.with_batch_size(array.len().max(1)).build().unwrap();
    let column = batches.next().unwrap().unwrap().column(0).clone();
    assert!(batches.next().is_none());
    (footer, column)
}

fn bits(array: &Float64Array) -> Vec<Option<u64>> {
    array.iter().map(|value| value.map(f64::to_bits)).collect()
}

/// Ticks, one value, values of all kinds, and values of which none repeats.
fn kinds() -> [fn(usize) -> f64; 4] {
    let odd = |row: usize| [0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.5, 5e-324][row % 7];
    [|row| (row * 7_919 % 977) as f64 / 100.0, |_| 1.0, odd, |row| row as f64]
}

/// Promise 7: the library reads every value to the bit.
#[test]
fn the_library_reads_what_was_encoded() {
    let nulls: [fn(usize) -> bool; 4] = [|_| false, |row| row % 3 == 1, |row| row < PAGE_ROWS, |_| true];
    for (kind, value) in kinds().into_iter().enumerate() {
        for (i, null) in nulls.into_iter().enumerate() {
            let array: Float64Array = (0..ROWS).map(|row| (!null(row)).then(|| value(row))).collect();
            let (footer, read) = written(&array, true);
            assert!(bits(read.as_primitive::<Float64Type>()) == bits(&array), "kind {kind}, nulls {i}");
            let column = footer.metadata().row_group(0).column(0).clone();
            assert_eq!(column.statistics().unwrap().null_count_opt(), Some(array.null_count() as u64));
            if i == 0 {
                let (_, read) = written(&array, false);
                assert!(bits(read.as_primitive::<Float64Type>()) == bits(&array), "kind {kind}, required");
            }
        }
    }
}

#[test]
fn the_footer_has_the_bounds_of_the_chunk_and_of_each_page() {
    let ascending: Float64Array = (0..ROWS).map(|row| row as f64).collect();
    let (footer, _) = written(&ascending, false);
    let chunk = footer.metadata().row_group(0).column(0);
    let Some(Statistics::Double(found)) = chunk.statistics() else { panic!("no statistics") };
    assert_eq!((found.min_opt(), found.max_opt()), (Some(&-0.0), Some(&(ROWS as f64 - 1.0))));
    assert!(found.min_opt().unwrap().is_sign_negative());
    let index = &footer.metadata().column_index().unwrap()[0][0];
    assert_eq!(index.get_boundary_order(), Some(BoundaryOrder::ASCENDING));
    let pages = footer.metadata().offset_index().unwrap()[0][0].page_locations();
    assert_eq!(pages.iter().map(|page| page.first_row_index).collect::<Vec<_>>(), [0, 1_000, 2_000]);
}

/// A reader that skips pages by the index would miss values that the index cannot describe.
#[test]
fn a_page_of_nan_leaves_the_chunk_without_an_index() {
    let first_nan: Float64Array = (0..ROWS).map(|row| if row < PAGE_ROWS { f64::NAN } else { 1.0 }).collect();
    let (footer, read) = written(&first_nan, false);
    assert!(bits(read.as_primitive::<Float64Type>()) == bits(&first_nan));
    assert!(footer.metadata().row_group(0).column(0).column_index_offset().is_none());
}

#[test]
fn bounds_include_both_zeros_and_no_nan() {
    assert_eq!(bounds_of(&[3.0, f64::NAN, -2.0]), Some((-2.0, 3.0)));
    assert_eq!(bounds_of(&[f64::INFINITY; 9]), Some((f64::INFINITY, f64::INFINITY)));
    assert_eq!(bounds_of(&[f64::NAN; 9]), None);
    assert_eq!(bounds_of(&[]), None);
    let (min, max) = bounds_of(&[0.0; 20]).unwrap();
    assert!(min.is_sign_negative() && max.is_sign_positive());
}

#[test]
fn pages_are_in_order_when_both_bounds_are() {
    assert_eq!(order_of(&[(1.0, 2.0), (1.0, 3.0)]), BoundaryOrder::ASCENDING);
    assert_eq!(order_of(&[(1.0, 3.0), (1.0, 2.0)]), BoundaryOrder::DESCENDING);
    assert_eq!(order_of(&[(1.0, 3.0), (2.0, 2.0)]), BoundaryOrder::UNORDERED);
}
