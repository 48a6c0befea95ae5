//! `barbus layouts`: the layouts of files that barbus knows.

use std::io::Write;

use barbus_files::{built_in, layout_names, layout_text};
use clap::Args;

use super::shared::stdout::stdout;

/// List the layouts of files that barbus knows, or print one as a start for a layout of your own.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct LayoutsArgs {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Print the description of a layout.
    Show {
        /// Its name.
        name: String,
    },
}

impl LayoutsArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut out = stdout();
        match self.action {
            Some(Action::Show { name }) => match layout_text(&name) {
                Some(text) => out.write_all(text.as_bytes())?,
                None => anyhow::bail!("layouts show {name}: there is no such layout: barbus layouts lists them"),
            },
            None => {
                let width = layout_names().map(str::len).max().unwrap_or(0);
                for layout in built_in()? {
                    let named = if layout.recognize.only_by_name { " (only by --layout)" } else { "" };
                    writeln!(out, "{:width$}  {}{named}", layout.name, layout.about)?;
                }
            }
        }
        Ok(out.flush()?)
    }
}
