//! The libFuzzer entry point of the target `layouts`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    barbus_fuzz::let_decoders_panic();
    barbus_fuzz::layouts::run(data);
});
