//! `barbus init`: creates a bus, a directory with a `bus.toml` that shows every setting.

use std::io::Write;
use std::path::PathBuf;

use barbus::{Bus, InitOptions};
use barbus_bars::PRESETS;
use clap::Args;

use super::shared::errors::EXIT_CODES;
use super::shared::stdout::stdout;

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
        writeln!(out, "next: barbus daemon {path}")?;
        Ok(out.flush()?)
    }
}

fn calendars() -> String {
    let list: String = PRESETS.iter().map(|(name, what)| format!("  {name:<14} {what}\n")).collect();
    format!("Calendars:\n{list}\nbus.toml can describe another one, and calendar.d can have others.\n\n{EXIT_CODES}")
}
