//! `barbus latest`: the newest bar of each symbol asked for.

use std::path::PathBuf;

use barbus::{Error, Reader};
use clap::Args;

use super::Reported;
use super::shared::bars::BarSheet;
use super::shared::complain;
use crate::output::colour_wanted;
use crate::output::table::Layout;

/// Print the newest bar of each symbol.
#[derive(Debug, Args)]
pub(crate) struct Latest {
    /// The bus.
    bus: PathBuf,
    /// The symbols.
    #[arg(required = true, value_name = "SYMBOL")]
    symbols: Vec<String>,
    /// How to print bars.
    #[arg(long, value_enum, default_value_t)]
    format: Layout,
}

impl Latest {
    pub(crate) fn run(self) -> anyhow::Result<()> {
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
                Ok(None) => missing.push(no_longer_there(&reader, symbol)),
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
        missing.iter().for_each(complain);
        Err(Reported.into())
    }
}

/// Why a known symbol has no bar to show.
pub(crate) fn no_longer_there(reader: &Reader, symbol: &str) -> String {
    let archive = reader.bus().archive();
    format!("{symbol}: none of its bars is left in the ring: closed days are in {}", archive.display())
}
