//! `barbus archive replay`: days of a place to a bus, as if their market were running again.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow::array::{AsArray, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{filter_record_batch, take_record_batch};
use arrow::datatypes::{Schema, TimestampMillisecondType};
use barbus::protocol::{AckMode, LABEL};
use barbus::{Bus, ConnectOptions, Date, Pace, Publisher, Schedule};
use clap::Args;
use serde_json::json;

use super::failure::{Failure, Kind};
use super::manifest::{Day, Manifest};
use super::output::{ReportFormat, count, print};
use super::place::{Place, PlaceUrl, ServiceFlags};
use super::scratch::Scratch;
use super::versions;

/// Most bars of one batch.
const BATCH_ROWS: usize = 8_192;
/// The interval of the bars, milliseconds.
const INTERVAL_MS: i64 = 60_000;
/// How long a publisher tries to reach a daemon that restarts.
const RECONNECT_FOR: Duration = Duration::from_secs(30);

/// Publish days of a bucket to a bus.
///
/// Bars are sent by time, and within a minute by symbol. The bus treats them like those of any
/// producer, closes its own days, and ignores bars that it already has. Days are fetched one at a
/// time to the temporary folder (TMPDIR).
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The bucket and the prefix, or a folder.
    place: PlaceUrl,
    /// The first day, such as 2024-03-04.
    #[arg(long, value_name = "DATE")]
    from: Date,
    /// The last day.
    #[arg(long, value_name = "DATE")]
    to: Date,
    /// Speed: max, or a multiple of the pace of the market such as 1x or 60x.
    #[arg(long, default_value = "max")]
    speed: Pace,
    /// The bus to publish to; its daemon must run, or be starting.
    #[arg(long, value_name = "BUS")]
    into: PathBuf,
    /// Only bars of this symbol; may be given several times.
    #[arg(long = "symbol", short, value_name = "S")]
    symbols: Vec<String>,
    /// When rows are acknowledged: when committed, or when durable on disk; default: the setting in
    /// bus.toml.
    #[arg(long, value_name = "commit|durable")]
    ack: Option<AckMode>,
    /// Format of the summary.
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
    #[command(flatten)]
    service: ServiceFlags,
}

impl ReplayArgs {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let into = Bus::open(&self.into)?;
        let place = Place::open(&self.place, &self.service, false)?;
        let manifest = versions::existing(&place).await?;
        let days = self.wanted_days(&place, &manifest)?;
        let scratch = Scratch::new(&place, &manifest)?;
        let mut publisher = Publisher::connect_with(&into, ConnectOptions::default())?
            .source(format!("replay of {}", place.name))
            .reconnect_for(RECONNECT_FOR);
        if let Some(mode) = self.ack {
            publisher = publisher.ack_mode(mode);
        }
        let mut sender = Sender { publisher, schedule: self.speed.schedule(INTERVAL_MS), started: None };
        let mut rows = 0;
        for (date, day) in &days {
            let (path, _) = scratch.fetch(&place, *date, day).await?;
            if let Some((_, batch)) = scratch.archive().read(*date)? {
                let batch = by_time(&batch, &self.symbols)?;
                rows += batch.num_rows();
                sender.send(&batch)?;
            }
            let _ = std::fs::remove_file(&path);
        }
        if rows == 0 {
            let symbols = self.symbols.join(", ");
            let what = format!("{}: no bar of {symbols} in these days: check --symbol", place.name);
            return Err(Failure::new(Kind::Unfit, what).into());
        }
        let acked = sender.publisher.finish()?;
        let mut line = format!(
            "replayed {rows} bars of {}: {} new, {} duplicate, {} revised, {} quarantined",
            count(days.len(), "day"),
            acked.accepted,
            acked.duplicate,
            acked.revised,
            acked.quarantined
        );
        if acked.refused > 0 {
            line.push_str(&format!(", {} refused", acked.refused));
        }
        print(self.format, &json!({"days": days.len(), "rows": rows, "acked": acked}), &[line])?;
        if acked.accepted + acked.duplicate + acked.revised == 0 {
            let quarantine = quarantine_of(into.path());
            let what = format!("{}: it accepted no bar: the reasons are in {quarantine}", into.path().display());
            return Err(Failure::new(Kind::Unfit, what).into());
        }
        Ok(())
    }

    fn wanted_days<'a>(&self, place: &Place, manifest: &'a Manifest) -> Result<Vec<(Date, &'a Day)>, Failure> {
        let (from, to) = (self.from, self.to);
        let failed =
            |what: String| Err(Failure::new(Kind::Unfit, format!("{}: nothing to replay: {what}", place.name)));
        if from > to {
            return failed(format!("{from} is after {to}"));
        }
        let days: Vec<_> = manifest.days.range(from..=to).map(|(date, day)| (*date, day)).collect();
        if days.is_empty() {
            let has = match (manifest.days.keys().next(), manifest.days.keys().next_back()) {
                (Some(first), Some(last)) => format!("it has {}, {first} to {last}", count(manifest.days.len(), "day")),
                _ => "it has no day yet".to_owned(),
            };
            return failed(format!("no day from {from} to {to}: {has}"));
        }
        Ok(days)
    }
}

fn quarantine_of(bus: &Path) -> String {
    bus.join("quarantine").display().to_string()
}

/// Bars on their way to the daemon, at their pace.
struct Sender {
    publisher: Publisher,
    schedule: Schedule,
    /// When the first bar was due.
    started: Option<Instant>,
}

impl Sender {
    /// Sends a day, which is in the order of time.
    fn send(&mut self, day: &RecordBatch) -> anyhow::Result<()> {
        let mut at = 0;
        while at < day.num_rows() {
            let frames = day.column(1).as_primitive::<TimestampMillisecondType>().values();
            let end = match self.schedule.pace() {
                Pace::Max => day.num_rows().min(at + BATCH_ROWS),
                Pace::Times(_) => {
                    let due = self.schedule.due(frames[at]);
                    let elapsed = self.started.get_or_insert_with(Instant::now).elapsed();
                    std::thread::sleep(due.saturating_sub(elapsed));
                    at + frames[at..].partition_point(|frame| *frame == frames[at])
                }
            };
            self.publisher.queue(&day.slice(at, end - at))?;
            at = end;
        }
        Ok(())
    }
}

/// The bars of a day by time, then by symbol; only those of `symbols`, if there are any. The schema
/// states that frames are ends of bars, whatever the bus assumes of its producers.
fn by_time(day: &RecordBatch, symbols: &[String]) -> anyhow::Result<RecordBatch> {
    let metadata = [(LABEL.to_owned(), "end".to_owned())].into();
    let schema = Schema::new_with_metadata(day.schema().fields().clone(), metadata);
    let mut day = RecordBatch::try_new(schema.into(), day.columns().to_vec())?;
    if !symbols.is_empty() {
        let names = day.column(0).as_string::<i32>();
        let is_wanted = |name: Option<&str>| name.is_some_and(|name| symbols.iter().any(|symbol| symbol == name));
        let wanted: BooleanArray = names.iter().map(|name| Some(is_wanted(name))).collect();
        day = filter_record_batch(&day, &wanted)?;
    }
    let frames = day.column(1).as_primitive::<TimestampMillisecondType>();
    let mut order: Vec<u32> = (0..frames.len() as u32).collect();
    // The sort is stable: rows of one frame keep the order of their symbols.
    order.sort_by_key(|row| frames.value(*row as usize));
    Ok(take_record_batch(&day, &UInt32Array::from(order))?)
}
