//! `barbus publish`: publishes files and standard input to the bus, through its daemon.
//!
//! Everything is read and examined before the first bar is sent.
//! What was understood is reported, and what is doubted stops the publication.
//! Rows that cannot be read, and rows that the bus rejects, are kept in the quarantine; that is
//! reported, and is a failure only if no row is accepted.
//! A file that cannot be read is a failure: the others are still published, and the exit code is 1.
//!
//! With `--as-is` an input that cannot be read twice, such as a pipe, is examined as far as it was
//! read before the first bar is sent.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use barbus::protocol::AckMode;
use barbus::{Bus, Pace};
use barbus_files::{CheckOptions, Checker, Findings, Opener, Progress, Reading, Understood, expand_inputs, file_size};
use clap::Args;
use jiff::tz::TimeZone;

use super::shared::daemon_flags::DaemonFlags;
use super::shared::errors::{AlreadyPrinted, print_error};
use super::shared::file_flags::FileFlags;
use super::shared::meter::Meter;
use super::shared::publication::{RECONNECT_FOR, ROUNDED, publish};
use super::shared::report_format::ReportFormat;
use super::shared::stdout::stdout;
use super::shared::understanding;
use crate::publish::{AsIsSource, FeedSource};

/// Publish files of bars of any layout: CSV, JSON, Parquet or Arrow, also packed.
///
/// The layout of each file is recognized, and what was understood is reported before anything is
/// sent. What is doubted stops the publication and names the flag that settles it. Rows are sorted
/// into feed order, as if the market were running again. Rows that cannot be read or that break a
/// rule are kept in the quarantine of the bus with the reason; the others pass.
#[derive(Debug, Args)]
pub(super) struct PublishArgs {
    /// The bus; its daemon must run, or be starting.
    bus: PathBuf,
    /// Files of bars, folders of them, or patterns; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Report what is understood, and send nothing.
    #[arg(long)]
    check: bool,
    /// Send in spite of doubts.
    #[arg(long)]
    trust: bool,
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
    /// The name of the source, which sources.priority of bus.toml may give a priority; default: the
    /// names of the files.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Format of the summary, and of the report of --check.
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
    #[command(flatten)]
    daemon: DaemonFlags,
    #[command(flatten)]
    understood_as: FileFlags,
}

impl PublishArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let bus = Bus::open(&self.bus)?;
        let settings = bus.settings();
        // Connected first, so that a missing daemon is reported before a long file is read.
        let publisher = match self.check {
            true => None,
            false => {
                let publisher =
                    self.daemon.connect(&bus)?.source(self.source.clone().unwrap_or_else(|| source_name(&self.files)));
                let publisher = publisher.reconnect_for(RECONNECT_FOR);
                Some(match self.ack {
                    Some(mode) => publisher.ack_mode(mode),
                    None => publisher,
                })
            }
        };
        let zone = TimeZone::get(settings.schema.zone()).ok();
        let live = self.as_is && self.files.iter().any(|file| file_size(file).is_none());
        let opener = self.understood_as.opener(settings.schema.clone(), settings.label, zone, live)?;
        let check = check_options(&bus);
        let asked = Asked { trust: self.trust };
        match publisher {
            None => check_only(&self.files, &opener, check, self.format),
            Some(publisher) if live => {
                let progress = Progress::default();
                let mut source = AsIsSource::new(&opener, expand_inputs(&self.files), self.speed, &progress);
                examine_first(&mut source, check, &asked)?;
                let mut meter = Meter::new(&progress);
                meter.begin(None);
                publish(source, publisher, self.speed, meter, self.format, &bus)
            }
            Some(publisher) => {
                let progress = Progress::default();
                let mut meter = Meter::new(&progress);
                let reading = read(&self.files, &opener, &progress, &meter)?;
                let reading = examine(reading, check, &asked)?;
                let rows = reading.rows() + reading.rejects.len();
                if self.as_is {
                    drop(reading);
                    let source = AsIsSource::new(&opener, expand_inputs(&self.files), self.speed, &Progress::default());
                    meter.begin(Some(rows));
                    return publish(source, publisher, self.speed, meter, self.format, &bus);
                }
                meter.begin(Some(rows));
                let source = FeedSource::new(reading, self.speed, opener.options().interval_ms)?;
                publish(source, publisher, self.speed, meter, self.format, &bus)
            }
        }
    }
}

/// What the user asked for.
struct Asked {
    trust: bool,
}

fn check_options(bus: &Bus) -> CheckOptions {
    let settings = bus.settings();
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
    CheckOptions {
        calendar: Some(settings.calendar.clone()),
        zone: TimeZone::get(settings.schema.zone()).unwrap_or(TimeZone::UTC),
        ends_ms: settings.oldest_ms..=now_ms.saturating_add(settings.max_ahead.as_millis() as i64),
        label: None,
    }
}

/// Reads all files to their end.
fn read(files: &[String], opener: &Opener, progress: &Progress, meter: &Meter) -> anyhow::Result<Reading> {
    let inputs = expand_inputs(files);
    for path in inputs.iter().flatten() {
        progress.expect(file_size(path));
    }
    let mut reading = None;
    meter.while_loading(|| reading = Some(Reading::of(inputs, opener, progress)));
    let reading = reading.context("nothing was read")?;
    reading.context("the temporary file of the sorted bars (its folder is that of TMPDIR)")
}

/// Reports what was understood; an error if nothing may be sent.
fn examine(mut reading: Reading, check: CheckOptions, asked: &Asked) -> anyhow::Result<Reading> {
    let zone = check.zone.clone();
    let findings = reading.examine(check)?;
    report(&reading.understood, &findings, &left_out(&reading), &zone);
    let doubted = !findings.doubts.is_empty() && !asked.trust;
    if !findings.doubts.is_empty() {
        understanding::print_doubts(&findings);
    }
    if doubted || (reading.rows() == 0 && reading.rejects.is_empty()) {
        understanding::print_failures(&reading);
        if doubted {
            print_error("nothing was sent: settle the doubts, or give --trust to send in spite of them");
        } else if reading.failures.is_empty() {
            print_error("nothing was sent: the inputs have no bars");
        }
        return Err(AlreadyPrinted.into());
    }
    Ok(reading)
}

fn report(understood: &[Understood], findings: &Findings, left_out: &[(String, u64)], zone: &TimeZone) {
    use std::io::Write;
    let text = understanding::text(understood, findings, left_out, zone);
    // A closed standard error is no reason to fail.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

fn left_out(reading: &Reading) -> Vec<(String, u64)> {
    reading.left_out.iter().map(|(reason, rows)| (reason.clone(), *rows)).collect()
}

/// Examines the rows that were read of an input that cannot be read twice.
fn examine_first(source: &mut AsIsSource, check: CheckOptions, asked: &Asked) -> anyhow::Result<()> {
    let zone = check.zone.clone();
    let (parsed, understood) = source.read_first()?;
    let label = understood.first().map(|one| (one.label, one.label_why.clone()));
    let mut checker = Checker::new(CheckOptions { label, ..check });
    let order = parsed.bars.feed_order();
    for rows in order.chunks(barbus_files::BATCH_ROWS) {
        checker.observe(&parsed.bars.batch(rows));
    }
    let findings = checker.finish();
    report(&understood, &findings, &[], &zone);
    understanding::print_doubts(&findings);
    if !findings.doubts.is_empty() && !asked.trust {
        print_error("nothing was sent: settle the doubts, or give --trust to send in spite of them");
        return Err(AlreadyPrinted.into());
    }
    Ok(())
}

/// Reports what is understood and sends nothing.
fn check_only(files: &[String], opener: &Opener, check: CheckOptions, format: ReportFormat) -> anyhow::Result<()> {
    use std::io::Write;
    let progress = Progress::default();
    let meter = Meter::new(&progress);
    let mut reading = read(files, opener, &progress, &meter)?;
    meter.end();
    let zone = check.zone.clone();
    let findings = reading.examine(check)?;
    let mut out = stdout();
    match format {
        ReportFormat::Json => writeln!(out, "{}", understanding::json(&reading, &findings))?,
        ReportFormat::Table => {
            let text = understanding::text(&reading.understood, &findings, &left_out(&reading), &zone);
            out.write_all(text.as_bytes())?;
            if let Some(reject) = reading.rejects.first() {
                let rows = reading.rejects.len();
                writeln!(out, "  rejected {rows} rows, the first at {}: {}", reject.source, reject.reason)?;
            }
        }
    }
    out.flush()?;
    understanding::print_doubts(&findings);
    understanding::print_failures(&reading);
    if let Some(column) = reading.bars.rounded() {
        print_error(format_args!("{column}: {ROUNDED}"));
    }
    let sound = findings.doubts.is_empty() && reading.failures.is_empty() && reading.rows() > 0;
    if sound { Ok(()) } else { Err(AlreadyPrinted.into()) }
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
