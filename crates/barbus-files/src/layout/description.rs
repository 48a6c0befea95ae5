//! The description of a layout: a TOML file that says how to recognize files and how to read them.
//!
//! `docs/FILES.md` shows how to write one.

use std::collections::BTreeMap;

use barbus_bars::Label;
use serde::Deserialize;

use super::mapping::Mapping;
use super::pattern::{Fit, PathPattern};
use crate::decode::json::Document;
use crate::values::number::Decimal;
use crate::values::scale::Scale;
use crate::values::zone;

/// A layout of files of bars.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// The name of the layout: that of its file.
    #[serde(skip)]
    pub name: String,
    /// One line: whose files these are.
    pub about: String,
    /// Which end of a bar a time marks.
    pub label: Option<Label>,
    /// The zone of times that carry none: an IANA name or an offset.
    pub zone: Option<String>,
    /// The names of the columns by position, where the files have no header.
    #[serde(default)]
    pub columns: Vec<String>,
    /// How files are recognized.
    #[serde(default)]
    pub recognize: Recognize,
    /// How text is split.
    #[serde(default)]
    pub text: TextRules,
    /// Where the rows of a JSON document are.
    #[serde(default)]
    pub json: JsonRules,
    /// How times are read.
    #[serde(default)]
    pub frame: FrameRules,
    /// Where the symbol is.
    #[serde(default)]
    pub symbol: SymbolRules,
    /// Columns of a bar and their origins, as `--map` has them, with `|` between alternatives.
    #[serde(default)]
    pub map: BTreeMap<String, String>,
    /// The column that is the volume where the volume is zero in every row.
    pub volume_if_zero: Option<String>,
    /// A factor for prices.
    pub scale: Option<ScaleRule>,
    /// Which rows are bars.
    #[serde(default)]
    pub rows: RowRules,
    /// Files of this layout and the bars that they give; tests read them.
    #[serde(default)]
    pub example: Vec<Example>,
}

/// How files of a layout are recognized. All conditions that are given must hold.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Recognize {
    /// Patterns of paths; one of them must fit.
    pub files: Vec<String>,
    /// Names that the header or the keys must have.
    pub header: Vec<String>,
    /// Patterns of lines before the header; one of these lines must fit one of them.
    pub preamble: Vec<String>,
    /// The kinds of the columns of a file without a header: `epoch`, `number`, `integer`, `date`,
    /// `time`, `datetime` or `text`.
    pub shape: Vec<String>,
    /// Paths that a JSON document must have.
    pub json: Vec<String>,
    /// Only `--layout` chooses it: the files of several layouts look the same.
    pub only_by_name: bool,
}

/// How text is split into lines and fields.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct TextRules {
    /// The encoding, such as `gbk`; default: UTF-8.
    pub encoding: Option<String>,
    /// What separates the fields; default: what is most frequent in the header.
    pub delimiter: Option<char>,
    /// Whether there is a header.
    pub header: Header,
    /// What separates the fraction of a number: `comma` or `point`.
    pub decimal: Option<Decimal>,
    /// Patterns of lines that are no rows.
    pub ignore: Vec<String>,
    /// Whether rows may have more fields than the header.
    pub ragged: bool,
}

/// Whether text begins with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Header {
    /// It does, perhaps after other lines.
    #[default]
    Present,
    /// It does not: the layout names the columns.
    None,
    /// Some files have one, and some do not.
    Optional,
}

/// Where the rows of a JSON document are.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct JsonRules {
    /// The path to the rows, such as `data.candles`; `{symbol}` and `{frame}` name the keys of an
    /// object as the symbol or the time, `*` stands for any key.
    pub rows: Option<String>,
    /// The path to a list of the columns' names.
    pub columns: Option<String>,
}

/// How times are read.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct FrameRules {
    /// Formats as of strftime; the first that fits is taken.
    pub formats: Vec<String>,
    /// Times count from the midnight of `{date}` in these patterns of paths.
    pub date_files: Vec<String>,
    /// The unit of times since midnight, or of epochs: `s`, `ms`, `us` or `ns`.
    pub unit: Option<Unit>,
    /// The order of dates with the year last: `day` or `month` first.
    pub first: Option<First>,
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
}

/// What a date with the year last begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum First {
    /// `09.05.2023`.
    Day,
    /// `05/09/2023`.
    Month,
}

/// Where the symbol is, if not in a column.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct SymbolRules {
    /// Patterns of paths with `{symbol}`; the first that fits is taken.
    pub files: Vec<String>,
    /// The path to the symbol in a JSON document.
    pub json: Option<String>,
    /// A pattern of the text at that path with `{symbol}`; without one the text is the symbol.
    pub json_pattern: Option<String>,
    /// Patterns of lines before the header with `{symbol}`.
    pub preamble: Vec<String>,
}

/// A factor for prices.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaleRule {
    /// The factor, such as `1e-9`.
    pub factor: String,
    /// Whether it applies only to files whose prices are whole numbers.
    #[serde(default)]
    pub only_integers: bool,
}

/// Which rows are bars.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct RowRules {
    /// Columns and the values that a bar has in them; other rows are left out.
    pub only: BTreeMap<String, Vec<String>>,
    /// A column that states whether a bar is finished; unfinished ones are left out.
    pub closed: Option<String>,
}

/// A file of a layout and its bars.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// The path of the file.
    pub file: String,
    /// Its text.
    pub text: String,
    /// The symbol, where the user must give it.
    pub symbol: Option<String>,
    /// The zone, where the user must give it.
    pub zone: Option<String>,
    /// The label, where the user must give it.
    pub label: Option<Label>,
    /// Whether the layout must be named for this file.
    #[serde(default)]
    pub named: bool,
    /// The bars: `symbol,end,open,high,low,close,volume,money`, ends in UTC.
    pub bars: Vec<String>,
}

/// Why a layout cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("layout {name}: {reason}")]
pub struct LayoutError {
    /// The name or the path of the layout.
    pub name: String,
    /// What is wrong, with its line where it is not TOML.
    pub reason: String,
}

impl SymbolRules {
    /// The symbol that a JSON document states.
    pub(crate) fn in_document(&self, document: &Document) -> Option<String> {
        let text = document.text_at(self.json.as_deref()?)?;
        let Some(pattern) = &self.json_pattern else { return Some(text) };
        // The text is fitted like a path; its slashes are no components.
        let text = text.replace('/', "\u{2215}");
        match pattern.parse::<PathPattern>().ok()?.fit(&text) {
            Fit::Yes(found) => found.symbol.map(|symbol| symbol.replace('\u{2215}', "/")),
            _ => None,
        }
    }
}

impl Layout {
    /// The layout that `text` describes.
    ///
    /// # Errors
    /// [`LayoutError`] when the text is not TOML, has an unknown key, or a value cannot be used.
    pub fn parse(name: &str, text: &str) -> Result<Layout, LayoutError> {
        let error = |reason: String| LayoutError { name: name.to_owned(), reason };
        let mut layout: Layout = toml::from_str(text).map_err(|e| error(e.to_string().trim_end().to_owned()))?;
        layout.name = name.to_owned();
        layout.check().map_err(error)?;
        Ok(layout)
    }

    /// Checks every value that is not checked when it is parsed.
    fn check(&self) -> Result<(), String> {
        self.mapping()?;
        let patterns = [&self.recognize.files, &self.symbol.files, &self.frame.date_files];
        for pattern in patterns.into_iter().flatten() {
            pattern.parse::<PathPattern>().map_err(|error| error.to_string())?;
        }
        if let Some(pattern) = &self.symbol.json_pattern {
            pattern.parse::<PathPattern>().map_err(|error| error.to_string())?;
        }
        for pattern in self.recognize.preamble.iter().chain(&self.text.ignore) {
            glob::Pattern::new(pattern).map_err(|error| format!("{pattern:?}: {error}"))?;
        }
        if let Some(zone) = &self.zone
            && zone::named(zone).is_none()
        {
            return Err(format!("unknown time zone {zone:?}: give an IANA name or an offset such as +08:00"));
        }
        if let Some(encoding) = &self.text.encoding
            && encoding_rs::Encoding::for_label(encoding.as_bytes()).is_none()
        {
            return Err(format!("unknown encoding {encoding:?}: give a name such as gbk"));
        }
        if let Some(scale) = &self.scale {
            scale.factor.parse::<Scale>().map_err(|error| error.to_string())?;
        }
        if self.text.header != Header::Present && self.columns.is_empty() {
            return Err("files without a header need the list columns".to_owned());
        }
        let shape = &self.recognize.shape;
        if let Some(kind) = shape.iter().find(|kind| crate::values::kind::Kind::named(kind).is_none()) {
            return Err(format!("unknown kind of column {kind:?} in recognize.shape"));
        }
        Ok(())
    }

    /// The origins of the columns of a bar.
    pub(crate) fn mapping(&self) -> Result<Mapping, String> {
        let mut mapping = Mapping::default();
        for (target, origin) in &self.map {
            mapping.add(target, origin).map_err(|error| format!("map: {error}"))?;
        }
        Ok(mapping)
    }

    /// The zone of times that carry none.
    pub(crate) fn time_zone(&self) -> Option<jiff::tz::TimeZone> {
        self.zone.as_deref().and_then(zone::named)
    }
}
