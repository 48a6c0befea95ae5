//! The footers of files that were checked, kept for the next read.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::civil::Date;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::metadata::PageIndexPolicy;

use super::file_bytes::FileBytes;
use super::group_pages::RawChunks;
use super::page_cache::PageCache;
use super::row_keys::RowKeys;
use crate::conform::with_dictionary;
use crate::error::Corruption;
use crate::{ArchiveError, DayMeta, Result, day_file, file_checksum};

/// Footers that are kept: with page index and row keys up to 0.4 MB for a day of 5,000 symbols.
const MOST_KEPT: usize = 1_024;

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// What is known of a file.
#[derive(Debug)]
pub(super) struct Footer {
    /// No other footer of this process has this number.
    pub(super) number: u64,
    pub(super) meta: DayMeta,
    pub(super) metadata: ArrowReaderMetadata,
    /// The same, with symbols to be decoded to a dictionary, as the file stores them.
    pub(super) in_dictionary: ArrowReaderMetadata,
    /// Its column chunks as if nothing in them were compressed, once one was read.
    pub(super) raw_chunks: RawChunks,
    /// Once a few symbols, or the last bars, were asked for.
    row_keys: OnceLock<RowKeys>,
}

impl Footer {
    /// The symbol and the frame of each row.
    pub(super) fn row_keys(&self, bytes: &FileBytes) -> std::result::Result<&RowKeys, Corruption> {
        match self.row_keys.get() {
            Some(known) => Ok(known),
            None => {
                let read = RowKeys::read(bytes, &self.in_dictionary)?;
                Ok(self.row_keys.get_or_init(|| read))
            }
        }
    }

    /// The same, if it was read before.
    pub(super) fn known_row_keys(&self) -> Option<&RowKeys> {
        self.row_keys.get()
    }
}

/// The footers and page indexes of day files that this process has checked, which symbol and frame
/// each row has, and at most 128 MB of their pages, decompressed.
///
/// Clones share them. A file that was replaced since is checked again.
#[derive(Debug, Clone, Default)]
pub struct Footers {
    known: Arc<Mutex<HashMap<PathBuf, Known>>>,
    pub(super) pages: Arc<PageCache>,
    bytes_read: Arc<AtomicU64>,
}

/// The footer of a file that was checked.
#[derive(Debug)]
struct Known {
    version: FileVersion,
    footer: Arc<Footer>,
}

/// Device, inode, length and time of a file.
type FileVersion = [u64; 5];

/// An open file. It stays the same file when another one takes its place.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) path: PathBuf,
    day: Date,
    version: FileVersion,
    pub(super) bytes: Arc<FileBytes>,
}

impl OpenFile {
    /// Opens a file; `None` if it does not exist.
    pub(super) fn open(path: PathBuf, day: Date, footers: &Footers) -> Result<Option<Self>> {
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ArchiveError::io("open", &path)(error)),
        };
        let found = file.metadata().map_err(ArchiveError::io("examine", &path))?;
        let version = [found.dev(), found.ino(), found.len(), found.mtime() as u64, found.mtime_nsec() as u64];
        let bytes = Arc::new(FileBytes::new(Arc::new(file), found.len(), Arc::clone(&footers.bytes_read)));
        Ok(Some(Self { path, day, version, bytes }))
    }

    /// Its footer, once the whole file has been checked.
    ///
    /// # Errors
    /// [`ArchiveError`] if the file is damaged or cannot be read.
    pub(super) fn footer(&self, footers: &Footers) -> Result<Arc<Footer>> {
        if let Some(known) = footers.find(&self.path, self.version) {
            return Ok(known);
        }
        let bytes = self.bytes.read_all().map_err(ArchiveError::io("read", &self.path))?;
        let corrupt = |what| ArchiveError::corrupt(&self.path, what);
        file_checksum::check(&bytes).map_err(corrupt)?;
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(&bytes, options).map_err(|error| corrupt(error.into()))?;
        let meta = day_file::meta_of(&self.path, self.day, &metadata)?.0;
        let options = ArrowReaderOptions::new().with_schema(with_dictionary(metadata.schema()));
        let in_dictionary = ArrowReaderMetadata::try_new(metadata.metadata().clone(), options);
        let in_dictionary = in_dictionary.map_err(|error| corrupt(error.into()))?;
        let (raw_chunks, row_keys) = (RawChunks::default(), OnceLock::new());
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        let footer = Arc::new(Footer { number, meta, metadata, in_dictionary, raw_chunks, row_keys });
        footers.keep(&self.path, self.version, Arc::clone(&footer));
        Ok(footer)
    }
}

impl Footers {
    /// How many bytes were read of files so far, also by clones.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    fn find(&self, path: &Path, version: FileVersion) -> Option<Arc<Footer>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(path).filter(|known| known.version == version).map(|known| Arc::clone(&known.footer))
    }

    fn keep(&self, path: &Path, version: FileVersion, footer: Arc<Footer>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KEPT {
            // Which ones are asked for again is not known; an archive of four years fits.
            known.clear();
        }
        known.insert(path.to_owned(), Known { version, footer });
    }
}
