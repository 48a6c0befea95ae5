//! The checksum over a day's values, as [`metadata::CRC32C`](crate::metadata::CRC32C) defines it.
//!
//! It depends on the columns' names, their order, the rows and the bits of every value, not on
//! their encoding. So it shows when another version of a decoder reads other values.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, Schema, TimestampMillisecondType};

use crate::workers;

/// Bytes gathered before they are added to a checksum.
const BUFFER_BYTES: usize = 1 << 16;

/// Equal symbols gathered at a time.
const MANY_SYMBOLS: usize = 256;

/// The checksum of a batch with the columns of the archive: Utf8, Timestamp(ms), Float32, Float64.
pub(crate) fn of_batch(batch: &RecordBatch) -> u32 {
    let fields = batch.schema_ref().fields().iter();
    let columns = batch.columns().iter().zip(fields.map(|field| field.is_nullable())).collect();
    let columns = workers::map(columns, batch.num_rows(), |(column, nullable)| ColumnChecksum::of(column, nullable));
    of_columns(batch.schema_ref(), &columns)
}

/// The checksum of a batch whose columns have these.
pub(crate) fn of_columns(schema: &Schema, columns: &[ColumnChecksum]) -> u32 {
    let mut all = Crc::default();
    for (field, column) in schema.fields().iter().zip(columns) {
        all.add(field.name().as_bytes());
        all.add(&[0]);
        all.append(column.values);
        all.append(column.validity);
    }
    all.crc
}

/// The checksum of one column of some rows.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct ColumnChecksum {
    values: Crc,
    /// Of whether each row has a value; empty where every row must have one.
    validity: Crc,
}

impl ColumnChecksum {
    /// The checksum of `column`, in which symbols may be a dictionary.
    pub(crate) fn of(column: &ArrayRef, nullable: bool) -> Self {
        let mut buffer = Buffer::default();
        match column.data_type() {
            DataType::Utf8 => {
                column.as_string::<i32>().iter().for_each(|symbol| buffer.add_symbols(symbol.unwrap_or_default(), 1));
            }
            DataType::Dictionary(..) => {
                let symbols = column.as_dictionary::<Int32Type>();
                let names = symbols.values().as_string::<i32>();
                // Rows of a symbol usually follow each other.
                for keys in symbols.keys().values().chunk_by(|a, b| a == b) {
                    buffer.add_symbols(names.value(keys[0] as usize), keys.len());
                }
            }
            DataType::Timestamp(..) => buffer.add_numbers::<TimestampMillisecondType, 8>(column, i64::to_le_bytes),
            DataType::Float32 => buffer.add_numbers::<Float32Type, 4>(column, f32::to_le_bytes),
            _ => buffer.add_numbers::<Float64Type, 8>(column, f64::to_le_bytes),
        }
        let mut validity = Crc::default();
        if nullable {
            let valid: Vec<u8> = match column.nulls() {
                Some(nulls) => nulls.iter().map(u8::from).collect(),
                None => vec![1; column.len()],
            };
            validity.add(&valid);
        }
        Self { values: buffer.finish(), validity }
    }

    /// Adds the checksum of the rows that follow.
    pub(crate) fn append(&mut self, next: Self) {
        self.values.append(next.values);
        self.validity.append(next.validity);
    }
}

/// A CRC-32C and the number of bytes it is over.
#[derive(Debug, Default, Clone, Copy)]
struct Crc {
    crc: u32,
    bytes: usize,
}

impl Crc {
    fn add(&mut self, bytes: &[u8]) {
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.bytes += bytes.len();
    }

    fn append(&mut self, next: Self) {
        // Combining takes as long as adding some 100,000 bytes.
        self.crc = if self.bytes == 0 { next.crc } else { crc32c::crc32c_combine(self.crc, next.crc, next.bytes) };
        self.bytes += next.bytes;
    }
}

/// A checksum of many short values: added one by one they would take several times as long.
#[derive(Default)]
struct Buffer {
    crc: Crc,
    bytes: Vec<u8>,
}

impl Buffer {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() >= BUFFER_BYTES {
            self.crc.add(&self.bytes);
            self.bytes.clear();
        }
    }

    /// Adds the same symbol `times` times.
    fn add_symbols(&mut self, symbol: &str, times: usize) {
        let one = [&(symbol.len() as u32).to_le_bytes(), symbol.as_bytes()].concat();
        let many = one.repeat(times.min(MANY_SYMBOLS));
        (0..times / MANY_SYMBOLS).for_each(|_| self.add(&many));
        self.add(&many[..times % MANY_SYMBOLS * one.len()]);
    }

    fn add_numbers<T: ArrowPrimitiveType, const N: usize>(
        &mut self,
        column: &ArrayRef,
        bytes: fn(T::Native) -> [u8; N],
    ) {
        let column = column.as_primitive::<T>();
        if cfg!(target_endian = "little") && column.null_count() == 0 {
            // The canonical form is what is in memory.
            self.crc.add(column.values().inner());
        } else {
            column.iter().for_each(|value| self.add(&value.map_or([0; N], bytes)));
        }
    }

    fn finish(mut self) -> Crc {
        self.crc.add(&self.bytes);
        self.crc
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Float64Array, StringArray, TimestampMillisecondArray};
    use arrow::datatypes::{Field, TimeUnit};
    use std::sync::Arc;

    fn batch(symbols: &ArrayRef, money: Float64Array) -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("symbol", symbols.data_type().clone(), false),
            Field::new("frame", DataType::Timestamp(TimeUnit::Millisecond, None), false),
            Field::new("money", DataType::Float64, true),
        ]);
        let frames = TimestampMillisecondArray::from_iter_values(1..=symbols.len() as i64);
        RecordBatch::try_new(Arc::new(schema), vec![symbols.clone(), Arc::new(frames), Arc::new(money)]).unwrap()
    }

    /// Guards the words of `metadata::CRC32C`: the bytes are put together here by hand.
    #[test]
    fn the_canonical_form_is_as_documented() {
        let mut form = b"symbol\0\x01\0\0\0A\x02\0\0\0BC".to_vec();
        form.extend(b"frame\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0");
        form.extend(b"money\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80\x00\x01");
        let text: ArrayRef = Arc::new(StringArray::from(vec!["A", "BC"]));
        let dictionary: ArrayRef =
            Arc::new(["A", "BC"].into_iter().collect::<arrow::array::DictionaryArray<Int32Type>>());
        for symbols in [text, dictionary] {
            let money = Float64Array::from(vec![None, Some(-0.0)]);
            assert_eq!(of_batch(&batch(&symbols, money)), crc32c::crc32c(&form));
        }
    }

    #[test]
    fn checksums_of_pieces_make_that_of_the_whole() {
        let names = (0..40_000).map(|row| Some(format!("S{}", row / 300)));
        let symbols: ArrayRef = Arc::new(names.collect::<StringArray>());
        let money = (0..40_000).map(|row| (row % 7 > 0).then_some(f64::from(row) / 3.0));
        let whole = batch(&symbols, money.collect());
        for cut in [0, 1, 7, 8_192, 39_999, 40_000] {
            let (first, second) = (whole.slice(0, cut), whole.slice(cut, 40_000 - cut));
            let columns = (0..3).map(|i| {
                let mut checksum = ColumnChecksum::of(first.column(i), i == 2);
                checksum.append(ColumnChecksum::of(second.column(i), i == 2));
                checksum
            });
            assert_eq!(of_columns(whole.schema_ref(), &columns.collect::<Vec<_>>()), of_batch(&whole), "cut at {cut}");
        }
    }

    #[test]
    fn values_under_a_null_and_behind_a_slice_do_not_count() {
        let symbols: ArrayRef = Arc::new(StringArray::from_iter_values((0..5_000).map(|row| row.to_string())));
        let numbers = || (0..5_000).map(f64::from);
        let plain = batch(&symbols, numbers().collect());
        let sliced = numbers().map(Some).chain([None]).collect::<Float64Array>().slice(0, 5_000);
        assert_eq!(of_batch(&plain), of_batch(&batch(&symbols, sliced)));
        let null = |value: f64| {
            let values = numbers().map(|number| if number == 9.0 { value } else { number }).collect::<Vec<_>>();
            Float64Array::new(values.into(), Some((0..5_000).map(|row| row != 9).collect()))
        };
        assert_eq!(of_batch(&batch(&symbols, null(1.0))), of_batch(&batch(&symbols, null(2.0))));
    }
}
