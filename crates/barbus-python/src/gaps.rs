//! The minutes of a trading day without a bar, by symbol.

use barbus::{Date, SymbolGaps};
use pyo3::prelude::*;
use pyo3::types::{PyDate, PyDateTime};

use crate::calendar::instant;
use crate::event;

/// What is missing of a symbol on a trading day.
#[pyclass(module = "barbus", frozen)]
pub(crate) struct Gaps {
    day: Date,
    gaps: SymbolGaps,
    source: &'static str,
    zone: String,
}

impl Gaps {
    /// Those of each symbol of a day.
    pub(crate) fn of_day(day: barbus::DayGaps, zone: &str) -> Vec<Gaps> {
        let (date, source) = (day.day, day.source.as_str());
        let gaps = day.symbols.into_iter();
        gaps.map(|gaps| Gaps { day: date, gaps, source, zone: zone.to_owned() }).collect()
    }
}

#[pymethods]
impl Gaps {
    /// The trading day.
    #[getter]
    fn day<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDate>> {
        event::date(py, self.day)
    }

    /// The symbol.
    #[getter]
    fn symbol(&self) -> &str {
        &self.gaps.symbol
    }

    /// The product group whose hours apply; None for those of the whole market.
    #[getter]
    fn group(&self) -> Option<&str> {
        self.gaps.group.as_deref()
    }

    /// The number of bars that are expected.
    #[getter]
    fn expected(&self) -> u64 {
        self.gaps.expected
    }

    /// The number of those that there are.
    #[getter]
    fn present(&self) -> u64 {
        self.gaps.present
    }

    /// The missing minutes as ranges: the ends of the first and the last bar of each.
    #[getter]
    fn missing<'py>(&self, py: Python<'py>) -> PyResult<Vec<(Bound<'py, PyDateTime>, Bound<'py, PyDateTime>)>> {
        let ranges = self.gaps.missing.iter();
        ranges.map(|&(first, last)| Ok((instant(py, first, &self.zone)?, instant(py, last, &self.zone)?))).collect()
    }

    /// Missing minutes in which no symbol has a bar: perhaps the feed was down.
    #[getter]
    fn no_symbol(&self) -> u64 {
        self.gaps.without_bars
    }

    /// Each session as (name, expected, present).
    #[getter]
    fn sessions(&self) -> Vec<(&str, u64, u64)> {
        self.gaps.sessions.iter().map(|s| (s.name.as_str(), s.expected, s.present)).collect()
    }

    /// Bars in sessions outside the regular hours.
    #[getter]
    fn extended(&self) -> u64 {
        self.gaps.extended
    }

    /// Bars in no session.
    #[getter]
    fn outside(&self) -> u64 {
        self.gaps.outside
    }

    /// The end of the first bar; None without a bar.
    #[getter]
    fn first<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDateTime>>> {
        self.gaps.first_ms.map(|ms| instant(py, ms, &self.zone)).transpose()
    }

    /// The end of the last bar; None without a bar.
    #[getter]
    fn last<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDateTime>>> {
        self.gaps.last_ms.map(|ms| instant(py, ms, &self.zone)).transpose()
    }

    /// Where the bars were found: ``"archive"``, ``"archive+ring"``, ``"ring"`` (the day is not
    /// archived: earlier bars may be gone) or ``"nowhere"``.
    #[getter]
    fn source(&self) -> &str {
        self.source
    }

    fn __repr__(&self) -> String {
        let SymbolGaps { symbol, expected, present, outside, .. } = &self.gaps;
        format!("Gaps(day={}, symbol={symbol:?}, expected={expected}, present={present}, outside={outside})", self.day)
    }
}
