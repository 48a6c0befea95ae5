//! `barbus`: the command line as a program.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    barbus_cli::main()
}
