//! Putting a backup back, and checking one.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use barbus_archive::work_dir;

use super::copy::{copy_file, size_and_crc, sync_folder};
use super::manifest::{Entry, MANIFEST, Manifest};
use super::sources::{COPIES, DAYS, PARTS};
use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::folders::{create_folders, create_readers_folder};

/// The file that makes a directory a bus; it is put back last.
const SETTINGS: &str = "bus.toml";

/// What [`restore`] did.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct RestoreReport {
    /// When the backup was made.
    pub at: jiff::Timestamp,
    /// The bus that it was made of.
    pub bus: String,
    /// Archived days.
    pub days: u64,
    /// Files.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
}

/// Restores the backup in `dir` as the bus `to`, which must be missing or empty. Every file is
/// compared with its checksum, and every file of the archive is verified.
///
/// The bus has no ring: the daemon makes one, and goes on from the parts of the open day.
///
/// # Errors
/// [`Error::Backup`] if there is no whole backup in `dir`, or if `to`, the ring or the archive that
/// its settings name exist already. What was written is removed then.
pub fn restore(dir: &Path, to: &Path) -> Result<RestoreReport> {
    let manifest = load(dir)?;
    let tree = dir.join(&manifest.tree);
    manifest.files.iter().try_for_each(|entry| check_size(&tree, entry))?;
    let refused = |path: &Path, what: String| Err(Error::Backup { path: path.to_owned(), what });
    if has_files(to)? {
        return refused(to, "it is not empty: restore to a directory that is empty or missing".into());
    }
    // The tree has the settings, and the tables of calendars that they may name.
    let old = Bus::open(&tree)?;
    let target = Target::new(to, &old);
    for place in [&target.days, &target.parts] {
        if has_files(place)? {
            let what = format!("it has files, and archive.path of the backup's {SETTINGS} names it: move them away");
            return refused(place, what);
        }
    }
    if target.ring.symlink_metadata().is_ok() {
        let what = format!("this ring exists, and ring.path of the backup's {SETTINGS} names it: move it away");
        return refused(&target.ring, what);
    }
    let mut written = Written::default();
    let restored = write(&manifest, &tree, &target, &mut written);
    restored.inspect_err(|_| written.remove())?;
    let is_day = |entry: &&Entry| Path::new(&entry.path).parent() == Some(Path::new(DAYS));
    Ok(RestoreReport {
        at: manifest.at,
        bus: manifest.bus.clone(),
        days: manifest.files.iter().filter(is_day).count() as u64,
        files: manifest.files.len() as u64,
        bytes: manifest.files.iter().map(|entry| entry.bytes).sum(),
    })
}

/// Compares every file of the backup in `dir` with its checksum. Returns their number, and a
/// sentence for each that is missing or damaged.
///
/// # Errors
/// [`Error::Backup`] if there is no backup in `dir`.
pub fn check_backup(dir: &Path) -> Result<(u64, Vec<String>)> {
    let manifest = load(dir)?;
    let tree = dir.join(&manifest.tree);
    let check = |entry: &Entry| check_size(&tree, entry).and_then(|()| check_crc(&tree.join(&entry.path), entry));
    let problems = manifest.files.iter().filter_map(|entry| Some(check(entry).err()?.to_string()));
    Ok((manifest.files.len() as u64, problems.collect()))
}

/// Whether there is a backup in `dir`.
pub fn is_backup(dir: &Path) -> bool {
    dir.join(MANIFEST).exists()
}

fn load(dir: &Path) -> Result<Manifest> {
    Manifest::load(dir)?.ok_or_else(|| Error::Backup {
        path: dir.to_owned(),
        what: format!("no backup: it has no {MANIFEST}: make one with: barbus backup BUS {}", dir.display()),
    })
}

/// The places of a bus that is restored.
struct Target {
    root: PathBuf,
    days: PathBuf,
    parts: PathBuf,
    ring: PathBuf,
}

impl Target {
    /// Those of `root`, with the settings of `old`.
    fn new(root: &Path, old: &Bus) -> Self {
        let days = root.join(&old.settings().archive_path);
        Self { root: root.to_owned(), parts: work_dir(&days), days, ring: root.join(&old.settings().ring_path) }
    }

    /// Where a file of the tree belongs.
    fn path(&self, entry: &Entry) -> PathBuf {
        let path = Path::new(&entry.path);
        for (folder, place) in [(DAYS, &self.days), (PARTS, &self.parts)] {
            if let Ok(name) = path.strip_prefix(folder) {
                return place.join(name);
            }
        }
        for folder in COPIES {
            if let Ok(name) = path.strip_prefix(Path::new("archive").join(folder)) {
                return self.parts.with_file_name(folder).join(name);
            }
        }
        self.root.join(path)
    }
}

/// What a restore has written, to be removed if it fails.
#[derive(Debug, Default)]
struct Written {
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl Written {
    /// Creates a folder and those above it.
    fn create(&mut self, folder: &Path) -> Result<()> {
        let missing: Vec<PathBuf> =
            folder.ancestors().take_while(|above| !above.exists()).map(Path::to_owned).collect();
        create_folders(folder).map_err(|error| Error::io(folder, "create", error))?;
        self.folders.extend(missing.into_iter().rev());
        Ok(())
    }

    /// Removes everything; what another process has put there stays.
    fn remove(&self) {
        self.files.iter().for_each(|file| drop(std::fs::remove_file(file)));
        self.folders.iter().rev().for_each(|folder| drop(std::fs::remove_dir(folder)));
    }
}

fn write(manifest: &Manifest, tree: &Path, target: &Target, written: &mut Written) -> Result<()> {
    for folder in [&target.root, &target.days, &target.parts, &target.root.join("quarantine")] {
        written.create(folder)?;
    }
    let readers = target.root.join("readers");
    create_readers_folder(&readers).map_err(|error| Error::io(&readers, "create", error))?;
    written.folders.push(readers);
    // Without its settings the directory is no bus, and no daemon starts on the half of it.
    let (settings, others): (Vec<&Entry>, Vec<&Entry>) = manifest.files.iter().partition(|file| file.path == SETTINGS);
    for entry in others.into_iter().chain(settings.iter().copied()) {
        let to = target.path(entry);
        written.create(to.parent().unwrap_or(&target.root))?;
        let from = tree.join(&entry.path);
        let source = File::open(&from).map_err(|error| Error::io(&from, "read", error))?;
        let unfinished = if entry.path == SETTINGS { to.with_extension("toml.new") } else { to.clone() };
        written.files.push(unfinished.clone());
        copy_file(&source, &unfinished, false)?;
        check_crc(&unfinished, entry).map_err(|error| match error {
            Error::Backup { what, .. } => Error::Backup { path: from, what },
            other => other,
        })?;
        if unfinished != to {
            written.folders.iter().try_for_each(|folder| sync_folder(folder))?;
            verify_archive(tree, target)?;
            std::fs::rename(&unfinished, &to).map_err(|error| Error::io(&to, "rename to", error))?;
            written.files.push(to);
        }
    }
    sync_folder(&target.root)
}

/// Verifies every file of the archive that was written.
fn verify_archive(tree: &Path, target: &Target) -> Result<()> {
    let settings = Bus::open(tree)?.settings().clone();
    let archive = barbus_archive::Archive::open_existing(&target.days, settings.schema, settings.calendar.name());
    archive.verify()?.into_iter().try_for_each(|report| report.outcome.map(drop).map_err(Error::from))
}

fn check_size(tree: &Path, entry: &Entry) -> Result<()> {
    let path = tree.join(&entry.path);
    let what = match std::fs::metadata(&path) {
        Ok(found) if found.len() == entry.bytes => return Ok(()),
        Ok(found) => format!("it has {} bytes, and the backup was made with {}", found.len(), entry.bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => "it is missing".to_owned(),
        Err(error) => return Err(Error::io(&path, "examine", error)),
    };
    Err(Error::Backup { path, what: format!("the backup is not whole: {what}") })
}

fn check_crc(path: &Path, entry: &Entry) -> Result<()> {
    let found = size_and_crc(path)?;
    if found == (entry.bytes, entry.crc32c) {
        return Ok(());
    }
    let what = format!(
        "the backup is damaged: its bytes have checksum {:08x}, it was made with {:08x}",
        found.1, entry.crc32c
    );
    Err(Error::Backup { path: path.to_owned(), what })
}

/// Whether a folder has a file; a missing one has none.
fn has_files(folder: &Path) -> Result<bool> {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io(folder, "read", error)),
    }
}
