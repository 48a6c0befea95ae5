//! Arrays that C hands over, and structs that begin with their size.

use std::ffi::c_char;
use std::marker::PhantomData;

use crate::failure::Failure;
use crate::types::{barbus_bar, barbus_new_bar};

/// A struct of the header whose first field is its size.
pub(crate) trait Versioned: Sized {
    /// Its name in the header.
    const NAME: &'static str;
    /// The size that the program gave.
    fn size(&self) -> usize;
}

/// Bars to be published: null, or an array that is valid for `'a`.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub struct NewBars<'a> {
    pub(crate) pointer: *const barbus_new_bar<'a>,
    life: PhantomData<&'a barbus_new_bar<'a>>,
}

/// Bars of a reader: null, or an array that is valid for `'a`.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub struct BarArray<'a> {
    pointer: *const barbus_bar,
    life: PhantomData<&'a barbus_bar>,
}

impl<'a> BarArray<'a> {
    pub(crate) fn slice(self, count: usize) -> Result<&'a [barbus_bar], Failure> {
        array("bars", self.pointer, count)
    }
}

/// A place for a text: null, or valid for writing as many bytes as are given with it.
#[derive(Debug)]
#[repr(transparent)]
pub struct TextBuffer<'a> {
    pointer: *mut c_char,
    life: PhantomData<&'a mut c_char>,
}

impl TextBuffer<'_> {
    /// Writes `text` and a NUL, cut to `capacity` bytes at the end of a character.
    pub(crate) fn write(self, capacity: usize, text: &str) -> Result<(), Failure> {
        if self.pointer.is_null() || capacity == 0 {
            return Err(Failure::argument("text: a null pointer, or no room: give a buffer and its size"));
        }
        let length = (0..=text.len().min(capacity - 1)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        // SAFETY: by its invariant the buffer has room for `capacity` bytes, which are more than
        // `length`, and nobody else uses it during the call.
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr().cast(), self.pointer, length);
            *self.pointer.add(length) = 0;
        }
        Ok(())
    }
}

/// An array of `count` elements; the pointer may be null if there are none.
pub(crate) fn array<'a, T>(name: &str, pointer: *const T, count: usize) -> Result<&'a [T], Failure> {
    if count == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() || !pointer.is_aligned() || count > isize::MAX as usize / size_of::<T>() {
        let what = format!("{name}: {count} elements at {pointer:p}: give a valid pointer and their number");
        return Err(Failure::argument(what));
    }
    // SAFETY: the pointer comes from a struct or a parameter whose invariant is that of the header:
    // the array has `count` elements and does not change during the call, which `'a` does not
    // leave.
    Ok(unsafe { std::slice::from_raw_parts(pointer, count) })
}

/// Checks the size of a struct that C has filled in, or wants to be filled in.
///
/// A program that was compiled with a newer header may give a longer struct, if what this library
/// does not know is zero.
pub(crate) fn check_size<T: Versioned>(of: &T) -> Result<(), Failure> {
    let (size, known, name) = (of.size(), size_of::<T>(), T::NAME);
    if size == known {
        return Ok(());
    }
    if size < known || size > 64 * known {
        return Err(Failure::argument(format!(
            "{name}: its size is {size}: set it to sizeof({name}), which is {known}"
        )));
    }
    let start = std::ptr::from_ref(of).cast::<u8>();
    // SAFETY: the program states that its struct has `size` bytes, more than those of `T`.
    let rest = unsafe { std::slice::from_raw_parts(start.add(known), size - known) };
    match rest.iter().all(|byte| *byte == 0) {
        true => Ok(()),
        false => Err(Failure::argument(format!("{name}: it uses fields that this libbarbus does not know: update it"))),
    }
}
