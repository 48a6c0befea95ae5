//! `barbus init`: creates a bus, a directory with a `bus.toml` that shows every setting.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use barbus::{Bus, InitOptions};
use barbus_bars::PRESETS;
use clap::Args;

use super::shared::errors::EXIT_CODES;
use super::shared::stdout::stdout;

/// Where the systemd units `barbusd@NAME` and `barbus-serve@NAME` expect buses.
const UNITS_FOLDER: &str = "/var/lib/barbus";

/// Create a bus: a directory with a bus.toml that shows every setting.
#[derive(Debug, Args)]
#[command(after_long_help = calendars())]
pub(super) struct InitArgs {
    /// The directory to create.
    bus: PathBuf,
    /// Calendar of the market, such as XSHG; the list is below.
    #[arg(long, value_name = "NAME")]
    calendar: String,
    /// Columns of the bars: "default", or "zillionare" (float32 prices, money and factor,
    /// Asia/Shanghai).
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
}

impl InitArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let bus = Bus::init(&self.bus, &InitOptions { calendar: self.calendar, preset: self.preset })?;
        let path = bus.path().display();
        let settings = bus.settings();
        let mut out = stdout();
        writeln!(
            out,
            "{path}: a bus with calendar {}, frames in {}",
            settings.calendar.name(),
            settings.schema.zone()
        )?;
        writeln!(out, "settings: {}", bus.path().join("bus.toml").display())?;
        for step in next_steps(bus.path(), Path::new(UNITS_FOLDER)) {
            writeln!(out, "next: {step}")?;
        }
        Ok(out.flush()?)
    }
}

/// How the daemon is started, and what must be done before.
fn next_steps(bus: &Path, units_folder: &Path) -> Vec<String> {
    let absolute = bus.canonicalize().unwrap_or_else(|_| bus.to_owned());
    let name = match (absolute.parent() == Some(units_folder), absolute.file_name()) {
        (true, Some(name)) => name.to_string_lossy(),
        _ => return vec![format!("barbus daemon {}", bus.display())],
    };
    // The units run as the user that owns the folder of the buses.
    let owner = |path: &Path| std::fs::metadata(path).ok().map(|found| (found.uid(), found.gid()));
    let mut steps = Vec::new();
    if owner(&absolute) != owner(units_folder) {
        steps.push(format!("chown -R --reference={} {}", units_folder.display(), absolute.display()));
    }
    steps.push(format!("systemctl enable --now barbusd@{name}"));
    steps
}

fn calendars() -> String {
    let list: String = PRESETS.iter().map(|(name, what)| format!("  {name:<14} {what}\n")).collect();
    format!("Calendars:\n{list}\nbus.toml can describe another one, and calendar.d can have others.\n\n{EXIT_CODES}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use super::*;

    #[test]
    fn a_bus_where_the_units_look_is_started_by_its_unit() {
        let folder = tempfile::tempdir().unwrap();
        let units_folder = folder.path().canonicalize().unwrap();
        let bus = units_folder.join("ashare");
        std::fs::create_dir(&bus).unwrap();
        let start = "systemctl enable --now barbusd@ashare";
        assert_eq!(next_steps(&bus, &units_folder), [start]);
        assert_eq!(next_steps(&bus, Path::new("/var/lib")), [format!("barbus daemon {}", bus.display())]);
        // Only root may give a folder away.
        if chown(&bus, Some(65_534), Some(65_534)).is_ok() {
            let steps = next_steps(&bus, &units_folder);
            assert!(steps[0].starts_with("chown -R --reference=") && steps[0].ends_with("/ashare"), "{steps:?}");
            assert_eq!(steps[1], start);
        }
    }

    #[test]
    fn the_units_run_where_buses_are_expected() {
        let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("../barbusd/systemd");
        for unit in ["barbusd@.service", "barbus-serve@.service"] {
            let text = std::fs::read_to_string(units.join(unit)).unwrap();
            let command = text.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
            assert!(command.ends_with(&format!(" {UNITS_FOLDER}/%i")), "{unit}: {command}");
        }
    }
}
