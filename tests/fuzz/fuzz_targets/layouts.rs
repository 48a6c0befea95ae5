//! The libFuzzer entry point of the target `layouts`.
#![no_main]

use std::sync::Once;

static HOOK: Once = Once::new();

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // A panic of the decoders of Arrow and Parquet is an error of the file.
    // libFuzzer's hook would abort the process first.
    HOOK.call_once(|| {
        let abort = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !barbus_files::is_decoding() {
                abort(panic);
            }
        }));
    });
    barbus_fuzz::layouts::run(data);
});
