//! The libFuzzer entry point of the target `lines`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| barbus_fuzz::lines::run(data));
