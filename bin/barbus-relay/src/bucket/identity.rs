//! Which bus pushes: a random id that is kept in its directory, its host and its path.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use barbus::Bus;
use barbus::internal::create_folder;
use jiff::Timestamp;

use super::digest::hex;
use super::failure::{Failure, Kind};
use super::manifest::Owner;

/// The folder of a bus with what its pushes keep.
pub(super) fn folder(bus: &Bus) -> PathBuf {
    bus.path().join("push")
}

/// The identity of `bus`. Its id is made at the first push.
pub(super) fn of(bus: &Bus) -> Result<Owner, Failure> {
    let folder = folder(bus);
    create_folder(&folder).map_err(|error| cannot("create", &folder, &error))?;
    let path = folder.join("id");
    let id = match std::fs::read_to_string(&path) {
        Ok(id) if !id.trim().is_empty() => id.trim().to_owned(),
        Ok(_) => make_id(&path)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => make_id(&path)?,
        Err(error) => return Err(cannot("read", &path, &error)),
    };
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let bus = bus.path().canonicalize().unwrap_or_else(|_| bus.path().to_owned());
    Ok(Owner { id, host: host.trim().to_owned(), bus: bus.display().to_string(), since: Timestamp::now() })
}

fn make_id(path: &PathBuf) -> Result<String, Failure> {
    let id = random_name()?;
    // Whole or not at all: half an id would be that of another bus.
    let unfinished = path.with_extension("new");
    let written = std::fs::write(&unfinished, format!("{id}\n"))
        .and_then(|()| File::open(&unfinished)?.sync_all())
        .and_then(|()| std::fs::rename(&unfinished, path));
    written.map(|()| id).map_err(|error| cannot("write", path, &error))
}

/// A text that no other call returns.
pub(super) fn random_name() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    let path = PathBuf::from("/dev/urandom");
    let read = File::open(&path).and_then(|mut file| file.read_exact(&mut bytes));
    read.map(|()| hex(&bytes)).map_err(|error| cannot("read", &path, &error))
}

pub(super) fn cannot(action: &str, path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::new(Kind::Unfit, format!("{}: cannot {action}: {error}", path.display()))
}
