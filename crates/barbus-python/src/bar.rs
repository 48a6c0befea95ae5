//! One bar, as a copy of its values.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use barbus::Row;
use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDateTime, PyTuple};
use pyo3_arrow::error::PyArrowResult;

use crate::error::raised;
use crate::{batch, capsule};

/// One bar: a copy of its values, which keeps nothing in the ring.
///
/// The optional columns of the bus are attributes too, by default ``money`` and ``factor``; None
/// where the bar has no value.
#[pyclass(module = "barbus", frozen)]
pub(crate) struct Bar {
    schema: SchemaRef,
    /// The symbol.
    #[pyo3(get)]
    symbol: String,
    row: Row,
}

impl Bar {
    pub(crate) fn new(schema: SchemaRef, symbol: String, row: Row) -> Self {
        Self { schema, symbol, row }
    }

    fn to_batch(&self) -> PyResult<RecordBatch> {
        batch::from_rows(&self.schema, &[self.row], &[&self.symbol]).map_err(raised)
    }
}

/// IANA zone of the column ``frame``.
pub(crate) fn zone(schema: &Schema) -> &str {
    match schema.field(1).data_type() {
        DataType::Timestamp(_, Some(zone)) => zone,
        _ => "UTC",
    }
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
        datetime(py, self.row.frame_ms as f64 / 1e3, zone(&self.schema))
    }

    /// The bar's end, milliseconds since 1970-01-01 UTC.
    #[getter]
    fn frame_ms(&self) -> i64 {
        self.row.frame_ms
    }

    /// First price.
    #[getter]
    fn open(&self) -> f64 {
        self.row.open
    }

    /// Highest price.
    #[getter]
    fn high(&self) -> f64 {
        self.row.high
    }

    /// Lowest price.
    #[getter]
    fn low(&self) -> f64 {
        self.row.low
    }

    /// Last price.
    #[getter]
    fn close(&self) -> f64 {
        self.row.close
    }

    /// Traded quantity, in the market's own unit.
    #[getter]
    fn volume(&self) -> f64 {
        self.row.volume
    }

    /// Sequence number of the bar on the bus; None for a bar of the archive.
    #[getter]
    fn seq(&self) -> Option<u64> {
        batch::has_ring_columns(&self.schema).then_some(self.row.seq)
    }

    /// When the bus received the bar, in UTC; None for a bar of the archive.
    #[getter]
    fn received<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDateTime>>> {
        match batch::has_ring_columns(&self.schema) {
            true => datetime(py, self.row.received_ns as f64 / 1e9, "UTC").map(Some),
            false => Ok(None),
        }
    }

    /// 0 for the first bar of its symbol and frame, n for its n-th revision; None for a bar of the
    /// archive.
    #[getter]
    fn revision(&self) -> Option<u8> {
        batch::has_ring_columns(&self.schema).then_some(self.row.revision)
    }

    /// Python calls this for a name that is not an attribute, such as an optional column.
    fn __getattr__(&self, name: &str) -> PyResult<Option<f64>> {
        match batch::optional_fields(&self.schema).find(|(_, field)| field.name() == name) {
            Some((k, _)) => Ok(self.row.optional(k)),
            None => Err(PyAttributeError::new_err(format!("a bar of this bus has no column {name:?}"))),
        }
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Bar>().is_ok_and(|other| {
            let other = other.get();
            self.symbol == other.symbol && self.schema == other.schema && {
                // Two rings may number the same symbol differently.
                let symbol = other.row.symbol;
                Row { symbol, ..self.row } == other.row
            }
        })
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let Row { open, high, low, close, volume, .. } = self.row;
        let frame = self.frame(py)?;
        let mut text = format!(
            "Bar(symbol={:?}, frame={frame}, open={open}, high={high}, low={low}, close={close}, volume={volume}",
            self.symbol
        );
        for (k, field) in batch::optional_fields(&self.schema) {
            let value = self.row.optional(k).map_or("None".to_owned(), |value| value.to_string());
            text += &format!(", {}={value}", field.name());
        }
        if let Some(seq) = self.seq() {
            text += &format!(", seq={seq}, revision={}", self.row.revision);
        }
        Ok(text + ")")
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
        capsule::stream(py, &self.schema, vec![self.to_batch()?], requested_schema)
    }

    /// The columns (PyCapsule interface).
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyArrowResult<Bound<'py, PyCapsule>> {
        capsule::schema(py, &self.schema)
    }
}
