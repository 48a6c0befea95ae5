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
use crate::restart::minute;

/// Archived days: more bars than the daemon keeps for comparison, so that late bars load them anew.
const DAYS: i64 = 4;
const MINUTES_OF_DAY: i64 = 300;
const DAY: i64 = 1_440;
/// Live bars of a round, and the pause between two of them.
const LIVE: i64 = 1_000;
const PAUSE: Duration = Duration::from_millis(2);
const MEASURE: &str = "p99 of a live bar, sent to acknowledged";
/// Rows of a late or invalid batch.
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
    let mut next = DAYS * DAY;
    for round in 0..rounds as i64 {
        let alone = live(&bus, &mut next)?;
        report.add(MEASURE, "alone", None, "ms", alone);
        let invalid = move |number: i64| {
            let bars = minute(DAYS * DAY + number % 100).slice(0, ROWS);
            let low = bars.column_by_name("low").expect("a column of bars").clone();
            with_column(&bars, "high", low)
        };
        let beside = beside(&bus, &mut next, invalid)?;
        report.add_beside(MEASURE, "beside invalid rows", alone, "ms", beside);
        let late = move |number: i64| {
            let minute_of_day = round * 37 + number / DAYS % MINUTES_OF_DAY;
            let bars = minute(number % DAYS * DAY + minute_of_day % MINUTES_OF_DAY).slice(0, ROWS);
            // Other values: the day's file is rewritten, too.
            let other = minute(number + round * 1_000_000).column_by_name("volume").expect("bars").slice(0, ROWS);
            with_column(&bars, "volume", other)
        };
        let beside = self::beside(&bus, &mut next, late)?;
        report.add_beside(MEASURE, "beside late bars of big days", alone, "ms", beside);
    }
    daemon.end(Signal::SIGKILL)
}

/// Measures live bars while another producer sends one batch after the other.
fn beside(bus: &Bus, next: &mut i64, batch: impl Fn(i64) -> RecordBatch + Send + 'static) -> anyhow::Result<f64> {
    let stop = Arc::new(AtomicBool::new(false));
    let (other, stopped) = (bus.clone(), Arc::clone(&stop));
    let thread = std::thread::spawn(move || -> anyhow::Result<u64> {
        let mut publisher = Publisher::connect(&other)?;
        for number in 0.. {
            publisher.send(&batch(number))?;
            if stopped.load(Ordering::Relaxed) {
                break;
            }
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
    for _ in 0..LIVE {
        let symbol = (*next % 1_000) as usize;
        let bar = minute(DAYS * DAY + *next / 1_000).slice(symbol, 1);
        let begun = Instant::now();
        let ack = publisher.send(&bar)?;
        times.push(begun.elapsed().as_secs_f64() * 1_000.0);
        ensure!(ack.accepted == 1, "{ack:?}");
        *next += 1;
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
