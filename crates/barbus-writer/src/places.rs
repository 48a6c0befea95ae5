//! The places of a bus that its writer uses alone: its directory, ring, archive and quarantine.
//!
//! Each is locked, so that no two writers share one, whatever paths lead there. Each that another
//! user could change is refused.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use barbus::internal::{Owners, create_folder, create_folders};
use barbus::{Bus, Error, Result};
use barbus_archive::{is_day_file, work_dir};
use barbus_ring::{Ring, RingError, RingWriter, Spec, copy_in_place, create};
use barbus_shm::{ShmError, WriteMap, WriterLock};

/// The lock file in a folder that one bus uses alone.
const FOLDER_LOCK: &str = ".lock";

/// Locks the bus's directory.
pub(crate) fn lock_bus(bus: &Bus, owners: &Owners) -> Result<WriterLock> {
    owners.check_folder(bus.path())?;
    let path = bus.lock();
    let lock = WriterLock::acquire(&path).map_err(|error| match error {
        ShmError::Held { pid, .. } => {
            // A process of this number that does not write this bus is another one.
            let is_here = pid == 0 || bus_of(pid) == bus.path().canonicalize().ok();
            Error::Busy { bus: bus.path().to_owned(), pid, is_here }
        }
        other => Error::Ring(other.into()),
    })?;
    owners.check_owner_of(lock.file(), &path)?;
    lock.store_pid();
    Ok(lock)
}

/// Opens the ring of `bus` as its one writer; a missing one is created as `spec` states.
pub(crate) fn open_ring(bus: &Bus, owners: &Owners, spec: &Spec) -> Result<RingWriter> {
    let path: &Path = &bus.ring();
    if path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        create(path, spec)?;
    }
    let mut map = WriteMap::open(path).map_err(RingError::from)?;
    // Before the first store: another user could end this process by truncating the file.
    owners.check_file(map.file(), path)?;
    let locked = map.lock().map_err(|error| match error {
        ShmError::Held { .. } => {
            let pid = Ring::attach(path).map_or(0, |ring| ring.status().writer_pid);
            in_use(bus, path, pid)
        }
        other => Error::Ring(other.into()),
    })?;
    if !locked {
        tracing::warn!(
            ring = %path.display(),
            "a process that only reads the ring has locked all of it: a second bus on this ring would not be refused: \
             end that process"
        );
    }
    // A store to a page must not need another block of the disk: there may be none.
    if map.check_in_place().is_err() {
        map = copy_in_place(&map)?;
        tracing::info!(ring = %path.display(), "ring copied to a file without copy-on-write");
    }
    if map.unshare().map_err(RingError::from)? {
        tracing::info!(ring = %path.display(), "ring had blocks in common with a copy or a snapshot: it has its own");
    }
    Ok(RingWriter::take_over(map)?)
}

/// Checks that the archive of `bus` is a folder of its own, and locks it.
pub(crate) fn lock_archive(bus: &Bus, owners: &Owners) -> Result<Option<WriterLock>> {
    let archive = bus.archive();
    if let Some(why) = not_an_archive(bus, &archive) {
        let what = format!("archive.path: {}: {why}: name a directory of its own", archive.display());
        return Err(Error::Settings { path: bus.path().join("bus.toml"), what });
    }
    check_mounted(bus)?;
    let work = work_dir(&archive);
    for folder in [&archive, &work] {
        create_folders(folder).map_err(|error| Error::io(folder, "create", error))?;
        owners.check_folder(folder)?;
    }
    lock_folder(bus, &work, &archive)
}

/// What the file that says that the archive has days says to people.
const MARKER: &str = "The archive of this bus has days. Where it has none, it is not mounted, and the daemon does not
start. If the days were removed on purpose, remove this file too.
";

/// Refuses an archive without a day if the bus has archived some: its volume is not mounted.
fn check_mounted(bus: &Bus) -> Result<()> {
    let marker = bus.archived_marker();
    if !marker.exists() || mark_archived(bus) {
        return Ok(());
    }
    let what = format!(
        "no day is in it, but this bus has archived days there: mount its volume, or remove {} if the days were \
         removed on purpose",
        marker.display()
    );
    Err(Error::Settings { path: bus.archive(), what })
}

/// Notes in the bus's directory that the archive has days, if it has any; returns whether it has.
pub(crate) fn mark_archived(bus: &Bus) -> bool {
    let has_days = bus.archived_days().is_ok_and(|days| !days.is_empty());
    let marker = bus.archived_marker();
    if has_days && !marker.exists() {
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o640).open(&marker);
        // On a full disk the next look tries again.
        if file.and_then(|mut file| file.write_all(MARKER.as_bytes())).is_err() {
            let _ = std::fs::remove_file(&marker);
            return false;
        }
    }
    has_days
}

/// Locks the quarantine of `bus`.
pub(crate) fn lock_quarantine(bus: &Bus) -> Result<Option<WriterLock>> {
    let folder = bus.quarantine();
    let _ = create_folder(&folder);
    lock_folder(bus, &folder, &folder)
}

/// Locks the folder of conflicts, which a bus has if its sources have a priority.
pub(crate) fn lock_conflicts(bus: &Bus) -> Result<Option<WriterLock>> {
    if bus.settings().sources.priority.is_empty() {
        return Ok(None);
    }
    let folder = bus.conflicts();
    let _ = create_folder(&folder);
    lock_folder(bus, &folder, &folder)
}

/// Locks `place` by a file in `folder`. `None` where there can be no such file, for example on a
/// full disk: the bus works without.
fn lock_folder(bus: &Bus, folder: &Path, place: &Path) -> Result<Option<WriterLock>> {
    match WriterLock::acquire(&folder.join(FOLDER_LOCK)) {
        Ok(lock) => Ok(Some(lock)),
        Err(ShmError::Held { pid, .. }) => Err(in_use(bus, place, pid)),
        Err(error) => {
            tracing::warn!(%error, "not locked: another bus with the same folder would not be refused: make room, and restart the daemon");
            Ok(None)
        }
    }
}

/// The error for a place that process `pid` writes.
fn in_use(bus: &Bus, place: &Path, pid: u32) -> Error {
    let by = bus_of(pid);
    let own = bus.path().canonicalize().ok();
    match by.is_some() && by == own {
        // Its lock file was removed.
        true => Error::Busy { bus: bus.path().to_owned(), pid, is_here: true },
        false => Error::InUse { path: place.to_owned(), by, pid },
    }
}

/// The bus that a process writes: it has the lock file of its directory open.
fn bus_of(pid: u32) -> Option<PathBuf> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    descriptors.flatten().find_map(|descriptor| {
        let open = std::fs::read_link(descriptor.path()).ok()?;
        // The kernel marks a file that was removed.
        let open = PathBuf::from(open.to_str()?.trim_end_matches(" (deleted)"));
        let bus = open.parent()?;
        (open.file_name()? == "lock" && bus.join("bus.toml").exists()).then(|| bus.to_owned())
    })
}

/// Why `archive` cannot be the archive of `bus`, if so.
fn not_an_archive(bus: &Bus, archive: &Path) -> Option<String> {
    let (archive, own) = (resolve(archive), resolve(bus.path()));
    if own.starts_with(&archive) {
        return Some("the bus itself is in it".into());
    }
    let places = [
        (bus.readers(), "the readers' folder"),
        (bus.quarantine(), "the quarantine"),
        (bus.conflicts(), "the folder of conflicts"),
    ];
    for (place, what) in places {
        if archive.starts_with(resolve(&place)) {
            return Some(format!("it is in {what}"));
        }
    }
    if resolve(&bus.ring()).starts_with(&archive) {
        return Some("the ring is in it".into());
    }
    // A directory of other files, such as /etc. One stray file among days does no harm.
    let names = std::fs::read_dir(&archive).ok()?;
    let names: BTreeSet<String> = names.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let foreign = names.iter().find(|name| !name.starts_with('.'))?;
    let has_days = names.iter().any(|name| is_day_file(name));
    (!has_days).then(|| format!("it has other files, such as {foreign}, and no day"))
}

/// The path without symbolic links, also where its last parts do not exist yet.
fn resolve(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute
        .ancestors()
        .find_map(|above| Some(above.canonicalize().ok()?.join(absolute.strip_prefix(above).ok()?)))
        .unwrap_or(absolute.clone())
}
