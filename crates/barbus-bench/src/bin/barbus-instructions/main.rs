//! Instructions of the hot paths, counted by valgrind's callgrind and compared with the recorded ones.
//!
//! A count is the same on a busy machine as on an idle one, and on an old processor as on a new one: it tells a change that makes a path dearer
//! where a clock could not. It knows nothing of cache misses, of waiting and of the kernel: those are for the other benchmarks.
//!
//! Without arguments it compares, and fails where a path is dearer than recorded by more than the tolerance; `--record` renews the record.
#![forbid(unsafe_code)]

mod paths;
mod record;
mod toolchain;
mod valgrind;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use paths::PATHS;
use record::{Comparison, Record};

/// Counts the instructions of the hot paths and compares them with the recorded ones.
#[derive(Debug, Parser)]
struct Arguments {
    /// Writes the counts down as the record, instead of comparing them.
    #[arg(long)]
    record: bool,
    /// Where the record is.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.toml"))]
    file: PathBuf,
    /// The program that valgrind runs: one path, and how many operations of it were counted.
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

/// Instructions for an operation of each path.
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
    let Comparison { notes, failures } = record::compare(&recorded, now);
    for note in &notes {
        println!("{note}");
    }
    for failure in &failures {
        eprintln!("FAILED: {failure}");
    }
    if !failures.is_empty() {
        eprintln!("Where that is meant to be so, renew the record: {}", record::RENEW);
        return Ok(ExitCode::FAILURE);
    }
    println!("no path is dearer than recorded");
    Ok(ExitCode::SUCCESS)
}
