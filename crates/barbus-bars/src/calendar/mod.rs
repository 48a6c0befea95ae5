//! Which trading day a bar belongs to.
//!
//! A day ends where the next begins, at the calendar's day start: midnight for a stock exchange,
//! the evening before for a market with a night session.
//! A bar belongs to a day by its **end**. A bar that ends exactly at the boundary belongs to the
//! day that ends there.
//!
//! Every instant belongs to a day.
//! Where days begin in the evening, a bar after the evening of a trading day belongs to the next
//! *trading* day: Friday night to Monday, the eve of a holiday to the day after it, a stray bar on
//! a Saturday to Monday.
//! Elsewhere a stray bar on a weekend or holiday belongs to its own date, so it never enters
//! another day's file.
//!
//! Holidays are tables, and tables end: after [`Calendar::horizon`] only weekends are known.

mod error;
mod parse;
mod presets;
mod spec;
mod trading_day;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;

pub use error::CalendarError;
use parse::{check_date, end_within_day, time_of_day, weekend};
pub use presets::PRESETS;
pub use spec::CalendarSpec;
use trading_day::DAY_MINUTES;
pub use trading_day::{Calendar, TradingDay};

impl Calendar {
    /// One of the [`PRESETS`] by name, in any case.
    ///
    /// # Errors
    /// [`CalendarError::UnknownPreset`] lists the presets.
    pub fn preset(name: &str) -> Result<Calendar, CalendarError> {
        Calendar::from_spec(CalendarSpec { preset: Some(name.to_owned()), ..CalendarSpec::default() })
    }

    /// The calendar that the settings describe.
    ///
    /// # Errors
    /// [`CalendarError`] when the preset, the zone or a day of the week is unknown, a time cannot
    /// be read, sessions overlap or cross the day's boundary, or a setting without a default is
    /// missing.
    pub fn from_spec(spec: CalendarSpec) -> Result<Calendar, CalendarError> {
        let spec = on_preset(spec)?;
        let zone_name = spec.zone.ok_or(CalendarError::Missing("zone"))?;
        let Ok(zone) = TimeZone::get(&zone_name) else {
            return Err(CalendarError::UnknownZone(zone_name));
        };
        let day_starts = spec.day_starts.unwrap_or_else(|| "00:00".to_owned());
        let start = time_of_day("day_starts", &day_starts, DAY_MINUTES - 1)?;
        let start = if start >= DAY_MINUTES / 2 { start - DAY_MINUTES } else { start };

        let sessions = spec.sessions.unwrap_or_default();
        let mut spans = Vec::with_capacity(sessions.len());
        for [from, to] in &sessions {
            let begin = start + (time_of_day("sessions", from, DAY_MINUTES)? - start).rem_euclid(DAY_MINUTES);
            let end = end_within_day(start, time_of_day("sessions", to, DAY_MINUTES)?);
            if end <= begin {
                return Err(CalendarError::BadSession { from: from.clone(), to: to.clone(), day_starts });
            }
            spans.push((begin, end, from));
        }
        spans.sort();
        if let Some(pair) = spans.windows(2).find(|pair| pair[1].0 < pair[0].1) {
            return Err(CalendarError::Overlap(pair[1].2.clone()));
        }
        let close = spans.last().ok_or(CalendarError::Missing("sessions"))?.1;

        for &date in &spec.holidays {
            check_date("holidays", date)?;
        }
        let mut half_days = BTreeMap::new();
        for (date, time) in spec.half_days {
            check_date("half_days", date)?;
            half_days.insert(date, end_within_day(start, time_of_day("half_days", &time, DAY_MINUTES)?));
        }
        let holidays: BTreeSet<Date> = spec.holidays.into_iter().collect();
        Ok(Calendar {
            name: spec.name.unwrap_or_else(|| "custom".to_owned()),
            zone_name,
            zone,
            start,
            close,
            weekend: weekend(spec.weekend)?,
            horizon: spec.holidays_through.or(holidays.last().copied()),
            holidays,
            half_days,
        })
    }
}

/// The settings with those of the preset for each that is absent.
fn on_preset(mut spec: CalendarSpec) -> Result<CalendarSpec, CalendarError> {
    let Some(name) = spec.preset.take() else {
        return Ok(spec);
    };
    let mut preset = presets::spec(&name)?;
    let own_last = spec.holidays.iter().max().copied();
    preset.holidays.append(&mut spec.holidays);
    preset.half_days.append(&mut spec.half_days);
    Ok(CalendarSpec {
        preset: None,
        name: spec.name.or(preset.name),
        zone: spec.zone.or(preset.zone),
        sessions: spec.sessions.or(preset.sessions),
        day_starts: spec.day_starts.or(preset.day_starts),
        weekend: spec.weekend.or(preset.weekend),
        holidays_through: spec.holidays_through.or(own_last.max(preset.holidays_through)),
        holidays: preset.holidays,
        half_days: preset.half_days,
    })
}
