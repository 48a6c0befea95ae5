//! `barbus manuals`: writes the manual pages of the programs, from the texts of their help.

use std::path::PathBuf;

use anyhow::Context;
use barbus_manual::write_pages;
use clap::Args;

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

impl ManualsArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let folder = &self.folder;
        for program in [parser(), barbusd::command()] {
            write_pages(program, folder).with_context(|| folder.display().to_string())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use barbus_manual::pages;

    use super::*;

    #[test]
    fn every_command_has_a_page_with_the_usual_sections() {
        let pages: Vec<_> = pages(parser()).unwrap().into_iter().chain(pages(barbusd::command()).unwrap()).collect();
        let text_of = |name: &str| {
            let page = pages.iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("no {name}"));
            String::from_utf8(page.1.clone()).unwrap()
        };
        for command in parser().get_subcommands().filter(|command| !command.is_hide_set()) {
            let page = text_of(&format!("barbus-{}.1", command.get_name()));
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO"] {
                let is_there =
                    [format!(".SH {section}\n"), format!(".SH \"{section}\"\n")].iter().any(|s| page.contains(s));
                assert!(is_there, "{section} in {page}");
            }
            assert!(!page.contains("Exit codes"), "{page}");
        }
        assert!(text_of("barbus.1").contains("barbus\\-top(1)") && text_of("barbusd.1").contains("SIGTERM"));
        assert!(text_of("barbus-init.1").split_once(".nf").unwrap().1.contains("XSHG"));
    }
}
