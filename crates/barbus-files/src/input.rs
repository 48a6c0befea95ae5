//! Opens an input: unpacks it, detects its format and its layout, and returns its rows.
//!
//! Packing is detected by the first bytes, not by the name.
//! Parquet and Arrow files have their index at the end, so from standard input or packed they are
//! read into memory first.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};
use std::sync::Arc;

use crate::archive_source::{ArchiveSource, OpenMember};
use crate::decode::segments::SEGMENT_BYTES;
use crate::decode::{arrow, parquet};
use crate::detect::{DetectedFormat, detect};
use crate::error::InputError;
use crate::head::Head;
use crate::layouts::Layouts;
use crate::open_json;
use crate::open_records::{self, Input};
use crate::options::InputOptions;
use crate::packing::live::{LiveReader, Waiting};
use crate::packing::progress::Progress;
use crate::packing::read_ahead::ReadAhead;
use crate::packing::unpack::{packing, unpack};
use crate::packing::zip_archive;
use crate::source::RowSource;

/// Longer reads, such as those of segments, go past the buffer.
const BUFFER_BYTES: usize = 64 * 1024;
/// The first bytes of an input by which its layout is recognized.
const HEAD_BYTES: usize = 64 * 1024;
/// The most first bytes that are read to find the end of the second line.
const MAX_HEAD_BYTES: usize = 2 << 20;
/// The first bytes by which a packing is recognized.
const MAGIC_BYTES: usize = 16;
/// Most bytes of an input that must be read into memory.
const MAX_MEMORY: u64 = 1 << 30;
/// Most packings around each other.
const MAX_PACKINGS: usize = 3;

/// Most zip archives around each other: an archive may hold itself.
const MAX_ARCHIVES: usize = 2;

/// Opens inputs with the same options.
#[derive(Debug, Clone)]
pub struct Opener {
    options: Arc<InputOptions>,
    layouts: Arc<Layouts>,
    /// The waiting bytes of an input that is still written.
    waiting: Waiting,
    /// The number of archives around the input.
    depth: usize,
    /// Most bytes of a text that one thread reads at once; 0 to read records one by one.
    pub(crate) segment_bytes: usize,
}

impl Opener {
    /// An opener with these options.
    ///
    /// # Errors
    /// [`LayoutError`](crate::LayoutError) if a built-in layout cannot be used.
    pub fn new(options: InputOptions) -> Result<Opener, crate::LayoutError> {
        let layouts = Arc::new(Layouts::new(options.layout.clone())?);
        let (options, waiting) = (Arc::new(options), Waiting::default());
        Ok(Opener { options, layouts, waiting, depth: 0, segment_bytes: SEGMENT_BYTES })
    }

    /// The options.
    pub fn options(&self) -> &InputOptions {
        &self.options
    }

    /// Opens the file at `path`, or standard input for `-`, and binds its columns.
    ///
    /// The bytes read are counted in `progress`.
    ///
    /// # Errors
    /// [`InputError`] when the input cannot be opened, has another format than expected, or its
    /// columns cannot be bound.
    pub fn open(&self, path: &str, progress: &Progress) -> Result<Box<dyn RowSource>, InputError> {
        if path == "-" {
            return self.open_pipe("stdin", path, progress.count(io::stdin()));
        }
        let failed = |source| InputError::Open { input: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            Err(InputError::format(path, "is a directory: name the files in it"))
        } else if metadata.is_file() {
            self.open_file(path, file, progress)
        } else {
            self.open_pipe(path, path, progress.count(file))
        }
    }

    fn input<'a>(&'a self, input: &'a str, name: &'a str) -> Input<'a> {
        let Opener { options, layouts, segment_bytes, .. } = self;
        Input { input, name, options, layouts, waiting: None, segment_bytes: *segment_bytes }
    }

    /// Opens an input that may still be written.
    fn open_pipe(
        &self,
        input: &str,
        name: &str,
        reader: impl Read + Send + 'static,
    ) -> Result<Box<dyn RowSource>, InputError> {
        if !self.options.live {
            return self.open_stream(input, name, Box::new(reader));
        }
        let live = LiveReader::start(reader, &self.waiting);
        let live = live.map_err(|error| InputError::read(input, "at its beginning", error))?;
        let input = Input { waiting: Some(&self.waiting), ..self.input(input, name) };
        self.open_unpacked(input, Box::new(live))
    }

    /// Opens an input whose bytes are given; messages call it `input`, and `name` is its path.
    ///
    /// # Errors
    /// As [`Opener::open`].
    pub fn open_stream(
        &self,
        input: &str,
        name: &str,
        reader: Box<dyn Read + Send>,
    ) -> Result<Box<dyn RowSource>, InputError> {
        let input = self.input(input, name);
        self.open_unpacked(input, Box::new(BufReader::with_capacity(BUFFER_BYTES, reader)))
    }

    /// Opens a file that can be read at any position, so Parquet and Arrow stay on disk.
    fn open_file(&self, path: &str, mut file: File, progress: &Progress) -> Result<Box<dyn RowSource>, InputError> {
        let head = read_head(&mut file, MAGIC_BYTES)
            .and_then(|head| file.rewind().map(|()| head))
            .map_err(|error| InputError::read(path, "at its beginning", error))?;
        let input = self.input(path, path);
        if is_zip(&head) {
            self.check_depth(path)?;
            let progress = progress.clone();
            let size = file.metadata().map(|metadata| metadata.len()).unwrap_or(0);
            let (members, left_out) =
                zip_archive::members(&file).map_err(|reason| InputError::format(path, &reason))?;
            let reopen = {
                let path = path.to_owned();
                move || File::open(&path).map(|file| Box::new(file) as Box<dyn zip_archive::ReadSeek>)
            };
            let open = self.open_member();
            return ArchiveSource::open(open, path, Box::new(reopen), members, left_out, (progress, size));
        }
        if packing(&head).is_some() {
            return self.open_stream(path, path, Box::new(progress.count(file)));
        }
        match detect(path, path, &head, false, self.options.format)? {
            DetectedFormat::Parquet => open_records::arrow(input, parquet::open_file(path, file, progress)?),
            DetectedFormat::ArrowFile => open_records::arrow(input, arrow::open_file(path, progress.count(file))?),
            _ => self.open_stream(path, path, Box::new(progress.count(file))),
        }
    }

    /// Opens bytes that may be packed.
    fn open_unpacked(
        &self,
        input: Input<'_>,
        mut reader: Box<dyn BufRead + Send>,
    ) -> Result<Box<dyn RowSource>, InputError> {
        let at_start = |error| InputError::read(input.input, "at its beginning", error);
        for _ in 0..MAX_PACKINGS {
            let (head, whole) = peek(reader, MAGIC_BYTES, false).map_err(at_start)?;
            reader = Box::new(whole);
            if is_zip(&head.bytes) {
                return self.open_zip_bytes(input, reader);
            }
            let Some(packing) = packing(&head.bytes) else { break };
            let unpacked = unpack(packing, reader).map_err(at_start)?;
            let (first, rest) = peek(BufReader::new(unpacked), MAGIC_BYTES, false).map_err(at_start)?;
            // An empty member of gzip is empty input.
            reader = match first.bytes.is_empty() {
                true => Box::new(rest),
                false => Box::new(ReadAhead::new(rest)),
            };
        }
        let live = input.waiting.is_some();
        let (head, reader) = peek(reader, HEAD_BYTES, live).map_err(at_start)?;
        let format = detect(input.input, input.name, &head.bytes, head.complete, self.options.format)?;
        match format {
            DetectedFormat::Csv => open_records::csv(input, head, Box::new(reader)),
            DetectedFormat::Ndjson => open_json::ndjson(input, head, Box::new(reader)),
            DetectedFormat::Json => open_json::json(input, read_all(input.input, reader)?),
            DetectedFormat::ArrowStream => open_records::arrow(input, arrow::open_stream(input.input, reader)?),
            DetectedFormat::Dbn => open_records::dbn(input, &head, reader),
            DetectedFormat::Parquet => {
                let whole = read_all(input.input, reader)?;
                open_records::arrow(input, parquet::open_bytes(input.input, whole)?)
            }
            DetectedFormat::ArrowFile => {
                let whole = Cursor::new(read_all(input.input, reader)?);
                open_records::arrow(input, arrow::open_file(input.input, whole)?)
            }
        }
    }

    fn open_zip_bytes(&self, input: Input<'_>, reader: impl Read) -> Result<Box<dyn RowSource>, InputError> {
        self.check_depth(input.input)?;
        let bytes: Arc<[u8]> = read_all(input.input, reader)?.into();
        let (members, left_out) = zip_archive::members(Cursor::new(bytes.clone()))
            .map_err(|reason| InputError::format(input.input, &reason))?;
        let reopen = move || Ok(Box::new(Cursor::new(bytes.clone())) as Box<dyn zip_archive::ReadSeek>);
        let progress = (Progress::default(), 0);
        ArchiveSource::open(self.open_member(), input.input, Box::new(reopen), members, left_out, progress)
    }

    fn check_depth(&self, input: &str) -> Result<(), InputError> {
        match self.depth < MAX_ARCHIVES {
            true => Ok(()),
            false => Err(InputError::format(input, "is a zip archive in archives: unpack it first")),
        }
    }

    fn open_member(&self) -> OpenMember {
        let opener = Opener { depth: self.depth + 1, ..self.clone() };
        Box::new(move |name, path, reader| opener.open_stream(name, path, reader))
    }
}

fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

fn read_all(input: &str, reader: impl Read) -> Result<Vec<u8>, InputError> {
    let mut bytes = Vec::new();
    let read = reader.take(MAX_MEMORY + 1).read_to_end(&mut bytes);
    read.map_err(|error| InputError::read(input, "in its middle", error))?;
    if bytes.len() as u64 > MAX_MEMORY {
        let reason = "has more than a gigabyte that must be in memory: unpack it, or convert it to CSV or NDJSON";
        return Err(InputError::format(input, reason));
    }
    Ok(bytes)
}

fn read_head(reader: &mut impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(most.min(HEAD_BYTES));
    reader.take(most as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// The first bytes of `reader`, and a reader that returns all bytes, these included.
///
/// From a `live` input only what is there is taken, but two lines at least. A failure behind the
/// first byte is returned by the reader, in its place.
fn peek<R: BufRead>(mut reader: R, most: usize, live: bool) -> io::Result<(Head, impl BufRead + use<R>)> {
    let mut bytes = Vec::new();
    let mut failure = None;
    let mut complete = false;
    let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
    // Headers of many columns are longer than the usual beginning.
    while bytes.len() < most || (most == HEAD_BYTES && bytes.len() < MAX_HEAD_BYTES && lines(&bytes) < 2) {
        let found = match reader.fill_buf() {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if bytes.is_empty() => return Err(error),
            Err(error) => {
                failure = Some(error);
                break;
            }
        };
        if found.is_empty() {
            complete = true;
            break;
        }
        let used = found.len().min(most.max(MAX_HEAD_BYTES * usize::from(most == HEAD_BYTES)) - bytes.len());
        bytes.extend_from_slice(&found[..used]);
        reader.consume(used);
        if live && lines(&bytes) >= 2 {
            break;
        }
    }
    let head = Head { bytes: bytes.clone(), complete, failed: failure.is_some() };
    Ok((head, Cursor::new(bytes).chain(Failing(failure).chain(reader))))
}

/// Returns a failure once, then nothing.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

impl BufRead for Failing {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.take().map_or(Ok(&[]), Err)
    }

    fn consume(&mut self, _: usize) {}
}
