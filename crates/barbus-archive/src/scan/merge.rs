//! Bars from several batches as one.

use arrow::array::{Array, RecordBatch};
use arrow::error::ArrowError;

use crate::sort::{SortInput, SortedRows};
use crate::{ArchiveError, Result};

/// The bars of `batches`, sorted by (symbol, frame). Where a bar is in several batches, that of the
/// last one counts; within a batch, the last row.
///
/// All batches have the same columns, `symbol` (Utf8, or a dictionary of it) and `frame` first. The
/// result has `symbol` as a dictionary.
///
/// # Errors
/// [`ArchiveError::Misuse`] beyond 2^32 rows.
///
/// # Panics
/// Without a batch.
pub fn merge(batches: &[RecordBatch]) -> Result<RecordBatch> {
    let schema = batches.first().expect("at least one batch").schema();
    let inputs = batches.iter().map(|batch| SortInput { columns: batch.columns(), rows: None }).collect();
    let sorted = SortedRows::new(inputs, &schema)?;
    let columns = (0..schema.fields().len()).map(|i| sorted.column(i, 0..sorted.len()));
    let columns = columns.collect::<Result<Vec<_>, ArrowError>>().map_err(ArchiveError::Merge)?;
    let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
    fields[0] = fields[0].as_ref().clone().with_data_type(columns[0].data_type().clone()).into();
    RecordBatch::try_new(arrow::datatypes::Schema::new(fields).into(), columns).map_err(ArchiveError::Merge)
}
