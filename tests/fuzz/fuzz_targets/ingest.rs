//! The libFuzzer entry point of the target `ingest`.
#![no_main]

use std::sync::Once;

static HOOK: Once = Once::new();

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // The daemon treats a panic of the Arrow decoder as an error of the producer.
    // libFuzzer's hook would abort the process first.
    // A panic that leaves the target is still found.
    HOOK.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    barbus_fuzz::ingest::run(data);
});
