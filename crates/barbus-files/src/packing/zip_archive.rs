//! The members of a zip archive, each read as a file of its own.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::CrcReader;
use flate2::bufread::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use super::notes::is_note;
use super::unpack::Bounded;

/// Most members of an archive.
const MAX_MEMBERS: usize = 100_000;
/// Endings of files of bars.
const DATA: [&str; 10] = ["csv", "tsv", "psv", "json", "ndjson", "jsonl", "parquet", "arrow", "feather", "dbn"];

/// Bytes that can be read at any position.
pub(crate) trait ReadSeek: Read + Seek + Send {}

impl<T: Read + Seek + Send> ReadSeek for T {}

/// A file in an archive.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    pub(crate) name: String,
    start: u64,
    packed: u64,
    size: u64,
    crc: u32,
    deflated: bool,
}

/// The members of an archive that may hold bars, in their order, and how many were left out.
///
/// # Errors
/// The reason why the archive or one of its members cannot be read.
pub(crate) fn members(file: impl Read + Seek) -> Result<(Vec<Member>, usize), String> {
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| format!("unreadable zip: {error}"))?;
    if archive.len() > MAX_MEMBERS {
        return Err(format!("the zip archive has {} members: barbus reads at most {MAX_MEMBERS}", archive.len()));
    }
    if archive.index_for_name("xl/workbook.xml").is_some() {
        return Err("is a file of Excel (xlsx): save it as CSV".to_owned());
    }
    let mut members = Vec::new();
    let mut others = 0;
    for index in 0..archive.len() {
        let file = archive.by_index_raw(index).map_err(|error| format!("unreadable zip: {error}"))?;
        if file.is_dir() {
            continue;
        }
        let name = file.name().map_err(|error| format!("unreadable zip: {error}"))?.into_owned();
        if !may_hold_bars(&name) {
            others += 1;
            continue;
        }
        if file.encrypted() {
            return Err(format!("{name} in the zip archive is encrypted: unpack it first"));
        }
        let deflated = match file.compression() {
            CompressionMethod::Stored => false,
            CompressionMethod::Deflated => true,
            other => return Err(format!("{name} in the zip archive is packed with {other}: unpack it first")),
        };
        let start = file.data_start().ok_or_else(|| format!("unreadable zip: {name} has no data"))?;
        members.push(Member {
            start,
            packed: file.compressed_size(),
            size: file.size(),
            crc: file.crc32(),
            deflated,
            name,
        });
    }
    // Beside files with the ending of data, texts are notes: HistData adds a report of gaps.
    let has_data = members.iter().any(|member| has_ending(&member.name, &DATA));
    let all = members.len();
    members.retain(|member| !has_data || has_ending(&member.name, &DATA));
    others += all - members.len();
    Ok((members, others))
}

fn may_hold_bars(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or_default();
    !name.starts_with("__MACOSX/") && !file.starts_with('.') && !is_note(name)
}

fn has_ending(name: &str, endings: &[&str]) -> bool {
    let name = name.to_lowercase();
    let name = crate::layout::pattern::without_packed_ending(&name);
    name.rsplit_once('.').is_some_and(|(_, ending)| endings.contains(&ending))
}

/// The bytes of a member of the archive in `file`.
///
/// # Errors
/// When the archive cannot be read where the member is.
pub(crate) fn open<R: Read + Seek + Send + 'static>(
    mut file: R,
    member: &Member,
) -> io::Result<impl Read + Send + use<R>> {
    file.seek(SeekFrom::Start(member.start))?;
    let packed = BufReader::new(file.take(member.packed));
    let unpacked: Box<dyn Read + Send> = match member.deflated {
        true => Box::new(DeflateDecoder::new(packed)),
        false => Box::new(packed),
    };
    let bounded = Bounded::new(unpacked, member.packed);
    Ok(Checked { reader: CrcReader::new(bounded), crc: member.crc, left: member.size })
}

/// A reader that compares the size and the checksum at the end.
struct Checked<R> {
    reader: CrcReader<R>,
    crc: u32,
    left: u64,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.reader.read(buffer)?;
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the zip data is damaged");
        self.left = self.left.checked_sub(bytes as u64).ok_or_else(damaged)?;
        if bytes == 0 && !buffer.is_empty() {
            if self.left > 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if self.reader.crc().sum() != self.crc {
                return Err(damaged());
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::write::SimpleFileOptions;

    use super::*;

    fn archive(files: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files {
            writer.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn names(files: &[(&str, &[u8])]) -> Vec<String> {
        let bytes = archive(files, CompressionMethod::Deflated);
        members(Cursor::new(bytes)).unwrap().0.into_iter().map(|member| member.name).collect()
    }

    #[test]
    fn members_are_read_and_notes_are_left_out() {
        let text = "1,2,3\n".repeat(1000).into_bytes();
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            let bytes = archive(&[("a.csv", &text), ("b/c.csv", b"x")], method);
            let (found, others) = members(Cursor::new(bytes.clone())).unwrap();
            assert_eq!((found.len(), others), (2, 0));
            let mut read = Vec::new();
            open(Cursor::new(bytes), &found[0]).unwrap().read_to_end(&mut read).unwrap();
            assert!(read == text);
        }
        assert_eq!(
            names(&[("a.csv", b"1"), ("a.txt", b"gaps"), ("__MACOSX/a.csv", b""), ("readme.md", b"")]),
            ["a.csv"]
        );
        assert_eq!(names(&[("a.txt", b"1"), (".DS_Store", b"1")]), ["a.txt"]);
        assert_eq!(names(&[("x.dbn.zst", b"1"), ("metadata.json", b"1")]), ["x.dbn.zst"]);
    }

    /// Promise 9: damage is an error.
    #[test]
    fn damage_is_found() {
        let text = "1,2,3\n".repeat(1000).into_bytes();
        let mut bytes = archive(&[("a.csv", &text)], CompressionMethod::Stored);
        bytes[100] ^= 1;
        let (found, _) = members(Cursor::new(bytes.clone())).unwrap();
        let mut read = Vec::new();
        assert!(open(Cursor::new(bytes.clone()), &found[0]).unwrap().read_to_end(&mut read).is_err());
        assert!(members(Cursor::new(bytes[..bytes.len() / 2].to_vec())).is_err());
    }
}
