//! The bodies of the fuzz targets: each takes any bytes, and panics where a promise is broken.
//!
//! They know nothing of libfuzzer: `fuzz_targets/` hands them what it makes up, and the end-to-end tests what is kept in `corpus/`.
#![forbid(unsafe_code)]

pub mod attach;
pub mod ingest;
pub mod lines;
pub mod settings;
