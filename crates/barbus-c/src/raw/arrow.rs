//! Arrow's C Data Interface: batches and streams out, batches in.

use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::{Array, RecordBatch, RecordBatchReader, StructArray};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};
use arrow::ffi_stream::FFI_ArrowArrayStream;

use crate::failure::Failure;

/// Hands a batch to C as an array of structs. Its `release` drops the batch and what it pins.
pub(crate) fn export_batch(
    batch: RecordBatch,
    array: &mut MaybeUninit<FFI_ArrowArray>,
    schema: &mut MaybeUninit<FFI_ArrowSchema>,
) -> Result<(), Failure> {
    let fields = FFI_ArrowSchema::try_from(batch.schema().as_ref())?;
    let data = StructArray::from(batch).into_data();
    array.write(FFI_ArrowArray::new(&data));
    schema.write(fields);
    Ok(())
}

/// Hands a stream of batches to C.
pub(crate) fn export_stream(
    schema: SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>> + Send + 'static,
    stream: &mut MaybeUninit<FFI_ArrowArrayStream>,
) {
    stream.write(FFI_ArrowArrayStream::new(Box::new(Guarded { schema, batches: Some(batches) })));
}

/// A stream whose panics are errors: its consumer is in C.
struct Guarded<I> {
    schema: SchemaRef,
    /// `None` after a panic.
    batches: Option<I>,
}

impl<I: Iterator<Item = Result<RecordBatch, ArrowError>>> Iterator for Guarded<I> {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batches = self.batches.as_mut()?;
        catch_unwind(AssertUnwindSafe(|| batches.next())).unwrap_or_else(|_| {
            // What a panic has left is not used again, nor dropped.
            std::mem::forget(self.batches.take());
            Some(Err(ArrowError::ComputeError("a fault in barbus, please report it".to_owned())))
        })
    }
}

impl<I: Iterator<Item = Result<RecordBatch, ArrowError>>> RecordBatchReader for Guarded<I> {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

/// Takes a batch from C. The array is moved: its `release` is null afterwards.
pub(crate) fn import_batch(array: &mut FFI_ArrowArray, schema: &FFI_ArrowSchema) -> Result<RecordBatch, Failure> {
    if array.is_released() {
        return Err(Failure::argument("array: it was released: give one that is not"));
    }
    // SAFETY: the program states that both are valid by the rules of the C Data Interface, as every
    // consumer of it must trust. The array is replaced by an empty one that needs no release.
    let data = unsafe {
        let taken = FFI_ArrowArray::from_raw(array);
        from_ffi(taken, schema)
    };
    let mut data = data?;
    data.align_buffers();
    // The offsets, keys and texts of a program are not trusted.
    data.validate_full()?;
    if data.null_count() > 0 {
        return Err(Failure::argument("array: a whole row is null: a batch of bars has no such rows"));
    }
    if !matches!(data.data_type(), arrow::datatypes::DataType::Struct(_)) {
        return Err(Failure::argument("array: not an array of structs: give a record batch"));
    }
    Ok(RecordBatch::from(StructArray::from(data)))
}
