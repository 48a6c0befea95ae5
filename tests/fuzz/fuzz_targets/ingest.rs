#![no_main]

use std::sync::Once;

static HOOK: Once = Once::new();

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // The daemon takes a panic of the Arrow decoder for an error of the producer. libfuzzer's hook ends the process before
    // that; without it what leaves the target is still found.
    HOOK.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    barbus_fuzz::ingest::run(data);
});
