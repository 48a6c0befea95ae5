//! The bodies of the fuzz targets: each accepts any bytes and panics if a promise is broken.
//!
//! They do not depend on libFuzzer.
//! `fuzz_targets/` calls them with generated inputs, the end-to-end tests with those in `corpus/`.
#![forbid(unsafe_code)]

pub mod attach;
pub mod files;
pub mod ingest;
pub mod layouts;
pub mod lines;
pub mod settings;
