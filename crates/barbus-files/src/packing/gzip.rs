//! Unpacks gzip: any number of members, one behind the other.
//!
//! Zero bytes behind the last member are padding, as on a tape.
//! Other bytes there are an error: the file was damaged, or two files were joined.

use std::io::{BufRead, Error, ErrorKind, Read, Result};

use flate2::bufread::GzDecoder;

/// The first bytes of a member.
const MAGIC: &[u8] = b"\x1f\x8b";

/// The unpacked bytes of `R`.
pub(crate) struct GzipReader<R> {
    /// `None` after the last member.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> GzipReader<R> {
    pub(crate) fn new(reader: R) -> GzipReader<R> {
        GzipReader { member: Some(GzDecoder::new(reader)) }
    }
}

impl<R: BufRead> Read for GzipReader<R> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(bytes)?;
            if read > 0 || bytes.is_empty() {
                return Ok(read);
            }
            let reader = self.member.take().map(GzDecoder::into_inner);
            self.member = reader.map(next_member).transpose()?.flatten();
        }
        Ok(0)
    }
}

/// The member behind the one that was read, if there is one.
fn next_member<R: BufRead>(mut reader: R) -> Result<Option<GzDecoder<R>>> {
    let mut padding = false;
    loop {
        let ahead = reader.fill_buf()?;
        // A buffer may end behind the first byte of a member.
        let begins = |bytes: &[u8]| bytes.starts_with(MAGIC) || bytes == b"\x1f";
        match ahead {
            [] => return Ok(None),
            ahead if !padding && begins(ahead) => return Ok(Some(GzDecoder::new(reader))),
            ahead => {
                let zeros = ahead.iter().take_while(|byte| **byte == 0).count();
                if zeros < ahead.len() {
                    return Err(Error::new(ErrorKind::InvalidData, "bytes that are no gzip follow the gzip data"));
                }
                padding = true;
                reader.consume(zeros);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Cursor};

    use super::*;
    use crate::testing::gzip;

    fn unpacked(bytes: Vec<u8>, capacity: usize) -> Result<String> {
        let mut text = String::new();
        let reader = BufReader::with_capacity(capacity, Cursor::new(bytes));
        GzipReader::new(reader).read_to_string(&mut text).map(|_| text)
    }

    #[test]
    fn members_and_padding_are_read_and_garbage_is_named() {
        for capacity in [1, 7, 4_096] {
            let joined = [gzip("one "), gzip(""), gzip("two")].concat();
            assert_eq!(unpacked(joined.clone(), capacity).unwrap(), "one two");
            assert_eq!(unpacked([joined.clone(), vec![0; 600]].concat(), capacity).unwrap(), "one two");
            for garbage in [&b"garbage"[..], b"\0\0x", b"\x1e", b"\0\x1f\x8b"] {
                let error = unpacked([&joined[..], garbage].concat(), capacity).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidData, "{garbage:?}");
                assert!(error.to_string().contains("no gzip"), "{error}");
            }
            let error = unpacked(joined[..joined.len() - 3].to_vec(), capacity).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        }
    }
}
