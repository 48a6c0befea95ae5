//! The file of one date in a folder: whole lines, which can be read back.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use barbus::internal::create_folder;
use barbus_bars::Date;

/// How often lines are written again because their file was moved or removed meanwhile.
const MAX_ATTEMPTS: usize = 5;
/// Bytes that are read back at once.
const READ_BACK: usize = 64 * 1024;

/// The file that lines are appended to.
#[derive(Debug)]
pub(super) struct LineFile {
    folder: PathBuf,
    /// The directory that the folder is in, which a person may move.
    bus: Option<File>,
    open: Option<(Date, File)>,
}

impl LineFile {
    pub(super) fn new(folder: PathBuf) -> Self {
        let bus = folder.parent().and_then(|bus| File::open(bus).ok());
        Self { folder, bus, open: None }
    }

    /// The folder as the kernel finds it: after the bus was moved, by its open directory.
    fn reachable_folder(&self) -> PathBuf {
        let is_there = self.folder.parent().is_none_or(Path::is_dir);
        match (&self.bus, self.folder.file_name()) {
            (Some(bus), Some(name)) if !is_there => {
                Path::new("/proc/self/fd").join(bus.as_raw_fd().to_string()).join(name)
            }
            _ => self.folder.clone(),
        }
    }

    /// The path of the file of `date`.
    pub(super) fn path(&self, date: Date) -> PathBuf {
        self.folder.join(name_of(date))
    }

    /// Appends whole lines to the file of `date`. They are on disk when this returns, in the file
    /// that is at the path, where they were read back.
    ///
    /// Another program may move or remove the file or its folder at any time. The lines are then
    /// written to a new file.
    ///
    /// # Errors
    /// The lines are not stored: the file is as it was before, without a part of a line.
    pub(super) fn append(&mut self, date: Date, lines: &[u8]) -> Result<()> {
        let folder = self.reachable_folder();
        let path = folder.join(name_of(date));
        for _ in 0..MAX_ATTEMPTS {
            let file = self.file(date, &folder, &path)?;
            let start = file.metadata()?.len();
            if let Err(error) = append_and_read_back(file, start, lines) {
                // A torn line would swallow the next one.
                let _ = file.set_len(start);
                self.open = None;
                return Err(error);
            }
            if is_at(file, &path) {
                return Ok(());
            }
        }
        Err(Error::other("another program removes the file again and again"))
    }

    /// Bytes of all files in the folder; 0 if there is no folder.
    pub(super) fn folder_bytes(&self) -> u64 {
        let Ok(entries) = std::fs::read_dir(self.reachable_folder()) else { return 0 };
        entries.filter_map(|entry| entry.ok()?.metadata().ok()).map(|found| found.len()).sum()
    }

    /// The file at `path` in `folder`; it is opened anew if the open one is no longer there.
    fn file(&mut self, date: Date, folder: &Path, path: &Path) -> Result<&File> {
        if !self.open.as_ref().is_some_and(|(open, file)| *open == date && is_at(file, path)) {
            self.open = None;
            create_folder(folder)?;
            let mut options = OpenOptions::new();
            options.read(true).append(true).create(true).mode(0o640);
            // A pipe at the path must not block the daemon.
            let file = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
            if !file.metadata()?.is_file() {
                return Err(Error::new(ErrorKind::AlreadyExists, "what is there is not a regular file"));
            }
            // Without this sync the file's name may be lost with the power, and its lines with it.
            File::open(folder)?.sync_all()?;
            self.open = Some((date, file));
        }
        Ok(&self.open.as_ref().expect("opened above").1)
    }
}

fn name_of(date: Date) -> String {
    format!("{date}.ndjson")
}

/// Whether `path` is this open file.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(found)) = (file.metadata(), std::fs::symlink_metadata(path)) else { return false };
    (open.dev(), open.ino()) == (found.dev(), found.ino())
}

fn append_and_read_back(mut file: &File, start: u64, lines: &[u8]) -> Result<()> {
    let mut at = start;
    let mut last = [b'\n'];
    if start > 0 {
        file.read_exact_at(&mut last, start - 1)?;
    }
    if last != *b"\n" {
        // A crash has torn the last line. Nothing of it was acknowledged.
        file.write_all(b"\n")?;
        at += 1;
    }
    file.write_all(lines)?;
    file.sync_data()?;
    let mut read = [0; READ_BACK];
    for chunk in lines.chunks(READ_BACK) {
        file.read_exact_at(&mut read[..chunk.len()], at)?;
        if read[..chunk.len()] != *chunk {
            return Err(Error::other("the file does not have the lines that were written"));
        }
        at += chunk.len() as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: Date = Date::constant(2024, 7, 4);

    fn lines(folder: &Path) -> String {
        std::fs::read_to_string(folder.join("2024-07-04.ndjson")).unwrap()
    }

    /// An operator may move or remove the file, or its folder, between any two rows.
    #[test]
    fn lines_follow_the_path_and_not_the_open_file() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("quarantine");
        let mut file = LineFile::new(folder.clone());
        file.append(DATE, b"1\n2\n").unwrap();
        std::fs::rename(file.path(DATE), folder.join("moved")).unwrap();
        file.append(DATE, b"3\n").unwrap();
        std::fs::remove_file(file.path(DATE)).unwrap();
        file.append(DATE, b"4\n").unwrap();
        assert_eq!(
            (lines(&folder).as_str(), std::fs::read(folder.join("moved")).unwrap()),
            ("4\n", b"1\n2\n".to_vec())
        );
        std::fs::remove_dir_all(&folder).unwrap();
        file.append(DATE, b"5\n").unwrap();
        std::fs::rename(&folder, dir.path().join("aside")).unwrap();
        file.append(DATE, b"6\n").unwrap();
        assert_eq!((lines(&folder), lines(&dir.path().join("aside"))), ("6\n".to_owned(), "5\n".to_owned()));
        assert_eq!(file.folder_bytes(), 2);
    }

    #[test]
    fn a_torn_line_of_a_crash_stays_a_line_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = LineFile::new(dir.path().to_owned());
        std::fs::write(file.path(DATE), "1\n{\"row").unwrap();
        file.append(DATE, b"2\n").unwrap();
        file.append(DATE, b"3\n").unwrap();
        assert_eq!(lines(dir.path()), "1\n{\"row\n2\n3\n");
    }

    #[test]
    fn a_symbolic_link_and_a_folder_at_the_path_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = LineFile::new(dir.path().join("quarantine"));
        std::fs::create_dir(dir.path().join("quarantine")).unwrap();
        std::fs::write(dir.path().join("other"), "mine").unwrap();
        std::os::unix::fs::symlink("../other", file.path(DATE)).unwrap();
        file.append(DATE, b"1\n").unwrap_err();
        std::fs::remove_file(file.path(DATE)).unwrap();
        std::fs::create_dir(file.path(DATE)).unwrap();
        file.append(DATE, b"1\n").unwrap_err();
        assert_eq!(std::fs::read(dir.path().join("other")).unwrap(), b"mine");
    }
}
