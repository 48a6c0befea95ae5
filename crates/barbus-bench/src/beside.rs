//! Latency of a live bar beside a producer of invalid rows, and beside one of late bars.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use arrow::array::RecordBatch;
use barbus::{Bus, Publisher};
use nix::sys::signal::Signal;

use crate::command_line::{self, Daemon};
use crate::report::Report;
use crate::restart::{bars_of_minute, minute};

/// Archived days: more bars than the daemon keeps for comparison, so that late bars load them anew.
const DAYS: i64 = 4;
const MINUTES_OF_DAY: i64 = 300;
const DAY: i64 = 1_440;
/// Live bars of a round, all of one minute, and the pause between two of them.
const LIVE: usize = 2_000;
const PAUSE: Duration = Duration::from_millis(2);
const MEASURE: &str = "p99 of a live bar, sent to acknowledged";
/// Rows of an invalid or late batch.
const ROWS: usize = 1_000;

/// Archives big days, and then measures live bars alone, beside invalid rows and beside late bars.
pub(crate) fn rounds(report: &mut Report, rounds: usize) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("bus");
    command_line::init(&path)?;
    let file = path.join("bus.toml");
    let text = std::fs::read_to_string(&file)?;
    // Every invalid row is formatted and synced.
    let limits = "[ingest]\nquarantine_rate = \"10GB\"\nquarantine_size = \"1TB\"\n";
    std::fs::write(&file, text.replace("[ingest]\n", limits))?;
    let bus = Bus::open(&path)?;
    let mut daemon = Daemon::start(&bus)?;
    daemon.until_it_listens(&bus, Duration::from_millis(1))?;
    let mut publisher = Publisher::connect(&bus)?;
    for number in (0..DAYS).flat_map(|day| (0..MINUTES_OF_DAY).map(move |minute| day * DAY + minute)) {
        publisher.queue(&minute(number))?;
    }
    publisher.finish()?;
    barbus::request_close_day(&bus, None)?;
    let mut next = 0;
    for round in 0..rounds as i64 {
        let alone = live(&bus, &mut next)?;
        report.add(MEASURE, "alone", None, "ms", alone);
        let beside = self::beside(&bus, &mut next, invalid_batches())?;
        report.add_beside(MEASURE, "beside invalid rows", alone, "ms", beside);
        let beside = self::beside(&bus, &mut next, late_batches(round))?;
        report.add_beside(MEASURE, "beside late bars of big days", alone, "ms", beside);
    }
    daemon.end(Signal::SIGKILL)
}

/// Batches whose rows all have a high below their low.
fn invalid_batches() -> Vec<RecordBatch> {
    let batch = |number| {
        let bars = bars_of_minute(DAYS * DAY + number, ROWS);
        let low = bars.column_by_name("low").expect("a column of bars").clone();
        with_column(&bars, "high", low)
    };
    (0..100).map(batch).collect()
}

/// Batches with two other volumes of each archived bar: each changes the file of its day, also when
/// they are sent again. Another round has other volumes.
fn late_batches(round: i64) -> Vec<RecordBatch> {
    let batches_of = |pass: i64| {
        (0..MINUTES_OF_DAY).flat_map(|minute_of_day| (0..DAYS).map(move |day| day * DAY + minute_of_day)).map(
            move |number| {
                let other = bars_of_minute(number + (2 * round + pass + 1) * 1_000_000, ROWS);
                let volume = other.column_by_name("volume").expect("a column of bars").clone();
                with_column(&bars_of_minute(number, ROWS), "volume", volume)
            },
        )
    };
    (0..2).flat_map(batches_of).collect()
}

/// Measures live bars while another producer sends the batches, one after the other.
///
/// All batches are made before: otherwise, on a machine with two processors, the threads that make
/// them would be measured.
fn beside(bus: &Bus, next: &mut i64, batches: Vec<RecordBatch>) -> anyhow::Result<f64> {
    let stop = Arc::new(AtomicBool::new(false));
    let (other, stopped) = (bus.clone(), Arc::clone(&stop));
    let thread = std::thread::spawn(move || -> anyhow::Result<u64> {
        let mut publisher = Publisher::connect(&other)?;
        for batch in batches.iter().cycle().take_while(|_| !stopped.load(Ordering::Relaxed)) {
            publisher.send(batch)?;
        }
        Ok(publisher.finish()?.rows)
    });
    let p99 = live(bus, next);
    stop.store(true, Ordering::Relaxed);
    let rows = thread.join().expect("the producer does not panic")?;
    ensure!(rows >= 10 * ROWS as u64, "the other producer sent only {rows} rows");
    p99
}

/// The 99th percentile of the time to send a bar and to receive its acknowledgement, milliseconds.
fn live(bus: &Bus, next: &mut i64) -> anyhow::Result<f64> {
    let mut publisher = Publisher::connect(bus)?;
    let mut times = Vec::new();
    let bars = bars_of_minute(DAYS * DAY + *next, LIVE);
    *next += 1;
    for number in 0..LIVE {
        let bar = bars.slice(number, 1);
        let begun = Instant::now();
        let ack = publisher.send(&bar)?;
        times.push(begun.elapsed().as_secs_f64() * 1_000.0);
        ensure!(ack.accepted == 1, "{ack:?}");
        std::thread::sleep(PAUSE);
    }
    publisher.finish()?;
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() * 99 / 100])
}

fn with_column(bars: &RecordBatch, name: &str, column: arrow::array::ArrayRef) -> RecordBatch {
    let mut columns = bars.columns().to_vec();
    columns[bars.schema().index_of(name).expect("a column of bars")] = column;
    RecordBatch::try_new(bars.schema(), columns).expect("a column of the same type")
}
