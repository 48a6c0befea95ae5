//! How a call fails: a negative code, and a text that the thread keeps.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::error::ArrowError;
use barbus::Error;
use barbus_ring::RingError;

use crate::types::*;

/// Why a call failed.
///
/// It is one pointer, because every call of the library returns one.
#[derive(Debug)]
pub(crate) struct Failure(Box<(i32, String)>);

impl Failure {
    #[cold]
    pub(crate) fn new(code: i32, text: impl Into<String>) -> Self {
        Self(Box::new((code, text.into())))
    }

    /// An argument that cannot be used.
    #[cold]
    pub(crate) fn argument(text: impl Into<String>) -> Self {
        Self::new(BARBUS_ERROR_ARGUMENT, text)
    }

    /// What, why, and the next step.
    pub(crate) fn text(&self) -> &str {
        &self.0.1
    }

    /// Keeps the text for this thread, and returns the code.
    #[cold]
    fn keep(self) -> i32 {
        let (code, text) = *self.0;
        // A text ends at its first NUL.
        let text = CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default();
        let _ = LAST.try_with(|last| last.replace(text));
        code
    }
}

impl From<Error> for Failure {
    #[cold]
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::NotABus { .. } => BARBUS_ERROR_NOT_A_BUS,
            Error::Settings { .. } => BARBUS_ERROR_SETTINGS,
            Error::Io { .. } => BARBUS_ERROR_IO,
            Error::NoRing { .. } | Error::OtherBoot { .. } => BARBUS_ERROR_NO_RING,
            Error::RingLost { .. } => BARBUS_ERROR_RING_LOST,
            Error::Ring(RingError::Version { .. }) => BARBUS_ERROR_VERSION,
            Error::Ring(_) => BARBUS_ERROR_RING,
            Error::Archive(_) | Error::Flush { .. } => BARBUS_ERROR_ARCHIVE,
            Error::Busy { .. } | Error::InUse { .. } => BARBUS_ERROR_BUSY,
            Error::Untrusted { .. } => BARBUS_ERROR_UNTRUSTED,
            Error::Start { .. } => BARBUS_ERROR_START,
            Error::Question { .. } => BARBUS_ERROR_QUESTION,
            Error::Changing { .. } => BARBUS_ERROR_CHANGING,
            Error::NoDaemon { .. } => BARBUS_ERROR_NO_DAEMON,
            Error::Unresponsive { .. } | Error::Protocol { .. } => BARBUS_ERROR_CONNECTION,
            Error::Refused { .. } => BARBUS_ERROR_REFUSED,
            Error::Cast(_) | Error::Metadata { .. } => BARBUS_ERROR_COLUMNS,
            Error::UnknownSymbol { .. } => BARBUS_ERROR_UNKNOWN_SYMBOL,
            _ => BARBUS_ERROR_OTHER,
        };
        Self::new(code, error.to_string())
    }
}

impl From<ArrowError> for Failure {
    #[cold]
    fn from(error: ArrowError) -> Self {
        Self::new(BARBUS_ERROR_COLUMNS, error.to_string())
    }
}

thread_local! {
    /// The text of the thread's last failure.
    static LAST: RefCell<CString> = RefCell::default();
}

/// The text of the thread's last failure; it stays where it is until the next one.
pub(crate) fn last_text() -> *const c_char {
    const NONE: &CStr = c"";
    // While a thread ends, its texts are gone.
    LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or(NONE.as_ptr())
}

/// Runs the work of an exported function: returns 0, or the code of its failure.
///
/// A panic becomes a failure too: unwinding into C would be undefined.
#[inline(always)]
pub(crate) fn call(work: impl FnOnce() -> Result<(), Failure>) -> i32 {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => BARBUS_OK,
        Ok(Err(failure)) => failure.keep(),
        Err(panic) => panicked(&*panic).keep(),
    }
}

/// The failure of a panic.
#[cold]
pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> Failure {
    let what = panic.downcast_ref::<String>().map(String::as_str);
    let what = what.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
    Failure::new(BARBUS_ERROR_PANIC, format!("a fault in barbus, please report it: {what}"))
}

/// The reference of a pointer that must not be null.
#[inline(always)]
pub(crate) fn given<T>(name: &str, pointer: Option<T>) -> Result<T, Failure> {
    match pointer {
        Some(reference) => Ok(reference),
        None => Err(null(name)),
    }
}

#[cold]
fn null(name: &str) -> Failure {
    Failure::argument(format!("{name}: a null pointer: give a valid one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_code_and_its_words_and_not_an_unwinding() {
        assert_eq!(call(|| panic!("{} bars", 3)), BARBUS_ERROR_PANIC);
        let text = LAST.with(|last| last.borrow().clone()).into_string().unwrap();
        assert_eq!(text, "a fault in barbus, please report it: 3 bars");
    }

    #[test]
    fn a_text_with_a_nul_is_kept_whole() {
        assert_eq!(call(|| Err(Failure::argument("a\0b"))), BARBUS_ERROR_ARGUMENT);
        assert_eq!(LAST.with(|last| last.borrow().clone()).into_string().unwrap(), "a\u{fffd}b");
    }
}
