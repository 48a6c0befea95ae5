//! The fields of one row of a text format as a bar.
//!
//! A number is the double nearest to its text. A blank or absent optional value is no value; a blank required one,
//! except the symbol, cannot be read. `NaN`, `inf` and an empty symbol can be read: the daemon refuses such bars.

use std::borrow::Cow;

use barbus_bars::{BarSchema, CastError, FIXED_COLUMNS, Fault, FrameReader};

use super::plain_rows::Role;
use super::rows::{NUMBERS, Rows};
use super::{InputError, Options};
use crate::output::format::printable;

/// Most characters of a header shown in a message.
const MAX_SHOWN: usize = 300;
/// Longest value shown in a reason, in characters.
const MAX_VALUE_SHOWN: usize = 80;

/// Where in a row of the input each column of the bus is found.
#[derive(Debug, Clone)]
pub(super) struct Binding {
    symbol: usize,
    frame: usize,
    numbers: [usize; NUMBERS],
    optional: Vec<Option<usize>>,
}

impl Binding {
    /// Finds the columns of the bus among `names`.
    pub(super) fn find<S: AsRef<str>>(names: &[S], options: &Options) -> Result<Binding, CastError> {
        let found = options.map.resolve(names, &options.schema)?;
        let required = |i: usize| found[i].expect("a resolved map has every required column");
        Ok(Binding {
            symbol: required(0),
            frame: required(1),
            numbers: std::array::from_fn(|i| required(i + 2)),
            optional: found[FIXED_COLUMNS.len()..].to_vec(),
        })
    }

    /// Finds the columns of the bus in the header of `input`.
    pub(super) fn of_header<S: AsRef<str>>(input: &str, names: &[S], options: &Options) -> Result<Binding, InputError> {
        Binding::find(names, options).map_err(|error| column_error(input, "the header", error))
    }

    /// What each of `width` columns is; `None` where one of them is several things.
    pub(super) fn roles(&self, width: usize) -> Option<Vec<Role>> {
        let mut roles = vec![Role::Unused; width];
        let numbers = self.numbers.iter().enumerate().map(|(i, column)| (*column, Role::Number(i)));
        let optional = self.optional.iter().enumerate();
        let optional = optional.filter_map(|(i, column)| column.map(|column| (column, Role::Optional(i))));
        for (column, role) in
            [(self.symbol, Role::Symbol), (self.frame, Role::Frame)].into_iter().chain(numbers).chain(optional)
        {
            if std::mem::replace(&mut roles[column], role) != Role::Unused {
                return None;
            }
        }
        Some(roles)
    }

    /// The columns of the row that are used.
    pub(super) fn columns(&self) -> impl Iterator<Item = usize> {
        let optional = self.optional.iter().flatten().copied();
        [self.symbol, self.frame].into_iter().chain(self.numbers).chain(optional)
    }
}

/// The error for `input` not having the columns of a bar; `place` is where they are named.
pub(super) fn column_error(input: &str, place: &str, error: CastError) -> InputError {
    let reason = match error {
        CastError::MissingColumn { column, found, nearest } => {
            let found = match found.join(", ") {
                none if none.trim().is_empty() => "no columns".to_owned(),
                names => shortened(&names, MAX_SHOWN),
            };
            let hint =
                nearest.map_or_else(String::new, |name| format!("; if {name:?} is it, say --map {column}={name}"));
            format!("no column for {column:?}: {place} has {found}{hint}")
        }
        other => other.to_string(),
    };
    InputError::Columns { input: input.to_owned(), reason: printable(&reason) }
}

/// Reads fields as bars.
pub(super) struct BarParser {
    schema: BarSchema,
    frames: FrameReader,
    optional: Vec<Option<f64>>,
}

impl BarParser {
    pub(super) fn new(options: &Options) -> BarParser {
        BarParser {
            schema: options.schema.clone(),
            frames: FrameReader::new(&options.schema, &options.cast()),
            optional: vec![None; options.schema.optional().len()],
        }
    }

    /// The reader of times.
    pub(super) fn frames(&mut self) -> &mut FrameReader {
        &mut self.frames
    }

    /// Reads one row, whose columns `field` gives, and adds it to `rows`.
    ///
    /// # Errors
    /// The first thing that could not be read; nothing is added then.
    pub(super) fn push<'a>(
        &mut self,
        binding: &Binding,
        field: impl Fn(usize) -> Option<Cow<'a, [u8]>>,
        rows: &mut Rows,
    ) -> Result<(), Fault> {
        let missing = |column: &str| Fault::MissingValue { column: column.to_owned() };
        let symbol = field(binding.symbol).ok_or_else(|| missing(FIXED_COLUMNS[0]))?;
        let symbol = text(FIXED_COLUMNS[0], &symbol)?;
        let frame = field(binding.frame).ok_or_else(|| missing(FIXED_COLUMNS[1]))?;
        let frame_ms = self.frames.read(text(FIXED_COLUMNS[1], &frame)?)?;
        let mut numbers = [0.0; NUMBERS];
        for (i, value) in numbers.iter_mut().enumerate() {
            let name = FIXED_COLUMNS[i + 2];
            let field = field(binding.numbers[i]);
            *value = field.and_then(|field| number(name, &field).transpose()).unwrap_or_else(|| Err(missing(name)))?;
        }
        for (i, value) in self.optional.iter_mut().enumerate() {
            *value = match binding.optional[i].and_then(&field) {
                Some(field) => number(&self.schema.optional()[i], &field)?,
                None => None,
            };
        }
        rows.push(symbol, frame_ms, numbers, &self.optional);
        Ok(())
    }
}

fn text<'a>(column: &str, field: &'a [u8]) -> Result<&'a str, Fault> {
    std::str::from_utf8(field).map_err(|_| unparseable(column, field))
}

/// The number a field holds; `None` for a blank one.
fn number(column: &str, field: &[u8]) -> Result<Option<f64>, Fault> {
    let trimmed = field.trim_ascii();
    if trimmed.is_empty() {
        return Ok(None);
    }
    let value = std::str::from_utf8(trimmed).ok().and_then(|text| text.parse().ok());
    value.map(Some).ok_or_else(|| unparseable(column, trimmed))
}

fn unparseable(column: &str, field: &[u8]) -> Fault {
    let text = shortened(&String::from_utf8_lossy(field), MAX_VALUE_SHOWN);
    Fault::Unparseable { column: column.to_owned(), text }
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
