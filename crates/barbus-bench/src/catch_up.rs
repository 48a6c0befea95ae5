//! Reading a full ring on one core, by copy and in place.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, ensure};
use barbus::arrow::datatypes::Float64Type;
use barbus::{Bus, Event, InitOptions, Reader, Start, View};
use barbus_bench_link::{Peer, Receiver, Sender, Wait, pin, scratch, unpin};
use barbus_ring::RingReader;
use barbus_writer::Writer;

use crate::batch::{BARS, minutes};
use crate::own::{Ring, RingReceiver};
use crate::report::Report;

/// Blocks of the ring that is read by copy, about 256 MB.
const BLOCKS: u32 = 180;
const ROWS: u64 = 16_384;
/// Index of `close` in the schema.
const CLOSE: usize = 5;
/// How often a column is summed.
const SUMS: usize = 20;
const COLUMN: &str = "sum of a column of 1.2 M bars";
const PLAIN: &str = "a plain array";

/// Sums a column with eight accumulators. All systems use this function.
#[inline(never)]
fn sum(values: &[f64]) -> f64 {
    let (chunks, rest) = values.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, value)| *lane += value);
    }
    lanes.iter().sum::<f64>() + rest.iter().sum::<f64>()
}

/// The same for a column given as bytes.
#[inline(never)]
fn sum_of_bytes(bytes: &[u8]) -> f64 {
    let value = |bytes: &[u8; 8]| f64::from_le_bytes(*bytes);
    let (chunks, _) = bytes.as_chunks::<64>();
    let mut lanes = [0.0; 8];
    for chunk in chunks {
        lanes.iter_mut().zip(chunk.as_chunks::<8>().0).for_each(|(lane, bytes)| *lane += value(bytes));
    }
    lanes.iter().sum::<f64>() + bytes[chunks.len() * 64..].as_chunks::<8>().0.iter().map(value).sum::<f64>()
}

pub(crate) fn round(report: &mut Report) -> anyhow::Result<()> {
    by_copy(report)?;
    in_place(report)?;
    unpin();
    Ok(())
}

fn by_copy(report: &mut Report) -> anyhow::Result<()> {
    let directory = scratch()?;
    pin(0);
    let ring = Ring { blocks: BLOCKS };
    let bars = u64::from(BLOCKS) * ROWS;
    let mut sender = ring.sender(directory.path(), "out", Wait::Spin)?;
    (0..bars).try_for_each(|n| sender.send(n))?;
    let read = |receiver: &mut RingReceiver| -> anyhow::Result<()> {
        let mut next = 0;
        while next < bars {
            next += receiver.receive(next)?;
        }
        Ok(())
    };
    let mut report = |system: &str, start: Instant| {
        let rate = bars as f64 / start.elapsed().as_secs_f64() / 1e6;
        report.add("catching up by copy, a full ring", system, None, "M bars/s", rate);
    };
    // Each of the first two readers maps the ring; the second one has warm caches.
    let mut mapped = None;
    for system in ["barbus ring, first touch", "barbus ring"] {
        drop(mapped.take());
        let start = Instant::now();
        let mut receiver = ring.receiver(directory.path(), "out", Wait::Spin)?;
        read(&mut receiver)?;
        report(system, start);
        mapped = Some(receiver);
    }
    let mut receiver = mapped.context("two have read it")?;
    let start = Instant::now();
    receiver.rewind()?;
    read(&mut receiver)?;
    report("barbus ring, mapped before", start);
    Ok(())
}

/// Repeated sums of one column, which must all be equal.
struct Sums<'a> {
    report: &'a mut Report,
    wanted: f64,
    /// Million bars summed in total.
    rate: f64,
}

impl Sums<'_> {
    /// Sums the blocks of `source`, rewound each time; the first pass touches the ring's pages.
    fn pinned<T, E>(
        &mut self,
        what: &str,
        mut source: T,
        rewind: impl Fn(T) -> Result<T, E>,
        total: impl Fn(&mut T) -> anyhow::Result<f64>,
    ) -> anyhow::Result<T>
    where
        anyhow::Error: From<E>,
    {
        let mut seconds = 0.0;
        for times in 0..=SUMS {
            source = rewind(source)?;
            let start = Instant::now();
            let total = total(&mut source)?;
            seconds += if times == 0 { 0.0 } else { start.elapsed().as_secs_f64() };
            let wanted = self.wanted;
            ensure!((total / wanted - 1.0).abs() < 1e-9, "the sum is {total}, not {wanted}");
        }
        let system = format!("pinned again each time, {what}");
        self.report.add(COLUMN, &system, Some(PLAIN), "M bars/s", self.rate / seconds);
        Ok(source)
    }
}

fn in_place(report: &mut Report) -> anyhow::Result<()> {
    let directory = scratch()?;
    unpin();
    let bus = Bus::init(&directory.path().join("bus"), &InitOptions { calendar: "XSHG".into(), preset: None })?;
    let mut writer = Writer::open(&bus)?;
    for batch in minutes(0) {
        writer.publish(batch)?;
    }
    pin(0);
    let (wanted, rate) = plain_array(report, &bus)?;
    let mut sums = Sums { report, wanted, rate };
    let reader = pinned_views(&mut sums, &bus)?;
    pinned_blocks(&mut sums, &bus)?;
    held_views(&mut sums, reader)
}

/// The limit: the prices of a day in one plain array of this process.
///
/// Returns their sum, and the million bars summed in total.
fn plain_array(report: &mut Report, bus: &Bus) -> anyhow::Result<(f64, f64)> {
    let mut plain = Vec::with_capacity(BARS);
    let mut reader = Reader::open(bus.path())?.start_at(Start::Oldest)?;
    while let Some(event) = reader.poll()? {
        if let Event::Bars(bars) = event {
            plain.extend(bars.rows().iter().map(|row| row.close));
        }
    }
    ensure!(plain.len() == BARS, "{} of {BARS} bars", plain.len());
    let wanted = sum(&plain);
    let start = Instant::now();
    for _ in 0..SUMS {
        ensure!(sum(black_box(&plain)) == wanted, "another sum");
    }
    let seconds = start.elapsed().as_secs_f64();
    let rate = (SUMS * BARS) as f64 / 1e6;
    report.add(COLUMN, PLAIN, None, "M bars/s", rate / seconds);
    Ok((wanted, rate))
}

/// Views that pin their block again in each pass, alone or in runs.
fn pinned_views(sums: &mut Sums, bus: &Bus) -> anyhow::Result<Reader> {
    let close = |view: &View| view.column::<Float64Type>("close").map(sum).context("no prices");
    let reader = sums.pinned(
        "views",
        Reader::open(bus.path())?,
        |reader| reader.start_at(Start::Oldest),
        |reader| {
            let mut total = 0.0;
            while let Some(view) = reader.pin()? {
                total += close(&view)?;
            }
            Ok(total)
        },
    )?;
    sums.pinned(
        "views, in runs",
        reader,
        |reader| reader.start_at(Start::Oldest),
        |reader| reader.views().try_fold(0.0, |total, view| Ok(total + close(&view?)?)),
    )
}

/// The same without Arrow: pins and bytes only.
fn pinned_blocks(sums: &mut Sums, bus: &Bus) -> anyhow::Result<()> {
    let ring = barbus_ring::Ring::attach(&bus.ring())?;
    let oldest = |_| RingReader::new(&ring, barbus_ring::RingStart::Oldest);
    let ring_reader = sums.pinned(
        "ring",
        oldest(())?,
        |_| oldest(()),
        |ring_reader| {
            let mut total = 0.0;
            while let Some(rows) = ring_reader.pin(&ring)? {
                total += sum_of_bytes(rows.bytes(&ring, CLOSE));
            }
            Ok(total)
        },
    )?;
    sums.pinned(
        "ring, in runs",
        ring_reader,
        |_| oldest(()),
        |ring_reader| {
            ring_reader.pin_each(&ring).try_fold(0.0, |total, rows| Ok(total + sum_of_bytes(rows?.bytes(&ring, CLOSE))))
        },
    )?;
    Ok(())
}

/// Views of the whole ring that stay pinned while they are summed.
fn held_views(sums: &mut Sums, reader: Reader) -> anyhow::Result<()> {
    let views = reader.start_at(Start::Oldest)?.views().collect::<Result<Vec<_>, _>>()?;
    let columns: Vec<&[f64]> =
        views.iter().map(|view| view.column::<Float64Type>("close")).collect::<Option<_>>().context("no prices")?;
    ensure!(columns.iter().map(|column| column.len()).sum::<usize>() == BARS, "not all bars");
    let all = || columns.iter().map(|column| sum(black_box(column))).sum::<f64>();
    all();
    let start = Instant::now();
    for _ in 0..SUMS {
        ensure!((all() / sums.wanted - 1.0).abs() < 1e-9, "another sum");
    }
    let rate = sums.rate / start.elapsed().as_secs_f64();
    sums.report.add(COLUMN, "views that stay pinned", Some(PLAIN), "M bars/s", rate);
    Ok(())
}
