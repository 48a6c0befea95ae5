//! [`RingWriter`]: the one writer of a ring.
//!
//! `impl RingWriter` lies in several files:
//!
//! - `mod.rs`: opening a ring, waking readers, heartbeats.
//! - `append.rs`: storing rows in the tip and the columns, and the lengths that Arrow readers see.
//! - `blocks.rs`: opening a block in a free slot, and sealing it.
//! - `days.rs`: opening and closing trading days.
//! - `dictionary.rs`: adding symbols.
//! - `recover.rs`: taking over what the last writer has left.
//! - `replace.rs`: continuing in a new file.

mod append;
mod blocks;
mod days;
mod dictionary;
mod recover;
mod replace;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};

use barbus_shm::{Load, Store, WriteMap, WriterMemory};

use crate::arrow_messages::{Message, dictionary_message, slot_message};
use crate::layout::*;
use crate::maintenance::SyncState;
use crate::{MAX_OPTIONAL, Ring, RingError, RingMaintenance};

/// The block that is being filled.
#[derive(Debug, Clone, Copy)]
struct OpenBlock {
    block: u64,
    slot: usize,
    rows: u32,
}

/// What recovery found when a ring was opened for writing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Rows that were published in the tip and had to be completed in the columns.
    pub completed_rows: u64,
    /// True if the last writer ran in another boot of the machine. Then the ring was rolled back to
    /// its durable cursor.
    pub other_boot: bool,
    /// True if the file is a copy of the one that the last writer wrote. It may have been written
    /// while it was copied.
    pub copied: bool,
    /// Rows after the durable cursor that were dropped, as far as the cursor or the tip on disk
    /// show them.
    pub dropped_rows: u64,
    /// Lowest and highest frame (end of bar, UTC ms) of those dropped rows that the tip still held.
    pub dropped_frames_ms: Option<(i64, i64)>,
    /// Blocks that were dropped because their rows do not match their checksum. They were archived;
    /// the writer had started to reuse their slots, and not all of that reached the disk or the
    /// copy.
    pub torn_blocks: u32,
}

/// The one writer of a ring. It never waits: if the ring is full it returns
/// [`RingFull`](crate::RingFull) and does not store the row.
///
/// The caller makes sure that there is only one writer, by [`WriteMap::lock`] or otherwise.
#[derive(Debug)]
pub struct RingWriter<M: WriterMemory = WriteMap> {
    ring: Arc<Ring<M>>,
    slot_message: Message,
    dictionary_message: Message,
    open: Option<OpenBlock>,
    /// Number of the newest block, open or sealed; 0 before the first.
    newest: u64,
    /// All slots, each with the number of its block (0 if it has none), in the order of those
    /// numbers.
    slots: VecDeque<(u64, usize)>,
    /// Blocks from this number on keep their slots.
    keep_from: u64,
    next_seq: u64,
    pub(crate) day: Option<i64>,
    /// For each optional column, the rows of the open block that have no value.
    null_counts: [u32; MAX_OPTIONAL],
    /// Rows of the open block whose columns are stored: those that the cursor counts.
    column_rows: u32,
    /// The tip slots of all rows below it are claimed.
    tip_claimed: u64,
    /// Rows of the open block that the Arrow lengths count; `u32::MAX` if that is not known.
    arrow_rows: u32,
    symbols: u32,
    text_bytes: u32,
    recovery: Recovery,
    sync_state: Arc<Mutex<SyncState>>,
}

impl RingWriter {
    /// As [`RingWriter::take_over`], for the ring at `path`.
    pub fn open(path: &Path) -> Result<Self, RingError> {
        Self::take_over(WriteMap::open(path)?)
    }

    /// Takes over the ring in `map` and continues where the last writer stopped.
    ///
    /// [`RingWriter::recovery`] returns what was found. The caller makes sure that this is the only
    /// writer, for example by [`WriteMap::lock`].
    pub fn take_over(map: WriteMap) -> Result<Self, RingError> {
        let path = map.path().to_owned();
        crate::create::remove_unfinished(&path);
        let writer = Self::from_map(map, &path)?;
        // The last writer may have died after it renamed the file and before it synced the
        // directory. Rows that are synced into a file whose name is lost are lost as well.
        crate::create::sync_name(&path)?;
        Ok(writer)
    }
}

impl<M: WriterMemory> RingWriter<M> {
    /// Becomes the writer of the ring in `map`.
    pub(crate) fn from_map(map: M, path: &Path) -> Result<Self, RingError> {
        let ring = Ring::new(map, path)?;
        let slot_message = slot_message(&ring.geometry);
        let dictionary_message = dictionary_message(&ring.geometry);
        let mut writer = Self {
            ring: Arc::new(ring),
            slot_message,
            dictionary_message,
            open: None,
            newest: 0,
            slots: VecDeque::new(),
            keep_from: u64::MAX,
            next_seq: 0,
            day: None,
            null_counts: [0; MAX_OPTIONAL],
            column_rows: 0,
            tip_claimed: 0,
            arrow_rows: u32::MAX,
            symbols: 0,
            text_bytes: 0,
            recovery: Recovery::default(),
            sync_state: Arc::default(),
        };
        writer.recovery = writer.recover(path)?;
        let slots = 0..writer.ring.geometry.slots as usize;
        let mut slots: Vec<_> = slots.map(|slot| (writer.ring.block_in(slot).unwrap_or_default(), slot)).collect();
        slots.sort_unstable();
        writer.slots = slots.into();
        if let Some(open) = writer.open {
            writer.null_counts = writer.ring.null_counts(open.slot, open.rows);
            writer.column_rows = open.rows;
        }
        // A damaged file may hold any number: limit the claim to that of an empty tip.
        let tip_rows = u64::from(writer.ring.geometry.tip_rows);
        writer.tip_claimed = writer.ring.u64(SB_TIP_CLAIMED).min(writer.next_seq + tip_rows);
        writer.ring.claim_tip(writer.tip_claimed);
        writer.write_back();
        writer.write_back_dictionary();
        // A reader that does not know of the reserve cannot pin it while this writer lives.
        for slot in writer.ring.geometry.pinnable_slots().end..writer.ring.geometry.slots as usize {
            writer.ring.map.claim(writer.ring.geometry.slot(slot));
        }
        // A writer that died while it replaced this ring may have left the flag.
        writer.set_superseded(false);
        Ok(writer)
    }

    /// What was found when the ring was opened.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// The ring.
    pub fn ring(&self) -> &Ring<M> {
        &self.ring
    }

    /// A handle for the archiving side. It may be used in another thread.
    pub fn maintenance(&self) -> RingMaintenance<M> {
        RingMaintenance { ring: Arc::clone(&self.ring), sync_state: Arc::clone(&self.sync_state) }
    }

    /// Whether every row of the ring is archived.
    pub fn all_persisted(&self) -> bool {
        self.maintenance().unpersisted().is_empty()
    }

    /// Number of the newest block; 0 before the first.
    pub fn newest_block(&self) -> u64 {
        self.newest
    }

    /// Sequence number of the next row.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The trading day that is open, days since 1970-01-01.
    pub fn day(&self) -> Option<i64> {
        self.day
    }

    /// Counts a commit, so that [`Ring::wait`] returns, and wakes every process that sleeps there.
    /// It makes one system call.
    pub fn wake(&self) {
        self.wake_some(u32::MAX);
    }

    /// As [`RingWriter::wake`], but it wakes at most `most` processes: those that slept longest.
    /// Returns how many it woke.
    pub fn wake_some(&self, most: u32) -> u32 {
        self.count_commit();
        self.ring.map.wake(SB_COMMITS, most)
    }

    fn count_commit(&self) {
        let commits = &self.ring.map.words32(SB_COMMITS, 1)[0];
        // SYNC POINT: pairs with `ring.rs`::`commits`. A reader that finds this count also finds
        // the rows and closes before it.
        commits.set_release(commits.get().wrapping_add(1));
    }

    /// Stores when the rows are received that are appended next, nanoseconds since the boot.
    #[inline]
    pub fn note_received(&self, boot_ns: u64) {
        self.ring.map.words64(SB_RECEIVED_BOOT_NS, 1)[0].set(boot_ns);
    }

    /// Stores the time of a heartbeat, nanoseconds since 1970-01-01 UTC; 0 after a clean shutdown.
    pub fn heartbeat(&self, now_ns: u64) {
        self.ring.map.words64(SB_HEARTBEAT_NS, 1)[0].set(now_ns);
    }
}
