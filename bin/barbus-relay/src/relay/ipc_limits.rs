//! Checks a payload before Arrow decodes it: Arrow reserves the memory that a message states, and a
//! process that cannot have it is aborted.

use anyhow::{Context, bail};
use arrow::ipc::root_as_message;

/// Most bytes of all columns of a message together. 8,192 bars with six optional columns have less
/// than two megabytes.
const MAX_UNPACKED: u64 = 64 << 20;
/// Most rows of a batch or of a dictionary.
const MAX_ROWS: i64 = 1 << 20;
/// The first word of a packed buffer is its unpacked length; this value means "not packed".
const NOT_PACKED: i64 = -1;

/// Checks every message of an Arrow stream.
///
/// # Errors
/// It is not a stream, or a message states more than it may have.
pub(crate) fn check(mut stream: &[u8]) -> anyhow::Result<()> {
    while !stream.is_empty() {
        let (mark, rest) = stream.split_first_chunk::<4>().context("it is cut short")?;
        let (length, rest) = rest.split_first_chunk::<4>().context("it is cut short")?;
        let length = u32::from_le_bytes(*length) as usize;
        if *mark != [0xff; 4] {
            bail!("it is no Arrow stream");
        }
        if length == 0 {
            return Ok(());
        }
        let (metadata, rest) = rest.split_at_checked(length).context("it is cut short")?;
        // Aligned, as flatbuffers demand it.
        let metadata = metadata.to_vec();
        let message = root_as_message(&metadata)?;
        let body = usize::try_from(message.bodyLength()).context("a negative length")?;
        let (body, rest) = rest.split_at_checked(body).context("it is cut short")?;
        let dictionary = message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data());
        if let Some(batch) = message.header_as_record_batch().or(dictionary) {
            check_batch(&batch, body)?;
        }
        stream = rest;
    }
    Ok(())
}

fn check_batch(batch: &arrow::ipc::RecordBatch<'_>, body: &[u8]) -> anyhow::Result<()> {
    if !(0..=MAX_ROWS).contains(&batch.length()) {
        bail!("it states {} rows", batch.length());
    }
    let mut unpacked = 0_u64;
    for buffer in batch.buffers().into_iter().flatten() {
        let (offset, length) = (usize::try_from(buffer.offset())?, usize::try_from(buffer.length())?);
        let end = offset.checked_add(length).context("a buffer outside of the message")?;
        let bytes = body.get(offset..end).context("a buffer outside of the message")?;
        let stated = match bytes.first_chunk().map(|word| i64::from_le_bytes(*word)) {
            Some(word) if batch.compression().is_some() && word != NOT_PACKED => word,
            _ => length as i64,
        };
        unpacked = unpacked.saturating_add(u64::try_from(stated).context("a negative length")?);
    }
    if unpacked > MAX_UNPACKED {
        bail!("it unpacks to {unpacked} bytes");
    }
    Ok(())
}
