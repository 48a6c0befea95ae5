//! Bars for barbus: what a bar is, how a producer's batch becomes bars, and which trading day a bar
//! belongs to.
//!
//! Nothing here opens a file or a socket. A bar's `frame` is the instant at which the bar **ends**;
//! [`Label`] defines what a producer's times mark.

#![forbid(unsafe_code)]

mod batch;
mod calendar;
mod cast;
mod column_map;
mod epoch_days;
mod fault;
mod interval;
mod label;
mod rules;
mod schema;
mod suggestion;
mod symbol_dictionary;
mod time;
mod time_name;
mod vendor_names;

pub use batch::BarBatch;
pub use calendar::{
    BarPlace, Calendar, CalendarError, CalendarSpec, CalendarTables, EarlierHours, EarlyCloses, Evening, ExtraSession,
    GroupSpec, OpeningAuction, PRESETS, Session, SessionCache, SessionSpec, SpecialDays, TableError, TradingDay,
};
pub use cast::error::CastError;
pub use cast::numbers::has_too_many_digits;
pub use cast::options::{CastOptions, DEFAULT_INTERVAL_MS};
pub use cast::symbols::SymbolMemo;
pub use column_map::{ColumnMap, ColumnMapError};
pub use epoch_days::{date_from_epoch_days, epoch_days};
pub use fault::Fault;
pub use interval::{Interval, IntervalError, Period, Periods};
pub use jiff::civil::Date;
pub use label::{Label, LabelError};
pub use rules::Rules;
pub use schema::{
    BarSchema, CLOSE, FACTOR, FIXED_COLUMNS, FRAME, HIGH, LOW, MAX_OPTIONAL_COLUMNS, MAX_SYMBOL_BYTES, MONEY, OPEN,
    PRICE_COLUMNS, PriceType, RECEIVED, RESERVED_COLUMNS, SEQ, SYMBOL, SchemaError, VOLUME,
};
pub use suggestion::{nearest, normalize as normalize_name};
pub use time::frame_reader::{FrameReader, end_of_last_second};
pub use time::limits::is_valid_frame;
pub use time::parse::{Moment, ParsedTime, parse as parse_time, parse_integer as parse_time_integer};
pub use time::wall_clock::{WallClock, WallTime};
pub use time_name::{stated_label, stated_zone};
pub use vendor_names::{aliases_of, time_rank};
