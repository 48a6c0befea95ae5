//! Settings for reading the bars of an input.

use std::num::NonZero;

use barbus_bars::{BarSchema, DEFAULT_INTERVAL_MS, Label};
use jiff::tz::TimeZone;

use crate::layout::description::Layout;
use crate::layout::mapping::Mapping;
use crate::layout::pattern::PathPattern;
use crate::values::number::Decimal;
use crate::values::scale::Scale;

/// The settings for reading inputs. What is `None` or empty is found out from the input.
#[derive(Debug, Clone)]
pub struct InputOptions {
    /// The columns of the bars.
    pub schema: BarSchema,
    /// Which end of a bar the times of the input mark.
    pub label: Option<Label>,
    /// What times mark if neither the options nor the input say it.
    pub default_label: Label,
    /// The zone of times that carry none.
    pub zone: Option<TimeZone>,
    /// The zone of times that carry none if neither the options nor the input say it; `None`
    /// refuses such times.
    pub default_zone: Option<TimeZone>,
    /// Epochs are of a wall clock in this zone, not of UTC.
    pub epoch_zone: Option<TimeZone>,
    /// Maps the columns of the input to the columns of the bars.
    pub map: Mapping,
    /// The names of the columns of an input without a header.
    pub columns: Vec<String>,
    /// The symbol of rows that have none.
    pub symbol: Option<String>,
    /// The digits of symbols that are numbers: zeros are put before those that have fewer.
    pub symbol_digits: Option<usize>,
    /// Where the symbol is in the path.
    pub symbol_from: Vec<PathPattern>,
    /// The layout of every input; `None` recognizes it.
    pub layout: Option<Layout>,
    /// The encoding of texts.
    pub encoding: Option<&'static encoding_rs::Encoding>,
    /// A factor for prices.
    pub scale: Option<Scale>,
    /// What separates the fraction of a number.
    pub decimal: Option<Decimal>,
    /// The format of dates and times, as of strftime.
    pub date_format: Option<String>,
    /// What a time means that a clock showed twice.
    pub ambiguous: Ambiguous,
    /// Length of a bar, milliseconds.
    pub interval_ms: i64,
    /// The format of every input; `None` detects it.
    pub format: Option<InputFormat>,
    /// Most threads that read a text; `None` for one on each processor. The result is the same.
    pub threads: Option<NonZero<usize>>,
    /// Whether rows are wanted as soon as they are there, from an input that is still written.
    pub live: bool,
}

impl InputOptions {
    /// One-minute bars labelled by their end, times in the zone of the schema, everything else
    /// found out.
    pub fn new(schema: BarSchema) -> InputOptions {
        let default_zone = TimeZone::get(schema.zone()).ok();
        InputOptions {
            schema,
            label: None,
            default_label: Label::End,
            zone: None,
            default_zone,
            epoch_zone: None,
            map: Mapping::default(),
            columns: Vec::new(),
            symbol: None,
            symbol_digits: None,
            symbol_from: Vec::new(),
            layout: None,
            encoding: None,
            scale: None,
            decimal: None,
            date_format: None,
            ambiguous: Ambiguous::Infer,
            interval_ms: DEFAULT_INTERVAL_MS,
            format: None,
            threads: None,
            live: false,
        }
    }
}

/// What a time without an offset means that a clock showed twice, because it was set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ambiguous {
    /// The first of the two instants.
    First,
    /// The second one.
    Last,
    /// What the order of the rows shows; rows whose order shows nothing are doubted.
    #[default]
    Infer,
    /// Such rows are rejected.
    Refuse,
}

impl std::str::FromStr for Ambiguous {
    type Err = String;

    fn from_str(word: &str) -> Result<Ambiguous, String> {
        match word {
            "first" => Ok(Ambiguous::First),
            "last" => Ok(Ambiguous::Last),
            "infer" => Ok(Ambiguous::Infer),
            "refuse" => Ok(Ambiguous::Refuse),
            _ => Err(format!("unknown way {word:?}: give first, last, infer or refuse")),
        }
    }
}

/// The format of an input. How it is packed is always detected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputFormat {
    /// Text, one record a line; fields separated by comma, tab, semicolon or vertical bar.
    Csv,
    /// One JSON object or list per line.
    Ndjson,
    /// One JSON document.
    Json,
    /// Parquet.
    Parquet,
    /// Arrow IPC, file or stream.
    Arrow,
}

/// A format that barbus does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown format {0:?}: give csv, ndjson, json, parquet or arrow")]
pub struct UnknownFormat(pub String);

impl std::str::FromStr for InputFormat {
    type Err = UnknownFormat;

    fn from_str(word: &str) -> Result<InputFormat, UnknownFormat> {
        match word {
            "csv" => Ok(InputFormat::Csv),
            "ndjson" => Ok(InputFormat::Ndjson),
            "json" => Ok(InputFormat::Json),
            "parquet" => Ok(InputFormat::Parquet),
            "arrow" => Ok(InputFormat::Arrow),
            _ => Err(UnknownFormat(word.to_owned())),
        }
    }
}
