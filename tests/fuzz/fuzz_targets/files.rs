//! The libFuzzer entry point of the target `files`.
#![no_main]

mod decoder_panics;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    decoder_panics::let_decoders_panic();
    barbus_fuzz::files::run(data);
});
