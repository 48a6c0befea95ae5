//! Runs a path under valgrind's callgrind and reads the count.

use std::process::Command;

use anyhow::{Context, ensure};

/// callgrind counts while a function with this in its name runs, on its thread.
const COUNTED: &str = "*counted_work*";

/// Keeps the C library from copying with an instruction whose every byte callgrind counts.
const TUNABLES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-ERMS");

/// Runs `work` and counts its instructions.
#[inline(never)]
pub(crate) fn counted_work<T>(work: impl FnOnce() -> T) -> T {
    std::hint::black_box(work())
}

/// Runs the path with this name under callgrind.
pub(crate) fn instructions_per_operation(name: &str) -> anyhow::Result<f64> {
    let directory = tempfile::tempdir()?;
    let out = directory.path().join("callgrind.out");
    let output = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe()?)
        .args(["--run", name])
        .env(TUNABLES.0, TUNABLES.1)
        .output()
        .context("cannot run valgrind")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let operations: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().context("no count of operations")?;
    let instructions = total(&std::fs::read_to_string(&out)?).context("no total in callgrind's output")?;
    ensure!(instructions > 0.0 && operations > 0.0, "{instructions} instructions in {operations} operations");
    Ok(instructions / operations)
}

/// The total in callgrind's output file; with one kind of event it is one number.
fn total(out: &str) -> Option<f64> {
    out.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}
