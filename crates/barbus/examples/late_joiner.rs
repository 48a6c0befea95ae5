//! A process that starts late: it reads the trading day from its first bar, then follows it live.
//!
//! ```text
//! cargo run -p barbus --example late_joiner -- BUS
//! ```
//! It ends when the day closes.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::time::{Duration, Instant};

use barbus::{Event, Reader, Start};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = std::env::args().nth(1).ok_or("usage: late_joiner BUS")?;
    let begun = Instant::now();
    let mut reader = Reader::open(&bus)?.start_at(Start::Today)?;
    println!("day {}", reader.day().map_or("none yet".to_owned(), |day| day.to_string()));

    let mut symbols = HashSet::new();
    let (mut bars_seen, mut live) = (0, false);
    loop {
        // Bars of the past are polled without waiting. When none is left, the reader is live.
        let timeout = if live { Duration::from_secs(60) } else { Duration::ZERO };
        match reader.next(timeout)? {
            Some(Event::Bars(bars)) => {
                bars_seen += bars.len();
                symbols.extend(bars.rows().iter().map(|row| row.symbol));
                if live {
                    for bar in bars {
                        println!("{} {} {}", bar.seq, bar.symbol, bar.close);
                    }
                }
            }
            Some(Event::Withdrawn(selection)) => println!("bars of {} were withdrawn", selection.day),
            Some(Event::MinuteClosed(_)) => {}
            Some(Event::Lapped { missed }) => println!("{missed} bars missed: the ring holds less than the day"),
            Some(Event::DayClosed(day)) => {
                println!("{day} is closed: {bars_seen} bars of {} symbols", symbols.len());
                return Ok(());
            }
            None if live => {}
            None => {
                live = true;
                println!("{bars_seen} bars of {} symbols in {:.1?}; now live", symbols.len(), begun.elapsed());
            }
        }
    }
}
