//! A calendar as it is spelled out in the settings of a bus, and how it becomes a [`Calendar`].
//!
//! Everything but the zone and the sessions has a default; with a `preset` even those have one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{Calendar, DAY_MINUTES, PRESETS, presets};
use crate::Date;
use crate::column_map::nearest;

/// A calendar in words: the `[calendar]` table of `bus.toml`.
///
/// Times are wall clock `"HH:MM"` in the calendar's zone; `"24:00"` is a possible end.
///
/// ```
/// use barbus_bars::{Calendar, CalendarSpec};
///
/// let spec: CalendarSpec = toml::from_str(r#"
///     name = "gold"
///     zone = "Asia/Shanghai"
///     sessions = [["20:00", "02:30"], ["09:00", "15:30"]]
///     day_starts = "18:00"                 # noon or later: the evening before
///     holidays = [2026-01-01, 2026-01-02]
///     holidays_through = 2026-12-31
///     half_days = { 2026-02-13 = "11:30" }
/// "#)?;
/// assert_eq!(Calendar::from_spec(spec)?.name(), "gold");
///
/// // A preset whose holiday table goes on:
/// let spec: CalendarSpec = toml::from_str(r#"
///     preset = "XNYS"
///     holidays = [2027-01-01, 2027-01-18]
///     holidays_through = 2027-12-31
/// "#)?;
/// # Calendar::from_spec(spec)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CalendarSpec {
    /// A preset to start from. `holidays` and `half_days` are added to its own, every other setting replaces its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// The name kept in the metadata of archives. Default: the preset's, or `custom`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// IANA name of the market's time zone. Required without a preset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Sessions as `[["09:30", "11:30"], ["13:00", "15:00"]]`; one may pass midnight where the day starts in the evening.
    /// The end of the last one is when the day closes by the clock. Required without a preset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Vec<[String; 2]>>,
    /// When a trading day begins: a time before noon on the date itself, a time from noon on the evening before.
    /// Default: `00:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day_starts: Option<String>,
    /// Days of the week without trading, such as `["friday", "saturday"]`; `[]` for none. Default: Saturday and Sunday.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekend: Option<Vec<String>>,
    /// Dates without trading.
    #[serde(deserialize_with = "dates::many", skip_serializing_if = "Vec::is_empty")]
    pub holidays: Vec<Date>,
    /// Last date `holidays` covers; past it the daemon warns. Default: the last holiday listed.
    #[serde(deserialize_with = "dates::maybe", skip_serializing_if = "Option::is_none")]
    pub holidays_through: Option<Date>,
    /// Dates that close early, with the time: `2026-11-27 = "13:00"`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub half_days: BTreeMap<Date, String>,
}

/// Why a calendar was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CalendarError {
    /// There is no preset of that name.
    #[error("unknown calendar {name:?}: {}known are {}", did_you_mean(nearest), preset_names())]
    UnknownPreset {
        /// The name given.
        name: String,
        /// The preset that looks like it, if any.
        nearest: Option<String>,
    },
    /// A setting that has no default is missing.
    #[error("the calendar has no {0}")]
    Missing(&'static str),
    /// The zone is not in the time zone database.
    #[error("unknown time zone {0:?}: give an IANA name such as \"Asia/Shanghai\" or \"UTC\"")]
    UnknownZone(String),
    /// A text is not a time of day.
    #[error("{setting}: {text:?} is not a time of day such as \"09:30\"")]
    BadTime {
        /// The setting it stands in.
        setting: &'static str,
        /// The text.
        text: String,
    },
    /// A session ends before it begins, or reaches over the boundary between two days.
    #[error("session {from} to {to} does not lie within one trading day, which starts at {day_starts}")]
    BadSession {
        /// Its first time.
        from: String,
        /// Its last time.
        to: String,
        /// When a day starts.
        day_starts: String,
    },
    /// Two sessions overlap.
    #[error("two sessions overlap, the second from {0}")]
    Overlap(String),
    /// A word is not a day of the week.
    #[error("weekend: unknown day {name:?}{}", nearest.as_ref().map_or(String::new(), |n| format!(": did you mean {n:?}?")))]
    UnknownWeekday {
        /// The word.
        name: String,
        /// The day that looks like it, if any.
        nearest: Option<String>,
    },
    /// Every day of the week is weekend.
    #[error("weekend: no day of the week is left for trading")]
    NoTradingDay,
    /// A date is outside the years a calendar covers.
    #[error("{setting}: {date} is not between 1970 and 2200")]
    DateOutOfRange {
        /// The setting it stands in.
        setting: &'static str,
        /// The date.
        date: Date,
    },
    /// A preset's own holiday table cannot be read: a defect of barbus.
    #[error("the holiday table of {preset} is damaged: {reason}")]
    BadTable {
        /// The preset.
        preset: &'static str,
        /// What the reader said.
        reason: String,
    },
}

fn did_you_mean(nearest: &Option<String>) -> String {
    let nearest = nearest.as_ref();
    nearest.map_or_else(String::new, |name| format!("did you mean {name:?}? "))
}

fn preset_names() -> String {
    let names: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

impl Calendar {
    /// The calendar a spec describes.
    ///
    /// # Errors
    /// [`CalendarError`] when the preset, zone or a day of the week is unknown, a time cannot be read, sessions overlap
    /// or reach over the day's boundary, or something without a default is missing.
    pub fn from_spec(spec: CalendarSpec) -> Result<Calendar, CalendarError> {
        let spec = on_preset(spec)?;
        let zone_name = spec.zone.ok_or(CalendarError::Missing("zone"))?;
        let Ok(zone) = TimeZone::get(&zone_name) else {
            return Err(CalendarError::UnknownZone(zone_name));
        };
        let day_starts = spec.day_starts.unwrap_or_else(|| "00:00".to_owned());
        let starts = minutes("day_starts", &day_starts)?;
        let starts = if starts >= DAY_MINUTES / 2 { starts - DAY_MINUTES } else { starts };

        let sessions = spec.sessions.unwrap_or_default();
        let mut spans = Vec::with_capacity(sessions.len());
        for [from, to] in &sessions {
            let begin = starts + (minutes("sessions", from)? - starts).rem_euclid(DAY_MINUTES);
            let end = end_within_day(starts, minutes("sessions", to)?);
            if end <= begin {
                return Err(CalendarError::BadSession { from: from.clone(), to: to.clone(), day_starts });
            }
            spans.push((begin, end, from));
        }
        spans.sort();
        if let Some(pair) = spans.windows(2).find(|pair| pair[1].0 < pair[0].1) {
            return Err(CalendarError::Overlap(pair[1].2.clone()));
        }
        let closes = spans.last().ok_or(CalendarError::Missing("sessions"))?.1;

        for &date in &spec.holidays {
            in_range("holidays", date)?;
        }
        let mut half_days = BTreeMap::new();
        for (date, time) in spec.half_days {
            in_range("half_days", date)?;
            half_days.insert(date, end_within_day(starts, minutes("half_days", &time)?));
        }
        let holidays: BTreeSet<Date> = spec.holidays.into_iter().collect();
        Ok(Calendar {
            name: spec.name.unwrap_or_else(|| "custom".to_owned()),
            zone_name,
            zone,
            starts,
            closes,
            weekend: weekend(spec.weekend)?,
            horizon: spec.holidays_through.or(holidays.last().copied()),
            holidays,
            half_days,
        })
    }
}

/// The spec with what its preset says wherever it says nothing itself.
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

/// `HH:MM` as minutes, `24:00` included.
fn minutes(setting: &'static str, text: &str) -> Result<i32, CalendarError> {
    let bad = || CalendarError::BadTime { setting, text: text.to_owned() };
    let number = |text: &str| -> Option<i32> {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        (digits && matches!(text.len(), 1 | 2)).then(|| text.parse().ok())?
    };
    let (hour, minute) = text.split_once(':').ok_or_else(bad)?;
    let (hour, minute) = number(hour).zip(number(minute)).ok_or_else(bad)?;
    let minutes = hour * 60 + minute;
    let possible =
        minute < 60 && minutes <= DAY_MINUTES && setting != "day_starts" || minute < 60 && minutes < DAY_MINUTES;
    possible.then_some(minutes).ok_or_else(bad)
}

/// The minute, from the date's midnight, at which a clock shows `end` after the start of the day.
fn end_within_day(starts: i32, end: i32) -> i32 {
    starts + 1 + (end - starts - 1).rem_euclid(DAY_MINUTES)
}

fn in_range(setting: &'static str, date: Date) -> Result<(), CalendarError> {
    if (1970..=2200).contains(&date.year()) { Ok(()) } else { Err(CalendarError::DateOutOfRange { setting, date }) }
}

fn weekend(names: Option<Vec<String>>) -> Result<Vec<Weekday>, CalendarError> {
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

/// Dates written as TOML dates or as text.
pub(super) mod dates {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer};

    use crate::Date;

    fn date<E: Error>(value: &toml::Value) -> Result<Date, E> {
        let text = match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Datetime(date) => date.to_string(),
            other => {
                return Err(E::custom(format_args!("expected a date such as 2026-01-01, found {other}")));
            }
        };
        // jiff also takes the date of a longer text; here that is more likely a mistake.
        let only_date = text.len() == "2026-01-01".len();
        let date = only_date.then(|| text.parse().ok()).flatten();
        date.ok_or_else(|| E::custom(format_args!("{text:?} is not a date such as 2026-01-01")))
    }

    pub(in crate::calendar) fn one<'de, D: Deserializer<'de>>(d: D) -> Result<Date, D::Error> {
        date(&toml::Value::deserialize(d)?)
    }

    pub(in crate::calendar) fn maybe<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Date>, D::Error> {
        one(d).map(Some)
    }

    pub(in crate::calendar) fn many<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Date>, D::Error> {
        let values = Vec::<toml::Value>::deserialize(d)?;
        values.iter().map(date).collect()
    }
}
