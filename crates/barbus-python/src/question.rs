//! Questions over live and archived bars.

use barbus::{Answer, BarsQuery, Date};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arguments;
use crate::bars::Bars;
use crate::error::{Error, raised};
use crate::layout::Layout;

/// The arguments of a question that several calls have.
pub(crate) struct Question<'a, 'py> {
    pub(crate) symbols: Option<&'a Bound<'py, PyAny>>,
    pub(crate) start: Option<&'a Bound<'py, PyAny>>,
    pub(crate) end: Option<&'a Bound<'py, PyAny>>,
    pub(crate) count: Option<i64>,
    pub(crate) interval: &'a str,
    pub(crate) adjust: Option<&'a str>,
    pub(crate) skip_damaged: bool,
}

impl Question<'_, '_> {
    /// The question to a bus.
    pub(crate) fn query(&self, bus: &barbus::Bus) -> PyResult<BarsQuery> {
        let zone = TimeZone::get(bus.settings().schema.zone()).map_err(raised)?;
        let mut query = bus.bars();
        if let Some(symbols) = self.symbols {
            query = query.symbols(arguments::texts("symbols", symbols)?);
        }
        let bound = |name: &str, value: &Bound<'_, PyAny>| match is_today(value) {
            true => today(bus).map(Into::into),
            false => arguments::bound(name, value, &zone),
        };
        if let Some(start) = self.start {
            query = query.from(bound("start", start)?);
        }
        if let Some(end) = self.end {
            query = query.to(bound("end", end)?);
        }
        if let Some(count) = self.count {
            query = query.last(arguments::count(count)?);
        }
        if self.skip_damaged {
            query = query.skip_damaged();
        }
        Ok(query.interval(arguments::interval(self.interval)?).adjust(arguments::adjust(self.adjust)?))
    }
}

fn is_today(value: &Bound<'_, PyAny>) -> bool {
    value.extract::<String>().is_ok_and(|text| text == "today")
}

/// The newest trading day of the bus; of a bus without bars, the one that it is now.
fn today(bus: &barbus::Bus) -> PyResult<barbus::Date> {
    let newest = bus.newest_day().map_err(error)?;
    Ok(newest.unwrap_or_else(|| bus.settings().calendar.trading_day(Timestamp::now().as_millisecond()).date))
}

/// The exception for an error of a question.
pub(crate) fn error(error: barbus::Error) -> PyErr {
    match error {
        barbus::Error::Question { .. } => PyValueError::new_err(error.to_string()),
        error => raised(error),
    }
}

/// Asks, and gives all bars at once.
pub(crate) fn ask(query: BarsQuery) -> PyResult<Bars> {
    query.collect().map(bars).map_err(error)
}

/// The bars of an answer.
pub(crate) fn bars(answer: Answer) -> Bars {
    let (next_seq, complete) = (answer.next_seq(), answer.is_complete());
    let shortfalls = answer.shortfalls().iter().map(ToString::to_string).collect();
    let layout = Layout::new(answer.schema().clone());
    Bars { next_seq, complete, shortfalls, ..Bars::new(layout, answer.into_batches(), false) }
}

/// The last bars of some symbols; those that never occurred on the bus are shortfalls.
pub(crate) fn latest_of(bus: &barbus::Bus, mut symbols: Option<Vec<String>>) -> PyResult<Bars> {
    let mut unknown = Vec::new();
    let history = Layout::history(&bus.settings().schema);
    loop {
        if symbols.as_ref().is_some_and(Vec::is_empty) {
            let complete = unknown.is_empty();
            return Ok(Bars { shortfalls: unknown, complete, ..Bars::new(history, Vec::new(), false) });
        }
        let query = bus.bars().last(1);
        let query = match &symbols {
            None => query,
            Some(symbols) => query.symbols(symbols),
        };
        match query.collect() {
            Err(error @ barbus::Error::UnknownSymbol { .. }) => {
                let barbus::Error::UnknownSymbol { symbol, .. } = &error else { unreachable!() };
                symbols.iter_mut().for_each(|symbols| symbols.retain(|one| one != symbol));
                unknown.push(error.to_string());
            }
            answer => {
                let mut bars = bars(answer.map_err(error)?);
                bars.complete &= unknown.is_empty();
                bars.shortfalls.append(&mut unknown);
                return Ok(bars);
            }
        }
    }
}

/// The bars of a trading day; an error if there is none.
pub(crate) fn of_day(bus: &barbus::Bus, day: Date) -> PyResult<Bars> {
    let bars = ask(bus.bars().from(day).to(day))?;
    if bars.rows() > 0 {
        return Ok(bars);
    }
    let (bus, folder) = (bus.path().display(), bus.archive());
    Err(Error::new_err(format!("{bus}: no bars of {day}: neither in the ring nor in {}", folder.display())))
}
