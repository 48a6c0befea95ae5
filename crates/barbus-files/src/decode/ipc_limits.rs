//! Checks messages of Arrow IPC before they are decoded: arrow reserves the memory that a message
//! states, and a process that cannot have it is aborted.

use std::io::{self, Read, Seek, SeekFrom};

use arrow::error::ArrowError;
use arrow::ipc::{Block, root_as_footer, root_as_message};

/// Most bytes of the metadata of a message or of a footer.
const MAX_METADATA: u64 = 64 << 20;
/// Most bytes of a message of a stream, and of the buffers of a packed one.
const MAX_UNPACKED: u64 = 1 << 30;
/// The first word of a packed buffer is its unpacked length; this value means "not packed".
const NOT_PACKED: i64 = -1;
/// What a file ends with: the length of the footer and a mark.
const TAIL: u64 = 10;

fn damaged(what: &str) -> ArrowError {
    ArrowError::IpcError(format!("{what}: the data is damaged"))
}

fn too_large(what: &str) -> ArrowError {
    ArrowError::IpcError(format!("{what}: write smaller batches"))
}

/// Checks that the buffers of the message with this metadata unpack to a bounded size, and that
/// they have its rows. `word` reads the first word of a buffer, given where it is in the body.
fn check_message(metadata: &[u8], mut word: impl FnMut(u64) -> Result<i64, ArrowError>) -> Result<(), ArrowError> {
    let message = root_as_message(metadata).map_err(|error| ArrowError::IpcError(error.to_string()))?;
    let dictionary = message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data());
    let Some(batch) = message.header_as_record_batch().or(dictionary) else { return Ok(()) };
    let mut unpacked = u64::try_from(message.bodyLength()).map_err(|_| damaged("a negative length"))?;
    for buffer in batch.buffers().into_iter().flatten().filter(|_| batch.compression().is_some()) {
        let offset = u64::try_from(buffer.offset()).map_err(|_| damaged("a negative offset"))?;
        if buffer.length() < 8 {
            continue;
        }
        let length = match word(offset)? {
            NOT_PACKED => buffer.length(),
            length => length,
        };
        unpacked = unpacked.saturating_add(u64::try_from(length).map_err(|_| damaged("a negative length"))?);
    }
    // Without compression a batch has no more bytes than the input.
    if batch.compression().is_some() && unpacked > MAX_UNPACKED {
        return Err(too_large("a batch that unpacks to more than a gigabyte"));
    }
    // A row has a bit at least: a short message could state any number of rows otherwise.
    match u64::try_from(batch.length()).is_ok_and(|rows| rows / 8 <= unpacked) {
        true => Ok(()),
        false => Err(damaged("a batch with more rows than bytes")),
    }
}

/// Checks every message of an Arrow IPC file of `size` bytes.
///
/// # Errors
/// The first message that states more than the file can have.
pub(crate) fn check_file(reader: &mut (impl Read + Seek)) -> Result<(), ArrowError> {
    let size = reader.seek(SeekFrom::End(0))?;
    let tail = size.checked_sub(TAIL).ok_or_else(|| damaged("a file without a footer"))?;
    let word = read_at(reader, tail, 4)?;
    let length = u64::from(u32::from_le_bytes(word.try_into().map_err(|_| damaged("no footer"))?));
    let start = tail.checked_sub(length).filter(|_| length <= MAX_METADATA).ok_or_else(|| damaged("the footer"))?;
    let footer = read_at(reader, start, length)?;
    let footer = root_as_footer(&footer).map_err(|error| ArrowError::IpcError(error.to_string()))?;
    let blocks = footer.recordBatches().into_iter().chain(footer.dictionaries()).flatten();
    for block in blocks {
        check_block(reader, block, size)?;
    }
    reader.rewind()?;
    Ok(())
}

fn check_block(reader: &mut (impl Read + Seek), block: &Block, size: u64) -> Result<(), ArrowError> {
    let part = |value: i64| u64::try_from(value).map_err(|_| damaged("a block with a negative size"));
    let (offset, body) = (part(block.offset())?, part(block.bodyLength())?);
    let metadata = part(block.metaDataLength().into())?;
    let end = offset.checked_add(metadata).and_then(|end| end.checked_add(body));
    if metadata > MAX_METADATA || end.is_none_or(|end| end > size) {
        return Err(damaged("a block outside of the file"));
    }
    let framed = read_at(reader, offset, metadata)?;
    // Before the message is its length, and in new files a mark before that.
    let skip = if framed.starts_with(&[0xff; 4]) { 8 } else { 4 };
    let message = framed.get(skip..).ok_or_else(|| damaged("a message without metadata"))?.to_vec();
    check_message(&message, |at| {
        let word = read_at(reader, offset.saturating_add(metadata).saturating_add(at), 8)?;
        word.try_into().map(i64::from_le_bytes).map_err(|_| damaged("a buffer outside of the file"))
    })
}

/// At most `length` bytes from `offset` on. Memory is reserved as bytes come.
fn read_at(reader: &mut (impl Read + Seek), offset: u64, length: u64) -> Result<Vec<u8>, ArrowError> {
    reader.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    reader.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The bytes of an Arrow IPC stream, of which each message was checked.
pub(crate) struct CheckedStream<R> {
    reader: R,
    message: io::Cursor<Vec<u8>>,
    ended: bool,
}

impl<R: Read> CheckedStream<R> {
    pub(crate) fn new(reader: R) -> CheckedStream<R> {
        CheckedStream { reader, message: io::Cursor::default(), ended: false }
    }

    /// Reads the next message as a whole; an incomplete one is passed on, and arrow refuses it.
    fn next_message(&mut self) -> io::Result<()> {
        self.message.set_position(0);
        let bytes = self.message.get_mut();
        bytes.clear();
        let mut take = |bytes: &mut Vec<u8>, length: u64| -> io::Result<bool> {
            Ok((&mut self.reader).take(length).read_to_end(bytes)? as u64 == length)
        };
        let whole = take(bytes, 4)? && (!bytes.starts_with(&[0xff; 4]) || take(bytes, 4)?);
        let length = bytes.last_chunk().map_or(0, |word| u32::from_le_bytes(*word));
        if !whole || length == 0 {
            self.ended = true;
            return Ok(());
        }
        let invalid = |error: ArrowError| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
        if u64::from(length) > MAX_METADATA {
            return Err(invalid(damaged("metadata of more than 64 MB")));
        }
        let start = bytes.len();
        if !take(bytes, length.into())? {
            self.ended = true;
            return Ok(());
        }
        // Aligned, as flatbuffers demand it.
        let metadata = bytes[start..].to_vec();
        let message = root_as_message(&metadata).map_err(|error| invalid(ArrowError::IpcError(error.to_string())))?;
        let body = u64::try_from(message.bodyLength()).map_err(|_| invalid(damaged("a negative length")))?;
        let body_start = bytes.len();
        if body > MAX_UNPACKED {
            return Err(invalid(too_large("a message of more than a gigabyte")));
        }
        if !take(bytes, body)? {
            self.ended = true;
            return Ok(());
        }
        let body = &bytes[body_start..];
        let word = |at: u64| {
            let word = usize::try_from(at).ok().and_then(|at| body.get(at..)?.first_chunk());
            word.map(|word| i64::from_le_bytes(*word)).ok_or_else(|| damaged("a buffer outside of the message"))
        };
        check_message(&metadata, word).map_err(invalid)
    }
}

impl<R: Read> Read for CheckedStream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.message.position() == self.message.get_ref().len() as u64 && !self.ended && !buffer.is_empty() {
            self.next_message()?;
        }
        self.message.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, RecordBatch};
    use arrow::ipc::CompressionType;
    use arrow::ipc::reader::{FileReader, StreamReader};
    use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};

    use super::*;

    fn batch() -> RecordBatch {
        let column = Arc::new(Float64Array::from(vec![1.5; 1000]));
        RecordBatch::try_from_iter([("a", column as arrow::array::ArrayRef)]).unwrap()
    }

    fn options(packed: bool) -> IpcWriteOptions {
        IpcWriteOptions::default().try_with_compression(packed.then_some(CompressionType::LZ4_FRAME)).unwrap()
    }

    fn stream(packed: bool) -> Vec<u8> {
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch().schema(), options(packed)).unwrap();
        writer.write(&batch()).unwrap();
        writer.write(&batch()).unwrap();
        writer.into_inner().unwrap()
    }

    fn file(packed: bool) -> Vec<u8> {
        let mut writer = FileWriter::try_new_with_options(Vec::new(), &batch().schema(), options(packed)).unwrap();
        writer.write(&batch()).unwrap();
        writer.into_inner().unwrap()
    }

    /// The bytes with 8000, the length of a column, replaced by a length that no memory has.
    fn bomb(mut bytes: Vec<u8>) -> Vec<u8> {
        let at = bytes.windows(8).rposition(|word| word == 8000i64.to_le_bytes()).unwrap();
        bytes[at..at + 8].copy_from_slice(&(1i64 << 60).to_le_bytes());
        bytes
    }

    #[test]
    fn sound_files_and_streams_pass() {
        for packed in [false, true] {
            let bytes = stream(packed);
            let mut passed = Vec::new();
            CheckedStream::new(&bytes[..]).read_to_end(&mut passed).unwrap();
            assert_eq!(passed, bytes);
            let batches = StreamReader::try_new(CheckedStream::new(&bytes[..]), None).unwrap();
            assert_eq!(batches.map(|found| found.unwrap()).collect::<Vec<_>>(), [batch(), batch()]);
            for cut in 0..bytes.len() {
                let mut cut_stream = CheckedStream::new(&bytes[..cut]);
                let mut passed = Vec::new();
                cut_stream.read_to_end(&mut passed).unwrap();
                assert_eq!(passed, bytes[..cut], "arrow reports what is missing");
            }
            let mut whole = io::Cursor::new(file(packed));
            check_file(&mut whole).unwrap();
            assert_eq!(FileReader::try_new(whole, None).unwrap().next().unwrap().unwrap(), batch());
        }
    }

    /// Promise 9: a length that no memory has is an error, not the end of the process.
    #[test]
    fn lengths_beyond_all_memory_are_refused() {
        let mut passed = Vec::new();
        let error = CheckedStream::new(&bomb(stream(true))[..]).read_to_end(&mut passed).unwrap_err();
        assert!(error.to_string().contains("more than a gigabyte"), "{error}");
        let error = check_file(&mut io::Cursor::new(bomb(file(true)))).unwrap_err();
        assert!(error.to_string().contains("more than a gigabyte"), "{error}");
        let mut footer = file(false);
        let tail = footer.len() - 10;
        footer[tail..tail + 4].fill(0xff);
        assert!(check_file(&mut io::Cursor::new(footer)).unwrap_err().to_string().contains("the footer"));
        assert!(check_file(&mut io::Cursor::new(b"ARROW1")).is_err());
    }
}
