//! The events of a `Follow` that are not bars.

use barbus::Date;
use pyo3::prelude::*;
use pyo3::types::PyDate;

/// A date as a `datetime.date`.
pub(crate) fn date<'py>(py: Python<'py>, day: Date) -> PyResult<Bound<'py, PyDate>> {
    PyDate::new(py, day.year().into(), day.month() as u8, day.day() as u8)
}

/// A trading day is closed: the reader has received all of its bars.
#[pyclass(module = "barbus", frozen, eq)]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DayClosed(pub(crate) Date);

#[pymethods]
impl DayClosed {
    #[classattr]
    fn __match_args__() -> (&'static str,) {
        ("day",)
    }

    /// The day, a ``datetime.date``.
    #[getter]
    fn day<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDate>> {
        date(py, self.0)
    }

    fn __repr__(&self) -> String {
        format!("DayClosed(day={})", self.0)
    }
}

/// The reader fell behind by more than the ring holds; ``missed`` is the exact number of bars lost.
#[pyclass(module = "barbus", frozen, eq)]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lapped {
    /// Number of bars missed.
    #[pyo3(get)]
    pub(crate) missed: u64,
}

#[pymethods]
impl Lapped {
    #[classattr]
    fn __match_args__() -> (&'static str,) {
        ("missed",)
    }

    fn __repr__(&self) -> String {
        format!("Lapped(missed={})", self.missed)
    }
}
