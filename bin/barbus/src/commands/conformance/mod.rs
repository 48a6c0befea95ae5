//! `barbus conformance`: tests a reader that somebody else wrote, in any language.
//!
//! - `reader_process.rs`: runs the reader on a ring and takes its lines.
//! - `lines.rs`: what the lines must be.
//! - `golden.rs`: rings of each version of the format, and what they hold.
//! - `refusals.rs`: files that are not valid rings.
//! - `live.rs`: a ring that is written while the reader follows it.

mod golden;
mod lines;
mod live;
mod reader_process;
mod refusals;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::shared::errors::{AlreadyPrinted, print_error};
use super::shared::stdout::stdout;
use reader_process::ReaderCommand;

/// Test a reader of the ring that was written in any language.
///
/// It runs COMMAND RING --from FROM, with --once or --until-close N, on rings that are made for the
/// test, and compares what it prints with what they hold. docs/FORMAT.md has the form of the lines
/// in its section "Conformance". RING is bars.ring in the directory of a bus with bus.toml, so a
/// reader may also open the bus.
#[derive(Debug, Args)]
pub(super) struct ConformanceArgs {
    /// Seconds that the reader has for each case.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Only cases that have this word in their names.
    #[arg(long, value_name = "WORD", default_value = "")]
    only: String,
    /// The reader and its first arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// The outcome of a case: what was compared, or what is wrong.
type Outcome = Result<String, String>;

/// Runs a case in a new folder of its own.
type Run = dyn Fn(&ReaderCommand, &Path) -> anyhow::Result<Outcome>;

/// A case.
struct Case {
    name: String,
    run: Box<Run>,
}

impl ConformanceArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let reader = ReaderCommand::new(self.command, Duration::from_secs(self.timeout));
        let mut out = stdout();
        let cases = golden::cases()?.into_iter().chain(refusals::cases()?).chain(live::cases());
        let cases: Vec<Case> = cases.filter(|case| case.name.contains(&self.only)).collect();
        anyhow::ensure!(!cases.is_empty(), "no case has {:?} in its name", self.only);
        let mut failed = 0;
        for case in &cases {
            let folder = tempfile::Builder::new().prefix("barbus-conformance-").tempdir()?;
            match (case.run)(&reader, folder.path())? {
                Ok(compared) => writeln!(out, "ok      {}: {compared}", case.name)?,
                Err(wrong) => {
                    failed += 1;
                    writeln!(out, "FAILED  {}: {wrong}", case.name)?;
                }
            }
            out.flush()?;
        }
        if failed == 0 {
            writeln!(out, "the reader conforms: {} cases", cases.len())?;
            return Ok(());
        }
        print_error(format!(
            "the reader does not conform: {failed} of {} cases failed: see docs/FORMAT.md",
            cases.len()
        ));
        Err(AlreadyPrinted.into())
    }
}
