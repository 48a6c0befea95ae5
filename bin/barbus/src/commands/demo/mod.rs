//! `barbus demo`: runs every part of barbus on this machine and checks that no bar is lost.
//!
//! It creates a bus in a temporary directory, starts the daemon and three reader processes, and
//! publishes a simulated trading day through the socket.
//! At the end it closes the day and compares the simulation, the Parquet file and the logs of the
//! readers bar by bar.
//! It succeeds only if all are equal.

mod archived;
mod bar_log;
mod market;
mod next_steps;
mod processes;
mod reader;
mod readers;
mod strategy;
mod summary;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use barbus::protocol::{Ack, DayClose};
use barbus::{Bus, InitOptions, Publisher};
use clap::Args;
use nix::unistd::mkdtemp;

use crate::commands::shared::stdout::stdout;
use crate::output::format::age;
use archived::ArchivedDay;
use bar_log::BarLog;
use barbus_files::Rows;
use market::{DAY, MINUTES, Market, Scale};
use processes::DaemonProcess;
pub(super) use reader::DemoReaderArgs;
use reader::Role;
use readers::DemoReaders;
use summary::Summary;

/// Longest wait for the archive of the closed day.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);

/// Run a simulated day with a daemon and three reader processes, and check every bar.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Seed of the simulation: another seed gives another day.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, hide = true, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=2000))]
    symbols: u32,
    #[arg(long, hide = true, default_value_t = MINUTES, value_parser = clap::value_parser!(u32).range(2..=i64::from(MINUTES)))]
    minutes: u32,
    /// Duration of the day, seconds.
    #[arg(long, hide = true, default_value_t = 5.0, value_parser = seconds)]
    seconds: f64,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("give a number from 0 to 3600".to_owned()),
    }
}

impl DemoArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let scale = Scale { seed: self.seed, symbols: self.symbols, minutes: self.minutes };
        let folder = make_folder()?;
        print(&format!(
            "A simulated A-share day, {} symbols × {} minutes, in {}",
            scale.symbols,
            scale.minutes,
            folder.display()
        ));
        let bus = make_bus(&folder)?;
        let daemon = DaemonProcess::start(&bus, folder.join("daemon.log"))?;

        let mut readers = DemoReaders::new(&bus, &folder, scale);
        readers.start(Role::Strategy)?;
        readers.start(Role::Counter)?;
        let start = Instant::now();
        let ack = self.publish(&bus, scale, &mut readers)?;
        let published_in = start.elapsed();
        let close_start = Instant::now();
        close_day(&bus)?;
        let closed_in = close_start.elapsed();
        let results = readers.wait()?;
        let archived = ArchivedDay::read(&bus, DAY)?;
        daemon.stop()?;

        let archive = archived.log();
        let summary = Summary {
            bus: &bus,
            scale,
            ack,
            published_in,
            closed_in,
            archive_differs: archive.compare(&simulated(scale)),
            readers: results
                .into_iter()
                .map(|result| {
                    let differs = BarLog::read(&result.log)?.compare(&archive);
                    Ok((result, differs))
                })
                .collect::<anyhow::Result<_>>()?,
            archived: &archived,
        };
        print(&summary.text());
        summary.verdict()
    }

    /// Publishes the minutes of the day at equal intervals. In the middle the late joiner starts.
    fn publish(&self, bus: &Bus, scale: Scale, readers: &mut DemoReaders) -> anyhow::Result<Ack> {
        let mut publisher = Publisher::connect(bus)?.source("barbus demo");
        let market = Market::new(scale);
        let symbols = market.symbols().to_vec();
        let mut rows = Rows::new(&bus.settings().schema);
        let all: Vec<usize> = (0..symbols.len()).collect();
        let start = Instant::now();
        for (number, minute) in market.enumerate() {
            if number as u32 == scale.minutes / 2 {
                readers.start(Role::Late)?;
            }
            rows.clear();
            for (symbol, bar) in symbols.iter().zip(&minute.bars) {
                rows.push(symbol, minute.frame_ms, bar.numbers(), &bar.optional());
            }
            let due = Duration::from_secs_f64(self.seconds * number as f64 / f64::from(scale.minutes));
            std::thread::sleep(due.saturating_sub(start.elapsed()));
            publisher.send(&rows.batch(&all))?;
            readers.published(publisher.acked().rows)?;
        }
        Ok(publisher.finish()?)
    }
}

/// Prints a text. A closed standard output does not end the demo, whose exit code still matters.
fn print(text: &str) {
    let mut out = stdout();
    let _ = writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush());
}

/// Creates the directory of the demo, which is kept.
fn make_folder() -> anyhow::Result<PathBuf> {
    let template = std::env::temp_dir().join("barbus-demo-XXXXXX");
    let made = mkdtemp(&template).map_err(std::io::Error::from);
    made.with_context(|| format!("{}: cannot create a temporary directory", template.display()))
}

/// Creates a bus whose ring is large enough for a day of the demo.
fn make_bus(folder: &Path) -> anyhow::Result<Bus> {
    let bus = Bus::init(&folder.join("bus"), &InitOptions { calendar: "XSHG".to_owned(), preset: None })?;
    let path = bus.path().join("bus.toml");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let sized: Vec<&str> =
        text.lines().map(|line| if line.starts_with("# size = ") { "size = \"32MB\"" } else { line }).collect();
    std::fs::write(&path, sized.join("\n") + "\n").with_context(|| path.display().to_string())?;
    Ok(Bus::open(bus.path())?)
}

/// Closes the day and waits until it is archived.
fn close_day(bus: &Bus) -> anyhow::Result<()> {
    let start = Instant::now();
    let DayClose { closed, mut archived, .. } = barbus::request_close_day(bus, Some(DAY))?;
    ensure!(closed == Some(DAY), "the daemon closed {closed:?} instead of {DAY}");
    while !archived {
        let stat = barbus::stat(bus)?;
        archived = stat.days_archived > 0 && stat.days_waiting.is_empty();
        let why = stat.last_flush_error.unwrap_or_else(|| "no error is reported".to_owned());
        ensure!(start.elapsed() < FLUSH_TIMEOUT, "{DAY} is not archived after {}: {why}", age(FLUSH_TIMEOUT));
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// The log of the simulated bars.
fn simulated(scale: Scale) -> BarLog {
    let market = Market::new(scale);
    let symbols = market.symbols().to_vec();
    let mut log = BarLog::default();
    for minute in market {
        for (symbol, bar) in symbols.iter().zip(&minute.bars) {
            log.push(symbol, minute.frame_ms, bar.digest());
        }
    }
    log
}
