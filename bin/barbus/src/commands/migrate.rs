//! `barbus migrate`: writes old days again with the present columns of a bus.

use std::io::Write;
use std::path::PathBuf;

use barbus::Bus;
use clap::Args;

use super::shared::stdout::stdout;
use crate::output::format;

/// Write the archived days again that have other columns than bus.toml names; the daemon must not
/// run.
///
/// This is never necessary: old days are read with the present columns, and a column that they lack
/// is null. If values are given up, the file of before is kept in archive/replaced.
#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    /// The bus.
    bus: PathBuf,
}

impl MigrateArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let bus = Bus::open(&self.bus)?;
        let mut out = stdout();
        let mut days = 0;
        let present = barbus_writer::migrate(&bus, |day, migrated| {
            days += 1;
            let kept =
                migrated.kept.map_or_else(String::new, |path| format!("; the file of before is {}", path.display()));
            let _ = writeln!(out, "{day}: {} bars written again{kept}", format::count(migrated.rows));
        })?;
        writeln!(out, "{days} days written again, {present} had the columns already")?;
        Ok(out.flush()?)
    }
}
