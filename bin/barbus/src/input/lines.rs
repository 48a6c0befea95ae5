//! Lines of a text input, with their numbers.
//!
//! Line feeds and CR LF end a line; the last line may lack its end. A byte order mark before the first line is
//! skipped. A line longer than [`MAX_LINE_BYTES`] is cut there and marked. When reading fails, the lines before are
//! given first, and the piece of a line that came before the failure is marked as not whole.

use std::io::{self, BufRead};

/// Longest line that is kept, in bytes.
pub(crate) const MAX_LINE_BYTES: usize = 1 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How a line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// It is all there.
    Whole,
    /// It was longer than [`MAX_LINE_BYTES`]; the rest has been skipped.
    TooLong,
    /// The input failed in its middle.
    Torn,
}

/// A reader of lines.
pub(crate) struct Lines<R> {
    reader: R,
    text: Vec<u8>,
    number: u64,
    failure: Option<io::Error>,
}

impl<R: BufRead> Lines<R> {
    /// Lines of `reader`.
    pub(crate) fn new(reader: R) -> Lines<R> {
        Lines { reader, text: Vec::with_capacity(256), number: 0, failure: None }
    }

    /// The number of the line in [`Lines::text`], counted from one; 0 before the first.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The line last read, without its end.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Reads the next line that is not blank; `None` at the end of the input.
    ///
    /// # Errors
    /// What reading gives, after everything before has been given.
    pub(crate) fn advance(&mut self) -> io::Result<Option<Line>> {
        loop {
            let Some(line) = self.read()? else {
                return Ok(None);
            };
            if line == Line::TooLong || !self.text.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }

    /// Has `take` look at what is there, from the beginning of a line on. It says how many bytes it took, and how many lines these are: whole
    /// ones, none of them blank.
    pub(crate) fn take(&mut self, take: impl FnOnce(&[u8]) -> (usize, usize)) {
        if self.failure.is_some() {
            return;
        }
        match self.reader.fill_buf() {
            Ok(bytes) => {
                // No line is longer.
                let (used, lines) = take(&bytes[..bytes.len().min(MAX_LINE_BYTES)]);
                self.reader.consume(used);
                self.number += lines as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Told instead of the next line.
            Err(error) => self.failure = Some(error),
        }
    }

    fn read(&mut self) -> io::Result<Option<Line>> {
        self.text.clear();
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let mut line = Line::Whole;
        let mut ended = false;
        while !ended {
            let chunk = match self.reader.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if self.text.is_empty() => return Err(error),
                Err(error) => {
                    self.failure = Some(error);
                    line = Line::Torn;
                    break;
                }
            };
            if chunk.is_empty() {
                if self.text.is_empty() {
                    return Ok(None);
                }
                break;
            }
            let end = memchr::memchr(b'\n', chunk);
            let piece = &chunk[..end.unwrap_or(chunk.len())];
            let room = MAX_LINE_BYTES - self.text.len();
            if piece.len() > room {
                line = Line::TooLong;
            }
            self.text.extend_from_slice(&piece[..piece.len().min(room)]);
            let used = piece.len() + usize::from(end.is_some());
            self.reader.consume(used);
            ended = end.is_some();
        }
        if self.text.last() == Some(&b'\r') {
            self.text.pop();
        }
        if self.number == 0 && self.text.starts_with(BYTE_ORDER_MARK) {
            self.text.drain(..BYTE_ORDER_MARK.len());
        }
        self.number += 1;
        Ok(Some(line))
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
    fn ends_marks_and_blank_lines() {
        let found = all(b"\xEF\xBB\xBFa,b\r\n\r\n  \n1,2\nlong enough for two buffers");
        let expected = [(1, "a,b"), (4, "1,2"), (5, "long enough for two buffers")];
        let expected = expected.map(|(n, text)| (n, text.to_owned(), Line::Whole));
        assert_eq!(found, expected);
        assert_eq!(all(b""), []);
        assert_eq!(all(b"\n\n"), []);
    }

    #[test]
    fn a_very_long_line_is_cut_and_the_next_one_is_whole() {
        let mut bytes = vec![b'x'; MAX_LINE_BYTES + 100];
        bytes.extend_from_slice(b"\nnext\n");
        let found = all(&bytes);
        assert_eq!(found[0].1.len(), MAX_LINE_BYTES);
        assert_eq!(found[0].2, Line::TooLong);
        assert_eq!(found[1], (2, "next".to_owned(), Line::Whole));
    }

    struct Failing;

    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    #[test]
    fn a_failure_comes_after_what_was_read() {
        let mut lines = Lines::new(BufReader::new((&b"one\n12"[..]).chain(Failing)));
        assert_eq!(lines.advance().unwrap(), Some(Line::Whole));
        assert_eq!(lines.advance().unwrap(), Some(Line::Torn));
        assert_eq!(lines.text(), b"12");
        assert_eq!(lines.advance().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn lines_that_are_taken_are_counted() {
        let mut lines = Lines::new(BufReader::with_capacity(8, (&b"1\n2\n345\n6\n"[..]).chain(Failing)));
        lines.take(|bytes| {
            assert_eq!(bytes, b"1\n2\n345\n");
            (4, 2)
        });
        assert_eq!(lines.advance().unwrap(), Some(Line::Whole));
        assert_eq!((lines.number(), lines.text()), (3, &b"345"[..]));
        lines.take(|bytes| (bytes.len(), 1));
        lines.take(|_| unreachable!("there is only a failure"));
        lines.take(|_| unreachable!("there is only a failure"));
        assert_eq!(lines.number(), 4);
        assert_eq!(lines.advance().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
