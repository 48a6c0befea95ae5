//! `barbus`: the command line as a program.
#![forbid(unsafe_code)]

use std::process::ExitCode;

/// Days of bars are large: see [`HugePageAllocator`](barbus::HugePageAllocator).
#[global_allocator]
static ALLOCATOR: barbus::HugePageAllocator = barbus::HugePageAllocator;

fn main() -> ExitCode {
    barbus_cli::main()
}
