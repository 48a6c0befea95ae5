//! `barbus publish`: files and standard input onto the bus, through its daemon.
//!
//! Rows that cannot be read and rows the bus refuses are kept in its quarantine; that is no failure, but it is said.
//! A file that cannot be read is one: the others are still published, and the exit code is 1.

mod meter;

use std::fmt::Display;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use barbus::protocol::{Ack, AckMode, LABEL};
use barbus::{Bus, Pace, Publisher};
use barbus_bars::{ColumnMap, Label};
use clap::Args;
use jiff::tz::TimeZone;
use serde_json::json;

use super::Reported;
use super::shared::stdout::stdout;
use super::shared::{Report, complain};
use crate::output::table::{Cell, Layout, Sheet};
use crate::output::{colour_wanted, format};
use crate::publish::{Batch, Feed, Format, Options, reject_batch};
pub(super) use meter::Meter;

/// For how long a daemon that went away is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Publish files of bars: CSV, NDJSON, Parquet, Arrow, each also with gzip.
///
/// Columns are known by the usual vendors' names. Rows are sorted into feed order, as if the market were running again. Rows that
/// cannot be read or that break a rule are kept in the bus's quarantine with the reason; the others pass.
#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// The bus; its daemon must be running.
    bus: PathBuf,
    /// Files of bars; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// What a time in the files marks, the start or the end of its bar; default: what bus.toml says.
    #[arg(long, value_name = "start|end")]
    label: Option<Label>,
    /// Zone of times that carry none, such as Asia/Shanghai; default: the bus's.
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    zone: Option<TimeZone>,
    /// Which column is which, where the name does not tell: frame=open_time,money=quote_volume.
    #[arg(long, value_name = "COLUMN=NAME,…", value_parser = ColumnMap::parse, default_value = "", hide_default_value = true)]
    map: ColumnMap,
    /// Send in the order of the files instead of sorting by time.
    #[arg(long)]
    as_is: bool,
    /// How fast: max, or a multiple of the market's own pace such as 1x or 60x.
    #[arg(long, default_value = "max")]
    speed: Pace,
    /// When rows are acknowledged: at their commit, or when they are durable, on disk; default: what bus.toml says.
    #[arg(long, value_name = "commit|durable")]
    ack: Option<AckMode>,
    /// What the files are; default: by name and content.
    #[arg(long, value_enum, value_name = "FORMAT")]
    input_format: Option<Format>,
    /// How to print the summary.
    #[arg(long, value_enum, default_value_t)]
    format: Report,
}

fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| format!("unknown time zone {name:?}: give an IANA name such as Asia/Shanghai"))
}

impl Publish {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let bus = Bus::open(&self.bus)?;
        let settings = bus.settings();
        // Before a long file is read in vain.
        let publisher = Publisher::connect(&bus)?.source(source(&self.files)).reconnect_for(PATIENCE);
        let publisher = match self.ack {
            Some(when) => publisher.ack_mode(when),
            None => publisher,
        };
        let options = Options {
            label: self.label.unwrap_or(settings.label),
            zone: self.zone,
            map: self.map,
            as_is: self.as_is,
            pace: self.speed,
            format: self.input_format,
            ..Options::new(settings.schema.clone())
        };
        let mut feed = Feed::open(&self.files, &options)?;
        let mut meter = Meter::new(feed.progress());
        meter.while_loading(|| feed.load());
        meter.begin(feed.total_rows());

        publish(feed, publisher, self.speed, meter, self.format, &bus)
    }
}

/// Sends all of `feed` to the daemon of `bus`, and says what became of it.
pub(super) fn publish<E: Display>(
    feed: impl Iterator<Item = Result<Batch, E>>,
    publisher: Publisher,
    pace: Pace,
    meter: Meter,
    report: Report,
    bus: &Bus,
) -> anyhow::Result<()> {
    let start = Instant::now();
    let sent = send(feed, publisher, pace, &meter);
    meter.end();
    let Sent { ack, failures } = sent?;
    failures.iter().for_each(complain);
    let elapsed = start.elapsed();
    match report {
        Report::Json => print_json(&ack, elapsed)?,
        Report::Table => print_table(&ack, elapsed)?,
    }
    if ack.quarantined > 0 {
        let rows = if ack.quarantined == 1 { "row was" } else { "rows were" };
        let folder = bus.quarantine();
        let count = format::count(ack.quarantined);
        complain(format_args!("{count} {rows} not taken: see why in {}", folder.display()));
    }
    if failures.is_empty() { Ok(()) } else { Err(Reported.into()) }
}

struct Sent {
    ack: Ack,
    /// Files that could not be read, or not to their end.
    failures: Vec<String>,
}

fn send<E: Display>(
    feed: impl Iterator<Item = Result<Batch, E>>,
    mut publisher: Publisher,
    pace: Pace,
    meter: &Meter,
) -> anyhow::Result<Sent> {
    let start = Instant::now();
    let mut failures = Vec::new();
    let mut labelled = Labelled::default();
    for batch in feed {
        let Batch { bars, rejects, due } = match batch {
            Ok(batch) => batch,
            Err(error) => {
                failures.push(error.to_string());
                continue;
            }
        };
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        let bars = (bars.num_rows() > 0).then(|| labelled.end(bars));
        let rejects = (!rejects.is_empty()).then(|| reject_batch(&rejects));
        for batch in bars.into_iter().chain(rejects) {
            if pace == Pace::Max && !meter.is_shown() {
                publisher.queue(&batch)?;
            } else {
                // What is shown, and what is paced, is acknowledged batch by batch.
                publisher.send(&batch)?;
            }
            meter.acked(&publisher.acked());
        }
    }
    let ack = publisher.finish()?;
    meter.acked(&ack);
    Ok(Sent { ack, failures })
}

/// Batches whose schema says that frames mark the end, whatever the bus takes for granted.
#[derive(Default)]
struct Labelled(Option<SchemaRef>);

impl Labelled {
    fn end(&mut self, batch: RecordBatch) -> RecordBatch {
        let schema = self.0.get_or_insert_with(|| {
            let metadata = [(LABEL.to_owned(), Label::End.as_str().to_owned())].into();
            Arc::new(Schema::new_with_metadata(batch.schema().fields().clone(), metadata))
        });
        batch.with_schema(schema.clone()).expect("only metadata is added")
    }
}

/// What the quarantine calls the source.
fn source(files: &[String]) -> String {
    let name = |file: &str| if file == "-" { "stdin".to_owned() } else { file.to_owned() };
    match files {
        [file] => name(file),
        [first, rest @ ..] => format!("{} and {} more", name(first), rest.len()),
        [] => String::new(),
    }
}

fn print_json(ack: &Ack, elapsed: Duration) -> anyhow::Result<()> {
    let mut out = stdout();
    let mut summary = serde_json::to_value(ack)?;
    summary["seconds"] = json!(elapsed.as_secs_f64());
    writeln!(out, "{summary}")?;
    Ok(out.flush()?)
}

fn print_table(ack: &Ack, elapsed: Duration) -> anyhow::Result<()> {
    let columns = ["rows", "accepted", "duplicate", "revised", "quarantined", "time", "rate"];
    let mut sheet = Sheet::new(stdout(), Layout::Table, columns, TimeZone::UTC).coloured(colour_wanted());
    let counts = [ack.rows, ack.accepted, ack.duplicate, ack.revised, ack.quarantined];
    let words = [format::age(elapsed), format::rate(ack.rows, "rows", elapsed)];
    sheet.row(counts.map(Cell::Count).into_iter().chain(words.map(Cell::Text)))?;
    Ok(sheet.finish().map(drop)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_names_the_files() {
        let source = |files: &[&str]| source(&files.iter().map(|file| file.to_string()).collect::<Vec<_>>());
        assert_eq!(source(&["a.csv"]), "a.csv");
        assert_eq!(source(&["-"]), "stdin");
        assert_eq!(source(&["a.csv", "-", "b.csv"]), "a.csv and 2 more");
    }

    // A bus may take frames for starts; what is sent has been shifted already.
    #[test]
    fn batches_say_that_their_frames_are_ends() {
        let schema = barbus_bars::BarSchema::in_zone("UTC").unwrap().wire_schema();
        let batch = Labelled::default().end(RecordBatch::new_empty(schema));
        assert_eq!(batch.schema().metadata()["barbus.label"], "end");
    }
}
