//! One value of an input, before it is a part of a bar.

use std::borrow::Cow;

use barbus_bars::{Moment, ParsedTime};

/// A value in the form in which its decoder gives it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell<'a> {
    /// No value: a null, or a column that the record lacks.
    Missing,
    /// Text of a file, without quotes; perhaps not UTF-8.
    Text(Cow<'a, [u8]>),
    /// A truth value.
    Truth(bool),
    /// A whole number of a typed format.
    Integer(i64),
    /// Another number of a typed format.
    Float(f64),
    /// A time of a typed format.
    Time(ParsedTime),
}

/// Texts that stand for no value.
const BLANKS: [&[u8]; 10] = [b"", b"#N/A", b"N/A", b"NA", b"null", b"NULL", b"None", b"NaT", b"<NA>", b"-"];

/// Whether a text stands for no value.
fn is_blank(text: &[u8]) -> bool {
    // Most texts are numbers.
    !text.first().is_some_and(u8::is_ascii_digit) && BLANKS.contains(&text.trim_ascii())
}

impl Cell<'_> {
    /// Whether the cell has no value. `NaN` is a value: a bar with it breaks a rule of the bus.
    pub(crate) fn is_blank(&self) -> bool {
        match self {
            Cell::Missing => true,
            Cell::Text(text) => is_blank(text),
            _ => false,
        }
    }

    /// Whether the cell is blank or not a number.
    pub(crate) fn is_no_number(&self) -> bool {
        match self {
            Cell::Float(value) => value.is_nan(),
            Cell::Text(text) => is_blank(text) || text.trim_ascii().eq_ignore_ascii_case(b"nan"),
            other => other.is_blank(),
        }
    }

    /// As [`Cell::text`], and a time as its milliseconds.
    pub(crate) fn shown(&self) -> Option<Cow<'_, str>> {
        match self {
            Cell::Time(ParsedTime { moment: Moment::Instant(ms) | Moment::WallClock(ms), .. }) => {
                Some(ms.to_string().into())
            }
            other => other.text(),
        }
    }

    /// The cell as text; `None` for no value and for bytes that are not UTF-8.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Cell::Missing | Cell::Time(_) => None,
            Cell::Text(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Cell::Truth(value) => Some(if *value { "true" } else { "false" }.into()),
            Cell::Integer(value) => Some(value.to_string().into()),
            Cell::Float(value) => Some(value.to_string().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_told_from_values() {
        let text = |text: &'static str| Cell::Text(Cow::Borrowed(text.as_bytes()));
        for blank in ["", "  ", "#N/A", "null", " None "] {
            assert!(text(blank).is_blank(), "{blank:?}");
        }
        for value in ["0", "NaN", "n", "--"] {
            assert!(!text(value).is_blank(), "{value:?}");
        }
        assert!(text("NaN").is_no_number() && Cell::Float(f64::NAN).is_no_number());
        assert!(!Cell::Float(0.0).is_no_number());
    }
}
