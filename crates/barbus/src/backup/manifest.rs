//! `manifest.json`: which files a backup has. It is written last.

use std::io::ErrorKind;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::copy::{sync_folder, write_file};
use crate::error::{Error, Result};

/// The version of the form of a backup that this build writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;
pub(super) const MANIFEST: &str = "manifest.json";
/// The manifest while it is written.
const UNFINISHED: &str = "manifest.json.new";

/// The files of a backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format: u32,
    /// The version of the program that made it.
    pub(super) barbus: String,
    pub(super) at: Timestamp,
    /// The directory of the bus.
    pub(super) bus: String,
    /// The directory of the files.
    pub(super) tree: String,
    /// The lineage of the ring, if there was one, and the number of its next row.
    pub(super) lineage: Option<u64>,
    pub(super) next_seq: Option<u64>,
    pub(super) files: Vec<Entry>,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Its path in the tree.
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) crc32c: u32,
    /// The file that it was copied from; `None` for rows of the ring.
    pub(super) source: Option<SourceFile>,
}

/// What distinguishes a file from another one at its path, or from itself before a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SourceFile {
    pub(super) inode: u64,
    pub(super) bytes: u64,
    /// When it was changed, in nanoseconds since 1970-01-01 UTC.
    pub(super) modified_ns: i128,
}

impl Manifest {
    /// The manifest of the backup in `dir`; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Backup`] if it is damaged, or of a later version.
    pub(super) fn load(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(MANIFEST);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(&path, "read", error)),
        };
        let failed = |what: String| Error::Backup { path: path.clone(), what };
        // The version first: another one may have other fields.
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let damaged = |error: serde_json::Error| failed(format!("damaged: {error}"));
        let Version { format } = serde_json::from_str(&text).map_err(damaged)?;
        if format != FORMAT {
            return Err(failed(format!(
                "a backup of format {format}, and this program reads {FORMAT}: use the barbus that made it"
            )));
        }
        let manifest: Self = serde_json::from_str(&text).map_err(damaged)?;
        let is_inside = |path: &str| {
            let mut parts = Path::new(path).components();
            parts.clone().next().is_some() && parts.all(|part| matches!(part, std::path::Component::Normal(_)))
        };
        let paths = manifest.files.iter().map(|file| &file.path).chain([&manifest.tree]);
        if let Some(path) = paths.into_iter().find(|path| !is_inside(path)) {
            return Err(failed(format!("damaged: {path:?} leads out of the backup")));
        }
        Ok(Some(manifest))
    }

    /// Puts the manifest in `dir`, whole or not at all.
    pub(super) fn store(&self, dir: &Path) -> Result<()> {
        let (unfinished, path) = (dir.join(UNFINISHED), dir.join(MANIFEST));
        let text = serde_json::to_string_pretty(self).expect("it has nothing but text and numbers");
        write_file(&unfinished, text.as_bytes())?;
        std::fs::rename(&unfinished, &path).map_err(|error| Error::io(&path, "rename to", error))?;
        sync_folder(dir)
    }
}
