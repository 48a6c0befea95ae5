//! The calendar of a market: its trading days, sessions and minutes.

use barbus_bars::Session as MarketSession;
use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDate, PyDateTime};

use crate::arguments;
use crate::bar::datetime;
use crate::error::raised;
use crate::event;

/// A market's calendar. Days are ``datetime.date``, instants are ``datetime.datetime`` with a zone.
#[pyclass(module = "barbus", frozen)]
pub(crate) struct Calendar(pub(crate) barbus_bars::Calendar);

/// One of the known calendars by name, such as ``"XNYS"``: a built-in one, or one of
/// ``/etc/barbus/calendar.d``.
#[pyfunction]
pub(crate) fn calendar(name: &str) -> PyResult<Calendar> {
    let found = barbus::calendars(None).map_err(raised)?.calendar(name);
    found.map(Calendar).map_err(|error| PyKeyError::new_err(error.to_string()))
}

/// A session of a trading day.
#[pyclass(module = "barbus", frozen)]
pub(crate) struct Session {
    session: MarketSession,
    zone: String,
}

#[pymethods]
impl Session {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str) {
        ("name", "start", "end")
    }

    /// Its name, such as ``"night"``.
    #[getter]
    fn name(&self) -> &str {
        &self.session.name
    }

    /// When it begins.
    #[getter]
    fn start<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        instant(py, self.session.start_ms, &self.zone)
    }

    /// When it ends.
    #[getter]
    fn end<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        instant(py, self.session.end_ms, &self.zone)
    }

    /// Whether it is outside the regular hours: no bar is expected in it.
    #[getter]
    fn extended(&self) -> bool {
        self.session.extended
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (start, end) = (self.start(py)?, self.end(py)?);
        Ok(format!("Session({:?}, {start} to {end})", &*self.session.name))
    }
}

#[pymethods]
impl Calendar {
    /// The calendar's name.
    #[getter]
    fn name(&self) -> &str {
        self.0.name()
    }

    /// The market's time zone.
    #[getter]
    fn zone(&self) -> &str {
        self.0.zone_name()
    }

    /// The last date that the holiday table covers; None for a market without holidays.
    #[getter]
    fn horizon<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDate>>> {
        self.0.horizon().map(|day| event::date(py, day)).transpose()
    }

    /// The names of the product groups with hours of their own.
    #[getter]
    fn groups(&self) -> Vec<&str> {
        self.0.groups().collect()
    }

    /// The product group whose hours these are; None for those of the whole market.
    #[getter]
    fn group(&self) -> Option<&str> {
        self.0.group()
    }

    /// The calendar with the hours of a product group.
    fn of_group(&self, name: &str) -> PyResult<Calendar> {
        self.0.of_group(name).map(Calendar).ok_or_else(|| {
            let groups: Vec<&str> = self.0.groups().collect();
            PyKeyError::new_err(format!("{}: no group {name:?}: its groups are {groups:?}", self.0.name()))
        })
    }

    /// The calendar with the hours of a symbol's product group.
    fn of_symbol(&self, symbol: &str) -> Calendar {
        Calendar(self.0.of_symbol(symbol))
    }

    /// The calendar without the sessions outside the regular hours.
    fn regular(&self) -> Calendar {
        Calendar(self.0.regular())
    }

    /// The trading days from ``first`` to ``last``, both included.
    fn days<'py>(
        &self,
        py: Python<'py>,
        first: &Bound<'py, PyAny>,
        last: &Bound<'py, PyAny>,
    ) -> PyResult<Vec<Bound<'py, PyDate>>> {
        let (first, last) = (arguments::date(first)?, arguments::date(last)?);
        self.0.trading_days(first, last).map(|day| event::date(py, day)).collect()
    }

    /// Whether the market trades on a date.
    fn is_trading_day(&self, day: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.0.is_trading_day(arguments::date(day)?))
    }

    /// The sessions of a trading day; empty on any other date.
    fn sessions(&self, day: &Bound<'_, PyAny>) -> PyResult<Vec<Session>> {
        let sessions = self.0.sessions(arguments::date(day)?).into_iter();
        Ok(sessions.map(|session| Session { session, zone: self.0.zone_name().to_owned() }).collect())
    }

    /// The ends of the bars that are expected of a symbol that trades in every minute.
    fn minutes<'py>(&self, py: Python<'py>, day: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyDateTime>>> {
        let minutes = self.0.minutes(arguments::date(day)?);
        minutes.into_iter().map(|ms| instant(py, ms, self.0.zone_name())).collect()
    }

    /// Whether the regular hours of a date end earlier than usual.
    fn closes_early(&self, day: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.0.closes_early(arguments::date(day)?))
    }

    /// The trading day of a bar that ends at ``at``.
    fn trading_day<'py>(&self, py: Python<'py>, at: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDate>> {
        event::date(py, self.0.trading_day(instant_ms(at)?).date)
    }

    /// Whether the market is open at an instant.
    fn is_open(&self, at: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.0.is_open(instant_ms(at)?))
    }

    /// The next instant at which the market opens; None for a market that never closes.
    fn next_open<'py>(&self, py: Python<'py>, at: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDateTime>>> {
        let open = self.0.next_open(instant_ms(at)?);
        open.map(|ms| instant(py, ms, self.0.zone_name())).transpose()
    }

    /// The last instant at which the market closed; None for a market that never closes.
    fn previous_close<'py>(&self, py: Python<'py>, at: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDateTime>>> {
        let close = self.0.previous_close(instant_ms(at)?);
        close.map(|ms| instant(py, ms, self.0.zone_name())).transpose()
    }

    fn __repr__(&self) -> String {
        match self.0.group() {
            Some(group) => format!("<barbus.Calendar {} {group}>", self.0.name()),
            None => format!("<barbus.Calendar {}>", self.0.name()),
        }
    }
}

/// Milliseconds UTC as a datetime in a zone.
pub(crate) fn instant<'py>(py: Python<'py>, ms: i64, zone: &str) -> PyResult<Bound<'py, PyDateTime>> {
    datetime(py, ms as f64 / 1e3, zone)
}

/// An instant in milliseconds UTC: a datetime with a zone.
pub(crate) fn instant_ms(at: &Bound<'_, PyAny>) -> PyResult<i64> {
    if !at.is_instance_of::<PyDateTime>() {
        return Err(PyTypeError::new_err(format!("{at}: give a datetime.datetime with a zone")));
    }
    if at.getattr("tzinfo")?.is_none() {
        return Err(PyValueError::new_err(format!("{at}: the datetime has no zone: add tzinfo")));
    }
    let seconds: f64 = at.call_method0("timestamp")?.extract()?;
    Ok((seconds * 1e3).round() as i64)
}
