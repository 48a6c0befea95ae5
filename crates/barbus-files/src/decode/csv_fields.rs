//! Splits one line of CSV into its fields.
//!
//! `csv-core` parses the fields of lines with quotes. This module adds three rules:
//! a quoted field ends on its own line, so that one stray quote costs one line and not the rest of
//! the file; blanks around a quoted field are not part of it; a field with text behind its closing
//! quote is kept as it is written, so that `"1"2` is not read as 12.

use csv_core::{ReadFieldResult, ReaderBuilder, Terminator};
use memchr::{memchr, memchr_iter};

/// The fields of one line at a time.
pub(crate) struct CsvFields {
    /// Built for the first line with a quote, which takes as long as splitting a thousand lines.
    parser: Option<csv_core::Reader>,
    delimiter: u8,
    /// The fields without their quotes, one behind the other.
    text: Vec<u8>,
    /// Where each field begins and ends in `text`.
    spans: Vec<(usize, usize)>,
}

impl CsvFields {
    /// For lines whose fields are separated by `delimiter`.
    pub(crate) fn new(delimiter: u8) -> CsvFields {
        CsvFields { parser: None, delimiter, text: Vec::new(), spans: Vec::new() }
    }

    /// Splits `line`, which is not empty and has no line feed; `false` when a quoted field does not
    /// end in it.
    pub(crate) fn split(&mut self, line: &[u8]) -> bool {
        self.spans.clear();
        if memchr(b'"', line).is_none() {
            self.split_unquoted(line);
            return true;
        }
        let mut parser = self.parser.take().unwrap_or_else(|| parser(self.delimiter));
        let ends = self.split_quoted(&mut parser, line);
        if !ends {
            parser.reset();
        }
        self.parser = Some(parser);
        ends
    }

    fn split_quoted(&mut self, parser: &mut csv_core::Reader, line: &[u8]) -> bool {
        // A text is never longer than its field; the parser needs room for one more byte.
        self.text.resize(line.len() + 1, 0);
        let (mut from, mut start) = (0, 0);
        loop {
            // The parser takes a quote for an opening one only at the very beginning of a field.
            let is_blank = |byte: &&u8| byte.is_ascii_whitespace() && **byte != self.delimiter;
            let blanks = line[from..].iter().take_while(is_blank).count();
            if line.get(from + blanks) == Some(&b'"') {
                from += blanks;
            }
            let Some((used, written, is_last)) = self.read_field(parser, &line[from..], start) else { return false };
            let field = &line[from..from + used];
            let field = if is_last { field } else { field.strip_suffix(&[self.delimiter]).unwrap_or(field) };
            let span = self.trimmed(field, start, start + written);
            self.spans.push(span);
            (from, start) = (from + used, span.1.max(start + written));
            if is_last {
                return true;
            }
        }
    }

    /// Splits a line without quotes at its delimiters, as most lines are.
    fn split_unquoted(&mut self, line: &[u8]) {
        self.text.clear();
        self.text.extend_from_slice(line);
        let mut start = 0;
        for end in memchr_iter(self.delimiter, line).chain([line.len()]) {
            let field = &line[start..end];
            let before = field.len() - field.trim_ascii_start().len();
            self.spans.push((start + before, start + before + field.trim_ascii().len()));
            start = end + 1;
        }
    }

    /// Reads the first field of `rest` into `text` from `start` on.
    ///
    /// Returns the length of the field with its delimiter, the number of bytes written, and whether
    /// the field is the last of its line; `None` when the field is quoted and does not end.
    fn read_field(&mut self, parser: &mut csv_core::Reader, rest: &[u8], start: usize) -> Option<(usize, usize, bool)> {
        let (mut used, mut written) = (0, 0);
        // The parser takes an empty input for the end of all input.
        if !rest.is_empty() {
            let (result, read, wrote) = parser.read_field(rest, &mut self.text[start..]);
            (used, written) = (read, wrote);
            if let ReadFieldResult::Field { .. } = result {
                return Some((used, written, false));
            }
        }
        let end = start + written;
        match parser.read_field(b"\n", &mut self.text[end..]) {
            (ReadFieldResult::Field { .. }, _, _) => Some((used, written, true)),
            _ => None,
        }
    }

    /// The span of a field whose text is between `start` and `end`, without blanks around it.
    ///
    /// `field` is the field as it is written.
    fn trimmed(&mut self, field: &[u8], start: usize, end: usize) -> (usize, usize) {
        let written = field.trim_ascii_end();
        if written.starts_with(b"\"") {
            if written.ends_with(b"\"") {
                // Blanks inside the quotes belong to the text.
                return (start, end - (field.len() - written.len()));
            }
            self.text[start..start + written.len()].copy_from_slice(written);
            return (start, start + written.len());
        }
        let text = &self.text[start..end];
        let before = text.len() - text.trim_ascii_start().len();
        (start + before, start + before + text.trim_ascii().len())
    }

    /// The number of fields.
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// The text of a field.
    pub(crate) fn get(&self, column: usize) -> &[u8] {
        let (start, end) = self.spans[column];
        &self.text[start..end]
    }
}

fn parser(delimiter: u8) -> csv_core::Reader {
    // The default also ends a record at a carriage return.
    ReaderBuilder::new().delimiter(delimiter).terminator(Terminator::Any(b'\n')).build()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The fields of a line; `None` where a quoted field does not end in it.
    fn split(line: &str) -> Option<Vec<String>> {
        let mut fields = CsvFields::new(b',');
        fields.split(line.as_bytes()).then(|| texts(&fields))
    }

    fn texts(fields: &CsvFields) -> Vec<String> {
        (0..fields.len()).map(|column| String::from_utf8(fields.get(column).to_vec()).unwrap()).collect()
    }

    #[test]
    fn quotes_blanks_and_empty_fields_are_split() {
        for (line, expected) in [
            ("a,b", &["a", "b"][..]),
            ("a,", &["a", ""]),
            (",", &["", ""]),
            (" a ,\tb\r", &["a", "b"]),
            ("  ,x", &["", "x"]),
            ("\"a\",\"b,c\"", &["a", "b,c"]),
            (" \"a\" , \"b,c\" ", &["a", "b,c"]),
            ("\" a \",x", &[" a ", "x"]),
            ("\"a\"\"b\"", &["a\"b"]),
            ("\"\"\"a\"\"\"", &["\"a\""]),
            ("\"\",\"\"\"\"", &["", "\""]),
            ("a\"b,c", &["a\"b", "c"]),
            ("\"1\"2,3,4", &["\"1\"2", "3", "4"]),
            ("\u{a0}a,\0", &["\u{a0}a", "\0"]),
        ] {
            assert_eq!(split(line).unwrap(), expected, "{line:?}");
        }
    }

    #[test]
    fn an_unclosed_quote_does_not_reach_the_next_line() {
        let mut fields = CsvFields::new(b';');
        for open in ["\"a", "a;\"b;c", "\"a\"\"", "\""] {
            assert!(!fields.split(open.as_bytes()), "{open:?}");
            assert!(fields.split(b"x;\"y\""));
            assert_eq!(texts(&fields), ["x", "y"]);
        }
    }

    proptest! {
        #[test]
        fn a_line_without_quotes_is_split_at_its_delimiters(line in "[a-c, \\t\\r\\x00\u{e9}]{1,40}") {
            let expected: Vec<&str> = line.split(',').map(str::trim_ascii).collect();
            prop_assert_eq!(split(&line).unwrap(), expected);
        }

        #[test]
        fn no_line_affects_the_next(line in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), Just(b',')], 0..40)) {
            let line: Vec<u8> = line.into_iter().filter(|byte| *byte != b'\n').collect();
            let mut fields = CsvFields::new(b',');
            fields.split(&line);
            prop_assert!(fields.split(b"x,\"y\",\"1\"2"));
            prop_assert_eq!(texts(&fields), ["x", "y", "\"1\"2"]);
        }
    }
}
