//! JSON lines on a connection: requests from the peer, and answers to it.

use std::io::{BufRead, Read, Write};

use serde::Serialize;

/// Longest request, bytes: a withdrawal may name the bars of thousands of symbols.
const MAX_LINE_BYTES: u64 = 4 * 1024 * 1024;

/// Reads the next line, without its end; `None` at the end of the stream.
///
/// # Errors
/// The line is too long or has no end. The text is an answer to the peer.
pub(crate) fn read(reader: &mut impl BufRead) -> Result<Option<Vec<u8>>, String> {
    let mut line = Vec::new();
    reader.take(MAX_LINE_BYTES).read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() as u64 + 1 == MAX_LINE_BYTES => {
            Err(format!("a request longer than {MAX_LINE_BYTES} bytes"))
        }
        Some(_) => Err("half a request: the line has no end".to_owned()),
    }
}

/// Encodes a value as one line.
pub(crate) fn encode(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("answers have string keys and finite numbers");
    line.push(b'\n');
    line
}

/// Writes a value as one line.
pub(crate) fn write(writer: &mut impl Write, value: &impl Serialize) -> std::io::Result<()> {
    writer.write_all(&encode(value))
}
