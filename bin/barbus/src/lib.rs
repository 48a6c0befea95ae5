//! The `barbus` command line as a library, so that a program can run it and read inputs as it does.
//!
//! Exit codes: 0 success, 1 failure, 2 wrong usage.
//! When the reader of standard output closes the pipe, the program ends with 0 and no message.
#![forbid(unsafe_code)]

mod commands;
mod input;
mod output;
mod publish;

use std::ffi::OsString;
use std::process::ExitCode;

pub use input::{InputContent, InputFormat, read_input};

/// Runs the command that the arguments of this process name.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// Runs the command that `arguments` name. The first argument is the name of the program.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    commands::run(arguments)
}
