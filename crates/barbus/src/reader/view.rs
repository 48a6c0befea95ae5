use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, DictionaryArray, PrimitiveArray, RecordBatch, StringArray};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowPrimitiveType, Float32Type, Float64Type, Int32Type, TimestampMillisecondType};
use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit};
use arrow::datatypes::{TimestampNanosecondType, UInt8Type, UInt64Type};
use arrow::error::ArrowError;
use barbus_bars::Date;
use barbus_ring::{PinnedBlocks, PinnedRows, Ring, RingError};
use bytes::Bytes;
use zerocopy::{FromBytes, Immutable};

use super::presence::Presence;
use crate::{Bus, Error, Result};
use barbus_bars::date_from_epoch_days;

/// Bars where they lie in the ring, without a copy: committed rows of one block, held in place, as columns or as an Arrow record batch.
///
/// While the view, or a clone of its batch, one of its columns or slices lives, in whatever thread, the writer uses another place: the values
/// stay what they are. It does not wait for that; so hold views for as long as you need them and no longer: a ring whose every block is held is
/// replaced by a new file. A forked child holds what its parent held.
///
/// The columns are those of the ring: `symbol` (dictionary of strings), `frame` (the bar's end, milliseconds), `open`, `high`, `low`, `close`,
/// `volume`, the optional ones, `seq`, `received`, `revision`. Of a column that is not asked for no byte is read.
#[derive(Debug, Clone)]
pub struct View {
    rows: PinnedRows,
    source: Arc<Source>,
    batch: OnceLock<RecordBatch>,
}

impl View {
    /// Number of bars.
    pub fn num_rows(&self) -> usize {
        self.rows.len()
    }

    /// The bars. Every symbol's id is checked against the dictionary, once: where only numbers are wanted [`View::column`] is cheaper.
    ///
    /// # Errors
    /// [`Error::Ring`] where the file's bytes are no bars.
    pub fn batch(&self) -> Result<&RecordBatch> {
        if let Some(batch) = self.batch.get() {
            return Ok(batch);
        }
        let batch = self.source.batch(&self.rows).map_err(|error| self.source.corrupt(&error))?;
        Ok(self.batch.get_or_init(|| batch))
    }

    /// As [`View::batch`], for good.
    ///
    /// # Errors
    /// As [`View::batch`].
    pub fn into_batch(self) -> Result<RecordBatch> {
        self.batch().cloned()
    }

    /// The values of a column in the ring's memory; `None` where there is no such column or its values are of another type.
    ///
    /// ```
    /// # fn sum(view: &barbus::View) -> Option<f64> {
    /// use barbus::arrow::datatypes::Float64Type;
    /// let close: &[f64] = view.column::<Float64Type>("close")?;
    /// # Some(close.iter().sum())
    /// # }
    /// ```
    pub fn column<T>(&self, name: &str) -> Option<&[T::Native]>
    where
        T: ArrowPrimitiveType<Native: FromBytes + Immutable>,
    {
        let fields = self.source.schema.fields();
        let index = fields.iter().position(|field| field.name() == name)?;
        // Also that of a dictionary, whose keys alone say nothing.
        if !PrimitiveArray::<T>::is_compatible(fields[index].data_type()) {
            return None;
        }
        let values = <[T::Native]>::ref_from_bytes(self.rows.bytes(&self.source.ring, index)).ok()?;
        (values.len() == self.rows.len()).then_some(values)
    }

    /// Sequence number of the first bar; those of the others follow.
    pub fn first_seq(&self) -> u64 {
        self.rows.first_seq
    }

    /// The trading day that was open when they were written.
    pub fn day(&self) -> Option<Date> {
        self.rows.day.map(date_from_epoch_days)
    }
}

impl TryFrom<View> for RecordBatch {
    type Error = Error;

    fn try_from(view: View) -> Result<Self> {
        view.into_batch()
    }
}

/// One [`View`] after the other: all that is there, in place; made by [`Reader::views`](crate::Reader::views).
#[derive(Debug)]
pub struct Views<'a> {
    blocks: PinnedBlocks<'a>,
    viewer: &'a mut Option<Viewer>,
    bus: &'a Bus,
    presence: &'a Presence,
}

impl<'a> Views<'a> {
    pub(crate) fn new(
        blocks: PinnedBlocks<'a>,
        viewer: &'a mut Option<Viewer>,
        bus: &'a Bus,
        presence: &'a Presence,
    ) -> Self {
        Self { blocks, viewer, bus, presence }
    }

    fn try_next(&mut self) -> Result<Option<View>> {
        let Some(rows) = self.blocks.next().transpose()? else { return Ok(None) };
        self.presence.moved(self.blocks.position().seq);
        Viewer::view(self.viewer, self.blocks.ring(), self.bus, rows).map(Some)
    }
}

impl Iterator for Views<'_> {
    type Item = Result<View>;

    fn next(&mut self) -> Option<Result<View>> {
        self.try_next().transpose()
    }
}

/// What the views of one ring have in common: its schema, and its dictionary as far as it was there.
#[derive(Debug, Clone)]
struct Source {
    ring: Ring,
    bus: Bus,
    schema: SchemaRef,
    symbols: StringArray,
}

/// Makes views of one ring.
#[derive(Debug)]
pub(crate) struct Viewer(Arc<Source>);

impl Viewer {
    fn new(ring: &Ring, bus: &Bus) -> Result<Self> {
        let flatbuffer = ring.schema_flatbuffer();
        let message = arrow::ipc::root_as_message(&flatbuffer);
        let schema = message.ok().and_then(|message| message.header_as_schema());
        let schema: Schema = schema.map(arrow::ipc::convert::fb_to_schema).unwrap_or_else(Schema::empty);
        let (ring, bus, symbols) = (ring.clone(), bus.clone(), StringArray::new_null(0));
        let source = Source { ring, bus, schema: Arc::new(schema), symbols };
        match source.schema.fields().is_empty() {
            true => Err(source.corrupt(&ArrowError::SchemaError("the ring's schema cannot be read".into()))),
            false => Ok(Self(Arc::new(source))),
        }
    }

    /// A view of `rows`, by the one of `ring` in `kept`, which is made where there is none.
    pub(crate) fn view(kept: &mut Option<Self>, ring: &Ring, bus: &Bus, rows: PinnedRows) -> Result<View> {
        match kept {
            Some(viewer) => viewer.of(rows),
            none => none.insert(Self::new(ring, bus)?).of(rows),
        }
    }

    fn of(&mut self, rows: PinnedRows) -> Result<View> {
        // Counted after the rows: their symbols are among them.
        if (self.0.symbols.len() as u32) < self.0.ring.symbol_count() {
            let symbols = symbols(&self.0.ring).map_err(|error| self.0.corrupt(&error))?;
            self.0 = Arc::new(Source { symbols, ..(*self.0).clone() });
        }
        Ok(View { rows, source: Arc::clone(&self.0), batch: OnceLock::new() })
    }
}

impl Source {
    #[cold]
    fn corrupt(&self, error: &ArrowError) -> Error {
        Error::Ring(RingError::Corrupt { path: self.bus.ring(), what: error.to_string() })
    }

    fn batch(&self, rows: &PinnedRows) -> Result<RecordBatch, ArrowError> {
        let columns = (0..self.schema.fields().len()).map(|index| self.array(rows, index)).collect::<Result<_, _>>()?;
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }

    fn array(&self, rows: &PinnedRows, index: usize) -> Result<ArrayRef, ArrowError> {
        let column = Column { ring: &self.ring, rows, index };
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
    let symbols = ring.symbol_buffers();
    let offsets = Buffer::from(Bytes::from_owner(symbols.offsets));
    let offsets = ScalarBuffer::<i32>::new(offsets, 0, symbols.count as usize + 1);
    if offsets[0] < 0 || !offsets.is_sorted() {
        return Err(ArrowError::InvalidArgumentError("the offsets of the symbols do not ascend".into()));
    }
    let text = Buffer::from(Bytes::from_owner(symbols.text));
    StringArray::try_new(OffsetBuffer::new(offsets), text, None)
}
