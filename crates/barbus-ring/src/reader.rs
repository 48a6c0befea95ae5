use barbus_shm::{Memory, ReaderMemory};

use crate::burst::Stream;
use crate::layout::*;
use crate::ring::Header;
use crate::tip::Tip;
use crate::{PinnedBlocks, PinnedRows, Ring, RingError, Row};

/// Where a reader begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingStart {
    /// Behind the newest row: only what comes from now on.
    Live,
    /// At the oldest row that the ring still holds.
    Oldest,
    /// At the first row of the newest trading day.
    Today,
    /// At the first row of the first block of a trading day (days since 1970-01-01), or of the first later day in the ring.
    Day(i64),
    /// At a sequence number: the next one where it was the last read.
    Seq(u64),
}

/// A start that the ring does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// No block in the ring is of that trading day or a later one.
    #[error("the ring holds no bar of that day or a later one")]
    NoSuchDay,
    /// The parts of the file contradict each other.
    #[error("the ring is corrupt: its cursor, directory and block headers contradict each other")]
    Corrupt,
    /// The sequence number was not given to a row yet.
    #[error("sequence number {seq} is in the future: the next one is {next}")]
    Future {
        /// The number asked for.
        seq: u64,
        /// The number that the next row will get.
        next: u64,
    },
}

/// What a poll found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polled {
    /// So many rows were appended, at least one.
    Rows(usize),
    /// The trading day (days since 1970-01-01) was closed; every row before was given out.
    DayClosed(i64),
    /// The writer has reused blocks that were not read yet; exactly so many rows were missed, and the next poll goes on behind them.
    Lapped {
        /// Rows missed.
        missed: u64,
    },
    /// Nothing new.
    Empty,
    /// The parts of the file contradict each other: no row of this ring can be trusted from here on.
    Corrupt,
}

/// Looks at a changing ring before it is called corrupt. Each failed look takes the writer a whole block.
pub(crate) const LOOKS: usize = 1_000;

/// A position: the next row to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Sequence number of the next row.
    pub seq: u64,
    /// The block that it is, or will be, in.
    pub block: u64,
    /// Its row there.
    pub row: u32,
}

impl Position {
    /// As a tip slot has it.
    #[inline(always)]
    fn place(&self) -> u64 {
        self.block << 32 | u64::from(self.row)
    }
}

/// A reader's position in a ring. It owns nothing in it, and the writer does not know of it.
#[derive(Debug, Clone)]
pub struct RingReader {
    pub(crate) at: Position,
    /// The slot of `at.block`, once it was looked up.
    pub(crate) slot: Option<usize>,
    /// The day of that block, or of the one before it where that was not found yet; `None` once its close was told, and between days.
    day: Option<i64>,
    stream: Stream,
}

impl RingReader {
    /// A position at `start`. With `Today` or `Oldest` in a ring without rows it begins at the first row to come.
    pub fn new<M: Memory>(ring: &Ring<M>, start: RingStart) -> Result<Self, StartError> {
        // A look fails when the writer recycles a block in the middle of it; a file that never comes to rest is no ring.
        (0..LOOKS).find_map(|_| Self::try_new(ring, start)).unwrap_or(Err(StartError::Corrupt))
    }

    fn at(block: u64, row: u32, seq: u64, found: Option<(&Header, usize)>) -> Self {
        let day = found.and_then(|(header, _)| header.day());
        Self { at: Position { seq, block, row }, slot: found.map(|(_, slot)| slot), day, stream: Stream::default() }
    }

    pub(crate) fn try_new<M: Memory>(ring: &Ring<M>, start: RingStart) -> Option<Result<Self, StartError>> {
        let (newest, rows) = ring.cursor();
        if newest == 0 {
            let first = ring.geometry.first_seq;
            return Some(match start {
                RingStart::Day(_) => Err(StartError::NoSuchDay),
                RingStart::Seq(seq) if seq > first => Err(StartError::Future { seq, next: first }),
                // Rows of the file that this one replaced: the first poll that finds a block says how many were missed.
                RingStart::Seq(seq) if seq < first => Ok(Self::at(0, 0, seq, None)),
                _ => Ok(Self::at(1, 0, first, None)),
            });
        }
        let slot = ring.slot_of(newest)?;
        let header = ring.header(slot).filter(|header| header.block == newest)?;
        let counted = header.first_seq.wrapping_add(rows.into());
        // The tip is ahead of the cursor by a few rows, at most by half of its own.
        let mut live = Self::at(newest, rows, counted, Some((&header, slot)));
        let mut row = Row::default();
        for _ in 0..ring.geometry.tip_rows / 2 {
            if ring.tip(live.at.seq, &mut row) != Tip::Row(live.at.place()) {
                break;
            }
            live.advance();
        }
        let next = live.at.seq;
        let first_of = |wanted: &dyn Fn(&Header) -> bool| {
            let headers = (0..ring.geometry.slots as usize).filter_map(|slot| Some((ring.header(slot)?, slot)));
            headers
                .filter(|(header, _)| wanted(header))
                .min_by_key(|(header, _)| header.block)
                .map(|(header, slot)| Self::at(header.block, 0, header.first_seq, Some((&header, slot))))
        };
        Some(match start {
            // A day that was closed before is not news. The cursor is older than the seal, and may lack its last rows.
            RingStart::Live if header.last_of_day() => {
                let next = header.first_seq.wrapping_add(header.state & STATE_ROWS);
                Ok(Self::at(newest + 1, 0, next, None))
            }
            RingStart::Live => Ok(live),
            RingStart::Oldest => Ok(first_of(&|_| true)?),
            RingStart::Today => {
                // The newest day is the newest block's; where that block only carries late rows, the last day before it.
                let newest_day = (0..ring.geometry.slots as usize)
                    .filter_map(|slot| ring.header(slot))
                    .filter(|header| header.day != NO_DAY)
                    .map(|header| header.day)
                    .max();
                Ok(newest_day.and_then(|day| first_of(&|header| header.day == day)).unwrap_or(live))
            }
            RingStart::Day(day) => {
                first_of(&|header| header.day != NO_DAY && header.day >= day).ok_or(StartError::NoSuchDay)
            }
            RingStart::Seq(seq) if seq > next => Err(StartError::Future { seq, next }),
            RingStart::Seq(seq) if seq >= counted => {
                Ok(Self::at(newest, rows.wrapping_add(seq.wrapping_sub(counted) as u32), seq, Some((&header, slot))))
            }
            RingStart::Seq(seq) => {
                let holding = (0..ring.geometry.slots as usize).find_map(|slot| {
                    let header = ring.header(slot)?;
                    let rows = u64::from(ring.committed(slot, header.block));
                    let row = seq.checked_sub(header.first_seq).filter(|&row| row < rows)?;
                    Some(Self::at(header.block, row as u32, seq, Some((&header, slot))))
                });
                // A row that is gone: the first poll says how many were missed. No block has number 0.
                Ok(holding.unwrap_or(Self::at(0, 0, seq, None)))
            }
        })
    }

    #[inline(always)]
    fn advance(&mut self) {
        // Only a file that lies comes to the end of either.
        self.at.seq = self.at.seq.wrapping_add(1);
        self.at.row = self.at.row.wrapping_add(1);
    }

    /// The next row to be read.
    pub fn position(&self) -> Position {
        self.at
    }

    /// The block of the next row, where it was found in the ring: it may have no row yet, or have none any more.
    #[inline]
    pub fn block(&self) -> Option<u64> {
        self.slot.map(|_| self.at.block)
    }

    /// The trading day (days since 1970-01-01) that was open when the last rows were written, where it is known.
    pub fn day<M: Memory>(&mut self, ring: &Ring<M>) -> Option<i64> {
        let slot = self.slot(ring)?;
        let header = ring.header(slot).filter(|header| header.block == self.at.block)?;
        header.day()
    }

    /// Appends new rows to `rows`, at most `max` (at least 1), in the order of their sequence numbers.
    ///
    /// It makes no system call. Rows are copies, validated: what is given out was whole. Where rows come in a stream, one in tens of nanoseconds, it
    /// spins for some microseconds, at most some tens, until there are enough of them to be read together; else it does not wait.
    #[inline]
    pub fn poll<M: Memory>(&mut self, ring: &Ring<M>, rows: &mut Vec<Row>, max: usize) -> Polled {
        if let Some(polled) = self.stream.is_on().then(|| self.poll_run(ring, rows, max)).flatten() {
            return polled;
        }
        let mut count = 0;
        while count < max.min(Stream::AT_THE_TIP) {
            match ring.tip_lacks(self.at.seq) {
                None => {
                    let here = self.at.place();
                    rows.push(Row::default());
                    if ring.stamped(self.at.seq, rows.last_mut().expect("pushed")) == Tip::Row(here) {
                        self.advance();
                        count += 1;
                        continue;
                    }
                    rows.pop();
                }
                Some(Tip::NotYet) if count == 0 => {
                    self.stream.found_none();
                    ring.expect_tip(self.at.seq);
                    return self.idle(ring);
                }
                _ => {}
            }
            if count > 0 {
                break;
            }
            // Gone, or a row of the next block: what lies between the two blocks comes first.
            let block = self.at.block;
            match self.step(ring, rows, max) {
                // Gone over to the next block, whose first rows are in the tip only.
                Polled::Empty if self.at.block != block => {}
                polled => return polled,
            }
        }
        self.stream.found(count);
        // By now its header is there, which tells the day.
        self.slot(ring);
        Polled::Rows(count)
    }

    /// The next rows of a stream, from the columns, as soon as there is a run of them; `None` where it does not come.
    #[inline(never)]
    fn poll_run<M: Memory>(&mut self, ring: &Ring<M>, rows: &mut Vec<Row>, max: usize) -> Option<Polled> {
        let run = Stream::RUN.min(u64::from(ring.geometry.tip_rows) / 2);
        let seq = self.at.seq;
        let came = self.stream.await_run(run, |rows| ring.tip_has(seq.wrapping_add(rows)));
        // What is nearest to the writer stays for the next time.
        came.then(|| self.step(ring, rows, max.min(run as usize / 4 * 3))).filter(|polled| *polled != Polled::Empty)
    }

    /// The next rows where they lie: from the position to what is committed in its block; the position goes on behind them.
    ///
    /// `None` where something else comes first, which [`RingReader::poll`] tells: a day's close, rows that were missed, or nothing new. It makes
    /// the system calls of a lock where there are rows. Rows come here a little later than by `poll`, which reads them from the tip.
    pub fn pin<M: ReaderMemory>(&mut self, ring: &Ring<M>) -> Result<Option<PinnedRows<M>>, RingError> {
        self.pin_after(ring, |_, _| Ok(()))
    }

    /// As [`RingReader::pin`] again and again: for many blocks, whose locks are taken together.
    pub fn pin_each<'a, M: ReaderMemory>(&'a mut self, ring: &'a Ring<M>) -> PinnedBlocks<'a, M> {
        PinnedBlocks::new(self, ring)
    }

    /// As [`RingReader::pin`]; before the lock of a slot with rows `before` is told the slot and its block.
    pub(crate) fn pin_after<M: ReaderMemory>(
        &mut self,
        ring: &Ring<M>,
        before: impl FnOnce(usize, u64) -> Result<(), RingError>,
    ) -> Result<Option<PinnedRows<M>>, RingError> {
        // On a copy: what only a poll can tell must be told by one.
        let mut ahead = self.clone();
        if ahead.step(ring, &mut Vec::new(), 0) != Polled::Empty || ahead.at.block == 0 {
            return Ok(None);
        }
        let Position { block, row, .. } = ahead.at;
        let Some(slot) = ahead.slot(ring).filter(|&slot| ring.committed(slot, block) > row) else { return Ok(None) };
        before(slot, block)?;
        let Some(rows) = ring.pin_slot(slot, block)?.filter(|rows| rows.to > row) else { return Ok(None) };
        let rows = rows.behind(row);
        // What comes next is looked at when these have been read, which may have emptied the caches.
        let behind = ring.geometry.slot(slot) + ring.geometry.slot_bytes;
        [BH_BLOCK, BH_STATE].iter().for_each(|line| ring.map.prefetch(behind + line));
        ahead.at.row = rows.to;
        ahead.at.seq = ahead.at.seq.wrapping_add(rows.len() as u64);
        *self = ahead;
        Ok(Some(rows))
    }

    /// Whether a poll would find something; it changes nothing.
    pub fn is_ready<M: Memory>(&self, ring: &Ring<M>) -> bool {
        self.clone().poll(ring, &mut Vec::new(), 1) != Polled::Empty
    }

    /// Nothing new at the tip: has the block been sealed behind the last row? Looks at one line that the writer rarely writes.
    #[inline]
    fn idle<M: Memory>(&mut self, ring: &Ring<M>) -> Polled {
        if self.at.block == 0 {
            return self.step(ring, &mut Vec::new(), 0);
        }
        let Some(slot) = self.slot(ring) else {
            return self.step(ring, &mut Vec::new(), 0);
        };
        let state = ring.u64(ring.geometry.slot(slot) + BH_STATE);
        if state & STATE_SEALED == 0 && ring.still(slot, self.at.block) {
            return Polled::Empty;
        }
        self.step(ring, &mut Vec::new(), 0)
    }

    #[inline]
    pub(crate) fn slot<M: Memory>(&mut self, ring: &Ring<M>) -> Option<usize> {
        if self.slot.is_none() && self.at.block != 0 {
            self.found(ring, ring.slot_of(self.at.block));
        }
        self.slot
    }

    /// The position's block is in this slot, if in any.
    fn found<M: Memory>(&mut self, ring: &Ring<M>, slot: Option<usize>) {
        let block = self.at.block;
        let header = slot.and_then(|slot| Some((ring.header(slot)?, slot))).filter(|(header, _)| header.block == block);
        self.slot = header.as_ref().map(|&(_, slot)| slot);
        if let Some((header, _)) = header {
            self.day = header.day();
        }
    }

    /// Reads from the columns, or goes over to the next block, or says what is between.
    pub(crate) fn step<M: Memory>(&mut self, ring: &Ring<M>, rows: &mut Vec<Row>, max: usize) -> Polled {
        for _ in 0..LOOKS {
            let (newest, _) = ring.cursor();
            let Some(slot) = self.slot(ring) else {
                if newest == 0 || self.at.block > newest {
                    return Polled::Empty;
                }
                match self.lapped(ring) {
                    Some(polled) => return polled,
                    None => continue,
                }
            };
            let at = ring.geometry.slot(slot);
            // The order matters: the seal is read before the number of rows, so that a sealed block's rows are all of them.
            let state = ring.u64(at + BH_STATE);
            ring.map.fence_acquire();
            let committed = match state & STATE_SEALED {
                0 => ring.committed(slot, self.at.block),
                _ => ((state & STATE_ROWS) as u32).min(ring.geometry.rows_per_block),
            };
            let end = committed.min(self.at.row.saturating_add(max.min(u32::MAX as usize) as u32));
            let start = rows.len();
            if end > self.at.row {
                ring.copy_rows(slot, self.at.row, end, rows);
            }
            let day = ring.u64(at + BH_DAY) as i64;
            if !ring.still(slot, self.at.block) {
                rows.truncate(start);
                self.slot = None;
                match self.lapped(ring) {
                    Some(polled) => return polled,
                    None => continue,
                }
            }
            if end > self.at.row {
                let count = (end - self.at.row) as usize;
                self.at.row = end;
                self.at.seq = self.at.seq.wrapping_add(count as u64);
                return Polled::Rows(count);
            }
            if state & STATE_SEALED == 0 || self.at.row < committed {
                return Polled::Empty;
            }
            // The end of a sealed block. The last one of a day stays flagged; a full one may still get the flag, so its reader
            // goes on only when there is a next block.
            if state & STATE_LAST_OF_DAY == 0 && newest <= self.at.block {
                return Polled::Empty;
            }
            if state & STATE_LAST_OF_DAY == 0 {
                // SYNC POINT: the writer flags a full block before it opens the next; now that the next is there, look once more.
                let again = ring.u64(at + BH_STATE);
                if !ring.still(slot, self.at.block) || again != state {
                    self.slot = None;
                    continue;
                }
            }
            self.at.block = self.at.block.wrapping_add(1);
            self.at.row = 0;
            if state & STATE_LAST_OF_DAY != 0 {
                self.day = None;
            }
            self.found(ring, ring.slot_behind(slot, self.at.block));
            if state & STATE_LAST_OF_DAY != 0 {
                return Polled::DayClosed(day);
            }
        }
        Polled::Corrupt
    }

    /// The block is gone: goes on at the oldest later one. `None` where the ring changed meanwhile, or nothing was missed.
    ///
    /// Who had read all rows of a day, and comes to those of another without having seen how it ended, is told of its close here.
    fn lapped<M: Memory>(&mut self, ring: &Ring<M>) -> Option<Polled> {
        let (header, slot) = (0..ring.geometry.slots as usize)
            .filter_map(|slot| Some((ring.header(slot)?, slot)))
            .filter(|(header, _)| header.block >= self.at.block && header.first_seq >= self.at.seq)
            .min_by_key(|(header, _)| header.block)?;
        let missed = header.first_seq - self.at.seq;
        self.at = Position { seq: header.first_seq, block: header.block, row: 0 };
        self.slot = Some(slot);
        match std::mem::replace(&mut self.day, header.day()) {
            _ if missed > 0 => Some(Polled::Lapped { missed }),
            Some(day) if header.day() != Some(day) => Some(Polled::DayClosed(day)),
            _ => None,
        }
    }
}
