//! Unpacks gzip, zstd, bzip2 and xz, each known by its first bytes.
//!
//! Data that unpacks to more than [`MAX_RATIO`] times its size is refused: no file of bars does.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::gzip::GzipReader;

/// Most bytes that a packed byte may become, counted once more than [`FREE_BYTES`] were unpacked.
const MAX_RATIO: u64 = 200;
/// Bytes that any data may unpack to, whatever its ratio.
const FREE_BYTES: u64 = 64 << 20;
/// Most memory that the data of xz may ask for.
const MAX_XZ_MEMORY: u64 = 256 << 20;
/// The largest window that the data of zstd may ask for: 2 to this power.
const MAX_ZSTD_WINDOW: u32 = 27;

/// How an input is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

/// The packing of an input that begins with `head`.
pub(crate) fn packing(head: &[u8]) -> Option<Packing> {
    let known: [(&[u8], Packing); 4] = [
        (b"\x1f\x8b", Packing::Gzip),
        (b"\x28\xB5\x2F\xFD", Packing::Zstd),
        (b"BZh", Packing::Bzip2),
        (b"\xFD7zXZ\0", Packing::Xz),
    ];
    known.into_iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, packing)| packing)
}

/// The unpacked bytes of `reader`.
///
/// # Errors
/// When the decoder cannot be started.
pub(crate) fn unpack(packing: Packing, reader: Box<dyn BufRead + Send>) -> io::Result<Box<dyn Read + Send>> {
    let packed = Arc::new(AtomicU64::new(0));
    let reader = BufReader::new(Counted { reader, bytes: packed.clone() });
    let unpacked: Box<dyn Read + Send> = match packing {
        Packing::Gzip => Box::new(GzipReader::new(reader)),
        Packing::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(reader)?;
            decoder.window_log_max(MAX_ZSTD_WINDOW)?;
            Box::new(decoder)
        }
        Packing::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(reader)),
        Packing::Xz => {
            let stream = liblzma::stream::Stream::new_stream_decoder(MAX_XZ_MEMORY, liblzma::stream::CONCATENATED)
                .map_err(io::Error::other)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(reader, stream))
        }
    };
    Ok(Box::new(Bounded { reader: unpacked, packed, unpacked: 0 }))
}

/// A reader of unpacked bytes that refuses data which grows without bound.
pub(crate) struct Bounded<R> {
    reader: R,
    packed: Arc<AtomicU64>,
    unpacked: u64,
}

impl<R> Bounded<R> {
    /// Unpacked bytes of data of `packed` bytes.
    pub(crate) fn new(reader: R, packed: u64) -> Bounded<R> {
        Bounded { reader, packed: Arc::new(AtomicU64::new(packed)), unpacked: 0 }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.reader.read(buffer)?;
        self.unpacked += bytes as u64;
        let packed = self.packed.load(Ordering::Relaxed).max(1);
        if self.unpacked > FREE_BYTES && self.unpacked / packed > MAX_RATIO {
            let message = format!("it unpacks to more than {MAX_RATIO} times its size, which no file of bars does");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(bytes)
    }
}

struct Counted<R> {
    reader: R,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.reader.read(buffer)?;
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;

    fn packed(packing: Packing, text: &[u8]) -> Vec<u8> {
        match packing {
            Packing::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Packing::Zstd => zstd::encode_all(text, 0).unwrap(),
            Packing::Bzip2 => {
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Packing::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
        }
    }

    fn read(packed: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let reader = Box::new(BufReader::new(Cursor::new(packed.clone())));
        unpack(packing(&packed).unwrap(), reader)?.read_to_end(&mut bytes).map(|_| bytes)
    }

    const ALL: [Packing; 4] = [Packing::Gzip, Packing::Zstd, Packing::Bzip2, Packing::Xz];

    #[test]
    fn every_packing_is_known_by_its_first_bytes_and_unpacked() {
        for packing in ALL {
            let text = "symbol,time\n".repeat(1000).into_bytes();
            let joined = [packed(packing, &text), packed(packing, &text)].concat();
            assert_eq!(read(joined).unwrap(), [&text[..], &text].concat(), "{packing:?}");
            let whole = packed(packing, &text);
            assert!(read(whole[..whole.len() - 9].to_vec()).is_err(), "{packing:?} cut");
        }
    }

    /// Promise 9: data that grows without bound is an error, not a full memory.
    #[test]
    fn data_that_grows_without_bound_is_refused() {
        let zeros = vec![0; (FREE_BYTES as usize) + (8 << 20)];
        for packing in ALL {
            let error = read(packed(packing, &zeros)).map(|bytes| (packing, bytes.len())).unwrap_err();
            assert!(error.to_string().contains("200 times"), "{packing:?}: {error}");
        }
    }
}
