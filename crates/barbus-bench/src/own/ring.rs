//! barbus's ring as a peer: `RingWriter` and `RingReader`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use barbus_bench_link::{Bar, Measure, Peer, Receiver, SYMBOLS, Sender, Wait, until};
use barbus_ring::{
    Polled, Ring as Map, RingMaintenance, RingReader, RingStart, RingWriter, Row, Spec, SymbolId, create,
};

const ROWS_PER_BLOCK: u32 = 16_384;
use super::{Attach, Wakes};

/// Maximum rows of one poll.
const POLL: usize = 256;

/// The bar as a row.
#[inline(always)]
pub(crate) fn row(n: u64) -> Row {
    let bar = Bar::number(n);
    Row {
        seq: n,
        symbol: SymbolId(bar.symbol as u32),
        frame_ms: bar.frame_ms,
        open: bar.open,
        high: bar.high,
        low: bar.low,
        close: bar.close,
        volume: bar.volume,
        received_ns: n as i64,
        optional: [bar.money, bar.factor, 0.0, 0.0, 0.0, 0.0],
        present: 3,
        revision: 0,
    }
}

/// `RingWriter` and `RingReader`: the ring without clock, rules and deduplication.
pub(crate) struct Ring {
    /// Blocks of the ring file.
    pub(crate) blocks: u32,
}

impl Peer for Ring {
    type Sender = RingSender;
    type Receiver = RingReceiver;

    fn name(&self) -> &'static str {
        "barbus ring"
    }

    fn settings(&self) -> String {
        format!(
            "RingWriter::push (batches: append), RingReader::poll, at most {POLL} rows; {} blocks of {ROWS_PER_BLOCK} rows, full blocks \
             marked as archived at once; asleep: RingWriter::wake after each bar, Ring::wait",
            self.blocks
        )
    }

    fn measures(&self) -> &'static [Measure] {
        &[Measure::OneWay, Measure::OneWayAsleep, Measure::OneByOne, Measure::Batches]
    }

    fn capacity(&self) -> Option<u64> {
        Some(u64::from(self.blocks) * u64::from(ROWS_PER_BLOCK))
    }

    fn sender(&self, directory: &Path, name: &str, wait: Wait) -> anyhow::Result<RingSender> {
        let path = directory.join(name);
        create(&path, &Spec { blocks: self.blocks, rows_per_block: ROWS_PER_BLOCK, ..Spec::default() })?;
        let mut writer = RingWriter::open(&path)?;
        for symbol in 0..SYMBOLS {
            writer.intern(&format!("{symbol:06}.XSHE")).context("a thousand symbols fit")?;
        }
        writer.begin_day(1);
        let maintenance = writer.maintenance();
        Ok(RingSender { writer, maintenance, block: 1, wakes: wait == Wait::Sleep, rows: Vec::new() })
    }

    fn receiver(&self, directory: &Path, name: &str, wait: Wait) -> anyhow::Result<RingReceiver> {
        self.attach(directory, name, wait, 0)
    }
}

impl Attach for Ring {
    fn attach(&self, directory: &Path, name: &str, wait: Wait, next: u64) -> anyhow::Result<RingReceiver> {
        let ring = until(|| Map::attach(&directory.join(name)))?;
        let ring_reader = RingReader::new(&ring, RingStart::Seq(next))?;
        Ok(RingReceiver { ring, ring_reader, rows: Vec::with_capacity(POLL), sleeps: wait == Wait::Sleep })
    }
}

pub(crate) struct RingSender {
    writer: RingWriter,
    maintenance: RingMaintenance,
    /// The block that is being filled.
    block: u64,
    wakes: bool,
    rows: Vec<Row>,
}

/// Releases a full block at once; the driver ensures that it has been read.
#[inline(always)]
fn recycle(writer: &mut RingWriter, maintenance: &RingMaintenance, block: &mut u64) {
    if writer.block_is_full() {
        writer.seal_full_block();
        maintenance.mark_persisted(*block);
        *block += 1;
    }
}

impl Wakes for RingSender {
    fn set_wakes(&mut self, wakes: bool) {
        self.wakes = wakes;
    }
}

impl Sender for RingSender {
    #[inline(always)]
    fn send(&mut self, n: u64) -> anyhow::Result<()> {
        let seq = self.writer.push(&row(n))?;
        ensure!(seq == n, "row {seq} instead of {n}");
        recycle(&mut self.writer, &self.maintenance, &mut self.block);
        if self.wakes {
            self.writer.wake();
        }
        Ok(())
    }

    fn send_batch(&mut self, first: u64, count: u64) -> anyhow::Result<()> {
        self.rows.clear();
        self.rows.extend((first..first + count).map(row));
        let mut rest = self.rows.as_mut_slice();
        while !rest.is_empty() {
            // A batch may cross the end of a block.
            let room = self.writer.reserve_rows()?.min(rest.len());
            let (now, later) = rest.split_at_mut(room);
            self.writer.append(now);
            rest = later;
            recycle(&mut self.writer, &self.maintenance, &mut self.block);
        }
        Ok(())
    }
}

pub(crate) struct RingReceiver {
    ring: Map,
    ring_reader: RingReader,
    rows: Vec<Row>,
    sleeps: bool,
}

impl RingReceiver {
    /// Returns to the first bar with the same map.
    pub(crate) fn rewind(&mut self) -> anyhow::Result<()> {
        self.ring_reader = RingReader::new(&self.ring, RingStart::Seq(0))?;
        Ok(())
    }
}

impl Receiver for RingReceiver {
    #[inline(always)]
    fn receive(&mut self, next: u64) -> anyhow::Result<u64> {
        self.rows.clear();
        let seen = if self.sleeps { self.ring.commits() } else { 0 };
        match self.ring_reader.poll(&self.ring, &mut self.rows, POLL) {
            Polled::Rows(_) => {}
            Polled::Empty => {
                if self.sleeps {
                    self.ring.wait(seen, Duration::from_secs(1));
                }
                return Ok(0);
            }
            other => bail!("{other:?} instead of row {next}"),
        }
        for (found, n) in self.rows.iter().zip(next..) {
            check(found, n)?;
        }
        Ok(self.rows.len() as u64)
    }
}

/// Fails unless every field of the row is that of bar `n`.
#[inline(always)]
fn check(found: &Row, n: u64) -> anyhow::Result<()> {
    // One branch for all fields keeps the check cheap.
    let difference = words(found).iter().zip(words(&row(n))).fold(0, |all, (a, b)| all | (a ^ b));
    if difference == 0 { Ok(()) } else { is_not(found, n) }
}

#[inline(always)]
fn words(row: &Row) -> [u64; 15] {
    let [a, b, c, d, e, f] = row.optional.map(f64::to_bits);
    let rest = u64::from(row.symbol.0) | u64::from(row.present) << 32 | u64::from(row.revision) << 40;
    let [open, high, low, close, volume] = [row.open, row.high, row.low, row.close, row.volume].map(f64::to_bits);
    [row.seq, row.frame_ms as u64, open, high, low, close, volume, row.received_ns as u64, a, b, c, d, e, f, rest]
}

#[cold]
#[inline(never)]
fn is_not(found: &Row, n: u64) -> anyhow::Result<()> {
    bail!("bar {n} arrived as {found:?}")
}
