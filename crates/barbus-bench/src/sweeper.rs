//! The process that removes what this one leaves where it is interrupted.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};

use anyhow::Context;
use barbus_bench_link::sweep;

/// Starts it. It waits until what is returned is closed, which the end of this process does as well; what interrupts this one from a terminal
/// does not reach it.
pub(crate) fn start() -> anyhow::Result<ChildStdin> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("sweep").arg(std::process::id().to_string()).process_group(0);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    child.stdin.context("it was piped")
}

/// That process.
pub(crate) fn run(pid: u32) {
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
    sweep(pid);
}
