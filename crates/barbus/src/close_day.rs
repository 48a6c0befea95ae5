//! The request to close the trading day, and what became of one that was given up.

use std::time::Duration;

use barbus_bars::{Date, date_from_epoch_days};

use crate::attach::attach;
use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::protocol::{DayClose, Request};
use crate::requests::ask_patiently;
use crate::socket::DEFAULT_TIMEOUT;

/// Requests that the daemon closes the trading day and archives it. With `date`, that day must be
/// the open one or a closed one; without it, the open day is closed. It is
/// [`request_close_day_within`] five seconds.
///
/// # Errors
/// As [`request_close_day_within`].
pub fn request_close_day(bus: &Bus, date: Option<Date>) -> Result<DayClose> {
    request_close_day_within(bus, date, DEFAULT_TIMEOUT)
}

/// As [`request_close_day`], with another time limit.
///
/// It waits for the archive as long as the daemon lives, and gives up when the daemon has been
/// silent for `timeout`.
///
/// # Errors
/// [`Error::NoDaemon`] without a daemon, [`Error::Refused`] if the day cannot be closed or
/// archived, [`Error::GivenUp`] if the daemon is stopped, hangs or ends: it says whether the day
/// was closed.
pub fn request_close_day_within(bus: &Bus, date: Option<Date>, timeout: Duration) -> Result<DayClose> {
    let day = date.map_or_else(|| open_day(bus), |date| Known::Is(Some(date)));
    ask_patiently(bus, &Request::CloseDay { date }, timeout).map_err(|error| match error {
        Error::Unresponsive { why, .. } => given_up(bus, day, why),
        Error::Protocol { what, .. } => given_up(bus, day, what),
        Error::Io { action, source, .. } => given_up(bus, day, format!("cannot {action} the socket: {source}")),
        other => other,
    })
}

/// What the ring shows, or that it cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known<T> {
    Is(T),
    Unknown,
}

/// The open day, as the ring shows it.
fn open_day(bus: &Bus) -> Known<Option<Date>> {
    let Ok(ring) = attach(bus) else { return Known::Unknown };
    Known::Is(ring.open_day().map(date_from_epoch_days))
}

/// The error for a request to close `day` that was given up for the reason `why`.
fn given_up(bus: &Bus, day: Known<Option<Date>>, why: String) -> Error {
    let stat = format!("run: barbus stat {}", bus.path().display());
    let (carried_out, outcome) = match (day, open_day(bus)) {
        (Known::Is(None), Known::Is(None)) => (None, "no day was open, and none is".to_owned()),
        (Known::Is(Some(day)), Known::Is(Some(open))) if open == day => (
            Some(false),
            format!(
                "{day} was not closed, it is still open; a daemon that goes on drops the request: to be sure, {stat}"
            ),
        ),
        (Known::Is(Some(day)), Known::Is(open)) if open.is_none_or(|open| open > day) => {
            let file = bus.archive().join(format!("{day}.parquet"));
            let archived = match file.exists() {
                true => format!("it has a file, {}: whether with all bars, says: barbus stat", file.display()),
                false => "it has no file yet: the daemon writes it when it goes on or starts again".to_owned(),
            };
            (Some(true), format!("{day} is closed; {archived}"))
        }
        _ => (None, format!("it is not known whether the day was closed: when the daemon answers again, {stat}")),
    };
    Error::GivenUp { bus: bus.path().to_owned(), why, carried_out, outcome }
}
