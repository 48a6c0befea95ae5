//! CRC-32C of mapped bytes.

use barbus_shm::{Load, Memory};

/// Bytes that are copied at a time.
const CHUNK: usize = 1024;

/// CRC-32C of the bytes `start..end`. `start` is a multiple of 8.
pub(crate) fn crc_of<M: Memory>(map: &M, start: usize, end: usize) -> u32 {
    let mut crc = 0;
    let mut buffer = [0u8; CHUNK];
    let mut at = start;
    while at < end {
        let n = (end - at).min(CHUNK);
        let (words, tail) = buffer[..n].as_chunks_mut::<8>();
        for (bytes, word) in words.iter_mut().zip(map.words64(at, n / 8)) {
            *bytes = word.get().to_le_bytes();
        }
        for (byte, word) in tail.iter_mut().zip(map.words8(at + n / 8 * 8, n % 8)) {
            *byte = word.get();
        }
        crc = crc32c::crc32c_append(crc, &buffer[..n]);
        at += n;
    }
    crc
}
