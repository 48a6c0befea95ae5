//! The calendars of known markets, with their holiday tables.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Deserialize;

use super::error::CalendarError;
use super::spec::{CalendarSpec, dates};
use crate::suggestion::nearest;

/// The name of each calendar of [`Calendar::preset`](crate::Calendar::preset), and one line about
/// it.
pub const PRESETS: &[(&str, &str)] = &[
    (XSHG.name, XSHG.about),
    (XSHE.name, XSHE.about),
    (CN_FUTURES.name, CN_FUTURES.about),
    (XNYS.name, XNYS.about),
    (CME.name, CME.about),
    (ALWAYS.name, ALWAYS.about),
];

const ALL: [&Preset; 6] = [&XSHG, &XSHE, &CN_FUTURES, &XNYS, &CME, &ALWAYS];

struct Preset {
    name: &'static str,
    about: &'static str,
    zone: &'static str,
    day_starts: &'static str,
    sessions: &'static [[&'static str; 2]],
    weekend: &'static [&'static str],
    /// A [`HolidayTable`] in TOML.
    holidays: Option<&'static str>,
}

const SATURDAY_SUNDAY: &[&str] = &["saturday", "sunday"];
const CHINA: Option<&str> = Some(include_str!("holidays/xshg.toml"));
const NEW_YORK: Option<&str> = Some(include_str!("holidays/xnys.toml"));
const CHICAGO: Option<&str> = Some(include_str!("holidays/cme.toml"));

const XSHG: Preset = Preset {
    name: "XSHG",
    about: "Shanghai stock exchange, 09:30-11:30 and 13:00-15:00",
    zone: "Asia/Shanghai",
    day_starts: "00:00",
    sessions: &[["09:30", "11:30"], ["13:00", "15:00"]],
    weekend: SATURDAY_SUNDAY,
    holidays: CHINA,
};

const XSHE: Preset =
    Preset { name: "XSHE", about: "Shenzhen stock exchange, the same days and hours as Shanghai", ..XSHG };

/// The eve of a holiday has no night session. The rule needs no exception for it: a bar of such a
/// night belongs to the next trading day, as after any evening. 15:15 is the close of treasury
/// futures, the latest of all.
const CN_FUTURES: Preset = Preset {
    name: "CN-FUTURES",
    about: "Chinese futures exchanges; the night session 21:00-02:30 belongs to the next trading day",
    zone: "Asia/Shanghai",
    day_starts: "18:00",
    sessions: &[["21:00", "02:30"], ["09:00", "11:30"], ["13:00", "15:15"]],
    weekend: SATURDAY_SUNDAY,
    holidays: CHINA,
};

const XNYS: Preset = Preset {
    name: "XNYS",
    about: "New York Stock Exchange and Nasdaq with extended hours, 04:00-20:00",
    zone: "America/New_York",
    day_starts: "00:00",
    sessions: &[["04:00", "20:00"]],
    weekend: SATURDAY_SUNDAY,
    holidays: NEW_YORK,
};

const CME: Preset = Preset {
    name: "CME",
    about: "CME Globex, 17:00 the evening before to 16:00 in Chicago",
    zone: "America/Chicago",
    day_starts: "17:00",
    sessions: &[["17:00", "16:00"]],
    weekend: SATURDAY_SUNDAY,
    holidays: CHICAGO,
};

const ALWAYS: Preset = Preset {
    name: "24x7",
    about: "every day from midnight to midnight UTC, as crypto exchanges trade",
    zone: "UTC",
    day_starts: "00:00",
    sessions: &[["00:00", "24:00"]],
    weekend: &[],
    holidays: None,
};

/// A file of `holidays/`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HolidayTable {
    /// First and last date that the table covers.
    #[serde(deserialize_with = "dates::one")]
    covers_from: Date,
    #[serde(deserialize_with = "dates::one")]
    covers_through: Date,
    #[serde(deserialize_with = "dates::many")]
    holidays: Vec<Date>,
    #[serde(default)]
    half_days: BTreeMap<Date, String>,
}

/// The settings of a preset.
pub(super) fn spec(name: &str) -> Result<CalendarSpec, CalendarError> {
    let preset = ALL.iter().find(|preset| preset.name.eq_ignore_ascii_case(name));
    let Some(preset) = preset else {
        return Err(CalendarError::UnknownPreset {
            name: name.to_owned(),
            nearest: nearest(name, ALL.iter().map(|preset| preset.name)),
            known: ALL.iter().map(|preset| preset.name).collect(),
        });
    };
    let mut spec = CalendarSpec {
        preset: None,
        name: Some(preset.name.to_owned()),
        zone: Some(preset.zone.to_owned()),
        day_starts: Some(preset.day_starts.to_owned()),
        sessions: Some(preset.sessions.iter().map(|session| session.map(str::to_owned)).collect()),
        weekend: Some(preset.weekend.iter().map(|&day| day.to_owned()).collect()),
        ..CalendarSpec::default()
    };
    if let Some(text) = preset.holidays {
        let table: HolidayTable =
            toml::from_str(text).map_err(|e| CalendarError::BadTable { preset: preset.name, reason: e.to_string() })?;
        debug_assert!(table.covers_from < table.covers_through);
        spec.holidays = table.holidays;
        spec.half_days = table.half_days;
        spec.holidays_through = Some(table.covers_through);
    }
    Ok(spec)
}
