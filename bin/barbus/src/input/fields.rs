//! Turns the fields of one row of a text format into a bar.
//!
//! A number is the double nearest to its text.
//! A blank or absent optional value is null; a blank required value is a fault.
//! `NaN`, `inf` and an empty symbol can be read: the daemon rejects such bars.

use std::borrow::Cow;

use barbus_bars::{BarSchema, CastError, FIXED_COLUMNS, Fault, FrameReader, VOLUME, has_too_many_digits};

use super::options::InputOptions;
use super::rows::{NUMBERS, Rows};
use crate::output::format::shortened;

/// Most characters of a value shown in a reason.
const MAX_VALUE_CHARS: usize = 80;

/// Every integer up to this one is exact as a 64-bit float.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// The column of the input for each column of the bus.
#[derive(Debug, Clone)]
pub(super) struct Binding {
    symbol: usize,
    frame: usize,
    numbers: [usize; NUMBERS],
    optional: Vec<Option<usize>>,
}

impl Binding {
    /// Finds the columns of the bus among the column `names` of the input.
    ///
    /// # Errors
    /// [`CastError`] when a required column is missing or ambiguous.
    pub(super) fn find<S: AsRef<str>>(names: &[S], options: &InputOptions) -> Result<Binding, CastError> {
        let found = options.map.resolve(names, &options.schema)?;
        let required = |i: usize| found[i].expect("a resolved map has every required column");
        Ok(Binding {
            symbol: required(0),
            frame: required(1),
            numbers: std::array::from_fn(|i| required(i + 2)),
            optional: found[FIXED_COLUMNS.len()..].to_vec(),
        })
    }

    /// The columns of the input that are used.
    pub(super) fn columns(&self) -> impl Iterator<Item = usize> {
        let optional = self.optional.iter().flatten().copied();
        [self.symbol, self.frame].into_iter().chain(self.numbers).chain(optional)
    }
}

/// Parses rows into bars.
pub(super) struct BarParser {
    schema: BarSchema,
    frames: FrameReader,
    /// The optional values of the current row, kept to avoid an allocation for each row.
    optional: Vec<Option<f64>>,
}

impl BarParser {
    /// A parser for bars of the schema of `options`.
    pub(super) fn new(options: &InputOptions) -> BarParser {
        BarParser {
            schema: options.schema.clone(),
            frames: FrameReader::new(&options.schema, &options.cast()),
            optional: vec![None; options.schema.optional().len()],
        }
    }

    /// Parses one row and appends it to `rows`; `field` returns the text of a column of the input.
    ///
    /// # Errors
    /// The first value that cannot be read; nothing is appended.
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
            let found = field.and_then(|field| number(name, &field, rows).transpose());
            *value = found.unwrap_or_else(|| Err(missing(name)))?;
        }
        for (i, value) in self.optional.iter_mut().enumerate() {
            *value = match binding.optional[i].and_then(&field) {
                Some(field) => number(&self.schema.optional()[i], &field, rows)?,
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

/// The number in a field; `None` for a blank field.
fn number(column: &str, field: &[u8], rows: &mut Rows) -> Result<Option<f64>, Fault> {
    let trimmed = field.trim_ascii();
    if trimmed.is_empty() {
        return Ok(None);
    }
    let text = std::str::from_utf8(trimmed).map_err(|_| unparseable(column, trimmed))?;
    let value: f64 = text.parse().map_err(|_| unparseable(column, trimmed))?;
    if has_too_many_digits(text) || (column == VOLUME && value.abs() > MAX_EXACT) {
        rows.note_rounded(column);
    }
    Ok(Some(value))
}

fn unparseable(column: &str, field: &[u8]) -> Fault {
    let text = shortened(&String::from_utf8_lossy(field), MAX_VALUE_CHARS);
    Fault::Unparseable { column: column.to_owned(), text }
}
