//! The settings of a calendar, as TOML has them.
//!
//! Every setting but the zone and the sessions has a default; with a preset these have one too.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The settings of a calendar: the `[calendar]` table of `bus.toml`.
///
/// Times are `"HH:MM"` on the wall clock of the calendar's zone; a session may end at `"24:00"`.
///
/// ```
/// use barbus_bars::{Calendar, CalendarSpec};
///
/// let spec: CalendarSpec = toml::from_str(r#"
///     name = "gold"
///     zone = "Asia/Shanghai"
///     sessions = [["20:00", "02:30"], ["09:00", "15:30"]]
///     day_starts = "18:00"                 # from noon on: of the evening before
///     holidays = [2026-01-01, 2026-01-02]
///     holidays_through = 2026-12-31
///     half_days = { 2026-02-13 = "11:30" }
/// "#)?;
/// assert_eq!(Calendar::from_spec(spec)?.name(), "gold");
///
/// // A preset with the holidays of one more year:
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
    /// A preset to start from. `holidays` and `half_days` are added to the preset's, every other
    /// setting replaces the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// The name in the metadata of archived days. Default: the preset's, or `custom`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// IANA name of the market's time zone. Required without a preset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Sessions as `[["09:30", "11:30"], ["13:00", "15:00"]]`. A session may pass midnight if the
    /// day starts in the evening. The day's close is the end of the last session. Required without
    /// a preset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Vec<[String; 2]>>,
    /// When a trading day begins: a time before noon is on the date itself, a later time on the
    /// date before. Default: `00:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day_starts: Option<String>,
    /// Days of the week without trading, such as `["friday", "saturday"]`; `[]` for none. Default:
    /// Saturday and Sunday.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekend: Option<Vec<String>>,
    /// Dates without trading.
    #[serde(deserialize_with = "dates::many", skip_serializing_if = "Vec::is_empty")]
    pub holidays: Vec<Date>,
    /// Last date that `holidays` covers; after it the daemon warns. Default: the last holiday.
    #[serde(deserialize_with = "dates::maybe", skip_serializing_if = "Option::is_none")]
    pub holidays_through: Option<Date>,
    /// Dates with an early close, and its time: `2026-11-27 = "13:00"`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub half_days: BTreeMap<Date, String>,
}

/// Reads dates that are TOML dates or text.
pub(super) mod dates {
    use jiff::civil::Date;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer};

    fn date<E: Error>(value: &toml::Value) -> Result<Date, E> {
        let text = match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Datetime(date) => date.to_string(),
            other => {
                let found = other.type_str();
                return Err(E::custom(format_args!(
                    "expected a date such as 2026-01-01, found a value of type {found}"
                )));
            }
        };
        // jiff also accepts the date in a longer text, which is more likely a mistake here.
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
