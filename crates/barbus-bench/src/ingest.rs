//! A year of real bars from gzip CSV to the last archive file, with real processes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use arrow::array::AsArray;
use arrow::array::{Array, Float64Array, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type, TimestampMillisecondType};
use barbus::Bus;
use nix::sys::signal::Signal;

use crate::command_line::{self, Daemon};
use crate::report::Report;

pub(crate) const FILE: &str = "us_sp500_2024_a.csv.gz";

pub(crate) fn round(report: &mut Report, data: &Path) -> anyhow::Result<()> {
    on_a_bus(data, |bus, file, run| {
        let start = Instant::now();
        run(&["publish", file, "--label", "start"]).and_then(|()| run(&["close-day"]))?;
        let seconds = start.elapsed().as_secs_f64();
        let days = std::fs::read_dir(bus.join("archive/1m"))?
            .filter_map(Result::ok)
            .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "parquet"))
            .count();
        ensure!(days == 252, "{days} days archived");
        report.add("a year of gzip CSV to its archives", "barbus publish", None, "s", seconds);
        check(bus, Path::new(file))
    })
}

/// Calls `look` with each bar: its symbol, its frame shifted by an offset, and its bits.
fn for_each(bars: &RecordBatch, later_ms: i64, mut look: impl FnMut((String, i64), Vec<Option<u64>>)) {
    let symbols = bars.column(0);
    let name = |row: usize| match symbols.as_dictionary_opt::<Int32Type>() {
        Some(keys) => keys.values().as_string::<i32>().value(keys.key(row).unwrap_or_default()),
        None => symbols.as_string::<i32>().value(row),
    };
    let frames = bars.column(1).as_primitive::<TimestampMillisecondType>();
    let numbers: Vec<_> = bars.columns()[2..].iter().map(|column| column.as_primitive::<Float64Type>()).collect();
    for row in 0..bars.num_rows() {
        let number = |column: &&Float64Array| column.is_valid(row).then(|| column.value(row).to_bits());
        let bar = (name(row).to_owned(), frames.value(row) + later_ms);
        look(bar, numbers.iter().map(number).collect());
    }
}

/// Compares the archived days with the file, row by row.
fn check(bus: &Path, file: &Path) -> anyhow::Result<()> {
    let bus = Bus::open(bus)?;
    let content = barbus_files::read_input(FILE, std::fs::File::open(file)?, None, &bus.settings().schema);
    let archive = bus.open_archive();
    let mut archived = BTreeMap::new();
    for day in archive.days()? {
        let (_, rows) = archive.read(day)?.context("it was listed")?;
        for_each(&rows, 0, |bar, numbers| drop(archived.insert(bar, numbers)));
    }
    let mut lines = 0;
    // The file's times mark the start of the bars.
    for_each(&content.bars, 60_000, |bar, numbers| {
        lines += usize::from(archived.get(&bar) == Some(&numbers));
    });
    let all = content.bars.num_rows();
    ensure!(
        lines == all && archived.len() == all,
        "{lines} of {all} bars are among {} that are archived",
        archived.len()
    );
    Ok(())
}

/// Runs a verb of `barbus` on a bus with further arguments.
pub(crate) type Run<'a> = &'a dyn Fn(&[&str]) -> anyhow::Result<()>;

/// Calls `work` with a new bus, the path of the year's bars and a running daemon.
pub(crate) fn on_a_bus(
    data: &Path,
    work: impl FnOnce(&Path, &str, Run<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let bus = directory.path().join("bus");
    let run = |arguments: &[&str]| -> anyhow::Result<()> {
        let mut command = command_line::barbus()?;
        let status = command.arg(arguments[0]).arg(&bus).args(&arguments[1..]).stdout(Stdio::null()).status()?;
        ensure!(status.success(), "barbus {arguments:?} failed");
        Ok(())
    };
    run(&["init", "--calendar", "XNYS"])?;
    let opened = Bus::open(&bus)?;
    let mut daemon = Daemon::start(&opened)?;
    daemon.until_it_listens(&opened, Duration::from_millis(1))?;
    let file = data.join(FILE);
    let file = file.to_str().context("the folder's name is UTF-8")?;
    work(&bus, file, &run)?;
    daemon.end(Signal::SIGTERM)
}
