//! Writes days as Parquet with barbus, and the same rows with pyarrow, polars and DuckDB.
//!
//! barbus sorts, writes, syncs and verifies, with one thread for each processor.
//! The others get sorted rows in memory and neither sync nor verify; pyarrow uses one thread.
//! pyarrow reads every file back and compares it.
//! Each set is also written on a tmpfs, where a sync costs nothing: this compares encoding and
//! verifying with encoding.

use std::fs;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use arrow::array::{Array, RecordBatch};
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;
use barbus::{Bus, Date, InitOptions};
use barbus_archive::Archive;
use barbus_bars::BarSchema;
use barbus_bench_link::unpin;
use barbus_writer::Writer;

use crate::market::Market;
use crate::python::Script;
use crate::report::Report;
use crate::syncs::TimedSyncs;

/// Every set is written as this day, also one of many days.
const DAY: Date = Date::constant(2024, 7, 4);
const SYNTHETIC: &str = "day of 1.2 M";
/// Sets of real bars; each is written as one file.
const REAL: [&str; 6] = [
    "us_sp500_2024_a",
    "lean_us_equity",
    "lean_crypto",
    "crypto_btcusdt_202412",
    "ashare_zillionare_202203",
    "ashare_688001_tdx",
];
const PYARROW: &str = "pyarrow, defaults";
/// A tmpfs, on systems that mount one here.
const MEMORY: &str = "/dev/shm";
/// Number of symbols that are read back, spread over the set.
const READ: usize = 5;

/// Roles of the processes that measure a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum FlushRole {
    /// Publishes a day and ends as if killed.
    Fill,
    /// Closes and archives the day, and prints the time and the peak memory.
    Flush,
}

pub(crate) fn play(role: FlushRole, bus: &Path) -> anyhow::Result<()> {
    let bus = Bus::open(bus)?;
    let market = Market::new(5_000, 240);
    let batches = market.batches();
    let mut writer = Writer::open(&bus)?;
    if role == FlushRole::Fill {
        for batch in batches {
            writer.publish(batch)?;
        }
        // The day stays open.
        std::mem::forget(writer);
        return Ok(());
    }
    // A duplicate completes the day's index and brings the ring's pages into memory.
    ensure!(writer.publish(batches[0].slice(0, 1))?.duplicate == 1, "the bus does not have the day");
    drop((market, batches));
    fs::write("/proc/self/clear_refs", "5")?;
    let before = status_bytes("VmRSS")?;
    let start = Instant::now();
    writer.close_day();
    writer.flush()?;
    let ms = start.elapsed().as_secs_f64() * 1_000.0;
    println!("{ms} {}", status_bytes("VmHWM")?.saturating_sub(before));
    Ok(())
}

fn status_bytes(key: &str) -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let kib: u64 = line.and_then(|line| line.split_whitespace().next()).context("the kernel reports it")?.parse()?;
    Ok(kib * 1024)
}

fn run(role: FlushRole, bus: &Bus) -> anyhow::Result<String> {
    let name = clap::ValueEnum::to_possible_value(&role).context("every role has a name")?;
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.args(["flush-role", name.get_name()]).arg(bus.path()).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{} failed", name.get_name());
    Ok(String::from_utf8(output.stdout)?)
}

/// Rows in feed order, in memory and as an Arrow file.
struct Set {
    name: &'static str,
    zone: &'static str,
    rows: RecordBatch,
    file: PathBuf,
}

/// One round; returns the skipped measures with the reasons.
pub(crate) fn round(report: &mut Report, data: Option<&Path>) -> anyhow::Result<Vec<String>> {
    unpin();
    let mut skipped = Vec::new();
    let directory = tempfile::tempdir()?;
    let mut others = Script::start(include_str!("parquet.py"))
        .inspect(|(_, versions)| eprintln!("{versions}"))
        .map_err(|error| skipped.push(format!("pyarrow, polars, DuckDB: {error:#}")))
        .map(|(script, _)| script)
        .ok();
    let rows = Market::new(5_000, 240).day();
    let file = directory.path().join("day.arrow");
    let mut arrow = FileWriter::try_new(File::create(&file)?, rows.schema_ref())?;
    arrow.write(&rows)?;
    arrow.finish()?;
    let synthetic = Set { name: SYNTHETIC, zone: "Asia/Shanghai", rows, file };
    measure(report, &synthetic, directory.path(), others.as_mut())?;
    flush(report, directory.path(), others.as_mut())?;
    drop(synthetic);

    let (Some(data), Some(others)) = (data, others.as_mut()) else {
        skipped.push("real bars as Parquet: BARBUS_DATA or pyarrow is missing".into());
        return Ok(skipped);
    };
    for name in REAL {
        let (csv, file) = (data.join(format!("{name}.csv.gz")), directory.path().join(format!("{name}.arrow")));
        others.ask(&["csv", text(&csv)?, text(&file)?])?;
        let mut batches = FileReader::try_new(File::open(&file)?, None)?;
        let rows = batches.next().context("one batch")??;
        ensure!(batches.next().is_none(), "one batch");
        measure(report, &Set { name, zone: "UTC", rows, file }, directory.path(), Some(&mut *others))?;
    }
    Ok(skipped)
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("names are UTF-8")
}

fn measure(report: &mut Report, set: &Set, directory: &Path, others: Option<&mut Script>) -> anyhow::Result<()> {
    let mut others = others;
    let (ours, theirs) = write(report, set, Place::Disk(directory), others.as_deref_mut())?;
    if Path::new(MEMORY).is_dir() {
        let memory = tempfile::tempdir_in(MEMORY)?;
        write(report, set, Place::Memory(memory.path()), others.as_deref_mut())?;
    }
    let Some(others) = others else { return Ok(()) };
    // pyarrow reads each symbol from both files in turn. The first turn loads files and code into
    // memory and is not counted.
    let symbols = symbols(&set.rows)?;
    let mut seconds = [0.0; 2];
    for (turn, symbol) in std::iter::once(&symbols[0]).chain(&symbols).enumerate() {
        for (file, sum) in [text(&ours)?, text(&theirs)?].into_iter().zip(&mut seconds) {
            let took = others.number(&["read", file, symbol])?;
            *sum += if turn > 0 { took } else { 0.0 };
        }
    }
    let read = &format!("{}: one symbol by pyarrow", set.name);
    for (system, sum) in [("barbus's file", seconds[0]), ("pyarrow's file", seconds[1])] {
        report.add(read, system, Some("pyarrow's file"), "ms", sum * 1_000.0 / symbols.len() as f64);
    }
    Ok(())
}

/// Where the systems write.
#[derive(Clone, Copy)]
enum Place<'a> {
    Disk(&'a Path),
    Memory(&'a Path),
}

/// Lets each system write the set; returns the paths of barbus's and of pyarrow's file.
fn write(
    report: &mut Report,
    set: &Set,
    place: Place<'_>,
    others: Option<&mut Script>,
) -> anyhow::Result<(PathBuf, PathBuf)> {
    let limit = others.as_ref().map(|_| PYARROW);
    let (directory, what) = match place {
        Place::Disk(directory) => (directory, "write"),
        Place::Memory(directory) => (directory, "write on tmpfs"),
    };
    let (time, size) = (&format!("{}: {what}", set.name), &format!("{}: file", set.name));
    let syncs = TimedSyncs::default();
    let archive = directory.join(set.name).join("1m");
    let archive = Archive::with_files(archive, BarSchema::in_zone(set.zone)?, "24x7", Arc::new(syncs.clone()))?;
    let before = syncs.taken();
    let start = Instant::now();
    let written = archive.write(DAY, &set.rows, 1, set.rows.num_rows() as u64)?;
    let ms = |took: Duration| took.as_secs_f64() * 1_000.0;
    report.add(time, "barbus, sorted and verified", limit, "ms", ms(start.elapsed()));
    let weigh = |report: &mut Report, system: &str, bytes: u64| {
        if matches!(place, Place::Disk(_)) {
            report.add(size, system, limit, "B/bar", bytes as f64 / written.rows as f64);
        }
    };
    weigh(report, "barbus", written.bytes);
    if matches!(place, Place::Disk(_)) {
        report.add(time, "barbus, only its syncs", limit, "ms", ms(syncs.taken() - before));
    }
    let theirs = directory.join("pyarrow.parquet");
    let Some(others) = others else { return Ok((written.path, theirs)) };

    if matches!(place, Place::Disk(_)) {
        let loaded = others.number(&["load", text(&set.file)?])?;
        ensure!(loaded == written.rows as f64, "{loaded} rows, not {}", written.rows);
    }
    others.ask(&["check", text(&written.path)?])?;
    for (command, system) in [("pyarrow", PYARROW), ("polars", "polars, defaults"), ("duckdb", "DuckDB, zstd")] {
        let file = directory.join(format!("{command}.parquet"));
        let seconds = others.number(&["write", command, text(&file)?])?;
        report.add(time, system, limit, "ms", seconds * 1_000.0);
        others.ask(&["check", text(&file)?])?;
        weigh(report, system, fs::metadata(&file)?.len());
    }
    Ok((written.path, theirs))
}

/// [`READ`] symbols of a set, or all if it has fewer.
fn symbols(rows: &RecordBatch) -> anyhow::Result<Vec<String>> {
    use arrow::array::AsArray;
    let symbols = rows.column(0).as_dictionary::<arrow::datatypes::Int32Type>();
    let mut names: Vec<&str> = symbols.values().as_string::<i32>().iter().flatten().collect();
    names.sort_unstable();
    if names.is_empty() {
        bail!("no symbols");
    }
    let count = READ.min(names.len());
    Ok((0..count).map(|i| names[(2 * i + 1) * names.len() / (2 * count)].to_owned()).collect())
}

/// Measures a flush from the ring, from the close of the day to the verified file.
///
/// A separate process flushes, so that its peak memory is that of the flush.
fn flush(report: &mut Report, directory: &Path, others: Option<&mut Script>) -> anyhow::Result<()> {
    let bus = Bus::init(&directory.join("bus"), &InitOptions { calendar: "XSHG".into(), preset: None })?;
    run(FlushRole::Fill, &bus)?;
    let output = run(FlushRole::Flush, &bus)?;
    let (ms, peak) = output.trim().split_once(' ').context("two numbers")?;
    let archive = Archive::open_existing(bus.archive(), bus.settings().schema.clone(), "XSHG");
    let (_, rows) = archive.read(DAY)?.context("it was flushed")?;
    let bytes = rows.columns().iter().map(|column| column.to_data().get_slice_memory_size());
    let bytes = bytes.sum::<Result<usize, _>>()?;
    let limit = others.as_ref().map(|_| PYARROW);
    report.add(&format!("{SYNTHETIC}: write"), "barbus, close to verified", limit, "ms", ms.parse()?);
    report.add("peak memory of a flush", "the day in Arrow", None, "MB", bytes as f64 / 1e6);
    report.add("peak memory of a flush", "barbus", Some("the day in Arrow"), "MB", peak.parse::<f64>()? / 1e6);
    if let Some(others) = others {
        others.ask(&["check", text(&archive.path(DAY))?])?;
    }
    ensure!(rows.num_rows() == 5_000 * 240, "{} rows", rows.num_rows());
    Ok(())
}
