//! One column of many symbols side by side.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array};
use arrow::datatypes::Field;
use pyo3::prelude::*;
use pyo3_arrow::PyArray;

/// One column of the last minutes that have a bar, for many symbols side by side.
///
/// ``values[i, j]`` is the value of ``symbols[j]`` in the bar that ends at ``frames[i]``; NaN where
/// there is no bar, or no value.
#[pyclass(module = "barbus", frozen)]
pub(crate) struct Panel {
    panel: barbus::Panel,
    zone: String,
}

impl Panel {
    pub(crate) fn new(panel: barbus::Panel, zone: &str) -> Self {
        Self { panel, zone: zone.to_owned() }
    }

    fn numpy<'py>(py: Python<'py>, array: ArrayRef, unit: &str) -> PyResult<Bound<'py, PyAny>> {
        let field = Arc::new(Field::new("", array.data_type().clone(), false));
        py.import("barbus._convert")?.call_method1("array", (unit, PyArray::new(array, field)))
    }
}

#[pymethods]
impl Panel {
    /// The values, a numpy array of minutes by symbols, a copy.
    #[getter]
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let flat = Self::numpy(py, Arc::new(Float64Array::from(self.panel.values.clone())), "")?;
        flat.call_method1("reshape", (self.panel.frames_ms.len(), self.panel.symbols.len()))
    }

    /// The ends of the bars, ascending: a numpy array of ``datetime64[ms]`` in UTC.
    #[getter]
    fn frames<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Self::numpy(py, Arc::new(Int64Array::from(self.panel.frames_ms.clone())), "ms")
    }

    /// The symbols, ascending.
    #[getter]
    fn symbols(&self) -> Vec<String> {
        self.panel.symbols.clone()
    }

    /// IANA zone of the bus.
    #[getter]
    fn zone(&self) -> &str {
        &self.zone
    }

    /// Whether there is every bar that was asked for, as far as the bus can know.
    #[getter]
    fn complete(&self) -> bool {
        self.panel.shortfalls.iter().all(|shortfall| matches!(shortfall, barbus::Shortfall::NotAdjusted { .. }))
    }

    /// What was asked for and is not there, each as a sentence.
    #[getter]
    fn shortfalls(&self) -> Vec<String> {
        self.panel.shortfalls.iter().map(ToString::to_string).collect()
    }

    /// As a ``pandas.DataFrame`` with the frames, in the zone of the bus, as index and the symbols
    /// as columns.
    fn to_pandas<'py>(panel: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        panel.py().import("barbus._convert")?.call_method1("panel_to_pandas", (panel,))
    }

    fn __repr__(&self) -> String {
        format!("<barbus.Panel: {} minutes, {} symbols>", self.panel.frames_ms.len(), self.panel.symbols.len())
    }
}
