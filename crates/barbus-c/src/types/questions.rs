//! Questions over live and archived bars, and their answers.

use crate::raw::{CText, Versioned};
use crate::types::barbus_text;

/// Prices and volumes as they were traded.
pub const BARBUS_ADJUST_NONE: i32 = 0;
/// Prices are adjusted by the column factor so that the newest ones are as traded.
pub const BARBUS_ADJUST_FORWARD: i32 = 1;
/// Prices are adjusted by the column factor so that the oldest ones are as traded.
pub const BARBUS_ADJUST_BACKWARD: i32 = 2;

/// Which bars are wanted. A struct of zeros with its size asks for all bars.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct barbus_question<'a> {
    /// Set it to sizeof(barbus_question).
    pub(crate) size: usize,
    /// Only bars of these symbols; null: of all.
    pub(crate) symbols: *const CText<'a>,
    /// Number of symbols.
    pub(crate) symbol_count: usize,
    /// Only bars from this trading day on, days since 1970-01-01; 0: from the first one.
    pub(crate) from_day: i32,
    /// Only bars up to this trading day; 0: up to the newest one.
    pub(crate) to_day: i32,
    /// Only bars that end at this time or later, milliseconds since 1970-01-01 UTC; 0: no bound. It
    /// contradicts `from_day`.
    pub(crate) from_ms: i64,
    /// Only bars that end at this time or earlier; 0: no bound. It contradicts `to_day`.
    pub(crate) to_ms: i64,
    /// Only the last bars of each symbol, this many; 0: all.
    pub(crate) last: u64,
    /// The length of the bars, such as "5m", "1h", "1d", "1w" or "1M"; null: a minute.
    pub(crate) interval: CText<'a>,
    /// One of BARBUS_ADJUST_….
    pub(crate) adjust: i32,
    /// Not 0: a day with a damaged file is left out, which a shortfall says; otherwise it is an
    /// error.
    pub(crate) skip_damaged: i32,
    /// Only these columns, after symbol and frame; null: all.
    pub(crate) columns: *const CText<'a>,
    /// Number of columns.
    pub(crate) column_count: usize,
}

impl Versioned for barbus_question<'_> {
    const NAME: &'static str = "barbus_question";
    fn size(&self) -> usize {
        self.size
    }
}

/// What an answer has.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct barbus_answer_info {
    /// Set it to sizeof(barbus_answer_info).
    pub(crate) size: usize,
    /// Number of bars.
    pub(crate) bars: usize,
    /// Number of symbols, whose ids are below it: see barbus_answer_symbol.
    pub(crate) symbols: usize,
    /// A reader that starts at this sequence number continues without a gap or an overlap.
    pub(crate) next_seq: u64,
    /// 0 if the bus has no ring: then `next_seq` means nothing.
    pub(crate) has_next_seq: i32,
    /// 0 if something that was asked for is missing: see barbus_answer_shortfall.
    pub(crate) complete: i32,
    /// Number of shortfalls.
    pub(crate) shortfalls: usize,
}

impl Versioned for barbus_answer_info {
    const NAME: &'static str = "barbus_answer_info";
    fn size(&self) -> usize {
        self.size
    }
}

/// One column of the last minutes, for many symbols side by side. The arrays are valid until the
/// panel is closed.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct barbus_panel_data {
    /// Set it to sizeof(barbus_panel_data).
    pub(crate) size: usize,
    /// The ends of the minutes, milliseconds since 1970-01-01 UTC, ascending.
    pub(crate) frames_ms: *const i64,
    /// Number of minutes.
    pub(crate) minutes: usize,
    /// The symbols, ascending.
    pub(crate) symbols: *const barbus_text,
    /// Number of symbols.
    pub(crate) symbol_count: usize,
    /// values[minute * symbol_count + symbol]; NaN where there is no bar or no value.
    pub(crate) values: *const f64,
    /// Number of shortfalls: see barbus_panel_shortfall.
    pub(crate) shortfalls: usize,
}

impl Versioned for barbus_panel_data {
    const NAME: &'static str = "barbus_panel_data";
    fn size(&self) -> usize {
        self.size
    }
}
