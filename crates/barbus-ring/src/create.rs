use std::path::{Path, PathBuf};

use barbus_shm::{Store, WriteMap, allocate, sync};

use crate::arrow_messages::{dictionary_message, footer_flatbuffer, prefix, schema_flatbuffer, slot_message};
use crate::geometry::crc_of;
use crate::layout::*;
use crate::{Geometry, RingError, Spec};

/// Lays out an empty ring at `path`, whole or not at all: it is built beside it, renamed over it, and the name is put on disk.
///
/// The file is allocated in full; a disk without room is an error here and nothing is left behind.
pub fn create(path: &Path, spec: &Spec) -> Result<(), RingError> {
    let building = build(path, spec)?;
    rename(&building, path).inspect_err(|_| clean(path))?;
    sync_name(path)
}

/// Where a ring for `path` is built. One name, as there is one writer: what a dead one left is found.
fn building(path: &Path) -> PathBuf {
    let mut building = path.as_os_str().to_owned();
    building.push(".new");
    building.into()
}

/// Removes what a writer left that died while it built a ring for `path`.
pub(crate) fn clean(path: &Path) {
    let _ = std::fs::remove_file(building(path));
}

/// Builds a ring beside `path`, and says where.
pub(crate) fn build(path: &Path, spec: &Spec) -> Result<PathBuf, RingError> {
    spec.check()?;
    clean(path);
    let building = building(path);
    lay_out(&building, spec).inspect_err(|_| clean(path))?;
    Ok(building)
}

/// Gives the ring that was built its name.
pub(crate) fn rename(building: &Path, path: &Path) -> Result<(), RingError> {
    std::fs::rename(building, path).map_err(refused(path, "rename the new ring to"))
}

/// Puts the name on disk: else an older file could come back there after a loss of power.
pub(crate) fn sync_name(path: &Path) -> Result<(), RingError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(refused(path, "sync the directory of"))
}

fn refused(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> RingError {
    move |source| barbus_shm::ShmError::Io { path: path.to_owned(), action, source }.into()
}

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

    put(&map, 0, &ARROW_MAGIC);
    put(&map, SCHEMA_MESSAGE, &prefix(geometry.dictionary - SCHEMA_MESSAGE));
    put(&map, SCHEMA_MESSAGE + MESSAGE_PREFIX, &schema_bytes);

    let dictionary = dictionary_message(&geometry);
    put(&map, geometry.dictionary, &dictionary.bytes);
    map_length(&map, geometry.dictionary, &dictionary, 0);

    let slot = slot_message(&geometry);
    for i in 0..geometry.slots as usize {
        put(&map, geometry.slot(i), &slot.bytes);
        map_length(&map, geometry.slot(i), &slot, 0);
    }
    put(&map, geometry.end_of_stream(), &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    put(&map, geometry.footer_offset(), &footer);
    put(&map, footer_end, &(footer.len() as u32).to_le_bytes());
    put(&map, footer_end + 4, &ARROW_MAGIC[..6]);

    for (offset, bytes, value) in geometry.fields() {
        put(&map, offset, &value.to_le_bytes()[..bytes]);
    }
    put(&map, SB_MAGIC, &MAGIC.to_le_bytes());
    put(&map, SB_FIXED_CRC, &crc_of(&map, SB_FIXED, SB_FIXED_END).to_le_bytes());
    sync(&file, path)?;
    // The version is last: a file whose creation was cut short is never taken for a ring.
    put(&map, SB_VERSION, &VERSION.to_le_bytes());
    sync(&file, path)?;
    Ok(())
}

fn put(map: &WriteMap, offset: usize, bytes: &[u8]) {
    use barbus_shm::Memory;
    for (word, &byte) in map.words8(offset, bytes.len()).iter().zip(bytes) {
        word.set(byte);
    }
}

fn map_length(map: &WriteMap, at: usize, message: &crate::arrow_messages::Message, rows: u64) {
    use barbus_shm::Memory;
    map.words64(at + message.length, 1)[0].set(rows);
    for node in &message.nodes {
        map.words64(at + node, 1)[0].set(rows);
    }
}
