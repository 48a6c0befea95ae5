//! The events of a `Follow` that are not bars.

use std::hash::{DefaultHasher, Hash, Hasher};

use barbus::{Date, Selection};
use pyo3::prelude::*;
use pyo3::types::{PyDate, PyDateTime, PyTuple, PyType};

use crate::arguments;
use crate::bar::datetime;
use crate::calendar::instant_ms;
use crate::error::raised;

/// A date as a `datetime.date`.
pub(crate) fn date<'py>(py: Python<'py>, day: Date) -> PyResult<Bound<'py, PyDate>> {
    PyDate::new(py, day.year().into(), day.month() as u8, day.day() as u8)
}

/// A trading day is closed: the reader has received all of its bars.
#[pyclass(module = "barbus", frozen, eq, hash)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct DayClosed(pub(crate) Date);

#[pymethods]
impl DayClosed {
    /// The event of a day, a ``datetime.date`` or text, for tests of a strategy.
    #[new]
    fn new(day: &Bound<'_, PyAny>) -> PyResult<Self> {
        arguments::date(day).map(Self)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        (PyType::new::<Self>(py), (date(py, self.0)?,)).into_pyobject(py)
    }

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
#[pyclass(module = "barbus", frozen, eq, hash)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lapped {
    /// Number of bars missed.
    #[pyo3(get)]
    pub(crate) missed: u64,
}

#[pymethods]
impl Lapped {
    /// The event of a number of missed bars, for tests of a strategy.
    #[new]
    fn new(missed: u64) -> Self {
        Self { missed }
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        (PyType::new::<Self>(py), (self.missed,)).into_pyobject(py)
    }

    #[classattr]
    fn __match_args__() -> (&'static str,) {
        ("missed",)
    }

    fn __repr__(&self) -> String {
        format!("Lapped(missed={})", self.missed)
    }
}

/// An operator has withdrawn bars: they are not bars of the bus any more.
#[pyclass(module = "barbus", frozen, eq)]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Withdrawn(pub(crate) Selection);

#[pymethods]
impl Withdrawn {
    /// The event of a day and some symbols, or all, for tests of a strategy.
    #[new]
    #[pyo3(signature = (day, symbols=None))]
    fn new(day: &Bound<'_, PyAny>, symbols: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let mut selection = Selection::of_day(arguments::date(day)?);
        if let Some(symbols) = symbols {
            selection.symbols = arguments::texts("symbols", symbols)?;
        }
        Ok(Self(selection))
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.0.day, &self.0.symbols).hash(&mut hasher);
        hasher.finish()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let text = serde_json::to_string(&self.0).map_err(raised)?;
        let load = py.import("barbus._barbus")?.getattr("_withdrawn")?;
        (load, (text,)).into_pyobject(py)
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("day", "symbols")
    }

    /// The trading day of the bars, a ``datetime.date``.
    #[getter]
    fn day<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDate>> {
        date(py, self.0.day)
    }

    /// The symbols of the bars; empty: all symbols.
    #[getter]
    fn symbols(&self) -> Vec<&str> {
        let named = self.0.symbols.iter().chain(self.0.bars.keys());
        named.map(String::as_str).collect()
    }

    /// Whether the bar of ``symbol`` that ends at ``frame_ms``, which is one of the day, is
    /// withdrawn.
    fn covers(&self, symbol: &str, frame_ms: i64) -> bool {
        self.0.covers(symbol, frame_ms)
    }

    fn __repr__(&self) -> String {
        format!("Withdrawn(day={}, symbols={:?})", self.0.day, self.symbols())
    }
}

/// What ``pickle`` calls for a ``Withdrawn``.
#[pyfunction]
pub(crate) fn _withdrawn(selection: &str) -> PyResult<Withdrawn> {
    serde_json::from_str(selection).map(Withdrawn).map_err(raised)
}

/// A minute is complete: bars of it that follow are late.
#[pyclass(module = "barbus", frozen, eq)]
#[derive(Debug)]
pub(crate) struct MinuteClosed {
    pub(crate) minute: barbus::MinuteClosed,
    /// The zone of the bus.
    pub(crate) zone: String,
}

impl PartialEq for MinuteClosed {
    /// The zone only says how `frame` is shown.
    fn eq(&self, other: &Self) -> bool {
        self.minute == other.minute
    }
}

#[pymethods]
impl MinuteClosed {
    /// The event of a minute, for tests of a strategy. ``frame`` is its end, with a zone.
    #[new]
    #[pyo3(signature = (frame, symbols=0, missing=None))]
    fn new(frame: &Bound<'_, PyAny>, symbols: usize, missing: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let frame_ms = instant_ms(frame)?;
        let missing = missing.map_or(Ok(Vec::new()), |missing| arguments::texts("missing", missing))?;
        let zone = frame.getattr("tzinfo")?.getattr("key").and_then(|key| key.extract());
        let minute = barbus::MinuteClosed { frame_ms, symbols, missing };
        Ok(Self { minute, zone: zone.unwrap_or_else(|_| "UTC".to_owned()) })
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.minute.frame_ms, self.minute.symbols, &self.minute.missing).hash(&mut hasher);
        hasher.finish()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let arguments = (self.frame(py)?, self.minute.symbols, self.minute.missing.clone());
        (PyType::new::<Self>(py), arguments).into_pyobject(py)
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str) {
        ("frame", "symbols", "missing")
    }

    /// The end of the minute, a ``datetime.datetime`` in the zone of the bus.
    #[getter]
    fn frame<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        datetime(py, self.minute.frame_ms as f64 / 1e3, &self.zone)
    }

    /// The end of the minute in milliseconds since 1970-01-01 UTC.
    #[getter]
    fn frame_ms(&self) -> i64 {
        self.minute.frame_ms
    }

    /// Number of symbols that have a bar of the minute.
    #[getter]
    fn symbols(&self) -> usize {
        self.minute.symbols
    }

    /// The symbols that are expected in the minute and have no bar of it.
    #[getter]
    fn missing(&self) -> Vec<String> {
        self.minute.missing.clone()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let frame = self.frame(py)?.str()?;
        Ok(format!(
            "MinuteClosed(frame={frame}, symbols={}, missing={})",
            self.minute.symbols,
            self.minute.missing.len()
        ))
    }
}
