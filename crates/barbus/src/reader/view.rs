//! A view: bars that do not change, in the memory of the ring or copied from there.

use std::sync::{Arc, OnceLock};

use arrow::array::{PrimitiveArray, RecordBatch};
use arrow::datatypes::ArrowPrimitiveType;
use barbus_bars::{Date, date_from_epoch_days};
use barbus_ring::{HeldRows, Ring};
use zerocopy::{FromBytes, Immutable};

use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::reader::ring_arrays::RingArrays;

/// Committed rows of one block of the ring, as columns or as an Arrow record batch: in place where
/// that is possible, otherwise as a copy.
///
/// A block in place is pinned: the writer does not overwrite it, so the values do not change. It is
/// released when the view, its clones, its batches and all their columns and slices are dropped, in
/// any thread. The writer does not wait for that: it uses other blocks. So hold views only for as
/// long as you need them. A forked child also holds the blocks that its parent held.
///
/// A reader pins at most the share `readers.max_pins` of the ring's blocks at once, by default a
/// quarter. Beyond that, and for the few blocks of the ring's reserve, a view is a copy
/// ([`View::is_pinned`]): it holds no block, and may be kept for as long as memory permits.
///
/// The columns are those of the ring: `symbol` (dictionary of strings), `frame` (the bar's end,
/// milliseconds), `open`, `high`, `low`, `close`, `volume`, the optional ones, `seq`, `received`,
/// `revision`. A column that is not used is not read.
#[derive(Debug, Clone)]
pub struct View {
    rows: HeldRows,
    arrays: Arc<RingArrays>,
    batch: OnceLock<RecordBatch>,
}

impl View {
    /// Number of bars.
    pub fn num_rows(&self) -> usize {
        self.rows.len()
    }

    /// The bars as a record batch. The first call checks the symbol id of each row against the
    /// dictionary: [`View::column`] is cheaper if only numbers are needed.
    ///
    /// # Errors
    /// [`Error::Ring`] if the ring is corrupt.
    pub fn batch(&self) -> Result<&RecordBatch> {
        if let Some(batch) = self.batch.get() {
            return Ok(batch);
        }
        let batch = self.arrays.batch(&self.rows)?;
        Ok(self.batch.get_or_init(|| batch))
    }

    /// As [`View::batch`], but owned.
    ///
    /// # Errors
    /// As [`View::batch`].
    pub fn into_batch(self) -> Result<RecordBatch> {
        self.batch().cloned()
    }

    /// The values of a column; `None` if there is no such column, or if its values have
    /// another type.
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
        let fields = self.arrays.schema().fields();
        let index = fields.iter().position(|field| field.name() == name)?;
        // A dictionary is not compatible either: its keys mean nothing without the texts.
        if !PrimitiveArray::<T>::is_compatible(fields[index].data_type()) {
            return None;
        }
        let values = <[T::Native]>::ref_from_bytes(self.rows.bytes(self.arrays.ring(), index)).ok()?;
        (values.len() == self.rows.len()).then_some(values)
    }

    /// Whether the bars are in the memory of the ring, and hold their block. Otherwise they are a
    /// copy.
    pub fn is_pinned(&self) -> bool {
        self.rows.copied().is_none()
    }

    /// Sequence number of the first bar. The others follow without a gap.
    pub fn first_seq(&self) -> u64 {
        self.rows.first_seq
    }

    /// The trading day that was open when the bars were written; `None` between two days.
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

/// Makes the views of one ring.
#[derive(Debug)]
pub(super) struct ViewFactory(Arc<RingArrays>);

impl ViewFactory {
    /// A view of `rows` by the factory of `ring`, which is made when it is first needed.
    pub(super) fn view(factory: &mut Option<Self>, ring: &Ring, bus: &Bus, rows: HeldRows) -> Result<View> {
        match factory {
            Some(factory) => factory.view_of(rows),
            none => none.insert(Self(Arc::new(RingArrays::new(ring, bus)?))).view_of(rows),
        }
    }

    fn view_of(&mut self, rows: HeldRows) -> Result<View> {
        // The symbols are counted after the rows were pinned, so all ids of the rows are below the
        // count.
        if let Some(arrays) = self.0.with_new_symbols()? {
            self.0 = Arc::new(arrays);
        }
        Ok(View { rows, arrays: Arc::clone(&self.0), batch: OnceLock::new() })
    }
}
