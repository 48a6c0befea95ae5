//! Tests of whole inputs, format by format.

mod csv;
mod ndjson;
mod open;
