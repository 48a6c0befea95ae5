//! One input: what it holds is found out, and it is opened as rows.
//!
//! The name's ending says what is inside (`.csv`, `.tsv`, `.ndjson`, `.jsonl`, `.parquet`, `.arrow`, `.arrows`,
//! `.feather`, `.ipc`, each also with `.gz`), unless the first bytes are those of Parquet or Arrow; for standard
//! input (`-`) and other names the first bytes alone decide, and what is nothing else is CSV. gzip is known by its
//! bytes whatever the name; several members one after the other are one text. Parquet and Arrow files have their
//! index at the end, so from standard input or gzip they are held in memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use super::ahead::Ahead;
use super::lines::Lines;
use super::{Format, InputError, Options, Parsed, arrow, csv, ndjson, parquet};

const BUFFER_BYTES: usize = 256 * 1024;
/// Enough of the beginning to know every format, a byte order mark included.
const HEAD_BYTES: usize = 16;
/// How gzip begins.
const GZIP: &[u8] = b"\x1f\x8b";

/// Something that gives rows.
pub(crate) trait Source: Send {
    /// Adds about [`super::BATCH_ROWS`] rows to `parsed`; `false` when these were the last. On an error, the rows
    /// before it are in `parsed`.
    fn read(&mut self, parsed: &mut Parsed) -> Result<bool, InputError>;
}

/// Bytes read so far and bytes to read, shared with whoever shows them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    read: AtomicU64,
    size: AtomicU64,
    open_ended: AtomicU64,
}

impl Progress {
    /// Bytes read from all inputs, before decompression.
    pub(crate) fn read(&self) -> u64 {
        self.0.read.load(Ordering::Relaxed)
    }

    /// Bytes of all inputs; `None` when one is standard input or a pipe.
    pub(crate) fn size(&self) -> Option<u64> {
        let closed = self.0.open_ended.load(Ordering::Relaxed) == 0;
        closed.then(|| self.0.size.load(Ordering::Relaxed))
    }

    /// Counts one more input of `size` bytes, if it has a size.
    pub(crate) fn expect(&self, size: Option<u64>) {
        match size {
            Some(size) => self.0.size.fetch_add(size, Ordering::Relaxed),
            None => self.0.open_ended.fetch_add(1, Ordering::Relaxed),
        };
    }

    pub(super) fn add(&self, bytes: u64) {
        self.0.read.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The size of the regular file at `path`; `None` for `-`, a pipe, or when there is no such file.
pub(crate) fn file_size(path: &str) -> Option<u64> {
    let metadata = std::fs::metadata(path).ok()?;
    (path != "-" && metadata.is_file()).then_some(metadata.len())
}

/// An opened input.
pub(crate) struct Input(Box<dyn Source>);

impl Input {
    /// Opens the file at `path`, or standard input for `-`, and checks its columns. Bytes are counted in `progress`.
    ///
    /// # Errors
    /// [`InputError`] when it cannot be opened, is not what it seems, or lacks a column.
    pub(crate) fn open(path: &str, options: &Options, progress: &Progress) -> Result<Input, InputError> {
        let source: Box<dyn Source> = if path == "-" {
            stream("stdin", path, io::stdin(), options, progress)?
        } else {
            let failed = |source| InputError::Open { input: path.to_owned(), source };
            let file = File::open(path).map_err(failed)?;
            let metadata = file.metadata().map_err(failed)?;
            if metadata.is_dir() {
                return Err(format_error(path, "is a directory: name the files in it"));
            }
            if metadata.is_file() {
                regular_file(path, file, options, progress)?
            } else {
                stream(path, path, file, options, progress)?
            }
        };
        Ok(Input(source))
    }

    /// Reads what `reader` gives as the file `name`.
    ///
    /// # Errors
    /// As [`Input::open`].
    pub(crate) fn of_reader(
        name: &str,
        reader: impl Read + Send + 'static,
        options: &Options,
    ) -> Result<Input, InputError> {
        Ok(Input(stream(name, name, reader, options, &Progress::default())?))
    }

    /// Adds about [`super::BATCH_ROWS`] rows to `parsed`; `false` when these were the last.
    ///
    /// # Errors
    /// [`InputError`] when it cannot be read on; the rows before that have been added.
    pub(crate) fn read(&mut self, parsed: &mut Parsed) -> Result<bool, InputError> {
        self.0.read(parsed)
    }
}

/// Opens a file that can be read at any place; Parquet and Arrow files are then not held in memory.
fn regular_file(
    path: &str,
    mut file: File,
    options: &Options,
    progress: &Progress,
) -> Result<Box<dyn Source>, InputError> {
    let head = head(&mut file)
        .and_then(|head| file.rewind().map(|()| head))
        .map_err(|error| unreadable(path, "at its beginning", error))?;
    if head.starts_with(GZIP) {
        return stream(path, path, file, options, progress);
    }
    match detect(path, path, &head, options.format)? {
        Kind::Parquet => parquet::open_file(path, file, options, progress),
        Kind::ArrowFile => arrow::open_file(path, counted(file, progress), options),
        _ => stream(path, path, file, options, progress),
    }
}

/// Opens what can only be read from beginning to end. It is called `input` in messages; `name` has the ending.
fn stream(
    input: &str,
    name: &str,
    reader: impl Read + Send + 'static,
    options: &Options,
    progress: &Progress,
) -> Result<Box<dyn Source>, InputError> {
    let at_start = |error| unreadable(input, "at its beginning", error);
    let (mut head, reader) = peek(counted(reader, progress)).map_err(at_start)?;
    let mut reader: Box<dyn BufRead + Send> = Box::new(BufReader::with_capacity(BUFFER_BYTES, reader));
    if head.starts_with(GZIP) {
        let (inner, unpacked) = peek(MultiGzDecoder::new(reader)).map_err(at_start)?;
        head = inner;
        reader = Box::new(Ahead::new(unpacked));
    }
    match detect(input, name, &head, options.format)? {
        Kind::Csv => Ok(Box::new(csv::Csv::open(input, reader, options)?)),
        Kind::Ndjson => Ok(Box::new(ndjson::Ndjson::open(input, reader, options))),
        Kind::ArrowStream => arrow::open_stream(input, reader, options),
        kind @ (Kind::Parquet | Kind::ArrowFile) => {
            let mut whole = Vec::new();
            let read = reader.read_to_end(&mut whole);
            read.map_err(|error| unreadable(input, "in its middle", error))?;
            if kind == Kind::Parquet {
                parquet::open_bytes(input, whole, options)
            } else {
                arrow::open_file(input, Cursor::new(whole), options)
            }
        }
    }
}

/// What is inside, Arrow's two forms told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Csv,
    Ndjson,
    Parquet,
    ArrowFile,
    ArrowStream,
}

fn detect(input: &str, name: &str, head: &[u8], wanted: Option<Format>) -> Result<Kind, InputError> {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    let binary = if head.starts_with(b"PAR1") {
        Some(Kind::Parquet)
    } else if head.starts_with(b"ARROW1") {
        Some(Kind::ArrowFile)
    } else if head.starts_with(b"\xFF\xFF\xFF\xFF") {
        Some(Kind::ArrowStream)
    } else {
        None
    };
    // With the format given, these bytes may be the beginning of anything.
    let foreign: [(&[u8], &str); 6] = [
        (b"\x28\xB5\x2F\xFD", "is compressed with zstd: unpack it first"),
        (b"PK\x03\x04", "is a zip archive: unpack it first"),
        (b"BZh", "is compressed with bzip2: unpack it first"),
        (b"\xFD7zXZ", "is compressed with xz: unpack it first"),
        (b"FEA1", "is Feather version 1: write it as version 2 or Parquet"),
        (b"\xFF\xFE", "is UTF-16 text: convert it to UTF-8"),
    ];
    if let (None, None, Some((_, reason))) = (wanted, binary, foreign.iter().find(|(magic, _)| head.starts_with(magic)))
    {
        return Err(format_error(input, reason));
    }
    let named = if binary.is_some() { None } else { by_ending(name) };
    match (wanted.or(named), binary) {
        (Some(Format::Csv), _) => Ok(Kind::Csv),
        (Some(Format::Ndjson), _) if text.starts_with(b"[") => {
            Err(format_error(input, "is a JSON array: barbus reads one object per line (jq -c '.[]' makes that of it)"))
        }
        (Some(Format::Ndjson), _) => Ok(Kind::Ndjson),
        (Some(Format::Parquet), Some(Kind::Parquet)) => Ok(Kind::Parquet),
        (Some(Format::Arrow), Some(kind @ (Kind::ArrowFile | Kind::ArrowStream))) => Ok(kind),
        (Some(_), _) if head.is_empty() => Err(InputError::Empty { input: input.to_owned() }),
        (Some(Format::Parquet), _) => Err(format_error(input, "is not Parquet: it does not begin with PAR1")),
        (Some(Format::Arrow), _) => {
            Err(format_error(input, "is not Arrow IPC: it begins neither like a file nor like a stream"))
        }
        (None, Some(kind)) => Ok(kind),
        (None, None) if text.starts_with(b"{") => Ok(Kind::Ndjson),
        (None, None) => Ok(Kind::Csv),
    }
}

fn by_ending(name: &str) -> Option<Format> {
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    match Path::new(name).extension()?.to_str()? {
        "csv" | "tsv" | "psv" | "txt" => Some(Format::Csv),
        "ndjson" | "jsonl" | "json" => Some(Format::Ndjson),
        "parquet" | "pq" => Some(Format::Parquet),
        "arrow" | "arrows" | "feather" | "ipc" => Some(Format::Arrow),
        _ => None,
    }
}

fn format_error(input: &str, reason: &str) -> InputError {
    InputError::Format { input: input.to_owned(), reason: reason.to_owned() }
}

/// The error for reading of `input` having failed at `place`.
pub(super) fn unreadable(input: &str, place: &str, source: io::Error) -> InputError {
    let input = input.to_owned();
    let place = place.to_owned();
    // Only a decompressor reports an early end; a plain file just ends.
    if source.kind() == io::ErrorKind::UnexpectedEof {
        InputError::CutOff { input, place }
    } else {
        InputError::Read { input, place, source }
    }
}

/// The error for reading having failed at the line that `lines` has come to.
pub(super) fn failed<R: BufRead>(input: &str, lines: &Lines<R>, source: io::Error) -> InputError {
    let place = match lines.number() {
        0 => "before the first line".to_owned(),
        number => format!("at line {number}"),
    };
    unreadable(input, &place, source)
}

fn head(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    reader.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// The beginning of what `reader` gives, and a reader that gives all of it.
fn peek<R: Read>(mut reader: R) -> io::Result<(Vec<u8>, impl Read + use<R>)> {
    let head = head(&mut reader)?;
    Ok((head.clone(), Cursor::new(head).chain(reader)))
}

/// A reader that counts.
struct Counted<R> {
    reader: R,
    progress: Progress,
}

fn counted<R>(reader: R, progress: &Progress) -> Counted<R> {
    Counted { reader, progress: progress.clone() }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.reader.read(buffer)?;
        self.progress.add(bytes as u64);
        Ok(bytes)
    }
}

impl<R: Seek> Seek for Counted<R> {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        self.reader.seek(place)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{HEADER, gzip, options, read, refusal};
    use super::*;

    fn kind(name: &str, head: &[u8]) -> Kind {
        detect(name, name, head, None).unwrap()
    }

    #[test]
    fn endings_decide_and_first_bytes_stand_in() {
        for name in ["a.csv", "a.CSV.GZ", "a.tsv", "dir.parquet/a.txt"] {
            assert_eq!(kind(name, b"{"), Kind::Csv, "{name}");
        }
        for name in ["a.ndjson", "a.jsonl.gz", "a.json"] {
            assert_eq!(kind(name, b"x"), Kind::Ndjson, "{name}");
        }
        assert_eq!(kind("-", b"{\"a\":1}"), Kind::Ndjson);
        assert_eq!(kind("-", b"\xEF\xBB\xBF \n{"), Kind::Ndjson);
        assert_eq!(kind("-", b"symbol,frame"), Kind::Csv);
        assert_eq!(kind("-", b"PAR1"), Kind::Parquet);
        assert_eq!(kind("-", b"ARROW1\0\0"), Kind::ArrowFile);
        assert_eq!(kind("-", b"\xFF\xFF\xFF\xFF\x10"), Kind::ArrowStream);
        assert_eq!(kind("a.arrows", b"ARROW1\0\0"), Kind::ArrowFile);
    }

    #[test]
    fn a_format_given_is_used() {
        let mut options = options();
        options.format = Some(Format::Csv);
        let row = "A,2022-03-01 09:31,1,1,1,1,1,,\n";
        let found = read("a.json", format!("{HEADER}{row}"), &options).unwrap();
        assert_eq!(found.bars.len(), 1);
        options.format = Some(Format::Parquet);
        let error = read("a.csv", HEADER, &options).err().unwrap();
        assert!(error.to_string().ends_with("a.csv: is not Parquet: it does not begin with PAR1"));
    }

    #[test]
    fn what_is_not_bars_is_refused_by_name() {
        assert_eq!(refusal("a.parquet", ""), "a.parquet: the input is empty");
        assert_eq!(refusal("a.parquet", "text"), "a.parquet: is not Parquet: it does not begin with PAR1");
        assert_eq!(
            refusal("a.arrow", "text"),
            "a.arrow: is not Arrow IPC: it begins neither like a file nor like a stream"
        );
        assert_eq!(refusal("a.csv", b"\x28\xB5\x2F\xFD..."), "a.csv: is compressed with zstd: unpack it first");
        assert_eq!(refusal("a.csv", b"\xFF\xFEs\0"), "a.csv: is UTF-16 text: convert it to UTF-8");
        let cut = &gzip(HEADER)[..12];
        assert_eq!(
            refusal("a.csv.gz", cut),
            "a.csv.gz: the gzip data ends too early, at its beginning: the file has been cut off"
        );
        let nothing = Input::open("/nowhere/a.csv", &options(), &Progress::default()).err().unwrap();
        assert_eq!(nothing.to_string(), "/nowhere/a.csv: No such file or directory (os error 2)");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap();
        let error = Input::open(path, &options(), &Progress::default()).err().unwrap();
        assert_eq!(error.to_string(), format!("{path}: is a directory: name the files in it"));
    }

    #[test]
    fn all_bytes_are_counted() {
        let row = "A,2022-03-01 09:31,1,1,1,1,1,,\n";
        let bytes = gzip(format!("{HEADER}{}", row.repeat(1000)));
        let (_directory, path) = super::super::testing::file("a.csv.gz", &bytes);
        let progress = Progress::default();
        progress.expect(file_size(&path));
        let mut parsed = Parsed::new(&options().schema);
        let mut input = Input::open(&path, &options(), &progress).unwrap();
        while input.read(&mut parsed).unwrap() {}
        assert_eq!(parsed.len(), 1000);
        // The first bytes are read twice.
        let read = progress.read();
        assert!((bytes.len() as u64..=bytes.len() as u64 + HEAD_BYTES as u64).contains(&read), "{read}");
        assert_eq!(progress.size(), Some(bytes.len() as u64));
        progress.expect(file_size("-"));
        assert_eq!(progress.size(), None);
    }
}
