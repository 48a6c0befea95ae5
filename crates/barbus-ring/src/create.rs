use std::path::Path;

use barbus_shm::{Store, WriteMap, allocate, sync};

use crate::geometry::crc_of;
use crate::layout::*;
use crate::template::{dictionary_message, footer_flatbuffer, prefix, schema_flatbuffer, slot_message};
use crate::{Geometry, RingError, Spec};

/// Lays out an empty ring at `path`, whole or not at all: it is built beside it and renamed over it.
///
/// The file is allocated in full; a disk without room is an error here and nothing is left behind.
pub fn create(path: &Path, spec: &Spec) -> Result<(), RingError> {
    spec.check()?;
    let mut building = path.as_os_str().to_owned();
    building.push(format!(".new-{}", std::process::id()));
    let building = Path::new(&building);
    let _ = std::fs::remove_file(building);
    let done = lay_out(building, spec).and_then(|()| {
        std::fs::rename(building, path).map_err(|source| {
            barbus_shm::ShmError::Io { path: path.to_owned(), action: "rename the new ring to", source }.into()
        })
    });
    if done.is_err() {
        let _ = std::fs::remove_file(building);
    }
    done
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

fn map_length(map: &WriteMap, at: usize, message: &crate::template::Message, rows: u64) {
    use barbus_shm::Memory;
    map.words64(at + message.length, 1)[0].set(rows);
    for node in &message.nodes {
        map.words64(at + node, 1)[0].set(rows);
    }
}
