//! Moves the rows of one day from the ring to the archive, and releases the blocks of the ring.

use std::{panic, thread};

use arrow::array::RecordBatch;
use barbus::{Result, Selection, Settings, WithdrawalRecord};
use barbus_archive::Archive;
use barbus_bars::{BarSchema, date_from_epoch_days, epoch_days};
use barbus_ring::{RingMaintenance, SymbolId};
use jiff::Timestamp;

use crate::flusher::backlog::Backlog;
use crate::flusher::columns::DayColumns;
use crate::flusher::failed_days::FileState;
use crate::removed_days::RemovedDays;
use crate::trading_day::CurrentCalendar;
use crate::withdrawals::{Withdrawals, Withdrawn};

/// Rows that are turned into columns at a time: few enough to stay in the L2 cache.
const ROWS_AT_ONCE: u32 = 2_048;

/// The ring, the archive, and which rows of the ring are not archived yet.
pub(crate) struct DayArchiver {
    maintenance: RingMaintenance,
    backlog: Backlog,
    archive: Archive,
    schema: BarSchema,
    /// The text of each symbol of the ring.
    symbols: Vec<String>,
    withdrawals: Withdrawals,
    removed_days: RemovedDays,
    calendar: CurrentCalendar,
    /// The version of the calendar that the backlog has.
    calendar_version: u64,
}

impl DayArchiver {
    /// The writer must not append to the ring until this returns.
    pub(crate) fn new(
        maintenance: RingMaintenance,
        archive: Archive,
        settings: &Settings,
        (withdrawals, removed_days): (Withdrawals, RemovedDays),
        calendar: CurrentCalendar,
    ) -> Self {
        Self {
            backlog: Backlog::new(&maintenance, calendar.get()),
            calendar,
            calendar_version: 0,
            maintenance,
            archive,
            schema: settings.schema.clone(),
            symbols: Vec::new(),
            withdrawals,
            removed_days,
        }
    }

    pub(crate) fn backlog(&self) -> &Backlog {
        &self.backlog
    }

    /// Continues with the ring that replaced the current one. If the replacement failed, it is the
    /// same ring.
    pub(crate) fn switch_to(&mut self, ring: RingMaintenance) {
        if !ring.is_same_ring(&self.maintenance) {
            self.maintenance = ring;
            self.backlog.switch_ring();
            self.symbols.clear();
        }
    }

    /// Adds the rows and symbols since the last scan to the backlog.
    pub(crate) fn scan(&mut self) {
        let blocks = self.maintenance.unpersisted();
        // The calendar is read after the blocks: a row that the writer appended by another calendar
        // is scanned by that one.
        if let Some(calendar) = self.calendar.newer_than(&mut self.calendar_version) {
            self.backlog.set_calendar(calendar);
        }
        self.backlog.scan(&self.maintenance, blocks);
        // The symbols are read after the rows, so the symbols of all scanned rows are included.
        let ring = self.maintenance.ring();
        while (self.symbols.len() as u32) < ring.symbol_count() {
            let id = SymbolId(self.symbols.len() as u32);
            self.symbols.push(ring.symbol(id).unwrap_or_default());
        }
    }

    /// Computes missing checksums of sealed blocks, `limit` at most.
    pub(crate) fn checksum(&mut self, limit: usize) {
        self.backlog.checksum(&self.maintenance, limit);
    }

    /// Syncs the ring to disk, with the checksums of all sealed blocks. Meanwhile it gathers the
    /// rows of `day`.
    pub(crate) fn sync(&mut self, day: Option<i64>) -> Result<Option<RecordBatch>> {
        self.checksum(usize::MAX);
        let (synced, rows) = thread::scope(|scope| {
            let gather = || day.map(|day| self.gather(day));
            let gathering = day.and_then(|_| thread::Builder::new().spawn_scoped(scope, gather).ok());
            let synced = self.maintenance.sync();
            let rows = gathering.map(|thread| thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic)));
            (synced, rows.flatten())
        });
        synced?;
        self.backlog.mark_synced();
        Ok(rows)
    }

    /// All scanned rows of `day`.
    pub(crate) fn gather(&self, day: i64) -> RecordBatch {
        self.columns(day, false)
    }

    /// The archive.
    pub(crate) fn archive(&self) -> &Archive {
        &self.archive
    }

    /// The days that the bus takes no more bars of.
    pub(crate) fn removed_days(&self) -> &RemovedDays {
        &self.removed_days
    }

    /// Whether `day` was removed. All of its rows were archived before, and none was accepted
    /// since: a start finds some of them in blocks that have rows of other days.
    fn was_removed(&self, day: i64) -> Result<bool> {
        let date = date_from_epoch_days(day);
        let has_file = || self.archive.path(date).exists();
        Ok(self.removed_days.contains(day) && !has_file() && !self.archive.spilled_days()?.contains(&date))
    }

    /// Writes the file of `day` from `rows`, which are all of its scanned rows. Returns whether the
    /// file changed.
    pub(crate) fn write_file(&mut self, day: i64, rows: &RecordBatch) -> Result<bool> {
        if self.was_removed(day)? {
            self.backlog.mark_archived(day);
            return Ok(false);
        }
        let lineage = self.maintenance.ring().geometry().lineage;
        let written = self.archive.write(date_from_epoch_days(day), rows, lineage, self.backlog.scanned())?;
        self.backlog.mark_archived(day);
        for copy in &written.kept {
            tracing::warn!(
                file = %written.path.display(),
                copy = %copy.display(),
                "the bus has no column for some values of this day: they are in the copy: keep it, or add the column to [bars]"
            );
        }
        Ok(written.changed)
    }

    /// The state of the file of `day`.
    pub(crate) fn file_state(&self, day: i64) -> FileState {
        FileState::of(&self.archive.path(date_from_epoch_days(day)))
    }

    /// Spills the scanned rows of `day` that are in no part yet. Returns whether there was one.
    pub(crate) fn spill(&mut self, day: i64) -> Result<bool> {
        if self.was_removed(day)? {
            self.backlog.mark_archived(day);
            return Ok(false);
        }
        let rows = self.columns(day, true);
        let lineage = self.maintenance.ring().geometry().lineage;
        let spilled = self.archive.spill(date_from_epoch_days(day), &rows, lineage, self.backlog.scanned())?;
        self.backlog.mark_archived(day);
        Ok(spilled.path.is_some())
    }

    /// Withdraws bars of a closed day.
    ///
    /// The day is archived first, so that its file has all of them.
    pub(crate) fn withdraw(&mut self, selection: &Selection) -> Result<Withdrawn> {
        self.scan();
        let day = selection.day;
        let number = epoch_days(day);
        let rows = self.sync(Some(number))?.unwrap_or_else(|| self.gather(number));
        self.write_file(number, &rows)?;
        let is_withdrawn = |symbol: &str, frame_ms| selection.covers(symbol, frame_ms);
        let barbus_archive::Withdrawn { rows, path } = self.archive.withdraw(day, is_withdrawn)?;
        if rows == 0 {
            return Ok(Withdrawn { bars: 0, file: None });
        }
        self.withdrawals.add(WithdrawalRecord {
            at: Timestamp::now(),
            selection: selection.clone(),
            lineage: self.maintenance.ring().geometry().lineage,
            below_seq: self.backlog.scanned(),
            file: path.clone(),
        })?;
        tracing::info!(%day, bars = rows, file = path.as_ref().map(|path| path.display().to_string()), "withdrawn");
        Ok(Withdrawn { bars: rows, file: path })
    }

    /// Releases the blocks whose rows are all archived. Returns whether there was one.
    pub(crate) fn release(&mut self) -> bool {
        let released = self.backlog.take_releasable();
        released.iter().for_each(|&block| self.maintenance.mark_persisted(block));
        !released.is_empty()
    }

    /// Whether the ring's file was removed, moved or replaced by another program.
    pub(crate) fn ring_is_lost(&self) -> bool {
        !self.maintenance.is_at_its_path()
    }

    /// Whether the ring stays full although every closed day is archived. Two archived blocks may
    /// have to stay: the newest, and the one that the durable cursor names.
    pub(crate) fn ring_is_full(&self) -> bool {
        self.backlog.blocks() + 2 >= self.maintenance.ring().geometry().slots
    }

    fn columns(&self, day: i64, unarchived: bool) -> RecordBatch {
        let rows = self.backlog.rows_of(day, unarchived);
        let symbols = self.maintenance.ring().geometry().symbols;
        let lineage = self.maintenance.ring().geometry().lineage;
        let id = |symbol: &str| self.symbols.iter().position(|known| known == symbol).map(|id| SymbolId(id as u32));
        let withdrawn = self.withdrawals.of_day(lineage, day, id);
        let mut columns = DayColumns::new(rows.count(), self.schema.optional().len(), symbols);
        rows.copy(&self.maintenance, ROWS_AT_ONCE, |rows| match withdrawn.is_empty() {
            true => columns.add(rows),
            false => columns.add(&rows.iter().filter(|row| !withdrawn.covers(row)).copied().collect::<Vec<_>>()),
        });
        columns.into_batch(&self.symbols, &self.schema)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use barbus::{Bus, InitOptions};
    use barbus_ring::{RingWriter, Row, Spec, create};

    /// Promise 3, after a loss of power: a block is released only after a sync that covered its
    /// checksum, even if all of its rows were archived before it was sealed.
    #[test]
    fn a_block_is_not_released_before_its_checksum_is_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bars.ring");
        create(&path, &Spec { blocks: 4, rows_per_block: 64, tip_rows: 64, ..Spec::default() }).unwrap();
        let mut writer = RingWriter::open(&path).unwrap();
        let symbol = writer.intern("A").unwrap();
        let archive = Archive::open(dir.path().join("archive"), BarSchema::in_zone("UTC").unwrap(), "24x7").unwrap();
        let settings = Settings::parse("calendar = \"24x7\"\n", "bus.toml".as_ref()).unwrap();
        let options = InitOptions { calendar: "24x7".into(), preset: None };
        let bus = Bus::init(&dir.path().join("bus"), &options).unwrap();
        let withdrawals = Withdrawals::load(&bus).unwrap();
        let removed = RemovedDays::load(&bus).unwrap();
        let calendar = CurrentCalendar::new(settings.calendar.clone());
        let mut archiver = DayArchiver::new(writer.maintenance(), archive, &settings, (withdrawals, removed), calendar);
        writer.begin_day(0);
        for minute in 1..=70 {
            writer.push(&Row { symbol, frame_ms: minute * 60_000, ..Row::default() }).unwrap();
        }
        let maintenance = writer.maintenance();
        let unpersisted = || maintenance.unpersisted().iter().map(|block| block.block).collect::<Vec<_>>();
        archiver.scan();
        archiver.sync(None).unwrap();
        // The first block was sealed before that sync, the second is sealed after it.
        writer.close_day();
        archiver.scan();
        let rows = archiver.gather(0);
        archiver.write_file(0, &rows).unwrap();
        archiver.release();
        assert_eq!(unpersisted(), [2]);
        assert_eq!(archiver.backlog.day_without_checksum(), Some(0), "all rows of block 2 are archived");
        archiver.sync(None).unwrap();
        archiver.release();
        assert_eq!(unpersisted(), [0; 0]);
    }
}
