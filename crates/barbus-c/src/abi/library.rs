//! The library as a whole: its version, errors and days.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use barbus::Date;

use crate::failure::{Failure, call, given, last_text};
use crate::options::{date, day_number};
use crate::raw::{CText, TextBuffer};
use crate::types::*;

/// The version of the binary interface of the loaded library. A program compares it with
/// BARBUS_ABI_VERSION, which it was compiled with.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_abi_version() -> u32 {
    BARBUS_ABI_VERSION
}

/// The version of barbus, such as "0.1.0". It ends with NUL and is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Why the last failed call of this thread failed: what, why, and the next step, as the command
/// line prints it after "barbus: ". It ends with NUL, is UTF-8, and is valid until the next failed
/// call of this thread. Empty if none has failed.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_error() -> *const c_char {
    last_text()
}

/// The number of a trading day such as "2024-07-04": days since 1970-01-01.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_day_parse(text: CText<'_>, day: Option<&mut MaybeUninit<i32>>) -> i32 {
    call(|| {
        let (text, out) = (text.required("text")?, given("day", day)?);
        let wrong = |_| Failure::argument(format!("{text:?}: not a day such as \"2024-07-04\""));
        let parsed: Date = text.parse().map_err(wrong)?;
        out.write(day_number(parsed));
        Ok(())
    })
}

/// Writes a trading day as text such as "2024-07-04" into a buffer of 11 bytes, with NUL at its
/// end.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_day_format(day: i32, text: TextBuffer<'_>) -> i32 {
    call(|| {
        let written = date("day", day)?.to_string();
        text.write(11, &written)
    })
}
