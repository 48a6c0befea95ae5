//! The checksum over a day's values in their canonical form, as [`metadata::CRC32C`](crate::metadata::CRC32C) says.
//!
//! It does not depend on how the values were encoded: only on the columns' names, their order, the rows and the bits of
//! every value. What stands under a null does not count.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;

/// Bytes gathered before they are added to the checksum.
const CHUNK_BYTES: usize = 1 << 16;

/// The checksum of a batch with the columns of the archive: Utf8, Timestamp(ms), Float32 or Float64.
pub(crate) fn values(batch: &RecordBatch) -> u32 {
    let mut digest = Digest::default();
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        digest.add(field.name().as_bytes());
        digest.add(&[0]);
        digest.add_column(column, field.is_nullable());
    }
    digest.finish()
}

#[derive(Default)]
struct Digest {
    crc: u32,
    chunk: Vec<u8>,
}

impl Digest {
    fn add(&mut self, bytes: &[u8]) {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK_BYTES {
            self.crc = crc32c::crc32c_append(self.crc, &self.chunk);
            self.chunk.clear();
        }
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
                let column = column.as_primitive::<TimestampMillisecondType>();
                let bytes = column.values().iter().map(|value| value.to_le_bytes());
                self.add_values(bytes, column, nullable);
            }
            DataType::Float32 => {
                let column = column.as_primitive::<Float32Type>();
                let bytes = column.values().iter().map(|value| value.to_le_bytes());
                self.add_values(bytes, column, nullable);
            }
            _ => {
                let column = column.as_primitive::<Float64Type>();
                let bytes = column.values().iter().map(|value| value.to_le_bytes());
                self.add_values(bytes, column, nullable);
            }
        }
    }

    fn add_values<const N: usize>(
        &mut self,
        values: impl Iterator<Item = [u8; N]>,
        column: &dyn Array,
        nullable: bool,
    ) {
        if !nullable {
            values.for_each(|value| self.add(&value));
            return;
        }
        for (row, value) in values.enumerate() {
            if column.is_valid(row) {
                self.add(&[1]);
                self.add(&value);
            } else {
                self.add(&[0]);
                self.add(&[0; N]);
            }
        }
    }

    fn finish(self) -> u32 {
        crc32c::crc32c_append(self.crc, &self.chunk)
    }
}
