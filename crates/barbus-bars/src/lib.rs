//! Bars for barbus: what a bar consists of, how foreign batches become bars, and which trading day a bar belongs to.
//!
//! Nothing here opens a file or a socket. A bar's `frame` marks its **end**; everything in this crate speaks of
//! ends, and [`Label`] says what a producer means.

#![forbid(unsafe_code)]

mod batch;
mod calendar;
mod canonical;
mod cast;
mod epoch_days;
mod fault;
mod label;
mod column_map;
mod rules;
mod schema;
mod time;

pub use batch::BarBatch;
pub use calendar::{Calendar, CalendarError, CalendarSpec, PRESETS, TradingDay};
pub use canonical::Canonical;
pub use cast::{CastError, CastOptions, DEFAULT_INTERVAL_MS};
pub use epoch_days::{date_from_epoch_days, epoch_days};
pub use fault::Fault;
pub use time::frame_reader::FrameReader;
pub use jiff::civil::Date;
pub use label::{Label, LabelError};
pub use column_map::{ColumnMap, MapError};
pub use rules::Rules;
pub use schema::{
    BarSchema, CLOSE, FACTOR, FIXED_COLUMNS, FRAME, HIGH, LOW, MAX_OPTIONAL, MAX_SYMBOL_BYTES, MONEY, OPEN,
    PRICE_COLUMNS, PriceType, RECEIVED, RESERVED_COLUMNS, SEQ, SYMBOL, SchemaError, VOLUME,
};
