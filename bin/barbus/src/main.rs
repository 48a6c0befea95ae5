//! The `barbus` command line.

#![forbid(unsafe_code)]

mod output;
mod publish;

fn main() {}
