//! Archived days in object storage.
//!
//! `manifest` and `versions` say what a place has, `place` opens it, `transfer` moves files.
//! `push/` writes; `list`, `verify`, `pull`, `restore` and `replay` read.

mod digest;
mod failure;
mod identity;
mod keep;
mod list;
mod local;
mod manifest;
mod output;
mod place;
mod pull;
mod push;
mod replay;
mod restore;
mod scratch;
mod state;
mod transfer;
mod verify;
mod versions;

use std::io::IsTerminal;

use anyhow::Context;
use clap::Subcommand;
use tracing_subscriber::EnvFilter;

/// What is done with the bucket.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Push(push::PushArgs),
    Pull(pull::PullArgs),
    Verify(verify::VerifyArgs),
    Restore(restore::RestoreArgs),
    Replay(replay::ReplayArgs),
    List(list::ListArgs),
    Prune(push::PruneArgs),
    Status(push::StatusArgs),
}

/// Runs a command on a bucket until it ends.
pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    // Files are read and written on this thread, while the others talk to the service.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.context("cannot start threads")?;
    let done = runtime.block_on(async {
        match command {
            Command::Push(args) => args.run().await,
            Command::Pull(args) => args.run().await,
            Command::Verify(args) => args.run().await,
            Command::Restore(args) => args.run().await,
            Command::Replay(args) => args.run().await,
            Command::List(args) => args.run().await,
            Command::Prune(args) => args.run().await,
            Command::Status(args) => args.run(),
        }
    });
    runtime.shutdown_background();
    done.or_else(|error| match error.downcast_ref::<std::io::Error>() {
        // The reader of standard output has enough.
        Some(io) if io.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    })
}

/// Sends the log of a command that runs for long to standard error; `RUST_LOG` filters it.
fn log_to_standard_error() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,barbus_relay=info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Another log of this process stays.
    let _ = log.with_ansi(std::io::stderr().is_terminal()).try_init();
}
