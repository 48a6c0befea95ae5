//! Lines of JSON to and from a connection.

use std::io::{BufRead, Read, Write};

use serde::Serialize;

/// Longest request, bytes.
const MAX_LINE: u64 = 64 * 1024;

/// The next line, without its end; `None` where the peer has nothing more to say. `Err` is what is wrong with it.
pub(crate) fn read(reader: &mut impl BufRead) -> Result<Option<Vec<u8>>, String> {
    let mut line = Vec::new();
    reader.take(MAX_LINE).read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() as u64 + 1 == MAX_LINE => Err(format!("a request longer than {MAX_LINE} bytes")),
        Some(_) => Err("half a request: the line has no end".to_owned()),
    }
}

/// A value as a line.
pub(crate) fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("answers have string keys and finite numbers");
    line.push(b'\n');
    line
}

/// Sends a value as a line.
pub(crate) fn write(writer: &mut impl Write, value: &impl Serialize) -> std::io::Result<()> {
    writer.write_all(&line(value))
}
