//! `barbus demo`: the whole way of a bar on this machine, and a check that nothing was lost on it.
//!
//! A bus in a temporary directory; the daemon, a process; a simulated trading day published through its socket; three
//! reader processes. At the end the day is closed, and the simulation, the Parquet file and what each reader saw are
//! compared bar by bar. It succeeds only if all are the same.

mod archived;
mod audience;
mod market;
mod next_steps;
mod processes;
mod reader;
mod seen;
mod strategy;
mod summary;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use barbus::protocol::{Ack, DayClose};
use barbus::{Bus, InitOptions, Publisher};
use clap::Args;

use crate::commands::shared::stdout::stdout;
use crate::output::format::age;
use crate::publish::Rows;
use archived::Archived;
use audience::Audience;
use market::{DAY, MINUTES, Market, Scale};
use processes::Daemon;
pub(crate) use reader::DemoReader;
use reader::Role;
use seen::Seen;
use summary::Summary;

/// For how long the archive of the closed day is waited for.
const FLUSH_PATIENCE: Duration = Duration::from_secs(60);

/// See it work: a simulated day, a daemon, three reader processes, and a check of every bar.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Another seed gives another day.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, hide = true, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=2000))]
    symbols: u32,
    #[arg(long, hide = true, default_value_t = MINUTES, value_parser = clap::value_parser!(u32).range(2..=i64::from(MINUTES)))]
    minutes: u32,
    /// How long the day is to take, in seconds.
    #[arg(long, hide = true, default_value_t = 5.0, value_parser = seconds)]
    seconds: f64,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("give a number from 0 to 3600".to_owned()),
    }
}

impl Demo {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let scale = Scale { seed: self.seed, symbols: self.symbols, minutes: self.minutes };
        let folder = tempfile::Builder::new().prefix("barbus-demo-").tempdir().context("a temporary directory")?.keep();
        tell(&format!(
            "A simulated A-share day, {} symbols × {} minutes, in {}",
            scale.symbols,
            scale.minutes,
            folder.display()
        ));
        let bus = make_bus(&folder)?;
        let daemon = Daemon::start(&bus, folder.join("daemon.log"))?;

        let mut audience = Audience::new(&bus, &folder, scale);
        audience.seat(Role::Strategy)?;
        audience.seat(Role::Counter)?;
        let start = Instant::now();
        let ack = self.publish(&bus, scale, &mut audience)?;
        let published_in = start.elapsed();
        let close_start = Instant::now();
        close_day(&bus)?;
        let closed_in = close_start.elapsed();
        let witnesses = audience.leave()?;
        let archived = Archived::read(&bus, DAY)?;
        daemon.stop()?;

        let archive = archived.seen();
        let summary = Summary {
            bus: &bus,
            scale,
            ack,
            published_in,
            closed_in,
            archive_differs: archive.compare(&simulated(scale)),
            readers: witnesses
                .into_iter()
                .map(|witness| {
                    let differs = Seen::read(&witness.seen)?.compare(&archive);
                    Ok((witness, differs))
                })
                .collect::<anyhow::Result<_>>()?,
            archived: &archived,
        };
        tell(&summary.text());
        summary.verdict()
    }

    /// Publishes the day minute by minute, evenly over the time it is to take. In its middle the late joiner is started.
    fn publish(&self, bus: &Bus, scale: Scale, audience: &mut Audience) -> anyhow::Result<Ack> {
        let mut publisher = Publisher::connect(bus)?.source("barbus demo");
        let market = Market::new(scale);
        let symbols = market.symbols().to_vec();
        let mut rows = Rows::new(&bus.settings().schema);
        let all: Vec<usize> = (0..symbols.len()).collect();
        let start = Instant::now();
        for (number, minute) in market.enumerate() {
            if number as u32 == scale.minutes / 2 {
                audience.seat(Role::Late)?;
            }
            rows.clear();
            for (symbol, bar) in symbols.iter().zip(&minute.bars) {
                rows.push(symbol, minute.frame_ms, bar.numbers(), &bar.optional());
            }
            let due = Duration::from_secs_f64(self.seconds * number as f64 / f64::from(scale.minutes));
            std::thread::sleep(due.saturating_sub(start.elapsed()));
            publisher.send(&rows.batch(&all))?;
            audience.published(publisher.acked().rows)?;
        }
        Ok(publisher.finish()?)
    }
}

/// Prints a text. That nobody reads it does not end the demo: its exit code still tells.
fn tell(text: &str) {
    let mut out = stdout();
    let _ = writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush());
}

/// A new bus; its ring is as large as a day of the demo needs, not as a market does.
fn make_bus(folder: &Path) -> anyhow::Result<Bus> {
    let bus = Bus::init(&folder.join("bus"), &InitOptions { calendar: "XSHG".to_owned(), preset: None })?;
    let path = bus.path().join("bus.toml");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let sized: Vec<&str> =
        text.lines().map(|line| if line.starts_with("# size = ") { "size = \"32MB\"" } else { line }).collect();
    std::fs::write(&path, sized.join("\n") + "\n").with_context(|| path.display().to_string())?;
    Ok(Bus::open(bus.path())?)
}

/// Closes the day and waits for its file.
fn close_day(bus: &Bus) -> anyhow::Result<()> {
    let start = Instant::now();
    let DayClose { closed, mut archived, .. } = barbus::request_close_day(bus, Some(DAY))?;
    ensure!(closed == Some(DAY), "{DAY} was to be closed, and the daemon closed {closed:?}");
    while !archived {
        let stat = barbus::stat(bus)?;
        archived = stat.days_archived > 0 && stat.days_waiting.is_empty();
        let why = stat.last_flush_error.unwrap_or_else(|| "no error is known".to_owned());
        ensure!(start.elapsed() < FLUSH_PATIENCE, "{DAY} is not archived after {}: {why}", age(FLUSH_PATIENCE));
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// What was published, by the simulation alone.
fn simulated(scale: Scale) -> Seen {
    let market = Market::new(scale);
    let symbols = market.symbols().to_vec();
    let mut seen = Seen::default();
    for minute in market {
        for (symbol, bar) in symbols.iter().zip(&minute.bars) {
            seen.push(symbol, minute.frame_ms, bar.digest());
        }
    }
    seen
}
