//! Codes that functions return, and values without a meaning of their own.

/// The version of the binary interface that this header describes. It changes only if a program
/// that was compiled with an older header would not work any more.
pub const BARBUS_ABI_VERSION: u32 = 1;

/// What a function returns if it did what was asked.
pub const BARBUS_OK: i32 = 0;
/// An argument cannot be used: a null pointer, a wrong size of a struct, an unknown constant, a
/// text that is not UTF-8.
pub const BARBUS_ERROR_ARGUMENT: i32 = -1;
/// The handle was closed before.
pub const BARBUS_ERROR_CLOSED: i32 = -2;
/// The handle belongs to another thread, or is in use: see barbus_reader_hand_over.
pub const BARBUS_ERROR_THREAD: i32 = -3;
/// The handle was opened before a fork: the child opens its own.
pub const BARBUS_ERROR_FORKED: i32 = -4;
/// A signal handler ran while barbus_next slept: call it again, or end.
pub const BARBUS_ERROR_INTERRUPTED: i32 = -5;
/// The directory is not a bus.
pub const BARBUS_ERROR_NOT_A_BUS: i32 = -6;
/// bus.toml or a calendar table cannot be used.
pub const BARBUS_ERROR_SETTINGS: i32 = -7;
/// The system refused a call.
pub const BARBUS_ERROR_IO: i32 = -8;
/// The bus has no ring of this boot of the machine yet: its daemon was not started.
pub const BARBUS_ERROR_NO_RING: i32 = -9;
/// The ring was removed or moved while the daemon runs.
pub const BARBUS_ERROR_RING_LOST: i32 = -10;
/// The ring has another version of the format: update libbarbus, or the daemon.
pub const BARBUS_ERROR_VERSION: i32 = -11;
/// The ring is truncated, corrupt, or not a ring.
pub const BARBUS_ERROR_RING: i32 = -12;
/// A file of the archive is damaged or cannot be read.
pub const BARBUS_ERROR_ARCHIVE: i32 = -13;
/// A file of the bus could be changed by a user that is not trusted.
pub const BARBUS_ERROR_UNTRUSTED: i32 = -14;
/// The start is in the future or was not kept, or another ring has taken the place of this one.
pub const BARBUS_ERROR_START: i32 = -15;
/// A question contradicts itself, or names an unknown column.
pub const BARBUS_ERROR_QUESTION: i32 = -16;
/// The bus changed too fast while a question was answered: ask again.
pub const BARBUS_ERROR_CHANGING: i32 = -17;
/// The symbol never occurred on the bus.
pub const BARBUS_ERROR_UNKNOWN_SYMBOL: i32 = -18;
/// No daemon listens on the socket of the bus.
pub const BARBUS_ERROR_NO_DAEMON: i32 = -19;
/// The connection to the daemon broke, or the daemon is silent.
pub const BARBUS_ERROR_CONNECTION: i32 = -20;
/// The daemon rejected the bars or the request.
pub const BARBUS_ERROR_REFUSED: i32 = -21;
/// Columns of an Arrow batch are not bars, or cannot be cast.
pub const BARBUS_ERROR_COLUMNS: i32 = -22;
/// Another process is the writer of the bus.
pub const BARBUS_ERROR_BUSY: i32 = -23;
/// Another error: barbus_error has its text.
pub const BARBUS_ERROR_OTHER: i32 = -98;
/// A fault in barbus itself. The handle is not usable any more; the process is.
pub const BARBUS_ERROR_PANIC: i32 = -99;

/// As the length of a text: it ends with NUL.
pub const BARBUS_NUL: usize = usize::MAX;
/// No trading day.
pub const BARBUS_NO_DAY: i32 = i32::MIN;
/// Most optional columns of a bus.
pub const BARBUS_OPTIONAL: usize = 6;

/// A text in the memory of the library: UTF-8, without a NUL at its end.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct barbus_text {
    /// Its first byte; never null.
    pub(crate) data: *const std::ffi::c_char,
    /// Its bytes.
    pub(crate) length: usize,
}

impl barbus_text {
    /// Lends a text to C.
    pub(crate) fn of(text: &str) -> Self {
        Self { data: text.as_ptr().cast(), length: text.len() }
    }
}
