//! `docs/FORMAT.md` is normative: its tables are compared with the layout, its worked example with
//! the golden files, and its flatbuffer fields with Arrow's.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use barbus_ring::MAX_OPTIONAL;
use barbus_ring::layout::*;

const DOCUMENT: &str = include_str!("../../../docs/FORMAT.md");

/// The cells of every row of the tables with the head `head`, each with the heading above its
/// table.
fn rows(head: &str) -> Vec<(String, Vec<String>)> {
    let (mut rows, mut heading, mut inside) = (Vec::new(), "", false);
    for line in DOCUMENT.lines() {
        if let Some(text) = line.strip_prefix('#') {
            heading = text.trim_start_matches('#').trim();
        }
        inside = line == head || inside && line.starts_with('|');
        if inside && line != head && !line.starts_with("|---") {
            // An escaped bar belongs to its cell.
            let line = line.replace("\\|", "\u{1}");
            let cells = line.trim_matches('|').split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect();
            rows.push((heading.to_lowercase(), cells));
        }
    }
    assert!(!rows.is_empty(), "no table {head}");
    rows
}

fn number(text: &str) -> u64 {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).unwrap(),
        None => text.parse::<i128>().unwrap() as u64,
    }
}

#[test]
fn the_document_and_the_layout_have_the_same_fields() {
    let documented: Vec<_> = rows("| offset | bytes | name | meaning |")
        .into_iter()
        .map(|(part, cells)| {
            assert!(cells.len() == 4 && !cells[3].is_empty(), "{part}: {cells:?}");
            (part, number(&cells[0]) as usize, number(&cells[1]) as usize, cells[2].clone())
        })
        .collect();
    let part = |field: &Field| match field.part {
        "tip row" => "tip".to_owned(),
        part => part.to_owned(),
    };
    let coded: Vec<_> = FIELDS.iter().map(|f| (part(f), f.offset, f.bytes, f.name.to_owned())).collect();
    for field in &coded {
        assert!(documented.contains(field), "{field:?} is not in docs/FORMAT.md");
    }
    for field in &documented {
        assert!(coded.contains(field), "{field:?} is not in layout.rs");
    }
    assert_eq!(documented, coded, "in another order");
}

#[test]
fn the_document_and_the_layout_have_the_same_constants() {
    let coded: BTreeMap<&str, u64> = BTreeMap::from([
        ("MAGIC", MAGIC),
        ("VERSION", VERSION.into()),
        ("PAGE", PAGE as u64),
        ("SCHEMA_MESSAGE", SCHEMA_MESSAGE as u64),
        ("MESSAGE_PREFIX", MESSAGE_PREFIX as u64),
        ("SUPERBLOCK", SUPERBLOCK as u64),
        ("SB_FIXED", SB_FIXED as u64),
        ("SB_FIXED_END", SB_FIXED_END as u64),
        ("SB_END", SB_END as u64),
        ("DIRECTORY", DIRECTORY as u64),
        ("COLUMN_ENTRY_BYTES", COLUMN_ENTRY_BYTES as u64),
        ("MAX_COLUMNS", MAX_COLUMNS as u64),
        ("MAX_OPTIONAL", MAX_OPTIONAL as u64),
        ("BLOCK_HEADER", BLOCK_HEADER as u64),
        ("BH_END", BH_END as u64),
        ("SLOT_BODY", SLOT_BODY as u64),
        ("RECYCLING", RECYCLING),
        ("NO_DAY", NO_DAY as u64),
        ("STATE_SEALED", STATE_SEALED),
        ("STATE_LAST_OF_DAY", STATE_LAST_OF_DAY),
        ("STATE_ROWS", STATE_ROWS),
        ("CRC_VALID", CRC_VALID),
        ("TIP_ROW", TIP_ROW as u64),
    ]);
    let table = rows("| name | value | meaning |");
    let documented: BTreeMap<&str, u64> =
        table.iter().map(|(_, cells)| (cells[0].as_str(), number(&cells[1]))).collect();
    assert_eq!(documented, coded);
    assert!(DOCUMENT.starts_with(&format!("# The ring file, version {VERSION}\n")));
}

fn golden(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

fn word(bytes: &[u8], offset: usize, width: usize) -> u64 {
    let mut word = [0; 8];
    word[..width].copy_from_slice(&bytes[offset..offset + width]);
    u64::from_le_bytes(word)
}

#[test]
fn the_worked_example_matches_the_golden_files() {
    let rings = [golden("v1.ring.gz"), golden("v1-float32.ring.gz")];
    for (_, cells) in rows("| field | v1 | v1-float32 |") {
        let field = FIELDS.iter().find(|field| field.part == "superblock" && field.name == cells[0]).unwrap();
        for (ring, cell) in rings.iter().zip(&cells[1..]) {
            assert_eq!(word(ring, field.offset, field.bytes), number(cell), "{}", cells[0]);
        }
    }
    let ring = &rings[0];
    let columns = rows("| column of v1 | values | validity | width |");
    assert_eq!(columns.len() as u64, word(ring, SB_COLUMNS, 4));
    for (i, (_, cells)) in columns.iter().enumerate() {
        let entry = [0, 4, 8].map(|at| word(ring, SB_COLUMN_TABLE + COLUMN_ENTRY_BYTES * i + at, 4));
        assert_eq!(entry.to_vec(), cells[1..].iter().map(|cell| number(cell)).collect::<Vec<_>>(), "{}", cells[0]);
    }
    let slots = rows("| slot of v1 | block | first_seq | state | crc |");
    assert_eq!(slots.len() as u64, word(ring, SB_SLOTS, 4));
    for (i, (_, cells)) in slots.iter().enumerate() {
        let at = word(ring, SB_SLOTS_OFFSET, 8) as usize + i * word(ring, SB_SLOT_BYTES, 8) as usize;
        let header = [BH_BLOCK, BH_FIRST_SEQ, BH_STATE, BH_CRC].map(|field| word(ring, at + field, 8));
        assert_eq!(header.to_vec(), cells[1..].iter().map(|cell| number(cell)).collect::<Vec<_>>(), "slot {i}");
    }
}

/// The field numbers by which a reader without an Arrow library finds the column names and the
/// zone.
#[test]
fn the_flatbuffer_fields_are_those_of_arrow() {
    use arrow_ipc::{Field, Message, Schema, Timestamp};
    let vtable_entry = |table: &str, name: &str| match (table, name) {
        ("Message", "header") => Message::VT_HEADER,
        ("Schema", "fields") => Schema::VT_FIELDS,
        ("Field", "name") => Field::VT_NAME,
        ("Field", "type_type") => Field::VT_TYPE_TYPE,
        ("Field", "type") => Field::VT_TYPE_,
        ("Timestamp", "timezone") => Timestamp::VT_TIMEZONE,
        _ => panic!("{table}.{name} is not tested"),
    };
    let fields = rows("| table | field | number | type |");
    assert_eq!(fields.len(), 6);
    for (_, cells) in fields {
        let entry = vtable_entry(&cells[0], &cells[1]);
        assert_eq!(u64::from(entry), 4 + 2 * number(&cells[2]), "{}.{}", cells[0], cells[1]);
    }
    assert_eq!((arrow_ipc::MessageHeader::Schema.0, arrow_ipc::Type::Timestamp.0), (1, 10));
}
