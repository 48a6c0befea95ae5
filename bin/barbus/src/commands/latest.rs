//! `barbus latest`: prints the newest bar of each given symbol.

use std::path::PathBuf;

use barbus::{Error, Reader};
use clap::Args;

use super::shared::bar_sheet::BarSheet;
use super::shared::errors::{AlreadyPrinted, print_error};
use super::shared::missing::no_bar_in_ring;
use crate::output::colour_wanted;
use crate::output::table::Layout;

/// Print the newest bar of each symbol.
#[derive(Debug, Args)]
pub(super) struct LatestArgs {
    /// The bus.
    bus: PathBuf,
    /// The symbols.
    #[arg(required = true, value_name = "SYMBOL")]
    symbols: Vec<String>,
    /// Format of the bars.
    #[arg(long, value_enum, default_value_t)]
    format: Layout,
}

impl LatestArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut reader = Reader::open(&self.bus)?;
        let mut sheet = BarSheet::new(reader.bus(), self.format, colour_wanted());
        let mut missing = Vec::new();
        let mut found = false;
        for symbol in &self.symbols {
            match reader.latest(symbol) {
                Ok(Some(row)) => {
                    sheet.bar(symbol, &row)?;
                    found = true;
                }
                Ok(None) => missing.push(no_bar_in_ring(&reader, symbol)),
                Err(error @ Error::UnknownSymbol { .. }) => missing.push(error.to_string()),
                Err(error) => return Err(error.into()),
            }
        }
        if found {
            sheet.finish()?;
        }
        if missing.is_empty() {
            return Ok(());
        }
        missing.iter().for_each(print_error);
        Err(AlreadyPrinted.into())
    }
}
