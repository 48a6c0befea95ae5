//! The `barbus` command line as a library.
//!
//! Exit codes: 0 success, 1 failure, 2 wrong usage.
//! When the reader of standard output closes the pipe, the program ends with 0 and no message.
#![forbid(unsafe_code)]

mod commands;
mod output;
mod publish;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the command that the arguments of this process name.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// Runs the command that `arguments` name. The first argument is the name of the program.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    // A panic of a decoder is reported as the error of its file.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !barbus_files::is_decoding() {
            report(panic);
        }
    }));
    commands::run(arguments)
}
