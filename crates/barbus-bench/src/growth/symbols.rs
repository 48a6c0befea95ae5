//! Growth with the number of symbols: publishing, questions, first answer.

use std::hint::black_box;

use anyhow::{Context, ensure};
use barbus::Reader;

use super::plot::{Panel, Plot};
use super::random_walk::RandomWalk;
use super::{Worked, bus, name, scratch, writer_of};

const COUNTS: [(usize, &str); 5] = [(10, "10"), (100, "100"), (1_000, "1 k"), (5_000, "5 k"), (20_000, "20 k")];
const MINUTES: usize = 240;
const LATEST: u64 = 300_000;
const WINDOWS: u64 = 20_000;

pub(super) fn plot() -> Plot {
    Plot {
        name: "symbols",
        title: "Cost against the number of symbols (240 bars of each in the ring)",
        x: "symbols",
        ticks: COUNTS.iter().map(|&(count, label)| (count as f64, label)).collect(),
        panels: vec![
            Panel::new("a bar published", "ns", false),
            Panel::new("a question, in random order", "ns", true),
            Panel::new("the first answer", "ms", true),
        ],
    }
}

pub(super) fn round(plot: &mut Plot, _: usize) -> anyhow::Result<()> {
    for (symbols, _) in COUNTS {
        let x = symbols as f64;
        let directory = scratch()?;
        let bus = bus(&directory, 24_000_000 + (symbols * MINUTES) as u64 * 95, 32_768)?;
        let mut writer = writer_of(&bus)?;
        let mut market = RandomWalk::new(symbols);
        let (mut took, mut timed) = (0.0, 0);
        for minute in 0..MINUTES {
            let batch = market.next_minute();
            let worked = Worked::start();
            let ack = writer.publish(batch.clone())?;
            // The first half adds the symbols and touches the index's pages.
            if minute >= MINUTES / 2 {
                took += worked.ns();
                timed += symbols;
            }
            ensure!(ack.accepted == symbols as u64, "{ack:?}");
        }
        plot.add(0, "Writer::publish, all at once", x, took / timed as f64);

        let mut reader = Reader::open(bus.path())?;
        let names: Vec<String> = (0..symbols).map(name).collect();
        let worked = Worked::start();
        let last = reader.latest(&names[0])?.context("no bar")?;
        plot.add(2, "Reader::latest", x, worked.ns() / 1e6);
        ensure!((last.close, last.frame_ms) == (market.close(0), market.frame_ms()), "{last:?}");

        ask(plot, &mut reader, &names, &market)?;

        // Single bars in the order of the symbols, a minute later.
        let ids = names.iter().map(|name| writer.symbol(name)).collect::<Result<Vec<_>, _>>()?;
        writer.set_wakes(false);
        let (mut pushed, mut minute, mut rejected) = (0, 0, 0);
        let worked = Worked::start();
        while pushed < 100_000.min(1_000 * symbols as u64) {
            minute += 1;
            for &symbol in &ids {
                let row = barbus::Row { symbol, frame_ms: market.frame_ms() + minute * 60_000, ..last };
                rejected += u64::from(!matches!(writer.push(&row)?, barbus_writer::Pushed::Accepted(_)));
                pushed += 1;
            }
        }
        plot.add(0, "Writer::push", x, worked.ns_each(pushed));
        ensure!(rejected == 0, "{rejected} bars were not accepted");
    }
    Ok(())
}

/// Asks for the newest bar and for windows of symbols in random order.
fn ask(plot: &mut Plot, reader: &mut Reader, names: &[String], market: &RandomWalk) -> anyhow::Result<()> {
    let (symbols, x) = (names.len(), names.len() as f64);
    let mut rows = Vec::with_capacity(MINUTES);
    for (symbol, name) in names.iter().enumerate() {
        reader.window_into(name, MINUTES, &mut rows)?;
        ensure!(rows.len() == MINUTES && rows[MINUTES - 1].close == market.close(symbol), "{name}: {rows:?}");
        ensure!(rows.windows(2).all(|pair| pair[0].frame_ms + 60_000 == pair[1].frame_ms), "{name}: a gap");
    }
    let mut state = 1usize;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % symbols
    };
    let mut wrong = 0;
    let worked = Worked::start();
    for _ in 0..LATEST {
        let symbol = random();
        let row = black_box(reader.latest(&names[symbol])?);
        wrong += u64::from(row.is_none_or(|row| row.close != market.close(symbol)));
    }
    plot.add(1, "latest", x, worked.ns_each(LATEST));
    let worked = Worked::start();
    for _ in 0..WINDOWS {
        let symbol = random();
        reader.window_into(&names[symbol], MINUTES, &mut rows)?;
        wrong += u64::from(black_box(&rows).last().is_none_or(|row| row.close != market.close(symbol)));
    }
    plot.add(1, "window_into(240)", x, worked.ns_each(WINDOWS));
    ensure!(wrong == 0, "{wrong} wrong answers");
    Ok(())
}
