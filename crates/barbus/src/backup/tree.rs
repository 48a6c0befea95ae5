//! The files of a backup, while it is made.

use std::collections::{BTreeSet, HashMap};
use std::fs::{File, hard_link, remove_file};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use barbus_archive::{Archive, check_file, work_dir};

use super::BackupReport;
use super::copy::{copy_file, size_and_crc, sync_folder};
use super::manifest::{Entry, Manifest, SourceFile};
use super::sources::{DAYS, PARTS};
use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::folders::create_folders;
use crate::history::Unarchived;

const PREFIX: &str = "tree-";

/// Whether this is the name of a tree.
pub(super) fn is_tree(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|number| number.parse::<u64>().is_ok())
}

/// What a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file of the archive, which has a checksum of its own.
    Parquet,
    /// Lines that are appended.
    Lines,
    Other,
}

/// A tree that is being filled.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    root: PathBuf,
    /// The tree of the backup before.
    old_root: PathBuf,
    old: HashMap<&'a str, &'a Entry>,
    entries: Vec<Entry>,
    report: BackupReport,
}

impl<'a> Tree<'a> {
    /// The name of the tree that follows that of `previous`.
    pub(super) fn name_after(previous: Option<&Manifest>) -> String {
        let number = previous.and_then(|manifest| manifest.tree.strip_prefix(PREFIX)?.parse::<u64>().ok());
        format!("{PREFIX}{}", number.unwrap_or(0) + 1)
    }

    /// The tree `name` in `dir`, which is made by the first file.
    pub(super) fn new(dir: &Path, name: &str, previous: Option<&'a Manifest>) -> Self {
        let old = previous.iter().flat_map(|manifest| &manifest.files);
        Self {
            root: dir.join(name),
            old_root: dir.join(previous.map_or("", |manifest| &manifest.tree)),
            old: old.map(|entry| (entry.path.as_str(), entry)).collect(),
            entries: Vec::new(),
            report: BackupReport { tree: dir.join(name), ..BackupReport::default() },
        }
    }

    /// Adds the file at `source` as `name`: a link to the file of the backup before if that is the
    /// same, or else a copy. A file that is gone is left out.
    pub(super) fn add(&mut self, source: &Path, name: &str, kind: Kind) -> Result<()> {
        let failed = |error| Error::io(source, "read", error);
        let file = match File::open(source) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        let found = file.metadata().map_err(failed)?;
        let found = SourceFile {
            inode: found.ino(),
            bytes: found.len(),
            modified_ns: i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec()),
        };
        let to = self.root.join(name);
        create_folders(to.parent().unwrap_or(&self.root)).map_err(|error| Error::io(&to, "create", error))?;
        let old = self.old.get(name).copied();
        if old.is_some_and(|old| old.source == Some(found)) && self.link(name) {
            return Ok(());
        }
        copy_file(&file, &to, kind == Kind::Lines)?;
        if kind == Kind::Parquet
            && let Err(error) = check_file(&to)
        {
            // The file of before may be the only good one.
            remove_file(&to).map_err(|error| Error::io(&to, "remove", error))?;
            let kept = match self.link(name) {
                true => "the backup keeps the file of before",
                false => "the backup does not have it",
            };
            let text = error.to_string().replace(&to.display().to_string(), &source.display().to_string());
            self.report.damaged.push(format!("{text}: {kept}"));
            return Ok(());
        }
        self.enter(name, Some(found))
    }

    /// Links the file `name` of the backup before; false if there is none, or if the file system
    /// has no links.
    fn link(&mut self, name: &str) -> bool {
        let Some(old) = self.old.get(name) else { return false };
        let from = self.old_root.join(name);
        let is_whole = std::fs::metadata(&from).is_ok_and(|found| found.len() == old.bytes);
        let linked = is_whole && hard_link(&from, self.root.join(name)).is_ok();
        if linked {
            self.entries.push((*old).clone());
        }
        linked
    }

    /// Enters a file that was written.
    fn enter(&mut self, name: &str, source: Option<SourceFile>) -> Result<()> {
        let (bytes, crc32c) = size_and_crc(&self.root.join(name))?;
        self.report.files_copied += 1;
        self.report.bytes_copied += bytes;
        self.entries.push(Entry { path: name.to_owned(), bytes, crc32c, source });
        Ok(())
    }

    /// Adds the rows of the ring that no file of the tree has, as a part of each day.
    pub(super) fn add_rows(&mut self, bus: &Bus, ring: &Unarchived) -> Result<()> {
        if ring.days.is_empty() {
            return Ok(());
        }
        let settings = bus.settings();
        let days = self.root.join(DAYS);
        let archive = Archive::open(&days, settings.schema.clone(), settings.calendar.name())?;
        debug_assert_eq!(work_dir(&days), self.root.join(PARTS));
        for (day, rows) in &ring.days {
            let spilled = archive.spill(*day, rows, ring.lineage, ring.next_seq)?;
            let Some(path) = spilled.path else { continue };
            let name = path.strip_prefix(&self.root).expect("it is in the tree").display().to_string();
            self.report.bars_of_ring += spilled.rows;
            self.enter(&name, None)?;
        }
        Ok(())
    }

    /// Makes every name of the tree survive a loss of power. Returns the files, and what was done.
    pub(super) fn finish(mut self) -> Result<(Vec<Entry>, BackupReport)> {
        let mut folders = BTreeSet::from([self.root.clone()]);
        for entry in &self.entries {
            let path = self.root.join(&entry.path);
            folders
                .extend(path.ancestors().skip(1).take_while(|above| above.starts_with(&self.root)).map(Path::to_owned));
        }
        folders.iter().try_for_each(|folder| sync_folder(folder))?;
        let is_day = |entry: &&Entry| Path::new(&entry.path).parent() == Some(Path::new(DAYS));
        self.report.days = self.entries.iter().filter(is_day).count() as u64;
        self.report.files = self.entries.len() as u64;
        self.report.bytes = self.entries.iter().map(|entry| entry.bytes).sum();
        Ok((self.entries, self.report))
    }
}
