//! The `barbus` command line.
//!
//! Exit codes: 0 done, 1 it failed, 2 wrong use. A reader of the output that goes away ends the program quietly with 0.

#![forbid(unsafe_code)]

mod commands;
mod output;
mod publish;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::main()
}
