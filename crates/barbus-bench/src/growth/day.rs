//! Growth with the bars of a day: flush, file size, first answer, reading.

use std::time::Instant;

use anyhow::{Context, ensure};
use barbus::{Event, Reader, Start};

use super::plot::{Panel, Plot};
use super::random_walk::RandomWalk;
use super::{Worked, bus, name, scratch, writer_of};

const MINUTES: usize = 250;
/// Symbols of a day; each has the same number of bars.
const SYMBOLS: [(usize, &str); 5] = [(40, "10 k"), (200, "50 k"), (800, "200 k"), (4_000, "1 M"), (20_000, "5 M")];

pub(super) fn plot() -> Plot {
    Plot {
        name: "day",
        title: "Cost against the size of the day (250 bars of each symbol, prices that walk at random)",
        x: "bars of the day",
        ticks: SYMBOLS.iter().map(|&(symbols, label)| ((symbols * MINUTES) as f64, label)).collect(),
        panels: vec![
            Panel::new("close and flush, verified", "ms", true),
            Panel::new("the day's Parquet file", "bytes a bar", false),
            Panel::new("first answer, reading all", "ms", true),
        ],
    }
}

pub(super) fn round(plot: &mut Plot, round: usize) -> anyhow::Result<()> {
    for (symbols, _) in SYMBOLS {
        let directory = scratch()?;
        let bars = (symbols * MINUTES) as u64;
        let bus = bus(&directory, 16_000_000 + bars * 95, 32_768)?;
        let mut writer = writer_of(&bus)?;
        let mut market = RandomWalk::new(symbols);
        let mut accepted = 0;
        for _ in 0..MINUTES {
            accepted += writer.publish(market.next_minute())?.accepted;
        }
        ensure!(accepted == bars, "{accepted} of {bars} bars");
        let x = bars as f64;

        let worked = Worked::start();
        let last = Reader::open(bus.path())?.latest(&name(symbols - 1))?.context("no bar")?;
        plot.add(2, "Reader::open, latest", x, worked.ns() / 1e6);
        ensure!((last.close, last.frame_ms) == (market.close(symbols - 1), market.frame_ms()), "{last:?}");
        let mut reader = Reader::open(bus.path())?.start_at(Start::Today)?;
        let mut next = 0;
        let worked = Worked::start();
        while let Some(Event::Bars(bars)) = reader.poll()? {
            ensure!(bars.rows().iter().zip(next..).all(|(row, seq)| row.seq == seq), "a row is missing at {next}");
            next += bars.len() as u64;
        }
        plot.add(2, "Reader::poll of all bars", x, worked.ns() / 1e6);
        ensure!(next == bars, "{next} of {bars} bars read");
        drop(reader);

        let start = Instant::now();
        let day = writer.close_day().context("a day was open")?;
        writer.flush()?;
        plot.add(0, "Writer::close_day, Writer::flush", x, start.elapsed().as_secs_f64() * 1e3);
        let file = bus.archive().join(format!("{day}.parquet"));
        plot.add(1, "size", x, std::fs::metadata(&file)?.len() as f64 / x);
        // The flush has verified the file; the replay counts its bars once more.
        if round == 0 {
            let mut replay = bus.replay(day, day)?;
            let mut replayed = 0;
            while let Some(event) = replay.poll()? {
                if let Event::Bars(bars) = event {
                    replayed += bars.len() as u64;
                }
            }
            ensure!(replayed == bars, "{replayed} of {bars} bars are in the file");
        }
    }
    Ok(())
}
