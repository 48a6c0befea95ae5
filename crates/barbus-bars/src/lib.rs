//! Bars for barbus: what a bar consists of, how foreign batches become bars, and which trading day a bar belongs to.
//!
//! Nothing here opens a file or a socket. A bar's `frame` marks its **end**; everything in this crate speaks of
//! ends; a producer that labels the start is shifted.

#![forbid(unsafe_code)]

mod fault;
mod schema;

pub use fault::Fault;
pub use jiff::civil::Date;
pub use schema::{
    BarSchema, CLOSE, FACTOR, FIXED_COLUMNS, FRAME, HIGH, LOW, MAX_OPTIONAL, MAX_SYMBOL_BYTES,
    MONEY, OPEN, PRICE_COLUMNS, PriceType, RECEIVED, RESERVED_COLUMNS, SEQ, SYMBOL, SchemaError,
    VOLUME,
};
