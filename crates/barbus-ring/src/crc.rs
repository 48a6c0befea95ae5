//! CRC-32C of mapped bytes.

use barbus_shm::{Load, Memory};

/// CRC-32C of the bytes `start..end`.
pub(crate) fn crc_of<M: Memory>(map: &M, start: usize, end: usize) -> u32 {
    let mut crc = 0;
    let mut buffer = [0u8; 4096];
    let mut at = start;
    while at < end {
        let n = (end - at).min(buffer.len());
        for (byte, word) in buffer[..n].iter_mut().zip(map.words8(at, n)) {
            *byte = word.get();
        }
        crc = crc32c::crc32c_append(crc, &buffer[..n]);
        at += n;
    }
    crc
}
