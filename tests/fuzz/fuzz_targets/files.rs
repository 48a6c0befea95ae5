//! The libFuzzer entry point of the target `files`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    barbus_fuzz::let_decoders_panic();
    barbus_fuzz::files::run(data);
});
