//! Parquet files, read as Arrow batches.
//!
//! A file on disk is read row group by row group; one from a pipe or gzip is already in memory.

use std::fs::File;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::ChunkReader;

use super::arrow::ArrowRecords;
use super::guarded::guarded;
use crate::error::InputError;
use crate::packing::progress::Progress;
use crate::source::BATCH_ROWS;

/// Opens the Parquet `file`; its bytes are counted in `progress` as rows are read.
pub(crate) fn open_file(input: &str, file: File, progress: &Progress) -> Result<ArrowRecords, InputError> {
    let size = file.metadata().map(|metadata| metadata.len()).unwrap_or(0);
    open(input, file, Some((progress.clone(), size)))
}

/// Opens a Parquet file that is in memory.
pub(crate) fn open_bytes(input: &str, whole: Vec<u8>) -> Result<ArrowRecords, InputError> {
    open(input, Bytes::from(whole), None)
}

fn open(
    input: &str,
    reader: impl ChunkReader + 'static,
    progress: Option<(Progress, u64)>,
) -> Result<ArrowRecords, InputError> {
    let builder = guarded(|| ParquetRecordBatchReaderBuilder::try_new(reader))
        .map_err(|error| InputError::decode(input, "Parquet", 0, &error))?;
    let schema = builder.schema().clone();
    let rows = builder.metadata().file_metadata().num_rows().max(1) as u64;
    let reader = guarded(|| builder.with_batch_size(BATCH_ROWS).build())
        .map_err(|error| InputError::decode(input, "Parquet", 0, &error))?;
    let mut rows_read = 0;
    let counted = reader.inspect(move |batch: &Result<RecordBatch, ArrowError>| {
        if let (Some((progress, size)), Ok(batch)) = (&progress, batch) {
            // In proportion to the rows: the decoder reads the columns of a row group out of order.
            let share = |rows_read: u64| (u128::from(*size) * u128::from(rows_read) / u128::from(rows)) as u64;
            let before = share(rows_read);
            rows_read += batch.num_rows() as u64;
            progress.add(share(rows_read) - before);
        }
    });
    Ok(ArrowRecords::new(input, "Parquet", schema, Box::new(counted)))
}
