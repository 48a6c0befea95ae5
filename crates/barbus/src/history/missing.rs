//! Symbols that the bus does not know, and days that it does not have.

use barbus_bars::Date;
use jiff::Timestamp;

use super::bound::Range;
use super::query::BarsQuery;
use super::shortfall::Shortfall;
use super::snapshot::Snapshot;
use crate::error::{Error, Result};
use crate::suggestion::most_similar;

/// An error if a symbol of the question never occurred on the bus.
pub(super) fn check_symbols(query: &BarsQuery, snapshot: &Snapshot) -> Result<()> {
    for symbol in query.symbols.iter().flatten() {
        if snapshot.names.contains(symbol) || snapshot.archive_has(symbol)? {
            continue;
        }
        return Err(Error::UnknownSymbol {
            bus: query.bus.path().to_owned(),
            symbol: symbol.clone(),
            suggestion: most_similar(symbol, snapshot.names.iter().map(String::as_str)),
        });
    }
    Ok(())
}

/// The trading days between the first and the last one of the question without a file and without
/// rows, as runs.
pub(super) fn missing_days(query: &BarsQuery, snapshot: &Snapshot, range: Range) -> Vec<Shortfall> {
    let calendar = &query.bus.settings().calendar;
    let ends = snapshot.ends();
    let Some((first, last)) = ends.or((range.first_day > Date::MIN).then_some((range.first_day, range.first_day)))
    else {
        return Vec::new();
    };
    let first = if query.from.is_some() { range.first_day } else { first };
    // A day whose first minute is not due yet has no bars to miss, nor have the days after it.
    let now_ms = Timestamp::now().as_millisecond();
    let today = calendar.trading_day(now_ms).date;
    let is_due = |day: &Date| {
        let first_minute = |day: Date| calendar.minutes(day).first().copied();
        *day < today || first_minute(*day).is_some_and(|minute| minute + 60_000 <= now_ms)
    };
    let last = if query.to.is_some() { range.last_day } else { last }.min(today);
    let mut runs: Vec<Shortfall> = Vec::new();
    let mut is_in_run = false;
    for day in calendar.trading_days(first, last).filter(is_due) {
        if snapshot.has_day(day) {
            is_in_run = false;
            continue;
        }
        match runs.last_mut() {
            Some(Shortfall::MissingDays { last, days, .. }) if is_in_run => (*last, *days) = (day, *days + 1),
            _ => runs.push(Shortfall::MissingDays { first: day, last: day, days: 1 }),
        }
        is_in_run = true;
    }
    runs
}
