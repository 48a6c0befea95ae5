use std::ops::Deref;
use std::sync::Arc;

use arrow_array::types::{ArrowPrimitiveType, Float32Type, Float64Type, Int32Type, TimestampMillisecondType};
use arrow_array::types::{TimestampNanosecondType, UInt8Type, UInt64Type};
use arrow_array::{Array, cast::AsArray};
use arrow_array::{ArrayRef, DictionaryArray, PrimitiveArray, RecordBatch, StringArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef, TimeUnit};
use barbus_bars::Date;
use barbus_ring::{PinnedRows, Ring};
use bytes::Bytes;

use crate::day::date_of;

/// Bars where they lie in the ring, as an Arrow record batch without a copy: committed rows of one block, held in place.
///
/// While the view, or a clone of its batch, one of its columns or slices lives, in whatever thread, the writer uses another place: the values
/// stay what they are. It does not wait for that; so hold views for as long as you need them and no longer: a ring whose every block is held is
/// replaced by a new file. A forked child holds what its parent held.
///
/// The columns are those of the ring: `symbol` (dictionary of strings), `frame` (the bar's end, milliseconds), `open`, `high`, `low`, `close`,
/// `volume`, the optional ones, `seq`, `received`, `revision`.
#[derive(Debug, Clone)]
pub struct View {
    batch: RecordBatch,
    first_seq: u64,
    day: Option<Date>,
}

impl View {
    /// The bars.
    pub fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// The values of a column in the ring's memory; `None` where there is no such column or its values are of another type.
    ///
    /// ```
    /// # fn sum(view: &barbus::View) -> Option<f64> {
    /// use barbus::arrow_array::types::Float64Type;
    /// let close: &[f64] = view.column::<Float64Type>("close")?;
    /// # Some(close.iter().sum())
    /// # }
    /// ```
    pub fn column<T: ArrowPrimitiveType>(&self, name: &str) -> Option<&[T::Native]> {
        let column = self.batch.column_by_name(name)?.as_primitive_opt::<T>()?;
        Some(column.values())
    }

    /// Sequence number of the first bar; those of the others follow.
    pub fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// The trading day that was open when they were written.
    pub fn day(&self) -> Option<Date> {
        self.day
    }
}

impl Deref for View {
    type Target = RecordBatch;

    fn deref(&self) -> &RecordBatch {
        &self.batch
    }
}

impl From<View> for RecordBatch {
    fn from(view: View) -> Self {
        view.batch
    }
}

/// Makes views of one ring: its schema, and its dictionary as far as it was needed.
#[derive(Debug)]
pub(crate) struct Viewer {
    schema: SchemaRef,
    symbols: StringArray,
}

impl Viewer {
    pub(crate) fn new(ring: &Ring) -> Result<Self, ArrowError> {
        let flatbuffer = ring.schema_flatbuffer();
        let message = arrow_ipc::root_as_message(&flatbuffer);
        let schema = message.ok().and_then(|message| message.header_as_schema());
        let schema = schema.ok_or_else(|| ArrowError::SchemaError("the ring's schema cannot be read".into()))?;
        let schema: Schema = arrow_ipc::convert::fb_to_schema(schema);
        Ok(Self { schema: Arc::new(schema), symbols: StringArray::new_null(0) })
    }

    pub(crate) fn view(&mut self, ring: &Ring, rows: &PinnedRows) -> Result<View, ArrowError> {
        // Counted after the rows: their symbols are among them.
        if (self.symbols.len() as u32) < ring.symbol_count() {
            self.symbols = symbols(ring)?;
        }
        let columns = self.schema.fields().iter().enumerate().map(|(i, field)| -> Result<ArrayRef, ArrowError> {
            let column = Column { ring, rows, index: i };
            Ok(match field.data_type() {
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
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        Ok(View { batch, first_seq: rows.first_seq, day: rows.day.map(date_of) })
    }
}

/// A column of pinned rows.
struct Column<'a> {
    ring: &'a Ring,
    rows: &'a PinnedRows,
    index: usize,
}

impl Column<'_> {
    fn array<T: ArrowPrimitiveType>(&self) -> PrimitiveArray<T> {
        let values = Buffer::from(Bytes::from_owner(self.rows.values(self.ring, self.index)));
        let nulls = self.rows.validity(self.ring, self.index).map(|validity| {
            let bits = Buffer::from(Bytes::from_owner(validity.bits));
            NullBuffer::new(BooleanBuffer::new(bits, validity.offset, self.rows.len()))
        });
        PrimitiveArray::new(ScalarBuffer::new(values, 0, self.rows.len()), nulls)
    }
}

/// The dictionary in place, checked: whatever the file's bytes are, the result is an error or an array.
fn symbols(ring: &Ring) -> Result<StringArray, ArrowError> {
    let frozen = ring.frozen_symbols();
    let offsets = Buffer::from(Bytes::from_owner(frozen.offsets));
    let offsets = ScalarBuffer::<i32>::new(offsets, 0, frozen.count as usize + 1);
    if offsets[0] < 0 || !offsets.is_sorted() {
        return Err(ArrowError::InvalidArgumentError("the offsets of the symbols do not ascend".into()));
    }
    let text = Buffer::from(Bytes::from_owner(frozen.text));
    StringArray::try_new(OffsetBuffer::new(offsets), text, None)
}
