//! Settings for reading the bars of an input.

use barbus_bars::{BarSchema, CastOptions, ColumnMap, Label, Rules};
use clap::ValueEnum;
use jiff::tz::TimeZone;

/// The settings of one publication's inputs.
#[derive(Debug, Clone)]
pub(crate) struct InputOptions {
    /// The columns of the bus that receives the bars.
    pub(crate) schema: BarSchema,
    /// Which end of a bar the times of the input mark.
    pub(crate) label: Label,
    /// The zone of times that carry none; `None` takes the zone of the schema.
    pub(crate) zone: Option<TimeZone>,
    /// Maps the columns of the input to the columns of the bus.
    pub(crate) map: ColumnMap,
    /// Length of a bar, milliseconds.
    pub(crate) interval_ms: i64,
    /// The format of every input; `None` detects it.
    pub(crate) format: Option<InputFormat>,
}

impl InputOptions {
    /// One-minute bars labelled by their end, the usual column names, formats detected.
    pub(crate) fn new(schema: BarSchema) -> InputOptions {
        InputOptions {
            schema,
            label: Label::End,
            zone: None,
            map: ColumnMap::default(),
            interval_ms: 60_000,
            format: None,
        }
    }

    /// How Arrow batches are cast to bars. Optional rules are off: the daemon applies them.
    pub(super) fn cast(&self) -> CastOptions {
        CastOptions {
            label: self.label,
            interval_ms: self.interval_ms,
            zone: self.zone.clone(),
            map: self.map.clone(),
            rules: Rules { high_low: false },
            ..CastOptions::default()
        }
    }
}

/// The format of an input. Compression with gzip is always detected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InputFormat {
    /// Text with a header line; fields separated by comma, tab, semicolon or vertical bar.
    Csv,
    /// One JSON object per line.
    Ndjson,
    /// Parquet.
    Parquet,
    /// Arrow IPC, file or stream.
    Arrow,
}
