//! `barbus replay`: publishes archived days to another bus, as if their market were running again.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::bail;
use barbus::protocol::AckMode;
use barbus::{Bus, Date, Pace};
use clap::Args;

use super::shared::daemon_flags::DaemonFlags;
use super::shared::meter::Meter;
use super::shared::publication::{RECONNECT_FOR, publish};
use super::shared::report_format::ReportFormat;
use crate::publish::ReplaySource;

/// Publish archived days to another bus.
///
/// Bars are sent by time, and within a minute by symbol; days without an archive are skipped. The
/// other bus may have other columns and another calendar: it treats the bars like those of
/// any producer, closes its own days, and ignores bars that it already has.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// The bus whose archive is read; it needs no daemon.
    bus: PathBuf,
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
    #[command(flatten)]
    daemon: DaemonFlags,
    /// Format of the summary.
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
}

impl ReplayArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (bus, into) = (Bus::open(&self.bus)?, Bus::open(&self.into)?);
        if is_same(bus.path(), into.path()) || is_same(&bus.archive(), &into.archive()) {
            bail!("{}: cannot replay a bus into itself: create another one with: barbus init", into.path().display());
        }
        let mut replay = bus.replay(self.from, self.to)?;
        if !self.symbols.is_empty() {
            replay = replay.symbols(self.symbols);
        }
        let source = format!("replay of {}", bus.path().display());
        let mut publisher = self.daemon.connect(&into)?.source(source).reconnect_for(RECONNECT_FOR);
        if let Some(mode) = self.ack {
            publisher = publisher.ack_mode(mode);
        }
        let batches = ReplaySource::new(replay, self.speed);
        let mut meter = Meter::new(batches.progress());
        meter.begin(None);
        publish(batches, publisher, self.speed, meter, self.format, &into)
    }
}

/// Whether two paths are the same directory.
fn is_same(a: &Path, b: &Path) -> bool {
    let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
    match (std::fs::metadata(a), std::fs::metadata(b)) {
        (Ok(a), Ok(b)) => identity(a) == identity(b),
        _ => false,
    }
}
