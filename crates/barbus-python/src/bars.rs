//! Bars as Arrow record batches.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, SchemaRef, TimeUnit};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyTuple};
use pyo3_arrow::PyArray;
use pyo3_arrow::error::PyArrowResult;

use crate::bar::{self, Bar};
use crate::error::raised;
use crate::{batch, capsule};

/// Bars as Arrow record batches, which Arrow libraries take without a copy (PyCapsule interface):
/// ``pyarrow.table(bars)``, ``polars.DataFrame(bars)``, ``pandas.DataFrame.from_arrow(bars)``,
/// ``duckdb.sql("FROM bars")``.
///
/// If ``pinned`` is true, they lie in the ring itself. The writer does not reuse their place while
/// this object, or anything made from it without a copy, exists. Keep such bars no longer than you
/// need them, or keep ``bars.copy()``.
#[pyclass(module = "barbus", frozen, weakref)]
pub(crate) struct Bars {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    /// Whether any of the bars lie in the ring itself.
    #[pyo3(get)]
    pinned: bool,
}

impl Bars {
    /// Batches of one schema.
    pub(crate) fn new(schema: SchemaRef, batches: Vec<RecordBatch>, pinned: bool) -> Self {
        Self { schema, batches, pinned }
    }

    /// One batch outside the ring.
    pub(crate) fn copied(batch: RecordBatch) -> Self {
        Self { schema: batch.schema(), batches: vec![batch], pinned: false }
    }

    pub(crate) fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// All bars as one batch: a copy if there are several batches.
    fn concat(&self) -> PyResult<RecordBatch> {
        match &self.batches[..] {
            [only] => Ok(only.clone()),
            batches => concat_batches(&self.schema, batches).map_err(raised),
        }
    }

    fn bar(&self, mut index: usize) -> Option<Bar> {
        for batch in &self.batches {
            if index < batch.num_rows() {
                return Some(bar_at(&self.schema, batch, index));
            }
            index -= batch.num_rows();
        }
        None
    }
}

fn bar_at(schema: &SchemaRef, batch: &RecordBatch, index: usize) -> Bar {
    let (symbol, row) = batch::read_row(batch, index);
    Bar::new(Arc::clone(schema), symbol, row)
}

/// Calls a function of `barbus._convert`, which imports other packages when it needs them.
fn convert<'py>(bars: &Bound<'py, Bars>, function: &str) -> PyResult<Bound<'py, PyAny>> {
    bars.py().import("barbus._convert")?.call_method1(function, (bars,))
}

#[pymethods]
impl Bars {
    fn __len__(&self) -> usize {
        self.rows()
    }

    /// Number of bars.
    #[getter]
    fn num_rows(&self) -> usize {
        self.rows()
    }

    /// Names of the columns.
    #[getter]
    fn column_names(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    fn __getitem__(&self, index: isize) -> PyResult<Bar> {
        let from_start = if index < 0 { self.rows().checked_add_signed(index) } else { Some(index as usize) };
        let bar = from_start.and_then(|index| self.bar(index));
        bar.ok_or_else(|| PyIndexError::new_err(format!("no bar {index}: there are {} bars", self.rows())))
    }

    fn __iter__(bars: Bound<'_, Self>) -> BarsIterator {
        BarsIterator { bars: Some(bars.unbind()), batch: 0, row: 0 }
    }

    fn __repr__(&self) -> String {
        let pinned = if self.pinned { ", pinned" } else { "" };
        format!("<barbus.Bars: {} bars{pinned}>", self.rows())
    }

    /// As one Arrow record batch (PyCapsule interface). That is a copy if the bars are in several
    /// blocks of the ring; the stream never is.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyArrowResult<Bound<'py, PyTuple>> {
        capsule::array(py, self.concat()?, requested_schema)
    }

    /// As a stream of Arrow record batches (PyCapsule interface), never copied.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyArrowResult<Bound<'py, PyCapsule>> {
        capsule::stream(py, &self.schema, self.batches.clone(), requested_schema)
    }

    /// The columns (PyCapsule interface).
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyArrowResult<Bound<'py, PyCapsule>> {
        capsule::schema(py, &self.schema)
    }

    /// The columns as arrays that numpy accepts, each with the unit of its times: times as
    /// integers, symbols as text, nulls as NaN.
    fn _columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let batch = self.concat()?;
        let columns = PyDict::new(py);
        for (field, column) in self.schema.fields().iter().zip(batch.columns()) {
            let plain: ArrayRef = match field.data_type() {
                DataType::Timestamp(..) => arrow::compute::cast(column, &DataType::Int64).map_err(raised)?,
                DataType::Dictionary(..) => arrow::compute::cast(column, &DataType::Utf8).map_err(raised)?,
                DataType::Float64 => batch::nan_for_null(column),
                _ => Arc::clone(column),
            };
            let unit = match field.data_type() {
                DataType::Timestamp(TimeUnit::Millisecond, _) => "ms",
                DataType::Timestamp(..) => "ns",
                _ => "",
            };
            let plain_field = Arc::new(Field::new(field.name(), plain.data_type().clone(), false));
            columns.set_item(field.name(), (unit, PyArray::new(plain, plain_field)))?;
        }
        Ok(columns)
    }

    /// IANA zone of ``frame``.
    #[getter]
    fn zone(&self) -> &str {
        bar::zone(&self.schema)
    }

    /// The same bars in memory of this process: they hold nothing of the ring.
    fn copy(&self) -> PyResult<Self> {
        let batches = self.batches.iter().map(batch::deep_copy).collect::<Result<_, _>>();
        Ok(Self { schema: Arc::clone(&self.schema), batches: batches.map_err(raised)?, pinned: false })
    }

    /// As a ``pyarrow.Table``, without a copy.
    fn to_pyarrow<'py>(bars: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        convert(bars, "to_pyarrow")
    }

    /// As a ``polars.DataFrame``. Of pinned bars the frame uses the memory of the ring; with
    /// ``copy=True`` it has its own, and may be kept.
    #[pyo3(signature = (*, copy=false))]
    fn to_polars<'py>(bars: &Bound<'py, Self>, copy: bool) -> PyResult<Bound<'py, PyAny>> {
        match copy && bars.get().pinned {
            true => convert(&Bound::new(bars.py(), bars.get().copy()?)?, "to_polars"),
            false => convert(bars, "to_polars"),
        }
    }

    /// As a ``pandas.DataFrame``, a copy. It does not need pyarrow.
    fn to_pandas<'py>(bars: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        convert(bars, "to_pandas")
    }

    /// As a dict of numpy arrays by column, copies: times as ``datetime64`` in UTC, symbols as
    /// ``str`` objects, nulls as NaN.
    fn to_numpy<'py>(bars: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        convert(bars, "to_numpy")
    }
}

/// Iterates over the bars of a ``Bars``.
#[pyclass(module = "barbus")]
pub(crate) struct BarsIterator {
    bars: Option<Py<Bars>>,
    batch: usize,
    row: usize,
}

#[pymethods]
impl BarsIterator {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&mut self) -> Option<Bar> {
        let bars = self.bars.as_ref()?.get();
        while let Some(batch) = bars.batches.get(self.batch) {
            if self.row < batch.num_rows() {
                let bar = bar_at(&bars.schema, batch, self.row);
                self.row += 1;
                return Some(bar);
            }
            (self.batch, self.row) = (self.batch + 1, 0);
        }
        self.bars = None;
        None
    }
}
