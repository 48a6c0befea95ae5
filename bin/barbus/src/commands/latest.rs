//! `barbus latest`: prints the newest bar of each given symbol.

use std::path::PathBuf;

use barbus::{Bus, Error, Reader};
use clap::Args;
use jiff::tz::TimeZone;

use super::bars::print_shortfalls;
use super::shared::answer_writer::{AnswerFormat, AnswerWriter};
use super::shared::bar_sheet::BarSheet;
use super::shared::errors::{AlreadyPrinted, print_error};
use super::shared::missing::no_bar;
use crate::output::colour_wanted;
use crate::output::table::Layout;

/// Print the newest bar of each symbol.
#[derive(Debug, Args)]
pub(super) struct LatestArgs {
    /// The bus.
    bus: PathBuf,
    /// The symbols; without one, all that have bars on the newest two days.
    #[arg(value_name = "SYMBOL")]
    symbols: Vec<String>,
    /// Format of the bars.
    #[arg(long, value_enum, default_value_t)]
    format: Layout,
}

impl LatestArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if self.symbols.is_empty() {
            return self.print_all();
        }
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
                Ok(None) => missing.push(no_bar(symbol)),
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

    fn print_all(&self) -> anyhow::Result<()> {
        let bus = Bus::open(&self.bus)?;
        let zone = TimeZone::get(bus.settings().schema.zone())?;
        let answer = bus.bars().last(1).collect()?;
        let format = match self.format {
            Layout::Table => AnswerFormat::Table,
            Layout::Csv => AnswerFormat::Csv,
            Layout::Json => AnswerFormat::Json,
        };
        let mut writer = AnswerWriter::new(format, None, answer.schema(), zone)?;
        answer.batches().iter().try_for_each(|batch| writer.write(batch))?;
        writer.finish()?;
        print_shortfalls(answer.shortfalls());
        Ok(())
    }
}
