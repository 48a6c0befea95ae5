//! `barbus convert`: turns files of any layout into one file of canonical bars, without a bus.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use barbus_bars::{BarSchema, Calendar, Label};
use barbus_files::{BarsFormat, CheckOptions, Progress, Reading, expand_inputs, file_size, usual_ends_ms};
use clap::Args;
use jiff::tz::TimeZone;

use super::shared::errors::{AlreadyPrinted, print_error};
use super::shared::file_flags::FileFlags;
use super::shared::meter::Meter;
use super::shared::publication::ROUNDED;
use super::shared::understanding;

/// Convert files of bars of any layout to one Parquet, CSV or Arrow file; no bus is needed.
///
/// The bars have the columns and types of a bus's archive, ends of minutes in their frame, and are
/// sorted by time. What is doubted stops the conversion, as with publish.
#[derive(Debug, Args)]
pub(super) struct ConvertArgs {
    /// Files of bars, folders of them, or patterns; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// The file to write; its ending decides the format: .parquet, .csv or .arrow.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The market: times without a zone are in its zone, and bars outside its sessions are doubted.
    #[arg(long, value_name = "CALENDAR")]
    calendar: Option<String>,
    /// Convert in spite of doubts.
    #[arg(long)]
    trust: bool,
    #[command(flatten)]
    understood_as: FileFlags,
}

impl ConvertArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let format = BarsFormat::of(&self.output)?;
        let calendar = self.calendar.as_deref().map(Calendar::preset).transpose()?;
        let zone_name = calendar.as_ref().map_or("UTC", |calendar| calendar.zone_name());
        let schema = BarSchema::in_zone(zone_name)?;
        let zone = TimeZone::get(zone_name)?;
        // Without a calendar, times that carry no zone need --zone.
        let default_zone = calendar.is_some().then(|| zone.clone());
        let opener = self.understood_as.opener(schema.clone(), Label::End, default_zone, false)?;
        let progress = Progress::default();
        let meter = Meter::new(&progress);
        let inputs = expand_inputs(&self.files);
        inputs.iter().flatten().for_each(|path| progress.expect(file_size(path)));
        let mut reading = None;
        meter.while_loading(|| reading = Some(Reading::of(inputs, &opener, &progress)));
        meter.end();
        let mut reading = reading.context("nothing was read")?.context("the temporary file of the sorted bars")?;
        let check = CheckOptions { calendar, zone: zone.clone(), ends_ms: usual_ends_ms(), label: None };
        let findings = reading.examine(check)?;
        let left_out: Vec<(String, u64)> = reading.left_out.clone().into_iter().collect();
        eprint!("{}", understanding::text(&reading.understood, &findings, &left_out, &zone));
        understanding::print_doubts(&findings);
        understanding::print_failures(&reading);
        if !findings.doubts.is_empty() && !self.trust {
            bail!("nothing was written: settle the doubts, or give --trust to convert in spite of them");
        }
        if let Some(reject) = reading.rejects.first() {
            let (count, source, reason) = (reading.rejects.len(), &reject.source, &reject.reason);
            print_error(format_args!("{count} rows cannot be read, such as {source}: {reason}"));
        }
        if let Some(column) = reading.bars.rounded() {
            print_error(format_args!("{column}: {ROUNDED}"));
        }
        ensure!(reading.rows() > 0, "nothing was written: the inputs have no bars that can be read");
        let complete = reading.failures.is_empty() && reading.rejects.is_empty();
        let written = barbus_files::write_bars(&mut reading.bars, &schema, format, &self.output);
        written.with_context(|| self.output.display().to_string())?;
        if complete { Ok(()) } else { Err(AlreadyPrinted.into()) }
    }
}
