//! Numbers of bars: prices, volumes and optional values.
//!
//! A number is the double nearest to its text. `NaN` and `inf` can be read: the bus rejects such
//! bars.

use barbus_bars::{Fault, MONEY, VOLUME, has_too_many_digits};

use super::cell::Cell;
use super::scale::Scale;
use crate::rows::Rows;
use crate::text::shortened;

/// Most characters of a value shown in a reason.
const MAX_VALUE_CHARS: usize = 80;

/// Every integer up to this one is exact as a 64-bit float.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// The number in a cell; `None` for a blank one.
///
/// # Errors
/// [`Fault::Unparseable`].
pub(crate) fn number(
    column: &str,
    cell: &Cell<'_>,
    scale: Option<&Scale>,
    rows: &mut Rows,
) -> Result<Option<f64>, Fault> {
    if cell.is_blank() {
        return Ok(None);
    }
    let value = match cell {
        Cell::Float(value) if scale.is_none() => *value,
        Cell::Text(bytes) if scale.is_none() => {
            let text = std::str::from_utf8(bytes.trim_ascii()).map_err(|_| unparseable(column, bytes))?;
            if has_too_many_digits(text) {
                rows.note_rounded(column);
            }
            parse(column, text).ok_or_else(|| unparseable(column, bytes))?
        }
        cell => {
            let text = cell.text();
            let text = text.as_deref().unwrap_or_default().trim();
            let parsed = match scale {
                Some(scale) => scale.apply(text),
                None => parse(column, text),
            };
            parsed.ok_or_else(|| unparseable(column, text.as_bytes()))?
        }
    };
    // An integer or a volume that is too large to be exact may have been rounded before.
    if value.abs() > MAX_EXACT && value.is_finite() && (column == VOLUME || matches!(cell, Cell::Integer(_))) {
        rows.note_rounded(column);
    }
    Ok(Some(value))
}

/// The number in a text. `1,234.5` and `1,234,567` have separators of thousands; `1,234` may be a
/// decimal, so it is one only in a column of quantities.
fn parse(column: &str, text: &str) -> Option<f64> {
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut groups = whole.split(',');
    let first = groups.next()?.trim_start_matches('-');
    let rest: Vec<&str> = groups.collect();
    let grouped = !rest.is_empty() && rest.iter().all(|group| group.len() == 3) && !first.starts_with('0');
    let certain = rest.len() > 1 || !fraction.is_empty() || column == VOLUME || column == MONEY;
    (grouped && certain).then(|| text.replace(',', "").parse().ok())?
}

/// The fault of a value that cannot be read.
pub(crate) fn unparseable(column: &str, field: &[u8]) -> Fault {
    let text = shortened(&String::from_utf8_lossy(field), MAX_VALUE_CHARS);
    Fault::Unparseable { column: column.to_owned(), text }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 9: a decimal comma is never read as a separator of thousands.
    #[test]
    fn separators_of_thousands_are_read_where_they_are_certain() {
        for (column, text, expected) in [
            ("close", "1,234.5", Some(1234.5)),
            ("close", "1,234,567", Some(1_234_567.0)),
            ("close", "1,234", None),
            ("close", "0,379", None),
            ("close", "1,23", None),
            ("volume", "12,345", Some(12_345.0)),
            ("volume", "0,379", None),
            ("volume", "1,2345", None),
        ] {
            assert_eq!(parse(column, text), expected, "{text} as {column}");
        }
    }
}
