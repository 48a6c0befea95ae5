//! A process that removes the temporary files of an interrupted benchmark.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};

use anyhow::Context;
use barbus_bench_link::sweep;

/// Starts the sweeper, which waits until the returned pipe is closed.
///
/// The end of this process closes the pipe too.
/// The sweeper has its own process group, so an interrupt from the terminal does not reach it.
pub(crate) fn start() -> anyhow::Result<ChildStdin> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("sweep").arg(std::process::id().to_string()).process_group(0);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    child.stdin.context("it was piped")
}

/// The body of the sweeper process.
pub(crate) fn run(pid: u32) {
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
    sweep(pid);
}
