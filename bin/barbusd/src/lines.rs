//! Lines of JSON to and from a connection.

use serde::Serialize;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest request, bytes.
const MAX_LINE: u64 = 64 * 1024;

/// The next line, without its end; `None` where the peer has nothing more to say. `Err` is what is wrong with it.
pub(crate) async fn read(reader: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<Vec<u8>>, String> {
    let mut line = Vec::new();
    reader.take(MAX_LINE).read_until(b'\n', &mut line).await.map_err(|error| error.to_string())?;
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
pub(crate) async fn write(writer: &mut (impl AsyncWrite + Unpin), value: &impl Serialize) -> std::io::Result<()> {
    writer.write_all(&line(value)).await
}
