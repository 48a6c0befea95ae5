//! The `barbus` command line: a library with a thin face, so that what reads foreign input can be run on any input.
//!
//! Exit codes: 0 done, 1 it failed, 2 wrong use. A reader of the output that goes away ends the program quietly with 0.
#![forbid(unsafe_code)]

mod commands;
mod output;
mod publish;

use std::ffi::OsString;
use std::process::ExitCode;

pub use publish::{Content, Format, read};

/// Runs what the arguments of this process say, and tells how it went.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// As [`main`], for a program that has this one in it; the first of the arguments is a program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    commands::run(arguments)
}
