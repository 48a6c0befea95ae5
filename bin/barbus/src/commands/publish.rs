//! `barbus publish`: publishes files and standard input to the bus, through its daemon.
//!
//! Rows that cannot be read, and rows that the bus rejects, are kept in the quarantine; that is
//! reported and is no failure.
//! A file that cannot be read is a failure: the others are still published, and the exit code is 1.

use std::path::PathBuf;

use barbus::protocol::AckMode;
use barbus::{Bus, Pace, Publisher};
use barbus_bars::{ColumnMap, Label};
use clap::Args;
use jiff::tz::TimeZone;

use super::shared::meter::Meter;
use super::shared::publication::{RECONNECT_FOR, publish};
use super::shared::report_format::ReportFormat;
use crate::input::{InputFormat, InputOptions};
use crate::publish::{BatchSource, Order};

/// Publish files of bars: CSV, NDJSON, Parquet or Arrow, each optionally compressed with gzip.
///
/// Columns are recognized by the names that the usual vendors give them. Rows are sorted into feed
/// order, as if the market were running again. Rows that cannot be read or that break a rule are
/// kept in the quarantine of the bus with the reason; the others pass.
#[derive(Debug, Args)]
pub(super) struct PublishArgs {
    /// The bus; its daemon must be running.
    bus: PathBuf,
    /// Files of bars; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Which end of a bar the times in the files mark; default: the setting in bus.toml.
    #[arg(long, value_name = "start|end")]
    label: Option<Label>,
    /// Zone of times that carry none, such as Asia/Shanghai; default: the zone of the bus.
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    zone: Option<TimeZone>,
    /// Columns with other names than usual: frame=open_time,money=quote_volume.
    #[arg(long, value_name = "COLUMN=NAME,…", value_parser = ColumnMap::parse, default_value = "", hide_default_value = true)]
    map: ColumnMap,
    /// Send rows in the order of the files instead of sorting them by time.
    #[arg(long)]
    as_is: bool,
    /// Speed: max, or a multiple of the pace of the market such as 1x or 60x.
    #[arg(long, default_value = "max")]
    speed: Pace,
    /// When rows are acknowledged: when committed, or when durable on disk; default: the setting in
    /// bus.toml.
    #[arg(long, value_name = "commit|durable")]
    ack: Option<AckMode>,
    /// Format of the files; default: detected by name and content.
    #[arg(long, value_enum, value_name = "FORMAT")]
    input_format: Option<InputFormat>,
    /// Format of the summary.
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
}

fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| format!("unknown time zone {name:?}: give an IANA name such as Asia/Shanghai"))
}

impl PublishArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let bus = Bus::open(&self.bus)?;
        let settings = bus.settings();
        // Connected first, so that a missing daemon is reported before a long file is read.
        let publisher = Publisher::connect(&bus)?.source(source_name(&self.files)).reconnect_for(RECONNECT_FOR);
        let publisher = match self.ack {
            Some(mode) => publisher.ack_mode(mode),
            None => publisher,
        };
        let options = InputOptions {
            label: self.label.unwrap_or(settings.label),
            zone: self.zone,
            map: self.map,
            format: self.input_format,
            ..InputOptions::new(settings.schema.clone())
        };
        let order = if self.as_is { Order::AsIs } else { Order::Feed };
        let mut batches = BatchSource::open(&self.files, &options, order, self.speed)?;
        let mut meter = Meter::new(batches.progress());
        meter.while_loading(|| batches.load());
        meter.begin(batches.total_rows());
        publish(batches, publisher, self.speed, meter, self.format, &bus)
    }
}

/// The name of the source in the quarantine.
fn source_name(files: &[String]) -> String {
    let name = |file: &str| if file == "-" { "stdin".to_owned() } else { file.to_owned() };
    match files {
        [file] => name(file),
        [first, rest @ ..] => format!("{} and {} more", name(first), rest.len()),
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_names_the_files() {
        let name = |files: &[&str]| source_name(&files.iter().map(|file| file.to_string()).collect::<Vec<_>>());
        assert_eq!(name(&["a.csv"]), "a.csv");
        assert_eq!(name(&["-"]), "stdin");
        assert_eq!(name(&["a.csv", "-", "b.csv"]), "a.csv and 2 more");
    }
}
