//! Bars between buses over NATS JetStream.
//!
//! `out` publishes what `source` reads of a bus: `composer` makes messages (`header`, `payload`) in
//! a `chain`, `fill` takes what the ring has lost from the archive, `resume` says where it goes on.
//!
//! `into_bus` takes messages of a stream: `incoming` understands them in `order`, with `parts`, and
//! `apply` publishes them to the `daemon`, where `doubt` and `newest_values` make it exactly once.
//!
//! `connect` and `stream` speak with the server; `folder`, `position_file` and `shared` keep files.

mod apply;
mod author;
mod backoff;
mod chain;
mod composer;
mod connect;
mod daemon;
mod doubt;
mod failure;
mod fill;
mod folder;
mod header;
mod incoming;
mod into_bus;
mod ipc_limits;
mod newest_values;
mod options;
mod order;
mod out;
mod parts;
mod payload;
mod position_file;
mod resume;
mod sessions;
mod shared;
mod signals;
mod source;
mod status;
mod stream;
mod subjects;
mod withdrawals;

use std::io::IsTerminal;

use clap::Subcommand;
use tracing_subscriber::EnvFilter;

/// What the relay does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Out(options::OutArgs),
    In(options::InArgs),
    Status(options::StatusArgs),
}

/// Runs a command of the relay until it ends.
pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Status(args) => status::run(&args),
        Command::Out(args) => block_on(out::run(args)),
        Command::In(args) => block_on(into_bus::run(args)),
    }
}

/// Runs a relay with its log on standard error.
fn block_on(relay: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,async_nats=off"));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = log.with_ansi(colour).with_target(false).try_init();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(relay);
    // A thread that waits for a daemon that hangs does not delay the end.
    runtime.shutdown_background();
    done
}
