use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StructArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, SchemaRef};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyTuple};
use pyo3_arrow::PyArray;
use pyo3_arrow::error::PyArrowResult;
use pyo3_arrow::ffi::{ArrayIterator, to_array_pycapsules, to_schema_pycapsule, to_stream_pycapsule};

use crate::bar::Bar;
use crate::batch;
use crate::error::raised;

/// Some bars, as Arrow record batches that every Arrow library takes without a copy (PyCapsule interface):
/// ``pyarrow.table(bars)``, ``polars.DataFrame(bars)``, ``pandas.DataFrame.from_arrow(bars)``, ``duckdb.sql("FROM bars")``.
///
/// Where ``pinned`` is true they lie in the ring itself, which does not use their place again while this object, or anything that was made of
/// it without a copy, lives. Hold such bars no longer than they are needed.
#[pyclass(module = "barbus", frozen, weakref)]
pub(crate) struct Bars {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    /// Whether any of the bars lie in the ring itself.
    #[pyo3(get)]
    pinned: bool,
}

impl Bars {
    /// Bars of a schema, in batches that have it.
    pub(crate) fn new(schema: SchemaRef, batches: Vec<RecordBatch>, pinned: bool) -> Self {
        Self { schema, batches, pinned }
    }

    /// One batch that nobody else has.
    pub(crate) fn copied(batch: RecordBatch) -> Self {
        Self { schema: batch.schema(), batches: vec![batch], pinned: false }
    }

    fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// All of it as one batch: a copy where there are several.
    fn whole(&self) -> PyResult<RecordBatch> {
        match &self.batches[..] {
            [only] => Ok(only.clone()),
            batches => concat_batches(&self.schema, batches).map_err(raised),
        }
    }

    fn field(&self) -> Arc<Field> {
        Arc::new(Field::new_struct("", self.schema.fields().clone(), false))
    }

    fn bar(&self, mut at: usize) -> Option<Bar> {
        for found in &self.batches {
            if at < found.num_rows() {
                let (symbol, row) = batch::row(found, at);
                return Some(Bar::new(Arc::clone(&self.schema), symbol, row));
            }
            at -= found.num_rows();
        }
        None
    }
}

/// Calls a function of `barbus._convert`, where what needs other packages is.
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
        let at = if index < 0 { self.rows().checked_add_signed(index) } else { Some(index as usize) };
        at.and_then(|at| self.bar(at)).ok_or_else(|| PyIndexError::new_err("there are not so many bars"))
    }

    fn __iter__(bars: Bound<'_, Self>) -> BarsIterator {
        BarsIterator { bars: Some(bars.unbind()), batch: 0, row: 0 }
    }

    fn __repr__(&self) -> String {
        let pinned = if self.pinned { ", pinned" } else { "" };
        format!("<barbus.Bars: {} bars{pinned}>", self.rows())
    }

    /// As one Arrow record batch (PyCapsule interface): a copy where the bars are of several blocks, which the stream is not.
    #[pyo3(signature = (requested_schema=None))]
    pub(crate) fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyArrowResult<Bound<'py, PyTuple>> {
        let array = StructArray::from(self.whole()?);
        to_array_pycapsules(py, self.field(), &array, requested_schema)
    }

    /// As a stream of Arrow record batches (PyCapsule interface), never copied.
    #[pyo3(signature = (requested_schema=None))]
    pub(crate) fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyArrowResult<Bound<'py, PyCapsule>> {
        let batches = self.batches.clone().into_iter();
        let arrays = batches.map(|batch| Ok(Arc::new(StructArray::from(batch)) as ArrayRef));
        to_stream_pycapsule(py, Box::new(ArrayIterator::new(arrays, self.field())), requested_schema)
    }

    /// The columns (PyCapsule interface).
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyArrowResult<Bound<'py, PyCapsule>> {
        to_schema_pycapsule(py, self.schema.as_ref())
    }

    /// The columns one by one as arrays that numpy takes: times as integers, symbols as text, what is missing as NaN.
    fn _columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let whole = self.whole()?;
        let columns = PyDict::new(py);
        for (field, column) in self.schema.fields().iter().zip(whole.columns()) {
            let plain: ArrayRef = match field.data_type() {
                DataType::Timestamp(..) => arrow::compute::cast(column, &DataType::Int64).map_err(raised)?,
                DataType::Dictionary(..) => arrow::compute::cast(column, &DataType::Utf8).map_err(raised)?,
                DataType::Float64 => batch::nan_for_null(column),
                _ => Arc::clone(column),
            };
            let unit = match field.data_type() {
                DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, _) => "ms",
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
        match self.schema.field(1).data_type() {
            DataType::Timestamp(_, Some(zone)) => zone,
            _ => "UTC",
        }
    }

    /// As a ``pyarrow.Table``, without a copy.
    fn to_pyarrow<'py>(bars: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        convert(bars, "to_pyarrow")
    }

    /// As a ``polars.DataFrame``.
    fn to_polars<'py>(bars: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        convert(bars, "to_polars")
    }

    /// As a ``pandas.DataFrame``: a copy. It needs no pyarrow.
    fn to_pandas<'py>(bars: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        convert(bars, "to_pandas")
    }

    /// As a dict of numpy arrays by column, copies: times as ``datetime64`` in UTC, symbols as ``str`` objects, what is missing as NaN.
    fn to_numpy<'py>(bars: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        convert(bars, "to_numpy")
    }
}

/// One bar after the other; made by ``iter(bars)``.
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
        while let Some(found) = bars.batches.get(self.batch) {
            if self.row < found.num_rows() {
                let (symbol, row) = batch::row(found, self.row);
                self.row += 1;
                return Some(Bar::new(Arc::clone(&bars.schema), symbol, row));
            }
            (self.batch, self.row) = (self.batch + 1, 0);
        }
        self.bars = None;
        None
    }
}
