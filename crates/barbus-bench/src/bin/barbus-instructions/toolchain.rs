//! The versions of the tools that instruction counts depend on.

use std::process::Command;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

/// The tools that the counts depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Toolchain {
    pub(crate) architecture: String,
    pub(crate) rustc: String,
    /// The C library, which copies and allocates.
    pub(crate) libc: String,
    /// valgrind, which reports to programs the instructions that they may use.
    pub(crate) valgrind: String,
}

/// The tools of this machine.
pub(crate) fn current() -> anyhow::Result<Toolchain> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    Ok(Toolchain {
        architecture: std::env::consts::ARCH.into(),
        rustc: first_line(&rustc, &["--version"])?,
        libc: first_line("getconf", &["GNU_LIBC_VERSION"]).unwrap_or_else(|_| "unknown".into()),
        valgrind: first_line("valgrind", &["--version"]).context("install valgrind")?,
    })
}

fn first_line(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| program.to_owned())?;
    ensure!(output.status.success(), "{program} {arguments:?} failed");
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().trim().to_owned())
}

impl std::fmt::Display for Toolchain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {}, {}", self.rustc, self.libc, self.valgrind)
    }
}
