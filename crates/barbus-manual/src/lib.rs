//! The manual pages of a program, made of the texts of its help.
#![forbid(unsafe_code)]

use std::fs::{create_dir_all, write};
use std::io;
use std::path::Path;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

/// The line of a help text that becomes the section on the exit status, such as `Exit codes: 0
/// success, 1 failure.`
const EXIT_CODES: &str = "Exit codes: ";

/// Writes the pages of `program` and of its commands to `folder`, which is created if it is
/// missing.
///
/// # Errors
/// The folder or a file cannot be written.
pub fn write_pages(program: Command, folder: &Path) -> io::Result<()> {
    create_dir_all(folder)?;
    pages(program)?.into_iter().try_for_each(|(name, page)| write(folder.join(name), page))
}

/// The file names and the texts of the pages of a program and of its commands. Hidden commands have
/// none.
///
/// A line of the text behind the options that begins with `Exit codes: ` becomes a section of its
/// own; other lines stay as they are.
///
/// # Errors
/// Never: pages are written to memory.
pub fn pages(program: Command) -> io::Result<Vec<(String, Vec<u8>)>> {
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

    #[test]
    fn exit_codes_have_a_section_and_lists_stay_lists() {
        let command =
            Command::new("list").about("List").after_help("Names:\n  A  first\n\nExit codes: 0 success, 1 failure.");
        let hidden = Command::new("secret").hide(true);
        let program = Command::new("barbus").version("0.1.0 (abc)").about("About").subcommands([command, hidden]);
        let pages = pages(program).unwrap();
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["barbus-list.1", "barbus.1"]);
        let page = String::from_utf8(pages[0].1.clone()).unwrap();
        let (notes, codes) = page.split_once(".fi\n").unwrap();
        assert!(notes.ends_with(".nf\nNames:\n  A  first\n"), "{page}");
        assert!(codes.contains("EXIT STATUS\"\n.TP\n0\nsuccess\n.TP\n1\nfailure\n"), "{page}");
        assert!(page.contains("barbus 0.1.0\"") && codes.contains("barbus(1)"), "{page}");
    }
}
