//! `barbus archive push`, `prune` and `status`: from a bus to a place.
//!
//! `plan` decides about each day, `session` has the steps, `pass` makes them once and `watch` again
//! and again.

mod pass;
mod plan;
mod session;
mod watch;

use std::path::PathBuf;

use barbus::{Bus, Date};
use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::failure::Failure;
use super::keep::KeepDays;
use super::output::{ReportFormat, bytes, count, fail_with, print};
use super::place::{Place, PlaceUrl, ServiceFlags};
use super::state::{self, PushState};
use super::{identity, local};
use pass::PassReport;
use session::{Session, Wishes};

/// Copy archived days to a bucket: those that it lacks, and those that late bars have changed.
///
/// Each day is one object, 1m/YYYY-MM-DD.parquet below the prefix, which polars and DuckDB read. A
/// manifest beside them names rows, size and SHA-256 of each. An interrupted push has changed
/// nothing that a reader sees, or is completed by the next one.
#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// The bus; it may be in use.
    bus: PathBuf,
    /// The bucket and a prefix of this bus, such as s3://bars/ashare; or a folder.
    place: PlaceUrl,
    /// Go on: push each day within seconds of its close, and again after late bars, until SIGTERM.
    #[arg(long)]
    watch: bool,
    /// Remove days from the bucket that are older than this, such as 400d, if the archive of the
    /// bus has the same.
    #[arg(long, value_name = "TIME")]
    keep: Option<KeepDays>,
    /// With --keep: remove days also where the bucket has the last copy.
    #[arg(long, requires = "keep")]
    last_copies: bool,
    /// Put the bus's file of this day in place of the bucket's, whatever that is; may be repeated.
    #[arg(long, value_name = "DATE")]
    replace: Vec<Date>,
    /// Push to a prefix of another bus, which does not push any more.
    #[arg(long)]
    take_over: bool,
    /// Format of the report.
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
    #[command(flatten)]
    service: ServiceFlags,
}

impl PushArgs {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let wishes = Wishes {
            replace: self.replace.into_iter().collect(),
            take_over: self.take_over,
            keep: self.keep,
            last_copies: self.last_copies,
            prune_only: false,
        };
        let mut session = open(&self.bus, &self.place, &self.service, wishes, self.watch)?;
        if self.watch {
            super::log_to_standard_error();
            return Ok(watch::watch(session).await?);
        }
        report(&session.pass().await?, self.place.name(), self.format)
    }
}

fn open(
    bus: &PathBuf,
    place: &PlaceUrl,
    service: &ServiceFlags,
    wishes: Wishes,
    watches: bool,
) -> Result<Session, Failure> {
    let bus = Bus::open(bus)?;
    let owner = identity::of(&bus)?;
    let state = PushState::open(&bus, place.name(), watches)?;
    let place = Place::open(place, service, true)?;
    Ok(Session { bus, place, owner, wishes, state })
}

fn report(report: &PassReport, place: &str, format: ReportFormat) -> anyhow::Result<()> {
    let size = |days: &[session::PushedDay]| bytes(days.iter().map(|day| day.bytes).sum());
    let mut lines = vec![format!(
        "pushed {}, {}: {place} has {}, {} (manifest {})",
        count(report.pushed.len(), "day"),
        size(&report.pushed),
        count(report.days as usize, "day"),
        bytes(report.bytes),
        report.manifest,
    )];
    if !report.removed.is_empty() {
        lines.push(format!("removed {} by --keep", count(report.removed.len(), "day")));
    }
    if !report.last_copies.is_empty() {
        lines.push(last_copies(&report.last_copies));
    }
    print(format, report, &lines)?;
    fail_with(place, &report.problems)
}

fn last_copies(days: &[Date]) -> String {
    let (first, last) = (days[0], days[days.len() - 1]);
    let number = count(days.len(), "old day");
    format!("{number}, {first} to {last}: the archive of the bus has not the same: --last-copies removes them too")
}

/// Remove old days from a bucket.
///
/// A day that the archive of the bus has not, or not with the same bars, stays.
#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    /// The bus that pushes to the bucket.
    bus: PathBuf,
    /// The bucket and the prefix, or a folder.
    place: PlaceUrl,
    /// Remove days that are older than this, such as 400d.
    #[arg(long, value_name = "TIME")]
    keep: KeepDays,
    /// Remove days also where the bucket has the last copy.
    #[arg(long)]
    last_copies: bool,
    /// Show what would be removed, and remove nothing.
    #[arg(long)]
    dry_run: bool,
    /// Format of the report.
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
    #[command(flatten)]
    service: ServiceFlags,
}

impl PruneArgs {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let wishes =
            Wishes { keep: Some(self.keep), last_copies: self.last_copies, prune_only: true, ..Wishes::default() };
        let mut session = open(&self.bus, &self.place, &self.service, wishes, false)?;
        if !self.dry_run {
            return report(&session.pass().await?, self.place.name(), self.format);
        }
        let manifest = super::versions::existing(&session.place).await?;
        let local = local::days(&session.bus)?;
        session.plan(&manifest, &local, &Default::default())?;
        let (removed, kept) = session.old_days(&manifest, &local);
        let mut lines: Vec<String> = removed.iter().map(|day| format!("{day} would be removed")).collect();
        if removed.is_empty() {
            lines.push("nothing would be removed".to_owned());
        }
        if !kept.is_empty() {
            lines.push(last_copies(&kept));
        }
        Ok(print(self.format, &json!({"would_remove": removed, "last_copies": kept}), &lines)?)
    }
}

/// Show the state of the pushes of a bus: what each place has, what waits, and why.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// The bus.
    bus: PathBuf,
    /// Exit with 1 if days wait, or the last push has failed.
    #[arg(long)]
    check: bool,
    /// Format of the report.
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
}

impl StatusArgs {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let bus = Bus::open(&self.bus)?;
        let found = state::all(&bus);
        let (mut lines, mut values, mut problems) = (Vec::new(), Vec::new(), Vec::new());
        for (status, runs) in &found {
            let what = match (runs, status.watches) {
                (true, true) => format!("process {} watches", status.pid),
                (true, false) => format!("process {} pushes", status.pid),
                (false, _) => "no push runs".to_owned(),
            };
            lines.push(format!(
                "{}: {}, {} (manifest {}); {what}",
                status.url,
                count(status.days as usize, "day"),
                bytes(status.bytes),
                status.manifest
            ));
            match status.complete_at {
                Some(at) => lines.push(format!("  complete {} ago, at {at}", ago(at))),
                None => lines.push("  never complete".to_owned()),
            }
            if status.waiting > 0 {
                lines.push(format!("  {} waiting", count(status.waiting as usize, "day")));
            }
            if self.check && (status.waiting > 0 || status.failure.is_some()) {
                let waiting = count(status.waiting as usize, "day");
                let why = status.failure.as_ref().map(|failure| &failure.message).or(status.problems.first());
                let why = why.map_or("push again", String::as_str);
                problems.push(format!("{}: {waiting} waiting: {why}", status.url));
            }
            if let Some(failure) = &status.failure {
                lines.push(format!("  failing since {}: {}", failure.since, failure.message));
            }
            lines.extend(status.problems.iter().map(|problem| format!("  {problem}")));
            let mut value = serde_json::to_value(status)?;
            value["runs"] = json!(runs);
            values.push(value);
        }
        if found.is_empty() {
            lines.push(format!("{}: it was not pushed yet: barbus archive push BUS PLACE", bus.path().display()));
        }
        print(self.format, &values, &lines)?;
        fail_with(&bus.path().display().to_string(), &problems)
    }
}

fn ago(at: Timestamp) -> String {
    let seconds = Timestamp::now().as_second().saturating_sub(at.as_second()).max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}
