//! The libFuzzer entry point of the target `layouts`.
#![no_main]

mod decoder_panics;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    decoder_panics::let_decoders_panic();
    barbus_fuzz::layouts::run(data);
});
