//! Lines of CSV as nearly all are: no quotes, no blanks around fields, every value there.
//!
//! They are read where they lie, many in one go: first where all of their fields end, then column by column, so that no field waits for the one
//! before it. A line that is anything else, also a faulty one, is left to the parser that knows all of what a line may be, and that says what is
//! wrong: a line that is taken here, that one would take for the same bar.

use barbus_bars::FrameReader;

use super::decimal::{Decimal, decimal};
use super::field_ends::FieldEnds;
use super::rows::{Column, Rows, Symbols};

/// Lines that are read together at most: their text and their bars stay in the nearest cache.
const MOST_TOGETHER: usize = 128;

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
    roles: Vec<Role>,
    ends: FieldEnds,
    /// Lines that are looked at together: one behind a line that was not plain, twice as many each time that all were.
    together: usize,
}

impl PlainRows {
    /// For lines whose columns are `roles`, one after the other.
    pub(super) fn new(delimiter: u8, roles: Vec<Role>) -> PlainRows {
        let ends = FieldEnds::new(delimiter, roles.len());
        PlainRows { roles, ends, together: MOST_TOGETHER }
    }

    /// Adds the lines that `bytes` begin with, `most` at most, up to the first that is not plain, or not all there: how many bytes they have,
    /// and how many they are.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        most: usize,
        frames: &mut FrameReader,
        rows: &mut Rows,
    ) -> (usize, usize) {
        let (mut used, mut lines) = (0, 0);
        while lines < most {
            let wanted = self.together.min(most - lines);
            let found = self.ends.find(bytes, used, wanted);
            let taken = self.lines(bytes, found, frames, rows);
            if taken > 0 {
                used = self.ends.line_end(taken - 1) + 1;
                lines += taken;
            }
            if taken < wanted {
                // Nearly always the bytes are at their end; else all of the file's lines may be so.
                if self.ends.has_more_than(taken) {
                    self.together = 1;
                }
                break;
            }
            self.together = (2 * self.together).min(MOST_TOGETHER);
        }
        (used, lines)
    }

    /// Adds those of the first `lines` that were found, up to the first that is not plain: how many.
    fn lines(&self, bytes: &[u8], lines: usize, frames: &mut FrameReader, rows: &mut Rows) -> usize {
        let plain = self.roles.iter().enumerate().filter(|(_, role)| **role == Role::Unused);
        let lines = plain.fold(lines, |lines, (column, _)| {
            let plain = |field: &[u8]| field.is_empty() || is_plain(field);
            self.ends.fields(bytes, column, lines).take_while(|&(start, end)| plain(&bytes[start..end])).count()
        });
        rows.extend(lines, |column| match column {
            Column::Frames(values) => {
                let fields = self.fields(bytes, Role::Frame, values.len());
                set(values, fields.map(|(start, end)| frame(bytes, start, end, frames)))
            }
            Column::Number(i, values) => {
                let fields = self.fields(bytes, Role::Number(i), values.len());
                set_numbers(values, fields.map(|(start, end)| number(bytes, start, end)))
            }
            Column::Optional(i, values, present) => {
                if !self.roles.contains(&Role::Optional(i)) {
                    return values.len();
                }
                let fields = || self.fields(bytes, Role::Optional(i), values.len());
                set(present, fields().map(|(start, end)| Some(start < end)));
                let value = |start, end| if start < end { number(bytes, start, end) } else { Some(Decimal::ZERO) };
                set_numbers(values, fields().map(|(start, end)| value(start, end)))
            }
            Column::Symbols(symbols, keys) => {
                let fields = self.fields(bytes, Role::Symbol, keys.len());
                set(keys, fields.map(|(start, end)| symbol(&bytes[start..end], symbols)))
            }
        })
    }

    /// Where the fields of the column that is `role` begin and end.
    #[inline(always)]
    fn fields<'a>(&'a self, bytes: &'a [u8], role: Role, lines: usize) -> impl Iterator<Item = (usize, usize)> + 'a {
        let column = self.roles.iter().position(|&other| other == role);
        self.ends.fields(bytes, column.unwrap_or(0), if column.is_some() { lines } else { 0 })
    }
}

/// Sets values up to the first that is none: how many.
#[inline(always)]
fn set<T>(values: &mut [T], from: impl Iterator<Item = Option<T>>) -> usize {
    let mut count = 0;
    for (value, from) in values.iter_mut().zip(from) {
        let Some(from) = from else { break };
        *value = from;
        count += 1;
    }
    count
}

/// As [`set`]. One division after the other would take most of the time: several are made at once.
#[inline(always)]
fn set_numbers(values: &mut [f64], from: impl Iterator<Item = Option<Decimal>>) -> usize {
    let mut powers = [1.0; MOST_TOGETHER];
    let mut count = 0;
    for ((value, power), from) in values.iter_mut().zip(&mut powers).zip(from) {
        let Some(from) = from else { break };
        (*value, *power) = (from.mantissa, from.power);
        count += 1;
    }
    values.iter_mut().zip(&powers).for_each(|(value, power)| *value /= power);
    count
}

#[inline(always)]
fn symbol(name: &[u8], symbols: &mut Symbols) -> Option<i32> {
    // Also of the name before: one that was in quotes may look as if it were to be trimmed.
    if !is_plain(name) {
        return None;
    }
    symbols.same(name).or_else(|| Some(symbols.key(std::str::from_utf8(name).ok()?)))
}

#[inline(always)]
fn frame(bytes: &[u8], start: usize, end: usize, frames: &mut FrameReader) -> Option<i64> {
    match frames.read_prefix(&bytes[start..end]) {
        Some((ms, length)) if length == end - start => Some(ms),
        _ => other_frame(&bytes[start..end], frames),
    }
}

/// The first time of a day, or one that is written in another way.
#[cold]
fn other_frame(field: &[u8], frames: &mut FrameReader) -> Option<i64> {
    if !is_plain(field) {
        return None;
    }
    frames.read(std::str::from_utf8(field).ok()?).ok()
}

#[inline(always)]
fn number(bytes: &[u8], start: usize, end: usize) -> Option<Decimal> {
    decimal(bytes, start, end).or_else(|| other_number(&bytes[start..end]).map(Decimal::of))
}

/// A number with a sign or an exponent, or of many digits.
#[cold]
fn other_number(field: &[u8]) -> Option<f64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Whether a field has text, without a quote before it or blanks around it.
#[inline]
fn is_plain(field: &[u8]) -> bool {
    let (Some(first), Some(last)) = (field.first(), field.last()) else { return false };
    *first != b'"' && !first.is_ascii_whitespace() && !last.is_ascii_whitespace()
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;
    use proptest::sample::select;

    use super::super::csv::Csv;
    use super::super::input::Source;
    use super::super::testing::{bars, options};
    use super::super::{Parsed, Reject};

    /// A bar with its numbers' bits: not a number is not equal to itself.
    type Bits = (String, i64, [u64; 5], [Option<u64>; 2]);

    /// All that `text` gives by buffers of `capacity`, with the lines that are plain read together or not.
    fn read(text: &[u8], capacity: usize, plain: bool) -> (Vec<Bits>, Vec<Reject>) {
        let options = options();
        let csv = Csv::open("a.csv", BufReader::with_capacity(capacity, text), &options).unwrap();
        let mut csv = if plain { csv } else { csv.without_plain_rows() };
        let mut parsed = Parsed::new(&options.schema);
        while csv.read(&mut parsed).unwrap() {}
        let bits = bars(&parsed.bars.into_batch()).into_iter().map(|(symbol, frame_ms, numbers, optional)| {
            (symbol, frame_ms, numbers.map(f64::to_bits), optional.map(|value| value.map(f64::to_bits)))
        });
        (bits.collect(), parsed.rejects.into())
    }

    fn is_read_alike(text: &[u8], capacity: usize) -> Result<(), TestCaseError> {
        let shown = String::from_utf8_lossy(text);
        prop_assert_eq!(read(text, capacity, true), read(text, capacity, false), "{}", shown);
        Ok(())
    }

    const HEADERS: [&str; 4] = [
        "symbol,frame,open,high,low,close,volume,money,factor",
        "frame,open,high,low,close,volume,symbol",
        "id,factor,symbol,frame,open,high,low,close,volume,name",
        "symbol,frame,open,high,low,close,volume,id",
    ];

    const SYMBOLS: [&str; 14] = [
        "A",
        "A",
        "BB",
        " A",
        "A ",
        "\"A\"",
        "\" A\"",
        "\"\"\"A\"\"\"",
        "\"A,B\"",
        "A\"B",
        "",
        "\"\"",
        "\"A",
        "\u{a0}A",
    ];
    const FRAMES: [&str; 14] = [
        "2022-03-01 09:31",
        "2022-03-01 09:32",
        "2022-03-02T09:31:00",
        "2022-03-01T01:31:00Z",
        "\"2022-03-01 09:31\"",
        " 2022-03-01 09:31",
        "2022-03-01 09:31:00.000",
        "2022-03-01 09:31:00.0005",
        "2022-03-01 09:31:00+08:00",
        "1646098260",
        "20220301093100",
        "2022-02-30 09:31",
        "",
        "word",
    ];
    const NUMBERS: [&str; 30] = [
        "1",
        "9.27",
        "12345678",
        "123456789.125",
        "0.30000000000000004",
        "9007199254740993",
        "123456789012345678901234567890",
        "-1",
        "+1",
        "-0",
        "1e3",
        "1E-7",
        "1e400",
        ".5",
        "5.",
        ".",
        "1.2.3",
        "",
        " ",
        " 1",
        "1 ",
        "\t1",
        "\"1\"",
        "\"\"",
        "\"1,5\"",
        "NaN",
        "inf",
        "0x1",
        "1_000",
        "one",
    ];
    const OTHERS: [&str; 7] = ["", "x", " x", "\"x\"", "\"x,y\"", "\"", "x\"y"];
    const ENDS: [&str; 5] = ["\n", "\n", "\r\n", "\r\r\n", "\n\n"];

    /// A line of `header`'s columns; mostly one that is plain.
    fn line(header: &'static str) -> impl Strategy<Value = String> {
        let fields: Vec<BoxedStrategy<&'static str>> = header
            .split(',')
            .map(|name| {
                let (usual, all): (_, &'static [&'static str]) = match name {
                    "symbol" => ("A", &SYMBOLS),
                    "frame" => ("2022-03-01 09:31", &FRAMES),
                    "id" | "name" => ("7", &OTHERS),
                    _ => ("8.5", &NUMBERS),
                };
                prop_oneof![6 => Just(usual), 1 => select(all)].boxed()
            })
            .collect();
        let cut = prop_oneof![20 => Just(None), 1 => (0..60usize).prop_map(Some)];
        (fields, select(&ENDS[..]), cut).prop_map(|(fields, end, cut)| {
            let mut line = fields.join(",");
            if let Some(cut) = cut.filter(|&cut| line.is_char_boundary(cut)) {
                line.truncate(cut);
            }
            line + end
        })
    }

    proptest! {
        /// What is taken here is what the parser of all lines would have taken, and nothing else.
        #[test]
        fn lines_of_every_kind_are_read_alike(
            (header, lines) in select(&HEADERS[..])
                .prop_flat_map(|header| (Just(header), proptest::collection::vec(line(header), 0..40))),
            delimiter in select(&b",\t;|"[..]),
            begin in select(&["", "\u{feff}", "\n"][..]),
            unended in any::<bool>(),
            capacity in prop_oneof![1..400usize, Just(1 << 18)],
        ) {
            let mut text = format!("{begin}{header}\n{}", lines.concat()).into_bytes();
            text.iter_mut().filter(|byte| **byte == b',').for_each(|byte| *byte = delimiter);
            if unended {
                text.pop();
            }
            is_read_alike(&text, capacity)?;
        }

        #[test]
        fn bytes_of_every_kind_are_read_alike(
            mut text in proptest::collection::vec(line(HEADERS[0]), 1..20),
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            text.insert(0, String::new());
            let mut text = text.concat().into_bytes();
            for (place, byte) in changes {
                *place.get_mut(&mut text) = byte;
            }
            is_read_alike(&[HEADERS[0].as_bytes(), b"\n", &text].concat(), 1 << 18)?;
        }
    }

    #[test]
    fn a_name_that_was_in_quotes_is_not_taken_for_one_that_needs_them() {
        for (first, then) in [("\"\"\"A\"\"\"", "\"A\""), ("\" A\"", " A"), ("\"A \"", "A ")] {
            let line = |symbol: &str| format!("{symbol},2022-03-01 09:31,1,1,1,1,1,,\n");
            let text = format!("{}\n{}{}", HEADERS[0], line(first), line(then));
            is_read_alike(text.as_bytes(), 1 << 18).unwrap();
        }
    }
}
