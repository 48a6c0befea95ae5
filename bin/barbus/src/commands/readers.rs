//! `barbus readers`: lists the readers of the bus with their positions and pins.

use std::path::PathBuf;
use std::time::Duration;

use barbus::{Bus, ReaderStat};
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::shared::stdout::stdout;
use super::shared::terminal::terminal_columns;
use crate::output::cell::Cell;
use crate::output::table::{Layout, Sheet};
use crate::output::{colour_wanted, format};

/// List the readers of the bus, the one furthest behind first.
///
/// A reader is listed from its first poll to its end if it uses the barbus library. Other readers
/// of the ring file are not listed.
#[derive(Debug, Args)]
pub(super) struct ReadersArgs {
    /// The bus.
    bus: PathBuf,
    /// Format of the list.
    #[arg(long, value_enum, default_value_t)]
    format: Layout,
}

const TABLE_COLUMNS: [&str; 8] = ["name", "pid", "user", "position", "bars behind", "time behind", "pins", "state"];
/// The usual width of the table. On a narrower terminal user and position are omitted.
const FULL_WIDTH: usize = 110;
const DATA_COLUMNS: [&str; 12] = [
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

impl ReadersArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let bus = Bus::open(&self.bus)?;
        let readers = barbus::readers(&bus)?;
        let now = Timestamp::now();
        let wide = terminal_columns().is_none_or(|columns| columns >= FULL_WIDTH);
        let shown = |name: &str| wide || !["user", "position"].contains(&name);
        let names: Vec<&str> = match self.format {
            Layout::Table => TABLE_COLUMNS.into_iter().filter(|name| shown(name)).collect(),
            _ => DATA_COLUMNS.to_vec(),
        };
        let mut sheet = Sheet::new(stdout(), self.format, names, TimeZone::UTC);
        sheet = sheet.coloured(colour_wanted());
        for reader in &readers {
            match self.format {
                Layout::Table => {
                    let cells = TABLE_COLUMNS.into_iter().zip(table_row(reader, now));
                    sheet.row(cells.filter(|(name, _)| shown(name)).map(|(_, cell)| cell))?;
                }
                _ => sheet.row(data_row(reader))?,
            }
        }
        sheet.finish()?;
        Ok(())
    }
}

fn table_row(reader: &ReaderStat, now: Timestamp) -> Vec<Cell> {
    let behind = reader.lag_s.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let pins = match reader.pins_age(now) {
        Some(age) => format!("{} for {}", format::count(reader.pins.into()), format::age(age)),
        None => format::count(reader.pins.into()),
    };
    vec![
        reader.name.as_str().into(),
        // Text, because an id has no thousands separator.
        reader.pid.to_string().into(),
        reader.user().into(),
        Cell::Count(reader.position),
        reader.lag_bars.into(),
        behind.map(format::age).into(),
        pins.into(),
        state(reader).into(),
    ]
}

/// The state, with the share of the ring from half of it on.
fn state(reader: &ReaderStat) -> String {
    match reader.ring_used {
        Some(used) if reader.state == barbus::ReaderState::Live && used >= 0.5 => {
            format!("live, {:.0}% of the ring", used * 100.0)
        }
        _ => reader.state.as_str().replace('-', " "),
    }
}

fn data_row(reader: &ReaderStat) -> Vec<Cell> {
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
