//! `barbus`: the command line as a program.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    barbus_cli::main()
}
