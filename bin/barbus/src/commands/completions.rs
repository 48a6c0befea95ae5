//! `barbus completions`: prints a script that completes the command line in a shell.

use std::io::Write;

use clap::Args;
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
        // The generator panics if it cannot write.
        let mut script = Vec::new();
        generate(self.shell, &mut parser(), "barbus", &mut script);
        let mut out = stdout();
        out.write_all(&script)?;
        Ok(out.flush()?)
    }
}
