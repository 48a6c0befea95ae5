//! Bars and events.

use super::{BARBUS_OPTIONAL, barbus_text};
use crate::raw::Versioned;

/// One bar of one symbol.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct barbus_bar {
    /// Sequence number of the bar on its bus; 0 for bars of the archive.
    pub seq: u64,
    /// The end of the bar, milliseconds since 1970-01-01 UTC.
    pub frame_ms: i64,
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Volume, in the unit of its source.
    pub volume: f64,
    /// When the bus received the bar, nanoseconds since 1970-01-01 UTC; 0 for bars of the archive.
    pub received_ns: i64,
    /// The optional columns in the order of bus.toml; 0 where `present` says that there is no
    /// value.
    pub optional: [f64; BARBUS_OPTIONAL],
    /// The id of the symbol, see barbus_symbol_name.
    pub symbol: u32,
    /// Bit i: the optional column i has a value.
    pub present: u8,
    /// 0 for a first bar, n for its n-th correction; 255 for the 255th and later ones.
    pub revision: u8,
}

impl barbus_bar {
    /// No bar.
    pub(crate) const ZERO: Self = Self {
        seq: 0,
        frame_ms: 0,
        open: 0.0,
        high: 0.0,
        low: 0.0,
        close: 0.0,
        volume: 0.0,
        received_ns: 0,
        optional: [0.0; BARBUS_OPTIONAL],
        symbol: 0,
        present: 0,
        revision: 0,
    };
}

/// No event: there is none yet, or the time is over.
pub const BARBUS_EVENT_NONE: i32 = 0;
/// New bars, in the order of their sequence numbers: `bars`, `count`.
pub const BARBUS_EVENT_BARS: i32 = 1;
/// The trading day `day` has closed: all of its bars up to here were delivered.
pub const BARBUS_EVENT_DAY_CLOSED: i32 = 2;
/// The reader was too slow: exactly `missed` bars were overwritten before they were read.
pub const BARBUS_EVENT_LAPPED: i32 = 3;
/// An operator has withdrawn bars of `day`: they are not bars of the bus any more. `names` has
/// their symbols, none for all; barbus_event_covers tells of each bar.
pub const BARBUS_EVENT_WITHDRAWN: i32 = 4;
/// The minute that ends at `frame_ms` is complete. `symbols` have a bar of it, and `names` are the
/// expected ones that have none. Only for a reader that was opened with `minutes`.
pub const BARBUS_EVENT_MINUTE_CLOSED: i32 = 5;

/// What a reader delivers. A call sets `kind` and the fields that its kind names; the others keep
/// what they had.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct barbus_event {
    /// Set it to sizeof(barbus_event).
    pub size: usize,
    /// One of BARBUS_EVENT_….
    pub kind: i32,
    /// The trading day, days since 1970-01-01.
    pub day: i32,
    /// The bars. They are valid until the next call with the same reader.
    pub(crate) bars: *const barbus_bar,
    /// Number of bars.
    pub count: usize,
    /// Number of missed bars.
    pub missed: u64,
    /// The end of the minute, milliseconds since 1970-01-01 UTC.
    pub frame_ms: i64,
    /// Number of symbols that have a bar of the minute.
    pub symbols: usize,
    /// Symbols. They are valid until the next call with the same reader.
    pub(crate) names: *const barbus_text,
    /// Number of names.
    pub name_count: usize,
}

impl Versioned for barbus_event {
    const NAME: &'static str = "barbus_event";
    fn size(&self) -> usize {
        self.size
    }
}

impl Default for barbus_event {
    fn default() -> Self {
        Self {
            size: size_of::<Self>(),
            kind: BARBUS_EVENT_NONE,
            day: 0,
            bars: std::ptr::null(),
            count: 0,
            missed: 0,
            frame_ms: 0,
            symbols: 0,
            names: std::ptr::null(),
            name_count: 0,
        }
    }
}
