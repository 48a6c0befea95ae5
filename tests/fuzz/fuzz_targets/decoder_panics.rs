//! The panic hook of the targets that decode Arrow and Parquet.

use std::sync::Once;

/// Keeps a panic hook from ending the process for a panic of the decoders of Arrow and Parquet,
/// which is an error of the file. libFuzzer's hook aborts before the panic could be caught.
pub(crate) fn let_decoders_panic() {
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
