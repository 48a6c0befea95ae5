//! `barbus window`: the last bars of one symbol.

use std::path::PathBuf;

use barbus::Reader;
use clap::Args;

use super::latest::no_longer_there;
use super::shared::bars::BarSheet;
use crate::output::colour_wanted;
use crate::output::table::Layout;

/// Print the last N bars of a symbol, oldest first.
#[derive(Debug, Args)]
pub(crate) struct Window {
    /// The bus.
    bus: PathBuf,
    /// The symbol.
    symbol: String,
    /// How many bars; fewer are printed where the ring holds fewer.
    #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// How to print bars.
    #[arg(long, value_enum, default_value_t)]
    format: Layout,
}

impl Window {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let mut reader = Reader::open(&self.bus)?;
        let rows = reader.window(&self.symbol, self.count as usize)?;
        anyhow::ensure!(!rows.is_empty(), no_longer_there(&reader, &self.symbol));
        let mut sheet = BarSheet::new(reader.bus(), self.format, colour_wanted());
        for row in &rows {
            sheet.bar(&self.symbol, row)?;
        }
        Ok(sheet.finish()?)
    }
}
