//! Creating a ring file: it is built beside its path, then renamed over it.

use std::path::{Path, PathBuf};

use barbus_shm::{Memory, Store, WriteMap, allocate, sync};

use crate::arrow_messages::{Message, dictionary_message, footer_flatbuffer, prefix, schema_flatbuffer, slot_message};
use crate::crc::crc_of;
use crate::layout::*;
use crate::superblock::fixed_fields;
use crate::{Geometry, RingError, Spec};

/// Creates an empty ring at `path`, whole or not at all.
///
/// The file is built beside `path`, renamed over it, and its name is synced. It is allocated in
/// full: a disk without room is an error here, and nothing is left behind.
pub fn create(path: &Path, spec: &Spec) -> Result<(), RingError> {
    let building = build(path, spec)?;
    rename(&building, path).inspect_err(|_| remove_unfinished(path))?;
    sync_name(path)
}

/// Where a ring for `path` is built. There is only one writer, so one name is enough; with it, a
/// file that a crashed writer has left is found and removed.
fn building_path(path: &Path) -> PathBuf {
    let mut building = path.as_os_str().to_owned();
    building.push(".new");
    building.into()
}

/// Removes the unfinished file that a crash during creation has left.
pub(crate) fn remove_unfinished(path: &Path) {
    let _ = std::fs::remove_file(building_path(path));
}

/// Builds a ring beside `path` and returns where.
pub(crate) fn build(path: &Path, spec: &Spec) -> Result<PathBuf, RingError> {
    spec.check()?;
    remove_unfinished(path);
    let building = building_path(path);
    lay_out(&building, spec).inspect_err(|_| remove_unfinished(path))?;
    Ok(building)
}

/// Renames a ring that was built to its path.
pub(crate) fn rename(building: &Path, path: &Path) -> Result<(), RingError> {
    std::fs::rename(building, path).map_err(io_error(path, "rename the new ring to"))
}

/// Syncs the directory of `path`. Without it, an older file could be back at the path after a power
/// loss.
pub(crate) fn sync_name(path: &Path) -> Result<(), RingError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(io_error(path, "sync the directory of"))
}

fn io_error(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> RingError {
    move |source| barbus_shm::ShmError::Io { path: path.to_owned(), action, source }.into()
}

/// Allocates the file and writes every byte that an empty ring has.
fn lay_out(path: &Path, spec: &Spec) -> Result<(), RingError> {
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
    Ok(())
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
