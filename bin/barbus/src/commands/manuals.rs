//! `barbus manuals`: writes the manual pages of the programs, from the texts of their help.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command};
use clap_mangen::Man;

use super::parser;

/// Write the manual pages of barbus, of each of its commands, and of barbusd to a folder.
///
/// View one with: man DIR/barbus-top.1
#[derive(Debug, Args)]
pub(super) struct ManualsArgs {
    /// The folder; it is created if it is missing.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// The heading of every page.
const MANUAL: &str = "barbus manual";

impl ManualsArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let folder = &self.folder;
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        for program in [parser(), barbusd::command()] {
            let mut program = program.disable_help_subcommand(true);
            program.build();
            let version = program.get_version().unwrap_or_default().to_owned();
            for page in pages(program) {
                let man = Man::new(page).manual(MANUAL).source(format!("barbus {version}"));
                man.generate_to(folder).with_context(|| folder.display().to_string())?;
            }
        }
        Ok(())
    }
}

/// A program and its commands, without those that only the program itself runs.
fn pages(program: Command) -> Vec<Command> {
    let commands = program.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let mut pages: Vec<Command> = commands.collect();
    pages.push(program);
    pages
}
