//! Where a [`RingReader`] starts: the positions that a caller can choose, and how they are found.

use barbus_shm::Memory;

use crate::layout::*;
use crate::reader::MAX_RETRIES;
use crate::ring::Header;
use crate::tip::TipRead;
use crate::{Ring, RingReader, Row};

/// Where a reader starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingStart {
    /// After the newest row: only rows that are published from now on.
    Live,
    /// At the oldest row in the ring.
    Oldest,
    /// At the first row of the newest trading day.
    Today,
    /// At the first row of the first block of a trading day (days since 1970-01-01), or of the
    /// first later day in the ring.
    Day(i64),
    /// At a sequence number. A reader resumes at the number after the last row it has read.
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
    /// The sequence number was not assigned to a row yet.
    #[error("sequence number {seq} is in the future: the next one is {next}")]
    Future {
        /// The requested number.
        seq: u64,
        /// The number of the next row.
        next: u64,
    },
}

impl RingReader {
    /// A reader at `start`.
    ///
    /// In a ring without rows, `Today` and `Oldest` start at the first future row.
    pub fn new<M: Memory>(ring: &Ring<M>, start: RingStart) -> Result<Self, StartError> {
        (0..MAX_RETRIES).find_map(|_| Self::try_new(ring, start)).unwrap_or(Err(StartError::Corrupt))
    }

    /// One attempt; `None` if the writer recycled a block meanwhile.
    pub(crate) fn try_new<M: Memory>(ring: &Ring<M>, start: RingStart) -> Option<Result<Self, StartError>> {
        let (newest, rows) = ring.cursor();
        if newest == 0 {
            return Some(Self::before_first_row(ring.geometry.first_seq, start));
        }
        let slot = ring.slot_of(newest)?;
        let header = ring.header(slot).filter(|header| header.block == newest)?;
        let counted = header.first_seq.wrapping_add(rows.into());
        let live = Self::after_newest_row(ring, &header, slot, rows);
        let next = live.position.seq;
        Some(match start {
            // The close of an earlier day is not reported to a live reader. The cursor was loaded
            // before the seal and may lack the block's last rows.
            RingStart::Live if header.last_of_day() => {
                let next = header.first_seq.wrapping_add(header.state & STATE_ROWS);
                Ok(Self::at(newest + 1, 0, next, None))
            }
            RingStart::Live => Ok(live),
            RingStart::Oldest => Ok(Self::at_first_block(ring, |_| true)?),
            RingStart::Today => Ok(newest_day(ring)
                .and_then(|day| Self::at_first_block(ring, |header| header.day == day))
                .unwrap_or(live)),
            RingStart::Day(day) => Self::at_first_block(ring, |header| header.day != NO_DAY && header.day >= day)
                .ok_or(StartError::NoSuchDay),
            RingStart::Seq(seq) if seq > next => Err(StartError::Future { seq, next }),
            RingStart::Seq(seq) if seq >= counted => {
                let row = rows.wrapping_add(seq.wrapping_sub(counted) as u32);
                Ok(Self::at(newest, row, seq, Some((&header, slot))))
            }
            RingStart::Seq(seq) => Ok(Self::at_row(ring, seq)),
        })
    }

    /// A reader of a ring that has no row yet, whose first row will be `first`.
    fn before_first_row(first: u64, start: RingStart) -> Result<Self, StartError> {
        match start {
            RingStart::Day(_) => Err(StartError::NoSuchDay),
            RingStart::Seq(seq) if seq > first => Err(StartError::Future { seq, next: first }),
            // Rows before `first` were in the file that this one has replaced. No block has number
            // 0: the first poll that finds a block reports how many rows were missed.
            RingStart::Seq(seq) if seq < first => Ok(Self::at(0, 0, seq, None)),
            _ => Ok(Self::at(1, 0, first, None)),
        }
    }

    /// A reader after the newest row. The tip may be ahead of the cursor, by at most half its rows.
    fn after_newest_row<M: Memory>(ring: &Ring<M>, header: &Header, slot: usize, rows: u32) -> Self {
        let counted = header.first_seq.wrapping_add(rows.into());
        let mut live = Self::at(header.block, rows, counted, Some((header, slot)));
        let mut row = Row::default();
        for _ in 0..ring.geometry.tip_rows / 2 {
            if ring.read_tip(live.position.seq, &mut row) != TipRead::Row(live.position.in_columns()) {
                break;
            }
            live.advance();
        }
        live
    }

    /// A reader at the first row of the oldest block that is `wanted`.
    fn at_first_block<M: Memory>(ring: &Ring<M>, wanted: impl Fn(&Header) -> bool) -> Option<Self> {
        (0..ring.geometry.slots as usize)
            .filter_map(|slot| Some((ring.header(slot)?, slot)))
            .filter(|(header, _)| wanted(header))
            .min_by_key(|(header, _)| header.block)
            .map(|(header, slot)| Self::at(header.block, 0, header.first_seq, Some((&header, slot))))
    }

    /// A reader at row `seq`, which the cursor counts.
    fn at_row<M: Memory>(ring: &Ring<M>, seq: u64) -> Self {
        let holding = (0..ring.geometry.slots as usize).find_map(|slot| {
            let header = ring.header(slot)?;
            let rows = u64::from(ring.committed_rows(slot, header.block));
            let row = seq.checked_sub(header.first_seq).filter(|&row| row < rows)?;
            Some(Self::at(header.block, row as u32, seq, Some((&header, slot))))
        });
        // The row is gone. No block has number 0: the first poll reports how many rows were missed.
        holding.unwrap_or(Self::at(0, 0, seq, None))
    }
}

/// The newest trading day in the ring. The newest block may have none, if it only has late rows.
fn newest_day<M: Memory>(ring: &Ring<M>) -> Option<i64> {
    let headers = (0..ring.geometry.slots as usize).filter_map(|slot| ring.header(slot));
    headers.map(|header| header.day).filter(|&day| day != NO_DAY).max()
}
