//! Tests of whole inputs, format by format.

mod csv;
mod meaning;
mod ndjson;
mod open;
mod threads;
