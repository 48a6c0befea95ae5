//! Opens an input: detects its format and returns its rows.
//!
//! gzip is detected by its first bytes, not by the name; several members are one text.
//! Parquet and Arrow files have their index at the end, so from standard input or gzip they are
//! read into memory first.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};

use super::detect::{DetectedFormat, HEAD_BYTES, detect, is_gzip};
use super::error::InputError;
use super::gzip::GzipReader;
use super::options::InputOptions;
use super::progress::Progress;
use super::read_ahead::ReadAhead;
use super::source::RowSource;
use super::{arrow, csv, ndjson, parquet};

const BUFFER_BYTES: usize = 256 * 1024;

/// Opens the file at `path`, or standard input for `-`, and checks its columns.
///
/// The bytes read are counted in `progress`.
///
/// # Errors
/// [`InputError`] when the input cannot be opened, has another format than expected, or lacks a
/// column.
pub(crate) fn open(path: &str, options: &InputOptions, progress: &Progress) -> Result<Box<dyn RowSource>, InputError> {
    if path == "-" {
        return open_stream("stdin", path, io::stdin(), options, progress);
    }
    let failed = |source| InputError::Open { input: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        Err(InputError::format(path, "is a directory: name the files in it"))
    } else if metadata.is_file() {
        open_file(path, file, options, progress)
    } else {
        open_stream(path, path, file, options, progress)
    }
}

/// Opens a file that can be read at any position, so Parquet and Arrow stay on disk.
fn open_file(
    path: &str,
    mut file: File,
    options: &InputOptions,
    progress: &Progress,
) -> Result<Box<dyn RowSource>, InputError> {
    let head = read_head(&mut file)
        .and_then(|head| file.rewind().map(|()| head))
        .map_err(|error| InputError::read(path, "at its beginning", error))?;
    if is_gzip(&head) {
        return open_stream(path, path, file, options, progress);
    }
    match detect(path, path, &head, options.format)? {
        DetectedFormat::Parquet => parquet::open_file(path, file, options, progress),
        DetectedFormat::ArrowFile => arrow::open_file(path, progress.count(file), options),
        _ => open_stream(path, path, file, options, progress),
    }
}

/// Opens an input that can only be read from beginning to end.
///
/// Messages call it `input`; `name` has the ending.
///
/// # Errors
/// As [`open`].
pub(super) fn open_stream(
    input: &str,
    name: &str,
    reader: impl Read + Send + 'static,
    options: &InputOptions,
    progress: &Progress,
) -> Result<Box<dyn RowSource>, InputError> {
    let at_start = |error| InputError::read(input, "at its beginning", error);
    let (mut head, reader) = peek(progress.count(reader)).map_err(at_start)?;
    let mut reader: Box<dyn BufRead + Send> = Box::new(BufReader::with_capacity(BUFFER_BYTES, reader));
    if is_gzip(&head) {
        let (unpacked_head, unpacked) = peek(GzipReader::new(reader)).map_err(at_start)?;
        head = unpacked_head;
        reader = Box::new(ReadAhead::new(unpacked));
    }
    match detect(input, name, &head, options.format)? {
        DetectedFormat::Csv => csv::open(input, reader, options),
        DetectedFormat::Ndjson => Ok(ndjson::open(input, reader, options)),
        DetectedFormat::ArrowStream => arrow::open_stream(input, reader, options),
        DetectedFormat::Parquet => parquet::open_bytes(input, read_all(input, reader)?, options),
        DetectedFormat::ArrowFile => arrow::open_file(input, Cursor::new(read_all(input, reader)?), options),
    }
}

fn read_all(input: &str, mut reader: impl Read) -> Result<Vec<u8>, InputError> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map_err(|error| InputError::read(input, "in its middle", error))?;
    Ok(bytes)
}

fn read_head(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    reader.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// The first bytes of `reader`, and a reader that returns all bytes, these included.
fn peek<R: Read>(mut reader: R) -> io::Result<(Vec<u8>, impl Read + use<R>)> {
    let head = read_head(&mut reader)?;
    Ok((head.clone(), Cursor::new(head).chain(reader)))
}

#[cfg(test)]
mod tests {
    use super::super::options::InputFormat;
    use super::super::progress::file_size;
    use super::super::source::ParsedRows;
    use super::super::testing::{HEADER, file, gzip, open_error, options, read};
    use super::*;

    const ROW: &str = "A,2022-03-01 09:31,1,1,1,1,1,,\n";

    #[test]
    fn a_given_format_is_used() {
        let mut options = options();
        options.format = Some(InputFormat::Csv);
        let found = read("a.json", format!("{HEADER}{ROW}"), &options).unwrap();
        assert_eq!(found.bars.len(), 1);
        options.format = Some(InputFormat::Parquet);
        let error = read("a.csv", HEADER, &options).err().unwrap();
        assert!(error.to_string().ends_with("a.csv: is not Parquet: it does not begin with PAR1"));
    }

    #[test]
    fn inputs_that_are_not_bars_are_refused_by_name() {
        assert_eq!(open_error("a.parquet", ""), "a.parquet: the input is empty");
        assert_eq!(open_error("a.parquet", "text"), "a.parquet: is not Parquet: it does not begin with PAR1");
        assert_eq!(
            open_error("a.arrow", "text"),
            "a.arrow: is not Arrow IPC: it begins neither like a file nor like a stream"
        );
        assert_eq!(open_error("a.csv", b"\x28\xB5\x2F\xFD..."), "a.csv: is compressed with zstd: unpack it first");
        assert_eq!(open_error("a.csv", b"\xFF\xFEs\0"), "a.csv: is UTF-16 text: convert it to UTF-8");
        let truncated = &gzip(HEADER)[..12];
        assert_eq!(
            open_error("a.csv.gz", truncated),
            "a.csv.gz: the gzip data ends too early, at its beginning: the file is truncated"
        );
        let missing = open("/nowhere/a.csv", &options(), &Progress::default()).err().unwrap();
        assert_eq!(missing.to_string(), "/nowhere/a.csv: No such file or directory (os error 2)");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap();
        let error = open(path, &options(), &Progress::default()).err().unwrap();
        assert_eq!(error.to_string(), format!("{path}: is a directory: name the files in it"));
    }

    #[test]
    fn all_bytes_are_counted() {
        let bytes = gzip(format!("{HEADER}{}", ROW.repeat(1000)));
        let (_directory, path) = file("a.csv.gz", &bytes);
        let progress = Progress::default();
        progress.expect(file_size(&path));
        let mut parsed = ParsedRows::new(&options().schema);
        let mut rows = open(&path, &options(), &progress).unwrap();
        while rows.read(&mut parsed).unwrap() {}
        assert_eq!(parsed.len(), 1000);
        // The first bytes are read twice.
        let read = progress.read();
        assert!((bytes.len() as u64..=bytes.len() as u64 + HEAD_BYTES as u64).contains(&read), "{read}");
        assert_eq!(progress.size(), Some(bytes.len() as u64));
        progress.expect(file_size("-"));
        assert_eq!(progress.size(), None);
    }
}
