//! Counts the instructions of the hot paths with callgrind and compares them with a record.
//!
//! A count does not depend on the load or the age of the machine, so it detects small regressions.
//! It excludes cache misses, waiting and the kernel; the other benchmarks measure those.
//!
//! Without arguments the program compares and fails if a path exceeds its record by the tolerance.
//! `--record` writes a new record.
#![forbid(unsafe_code)]

mod c_interface;
mod paths;
mod record;
mod toolchain;
mod valgrind;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use paths::{PATHS, RATIOS};
use record::{Comparison, Record};

/// Counts the instructions of the hot paths and compares them with the record.
#[derive(Debug, Parser)]
struct Arguments {
    /// Writes a new record instead of comparing.
    #[arg(long)]
    record: bool,
    /// The file of the record.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.toml"))]
    file: PathBuf,
    /// The program that valgrind runs: one path; it prints the number of operations.
    #[arg(long, hide = true)]
    run: Option<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(name) = arguments.run {
        let path = PATHS.iter().find(|path| path.name == name).context("no such path")?;
        println!("{}", (path.run)()?);
        return Ok(ExitCode::SUCCESS);
    }
    let now = Record { toolchain: toolchain::current()?, instructions: count()? };
    if arguments.record {
        std::fs::write(&arguments.file, now.to_toml())?;
        println!("recorded in {}", arguments.file.display());
        return Ok(ExitCode::SUCCESS);
    }
    compare(&arguments.file, &now)
}

/// Instructions per operation of each path.
fn count() -> anyhow::Result<Vec<(String, f64)>> {
    let counted = |path: &paths::HotPath| {
        let instructions = valgrind::instructions_per_operation(path.name).with_context(|| path.name.to_owned())?;
        println!("{:<40} {instructions:>12.1}", path.name);
        Ok((path.name.to_owned(), instructions))
    };
    println!("{:<40} {:>12}", "instructions", "now");
    PATHS.iter().map(counted).collect()
}

fn compare(file: &Path, now: &Record) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let recorded = Record::from_toml(&text).with_context(|| file.display().to_string())?;
    let Comparison { notes, mut failures } = record::compare(&recorded, now);
    failures.extend(RATIOS.iter().filter_map(|&(path, to, limit)| record::exceeds(now, path, to, limit)));
    for note in &notes {
        println!("{note}");
    }
    for failure in &failures {
        eprintln!("FAILED: {failure}");
    }
    if !failures.is_empty() {
        eprintln!("If the increase is intended, renew the record: {}", record::RENEW);
        return Ok(ExitCode::FAILURE);
    }
    println!("no path exceeds its record");
    Ok(ExitCode::SUCCESS)
}
