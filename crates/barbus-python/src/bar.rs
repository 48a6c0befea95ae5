//! One bar, as a copy of its values.

use std::sync::Arc;

use arrow::array::RecordBatch;
use barbus::Row;
use barbus_bars::date_from_epoch_days;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyAttributeError, PyKeyError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDate, PyDateTime, PyDict, PyIterator, PyList, PyTuple};
use pyo3_arrow::error::PyArrowResult;

use crate::error::raised;
use crate::layout::{Layout, VALUES};
use crate::{batch, capsule, event, ipc};

/// One bar: a copy of its values, which keeps nothing in the ring.
///
/// The optional columns of the bus are attributes too, by default ``money`` and ``factor``; None
/// where the bar has no value. So are ``bars`` and ``complete`` of a longer interval.
///
/// A bar is also a mapping: ``bar["close"]``, ``dict(bar)``.
#[pyclass(module = "barbus", frozen)]
pub(crate) struct Bar {
    pub(crate) layout: Arc<Layout>,
    /// The symbol.
    #[pyo3(get)]
    pub(crate) symbol: String,
    pub(crate) row: Row,
    /// The trading day, days since 1970, if the layout has it.
    pub(crate) day: i32,
    /// The number of minutes in it.
    pub(crate) bars: u32,
    /// Whether its period has ended.
    pub(crate) complete: bool,
}

impl Bar {
    /// A bar of the ring.
    pub(crate) fn new(layout: Arc<Layout>, symbol: String, row: Row, days: &mut batch::TradingDays) -> Self {
        Self { layout, symbol, day: days.of(row.frame_ms), row, bars: 1, complete: true }
    }

    fn to_batch(&self) -> PyResult<RecordBatch> {
        batch::from_bar(self).map_err(raised)
    }

    /// The i-th of open, high, low, close and volume.
    fn price(&self, i: usize) -> PyResult<f64> {
        let Row { open, high, low, close, volume, .. } = self.row;
        match self.layout.values[i] {
            Some(_) => Ok([open, high, low, close, volume][i]),
            None => Err(no_column(VALUES[i])),
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.layout.schema.fields().iter().map(|field| field.name().as_str())
    }

    /// The value of a column.
    fn value(&self, py: Python<'_>, at: usize) -> PyResult<Py<PyAny>> {
        let (layout, place) = (&self.layout, Some(at));
        if let Some(i) = layout.values.iter().position(|found| *found == place) {
            return self.price(i)?.into_py_any(py);
        }
        if let Some(k) = layout.optional.iter().position(|found| *found == at) {
            return self.row.optional(k).into_py_any(py);
        }
        match at {
            0 => self.symbol.as_str().into_py_any(py),
            1 => self.frame(py)?.into_py_any(py),
            _ if place == layout.day => self.day(py)?.into_py_any(py),
            _ if place == layout.bars => self.bars.into_py_any(py),
            _ if place == layout.complete => self.complete.into_py_any(py),
            _ if place == layout.seq => self.seq().into_py_any(py),
            _ if place == layout.received => self.received(py)?.into_py_any(py),
            _ => self.revision().into_py_any(py),
        }
    }

    fn by_name(&self, py: Python<'_>, name: &str) -> PyResult<Option<Py<PyAny>>> {
        let place = self.layout.schema.column_with_name(name);
        place.map(|(at, _)| self.value(py, at)).transpose()
    }
}

fn no_column(name: &str) -> PyErr {
    PyAttributeError::new_err(format!("this bar has no column {name:?}"))
}

pub(crate) fn datetime<'py>(py: Python<'py>, seconds: f64, zone: &str) -> PyResult<Bound<'py, PyDateTime>> {
    let zone = py.import("zoneinfo")?.getattr("ZoneInfo")?.call1((zone,))?;
    PyDateTime::from_timestamp(py, seconds, Some(zone.cast()?))
}

#[pymethods]
impl Bar {
    /// The bar's end, in the zone of the bus.
    #[getter]
    fn frame<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        datetime(py, self.row.frame_ms as f64 / 1e3, self.layout.zone())
    }

    /// The bar's end, milliseconds since 1970-01-01 UTC.
    #[getter]
    fn frame_ms(&self) -> i64 {
        self.row.frame_ms
    }

    /// First price.
    #[getter]
    fn open(&self) -> PyResult<f64> {
        self.price(0)
    }

    /// Highest price.
    #[getter]
    fn high(&self) -> PyResult<f64> {
        self.price(1)
    }

    /// Lowest price.
    #[getter]
    fn low(&self) -> PyResult<f64> {
        self.price(2)
    }

    /// Last price.
    #[getter]
    fn close(&self) -> PyResult<f64> {
        self.price(3)
    }

    /// Traded quantity, in the market's own unit.
    #[getter]
    fn volume(&self) -> PyResult<f64> {
        self.price(4)
    }

    /// The trading day; None if these bars have no column ``day``.
    #[getter]
    fn day<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDate>>> {
        let day = self.layout.day.map(|_| date_from_epoch_days(self.day.into()));
        day.map(|day| event::date(py, day)).transpose()
    }

    /// Sequence number of the bar on the bus; None for a bar of a question.
    #[getter]
    fn seq(&self) -> Option<u64> {
        self.layout.seq.map(|_| self.row.seq)
    }

    /// When the bus received the bar, in UTC; None for a bar of a question.
    #[getter]
    fn received<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDateTime>>> {
        self.layout.received.map(|_| datetime(py, self.row.received_ns as f64 / 1e9, "UTC")).transpose()
    }

    /// 0 for the first bar of its symbol and frame, n for its n-th revision; None for a bar of a
    /// question.
    #[getter]
    fn revision(&self) -> Option<u8> {
        self.layout.revision.map(|_| self.row.revision)
    }

    /// Python calls this for a name that is not an attribute, such as an optional column.
    fn __getattr__(&self, py: Python<'_>, name: &str) -> PyResult<Py<PyAny>> {
        self.by_name(py, name)?.ok_or_else(|| no_column(name))
    }

    fn __dir__(this: &Bound<'_, Self>) -> PyResult<Vec<String>> {
        let py = this.py();
        let mut names: Vec<String> = py.get_type::<PyAny>().call_method1("__dir__", (this,))?.extract()?;
        names.extend(this.get().names().map(str::to_owned));
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// The columns and their values as a dict.
    fn _asdict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let values = PyDict::new(py);
        for (at, name) in self.names().enumerate() {
            values.set_item(name, self.value(py, at)?)?;
        }
        Ok(values)
    }

    fn __len__(&self) -> usize {
        self.layout.schema.fields().len()
    }

    fn __contains__(&self, name: &Bound<'_, PyAny>) -> bool {
        name.extract::<String>().is_ok_and(|name| self.layout.schema.column_with_name(&name).is_some())
    }

    fn __getitem__(&self, py: Python<'_>, name: &str) -> PyResult<Py<PyAny>> {
        self.by_name(py, name)?.ok_or_else(|| PyKeyError::new_err(name.to_owned()))
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.keys(py)?.try_iter()
    }

    /// The names of the columns.
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.names().collect::<Vec<_>>())
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Bar>().is_ok_and(|other| {
            let other = other.get();
            let same = self.layout.schema == other.layout.schema && self.symbol == other.symbol;
            let same = same && (self.day, self.bars, self.complete) == (other.day, other.bars, other.complete);
            // Two rings may number the same symbol differently.
            same && Row { symbol: other.row.symbol, ..self.row } == other.row
        })
    }

    fn __hash__(&self) -> u64 {
        self.row.frame_ms.cast_unsigned() ^ self.row.close.to_bits()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let mut text = format!("Bar(symbol={:?}, frame={}", self.symbol, self.frame(py)?);
        for (at, name) in self.names().enumerate().skip(2).filter(|(_, name)| *name != barbus_bars::RECEIVED) {
            text += &format!(", {name}={}", self.value(py, at)?.bind(py).str()?);
        }
        Ok(text + ")")
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let data = ipc::write(&self.layout.schema, &[self.to_batch()?])?;
        let load = py.import("barbus._barbus")?.getattr("_bar_from_ipc")?;
        (load, (data,)).into_pyobject(py)
    }

    /// The bar as an Arrow record batch of one row (PyCapsule interface).
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyArrowResult<Bound<'py, PyTuple>> {
        capsule::array(py, self.to_batch()?, requested_schema)
    }

    /// The bar as a stream of one Arrow record batch (PyCapsule interface).
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyArrowResult<Bound<'py, PyCapsule>> {
        capsule::stream(py, &self.layout.schema, vec![self.to_batch()?], requested_schema)
    }

    /// The columns (PyCapsule interface).
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyArrowResult<Bound<'py, PyCapsule>> {
        capsule::schema(py, &self.layout.schema)
    }
}
