//! Days and times that a user writes, in the zone of a bus.

use anyhow::bail;
use barbus::Bound;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// A time with an offset, or one in the zone of the bus.
pub(in crate::commands) fn time(flag: &str, text: &str, zone: &TimeZone) -> anyhow::Result<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let civil: DateTime = match text.parse() {
        Ok(time) => time,
        Err(_) => bail!("{flag}: {text:?} is not a time: give one such as \"2026-11-27 09:31\""),
    };
    match zone.to_ambiguous_zoned(civil).unambiguous() {
        Ok(time) => Ok(time.timestamp()),
        Err(_) => bail!("{flag}: {text:?} is not one moment in the zone of the bus: add an offset"),
    }
}

/// A trading day, or a time as in [`time`].
pub(in crate::commands) fn bound(flag: &str, text: &str, zone: &TimeZone) -> anyhow::Result<Bound> {
    // A date with a time is read as a date too; only ten characters are a day.
    match text.parse::<Date>() {
        Ok(day) if text.len() == 10 => Ok(Bound::Day(day)),
        _ if text.contains(':') => Ok(Bound::Time(time(flag, text, zone)?)),
        _ => bail!("{flag}: {text:?} is neither a day nor a time: give 2026-11-27 or \"2026-11-27 09:31\""),
    }
}
