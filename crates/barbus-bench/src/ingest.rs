//! A year of real bars from gzip CSV to the last day's archive, by the command line and the daemon as their own processes.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};

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
        Ok(())
    })
}

/// Runs a command of `barbus` on a bus: its verb, and what follows the bus.
pub(crate) type Run<'a> = &'a dyn Fn(&[&str]) -> anyhow::Result<()>;

/// Does `work` with a new bus, the path of the year's bars and its daemon running.
pub(crate) fn on_a_bus(
    data: &Path,
    work: impl FnOnce(&Path, &str, Run<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let barbus = std::env::current_exe()?.with_file_name("barbus");
    ensure!(barbus.exists(), "{}: build it first: cargo build --release --bin barbus", barbus.display());
    let directory = tempfile::tempdir()?;
    let bus = directory.path().join("bus");
    let run = |arguments: &[&str]| -> anyhow::Result<()> {
        let mut command = Command::new(&barbus);
        let status = command.arg(arguments[0]).arg(&bus).args(&arguments[1..]).stdout(Stdio::null()).status()?;
        ensure!(status.success(), "barbus {arguments:?} failed");
        Ok(())
    };
    run(&["init", "--calendar", "XNYS"])?;
    let mut daemon = Command::new(&barbus).arg("daemon").arg(&bus).stderr(Stdio::null()).spawn()?;
    while !bus.join("ingest.sock").exists() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let file = data.join(FILE);
    let file = file.to_str().context("the folder's name is UTF-8")?;
    let done = work(&bus, file, &run);
    let pid = rustix::process::Pid::from_child(&daemon);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
    daemon.wait()?;
    done
}
