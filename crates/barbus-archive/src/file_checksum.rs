//! The file checksum: a CRC-32C over every byte, behind the opening magic of Parquet.
//!
//! Parquet readers go by the offsets in the footer and never read these bytes. The checksum shows
//! that a file is exactly the one that was written before any of it is decoded: footer, statistics
//! and page index included, which no checksum of pages or values covers. A file that is too short
//! for it, or has none, was not written by barbus.

use crate::Corruption;

/// Offset of the file checksum: behind the opening `PAR1`.
pub const FILE_CHECKSUM_OFFSET: usize = 4;
/// Its length: [`FILE_CHECKSUM_MAGIC`], then the CRC-32C (little-endian) of the file without these
/// eight bytes.
pub const FILE_CHECKSUM_BYTES: usize = 8;
/// Its first four bytes.
pub const FILE_CHECKSUM_MAGIC: [u8; 4] = *b"BSL1";

const END: usize = FILE_CHECKSUM_OFFSET + FILE_CHECKSUM_BYTES;
const _: () = assert!(FILE_CHECKSUM_BYTES == FILE_CHECKSUM_MAGIC.len() + size_of::<u32>());

/// The bytes of the file checksum for `crc`.
pub(crate) fn field(crc: u32) -> [u8; FILE_CHECKSUM_BYTES] {
    let mut field = [0; FILE_CHECKSUM_BYTES];
    field[..FILE_CHECKSUM_MAGIC.len()].copy_from_slice(&FILE_CHECKSUM_MAGIC);
    field[FILE_CHECKSUM_MAGIC.len()..].copy_from_slice(&crc.to_le_bytes());
    field
}

/// The bytes in the place of the file checksum before it is known.
pub(crate) fn placeholder() -> [u8; FILE_CHECKSUM_BYTES] {
    field(0)
}

/// The parts of `bytes` that the checksum covers, where they begin at `offset` of the file.
pub(crate) fn covered(offset: u64, bytes: &[u8]) -> [&[u8]; 2] {
    let cut = |end: usize| (end as u64).saturating_sub(offset).min(bytes.len() as u64) as usize;
    [&bytes[..cut(FILE_CHECKSUM_OFFSET)], &bytes[cut(END)..]]
}

/// Checks that the bytes of `file` are those it was written with.
pub(crate) fn check(file: &[u8]) -> Result<(), Corruption> {
    let field = file.get(FILE_CHECKSUM_OFFSET..END).ok_or(Corruption::NoFileChecksum)?;
    let (magic, crc) = field.split_at(FILE_CHECKSUM_MAGIC.len());
    if magic != FILE_CHECKSUM_MAGIC {
        return Err(Corruption::NoFileChecksum);
    }
    let written = u32::from_le_bytes(crc.try_into().expect("the field ends with four bytes"));
    let found = compute(file);
    if written != found {
        return Err(Corruption::FileChecksum { written, found });
    }
    Ok(())
}

fn compute(file: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&file[..FILE_CHECKSUM_OFFSET]), &file[END..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksummed_file::ChecksummedFile;
    use crate::test_rows::MemoryFile;
    use std::io::Write;

    #[test]
    fn any_changed_or_missing_byte_is_found() {
        let new = MemoryFile::default();
        let mut writer = ChecksummedFile::new(&new);
        writer.write_all(b"PAR1").unwrap();
        writer.write_all(&placeholder()).unwrap();
        writer.write_all(b"pages and footer").unwrap();
        assert_eq!(writer.finish().unwrap(), 28);
        let file = new.0.into_inner().unwrap();
        assert!(check(&file).is_ok());
        for i in 0..file.len() {
            let mut changed = file.clone();
            changed[i] ^= 0x20;
            assert!(check(&changed).is_err(), "byte {i}");
            assert!(check(&file[..i]).is_err(), "cut at {i}");
        }
    }
}
