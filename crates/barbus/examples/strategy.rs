//! A strategy: prints when the short moving average of a symbol crosses the long one.
//!
//! ```text
//! cargo run -p barbus --example strategy -- BUS [SHORT LONG]
//! cargo run -p barbus --example strategy -- BUS SHORT LONG FROM TO   # archived days
//! ```
//! Live it starts at the first bar of the trading day, so the averages are warm when it reaches the
//! newest bar. The same code runs on archived days.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use barbus::{Bus, Event, Feed, Reader, Start, SymbolId, WaitStrategy};
use jiff::{Timestamp, tz::TimeZone};

/// The last closes of a symbol, and on which side of the long average the short one was.
#[derive(Default)]
struct Averages {
    /// By frame: a revision replaces the bar that it corrects.
    closes: BTreeMap<i64, f64>,
    above: Option<bool>,
}

impl Averages {
    /// Adds a close; returns the new side if the averages have crossed.
    fn add(&mut self, frame_ms: i64, close: f64, short: usize, long: usize) -> Option<bool> {
        self.closes.insert(frame_ms, close);
        while self.closes.len() > long {
            self.closes.pop_first();
        }
        if self.closes.len() < long {
            return None;
        }
        let mean = |n: usize| self.closes.values().rev().take(n).sum::<f64>() / n as f64;
        let above = mean(short) > mean(long);
        let before = self.above.replace(above);
        (before.is_some_and(|before| before != above)).then_some(above)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (bus, short, long, days) = match arguments.as_slice() {
        [bus] => (bus, 5, 20, None),
        [bus, short, long] => (bus, short.parse()?, long.parse()?, None),
        [bus, short, long, from, to] => (bus, short.parse()?, long.parse()?, Some((from.parse()?, to.parse()?))),
        _ => return Err("usage: strategy BUS [SHORT LONG [FROM TO]]".into()),
    };
    if short == 0 || short >= long {
        return Err("SHORT must be at least 1 and less than LONG".into());
    }
    let bus = Bus::open(bus)?;
    let zone = TimeZone::get(bus.settings().schema.zone())?;
    match days {
        Some((from, to)) => run(&mut bus.replay(from, to)?, &zone, short, long),
        // Sleeping costs some microseconds per bar; `WaitStrategy::Spin` costs a core.
        None => run(
            &mut Reader::open(bus.path())?.start_at(Start::Today)?.wait_strategy(WaitStrategy::Futex),
            &zone,
            short,
            long,
        ),
    }
}

/// The strategy, for live bars and for archived ones.
fn run(feed: &mut impl Feed, zone: &TimeZone, short: usize, long: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut symbols: HashMap<SymbolId, Averages> = HashMap::new();
    while !feed.ended() {
        match feed.next(Duration::from_secs(1))? {
            Some(Event::Bars(bars)) => {
                for bar in bars {
                    // `bar.symbol` is the text. The row has the id, which is cheaper to look up.
                    let averages = symbols.entry((*bar).symbol).or_default();
                    if let Some(up) = averages.add(bar.frame_ms, bar.close, short, long) {
                        let time = Timestamp::from_millisecond(bar.frame_ms)?.to_zoned(zone.clone());
                        let side = if up { "above" } else { "below" };
                        println!("{} {} {}: {short} {side} {long}", time.strftime("%F %H:%M"), bar.symbol, bar.close);
                    }
                }
            }
            Some(Event::DayClosed(day)) => {
                println!("{day} is closed");
                symbols.clear();
            }
            // Averages over a gap would be wrong.
            Some(Event::Withdrawn(selection)) => println!("bars of {} were withdrawn", selection.day),
            Some(Event::MinuteClosed(_)) => {}
            Some(Event::Lapped { missed }) => {
                eprintln!("too slow: {missed} bars missed, starting again");
                symbols.clear();
            }
            None => {}
        }
    }
    Ok(())
}
