use std::process::Command;

use anyhow::{Context, ensure};

/// Callgrind counts while a function whose name has this in it runs, on the thread that runs it.
const COUNTED: &str = "*counted_work*";

/// Without it the C library copies by an instruction of which callgrind counts every byte.
const TUNABLES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-ERMS");

/// Runs `work`, and has its instructions counted.
#[inline(never)]
pub(crate) fn counted_work<T>(work: impl FnOnce() -> T) -> T {
    std::hint::black_box(work())
}

/// Runs the path of that name under callgrind.
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

/// The sum of all costs in a file of callgrind's; with one kind of event it is one number.
fn total(out: &str) -> Option<f64> {
    out.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}
