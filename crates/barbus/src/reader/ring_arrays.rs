//! Arrow arrays over rows that are held, in the memory of the ring or as a copy.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, DictionaryArray, PrimitiveArray, RecordBatch, StringArray};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowPrimitiveType, Float32Type, Float64Type, Int32Type, TimestampMillisecondType};
use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit};
use arrow::datatypes::{TimestampNanosecondType, UInt8Type, UInt64Type};
use arrow::error::ArrowError;
use barbus_ring::{HeldRows, Ring, RingError};
use bytes::Bytes;

use crate::bus::Bus;
use crate::error::{Error, Result};

/// Builds the arrays of one ring's held rows, from its schema and its symbols.
#[derive(Debug, Clone)]
pub(super) struct RingArrays {
    ring: Ring,
    bus: Bus,
    schema: SchemaRef,
    symbols: StringArray,
}

impl RingArrays {
    pub(super) fn new(ring: &Ring, bus: &Bus) -> Result<Self> {
        let flatbuffer = ring.schema_flatbuffer();
        let message = arrow::ipc::root_as_message(&flatbuffer);
        let schema = message.ok().and_then(|message| message.header_as_schema());
        let schema: Schema = schema.map(arrow::ipc::convert::fb_to_schema).unwrap_or_else(Schema::empty);
        let (ring, bus, symbols) = (ring.clone(), bus.clone(), StringArray::new_null(0));
        let arrays = Self { ring, bus, schema: Arc::new(schema), symbols };
        match arrays.schema.fields().is_empty() {
            true => Err(arrays.corrupt(&ArrowError::SchemaError("the ring's schema cannot be read".into()))),
            false => Ok(arrays),
        }
    }

    pub(super) fn ring(&self) -> &Ring {
        &self.ring
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// A copy with the symbols that the ring has by now; `None` if there are no new ones.
    pub(super) fn with_new_symbols(&self) -> Result<Option<Self>> {
        if (self.symbols.len() as u32) >= self.ring.symbol_count() {
            return Ok(None);
        }
        let symbols = symbols(&self.ring).map_err(|error| self.corrupt(&error))?;
        Ok(Some(Self { symbols, ..self.clone() }))
    }

    /// All columns of `rows`.
    pub(super) fn batch(&self, rows: &HeldRows) -> Result<RecordBatch> {
        let columns = (0..self.schema.fields().len()).map(|index| self.array(rows, index)).collect::<Result<_, _>>();
        let batch = columns.and_then(|columns| RecordBatch::try_new(Arc::clone(&self.schema), columns));
        batch.map_err(|error| self.corrupt(&error))
    }

    fn array(&self, rows: &HeldRows, index: usize) -> Result<ArrayRef, ArrowError> {
        let column = ColumnOf { ring: &self.ring, rows, index };
        Ok(match self.schema.field(index).data_type() {
            DataType::Dictionary(..) => {
                let keys = column.array::<Int32Type>();
                Arc::new(DictionaryArray::try_new(keys, Arc::new(self.symbols.clone()))?)
            }
            DataType::Timestamp(TimeUnit::Millisecond, zone) => {
                Arc::new(column.array::<TimestampMillisecondType>().with_timezone_opt(zone.clone()))
            }
            DataType::Timestamp(_, zone) => {
                Arc::new(column.array::<TimestampNanosecondType>().with_timezone_opt(zone.clone()))
            }
            DataType::Float32 => Arc::new(column.array::<Float32Type>()),
            DataType::UInt64 => Arc::new(column.array::<UInt64Type>()),
            DataType::UInt8 => Arc::new(column.array::<UInt8Type>()),
            _ => Arc::new(column.array::<Float64Type>()),
        })
    }

    #[cold]
    fn corrupt(&self, error: &ArrowError) -> Error {
        Error::Ring(RingError::Corrupt { path: self.bus.ring(), what: error.to_string() })
    }
}

/// A column of held rows.
struct ColumnOf<'a> {
    ring: &'a Ring,
    rows: &'a HeldRows,
    index: usize,
}

impl ColumnOf<'_> {
    fn array<T: ArrowPrimitiveType>(&self) -> PrimitiveArray<T> {
        let values = Buffer::from(Bytes::from_owner(self.rows.values(self.ring, self.index)));
        let nulls = self.rows.validity(self.ring, self.index).map(|validity| {
            let bits = Buffer::from(Bytes::from_owner(validity.bits));
            NullBuffer::new(BooleanBuffer::new(bits, validity.offset, self.rows.len()))
        });
        PrimitiveArray::new(ScalarBuffer::new(values, 0, self.rows.len()), nulls)
    }
}

/// A copy of the dictionary, because copied rows must not keep the ring's file open. Whatever bytes
/// the file has, the result is a valid array or an error.
fn symbols(ring: &Ring) -> Result<StringArray, ArrowError> {
    let symbols = ring.symbol_buffers();
    let offsets = Buffer::from(&*symbols.offsets);
    let offsets = ScalarBuffer::<i32>::new(offsets, 0, symbols.count as usize + 1);
    if offsets[0] < 0 || !offsets.is_sorted() {
        return Err(ArrowError::InvalidArgumentError("the offsets of the symbols do not ascend".into()));
    }
    let text = Buffer::from(&*symbols.text);
    StringArray::try_new(OffsetBuffer::new(offsets), text, None)
}
