//! The seal: a checksum over every byte of a file, kept between Parquet's opening magic and the first page.
//!
//! Parquet readers go by the offsets in the footer and never look there. With the seal a file is known to be exactly
//! the one that was written before any of it is decoded: footer, statistics and page index included, which no checksum
//! of pages or values would cover. A file that is too short, or has no seal, was not written by barbus.

use crate::Corruption;

/// Where the seal stands: right behind the opening `PAR1`.
pub const SEAL_OFFSET: usize = 4;
/// Length of the seal: [`SEAL_MAGIC`], then the CRC-32C (little-endian) of the file without these eight bytes.
pub const SEAL_BYTES: usize = 8;
/// First four bytes of the seal.
pub const SEAL_MAGIC: [u8; 4] = *b"BSL1";

const SEAL_END: usize = SEAL_OFFSET + SEAL_BYTES;
const _: () = assert!(SEAL_BYTES == SEAL_MAGIC.len() + size_of::<u32>());

/// What to write in the seal's place before the checksum is known.
pub(crate) fn blank() -> [u8; SEAL_BYTES] {
    let mut seal = [0; SEAL_BYTES];
    seal[..SEAL_MAGIC.len()].copy_from_slice(&SEAL_MAGIC);
    seal
}

/// Sums a file up while it is written.
#[derive(Default)]
pub(crate) struct Sealer {
    /// Taken so far.
    bytes: usize,
    crc32c: u32,
}

impl Sealer {
    /// Takes the next bytes of the file, of which those in the seal's place do not count.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        let left = |place: usize| place.saturating_sub(self.bytes).min(bytes.len());
        let (head, rest) = (&bytes[..left(SEAL_OFFSET)], &bytes[left(SEAL_END)..]);
        self.crc32c = crc32c::crc32c_append(crc32c::crc32c_append(self.crc32c, head), rest);
        self.bytes += bytes.len();
    }

    /// What stands in the seal's place once the file is whole.
    pub(crate) fn seal(&self) -> [u8; SEAL_BYTES] {
        let mut seal = blank();
        seal[SEAL_MAGIC.len()..].copy_from_slice(&self.crc32c.to_le_bytes());
        seal
    }
}

/// Checks that `file` is as it was sealed.
pub(crate) fn check(file: &[u8]) -> Result<(), Corruption> {
    let Some(seal) = file.get(SEAL_OFFSET..SEAL_END) else {
        return Err(Corruption::NotSealed);
    };
    let (magic, crc) = seal.split_at(SEAL_MAGIC.len());
    if magic != SEAL_MAGIC {
        return Err(Corruption::NotSealed);
    }
    let sealed = u32::from_le_bytes(crc.try_into().expect("the seal ends with four bytes"));
    let found = checksum(file);
    if sealed != found {
        return Err(Corruption::Seal { sealed, found });
    }
    Ok(())
}

fn checksum(file: &[u8]) -> u32 {
    let mut sealer = Sealer::default();
    sealer.take(file);
    sealer.crc32c
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_changed_or_missing_byte_is_seen_however_the_file_was_summed_up() {
        let mut file = b"PAR1".to_vec();
        file.extend(blank());
        file.extend(b"pages and footer");
        let mut whole = Vec::new();
        for piece in [1, 3, SEAL_OFFSET, SEAL_END, SEAL_END + 1, file.len()] {
            let mut sealer = Sealer::default();
            sealer.take(&[]);
            file.chunks(piece).for_each(|bytes| sealer.take(bytes));
            whole = file.clone();
            whole[SEAL_OFFSET..SEAL_END].copy_from_slice(&sealer.seal());
            assert!(check(&whole).is_ok(), "in pieces of {piece}");
        }
        let file = whole;
        for i in 0..file.len() {
            let mut changed = file.clone();
            changed[i] ^= 0x20;
            assert!(check(&changed).is_err(), "byte {i}");
            assert!(check(&file[..i]).is_err(), "cut at {i}");
        }
    }
}
