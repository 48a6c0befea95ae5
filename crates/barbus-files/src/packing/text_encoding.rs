//! The encodings of texts: UTF-8, and others on the way to UTF-8.

use std::io::{self, Read};

use encoding_rs::{CoderResult, Decoder, Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};

/// The encoding of this name.
pub fn named(name: &str) -> Option<&'static Encoding> {
    Encoding::for_label(name.as_bytes())
}

/// What the first bytes of a text say about its encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detected {
    /// UTF-8, or ASCII.
    Utf8,
    /// Another encoding, certainly.
    Known(&'static Encoding),
    /// Not UTF-8; perhaps this encoding.
    Perhaps(Option<&'static Encoding>),
}

/// The encoding of a text that begins with `head`.
pub(crate) fn detect(head: &[u8]) -> Detected {
    if let Some((encoding, _)) = Encoding::for_bom(head) {
        return if encoding == UTF_8 { Detected::Utf8 } else { Detected::Known(encoding) };
    }
    let zeros = |odd: usize| head.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let half = head.len() / 2;
    if half >= 4 && zeros(1) * 10 >= half * 9 && zeros(0) == 0 {
        return Detected::Known(UTF_16LE);
    }
    if half >= 4 && zeros(0) * 10 >= half * 9 && zeros(1) == 0 {
        return Detected::Known(UTF_16BE);
    }
    match std::str::from_utf8(head) {
        Ok(_) => Detected::Utf8,
        // The head may end in the middle of a character.
        Err(error) if error.error_len().is_none() => Detected::Utf8,
        Err(_) => Detected::Perhaps(is_chinese(head).then_some(GB18030)),
    }
}

/// Whether bytes can be read as GBK and give Chinese characters.
fn is_chinese(head: &[u8]) -> bool {
    let end = head.iter().rposition(|byte| *byte == b'\n').unwrap_or(head.len());
    // A common character has two high bytes; in Western encodings a high byte is among ASCII.
    let (mut pairs, mut alone, mut at) = (0, 0, 0);
    while at < end {
        let high = |at: usize| head.get(at).is_some_and(|byte| *byte >= 0xA1);
        match (high(at), high(at + 1)) {
            (true, true) => (pairs, at) = (pairs + 1, at + 2),
            (is_high, _) => (alone, at) = (alone + usize::from(is_high), at + 1),
        }
    }
    if alone > pairs {
        return false;
    }
    let (text, malformed) = GB18030.decode_without_bom_handling(&head[..end]);
    !malformed && text.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter))
}

/// A text decoded at once; malformed bytes become U+FFFD.
pub(crate) fn decode(encoding: &'static Encoding, bytes: &[u8]) -> Vec<u8> {
    encoding.decode(bytes).0.into_owned().into_bytes()
}

/// A reader that gives UTF-8.
pub(crate) struct Transcoder<R> {
    reader: R,
    decoder: Decoder,
    input: Buffer,
    output: Buffer,
    ended: bool,
    finished: bool,
}

/// Bytes of which some are used.
struct Buffer {
    bytes: Vec<u8>,
    used: usize,
    filled: usize,
}

impl Buffer {
    fn new() -> Buffer {
        Buffer { bytes: vec![0; BUFFER_BYTES], used: 0, filled: 0 }
    }

    fn is_used(&self) -> bool {
        self.used == self.filled
    }
}

const BUFFER_BYTES: usize = 64 * 1024;

impl<R: Read> Transcoder<R> {
    pub(crate) fn new(reader: R, encoding: &'static Encoding) -> Transcoder<R> {
        let decoder = encoding.new_decoder();
        Transcoder { reader, decoder, input: Buffer::new(), output: Buffer::new(), ended: false, finished: false }
    }

    /// Decodes some bytes into the empty output; leaves it empty at the end.
    fn decode(&mut self) -> io::Result<()> {
        loop {
            if self.input.is_used() && !self.ended {
                self.input.filled = self.reader.read(&mut self.input.bytes)?;
                self.input.used = 0;
                self.ended = self.input.filled == 0;
            }
            let source = &self.input.bytes[self.input.used..self.input.filled];
            let (result, read, written, _) = self.decoder.decode_to_utf8(source, &mut self.output.bytes, self.ended);
            self.input.used += read;
            (self.output.used, self.output.filled) = (0, written);
            // A decoder that has finished must not be used again.
            self.finished = self.ended && result == CoderResult::InputEmpty;
            if written > 0 || self.finished {
                return Ok(());
            }
        }
    }
}

impl<R: Read> Read for Transcoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.output.is_used() && !self.finished && !buffer.is_empty() {
            self.decode()?;
        }
        let bytes = (&self.output.bytes[self.output.used..self.output.filled]).read(buffer)?;
        self.output.used += bytes;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use encoding_rs::GBK;

    use super::*;

    #[test]
    fn encodings_are_told_by_marks_zeros_and_characters() {
        let header = "日期,时间,开盘\n2023/05/09,0931,1\n";
        let (gbk, _, _) = GBK.encode(header);
        assert_eq!(detect(header.as_bytes()), Detected::Utf8);
        assert_eq!(detect(b"\xEF\xBB\xBFa"), Detected::Utf8);
        assert_eq!(detect(&header.as_bytes()[..4]), Detected::Utf8, "cut in a character");
        assert_eq!(detect(&gbk), Detected::Perhaps(Some(GB18030)));
        assert_eq!(detect(b"caf\xE9,1\n"), Detected::Perhaps(None));
        assert_eq!(detect(b"Er\xF6ffnung;H\xF6chst\n"), Detected::Perhaps(None));
        let utf16: Vec<u8> = "symbol,time".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(detect(&utf16), Detected::Known(UTF_16LE));
        assert_eq!(detect(b"\xFE\xFF\0a"), Detected::Known(UTF_16BE));
    }

    #[test]
    fn a_text_of_any_encoding_is_read_as_utf_8() {
        let text = "代码,日期\n".repeat(20_000);
        let (gbk, _, _) = GBK.encode(&text);
        let mut read = String::new();
        Transcoder::new(Cursor::new(gbk.into_owned()), GB18030).read_to_string(&mut read).unwrap();
        assert!(read == text);
        let utf16: Vec<u8> = [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let mut read = String::new();
        let mut transcoder = Transcoder::new(Cursor::new(utf16), UTF_16LE);
        transcoder.read_to_string(&mut read).unwrap();
        assert!(read == text);
        assert_eq!(transcoder.read(&mut [0; 8]).unwrap(), 0, "the end is reported again");
    }
}
