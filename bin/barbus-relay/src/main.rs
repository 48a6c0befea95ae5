//! `barbus-relay`: bars of a bus on other machines, over NATS JetStream and in object storage.
//!
//! `relay` exchanges bars with other buses over NATS; `bucket` keeps archived days in object
//! storage. Neither knows the other.
#![forbid(unsafe_code)]

mod bucket;
mod relay;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Exchange the bars of a bus with other machines.
#[derive(Debug, Parser)]
#[command(name = "barbus-relay", version = barbus_version::short(), long_version = barbus_version::long())]
#[command(max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, or ended by SIGTERM or SIGINT; 1 failure; 2 wrong usage.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Relay(Box<relay::Command>),
    /// Keep the archived days of a bus in object storage.
    #[command(subcommand)]
    Archive(Box<bucket::Command>),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Relay(command) => relay::run(*command),
        Command::Archive(command) => bucket::run(*command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("barbus: {error:#}");
            ExitCode::FAILURE
        }
    }
}
