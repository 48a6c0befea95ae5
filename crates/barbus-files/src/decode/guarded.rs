//! Calls the decoders of Arrow, Parquet and DBN so that a panic of theirs is an error.
//!
//! They panic for some data that contradicts itself, such as offsets outside of a buffer.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::error::ArrowError;

use super::arrow::Batches;

thread_local! {
    static IS_DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread decodes data of Arrow, Parquet or DBN: a panic is then caught and becomes an
/// error of the input, so a panic hook need not report it.
///
/// ```
/// assert!(!barbus_files::is_decoding());
/// ```
pub fn is_decoding() -> bool {
    IS_DECODING.get()
}

/// The result of `decode`; an error if it panics. What it was decoding must not be used any more.
pub(crate) fn guarded<T, E: From<ArrowError>>(decode: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let before = IS_DECODING.replace(true);
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    IS_DECODING.set(before);
    decoded.unwrap_or_else(|_| Err(ArrowError::ParseError("the data contradicts itself".to_owned()).into()))
}

/// The batches of a decoder; after an error there are no more.
pub(crate) fn guarded_batches(mut batches: Batches) -> Batches {
    let mut ended = false;
    Box::new(std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let next = guarded(|| batches.next().transpose());
        ended = !matches!(next, Ok(Some(_)));
        next.transpose()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_ends_the_batches() {
        let mut calls = 0;
        let panicking = std::iter::from_fn(move || {
            calls += 1;
            assert!(calls != 1, "the first batch");
            None
        });
        let mut batches = guarded_batches(Box::new(panicking));
        assert!(batches.next().unwrap().unwrap_err().to_string().contains("contradicts itself"));
        assert!(batches.next().is_none());
        assert!(!is_decoding());
    }
}
