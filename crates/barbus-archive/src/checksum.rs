//! The checksum over a day's values in their canonical form, as [`metadata::CRC32C`](crate::metadata::CRC32C) says.
//!
//! It does not depend on how the values were encoded: only on the columns' names, their order, the rows and the bits of
//! every value. What stands under a null does not count.

use arrow::array::AsArray;
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, Schema};
use arrow::datatypes::{Float32Type, Float64Type, TimestampMillisecondType};

use crate::workers;

/// Bytes gathered before they are added to the checksum.
const CHUNK_BYTES: usize = 1 << 16;
/// Rows of one symbol that are added at a time.
const SYMBOL_ROWS: usize = 64;
/// Rows that one processor takes at a time.
const PIECE_ROWS: usize = 32_768;

/// The checksum of a batch with the columns of the archive: Utf8, Timestamp(ms), Float32 or Float64.
pub(crate) fn values(batch: &RecordBatch) -> u32 {
    let threads = workers::threads(batch.num_rows(), PIECE_ROWS);
    let digests = workers::in_order(batch.num_rows().div_ceil(PIECE_ROWS), threads, |piece| {
        let from = piece * PIECE_ROWS;
        let piece = batch.slice(from, PIECE_ROWS.min(batch.num_rows() - from));
        let digest = |(column, field): (&ArrayRef, &FieldRef)| ColumnDigest::of(column, field.is_nullable());
        piece.columns().iter().zip(batch.schema_ref().fields()).map(digest).collect()
    });
    join(batch.schema_ref(), digests)
}

/// The checksum of rows of which these are the digests: piece by piece, in each of them column by column.
pub(crate) fn join(schema: &Schema, pieces: Vec<Vec<ColumnDigest>>) -> u32 {
    let mut pieces: Vec<_> = pieces.into_iter().map(Vec::into_iter).collect();
    // As if the columns had been read one after another.
    let mut crc = 0;
    for field in schema.fields() {
        crc = crc32c::crc32c_append(crc, field.name().as_bytes());
        crc = crc32c::crc32c_append(crc, &[0]);
        let columns: Vec<_> = pieces.iter_mut().filter_map(Iterator::next).collect();
        let (values, validity): (Vec<_>, Vec<_>) =
            columns.into_iter().map(|column| (column.values.finish(), column.validity.finish())).unzip();
        for (piece, length) in values.into_iter().chain(validity) {
            crc = combine(crc, piece, length);
        }
    }
    crc
}

/// The polynomial of CRC-32C, as all polynomials here with the coefficient of x^0 in the highest bit.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// The checksum of what has `first`, followed by `length` bytes that have `second`.
///
/// To go on over `length` bytes is to multiply with x^(8 * length). The crate's own function multiplies matrices for that: with a piece for each
/// row group that takes longer than the checksums do.
fn combine(first: u32, second: u32, length: usize) -> u32 {
    // x^8, its square, the square of that, and so on.
    let mut power = 1 << 23;
    let mut shifted = first;
    let mut rest = length;
    while rest > 0 {
        if rest & 1 == 1 {
            shifted = product(shifted, power);
        }
        power = product(power, power);
        rest >>= 1;
    }
    shifted ^ second
}

/// The product of two polynomials, modulo the polynomial of CRC-32C.
fn product(a: u32, mut b: u32) -> u32 {
    let mut sum = 0;
    for bit in (0..u32::BITS).rev() {
        sum ^= b & 0u32.wrapping_sub(a >> bit & 1);
        b = b >> 1 ^ POLYNOMIAL & 0u32.wrapping_sub(b & 1);
    }
    sum
}

/// What goes into the checksum of one column of some rows.
#[derive(Debug, Default)]
pub(crate) struct ColumnDigest {
    values: Digest,
    validity: Digest,
}

impl ColumnDigest {
    /// Of any column.
    pub(crate) fn of(column: &ArrayRef, nullable: bool) -> Self {
        let mut digest = Self::default();
        digest.values.add_column(column);
        if nullable {
            digest.validity.add_validity(column);
        }
        digest
    }

    /// Of symbols, each with the number of its rows.
    pub(crate) fn of_symbols(runs: &[(&str, usize)]) -> Self {
        let mut digest = Self::default();
        let mut block = Vec::new();
        for &(symbol, rows) in runs {
            block.clear();
            for _ in 0..rows.min(SYMBOL_ROWS) {
                block.extend_from_slice(&(symbol.len() as u32).to_le_bytes());
                block.extend_from_slice(symbol.as_bytes());
            }
            let row_bytes = size_of::<u32>() + symbol.len();
            (0..rows / SYMBOL_ROWS).for_each(|_| digest.values.add(&block));
            digest.values.add(&block[..rows % SYMBOL_ROWS * row_bytes]);
        }
        digest
    }
}

#[derive(Debug, Default)]
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

    fn add_column(&mut self, column: &ArrayRef) {
        match column.data_type() {
            DataType::Utf8 => {
                column.as_string::<i32>().iter().for_each(|symbol| self.add_symbol(symbol.unwrap_or_default()));
            }
            DataType::Timestamp(..) => {
                self.add_values::<TimestampMillisecondType, 8>(column, i64::to_le_bytes);
            }
            DataType::Float32 => self.add_values::<Float32Type, 4>(column, f32::to_le_bytes),
            _ => self.add_values::<Float64Type, 8>(column, f64::to_le_bytes),
        }
    }

    fn add_symbol(&mut self, symbol: &str) {
        self.add(&(symbol.len() as u32).to_le_bytes());
        self.add(symbol.as_bytes());
    }

    fn add_validity(&mut self, column: &ArrayRef) {
        if column.null_count() == 0 {
            let all_valid = [1; 4096];
            (0..column.len()).step_by(all_valid.len()).for_each(|row| {
                self.add_slice(&all_valid[..all_valid.len().min(column.len() - row)]);
            });
        } else {
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
    use arrow::array::{Float64Array, StringArray, TimestampMillisecondArray};
    use arrow::datatypes::{Field, Schema, TimeUnit};
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
    fn checksums_of_pieces_make_that_of_the_whole() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for cut in [0, 1, 7, 8, 4_096, 65_537, bytes.len()] {
            let (first, second) = bytes.split_at(cut);
            let combined = combine(crc32c::crc32c(first), crc32c::crc32c(second), second.len());
            assert_eq!(combined, crc32c::crc32c(&bytes), "cut at {cut}");
        }
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
