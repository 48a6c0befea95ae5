//! The reader processes of the demo: `barbus demo-reader`, started by `barbus demo`.
//!
//! Each follows the bus until the day is closed and tells on standard output, one JSON value a line, how far it is. What it
//! saw is in a file when it says that it is done.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use barbus::{Bar, Event, Reader, Row, Start};
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::market::{Market, Minute, Scale};
use super::seen::{Seen, digest};
use super::strategy::Strategy;
use crate::commands::shared::lifeline;

/// After so long without a bar there will be none.
const PATIENCE: Duration = Duration::from_secs(30);
/// Shortest time between two words about how far it is.
const WORD: Duration = Duration::from_millis(40);

/// A reader of the demo.
#[derive(Debug, Args)]
pub(crate) struct DemoReader {
    /// The bus.
    bus: PathBuf,
    /// What it does.
    #[arg(long, value_enum)]
    role: Role,
    /// Where to write what it saw.
    #[arg(long)]
    seen: PathBuf,
    #[arg(long)]
    seed: u64,
    #[arg(long)]
    symbols: u32,
    #[arg(long)]
    minutes: u32,
    /// The process that started it.
    #[arg(long)]
    parent: u32,
}

/// What a reader does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Role {
    /// Trades on moving averages, from the first bar on.
    Strategy,
    /// Is started in the middle of the day, and reads it from its beginning.
    Late,
    /// Checks every sequence number, and every value against the simulation.
    Counter,
}

/// A line of a reader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    /// It is attached: what comes now it will see.
    Ready,
    /// Bars seen so far.
    Bars(u64),
    /// The day is closed.
    Done(Findings),
}

/// What a reader found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Findings {
    pub(super) bars: u64,
    /// Bars it was too slow for.
    pub(super) missed: u64,
    /// Sequence numbers that were not the one after the one before.
    pub(super) out_of_order: u64,
    /// Bars that are not as simulated; the counter alone looks.
    pub(super) torn: u64,
    pub(super) trades: u64,
    pub(super) result: f64,
    /// Bars that were there before it was started, and the time it took to read them.
    pub(super) caught_up: Option<(u64, Duration)>,
    /// From a bar's receipt by the daemon to this process, median and 99 of 100.
    pub(super) delay: Option<(Duration, Duration)>,
}

impl DemoReader {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        lifeline::end_with_parent(self.parent)?;
        let start = match self.role {
            Role::Strategy => Start::Live,
            Role::Late => Start::Today,
            Role::Counter => Start::Oldest,
        };
        let attached = Instant::now();
        let mut reader = Reader::open(&self.bus)?.start_at(start)?;
        let there = reader.stat().bars;
        say(&Word::Ready)?;

        let scale = Scale { seed: self.seed, symbols: self.symbols, minutes: self.minutes };
        let mut look = Look::new(self.role, scale);
        let (mut said, mut last) = (Instant::now(), Instant::now());
        loop {
            let event = reader.next(Duration::from_secs(1))?;
            match event {
                None if last.elapsed() > PATIENCE => bail!("no bar for {PATIENCE:?}, and the day is not closed"),
                None => continue,
                Some(Event::Bars(bars)) => {
                    let now_ns = Timestamp::now().as_nanosecond();
                    for bar in bars.iter() {
                        look.bar(&bar, now_ns);
                    }
                }
                Some(Event::Lapped { missed }) => look.findings.missed += missed,
                Some(Event::DayClosed(_)) => break,
            }
            last = Instant::now();
            if self.role == Role::Late && look.findings.caught_up.is_none() && look.findings.bars >= there {
                look.findings.caught_up = Some((there, attached.elapsed()));
            }
            if said.elapsed() > WORD {
                say(&Word::Bars(look.findings.bars))?;
                said = last;
            }
        }
        look.seen.write(&self.seen)?;
        say(&Word::Done(look.finish()))
    }
}

/// A reader's eyes.
struct Look {
    role: Role,
    seen: Seen,
    findings: Findings,
    next_seq: u64,
    strategy: Strategy,
    delays_ns: Vec<i64>,
    expected: Expected,
}

impl Look {
    fn new(role: Role, scale: Scale) -> Look {
        Look {
            role,
            seen: Seen::default(),
            findings: Findings::default(),
            next_seq: 0,
            strategy: Strategy::default(),
            delays_ns: Vec::new(),
            expected: Expected::new(scale),
        }
    }

    fn bar(&mut self, bar: &Bar<'_>, now_ns: i128) {
        self.findings.bars += 1;
        let numbers = [bar.open, bar.high, bar.low, bar.close, bar.volume];
        let digest = digest(numbers, [bar.optional(0), bar.optional(1)]);
        self.seen.push(bar.symbol, bar.frame_ms, digest);
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
                let whole = self.expected.next().is_some_and(|(symbol, frame_ms, expected)| {
                    symbol == bar.symbol && frame_ms == bar.frame_ms && expected == digest
                });
                self.findings.torn += u64::from(!whole);
            }
        }
    }

    fn finish(mut self) -> Findings {
        self.findings.trades = self.strategy.trades();
        self.findings.result = self.strategy.result();
        self.delays_ns.sort_unstable();
        let share = |percent: usize| {
            let delay_ns = *self.delays_ns.get(self.delays_ns.len() * percent / 100)?;
            Some(Duration::from_nanos(delay_ns.max(0).unsigned_abs()))
        };
        self.findings.delay = share(50).zip(share(99));
        self.findings
    }
}

/// The bars of the simulation one by one, as they must come.
struct Expected {
    market: Market,
    minute: Option<Minute>,
    symbol: usize,
}

impl Expected {
    fn new(scale: Scale) -> Expected {
        let mut market = Market::new(scale);
        let minute = market.next();
        Expected { market, minute, symbol: 0 }
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

fn say(word: &Word) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(word)?)?;
    Ok(out.flush()?)
}
