//! The calendars that a bus can name: the built-in ones, and the files that extend or replace them.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use barbus_bars::{CalendarTables, TableError};

use crate::error::{Error, Result};

/// The folder of the system's tables, and the variable that names another one.
const SYSTEM_FOLDER: &str = "/etc/barbus/calendar.d";
const SYSTEM_VARIABLE: &str = "BARBUS_CALENDARS";
/// No table is longer.
const MAX_BYTES: u64 = 4 << 20;
const OTHERS_MAY_WRITE: u32 = 0o002;

/// The calendars by name: the built-in tables, then the files `*.toml` of the system's folder, then
/// those of `calendar.d` in the bus at `bus`. Files are read in the order of their names.
///
/// The system's folder is `/etc/barbus/calendar.d`, or the one that the environment variable
/// `BARBUS_CALENDARS` names. A folder may be absent.
///
/// # Errors
/// [`Error::Settings`] names the file, the line and what to write. [`Error::Untrusted`] for a file
/// that every user may write, [`Error::Io`] if one cannot be read.
pub fn calendars(bus: Option<&Path>) -> Result<CalendarTables> {
    let mut tables = CalendarTables::built_in();
    let system = std::env::var_os(SYSTEM_VARIABLE).map_or_else(|| SYSTEM_FOLDER.into(), PathBuf::from);
    for folder in [Some(system), bus.map(|bus| bus.join("calendar.d"))].into_iter().flatten() {
        for file in files(&folder)? {
            let text = read(&file)?;
            let place = file.display().to_string();
            tables.add(&place, &text).map_err(|error| invalid(&file, &error))?;
        }
    }
    Ok(tables)
}

/// The tables of a folder in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(folder, "read", error)),
    };
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
    let mut paths = paths.map_err(|error| Error::io(folder, "read", error))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<String> {
    // A FIFO would wait for a writer.
    let found = fs::metadata(path).map_err(|error| Error::io(path, "examine", error))?;
    let refuse = |why: String| Err(Error::Untrusted { path: path.to_owned(), why });
    if !found.is_file() {
        return refuse("it is not a regular file: move it away".to_owned());
    }
    if found.mode() & OTHERS_MAY_WRITE != 0 {
        return refuse(format!("its mode lets every user write it: chmod o-w {}", path.display()));
    }
    let file = File::open(path).map_err(|error| Error::io(path, "open", error))?;
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| Error::io(path, "read", error))?;
    if text.len() as u64 > MAX_BYTES {
        return refuse(format!("it has more than {MAX_BYTES} bytes: it is no calendar table"));
    }
    Ok(text)
}

fn invalid(file: &Path, error: &TableError) -> Error {
    let line = error.line.map(|line| format!("line {line}: ")).unwrap_or_default();
    Error::Settings { path: file.to_owned(), what: format!("{line}{}", error.what) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn with_file(name: &str, text: &str, mode: u32) -> (tempfile::TempDir, Result<CalendarTables>) {
        let bus = tempfile::tempdir().unwrap();
        let folder = bus.path().join("calendar.d");
        fs::create_dir(&folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let tables = calendars(Some(bus.path()));
        (bus, tables)
    }

    #[test]
    fn a_fault_names_the_file_and_the_line() {
        let text = "name = \"XSHG\"\npreset = \"XSHG\"\n\n[half_days]\n2026-10-01 = \"11:30\"\n";
        let (bus, tables) = with_file("1.toml", text, 0o644);
        let expected = format!(
            "{}/calendar.d/1.toml: line 5: half_days: 2026-10-01 is no trading day: remove it there, or write \
             trading_days = [2026-10-01] to make it a trading day",
            bus.path().display()
        );
        assert_eq!(tables.unwrap_err().to_string(), expected);
    }

    #[test]
    fn other_files_are_not_read_and_foreign_ones_are_refused() {
        assert!(with_file("notes.txt", "no table", 0o644).1.is_ok());
        let refused = with_file("1.toml", "name = \"X\"", 0o666).1.unwrap_err();
        assert!(matches!(refused, Error::Untrusted { .. }), "{refused}");
        let bus = tempfile::tempdir().unwrap();
        fs::create_dir_all(bus.path().join("calendar.d/2.toml")).unwrap();
        assert!(matches!(calendars(Some(bus.path())), Err(Error::Untrusted { .. })));
    }
}
