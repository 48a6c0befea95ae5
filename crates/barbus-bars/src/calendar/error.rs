//! The reasons why a calendar is rejected.

use jiff::civil::Date;

use crate::suggestion::did_you_mean;

/// Why a calendar is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CalendarError {
    /// No preset has this name.
    #[error("unknown calendar {name:?}: the known calendars are {}{}", known.join(", "), did_you_mean(nearest))]
    UnknownPreset {
        /// The name.
        name: String,
        /// The most similar preset, if any.
        nearest: Option<String>,
        /// The names of all presets.
        known: Vec<&'static str>,
    },
    /// A setting without a default is missing.
    #[error("the calendar has no {0}: add the setting, or name a preset")]
    Missing(&'static str),
    /// The time zone database does not have the zone.
    #[error("unknown time zone {0:?}: give an IANA name such as \"Asia/Shanghai\" or \"UTC\"")]
    UnknownZone(String),
    /// A text is not a time of day.
    #[error("{setting}: {text:?} is not a time of day such as \"09:30\"")]
    BadTime {
        /// The setting that has it.
        setting: &'static str,
        /// The text.
        text: String,
    },
    /// A session ends before it begins, or crosses the boundary between two days.
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
    #[error("the session from {0} overlaps the one before it: correct one of them")]
    Overlap(String),
    /// A word is not a day of the week.
    #[error("weekend: unknown day {name:?}{}", did_you_mean(nearest))]
    UnknownWeekday {
        /// The word.
        name: String,
        /// The most similar day, if any.
        nearest: Option<String>,
    },
    /// Every day of the week belongs to the weekend.
    #[error("weekend has all days of the week: leave at least one for trading")]
    NoTradingDay,
    /// A date is outside the years of a calendar.
    #[error("{setting}: {date} is not between 1970 and 2200")]
    DateOutOfRange {
        /// The setting that has it.
        setting: &'static str,
        /// The date.
        date: Date,
    },
    /// A preset's own holiday table cannot be read: a bug in barbus.
    #[error("the holiday table of {preset} cannot be read: {reason}")]
    BadTable {
        /// The preset.
        preset: &'static str,
        /// The reason.
        reason: String,
    },
}
