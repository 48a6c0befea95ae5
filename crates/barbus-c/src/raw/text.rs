//! Texts that C hands over: they end with NUL, or their length is given.

use std::ffi::{CStr, c_char};
use std::marker::PhantomData;

use crate::failure::Failure;
use crate::types::{BARBUS_NUL, barbus_text};

/// A text of C: null, or valid for `'a`. It ends with NUL unless its length is given with it.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub struct CText<'a> {
    pointer: *const c_char,
    life: PhantomData<&'a c_char>,
}

impl<'a> From<&'a CStr> for CText<'a> {
    fn from(text: &'a CStr) -> Self {
        Self { pointer: text.as_ptr(), life: PhantomData }
    }
}

impl<'a> CText<'a> {
    /// No text.
    pub const NULL: Self = Self { pointer: std::ptr::null(), life: PhantomData };

    /// The text that ends with NUL; `None` for a null pointer.
    pub(crate) fn optional(self, name: &str) -> Result<Option<&'a str>, Failure> {
        if self.pointer.is_null() {
            return Ok(None);
        }
        // SAFETY: by its invariant a text that is not null ends with NUL and is valid for `'a`.
        let text = unsafe { CStr::from_ptr(self.pointer) };
        utf8(name, text.to_bytes()).map(Some)
    }

    /// The text that ends with NUL.
    pub(crate) fn required(self, name: &str) -> Result<&'a str, Failure> {
        self.optional(name)?.ok_or_else(|| Failure::argument(format!("{name}: a null pointer: give a text")))
    }
}

// SAFETY: a `barbus_text` is an address and a length for C. No Rust code follows it.
unsafe impl Send for barbus_text {}
// SAFETY: as above.
unsafe impl Sync for barbus_text {}

/// A symbol of `length` bytes, or up to its NUL.
#[inline]
pub(crate) fn symbol(text: CText<'_>, length: usize) -> Result<&str, Failure> {
    if length == BARBUS_NUL {
        return text.required("symbol");
    }
    if text.pointer.is_null() || length > isize::MAX as usize {
        return Err(Failure::argument("symbol: a null pointer, or too long: give a text and its length"));
    }
    // SAFETY: the header demands that the text has `length` bytes, which are valid for its
    // lifetime.
    utf8("symbol", unsafe { std::slice::from_raw_parts(text.pointer.cast(), length) })
}

/// An array of texts that end with NUL; `None` for a null pointer.
pub(crate) fn texts<'a>(name: &str, array: *const CText<'a>, count: usize) -> Result<Option<Vec<&'a str>>, Failure> {
    if array.is_null() {
        return match count {
            0 => Ok(None),
            _ => Err(Failure::argument(format!("{name}: a null pointer with a count of {count}"))),
        };
    }
    let texts = super::structs::array(name, array, count)?;
    texts.iter().map(|text| text.required(name)).collect::<Result<_, _>>().map(Some)
}

#[inline(always)]
fn utf8<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, Failure> {
    if is_ascii(bytes) {
        // SAFETY: a text in ASCII is UTF-8.
        return Ok(unsafe { std::str::from_utf8_unchecked(bytes) });
    }
    utf8_of_any(name, bytes)
}

/// Whether a text is ASCII. Most symbols have 8 to 16 bytes: two loads instead of a loop.
#[inline(always)]
fn is_ascii(bytes: &[u8]) -> bool {
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) if bytes.len() <= 16 => {
            (u64::from_ne_bytes(*first) | u64::from_ne_bytes(*last)) & HIGH_BITS == 0
        }
        _ => bytes.is_ascii(),
    }
}

#[inline(never)]
fn utf8_of_any<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, Failure> {
    std::str::from_utf8(bytes).map_err(|error| {
        let what = format!("{name}: {:?} is not UTF-8: {error}", String::from_utf8_lossy(bytes));
        Failure::argument(what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of every length with a byte above ASCII at every place.
    #[test]
    fn a_byte_that_is_not_ascii_is_found_at_every_place() {
        for length in 0..40 {
            let mut bytes = vec![b'A'; length];
            assert!(is_ascii(&bytes));
            for place in 0..length {
                bytes[place] = 0xff;
                assert!(!is_ascii(&bytes) && utf8("symbol", &bytes).is_err(), "{place} of {length}");
                bytes[place] = b'A';
            }
        }
        assert_eq!(utf8("symbol", "沪深".as_bytes()).ok(), Some("沪深"));
    }
}
