//! `barbus completions`: prints a script that completes the command line in a shell.

use std::io::Write;

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::parser;
use super::shared::stdout::stdout;

/// Print a script that completes barbus in a shell.
///
/// bash: barbus completions bash > ~/.local/share/bash-completion/completions/barbus
///
/// zsh: barbus completions zsh > DIR/_barbus, where DIR is in fpath
///
/// fish: barbus completions fish > ~/.config/fish/completions/barbus.fish
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

impl CompletionsArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut out = stdout();
        out.write_all(&script(self.shell))?;
        Ok(out.flush()?)
    }
}

fn script(shell: Shell) -> Vec<u8> {
    let whole = parser();
    // Commands that only the program itself runs are not proposed.
    let commands = whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let mut shown = Command::new("barbus").version(env!("CARGO_PKG_VERSION")).subcommands(commands);
    // The generator panics if it cannot write.
    let mut script = Vec::new();
    generate(shell, &mut shown, "barbus", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_command_is_proposed_and_no_hidden_one() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).unwrap();
            for command in parser().get_subcommands() {
                let is_there = script.contains(command.get_name());
                assert_eq!(is_there, !command.is_hide_set(), "{shell}: {}", command.get_name());
            }
        }
    }
}
