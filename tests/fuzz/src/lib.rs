//! The bodies of the fuzz targets: each accepts any bytes and panics if a promise is broken.
//!
//! They do not depend on libFuzzer.
//! `fuzz_targets/` calls them with generated inputs, the end-to-end tests with those in `corpus/`.
#![forbid(unsafe_code)]

use std::sync::Once;

pub mod attach;
pub mod files;
pub mod ingest;
pub mod layouts;
pub mod lines;
pub mod settings;

/// Keeps a panic hook from ending the process for a panic of the decoders of Arrow and Parquet,
/// which is an error of the file. libFuzzer's hook aborts before the panic could be caught.
pub fn let_decoders_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let abort = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !barbus_files::is_decoding() {
                abort(panic);
            }
        }));
    });
}
