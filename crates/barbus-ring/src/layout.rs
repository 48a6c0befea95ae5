//! The layout of a ring of format version 1: a picture, named offsets, and compile-time asserts.
//!
//! ```text
//! 0         "ARROW1\0\0"
//! 8         Schema message, metadata padded up to the first message after it
//! 4096        SUPERBLOCK, in that padding
//! 8192        DIRECTORY, in that padding: for each slot a u64, the number of its block
//! ...       DictionaryBatch message for `symbol`: metadata in one page,
//!             body: offsets and text, at full capacity
//! ...       SLOT 0, SLOT 1, ...: RecordBatch messages, metadata in one page,
//!             body page-aligned, buffers at full capacity
//!   +2048     BLOCK HEADER, in the padding of the slot's metadata
//! ...       end-of-stream marker, in a page of its own ...       TIP: copies of the newest rows,
//! each in a stamped slot of 128 bytes ...       Footer, footer length, "ARROW1"
//! ```
//!
//! All integers are little-endian. `docs/FORMAT.md` is normative; a test compares its tables with
//! [`FIELDS`].
//!
//! # The tip
//! The tip is a write-through cache of the newest rows. Row `seq` is in tip slot `seq % tip_rows`,
//! whose stamp is `seq + 1` once the row is complete. The slot may be overwritten as soon as
//! [`SB_TIP_CLAIMED`] is above `seq + tip_rows`.

/// First bytes of the file, and (first six of them) its last.
pub const ARROW_MAGIC: [u8; 8] = *b"ARROW1\0\0";
/// Page size of the layout, bytes.
pub const PAGE: usize = 4096;
/// Offset of the Schema message.
pub const SCHEMA_MESSAGE: usize = 8;
/// Bytes before a message's flatbuffer: continuation marker and length.
pub const MESSAGE_PREFIX: usize = 8;
/// Offset of the superblock.
pub const SUPERBLOCK: usize = 4096;

/// The superblock's magic number, "BARBUS\r\n".
pub const MAGIC: u64 = u64::from_le_bytes(*b"BARBUS\r\n");
/// The version of the format that this crate writes and reads.
pub const VERSION: u32 = 1;

/// u64: [`MAGIC`].
pub const SB_MAGIC: usize = SUPERBLOCK;
/// u32: [`VERSION`], stored last at creation.
pub const SB_VERSION: usize = SUPERBLOCK + 8;
/// u32: CRC-32C of the bytes [`SB_FIXED`]..[`SB_FIXED_END`].
pub const SB_FIXED_CRC: usize = SUPERBLOCK + 12;
/// First byte of the part that never changes after creation.
pub const SB_FIXED: usize = SUPERBLOCK + 16;
/// u64: length of the file, bytes.
pub const SB_FILE_BYTES: usize = SUPERBLOCK + 16;
/// u64: random number that identifies the continuous sequence of row numbers; a ring that replaces
/// another has the same.
pub const SB_LINEAGE: usize = SUPERBLOCK + 24;
/// u64: the sequence number of the first row ever written to this file.
pub const SB_FIRST_SEQ: usize = SUPERBLOCK + 32;
/// u32: CRC-32C of the Schema message's flatbuffer.
pub const SB_SCHEMA_CRC: usize = SUPERBLOCK + 40;
/// u32: length of the Schema message's flatbuffer, bytes.
pub const SB_SCHEMA_BYTES: usize = SUPERBLOCK + 44;
/// u32: number of slots.
pub const SB_SLOTS: usize = SUPERBLOCK + 48;
/// u32: rows that fit into a slot.
pub const SB_ROWS_PER_BLOCK: usize = SUPERBLOCK + 52;
/// u64: offset of slot 0.
pub const SB_SLOTS_OFFSET: usize = SUPERBLOCK + 56;
/// u64: bytes from one slot to the next.
pub const SB_SLOT_BYTES: usize = SUPERBLOCK + 64;
/// u32: symbols that fit into the dictionary.
pub const SB_SYMBOLS: usize = SUPERBLOCK + 72;
/// u32: bytes of symbol text that fit into the dictionary.
pub const SB_SYMBOL_BYTES: usize = SUPERBLOCK + 76;
/// u64: offset of the dictionary message.
pub const SB_DICTIONARY: usize = SUPERBLOCK + 80;
/// u64: offset of the dictionary's offsets buffer (i32 each, one more than symbols).
pub const SB_DICTIONARY_OFFSETS: usize = SUPERBLOCK + 88;
/// u64: offset of the dictionary's text bytes.
pub const SB_DICTIONARY_TEXT: usize = SUPERBLOCK + 96;
/// u64: offset of the directory.
pub const SB_DIRECTORY: usize = SUPERBLOCK + 104;
/// u64: offset of the tip.
pub const SB_TIP: usize = SUPERBLOCK + 112;
/// u32: rows in the tip, a power of two.
pub const SB_TIP_ROWS: usize = SUPERBLOCK + 120;
/// u32: interval of a bar, milliseconds.
pub const SB_INTERVAL_MS: usize = SUPERBLOCK + 124;
/// u32: bytes of a price, 8 (float64) or 4 (float32).
pub const SB_PRICE_BYTES: usize = SUPERBLOCK + 128;
/// u32: number of optional columns.
pub const SB_OPTIONAL: usize = SUPERBLOCK + 132;
/// u32: number of columns, optional ones included.
pub const SB_COLUMNS: usize = SUPERBLOCK + 136;
/// u32: number of slots in the reserve, which are the last ones. Readers do not pin them, and the
/// writer reuses them whatever is locked. 0 in rings of older writers: no reserve.
pub const SB_RESERVE: usize = SUPERBLOCK + 140;
/// u64: time of creation, nanoseconds since 1970-01-01 UTC.
pub const SB_CREATED_NS: usize = SUPERBLOCK + 144;
/// [`COLUMN_ENTRY_BYTES`] for each column, in schema order: u32 offset of the values and u32 offset
/// of the validity bitmap (0: none), both from the slot's start; u32 width of a value, bytes; u32
/// zero.
pub const SB_COLUMN_TABLE: usize = SUPERBLOCK + 160;
/// Bytes of an entry of the column table.
pub const COLUMN_ENTRY_BYTES: usize = 16;
/// The most columns that the column table can describe.
pub const MAX_COLUMNS: usize = 16;
/// End of the part that never changes.
pub const SB_FIXED_END: usize = SUPERBLOCK + 512;

/// u64: the cursor, `block << 32 | rows`: the newest block and its committed rows. 0 before the
/// first block.
pub const SB_CURSOR: usize = SUPERBLOCK + 512;
/// u32: count of commits and day closes, wrapping; the futex that readers sleep on.
pub const SB_COMMITS: usize = SUPERBLOCK + 520;
/// u64: when the newest row was received, nanoseconds of the clock of the boot [`SB_BOOT_ID`]; 0 if
/// that is unknown.
pub const SB_RECEIVED_BOOT_NS: usize = SUPERBLOCK + 528;
/// u64: number of writers that have opened the ring so far.
pub const SB_WRITER_EPOCH: usize = SUPERBLOCK + 640;
/// u64: the writer's last heartbeat, nanoseconds since 1970-01-01 UTC; 0 after a clean shutdown.
pub const SB_HEARTBEAT_NS: usize = SUPERBLOCK + 648;
/// 16 bytes: the boot (`/proc/sys/kernel/random/boot_id`) in which the last writer ran.
pub const SB_BOOT_ID: usize = SUPERBLOCK + 656;
/// u32: process number of the last writer.
pub const SB_WRITER_PID: usize = SUPERBLOCK + 672;
/// u64: the writer's last heartbeat, nanoseconds of the clock of the boot [`SB_BOOT_ID`]; 0 if that
/// is unknown.
pub const SB_HEARTBEAT_BOOT_NS: usize = SUPERBLOCK + 680;
/// u64: inode of the file that the last writer opened, so that a copy is recognised; 0 if that is
/// unknown.
pub const SB_INODE: usize = SUPERBLOCK + 688;
/// u32: symbols in the dictionary.
pub const SB_SYMBOL_COUNT: usize = SUPERBLOCK + 768;
/// u64: a cursor up to which everything is on disk.
pub const SB_DURABLE_CURSOR: usize = SUPERBLOCK + 896;
/// u32: symbols in the dictionary that are on disk.
pub const SB_DURABLE_SYMBOLS: usize = SUPERBLOCK + 904;
/// u64: the durable cursor that is certainly on disk, while a newer one is being written there.
pub const SB_DURABLE_BEFORE: usize = SUPERBLOCK + 912;
/// u64: the cursor that becomes the durable one when everything below it is on disk.
pub const SB_DURABLE_NEXT: usize = SUPERBLOCK + 920;
/// u64: 1 when another file has taken this one's place at its path.
pub const SB_SUPERSEDED: usize = SUPERBLOCK + 1024;
/// u64: the number of withdrawals of the bus; a reader that does not know of them ignores it.
pub const SB_WITHDRAWALS: usize = SUPERBLOCK + 1032;
/// i64: the end of the newest minute of which producers send no more rows, milliseconds since
/// 1970-01-01 UTC; 0: none has said so since the writer's start. A reader may ignore it.
pub const SB_WATERMARK_MS: usize = SUPERBLOCK + 1040;
/// u64: rows below it may be in the tip or are being stored there. A tip slot's content of row
/// `seq` is valid while this is at most `seq + tip_rows`.
pub const SB_TIP_CLAIMED: usize = SUPERBLOCK + 1152;
/// End of the superblock.
pub const SB_END: usize = SUPERBLOCK + 1280;

/// Offset of the directory: one u64 for each slot.
pub const DIRECTORY: usize = 8192;

/// Offset of the block header in a slot.
pub const BLOCK_HEADER: usize = 2048;
/// u64: number of the block in the slot, from 1; 0 if the slot was never used; [`RECYCLING`] while
/// it is prepared for another block.
pub const BH_BLOCK: usize = BLOCK_HEADER;
/// u64: sequence number of the block's first row.
pub const BH_FIRST_SEQ: usize = BLOCK_HEADER + 8;
/// i64: the trading day that was open when the block was, days since 1970-01-01, or [`NO_DAY`].
pub const BH_DAY: usize = BLOCK_HEADER + 16;
/// u64: 0 while the block is open; when it is sealed, [`STATE_SEALED`], perhaps
/// [`STATE_LAST_OF_DAY`], and the number of rows.
pub const BH_STATE: usize = BLOCK_HEADER + 128;
/// u64: `1 << 32 | CRC-32C` of the sealed block's columns; 0 until it is computed.
pub const BH_CRC: usize = BLOCK_HEADER + 256;
/// u64: 1 when every row of the block is archived and the slot may be reused.
pub const BH_PERSISTED: usize = BLOCK_HEADER + 264;
/// u64: `1 << 32 | CRC-32C` of the sealed block's [`BH_FIRST_SEQ`], [`BH_DAY`] and [`BH_STATE`]; 0
/// until it is computed.
pub const BH_HEADER_CRC: usize = BLOCK_HEADER + 272;
/// End of the block header.
pub const BH_END: usize = BLOCK_HEADER + 384;
/// Offset of a slot's body.
pub const SLOT_BODY: usize = PAGE;

/// Value of [`BH_BLOCK`] while a slot is prepared for another block.
pub const RECYCLING: u64 = u64::MAX;
/// Value of [`BH_DAY`] if no trading day was open.
pub const NO_DAY: i64 = i64::MIN;
/// Bit of [`BH_STATE`]: the block gets no more rows.
pub const STATE_SEALED: u64 = 1 << 63;
/// Bit of [`BH_STATE`]: the trading day closed at the end of this block.
pub const STATE_LAST_OF_DAY: u64 = 1 << 62;
/// Bits of [`BH_STATE`]: rows of the sealed block.
pub const STATE_ROWS: u64 = 0xffff_ffff;
/// Bit of [`BH_CRC`] and [`BH_HEADER_CRC`]: the checksum was computed.
pub const CRC_VALID: u64 = 1 << 32;

/// Bytes of a tip slot.
pub const TIP_ROW: usize = 128;
/// u64: `seq + 1`; 0 if the slot was never written.
pub const TIP_STAMP: usize = 0;
/// u64: `block << 32 | row`: the row's position in the columns.
pub const TIP_POSITION: usize = 8;
/// u64: symbol | revision << 32 | present << 40 (bit i: optional column i has a value).
pub const TIP_SYMBOL: usize = 16;
/// i64: end of the bar, milliseconds since 1970-01-01 UTC.
pub const TIP_FRAME: usize = 24;
/// f64: open.
pub const TIP_OPEN: usize = 32;
/// f64: high.
pub const TIP_HIGH: usize = 40;
/// f64: low.
pub const TIP_LOW: usize = 48;
/// f64: close.
pub const TIP_CLOSE: usize = 56;
/// f64: volume.
pub const TIP_VOLUME: usize = 64;
/// i64: when the bar was received, nanoseconds since 1970-01-01 UTC.
pub const TIP_RECEIVED: usize = 72;
/// f64 for each optional column; 0 if it has no value.
pub const TIP_OPTIONAL: usize = 80;
/// Sequence numbers are below it.
pub const SEQ_LIMIT: u64 = 1 << 63;

/// A named field of the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// `superblock`, `block header` or `tip row`.
    pub part: &'static str,
    /// Offset from the start of the file (superblock), of the slot (block header) or of the tip
    /// slot (tip row), bytes.
    pub offset: usize,
    /// Length, bytes.
    pub bytes: usize,
    /// The field's name in `docs/FORMAT.md`.
    pub name: &'static str,
}

const fn field(part: &'static str, offset: usize, bytes: usize, name: &'static str) -> Field {
    Field { part, offset, bytes, name }
}

const S: &str = "superblock";
const B: &str = "block header";
const T: &str = "tip row";

/// Every field, in the order of `docs/FORMAT.md`; a test compares the two.
pub const FIELDS: &[Field] = &[
    field(S, SB_MAGIC, 8, "magic"),
    field(S, SB_VERSION, 4, "version"),
    field(S, SB_FIXED_CRC, 4, "fixed_crc"),
    field(S, SB_FILE_BYTES, 8, "file_bytes"),
    field(S, SB_LINEAGE, 8, "lineage"),
    field(S, SB_FIRST_SEQ, 8, "first_seq"),
    field(S, SB_SCHEMA_CRC, 4, "schema_crc"),
    field(S, SB_SCHEMA_BYTES, 4, "schema_bytes"),
    field(S, SB_SLOTS, 4, "slots"),
    field(S, SB_ROWS_PER_BLOCK, 4, "rows_per_block"),
    field(S, SB_SLOTS_OFFSET, 8, "slots_offset"),
    field(S, SB_SLOT_BYTES, 8, "slot_bytes"),
    field(S, SB_SYMBOLS, 4, "symbols"),
    field(S, SB_SYMBOL_BYTES, 4, "symbol_bytes"),
    field(S, SB_DICTIONARY, 8, "dictionary_offset"),
    field(S, SB_DICTIONARY_OFFSETS, 8, "dictionary_offsets"),
    field(S, SB_DICTIONARY_TEXT, 8, "dictionary_text"),
    field(S, SB_DIRECTORY, 8, "directory_offset"),
    field(S, SB_TIP, 8, "tip_offset"),
    field(S, SB_TIP_ROWS, 4, "tip_rows"),
    field(S, SB_INTERVAL_MS, 4, "interval_ms"),
    field(S, SB_PRICE_BYTES, 4, "price_bytes"),
    field(S, SB_OPTIONAL, 4, "optional"),
    field(S, SB_COLUMNS, 4, "columns"),
    field(S, SB_RESERVE, 4, "reserve"),
    field(S, SB_CREATED_NS, 8, "created_ns"),
    field(S, SB_COLUMN_TABLE, COLUMN_ENTRY_BYTES * MAX_COLUMNS, "column_table"),
    field(S, SB_CURSOR, 8, "cursor"),
    field(S, SB_COMMITS, 4, "commits"),
    field(S, SB_RECEIVED_BOOT_NS, 8, "received_boot_ns"),
    field(S, SB_WRITER_EPOCH, 8, "writer_epoch"),
    field(S, SB_HEARTBEAT_NS, 8, "heartbeat_ns"),
    field(S, SB_BOOT_ID, 16, "boot_id"),
    field(S, SB_WRITER_PID, 4, "writer_pid"),
    field(S, SB_HEARTBEAT_BOOT_NS, 8, "heartbeat_boot_ns"),
    field(S, SB_INODE, 8, "inode"),
    field(S, SB_SYMBOL_COUNT, 4, "symbol_count"),
    field(S, SB_DURABLE_CURSOR, 8, "durable_cursor"),
    field(S, SB_DURABLE_SYMBOLS, 4, "durable_symbols"),
    field(S, SB_DURABLE_BEFORE, 8, "durable_before"),
    field(S, SB_DURABLE_NEXT, 8, "durable_next"),
    field(S, SB_SUPERSEDED, 8, "superseded"),
    field(S, SB_WITHDRAWALS, 8, "withdrawals"),
    field(S, SB_WATERMARK_MS, 8, "watermark_ms"),
    field(S, SB_TIP_CLAIMED, 8, "tip_claimed"),
    field(B, BH_BLOCK, 8, "block"),
    field(B, BH_FIRST_SEQ, 8, "first_seq"),
    field(B, BH_DAY, 8, "day"),
    field(B, BH_STATE, 8, "state"),
    field(B, BH_CRC, 8, "crc"),
    field(B, BH_PERSISTED, 8, "persisted"),
    field(B, BH_HEADER_CRC, 8, "header_crc"),
    field(T, TIP_STAMP, 8, "stamp"),
    field(T, TIP_POSITION, 8, "position"),
    field(T, TIP_SYMBOL, 8, "symbol"),
    field(T, TIP_FRAME, 8, "frame"),
    field(T, TIP_OPEN, 8, "open"),
    field(T, TIP_HIGH, 8, "high"),
    field(T, TIP_LOW, 8, "low"),
    field(T, TIP_CLOSE, 8, "close"),
    field(T, TIP_VOLUME, 8, "volume"),
    field(T, TIP_RECEIVED, 8, "received"),
    field(T, TIP_OPTIONAL, 8 * crate::MAX_OPTIONAL, "optional"),
];

// Every field is aligned to its word, follows the one before it, and lies inside its part.
const _: () = {
    let mut i = 0;
    while i < FIELDS.len() {
        let f = FIELDS[i];
        let word = if f.bytes < 8 { f.bytes } else { 8 };
        assert!(f.offset.is_multiple_of(word));
        if i > 0 && FIELDS[i - 1].offset < f.offset {
            assert!(FIELDS[i - 1].offset + FIELDS[i - 1].bytes <= f.offset);
        }
        i += 1;
    }
    assert!(SB_COLUMN_TABLE + COLUMN_ENTRY_BYTES * MAX_COLUMNS <= SB_FIXED_END);
    assert!(SB_FIXED_END <= SB_CURSOR && SB_TIP_CLAIMED + 8 <= SB_END && SB_END <= DIRECTORY);
    // A word that one side polls and the other stores to has a pair of cache lines (128 bytes) of
    // its own: processors fetch lines in pairs.
    assert!(
        SB_CURSOR.is_multiple_of(128) && SB_WRITER_EPOCH.is_multiple_of(128) && SB_SYMBOL_COUNT.is_multiple_of(128)
    );
    assert!(SB_DURABLE_CURSOR.is_multiple_of(128) && SB_SUPERSEDED.is_multiple_of(128));
    assert!(SB_TIP_CLAIMED.is_multiple_of(128));
    assert!(
        BH_BLOCK.is_multiple_of(128)
            && BH_STATE.is_multiple_of(128)
            && BH_CRC.is_multiple_of(128)
            && BH_END <= SLOT_BODY
    );
    assert!(TIP_OPTIONAL + 8 * crate::MAX_OPTIONAL == TIP_ROW);
    assert!(10 + crate::MAX_OPTIONAL <= MAX_COLUMNS);
};
