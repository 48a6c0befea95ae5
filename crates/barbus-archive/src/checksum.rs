//! The checksum over a day's values in their canonical form, as [`metadata::CRC32C`](crate::metadata::CRC32C) says.
//!
//! It does not depend on how the values were encoded: only on the columns' names, their order, the rows and the bits of
//! every value. What stands under a null does not count.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, RecordBatch};
use arrow_schema::DataType;

use crate::workers;

/// Bytes gathered before they are added to the checksum.
const CHUNK_BYTES: usize = 1 << 16;

/// The checksum of a batch with the columns of the archive: Utf8, Timestamp(ms), Float32 or Float64.
pub(crate) fn values(batch: &RecordBatch) -> u32 {
    let schema = batch.schema_ref();
    let digests = workers::in_order(batch.num_columns(), batch.num_rows(), |i| {
        let (field, column) = (schema.field(i), batch.column(i));
        let mut digest = Digest::default();
        digest.add(field.name().as_bytes());
        digest.add(&[0]);
        digest.add_column(column, field.is_nullable());
        digest.finish()
    });
    // As if the columns had been read one after another.
    digests.into_iter().fold(0, |crc, (column, length)| crc32c::crc32c_combine(crc, column, length))
}

#[derive(Default)]
struct Digest {
    crc: u32,
    length: usize,
    chunk: Vec<u8>,
}

impl Digest {
    /// For a few bytes at a time.
    fn add(&mut self, bytes: &[u8]) {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK_BYTES {
            self.flush();
        }
    }

    /// For many.
    fn add_slice(&mut self, bytes: &[u8]) {
        self.flush();
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.length += bytes.len();
    }

    fn flush(&mut self) {
        self.crc = crc32c::crc32c_append(self.crc, &self.chunk);
        self.length += self.chunk.len();
        self.chunk.clear();
    }

    fn add_column(&mut self, column: &ArrayRef, nullable: bool) {
        match column.data_type() {
            DataType::Utf8 => {
                for symbol in column.as_string::<i32>().iter() {
                    let symbol = symbol.unwrap_or_default().as_bytes();
                    self.add(&(symbol.len() as u32).to_le_bytes());
                    self.add(symbol);
                }
            }
            DataType::Timestamp(..) => {
                self.add_values::<TimestampMillisecondType, 8>(column, i64::to_le_bytes);
            }
            DataType::Float32 => self.add_values::<Float32Type, 4>(column, f32::to_le_bytes),
            _ => self.add_values::<Float64Type, 8>(column, f64::to_le_bytes),
        }
        if nullable && column.null_count() == 0 {
            let all_valid = [1; 4096];
            (0..column.len()).step_by(all_valid.len()).for_each(|row| {
                self.add(&all_valid[..all_valid.len().min(column.len() - row)]);
            });
        } else if nullable {
            for row in 0..column.len() {
                self.add(&[u8::from(column.is_valid(row))]);
            }
        }
    }

    fn add_values<T: ArrowPrimitiveType, const N: usize>(
        &mut self,
        column: &ArrayRef,
        bytes: fn(T::Native) -> [u8; N],
    ) {
        let column = column.as_primitive::<T>();
        if cfg!(target_endian = "little") && column.null_count() == 0 {
            // The canonical form is what is in memory.
            self.add_slice(column.values().inner());
        } else {
            for value in column.iter() {
                self.add(&value.map_or([0; N], bytes));
            }
        }
    }

    /// The checksum and the number of bytes it is over.
    fn finish(mut self) -> (u32, usize) {
        self.flush();
        (self.crc, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Float64Array, StringArray, TimestampMillisecondArray};
    use arrow_schema::{Field, Schema, TimeUnit};
    use std::sync::Arc;

    /// Guards the words of `metadata::CRC32C`: the bytes are put together here by hand.
    #[test]
    fn the_canonical_form_is_as_documented() {
        let schema = Schema::new(vec![
            Field::new("symbol", DataType::Utf8, false),
            Field::new("frame", DataType::Timestamp(TimeUnit::Millisecond, None), false),
            Field::new("money", DataType::Float64, true),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec!["A", "BC"])),
            Arc::new(TimestampMillisecondArray::from(vec![1, 2])),
            Arc::new(Float64Array::from(vec![None, Some(-0.0)])),
        ];
        let batch = RecordBatch::try_new(Arc::new(schema), columns).unwrap();

        let mut form = b"symbol\0\x01\0\0\0A\x02\0\0\0BC".to_vec();
        form.extend(b"frame\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0");
        form.extend(b"money\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80\x00\x01");
        assert_eq!(values(&batch), crc32c::crc32c(&form));
    }

    #[test]
    fn it_does_not_depend_on_how_nulls_or_blocks_are_laid_out() {
        let column = |values: Float64Array| {
            let schema = Schema::new(vec![Field::new("money", DataType::Float64, true)]);
            RecordBatch::try_new(Arc::new(schema), vec![Arc::new(values)]).unwrap()
        };
        let numbers = || (0..5_000).map(f64::from);
        let plain = column(numbers().collect());
        let sliced = column(numbers().map(Some).chain([None]).collect::<Float64Array>().slice(0, 5_000));
        assert_eq!(values(&plain), values(&sliced));
    }
}
