//! The libFuzzer entry point of the target `settings`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| barbus_fuzz::settings::run(data));
