//! The libFuzzer entry point of the target `attach`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| barbus_fuzz::attach::run(data));
