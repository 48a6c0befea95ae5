//! Rows in the form that most rows of a text have, which become bars in fewer steps.
//!
//! Such a row has no quotes and as many fields as the header, a time in a usual form that a clock
//! showed once, and numbers. It gives the bar that [`Binder::push`] makes of it; any other row is
//! left to that.

use std::borrow::Cow;

use barbus_bars::FIXED_COLUMNS;

use super::binder::Binder;
use super::plan::{NumberRule, Plan, SymbolRule};
use crate::rows::{NUMBERS, Rows};
use crate::values::cell::Cell;
use crate::values::number::{Decimal, NumberForm, number, short_decimal};

/// Which fields of a row are the values of a bar, as numbers of columns.
#[derive(Debug)]
pub(crate) struct PlainPlan {
    /// `None` for the same symbol in every row.
    symbol: Option<usize>,
    numbers: [Option<usize>; NUMBERS],
    optional: Vec<Option<usize>>,
    form: NumberForm,
}

impl PlainPlan {
    /// The same as `plan`, if its rows may be plain.
    pub(crate) fn of(plan: &Plan) -> Option<PlainPlan> {
        let [group] = &plan.groups[..] else { return None };
        let is_plain = plan.only.is_empty()
            && plan.closed.is_none()
            && plan.zero_volume.is_none()
            && plan.symbol_digits.is_none()
            && plan.numbers.scale.is_none()
            && matches!(plan.numbers.decimal, Decimal::Point { .. })
            && (1..=2).contains(&plan.frame.columns.len());
        let symbol = match &group.symbol {
            SymbolRule::Constant(_) => None,
            SymbolRule::Column { column, exchange: None, default: None } => Some(*column),
            _ => return None,
        };
        let column = |rule: &NumberRule| match rule {
            NumberRule::Absent => Some(None),
            NumberRule::Column(column) => Some(Some(*column)),
            NumberRule::Sum(_) => None,
        };
        let mut numbers = [None; NUMBERS];
        for (found, rule) in numbers.iter_mut().zip(&group.numbers) {
            *found = column(rule)?;
        }
        let optional = group.optional.iter().map(column).collect::<Option<_>>()?;
        let has_prices = numbers[..4].iter().all(Option::is_some);
        (is_plain && has_prices).then_some(PlainPlan { symbol, numbers, optional, form: plan.numbers })
    }
}

/// A line of a text, split at its delimiters.
#[derive(Clone, Copy)]
pub(crate) struct PlainLine<'a> {
    text: &'a [u8],
    /// Where the line begins in the text.
    start: usize,
    /// Where each of its fields ends.
    ends: &'a [u32],
}

impl<'a> PlainLine<'a> {
    /// The line at `start` of `text`, whose fields end at `ends`.
    pub(crate) fn new(text: &'a [u8], start: usize, ends: &'a [u32]) -> PlainLine<'a> {
        PlainLine { text, start, ends }
    }

    /// The text from a field on, and the length of the field, blanks around it included.
    #[inline]
    fn field(&self, column: usize) -> (&'a [u8], usize) {
        let start = match column {
            0 => self.start,
            column => self.ends[column - 1] as usize + 1,
        };
        let end = self.ends[column] as usize;
        let is_last = column + 1 == self.ends.len();
        let carriage_return = is_last && end > start && self.text[end - 1] == b'\r';
        (&self.text[start..], end - start - usize::from(carriage_return))
    }

    #[inline]
    fn bytes(&self, column: usize) -> &'a [u8] {
        let (text, length) = self.field(column);
        &text[..length]
    }
}

impl Binder {
    /// Appends the bar of a line; `None` for a line that is not plain, of which nothing is
    /// appended.
    #[inline]
    pub(crate) fn push_plain(&mut self, line: PlainLine<'_>, rows: &mut Rows) -> Option<()> {
        let plain = self.plain.take()?;
        let pushed = self.push_plain_by(&plain, line, rows);
        self.plain = Some(plain);
        pushed
    }

    #[inline]
    fn push_plain_by(&mut self, plain: &PlainPlan, line: PlainLine<'_>, rows: &mut Rows) -> Option<()> {
        let code = plain.symbol.map(|column| line.bytes(column));
        if let Some(code) = code {
            let (first, last) = code.first().zip(code.last())?;
            if first.is_ascii_whitespace() || last.is_ascii_whitespace() {
                return None;
            }
            if *code != *self.symbol.as_bytes() {
                let code = std::str::from_utf8(code).ok()?;
                self.symbol.clear();
                self.symbol.push_str(code);
            }
        }
        let mut pair = None;
        let ms = match self.plan.frame.columns[..] {
            [column] => self.frames.usual(line.bytes(column))?,
            [date, time] => {
                let (date, time) = *pair.insert((line.bytes(date), line.bytes(time)));
                self.frames.usual_pair(date, time)?
            }
            _ => return None,
        };
        let mut numbers = [0.0; NUMBERS];
        for (i, column) in plain.numbers.iter().enumerate() {
            if let Some(column) = column {
                numbers[i] = plain_number(FIXED_COLUMNS[i + 2], line.field(*column), &plain.form, rows)??;
            }
            // A row without prices may be no bar.
            if i < 4 && numbers[i].is_nan() {
                return None;
            }
        }
        for (i, column) in plain.optional.iter().enumerate() {
            self.optional[i] = match column {
                None => None,
                Some(column) => plain_number(&self.schema.optional()[i], line.field(*column), &plain.form, rows)?,
            };
        }
        match code {
            Some(code) => self.note_code(&Cell::Text(Cow::Borrowed(code))),
            None => self.set_constant_symbol(),
        }
        rows.push(&self.symbol, ms, numbers, &self.optional);
        self.last_ms = Some(ms);
        if let Some((date, time)) = pair {
            self.trading_dates.add(&self.symbol, ms, date, time, self.plan.frame.digits);
        }
        Some(())
    }

    fn set_constant_symbol(&mut self) {
        if let [group] = &self.plan.groups[..]
            && let SymbolRule::Constant(text) = &group.symbol
            && *text != self.symbol
        {
            self.symbol.clone_from(text);
        }
    }
}

/// The number at the beginning of a text, in a field of this length; `Some(None)` for a blank one,
/// and `None` for one that cannot be read.
#[inline]
fn plain_number(
    column: &str,
    (text, length): (&[u8], usize),
    form: &NumberForm,
    rows: &mut Rows,
) -> Option<Option<f64>> {
    if let Some(value) = short_decimal(text, length) {
        return Some(Some(value));
    }
    number(column, &Cell::Text(Cow::Borrowed(&text[..length])), form, rows).ok()
}
