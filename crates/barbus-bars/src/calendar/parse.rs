//! Reads the words of a calendar's settings: times of day, days of the week, dates.

use jiff::civil::{Date, Weekday};

use super::error::CalendarError;
use super::trading_day::DAY_MINUTES;
use crate::suggestion::nearest;

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

/// `HH:MM` as minutes after midnight, at most `latest`.
pub(super) fn time_of_day(setting: &'static str, text: &str, latest: i32) -> Result<i32, CalendarError> {
    let number = |text: &str| -> Option<i32> {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        (digits && matches!(text.len(), 1 | 2)).then(|| text.parse().ok())?
    };
    let minutes = text.split_once(':').and_then(|(hour, minute)| {
        let (hour, minute) = (number(hour)?, number(minute)?);
        (minute < 60).then_some(hour * 60 + minute)
    });
    minutes
        .filter(|minutes| *minutes <= latest)
        .ok_or_else(|| CalendarError::BadTime { setting, text: text.to_owned() })
}

/// The first minute after the start of the day, counted from the date's midnight, at which the
/// clock shows `end`.
pub(super) fn end_within_day(day_start: i32, end: i32) -> i32 {
    day_start + 1 + (end - day_start - 1).rem_euclid(DAY_MINUTES)
}

/// An error for a date outside the years of a calendar.
pub(super) fn check_date(setting: &'static str, date: Date) -> Result<(), CalendarError> {
    if (1970..=2200).contains(&date.year()) { Ok(()) } else { Err(CalendarError::DateOutOfRange { setting, date }) }
}

/// The days of the weekend; Saturday and Sunday by default.
pub(super) fn weekend(names: Option<Vec<String>>) -> Result<Vec<Weekday>, CalendarError> {
    let Some(names) = names else {
        return Ok(vec![Weekday::Saturday, Weekday::Sunday]);
    };
    let mut weekend = Vec::new();
    for name in names {
        let wanted = name.to_lowercase();
        let day = WEEKDAYS.iter().find(|(full, _)| *full == wanted || full[..3] == wanted);
        let Some((_, day)) = day else {
            return Err(CalendarError::UnknownWeekday {
                nearest: nearest(&name, WEEKDAYS.iter().map(|(full, _)| *full)),
                name,
            });
        };
        if !weekend.contains(day) {
            weekend.push(*day);
        }
    }
    if weekend.len() == WEEKDAYS.len() {
        return Err(CalendarError::NoTradingDay);
    }
    Ok(weekend)
}
