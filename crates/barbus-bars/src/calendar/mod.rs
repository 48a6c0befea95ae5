//! Market time: which trading day a bar belongs to, when a market is open, and which minutes a
//! trading day has.
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
//! Calendars are tables in TOML: those in `calendars/`, and files that [`CalendarTables::add`]
//! adds. Tables end: after [`Calendar::horizon`] only weekends are known.

mod compile;
mod dates;
mod error;
mod groups;
mod hours;
mod lazy_table;
mod parse;
mod presets;
mod session_cache;
mod sessions;
mod spec;
mod tables;
mod text;
mod trading_day;

use std::sync::LazyLock;

pub use error::CalendarError;
pub use presets::PRESETS;
pub use session_cache::{BarPlace, SessionCache};
pub use sessions::Session;
pub use spec::{
    CalendarSpec, EarlierHours, EarlyCloses, Evening, ExtraSession, GroupSpec, OpeningAuction, SessionSpec, SpecialDays,
};
pub use tables::CalendarTables;
pub use text::TableError;
pub use trading_day::{Calendar, TradingDay};

static BUILT_IN: LazyLock<CalendarTables> = LazyLock::new(CalendarTables::built_in);

impl Calendar {
    /// One of the [`PRESETS`] by name, in any case.
    ///
    /// # Errors
    /// [`CalendarError::UnknownPreset`] lists the presets.
    pub fn preset(name: &str) -> Result<Calendar, CalendarError> {
        BUILT_IN.calendar(name)
    }

    /// The calendar that the settings describe, on top of the built-in tables.
    ///
    /// # Errors
    /// As [`CalendarTables::describe`].
    pub fn from_spec(spec: CalendarSpec) -> Result<Calendar, CalendarError> {
        BUILT_IN.describe(spec)
    }

    /// The line, from 1, of a fault of the settings in the table `path` of a TOML text.
    pub fn fault_line(text: &str, path: &[&str], error: &CalendarError) -> Option<usize> {
        text::fault_line(text, path, error)
    }
}
