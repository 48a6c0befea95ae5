//! `barbus replay`: archived days onto another bus, through its daemon, as if their market were running again.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::bail;
use barbus::protocol::AckMode;
use barbus::{Bus, Date, Pace, Publisher};
use clap::Args;

use super::publish::{Meter, PATIENCE, publish};
use super::shared::Report;
use crate::publish::ReplayFeed;

/// Publish archived days to another bus.
///
/// Bars go out by time, and within a minute by symbol; days that are not archived are passed over. The other bus may have other
/// columns and another calendar: it takes the bars as those of any producer, closes its days by itself, and takes what it has for
/// duplicates.
#[derive(Debug, Args)]
pub(crate) struct ReplayVerb {
    /// The bus whose archive is read; no daemon is needed for it.
    bus: PathBuf,
    /// The first day, such as 2024-03-04.
    #[arg(long, value_name = "DATE")]
    from: Date,
    /// The last day.
    #[arg(long, value_name = "DATE")]
    to: Date,
    /// How fast: max, or a multiple of the market's own pace such as 1x or 60x.
    #[arg(long, default_value = "max")]
    speed: Pace,
    /// The bus to publish to; its daemon must be running.
    #[arg(long, value_name = "BUS")]
    into: PathBuf,
    /// Only bars of this symbol; can be given several times.
    #[arg(long = "symbol", short, value_name = "S")]
    symbols: Vec<String>,
    /// When rows are acknowledged: at their commit, or when they are durable, on disk; default: what bus.toml says.
    #[arg(long, value_name = "commit|durable")]
    ack: Option<AckMode>,
    /// How to print the summary.
    #[arg(long, value_enum, default_value_t)]
    format: Report,
}

impl ReplayVerb {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let (bus, into) = (Bus::open(&self.bus)?, Bus::open(&self.into)?);
        if same(bus.path(), into.path()) || same(&bus.archive(), &into.archive()) {
            bail!("{}: cannot replay a bus into itself: make another one with: barbus init", into.path().display());
        }
        let mut replay = bus.replay(self.from, self.to)?;
        if !self.symbols.is_empty() {
            replay = replay.symbols(self.symbols);
        }
        let mut publisher =
            Publisher::connect(&into)?.source(format!("replay of {}", bus.path().display())).reconnect_for(PATIENCE);
        if let Some(when) = self.ack {
            publisher = publisher.ack_mode(when);
        }
        let feed = ReplayFeed::new(replay, self.speed);
        let mut meter = Meter::new(feed.progress());
        meter.begin(None);
        publish(feed, publisher, self.speed, meter, self.format, &into)
    }
}

/// Whether two paths are one directory.
fn same(a: &Path, b: &Path) -> bool {
    let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
    match (std::fs::metadata(a), std::fs::metadata(b)) {
        (Ok(a), Ok(b)) => identity(a) == identity(b),
        _ => false,
    }
}
