//! Lines of CSV as nearly all are: no quotes, no blanks around fields, every value there.
//!
//! They are read where they lie, many in one go. A line that is anything else, also a faulty one, is left to the parser that knows all of what
//! a line may be, and that says what is wrong: a line that is taken here, that one would take for the same bar.

use barbus_bars::{FrameReader, MAX_OPTIONAL};

use super::decimal::decimal;
use super::rows::{NUMBERS, Rows};

/// What a column of the input is to a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Unused,
    Symbol,
    Frame,
    Number(usize),
    Optional(usize),
}

/// A reader of plain lines.
pub(super) struct PlainRows {
    delimiter: u8,
    roles: Vec<Role>,
    optional_columns: usize,
}

impl PlainRows {
    /// For lines whose columns are `roles`, one after the other.
    pub(super) fn new(delimiter: u8, roles: Vec<Role>, optional_columns: usize) -> PlainRows {
        PlainRows { delimiter, roles, optional_columns }
    }

    /// Adds the lines that `bytes` begin with, `most` at most, up to the first that is not plain, or not all there: how many bytes they have,
    /// and how many they are.
    pub(super) fn take(&self, bytes: &[u8], most: usize, frames: &mut FrameReader, rows: &mut Rows) -> (usize, usize) {
        let (mut used, mut lines) = (0, 0);
        while lines < most
            && let Some(end) = self.line(&bytes[used..], frames, rows)
        {
            used += end;
            lines += 1;
        }
        (used, lines)
    }

    /// Adds the line that `bytes` begin with, and says how long it is, its end included.
    #[inline]
    fn line(&self, bytes: &[u8], frames: &mut FrameReader, rows: &mut Rows) -> Option<usize> {
        let mut symbol: &[u8] = &[];
        let mut frame_ms = 0;
        let mut numbers = [0.0; NUMBERS];
        let mut optional = [None; MAX_OPTIONAL];
        let mut rest = bytes;
        let (last, before) = self.roles.split_last()?;
        for &role in before {
            let end = self.field(role, rest, &mut symbol, frames, &mut frame_ms, &mut numbers, &mut optional)?;
            if *rest.get(end)? != self.delimiter {
                return None;
            }
            rest = &rest[end + 1..];
        }
        let end = self.field(*last, rest, &mut symbol, frames, &mut frame_ms, &mut numbers, &mut optional)?;
        rest = match rest.get(end..)? {
            [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => rest,
            _ => return None,
        };
        rows.push_bytes(symbol, frame_ms, numbers, &optional[..self.optional_columns])?;
        Some(bytes.len() - rest.len())
    }

    /// Reads the field that `bytes` begin with, and says how long it is.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)] // The parts of one bar, each in a register or near it.
    fn field<'a>(
        &self,
        role: Role,
        bytes: &'a [u8],
        symbol: &mut &'a [u8],
        frames: &mut FrameReader,
        frame_ms: &mut i64,
        numbers: &mut [f64; NUMBERS],
        optional: &mut [Option<f64>; MAX_OPTIONAL],
    ) -> Option<usize> {
        match role {
            Role::Number(i) => {
                let (value, end) = self.number(bytes)?;
                numbers[i] = value;
                Some(end)
            }
            Role::Optional(_) if self.ends(*bytes.first()?) => Some(0),
            Role::Optional(i) => {
                let (value, end) = self.number(bytes)?;
                optional[i] = Some(value);
                Some(end)
            }
            Role::Frame => {
                if let Some((ms, end)) = frames.read_prefix(bytes)
                    && self.ends(*bytes.get(end)?)
                {
                    *frame_ms = ms;
                    return Some(end);
                }
                let text = self.text(bytes)?;
                *frame_ms = frames.read(std::str::from_utf8(text).ok()?).ok()?;
                Some(text.len())
            }
            Role::Symbol => {
                *symbol = self.text(bytes)?;
                Some(symbol.len())
            }
            Role::Unused if self.ends(*bytes.first()?) => Some(0),
            Role::Unused => Some(self.text(bytes)?.len()),
        }
    }

    /// Whether this byte ends a field.
    #[inline(always)]
    fn ends(&self, byte: u8) -> bool {
        byte == self.delimiter || byte == b'\n' || byte == b'\r'
    }

    #[inline(always)]
    fn number(&self, bytes: &[u8]) -> Option<(f64, usize)> {
        match decimal(bytes) {
            Some((value, end)) if self.ends(*bytes.get(end)?) => Some((value, end)),
            _ => self.other_number(bytes),
        }
    }

    /// A number with an exponent, or of many digits.
    #[cold]
    fn other_number(&self, bytes: &[u8]) -> Option<(f64, usize)> {
        let text = self.text(bytes)?;
        Some((std::str::from_utf8(text).ok()?.parse().ok()?, text.len()))
    }

    /// The field that `bytes` begin with, where it has text without a quote before it or blanks around it.
    #[inline(always)]
    fn text<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        const ONES: u64 = u64::from_le_bytes([1; 8]);
        const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
        // The lowest high bit that is set is that of the first byte that is `byte`.
        let marks = |word: u64, byte: u8| {
            let others = word ^ (ONES * u64::from(byte));
            others.wrapping_sub(ONES) & !others & HIGH
        };
        let mut end = 0;
        loop {
            let word = u64::from_le_bytes(*bytes.get(end..)?.first_chunk()?);
            let found = marks(word, self.delimiter) | marks(word, b'\n') | marks(word, b'\r');
            if found != 0 {
                end += found.trailing_zeros() as usize / 8;
                break;
            }
            end += 8;
        }
        let text = &bytes[..end];
        let (&first, &last) = (text.first()?, text.last()?);
        let plain = first != b'"' && !first.is_ascii_whitespace() && !last.is_ascii_whitespace();
        plain.then_some(text)
    }
}
