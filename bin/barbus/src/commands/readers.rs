//! `barbus readers`: who reads the bus, how far each one is, and what it holds.

use std::path::PathBuf;
use std::time::Duration;

use barbus::{Bus, ReaderStat};
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::shared::stdout::stdout;
use super::shared::terminal_columns;
use crate::output::table::{Cell, Layout, Sheet};
use crate::output::{colour_wanted, format};

/// List who reads the bus, the most behind first.
///
/// Listed is who follows the bus by barbus's own library, from its first look for bars to its end. Readers of other kinds are not known.
#[derive(Debug, Args)]
pub(crate) struct Readers {
    /// The bus.
    bus: PathBuf,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: Layout,
}

const TABLE: [&str; 8] = ["name", "pid", "user", "position", "bars behind", "time behind", "pins", "state"];
/// Columns of a terminal that are enough for the names and numbers that are usual; on a narrower one user and position are left out.
const WIDE: usize = 110;
const PROGRAMS: [&str; 12] = [
    "name",
    "pid",
    "user",
    "position",
    "lag_bars",
    "lag_s",
    "ring_used",
    "pins",
    "pins_since",
    "state",
    "started",
    "id",
];

impl Readers {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let bus = Bus::open(&self.bus)?;
        let readers = barbus::readers(&bus)?;
        let now = Timestamp::now();
        let wide = terminal_columns().is_none_or(|columns| columns >= WIDE);
        let shown = |name: &str| wide || !["user", "position"].contains(&name);
        let names: Vec<&str> = match self.format {
            Layout::Table => TABLE.into_iter().filter(|name| shown(name)).collect(),
            _ => PROGRAMS.to_vec(),
        };
        let mut sheet = Sheet::new(stdout(), self.format, names, TimeZone::UTC);
        sheet = sheet.coloured(colour_wanted());
        for reader in &readers {
            match self.format {
                Layout::Table => {
                    let cells = TABLE.into_iter().zip(for_people(reader, now));
                    sheet.row(cells.filter(|(name, _)| shown(name)).map(|(_, cell)| cell))?;
                }
                _ => sheet.row(for_programs(reader))?,
            }
        }
        sheet.finish()?;
        Ok(())
    }
}

fn for_people(reader: &ReaderStat, now: Timestamp) -> Vec<Cell> {
    let behind = reader.lag_s.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let pins = match reader.pins_age(now) {
        Some(age) => format!("{} for {}", format::count(reader.pins.into()), format::age(age)),
        None => format::count(reader.pins.into()),
    };
    vec![
        reader.name.as_str().into(),
        // A number that names something has no thousands.
        reader.pid.to_string().into(),
        reader.user().into(),
        Cell::Count(reader.position),
        reader.lag_bars.into(),
        behind.map(format::age).into(),
        pins.into(),
        state(reader).into(),
    ]
}

/// The state, and why it matters where it does.
fn state(reader: &ReaderStat) -> String {
    match reader.ring_used {
        Some(used) if reader.state == barbus::ReaderState::Live && used >= 0.5 => {
            format!("live, {:.0}% of the ring", used * 100.0)
        }
        _ => reader.state.as_str().replace('-', " "),
    }
}

fn for_programs(reader: &ReaderStat) -> Vec<Cell> {
    let time = |at: Option<Timestamp>| Cell::from(at.map(|at| at.to_string()));
    let number = |value: Option<f64>| value.map_or(Cell::Null, Cell::Number);
    vec![
        reader.name.as_str().into(),
        Cell::Count(reader.pid.into()),
        reader.user().into(),
        Cell::Count(reader.position),
        reader.lag_bars.into(),
        number(reader.lag_s),
        number(reader.ring_used),
        Cell::Count(reader.pins.into()),
        time(reader.pins_since),
        reader.state.as_str().into(),
        time(reader.started),
        reader.id.as_str().into(),
    ]
}
