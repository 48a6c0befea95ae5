//! `barbus window`: prints the last bars of one symbol.

use std::path::PathBuf;

use barbus::Reader;
use clap::Args;

use super::shared::bar_sheet::BarSheet;
use super::shared::missing::no_bar;
use crate::output::colour_wanted;
use crate::output::table::Layout;

/// Print the last N bars of a symbol, oldest first.
#[derive(Debug, Args)]
pub(super) struct WindowArgs {
    /// The bus.
    bus: PathBuf,
    /// The symbol.
    symbol: String,
    /// The number of bars; fewer are printed if the bus has fewer.
    #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// Format of the bars.
    #[arg(long, value_enum, default_value_t)]
    format: Layout,
}

impl WindowArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut reader = Reader::open(&self.bus)?;
        let rows = reader.window(&self.symbol, self.count as usize)?;
        anyhow::ensure!(!rows.is_empty(), no_bar(&self.symbol));
        let mut sheet = BarSheet::new(reader.bus(), self.format, colour_wanted());
        for row in &rows {
            sheet.bar(&self.symbol, row)?;
        }
        Ok(sheet.finish()?)
    }
}
