use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use barbus_shm::{Load, Store, WriteMap, WriterMemory};

mod recover;

use crate::arrow_messages::{Message, dictionary_message, slot_message};
use crate::columns::RUN;
use crate::layout::*;
use crate::maintenance::Unsynced;
use crate::{DictionaryFull, MAX_OPTIONAL, Ring, RingError, RingFull, RingMaintenance, Row, Spec, SymbolId};

pub use recover::Recovery;

/// Rows whose tip slots are claimed at once. With those of a run they are less than the smallest tip: a row leaves the tip only once its columns
/// are there.
const CLAIM: u64 = 32;
/// Rows that are appended together.
const CHUNK: usize = 64;

/// The block that is being filled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Open {
    pub(crate) block: u64,
    pub(crate) slot: usize,
    pub(crate) rows: u32,
}

/// The one writer of a ring. It never waits: a full ring is [`RingFull`], and the row was not taken.
///
/// That there is only one is the caller's promise, kept by a [`barbus_shm::WriterLock`] on a file beside the ring.
#[derive(Debug)]
pub struct RingWriter<M: WriterMemory = WriteMap> {
    pub(crate) ring: Arc<Ring<M>>,
    pub(crate) slot_message: Message,
    dictionary_message: Message,
    pub(crate) open: Option<Open>,
    /// Number of the newest block, open or sealed.
    pub(crate) newest: u64,
    /// All slots, each with the number of its block, 0 where it has none: in the order of these. Nobody else puts blocks into slots.
    slots: VecDeque<(u64, usize)>,
    pub(crate) next_seq: u64,
    pub(crate) day: Option<i64>,
    nulls: [u32; MAX_OPTIONAL],
    /// Rows of the open block whose columns are written: the cursor's.
    written: u32,
    /// Tip slots of rows below it are claimed.
    claimed: u64,
    settled: u32,
    pub(crate) symbols: u32,
    pub(crate) text_bytes: u32,
    recovery: Recovery,
    /// Held over a sync: one after the other, so that the durable cursor never goes back.
    syncing: Arc<Mutex<Unsynced>>,
}

impl RingWriter {
    /// Takes the ring at `path` over and goes on where the last writer stopped; [`RingWriter::recovery`] says what was found.
    pub fn open(path: &Path) -> Result<Self, RingError> {
        crate::create::clean(path);
        let writer = Self::over(WriteMap::open(path)?, path)?;
        // The writer that gave the file its name may have died before the name was on disk, and what is synced into a file is lost with its name.
        crate::create::sync_name(path)?;
        Ok(writer)
    }

    /// Lays another ring out at `path`, in the place of this one, and becomes its writer: sequence numbers, the open day and, where there is
    /// room, the symbols' ids go on; readers follow.
    ///
    /// Every row of this ring must be archived ([`RingWriter::all_persisted`]): the new one has none of them. Readers give out what they have not
    /// read of the old one first, and what they have pinned of it stays. After an error the writer goes on with this ring.
    pub fn replace(&mut self, path: &Path, spec: &Spec) -> Result<(), RingError> {
        let spec = Spec { lineage: self.ring.geometry.lineage, first_seq: self.next_seq, ..spec.clone() };
        let building = crate::create::build(path, &spec)?;
        let switched = self.build_successor(&building, path).and_then(|new| {
            // Readers of the old file look for another at its path from now on. First the flag, then the name: a writer that dies between
            // the two leaves a ring that its successor takes over, with the flag taken back; the other way round nobody could raise it any more.
            self.supersede(true);
            crate::create::rename(&building, path)?;
            Ok(new)
        });
        match switched {
            Ok(new) => {
                // Who sleeps on the old ring looks up.
                self.wake();
                *self = new;
                // The next sync puts the name on disk, before it calls a row durable.
                *self.syncing.lock().unwrap_or_else(PoisonError::into_inner) = Some(path.to_owned());
                Ok(())
            }
            Err(error) => {
                self.supersede(false);
                crate::create::clean(path);
                Err(error)
            }
        }
    }

    /// The writer of the ring at `building`, which will be at `path`, with the state of this one.
    fn build_successor(&self, building: &Path, path: &Path) -> Result<Self, RingError> {
        let mut new = Self::over(WriteMap::open(building)?.renamed(path), path)?;
        if self.symbols <= new.ring.geometry.symbols && self.text_bytes <= new.ring.geometry.symbol_bytes {
            for id in 0..self.symbols {
                let symbol = self.ring.symbol(SymbolId(id)).unwrap_or_default();
                new.intern(&symbol).expect("its length was looked at");
            }
        }
        new.day = self.day;
        Ok(new)
    }
}

impl<M: WriterMemory> RingWriter<M> {
    /// Becomes the writer of the ring in `map`.
    pub(crate) fn over(map: M, path: &Path) -> Result<Self, RingError> {
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
            next_seq: 0,
            day: None,
            nulls: [0; MAX_OPTIONAL],
            written: 0,
            claimed: 0,
            // Whatever the last writer left there is patched over.
            settled: u32::MAX,
            symbols: 0,
            text_bytes: 0,
            recovery: Recovery::default(),
            syncing: Arc::default(),
        };
        writer.recovery = writer.recover(path)?;
        let slots = 0..writer.ring.geometry.slots as usize;
        let mut slots: Vec<_> = slots.map(|slot| (writer.ring.block_in(slot).unwrap_or_default(), slot)).collect();
        slots.sort_unstable();
        writer.slots = slots.into();
        if let Some(open) = writer.open {
            writer.nulls = writer.ring.null_counts(open.slot, open.rows);
            writer.written = open.rows;
        }
        // No more than a cleared tip has: a file may say anything.
        writer.claimed =
            writer.ring.u64(SB_TIP_CLAIMED).min(writer.next_seq + u64::from(writer.ring.geometry.tip_rows));
        writer.ring.claim_tip(writer.claimed);
        writer.write_back();
        writer.settle_dictionary();
        // A writer that died while it replaced this ring may have left the flag.
        writer.supersede(false);
        Ok(writer)
    }

    pub(crate) fn supersede(&self, superseded: bool) {
        // SYNC POINT: pairs with the fence in `Ring::superseded`: who sees the flag finds every row of this ring.
        self.ring.map.words64(SB_SUPERSEDED, 1)[0].set_release(superseded.into());
    }

    /// Seals the open block: it gets no more rows and can be archived.
    pub fn seal_block(&mut self) {
        self.seal(0);
    }

    /// Seals the open block if it is full.
    pub fn seal_full_block(&mut self) {
        if self.block_is_full() {
            self.seal(0);
        }
    }

    /// Whether the next row needs another block.
    #[inline]
    pub fn block_is_full(&self) -> bool {
        self.open.is_none_or(|open| open.rows == self.ring.geometry.rows_per_block)
    }

    /// Whether every row of the ring is archived.
    pub fn all_persisted(&self) -> bool {
        self.maintenance().unpersisted().is_empty()
    }

    /// What was found when the ring was opened.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// The ring that is written.
    pub fn ring(&self) -> &Ring<M> {
        &self.ring
    }

    /// A handle for whoever archives blocks; it may live in another thread.
    pub fn maintenance(&self) -> RingMaintenance<M> {
        RingMaintenance::new(Arc::clone(&self.ring), Arc::clone(&self.syncing))
    }

    /// Sequence number that the next row will get.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The trading day that is open, days since 1970-01-01.
    pub fn day(&self) -> Option<i64> {
        self.day
    }

    /// The id of `symbol`, which is added to the dictionary: the caller remembers it and asks once for each new symbol.
    pub fn intern(&mut self, symbol: &str) -> Result<SymbolId, DictionaryFull> {
        let geometry = &self.ring.geometry;
        let full = DictionaryFull { symbols: geometry.symbols, bytes: geometry.symbol_bytes };
        let end = self.text_bytes as usize + symbol.len();
        if self.symbols == geometry.symbols || end > geometry.symbol_bytes as usize {
            return Err(full);
        }
        let map = &self.ring.map;
        let text = map.words8(geometry.dictionary_text + self.text_bytes as usize, symbol.len());
        for (word, byte) in text.iter().zip(symbol.bytes()) {
            word.set(byte);
        }
        let id = self.symbols;
        map.words32(geometry.dictionary_offsets + 4 * (id as usize + 1), 1)[0].set(end as u32);
        self.text_bytes = end as u32;
        self.symbols += 1;
        // SYNC POINT: pairs with the fence in `Ring::symbol_count`: a counted symbol's text is whole.
        map.words32(SB_SYMBOL_COUNT, 1)[0].set_release(self.symbols);
        self.settle_dictionary();
        Ok(SymbolId(id))
    }

    /// Opens the trading day `day`. Rows pushed from now on ride in blocks of that day.
    ///
    /// A day that is open already must have been closed, else `false` and nothing is done.
    pub fn begin_day(&mut self, day: i64) -> bool {
        if self.day.is_some() || day == NO_DAY {
            return self.day == Some(day);
        }
        // Blocks that were opened between two days (for late rows) belong to neither.
        self.seal(0);
        self.day = Some(day);
        true
    }

    /// Closes the trading day: the open block is sealed, and readers find the close behind its last row.
    ///
    /// `false` where no day is open or it has no row.
    pub fn close_day(&mut self) -> bool {
        let Some(day) = self.day.take() else {
            // A block of late rows: it belongs to no day and closes none.
            self.seal(0);
            return false;
        };
        if self.open.is_some() {
            self.seal(STATE_LAST_OF_DAY);
        } else {
            // The day's last block was sealed by a writer that then died: the flag comes to it now. Readers behind it look again.
            let newest = self.ring.slot_of(self.newest).and_then(|slot| Some((slot, self.ring.header(slot)?)));
            let Some((slot, _)) = newest.filter(|(_, header)| header.day == day) else { return false };
            let at = self.ring.geometry.slot(slot);
            let state = &self.ring.map.words64(at + BH_STATE, 1)[0];
            state.set(state.get() | STATE_LAST_OF_DAY);
            // SYNC POINT: pairs with the fence in `RingMaintenance::seal_checksum`: who has stored a checksum of the header as it was sees the flag, or
            // this checksum comes behind his.
            self.ring.map.fence_full();
            // The one word of a sealed header that changes after the seal: its checksum with it.
            let crc = u64::from(self.ring.header_crc(slot)) | CRC_VALID;
            self.ring.map.words64(at + BH_HEADER_CRC, 1)[0].set(crc);
        }
        self.count_commit();
        true
    }

    /// Closes a day of which the file has no row, as those of its rows that were in the file before are archived: readers find the close in a block
    /// that has none. No day must be open.
    pub fn close_day_without_rows(&mut self, day: i64) -> Result<(), RingFull> {
        if self.day.is_some() || !self.begin_day(day) {
            return Ok(());
        }
        let opened = self.open_block().map(drop);
        self.close_day();
        opened
    }

    /// Rows that can be appended before the next block is needed, at least one and at most half of the tip; a block is opened where none is.
    #[inline]
    pub fn reserve_rows(&mut self) -> Result<usize, RingFull> {
        let geometry = &self.ring.geometry;
        let (capacity, tip) = (geometry.rows_per_block, geometry.tip_rows as usize / 2);
        let open = match self.open {
            Some(open) if open.rows < capacity => open,
            _ => self.open_block()?,
        };
        Ok(((capacity - open.rows) as usize).min(tip))
    }

    /// Appends a row; it is visible to every reader when this returns. `row.seq` is ignored; the one given is returned.
    ///
    /// Readers find it in the tip, as does whoever takes the ring over; its columns follow with those of the next rows, eight together, or at
    /// the next [`RingWriter::write_back`]: call that before a pause, and before a sync. Call [`RingWriter::wake`] for readers that sleep, once for a batch.
    #[inline(always)]
    pub fn push(&mut self, row: &Row) -> Result<u64, RingFull> {
        let open = match &mut self.open {
            Some(open) if open.rows < self.ring.geometry.rows_per_block => open,
            _ => {
                self.open_block()?;
                self.open.as_mut().expect("opened")
            }
        };
        if self.next_seq >= self.claimed {
            self.claimed = self.next_seq + CLAIM;
            self.ring.claim_tip(self.claimed);
        }
        self.ring.put_tip(self.next_seq, row, open.block << 32 | u64::from(open.rows));
        self.next_seq += 1;
        open.rows += 1;
        if open.rows.is_multiple_of(RUN as u32) {
            self.write_columns();
        }
        Ok(self.next_seq - 1)
    }

    /// Writes the columns of the rows that are in the tip only.
    fn write_columns(&mut self) {
        let Some(open) = self.open.filter(|open| open.rows > self.written) else { return };
        let (first, count) = (self.written as usize, open.rows - self.written);
        let seq = self.next_seq - u64::from(count);
        self.ring.put_columns(open.slot, first, seq, count as usize, &mut self.nulls);
        self.commit(open);
    }

    /// Counts the rows whose columns are written.
    #[inline]
    fn commit(&mut self, open: Open) {
        self.written = open.rows;
        // SYNC POINT: pairs with the fence in `Ring::cursor`: the columns of every row below it are whole.
        self.ring.map.words64(SB_CURSOR, 1)[0].set_release(open.block << 32 | u64::from(open.rows));
    }

    /// Appends rows, as many as [`RingWriter::reserve_rows`] says at most; their `seq` is set.
    ///
    /// # Panics
    /// When there are more.
    #[inline]
    pub fn append(&mut self, rows: &mut [Row]) {
        self.write_columns();
        let Some(open) = &mut self.open else {
            assert!(rows.is_empty(), "no room was asked for");
            return;
        };
        let ring = &*self.ring;
        let first = open.rows as usize;
        assert!(
            first + rows.len() <= ring.geometry.rows_per_block as usize
                && rows.len() <= ring.geometry.tip_rows as usize / 2
        );
        let end = self.next_seq + rows.len() as u64;
        if end > self.claimed {
            self.claimed = end;
            ring.claim_tip(end);
        }
        // As many as stay in the nearest cache until their columns are written.
        for rows in rows.chunks_mut(CHUNK) {
            for row in &mut *rows {
                row.seq = self.next_seq;
                // The stamp is the commit: whoever takes the ring over completes the columns from the tip, which has all of these rows still.
                ring.put_tip(row.seq, row, open.block << 32 | u64::from(open.rows));
                self.next_seq += 1;
                open.rows += 1;
            }
            let (first, seq) = (open.rows as usize - rows.len(), self.next_seq - rows.len() as u64);
            ring.put_columns(open.slot, first, seq, rows.len(), &mut self.nulls);
        }
        let open = *open;
        self.commit(open);
    }

    /// Counts a commit, so that [`Ring::wait`] returns, and wakes every process that sleeps there: one system call.
    pub fn wake(&self) {
        self.count_commit();
        self.ring.map.wake_all(SB_COMMITS);
    }

    fn count_commit(&self) {
        let commits = &self.ring.map.words32(SB_COMMITS, 1)[0];
        commits.set_release(commits.get().wrapping_add(1));
    }

    /// Writes the columns of every row that was pushed, and lets stock Arrow readers see them: patches the lengths in the open slot's metadata.
    ///
    /// barbus's own readers never look at those, so this may lag: once for a batch is enough.
    pub fn write_back(&mut self) {
        self.write_columns();
        let Some(open) = self.open else { return };
        if self.settled != open.rows {
            // A stock reader that sees the lengths finds the rows that they count.
            self.ring.map.fence_release();
            self.patch(open.slot, open.rows, self.nulls);
            self.settled = open.rows;
        }
    }

    /// Says that the writer lives, at `now_ns` (nanoseconds since 1970-01-01 UTC); 0 says that it ended.
    pub fn heartbeat(&self, now_ns: u64) {
        self.ring.map.words64(SB_HEARTBEAT_NS, 1)[0].set(now_ns);
    }

    pub(crate) fn patch(&self, slot: usize, rows: u32, nulls: [u32; MAX_OPTIONAL]) {
        let (at, message) = (self.ring.geometry.slot(slot), &self.slot_message);
        // The length of each column and how many nulls it has, one after the other.
        let nodes = self.ring.map.words64(at + message.nodes[0], 2 * message.nodes.len()).as_chunks::<2>().0;
        for (k, nulls) in nulls.iter().enumerate().take(self.ring.geometry.optional) {
            nodes[crate::columns::FIRST_OPTIONAL + k][1].set((*nulls).into());
        }
        for node in nodes {
            node[0].set(rows.into());
        }
        self.ring.map.words64(at + message.length, 1)[0].set(rows.into());
    }

    fn settle_dictionary(&self) {
        let at = self.ring.geometry.dictionary;
        self.ring.map.fence_release();
        let set = |offset: usize| self.ring.map.words64(at + offset, 1)[0].set(u64::from(self.symbols));
        set(self.dictionary_message.nodes[0]);
        set(self.dictionary_message.length);
    }

    /// Seals the open block, if any, with `flags` besides.
    fn seal(&mut self, flags: u64) {
        let Some(open) = self.open else { return };
        self.write_back();
        let state = STATE_SEALED | flags | u64::from(open.rows);
        // SYNC POINT: behind the fence in `write_back`, which is behind the last row; pairs with the fence in `RingReader::step`: who sees the seal finds
        // the rows.
        self.ring.map.words64(self.ring.geometry.slot(open.slot) + BH_STATE, 1)[0].set(state);
        self.open = None;
    }

    /// Seals the open block and opens the next in a free slot: one never used, else the oldest whose rows are all archived.
    #[cold]
    fn open_block(&mut self) -> Result<Open, RingFull> {
        let slot = self.claim_slot()?;
        self.seal(0);
        let block = self.newest + 1;
        let at = self.ring.geometry.slot(slot);
        let map = &self.ring.map;
        let set = |offset: usize, value: u64| map.words64(at + offset, 1)[0].set(value);
        let directory = &map.words64(DIRECTORY + 8 * slot, 1)[0];
        directory.set(0);
        self.patch(slot, 0, [0; MAX_OPTIONAL]);
        set(BH_STATE, 0);
        set(BH_CRC, 0);
        set(BH_HEADER_CRC, 0);
        set(BH_PERSISTED, 0);
        set(BH_FIRST_SEQ, self.next_seq);
        set(BH_DAY, self.day.unwrap_or(NO_DAY) as u64);
        // SYNC POINT: pairs with the fence in `Ring::block_in`: a header with this number is whole.
        map.words64(at + BH_BLOCK, 1)[0].set_release(block);
        directory.set(block);
        map.words64(SB_CURSOR, 1)[0].set_release(block << 32);
        // One call for the block's pages, instead of a fault for each of them in the middle of its rows.
        map.prefault(at, self.ring.geometry.slot_bytes);
        self.newest = block;
        self.nulls = [0; MAX_OPTIONAL];
        self.written = 0;
        self.settled = 0;
        let open = Open { block, slot, rows: 0 };
        self.open = Some(open);
        Ok(open)
    }

    /// Blocks that stay, archived or not: the newest, and those that a durable cursor on disk may name.
    fn kept_blocks(&self) -> [u64; 4] {
        // SYNC POINT: pairs with the fence in `RingMaintenance::sync_by`: a sync that saw an older newest block has named it by now.
        self.ring.map.fence_full();
        let block = |cursor: usize| self.ring.u64(cursor) >> 32;
        // The order matters: a cursor moves from the first of these words to the second and the third, and is in two of them meanwhile.
        let next = block(SB_DURABLE_NEXT);
        self.ring.map.fence_acquire();
        let durable = block(SB_DURABLE_CURSOR);
        // Pairs with the release store of the durable cursor (no scenario fails without it, see there).
        self.ring.map.fence_acquire();
        [self.newest, next, durable, block(SB_DURABLE_BEFORE)]
    }

    /// A slot for the next block, marked as being recycled: one never used, else the oldest whose rows are all archived and which nobody has pinned.
    fn claim_slot(&mut self) -> Result<usize, RingFull> {
        let map = &self.ring.map;
        let recycle = |slot: usize| {
            map.words64(self.ring.geometry.slot(slot) + BH_BLOCK, 1)[0].set(RECYCLING);
            // SYNC POINT: RECYCLING is seen no later than any byte of the new block; pairs with the fence in `Ring::still`.
            map.fence_release();
        };
        // Not the newest one's slot, archived or not: the cursor names it until the next block is there. Nor that of the block that the
        // durable cursor names: after a loss of power that is the newest one. While a sync is under way any of three may be it.
        let kept = self.kept_blocks();
        let mut pinned = 0;
        let found = self.slots.iter().position(|&(block, slot)| {
            let at = self.ring.geometry.slot(slot);
            if block == 0 {
                recycle(slot);
                return true;
            }
            if self.ring.u64(at + BH_PERSISTED) != 1 || kept.contains(&block) {
                return false;
            }
            // SYNC POINT: pairs with the release store in `RingMaintenance::mark_persisted`: what was read for the archive was read before (loads before a
            // store: loom cannot show it).
            map.fence_acquire();
            let claimed = map.claim(at);
            if claimed {
                // Marked before the claim is given back: who pins the slot after that finds another number in it.
                recycle(slot);
                map.unclaim(at);
            } else {
                pinned += 1;
            }
            claimed
        });
        let place = found.ok_or(RingFull { blocks: self.ring.geometry.slots, pinned })?;
        let (_, slot) = self.slots.remove(place).expect("it was found there");
        self.slots.push_back((self.newest + 1, slot));
        Ok(slot)
    }
}
