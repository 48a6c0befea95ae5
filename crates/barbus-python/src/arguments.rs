//! Reads the arguments that Python functions take in several forms.

use std::collections::HashSet;
use std::time::Duration;

use barbus::{Adjust, Bound as QuestionBound, Date, Interval, MinuteOptions, OnGap, Start};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDate, PyDateTime, PyInt, PyString};

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

/// What a reader does where the ring has lost the bars that it starts at.
pub(crate) fn on_gap(text: &str) -> PyResult<OnGap> {
    match text {
        "fill" => Ok(OnGap::Fill),
        "lapped" => Ok(OnGap::Lapped),
        "error" => Ok(OnGap::Error),
        _ => Err(PyValueError::new_err(format!("on_gap: {text:?}: give \"fill\", \"lapped\" or \"error\""))),
    }
}

/// The wanted symbols: an iterable of strings.
pub(crate) fn symbols(value: &Bound<'_, PyAny>) -> PyResult<HashSet<String>> {
    if value.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err("symbols: give a list, even for one symbol"));
    }
    value.try_iter()?.map(|symbol| symbol?.extract()).collect()
}

/// One text, or an iterable of texts.
pub(crate) fn texts(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(vec![text.to_string()]);
    }
    let wrong = |_| PyTypeError::new_err(format!("{name}: give a str or a list of str"));
    value.try_iter().map_err(wrong)?.map(|text| text?.extract().map_err(wrong)).collect()
}

/// A number of bars, 1 or more.
pub(crate) fn count(value: i64) -> PyResult<usize> {
    let count = usize::try_from(value).ok().filter(|count| *count > 0);
    count.ok_or_else(|| PyValueError::new_err(format!("count: {value}: ask for 1 bar or more")))
}

/// The length of bars, such as "5m".
pub(crate) fn interval(text: &str) -> PyResult<Interval> {
    text.parse().map_err(|error| PyValueError::new_err(format!("interval: {error}")))
}

/// How prices are adjusted.
pub(crate) fn adjust(text: Option<&str>) -> PyResult<Adjust> {
    let adjust = text.map_or(Ok(Adjust::None), str::parse);
    adjust.map_err(|error| PyValueError::new_err(format!("adjust: {error}")))
}

/// The first or the last bar of a question: a trading day, or a time. Times without a zone are in
/// `zone`.
pub(crate) fn bound(name: &str, value: &Bound<'_, PyAny>, zone: &TimeZone) -> PyResult<QuestionBound> {
    let wrong = |why: &str| PyValueError::new_err(format!("{name}: {value}: {why}"));
    let in_zone = |civil: DateTime| match zone.to_ambiguous_zoned(civil).unambiguous() {
        Ok(time) => Ok(QuestionBound::Time(time.timestamp())),
        Err(_) => Err(wrong("not one moment in the zone of the bus: give a time with a zone")),
    };
    if let Ok(text) = value.cast::<PyString>() {
        let text = text.to_string();
        return match (text.parse::<Date>(), text.parse::<Timestamp>(), text.parse::<DateTime>()) {
            // A date with a time is read as a date too; only ten characters are a day.
            (Ok(day), ..) if text.len() == 10 => Ok(day.into()),
            (_, Ok(time), _) => Ok(time.into()),
            (_, _, Ok(civil)) if text.contains(':') => in_zone(civil),
            _ => Err(wrong("neither a day nor a time: give \"2024-07-04\" or \"2024-07-04 10:31\"")),
        };
    }
    if let Ok(time) = value.cast::<PyDateTime>() {
        if time.getattr("tzinfo")?.is_none() {
            let text: String = time.call_method0("isoformat")?.extract()?;
            return in_zone(text.parse().map_err(|_| wrong("not a time"))?);
        }
        let seconds: f64 = time.call_method0("timestamp")?.extract()?;
        let time = Timestamp::from_microsecond((seconds * 1e6).round() as i64).map_err(|_| wrong("not a time"))?;
        return Ok(time.into());
    }
    if value.is_instance_of::<PyDate>() {
        return date(value).map(QuestionBound::from);
    }
    Err(PyTypeError::new_err(format!("{name}: {value}: give a date, a datetime, or text such as \"2024-07-04 10:31\"")))
}

/// How events are brought together.
pub(crate) enum Assembly {
    /// Bars come by complete minutes.
    Minutes(MinuteOptions),
    /// Minutes become longer bars.
    Interval(Interval, MinuteOptions),
}

/// What `by`, `interval`, `universe` and `grace` ask for; `None`: events come as they are.
pub(crate) fn assembly(
    by: Option<&str>,
    interval: Option<&str>,
    universe: Option<&Bound<'_, PyAny>>,
    grace: Option<f64>,
) -> PyResult<Option<Assembly>> {
    let interval = interval.map(self::interval).transpose()?;
    match (by, interval) {
        (Some("minute"), None) | (None, Some(_)) => {}
        (Some("minute"), Some(_)) => return Err(PyValueError::new_err("give by=\"minute\" or interval, not both")),
        (Some(other), _) => return Err(PyValueError::new_err(format!("by: {other:?}: give \"minute\", or nothing"))),
        (None, None) if universe.is_some() || grace.is_some() => {
            return Err(PyValueError::new_err("universe and grace are for by=\"minute\" and for interval"));
        }
        (None, None) => return Ok(None),
    }
    let universe = universe.map(symbols).transpose()?.map(|universe| universe.into_iter().collect());
    let mut options = MinuteOptions { universe, ..MinuteOptions::default() };
    if let Some(grace) = grace {
        let invalid = |_| PyValueError::new_err("grace: give seconds, 0 or more");
        options.grace = Duration::try_from_secs_f64(grace).map_err(invalid)?;
    }
    Ok(Some(match interval {
        Some(interval) => Assembly::Interval(interval, options),
        None => Assembly::Minutes(options),
    }))
}
