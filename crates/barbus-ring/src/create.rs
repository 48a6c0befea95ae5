//! Creating a ring file: it is built beside its path, then renamed over it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use barbus_shm::{Memory, Store, WriteMap, allocate, remove_abandoned, rename_new, sync};

use crate::arrow_messages::{Message, dictionary_message, footer_flatbuffer, prefix, schema_flatbuffer, slot_message};
use crate::crc::crc_of;
use crate::layout::*;
use crate::superblock::fixed_fields;
use crate::{Geometry, RingError, Spec};

/// Creates an empty ring at `path`, whole or not at all.
///
/// The file is built beside `path`, renamed to it, and its name is synced. It is allocated in full:
/// a disk without room is an error here, and nothing is left behind.
///
/// # Errors
/// `path` exists, or the system refuses the file.
pub fn create(path: &Path, spec: &Spec) -> Result<(), RingError> {
    let (building, _map) = build(path, spec)?;
    let renamed = rename_new(&building, path).map_err(io_error(path, "rename the new ring to"));
    renamed.inspect_err(|_| remove(&building))?;
    sync_name(path)
}

/// What the name of an unfinished ring adds to that of the ring, before a random number. Nobody can
/// predict the name and lay something there.
const UNFINISHED: &str = ".new-";
/// The digits of that number.
const DIGITS: usize = 16;

/// Where a ring for `path` is built.
fn building_path(path: &Path) -> PathBuf {
    // A random number: the system seeds the hasher of the standard library.
    let number = RandomState::new().build_hasher().finish();
    let mut building = path.as_os_str().to_owned();
    building.push(format!("{UNFINISHED}{number:0DIGITS$x}"));
    building.into()
}

/// Removes the unfinished files that crashes during creation have left beside `path`.
pub(crate) fn remove_unfinished(path: &Path) {
    let Some(name) = path.file_name() else { return };
    let Ok(entries) = std::fs::read_dir(folder_of(path)) else { return };
    for entry in entries.flatten() {
        let found = entry.file_name();
        let rest = found.as_bytes().strip_prefix(name.as_bytes());
        let number = rest.and_then(|rest| rest.strip_prefix(UNFINISHED.as_bytes()));
        if number.is_some_and(|number| number.len() == DIGITS && number.iter().all(u8::is_ascii_hexdigit)) {
            remove_abandoned(&entry.path());
        }
    }
}

pub(crate) fn remove(building: &Path) {
    let _ = std::fs::remove_file(building);
}

/// Builds a ring beside `path`. Returns where, and its map, which has the writer's lock on it.
pub(crate) fn build(path: &Path, spec: &Spec) -> Result<(PathBuf, WriteMap), RingError> {
    spec.check()?;
    remove_unfinished(path);
    let building = building_path(path);
    let map = lay_out(&building, spec).inspect_err(|_| remove(&building))?;
    Ok((building, map))
}

/// Puts a copy of the ring in `old` at its path, in a file that the file system writes in place.
/// Returns the map of it, locked.
///
/// A copy that a person or a backup has made may be a file of which each written block is copied,
/// see [`WriteMap::check_in_place`]. Readers of the old file switch to the new one.
///
/// # Errors
/// The disk has no room for the copy, or its file system can only copy blocks.
pub fn copy_in_place(old: &WriteMap) -> Result<WriteMap, RingError> {
    let path = old.path();
    remove_unfinished(path);
    let building = building_path(path);
    let copied = copy(old, &building).and_then(|map| {
        // By a call and not by the map: on a full disk this is an error.
        let flag = old.file().write_all_at(&1u64.to_le_bytes(), SB_SUPERSEDED as u64);
        flag.map_err(io_error(path, "mark as replaced"))?;
        rename(&building, path)?;
        sync_name(path)?;
        Ok(map.renamed(path))
    });
    copied.inspect_err(|_| remove(&building))
}

fn copy(old: &WriteMap, building: &Path) -> Result<WriteMap, RingError> {
    let file = allocate(building, old.len() as u64)?;
    let map = WriteMap::open(building)?;
    map.lock()?;
    let mut piece = vec![0; 1 << 20];
    for at in (0..old.len()).step_by(piece.len()) {
        let len = piece.len().min(old.len() - at);
        let copied = old.file().read_exact_at(&mut piece[..len], at as u64);
        let copied = copied.and_then(|()| file.write_all_at(&piece[..len], at as u64));
        copied.map_err(io_error(building, "copy the ring to"))?;
    }
    sync(&file, building)?;
    Ok(map)
}

/// Renames a ring that was built to its path.
pub(crate) fn rename(building: &Path, path: &Path) -> Result<(), RingError> {
    std::fs::rename(building, path).map_err(io_error(path, "rename the new ring to"))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Syncs the directory of `path`. Without it, an older file could be back at the path after a power
/// loss.
pub(crate) fn sync_name(path: &Path) -> Result<(), RingError> {
    let synced = std::fs::File::open(folder_of(path)).and_then(|folder| folder.sync_all());
    synced.map_err(io_error(path, "sync the directory of"))
}

fn io_error(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> RingError {
    move |source| barbus_shm::ShmError::Io { path: path.to_owned(), action, source }.into()
}

/// Allocates the file and writes every byte that an empty ring has.
fn lay_out(path: &Path, spec: &Spec) -> Result<WriteMap, RingError> {
    let schema = spec.schema();
    let schema_bytes = schema_flatbuffer(&schema);
    if SCHEMA_MESSAGE + MESSAGE_PREFIX + schema_bytes.len() > SUPERBLOCK {
        return Err(RingError::Spec { what: "the names of the optional columns are too long".into() });
    }
    let mut geometry = Geometry::compute(spec, schema_bytes.len() as u32, crc32c::crc32c(&schema_bytes));
    let footer = footer_flatbuffer(&schema, &geometry);
    let footer_end = geometry.footer_offset() + footer.len();
    geometry.file_bytes = (footer_end + 10) as u64;
    let file = allocate(path, geometry.file_bytes)?;
    let map = WriteMap::open(path)?;
    map.lock()?;

    store_bytes(&map, 0, &ARROW_MAGIC);
    store_bytes(&map, SCHEMA_MESSAGE, &prefix(geometry.dictionary - SCHEMA_MESSAGE));
    store_bytes(&map, SCHEMA_MESSAGE + MESSAGE_PREFIX, &schema_bytes);

    let dictionary = dictionary_message(&geometry);
    store_bytes(&map, geometry.dictionary, &dictionary.bytes);
    store_lengths(&map, geometry.dictionary, &dictionary, 0);

    let slot = slot_message(&geometry);
    for i in 0..geometry.slots as usize {
        store_bytes(&map, geometry.slot(i), &slot.bytes);
        store_lengths(&map, geometry.slot(i), &slot, 0);
    }
    store_bytes(&map, geometry.end_of_stream(), &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    store_bytes(&map, geometry.footer_offset(), &footer);
    store_bytes(&map, footer_end, &(footer.len() as u32).to_le_bytes());
    store_bytes(&map, footer_end + 4, &ARROW_MAGIC[..6]);

    for (offset, bytes, value) in fixed_fields(&geometry) {
        store_bytes(&map, offset, &value.to_le_bytes()[..bytes]);
    }
    store_bytes(&map, SB_MAGIC, &MAGIC.to_le_bytes());
    store_bytes(&map, SB_FIXED_CRC, &crc_of(&map, SB_FIXED, SB_FIXED_END).to_le_bytes());
    sync(&file, path)?;
    // The version is stored last: an unfinished file is never taken for a ring.
    store_bytes(&map, SB_VERSION, &VERSION.to_le_bytes());
    sync(&file, path)?;
    Ok(map)
}

fn store_bytes(map: &WriteMap, offset: usize, bytes: &[u8]) {
    for (word, &byte) in map.words8(offset, bytes.len()).iter().zip(bytes) {
        word.set(byte);
    }
}

/// Stores `rows` as the lengths of the message at `at`.
fn store_lengths(map: &WriteMap, at: usize, message: &Message, rows: u64) {
    map.words64(at + message.length, 1)[0].set(rows);
    for node in &message.nodes {
        map.words64(at + node, 1)[0].set(rows);
    }
}
