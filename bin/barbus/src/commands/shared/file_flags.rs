//! The flags that say how files of bars are to be understood, for `publish` and `convert`.

use barbus_bars::{BarSchema, Label};
use barbus_files::{
    Ambiguous, Decimal, InputFormat, InputOptions, Layout, Mapping, Opener, PathPattern, Scale, encoding_named,
    find_layout, zone_named,
};
use clap::Args;
use jiff::tz::TimeZone;

/// Flags for reading files. What no flag states is determined from each file.
#[derive(Debug, Args)]
#[command(next_help_heading = "How files are understood")]
pub(in crate::commands) struct FileFlags {
    /// The symbol of rows that have none.
    #[arg(long, value_name = "SYMBOL")]
    symbol: Option<String>,
    #[command(flatten)]
    form: FormFlags,
}

/// The same without the symbol.
#[derive(Debug, Args)]
#[command(next_help_heading = "How files are understood")]
pub(in crate::commands) struct FormFlags {
    /// Which end of a bar the times mark; default: what the file or its layout states, else the
    /// setting in bus.toml.
    #[arg(long, value_name = "start|end")]
    label: Option<Label>,
    /// Zone of times that carry none: Asia/Shanghai or +08:00; default: what the file or its layout
    /// states, else the zone of the bus.
    #[arg(long, value_name = "ZONE", value_parser = zone, allow_hyphen_values = true)]
    zone: Option<TimeZone>,
    /// Epochs are of a wall clock in this zone, not of UTC.
    #[arg(long, value_name = "ZONE", value_parser = zone, allow_hyphen_values = true)]
    epoch_zone: Option<TimeZone>,
    /// Columns with other names: frame=Date+Time,money=#8,symbol='X',volume=none.
    #[arg(long, value_name = "COLUMN=NAME,…", default_value = "", hide_default_value = true)]
    map: Mapping,
    /// The pattern of the end of the path that has the symbol: '{symbol}_1min.csv'.
    #[arg(long, value_name = "PATTERN", value_parser = symbol_pattern)]
    symbol_from: Vec<PathPattern>,
    /// The digits of symbols that are numbers; zeros are put before those that have fewer: 6.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=32))]
    symbol_digits: Option<u8>,
    /// The layout of the files: a name of `barbus layouts`, or a file of your own NAME.toml.
    #[arg(long, value_name = "NAME", value_parser = layout)]
    layout: Option<Layout>,
    /// The names of the columns of files without a header: time,open,high,low,close,volume.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    columns: Vec<String>,
    /// The encoding of texts, such as gbk; default: UTF-8, or what the first bytes show.
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
    /// A factor for prices, applied to decimals: 1e-9.
    #[arg(long, value_name = "FACTOR")]
    scale: Option<Scale>,
    /// What separates the fraction of a number: point or comma; default: what the numbers show.
    #[arg(long, value_name = "point|comma")]
    decimal: Option<Decimal>,
    /// The form of dates and times, as of strftime: '%d/%m/%Y %H:%M'.
    #[arg(long, value_name = "FORMAT")]
    date_format: Option<String>,
    /// What a time means that clocks showed twice: first, last, infer (by the order of the rows) or
    /// refuse.
    #[arg(long, value_name = "WAY", default_value = "infer")]
    ambiguous: Ambiguous,
    /// Format of the files: csv, ndjson, json, parquet or arrow; default: detected.
    #[arg(long, value_name = "FORMAT")]
    input_format: Option<InputFormat>,
}

fn zone(name: &str) -> Result<TimeZone, String> {
    zone_named(name).ok_or_else(|| {
        format!("unknown time zone {name:?}: give an IANA name such as Asia/Shanghai, or an offset such as +08:00")
    })
}

fn symbol_pattern(text: &str) -> Result<PathPattern, String> {
    let pattern: PathPattern = text.parse().map_err(|error: barbus_files::PatternError| error.to_string())?;
    match pattern.has_symbol() {
        true => Ok(pattern),
        false => Err(format!("{text:?} has no {{symbol}}: such as '{{symbol}}_1min.csv'")),
    }
}

fn layout(name: &str) -> Result<Layout, String> {
    find_layout(name).map_err(|error| error.to_string())
}

impl FileFlags {
    /// As [`FormFlags::opener`].
    pub(in crate::commands) fn opener(
        self,
        schema: BarSchema,
        default_label: Label,
        default_zone: Option<TimeZone>,
        live: bool,
    ) -> anyhow::Result<Opener> {
        self.form.opener(self.symbol, schema, default_label, default_zone, live)
    }
}

impl FormFlags {
    /// Opens files as these flags say; `symbol` is that of rows that have none. `default_label` and
    /// the zone of `schema` are used where neither a flag nor a file says otherwise.
    ///
    /// # Errors
    /// For an unknown encoding.
    pub(in crate::commands) fn opener(
        self,
        symbol: Option<String>,
        schema: BarSchema,
        default_label: Label,
        default_zone: Option<TimeZone>,
        live: bool,
    ) -> anyhow::Result<Opener> {
        let encoding = match &self.encoding {
            None => None,
            Some(name) => Some(encoding_named(name).ok_or_else(|| {
                anyhow::anyhow!(
                    "--encoding {name}: unknown encoding: give a name such as gbk, big5, latin1 or utf-16le"
                )
            })?),
        };
        let options = InputOptions {
            label: self.label,
            default_label,
            zone: self.zone,
            default_zone,
            epoch_zone: self.epoch_zone,
            map: self.map,
            symbol,
            symbol_digits: self.symbol_digits.map(usize::from),
            symbol_from: self.symbol_from,
            layout: self.layout,
            columns: self.columns,
            encoding,
            scale: self.scale,
            decimal: self.decimal,
            date_format: self.date_format,
            ambiguous: self.ambiguous,
            format: self.input_format,
            live,
            ..InputOptions::new(schema)
        };
        Ok(Opener::new(options)?)
    }
}
