//! `barbus manuals`: writes the manual pages of the programs, from the texts of their help.

use std::fs::{create_dir_all, write};
use std::io;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

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
        create_dir_all(folder).with_context(|| folder.display().to_string())?;
        for program in [parser(), barbusd::command()] {
            for (name, page) in pages(program)? {
                let path = folder.join(name);
                write(&path, page).with_context(|| path.display().to_string())?;
            }
        }
        Ok(())
    }
}

/// The names and texts of the pages of a program and of its commands, without those commands that
/// only the program itself runs.
fn pages(program: Command) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    // The number alone: the commit is no part of a page's foot.
    let version = program.get_version().and_then(|version| version.split_whitespace().next()).unwrap_or_default();
    let source = format!("barbus {version}");
    let commands = program.get_subcommands().filter(|command| !command.is_hide_set());
    let all: Vec<Command> = commands.cloned().chain([program.clone()]).collect();
    all.into_iter().map(|command| page(command, &source)).collect()
}

fn page(command: Command, source: &str) -> io::Result<(String, Vec<u8>)> {
    let after = command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string);
    let has_commands = command.has_subcommands();
    let see_also = if command.get_name() == "barbus" { "barbusd(1)" } else { "barbus(1)" };
    let man = Man::new(command).manual("barbus manual").source(source);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_commands {
        man.render_subcommands_section(&mut page)?;
    }
    let mut roff = Roff::new();
    add_sections(&mut roff, after.as_deref().unwrap_or_default());
    roff.control("SH", ["SEE ALSO"]).text([roman(see_also)]);
    roff.to_writer(&mut page)?;
    Ok((man.get_filename(), page))
}

/// The text behind the options as sections: exit codes have one of their own, and the lines of the
/// rest stay lines.
fn add_sections(roff: &mut Roff, text: &str) {
    const EXIT_CODES: &str = "Exit codes: ";
    let (codes, notes): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with(EXIT_CODES));
    let notes = notes.join("\n");
    if !notes.trim().is_empty() {
        roff.control("SH", ["NOTES"]).control("nf", []);
        for line in notes.trim_end().lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    for codes in codes {
        roff.control("SH", ["EXIT STATUS"]);
        for code in codes[EXIT_CODES.len()..].trim_end_matches('.').split(", ") {
            let (number, meaning) = code.split_once(' ').unwrap_or((code, ""));
            roff.control("TP", []).text([roman(number)]).text([roman(meaning)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(name: &str) -> String {
        let found = pages(parser()).unwrap().into_iter().chain(pages(barbusd::command()).unwrap());
        let page = found.into_iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("no {name}")).1;
        String::from_utf8(page).unwrap()
    }

    #[test]
    fn every_command_has_a_page_with_the_usual_sections() {
        for command in parser().get_subcommands().filter(|command| !command.is_hide_set()) {
            let page = text_of(&format!("barbus-{}.1", command.get_name()));
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO"] {
                assert!(
                    page.contains(&format!(".SH \"{section}\"")) || page.contains(&format!(".SH {section}")),
                    "{page}"
                );
            }
            assert!(!page.contains("Exit codes"), "{page}");
        }
        assert!(text_of("barbus.1").contains("barbus\\-top(1)"));
        assert!(text_of("barbusd.1").contains("SIGTERM"));
        assert!(!pages(parser()).unwrap().iter().any(|(name, _)| name.contains("demo-reader")));
    }

    #[test]
    fn lists_stay_lists() {
        let page = text_of("barbus-init.1");
        let notes = page.split_once(".nf").unwrap().1.split_once(".fi").unwrap().0;
        assert!(notes.lines().any(|line| line.contains("XSHG") && line.contains("Shanghai")), "{notes}");
    }
}
