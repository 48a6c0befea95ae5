//! `barbus demo-reader`: a reader process of the demo, started by `barbus demo`.
//!
//! It follows the bus until the day is closed and reports its progress on standard output, one JSON
//! value a line.
//! Before its last report it writes a log of the bars it has read.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use barbus::{Bar, Event, Reader, Row, Start};
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::bar_log::{BarLog, digest};
use super::market::{Market, Minute, Scale};
use super::strategy::Strategy;
use crate::commands::shared::parent_process::end_with_parent;

/// After this time without a bar the reader gives up.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Shortest time between two progress reports.
const REPORT_INTERVAL: Duration = Duration::from_millis(40);

/// A reader of the demo.
#[derive(Debug, Args)]
pub(in crate::commands) struct DemoReaderArgs {
    /// The bus.
    bus: PathBuf,
    /// What the reader does.
    #[arg(long, value_enum)]
    role: Role,
    /// The file for the log of its bars.
    #[arg(long)]
    log: PathBuf,
    #[arg(long)]
    seed: u64,
    #[arg(long)]
    symbols: u32,
    #[arg(long)]
    minutes: u32,
    /// The id of the process that started it.
    #[arg(long)]
    parent: u32,
}

/// What a reader of the demo does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Role {
    /// Trades on moving averages, from the first bar on.
    Strategy,
    /// Starts in the middle of the day and reads it from its beginning.
    Late,
    /// Checks every sequence number, and every value against the simulation.
    Counter,
}

/// A line of the output of a reader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// The reader is attached: it will read every bar from here on.
    Attached,
    /// The number of bars read so far.
    Bars(u64),
    /// The day is closed.
    Done(Findings),
}

/// What a reader counted and measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Findings {
    pub(super) bars: u64,
    /// Bars it was too slow to read.
    pub(super) missed: u64,
    /// Sequence numbers that did not follow the number before.
    pub(super) out_of_order: u64,
    /// Bars that differ from the simulation; only the counter compares.
    pub(super) wrong: u64,
    pub(super) trades: u64,
    pub(super) result: f64,
    /// The bars that were on the bus when it attached, and the time it took to read them.
    pub(super) caught_up: Option<(u64, Duration)>,
    /// The time from the daemon's receipt of a bar to this process, median and 99th percentile.
    pub(super) delay: Option<(Duration, Duration)>,
}

impl DemoReaderArgs {
    pub(in crate::commands) fn run(self) -> anyhow::Result<()> {
        end_with_parent(self.parent)?;
        let start = match self.role {
            Role::Strategy => Start::Live,
            Role::Late => Start::Today,
            Role::Counter => Start::Oldest,
        };
        let start_time = Instant::now();
        let mut reader = Reader::open(&self.bus)?.start_at(start)?;
        let existing = reader.stat().bars;
        print(&Report::Attached)?;

        let scale = Scale { seed: self.seed, symbols: self.symbols, minutes: self.minutes };
        let mut observer = Observer::new(self.role, scale);
        let (mut reported, mut last) = (Instant::now(), Instant::now());
        loop {
            let event = reader.next(Duration::from_secs(1))?;
            match event {
                None if last.elapsed() > TIMEOUT => bail!("no bar for {TIMEOUT:?}, and the day is not closed"),
                None => continue,
                Some(Event::Bars(bars)) => {
                    let now_ns = Timestamp::now().as_nanosecond();
                    for bar in bars.iter() {
                        observer.bar(&bar, now_ns);
                    }
                }
                Some(Event::MinuteClosed(minute)) => bail!("{minute:?} without minutes"),
                Some(Event::Withdrawn(bars)) => bail!("bars of {} were withdrawn", bars.day),
                Some(Event::Lapped { missed }) => observer.findings.missed += missed,
                Some(Event::DayClosed(_)) => break,
            }
            last = Instant::now();
            if self.role == Role::Late && observer.findings.caught_up.is_none() && observer.findings.bars >= existing {
                observer.findings.caught_up = Some((existing, start_time.elapsed()));
            }
            if reported.elapsed() > REPORT_INTERVAL {
                print(&Report::Bars(observer.findings.bars))?;
                reported = last;
            }
        }
        observer.log.write(&self.log)?;
        print(&Report::Done(observer.finish()))
    }
}

/// Checks and logs the bars of a reader.
struct Observer {
    role: Role,
    log: BarLog,
    findings: Findings,
    next_seq: u64,
    strategy: Strategy,
    delays_ns: Vec<i64>,
    expected: ExpectedBars,
}

impl Observer {
    fn new(role: Role, scale: Scale) -> Observer {
        Observer {
            role,
            log: BarLog::default(),
            findings: Findings::default(),
            next_seq: 0,
            strategy: Strategy::default(),
            delays_ns: Vec::new(),
            expected: ExpectedBars::new(scale),
        }
    }

    fn bar(&mut self, bar: &Bar<'_>, now_ns: i128) {
        self.findings.bars += 1;
        let numbers = [bar.open, bar.high, bar.low, bar.close, bar.volume];
        let digest = digest(numbers, [bar.optional(0), bar.optional(1)]);
        self.log.push(bar.symbol, bar.frame_ms, digest);
        self.findings.out_of_order += u64::from(bar.seq != self.next_seq);
        self.next_seq = bar.seq + 1;
        match self.role {
            Role::Strategy => {
                let row: &Row = bar;
                self.strategy.close(row.symbol.0 as usize, row.close);
                self.delays_ns.push(i64::try_from(now_ns - i128::from(bar.received_ns)).unwrap_or(i64::MAX));
            }
            Role::Late => {}
            Role::Counter => {
                let matches = self.expected.next().is_some_and(|(symbol, frame_ms, expected)| {
                    symbol == bar.symbol && frame_ms == bar.frame_ms && expected == digest
                });
                self.findings.wrong += u64::from(!matches);
            }
        }
    }

    fn finish(mut self) -> Findings {
        self.findings.trades = self.strategy.trades();
        self.findings.result = self.strategy.result();
        self.delays_ns.sort_unstable();
        let percentile = |percent: usize| {
            let delay_ns = *self.delays_ns.get(self.delays_ns.len() * percent / 100)?;
            Some(Duration::from_nanos(delay_ns.max(0).unsigned_abs()))
        };
        self.findings.delay = percentile(50).zip(percentile(99));
        self.findings
    }
}

/// The bars of the simulation one by one, in the order of publication.
struct ExpectedBars {
    market: Market,
    minute: Option<Minute>,
    symbol: usize,
}

impl ExpectedBars {
    fn new(scale: Scale) -> ExpectedBars {
        let mut market = Market::new(scale);
        let minute = market.next();
        ExpectedBars { market, minute, symbol: 0 }
    }

    fn next(&mut self) -> Option<(&str, i64, u64)> {
        if self.symbol == self.market.symbols().len() {
            self.minute = self.market.next();
            self.symbol = 0;
        }
        let minute = self.minute.as_ref()?;
        let symbol = self.symbol;
        self.symbol += 1;
        let digest = minute.bars[symbol].digest();
        Some((&self.market.symbols()[symbol], minute.frame_ms, digest))
    }
}

fn print(report: &Report) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(report)?)?;
    Ok(out.flush()?)
}
