//! barbus's library as a peer: `Writer` and `Reader`.

use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use barbus::{Bus, Event, InitOptions, Reader, Row, Start};
use barbus_bench_link::{Bar, Measure, Peer, Receiver, SYMBOLS, Scale, Sender, Wait, until};
use barbus_writer::Writer;

use super::ring::row;
use super::{Attach, Wakes};

/// `Writer::push` and `Reader::poll`, with clock, rules and deduplication.
pub(crate) struct Library;

impl Peer for Library {
    type Sender = LibrarySender;
    type Receiver = LibraryReceiver;

    fn name(&self) -> &'static str {
        "barbus library"
    }

    fn settings(&self) -> String {
        "Writer::push, Reader::poll; a bus of the default size; asleep: wakes on, Reader::wait by futex".into()
    }

    fn measures(&self) -> &'static [Measure] {
        &[Measure::OneWay, Measure::OneWayAsleep, Measure::OneByOne]
    }

    // All bars are of one day and fit into the ring, so nothing is archived meanwhile.
    fn scale(&self) -> Scale {
        Scale { one_by_one: 1_200_000, ..Scale::default() }
    }

    fn sender(&self, directory: &Path, name: &str, wait: Wait) -> anyhow::Result<LibrarySender> {
        let bus = Bus::init(&directory.join(name), &InitOptions { calendar: "24x7".into(), preset: None })?;
        let mut writer = Writer::open(&bus)?;
        writer.set_wakes(wait == Wait::Sleep);
        for symbol in 0..SYMBOLS {
            writer.symbol(&format!("{symbol:06}.XSHE"))?;
        }
        Ok(LibrarySender(writer))
    }

    fn receiver(&self, directory: &Path, name: &str, wait: Wait) -> anyhow::Result<LibraryReceiver> {
        self.attach(directory, name, wait, 0)
    }
}

impl Attach for Library {
    fn attach(&self, directory: &Path, name: &str, wait: Wait, next: u64) -> anyhow::Result<LibraryReceiver> {
        // The writer creates the ring.
        let reader = until(|| Reader::open(directory.join(name))?.start_at(Start::Seq(next)))?;
        Ok(LibraryReceiver { reader, sleeps: wait == Wait::Sleep })
    }
}

pub(crate) struct LibrarySender(Writer);

impl Wakes for LibrarySender {
    fn set_wakes(&mut self, wakes: bool) {
        self.0.set_wakes(wakes);
    }
}

impl Sender for LibrarySender {
    #[inline(always)]
    fn send(&mut self, n: u64) -> anyhow::Result<()> {
        self.0.push(&row(n))?;
        Ok(())
    }
}

/// The bar in a row of the ring; its symbol is the row's id.
#[inline(always)]
pub(crate) fn bar_of(row: &Row) -> Bar {
    Bar {
        symbol: row.symbol.0.into(),
        frame_ms: row.frame_ms,
        open: row.open,
        high: row.high,
        low: row.low,
        close: row.close,
        volume: row.volume,
        money: row.optional[0],
        factor: row.optional[1],
    }
}

pub(crate) struct LibraryReceiver {
    reader: Reader,
    sleeps: bool,
}

impl Receiver for LibraryReceiver {
    #[inline(always)]
    fn receive(&mut self, next: u64) -> anyhow::Result<u64> {
        match self.reader.poll()? {
            Some(Event::Bars(bars)) => {
                for (found, n) in bars.rows().iter().zip(next..) {
                    let bar = bar_of(found);
                    bar.check(n)?;
                    if (found.seq, found.present, found.revision) != (n, 3, 0) {
                        bail!("bar {n} arrived as {found:?}");
                    }
                }
                Ok(bars.len() as u64)
            }
            Some(other) => bail!("{other:?} instead of bar {next}"),
            None => {
                if self.sleeps {
                    self.reader.wait(Duration::from_secs(1))?;
                }
                Ok(0)
            }
        }
    }
}
