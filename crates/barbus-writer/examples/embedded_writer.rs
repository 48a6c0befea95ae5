//! A feed handler that embeds the writer, without a daemon: it publishes simulated bars, reads
//! them, closes the day and archives it.
//!
//! ```text
//! cargo run -p barbus-writer --example embedded_writer
//! ```
//! The bus is in a temporary directory, which is kept for inspection.
#![forbid(unsafe_code)]

use std::f64::consts::TAU;

use barbus::{Bus, Event, Reader, Row, Start};
use barbus_writer::{Pushed, Writer};

const MINUTE_MS: i64 = 60_000;
/// 2024-07-04 09:30 in Shanghai.
const OPEN_MS: i64 = 1_720_056_600_000;
const SYMBOLS: [&str; 4] = ["000001.XSHE", "300750.XSHE", "600000.XSHG", "688001.XSHG"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The same as `barbus init`, with a smaller ring.
    let path = tempfile::Builder::new().prefix("barbus-embedded-").tempdir()?.keep();
    std::fs::write(path.join("bus.toml"), "calendar = \"XSHG\"\n[ring]\nsize = \"16MB\"\n")?;
    let bus = Bus::open(&path)?;

    // A bus has one writer at a time: while this one lives, another one or a daemon is refused.
    let mut writer = Writer::open(&bus)?;
    for minute in 1..=120 {
        for (which, name) in SYMBOLS.iter().enumerate() {
            let symbol = writer.symbol(name)?;
            match writer.push(&simulated(symbol, which, minute))? {
                Pushed::Accepted(_) => {}
                other => return Err(format!("{name}: {other:?}").into()),
            }
        }
    }

    // Any process may read meanwhile, and so may this one.
    let mut reader = Reader::open(&path)?.start_at(Start::Today)?;
    let mut seen = 0;
    while let Some(event) = reader.poll()? {
        if let Event::Bars(bars) = event {
            seen += bars.len();
        }
    }
    let day = writer.close_day().ok_or("no day was open")?;
    writer.flush()?;
    println!("{seen} bars of {day} read from the ring");
    println!("{}", bus.archive().join(format!("{day}.parquet")).display());
    println!("bus: {}", path.display());
    Ok(())
}

/// A bar that ends `minute` minutes after the open, with a price that is a sine of one hour.
fn simulated(symbol: barbus::SymbolId, which: usize, minute: i64) -> Row {
    let price = |minute: i64| 10.0 * (which + 1) as f64 + (minute as f64 * TAU / 60.0 + which as f64).sin();
    let (open, close) = (price(minute - 1), price(minute));
    Row {
        symbol,
        frame_ms: OPEN_MS + minute * MINUTE_MS,
        open,
        high: open.max(close) + 0.01,
        low: open.min(close) - 0.01,
        close,
        volume: 100.0 * minute as f64,
        ..Row::default()
    }
}
