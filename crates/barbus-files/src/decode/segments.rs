//! Cuts a text into segments whose records can be read independently of each other.
//!
//! A record may go on over further lines, so not every end of a line is the end of a record.
//! A segment ends where each of the last lines ends its quoted fields itself: no record that begins
//! before goes on behind, and no search for the end of one looks behind.

use std::io::{self, BufRead, ErrorKind, Read};

use memchr::{memchr, memchr_iter, memrchr};

use super::csv::MAX_RECORD_LINES;
use super::csv_fields::CsvFields;
use super::lines::without_byte_order_mark;

/// Most bytes of a segment. Its bars take about twice as many, and together they fit into a cache.
pub(crate) const SEGMENT_BYTES: usize = 256 * 1024;
/// Most lines of a segment: each may become a reject, which is larger than a short line.
const SEGMENT_LINES: usize = 16 * 1024;

/// Some lines of a text.
#[derive(Debug, Default)]
pub(crate) struct Segment {
    pub(crate) text: Vec<u8>,
    /// The number of lines before it.
    pub(crate) lines_before: u64,
    /// Why reading failed behind the text.
    pub(crate) failure: Option<io::Error>,
}

/// What follows in a text.
#[derive(Debug)]
pub(crate) enum Cut {
    /// A segment, behind which there may be another one.
    Segment(Segment),
    /// The last segment.
    Last(Segment),
    /// The beginning of a text that has no place for a cut: the rest is in the reader.
    Uncut(Segment),
}

/// Cuts the text of a reader.
pub(crate) struct Segments<R> {
    reader: R,
    /// Most bytes of a segment.
    bytes: usize,
    /// The bytes behind the last cut.
    rest: Vec<u8>,
    lines_before: u64,
    /// What the end of the reader was, if it was reached.
    end: Option<io::Result<()>>,
    fields: CsvFields,
}

impl<R: Read> Segments<R> {
    /// The segments of `reader`, each of at most `bytes` bytes. Fields are separated by
    /// `delimiter`.
    pub(crate) fn new(reader: R, delimiter: u8, bytes: usize) -> Segments<R> {
        let fields = CsvFields::new(delimiter);
        Segments { reader, bytes, rest: Vec::new(), lines_before: 0, end: None, fields }
    }

    /// The reader of what was not cut.
    pub(crate) fn into_reader(self) -> R {
        self.reader
    }

    /// The next segment. Its text is put into `text`, whose content is lost.
    pub(crate) fn next(&mut self, mut text: Vec<u8>) -> Cut {
        let mut filled = self.rest.len();
        text.resize(filled.max(self.bytes), 0);
        text[..filled].copy_from_slice(&self.rest);
        self.rest.clear();
        while self.end.is_none() && filled < self.bytes {
            match self.reader.read(&mut text[filled..]) {
                Ok(0) => self.end = Some(Ok(())),
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.end = Some(Err(error)),
            }
        }
        text.truncate(filled);
        let lines_before = self.lines_before;
        let lines = count_lines(&text);
        let end = match &self.end {
            Some(_) if lines <= SEGMENT_LINES => {
                let failure = self.end.take().and_then(Result::err);
                return Cut::Last(Segment { text, lines_before, failure });
            }
            _ if lines > SEGMENT_LINES => memchr_iter(b'\n', &text).nth(SEGMENT_LINES - 1),
            _ => memrchr(b'\n', &text),
        };
        let end = self.end_of_records(&text[..end.map_or(0, |last| last + 1)]);
        if end == 0 {
            let failure = self.end.take().and_then(Result::err);
            return Cut::Uncut(Segment { text, lines_before, failure });
        }
        self.rest.extend_from_slice(&text[end..]);
        text.truncate(end);
        self.lines_before += (lines - count_lines(&self.rest)) as u64;
        Cut::Segment(Segment { text, lines_before, failure: None })
    }

    /// The last end of a line in `text` that no record spans; 0 if there is none. The text ends
    /// with a line.
    fn end_of_records(&mut self, text: &[u8]) -> usize {
        let mut end = text.len();
        while let Some(open) = self.open_line(&text[..end]) {
            end = open;
        }
        end
    }

    /// Where the last line begins that does not end its quoted fields, if it is so near that a
    /// record which begins there may go on behind `text`.
    fn open_line(&mut self, text: &[u8]) -> Option<usize> {
        let mut end = text.len();
        for _ in 1..MAX_RECORD_LINES {
            let line = &text[..end.checked_sub(1)?];
            let start = memrchr(b'\n', line).map_or(0, |before| before + 1);
            let mut line = &line[start..];
            line = line.strip_suffix(b"\r").unwrap_or(line);
            if self.lines_before == 0 && start == 0 {
                line = without_byte_order_mark(line);
            }
            if memchr(b'"', line).is_some() && !self.fields.split(line) {
                return Some(start);
            }
            end = start;
        }
        None
    }
}

fn count_lines(text: &[u8]) -> usize {
    memchr_iter(b'\n', text).count()
}

/// Reads a segment.
#[derive(Debug, Default)]
pub(crate) struct SegmentReader {
    segment: Segment,
    used: usize,
}

impl SegmentReader {
    pub(crate) fn new(segment: Segment) -> SegmentReader {
        SegmentReader { segment, used: 0 }
    }

    pub(crate) fn text(&self) -> &[u8] {
        &self.segment.text
    }

    /// The number of bytes of the text that were read.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    pub(crate) fn into_segment(self) -> Segment {
        self.segment
    }
}

impl BufRead for SegmentReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let unused = &self.segment.text[self.used..];
        match self.segment.failure.take_if(|_| unused.is_empty()) {
            Some(failure) => Err(failure),
            None => Ok(unused),
        }
    }

    fn consume(&mut self, bytes: usize) {
        self.used += bytes;
    }
}

impl Read for SegmentReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?.read(buffer)?;
        self.consume(bytes);
        Ok(bytes)
    }
}
