//! The lines of a text input, with their numbers.
//!
//! A line ends with a line feed or CR LF; the last line may lack its end.
//! A byte order mark before the first line is skipped.
//! A line longer than [`MAX_LINE_BYTES`] is cut there and marked.
//! When reading fails, the complete lines before the failure are returned first, then the beginning
//! of the line that the failure interrupted, marked as truncated, then the failure.

use std::collections::VecDeque;
use std::io::{self, BufRead, ErrorKind};

use memchr::memchr;

/// Longest line that is kept, in bytes.
pub(crate) const MAX_LINE_BYTES: usize = 1 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How much of a line is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// All of it.
    Complete,
    /// Its first [`MAX_LINE_BYTES`]; the rest is skipped.
    TooLong,
    /// Its beginning: reading failed before its end.
    Truncated,
}

impl Line {
    /// Why the line is not a row; `None` if it may be one.
    pub(crate) fn problem(self) -> Option<&'static str> {
        match self {
            Line::Complete => None,
            Line::TooLong => Some("the line is too long; only its beginning is kept"),
            // Its beginning may look like a row: 123 of 12345.
            Line::Truncated => Some("the input ends in the middle of this line"),
        }
    }
}

/// A first line without the mark that some programs put before it.
pub(crate) fn without_byte_order_mark(line: &[u8]) -> &[u8] {
    line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line)
}

/// Reads lines.
pub(crate) struct Lines<R> {
    reader: R,
    text: Vec<u8>,
    /// The number of the line in `text`.
    number: u64,
    /// The number of the last line that was read.
    last: u64,
    /// The failure that truncated the last line.
    failure: Option<io::Error>,
    /// Lines that were read ahead and given back, each with its number.
    ahead: VecDeque<(u64, Line, Vec<u8>)>,
}

impl<R: BufRead> Lines<R> {
    /// The lines of `reader`.
    pub(crate) fn new(reader: R) -> Lines<R> {
        Lines::behind(0, reader)
    }

    /// The lines of `reader`, which begins behind `number` lines of the input.
    pub(crate) fn behind(number: u64, reader: R) -> Lines<R> {
        let text = Vec::with_capacity(256);
        Lines { reader, text, number, last: number, failure: None, ahead: VecDeque::new() }
    }

    /// The reader, without lines that were given back.
    pub(crate) fn into_reader(self) -> R {
        self.reader
    }

    /// The reader of the next line; `None` where lines were given back.
    pub(crate) fn reader(&self) -> Option<&R> {
        (self.ahead.is_empty() && self.failure.is_none()).then_some(&self.reader)
    }

    /// Skips some lines of this many bytes.
    pub(crate) fn skip(&mut self, lines: u64, bytes: usize) {
        self.reader.consume(bytes);
        self.last += lines;
        self.number = self.last;
    }

    /// The number of the line in [`Lines::text`], counted from one; 0 before the first.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The line last read, without its end.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Replaces the current line, which is then `text`.
    pub(crate) fn set_text(&mut self, number: u64, text: Vec<u8>) {
        (self.number, self.text) = (number, text);
    }

    /// The last line that was read as a place in messages: `at line 17`.
    pub(crate) fn place(&self) -> String {
        match self.last {
            0 => "before the first line".to_owned(),
            number => format!("at line {number}"),
        }
    }

    /// Reads the next line that is not blank; `None` at the end of the input.
    ///
    /// # Errors
    /// The error of the reader, after all lines before it.
    pub(crate) fn advance(&mut self) -> io::Result<Option<Line>> {
        loop {
            match self.read()? {
                None => return Ok(None),
                Some(line) if line == Line::TooLong || !self.text.trim_ascii().is_empty() => return Ok(Some(line)),
                Some(_) => {}
            }
        }
    }

    /// Reads the next line, blank or not; `None` at the end of the input.
    ///
    /// # Errors
    /// As [`Lines::advance`].
    pub(crate) fn advance_any(&mut self) -> io::Result<Option<Line>> {
        self.read()
    }

    /// Returns `failure` again after the lines that were given back.
    pub(crate) fn postpone(&mut self, failure: io::Error) {
        self.failure = Some(failure);
    }

    /// Gives lines back, each with its number: [`Lines::advance`] returns them again.
    pub(crate) fn give_back(&mut self, lines: Vec<(u64, Line, Vec<u8>)>) {
        for line in lines.into_iter().rev() {
            self.ahead.push_front(line);
        }
    }

    fn read(&mut self) -> io::Result<Option<Line>> {
        if let Some((number, line, text)) = self.ahead.pop_front() {
            (self.number, self.text) = (number, text);
            return Ok(Some(line));
        }
        self.text.clear();
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let mut line = Line::Complete;
        if let Err(error) = self.read_line(MAX_LINE_BYTES + 1) {
            if self.text.is_empty() {
                return Err(error);
            }
            self.failure = Some(error);
            line = Line::Truncated;
        } else if self.text.is_empty() {
            return Ok(None);
        }
        if self.text.last() == Some(&b'\n') {
            self.text.pop();
        } else if self.text.len() > MAX_LINE_BYTES {
            self.text.truncate(MAX_LINE_BYTES);
            line = Line::TooLong;
            if let Err(error) = self.reader.skip_until(b'\n') {
                self.failure = Some(error);
                line = Line::Truncated;
            }
        }
        if self.text.last() == Some(&b'\r') {
            self.text.pop();
        }
        if self.last == 0 && self.text.starts_with(BYTE_ORDER_MARK) {
            self.text.drain(..BYTE_ORDER_MARK.len());
        }
        self.last += 1;
        self.number = self.last;
        Ok(Some(line))
    }

    /// Appends to the text up to the next line feed, which is included, or up to `most` bytes.
    fn read_line(&mut self, most: usize) -> io::Result<()> {
        while self.text.len() < most {
            let bytes = match self.reader.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                bytes => bytes?,
            };
            let bytes = &bytes[..bytes.len().min(most - self.text.len())];
            let found = memchr(b'\n', bytes);
            let used = found.map_or(bytes.len(), |at| at + 1);
            self.text.extend_from_slice(&bytes[..used]);
            self.reader.consume(used);
            if found.is_some() || used == 0 {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use super::*;

    fn all(bytes: &[u8]) -> Vec<(u64, String, Line)> {
        let mut lines = Lines::new(BufReader::with_capacity(7, bytes));
        let mut found = Vec::new();
        while let Some(line) = lines.advance().unwrap() {
            let text = String::from_utf8(lines.text().to_vec()).unwrap();
            found.push((lines.number(), text, line));
        }
        found
    }

    #[test]
    fn line_ends_byte_order_marks_and_blank_lines_are_skipped() {
        let found = all(b"\xEF\xBB\xBFa,b\r\n\r\n  \n1,2\nlong enough for two buffers");
        let expected = [(1, "a,b"), (4, "1,2"), (5, "long enough for two buffers")];
        let expected = expected.map(|(n, text)| (n, text.to_owned(), Line::Complete));
        assert_eq!(found, expected);
        assert_eq!(all(b""), []);
        assert_eq!(all(b"\n\n"), []);
    }

    #[test]
    fn a_very_long_line_is_cut_and_the_next_one_is_complete() {
        let mut bytes = vec![b'x'; MAX_LINE_BYTES + 100];
        bytes.extend_from_slice(b"\nnext\n");
        let found = all(&bytes);
        assert_eq!(found[0].1.len(), MAX_LINE_BYTES);
        assert_eq!(found[0].2, Line::TooLong);
        assert_eq!(found[1], (2, "next".to_owned(), Line::Complete));
        // The longest line that is kept as a whole.
        let mut bytes = vec![b'x'; MAX_LINE_BYTES];
        bytes.extend_from_slice(b"\nnext");
        let found = all(&bytes);
        assert_eq!((found[0].1.len(), found[0].2), (MAX_LINE_BYTES, Line::Complete));
        assert_eq!(found[1], (2, "next".to_owned(), Line::Complete));
    }

    struct Failing;

    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    #[test]
    fn a_failure_is_returned_after_the_lines_before_it() {
        let mut lines = Lines::new(BufReader::new((&b"one\n12"[..]).chain(Failing)));
        assert_eq!(lines.advance().unwrap(), Some(Line::Complete));
        assert_eq!(lines.advance().unwrap(), Some(Line::Truncated));
        assert_eq!(lines.text(), b"12");
        assert_eq!(lines.advance().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let text = [vec![b'x'; MAX_LINE_BYTES + 9], b"y".to_vec()].concat();
        let mut lines = Lines::new(BufReader::new((&text[..]).chain(Failing)));
        assert_eq!(lines.advance().unwrap(), Some(Line::Truncated));
        assert_eq!(lines.text().len(), MAX_LINE_BYTES);
        assert_eq!(lines.advance().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
