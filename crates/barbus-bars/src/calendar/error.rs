//! The reasons why a calendar is rejected.

use jiff::civil::Date;

use crate::suggestion::did_you_mean;

/// Why a calendar is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CalendarError {
    /// No calendar has this name.
    #[error("unknown calendar {name:?}: the known calendars are {}{}", known.join(", "), did_you_mean(nearest))]
    UnknownPreset {
        /// The name.
        name: String,
        /// The most similar calendar, if any.
        nearest: Option<String>,
        /// The names of all calendars.
        known: Vec<String>,
    },
    /// Calendars extend each other in a circle.
    #[error("calendar {0:?} extends itself by way of its preset: name another preset")]
    PresetCircle(String),
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
    /// A date has hours of its own, but no trading.
    #[error(
        "{setting}: {date} is no trading day: remove it there, or write trading_days = [{date}] to make it \
         a trading day"
    )]
    NoTradingOn {
        /// The setting that has it.
        setting: &'static str,
        /// The date.
        date: Date,
    },
    /// A merged date is a trading day of its own.
    #[error("merged_dates: {0} is a trading day: add it to holidays, so that its sessions belong to the next one")]
    MergedTradingDay(Date),
    /// A date is a holiday and is not, in the same table.
    #[error("trading_days: {0} is in holidays as well: remove one of them")]
    HolidayAndTradingDay(Date),
    /// The table ends before its last holiday.
    #[error(
        "holidays_through = {through} is before the holiday {last}: write the last date that the list covers, \
         or name the holiday in holidays_beyond"
    )]
    HorizonBeforeHoliday {
        /// The end of the table.
        through: Date,
        /// The last holiday.
        last: Date,
    },
    /// Two groups have the same product.
    #[error("groups: the product {0:?} is in two groups: remove it from one of them")]
    ProductTwice(String),
    /// A product group has a fault.
    #[error("group {group:?}: {error}")]
    InGroup {
        /// The group's name.
        group: String,
        /// The fault.
        error: Box<CalendarError>,
    },
}

impl CalendarError {
    /// The text in the settings that is at fault, for a search of its line: a word, a time, a date
    /// or a key.
    pub(super) fn culprit(&self) -> String {
        match self {
            Self::UnknownPreset { name, .. } | Self::PresetCircle(name) => name.clone(),
            Self::Missing(key) => (*key).to_owned(),
            Self::UnknownZone(name) | Self::UnknownWeekday { name, .. } | Self::ProductTwice(name) => name.clone(),
            Self::BadTime { text, .. } => text.clone(),
            Self::BadSession { from, .. } | Self::Overlap(from) => from.clone(),
            Self::NoTradingDay => "weekend".to_owned(),
            Self::DateOutOfRange { date, .. } | Self::NoTradingOn { date, .. } => date.to_string(),
            Self::MergedTradingDay(date) | Self::HolidayAndTradingDay(date) => date.to_string(),
            Self::HorizonBeforeHoliday { through, .. } => through.to_string(),
            Self::InGroup { error, .. } => error.culprit(),
        }
    }

    /// The setting that has the fault, if it is known.
    pub(super) fn setting(&self) -> Option<&'static str> {
        match self {
            Self::BadTime { setting, .. }
            | Self::DateOutOfRange { setting, .. }
            | Self::NoTradingOn { setting, .. } => Some(setting),
            Self::UnknownPreset { .. } | Self::PresetCircle(_) => Some("preset"),
            Self::UnknownZone(_) => Some("zone"),
            Self::MergedTradingDay(_) => Some("merged_dates"),
            Self::HolidayAndTradingDay(_) => Some("trading_days"),
            Self::HorizonBeforeHoliday { .. } => Some("holidays_through"),
            Self::ProductTwice(_) => Some("symbols"),
            Self::UnknownWeekday { .. } => Some("weekend"),
            Self::InGroup { error, .. } => error.setting(),
            _ => None,
        }
    }
}
