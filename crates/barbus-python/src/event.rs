use barbus::Date;
use pyo3::prelude::*;
use pyo3::types::PyDate;

pub(crate) fn date<'py>(py: Python<'py>, day: Date) -> PyResult<Bound<'py, PyDate>> {
    PyDate::new(py, day.year().into(), day.month() as u8, day.day() as u8)
}

/// A trading day was closed: every bar that came before was given out.
#[pyclass(module = "barbus", frozen, eq)]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DayClosed(pub(crate) Date);

#[pymethods]
impl DayClosed {
    #[classattr]
    fn __match_args__() -> (&'static str,) {
        ("day",)
    }

    /// The day.
    #[getter]
    fn day<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDate>> {
        date(py, self.0)
    }

    fn __repr__(&self) -> String {
        format!("DayClosed(day={})", self.0)
    }
}

/// The reader was too slow for the ring: exactly so many bars were missed.
#[pyclass(module = "barbus", frozen, eq)]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lapped {
    /// Bars missed.
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
