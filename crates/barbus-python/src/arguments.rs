//! Reads the arguments that Python functions take in several forms.

use std::collections::HashSet;
use std::time::Duration;

use barbus::{Date, MinuteOptions, Start};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDate, PyInt, PyString};

/// A date: a `datetime.date`, or text.
pub(crate) fn date(value: &Bound<'_, PyAny>) -> PyResult<Date> {
    let text = value.str()?;
    let text = text.to_string();
    if !value.is_instance_of::<PyString>() && !value.is_instance_of::<PyDate>() {
        return Err(PyTypeError::new_err(format!("{text}: give a datetime.date, or text such as \"2024-07-03\"")));
    }
    let invalid = || PyValueError::new_err(format!("{text:?}: not a date such as \"2024-07-03\""));
    // A `datetime` is a `date` to Python, but its day depends on a zone.
    if text.len() != "2024-07-03".len() {
        return Err(invalid());
    }
    text.parse().map_err(|_| invalid())
}

/// Where a reader starts: a word, a date, or a sequence number.
pub(crate) fn start(value: &Bound<'_, PyAny>) -> PyResult<Start> {
    if value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>() {
        return Ok(Start::Seq(value.extract()?));
    }
    Ok(match value.cast::<PyString>().ok().map(|text| text.to_string()).as_deref() {
        Some("live") => Start::Live,
        Some("oldest") => Start::Oldest,
        Some("today") => Start::Today,
        _ => Start::Day(date(value).map_err(|error| match error.is_instance_of::<PyValueError>(value.py()) {
            true => PyValueError::new_err(format!(
                "start: {:?}: give \"live\", \"oldest\", \"today\", a date such as \"2024-07-03\", or a sequence number",
                value.to_string()
            )),
            false => error,
        })?),
    })
}

/// The wanted symbols: an iterable of strings.
pub(crate) fn symbols(value: &Bound<'_, PyAny>) -> PyResult<HashSet<String>> {
    if value.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err("symbols: give a list, even for one symbol"));
    }
    value.try_iter()?.map(|symbol| symbol?.extract()).collect()
}

/// What `by`, `universe` and `grace` ask for: minutes, or `None` for events as they come.
pub(crate) fn minutes(
    by: Option<&str>,
    universe: Option<&Bound<'_, PyAny>>,
    grace: Option<f64>,
) -> PyResult<Option<MinuteOptions>> {
    match by {
        Some("minute") => {}
        Some(other) => return Err(PyValueError::new_err(format!("by: {other:?}: give \"minute\", or nothing"))),
        None if universe.is_some() || grace.is_some() => {
            return Err(PyValueError::new_err("universe and grace are for by=\"minute\""));
        }
        None => return Ok(None),
    }
    let universe = universe.map(symbols).transpose()?.map(|universe| universe.into_iter().collect());
    let mut options = MinuteOptions { universe, ..MinuteOptions::default() };
    if let Some(grace) = grace {
        let invalid = |_| PyValueError::new_err("grace: give seconds, 0 or more");
        options.grace = Duration::try_from_secs_f64(grace).map_err(invalid)?;
    }
    Ok(Some(options))
}
