//! The bars of whole trading days, from the ring and the archive.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use barbus::{Date, Event, Reader, Row, Start};
use barbus_archive::{Archive, DayMeta};
use barbus_bars::{Calendar, TradingDay};
use pyo3::prelude::*;

use crate::bars::Bars;
use crate::batch;
use crate::error::{Error, raised};

/// The trading days of a bus.
pub(crate) struct Days<'a> {
    pub(crate) bus: &'a barbus::Bus,
}

impl Days<'_> {
    /// The archived days, ascending.
    pub(crate) fn archived(&self) -> PyResult<Vec<Date>> {
        self.archive().days().map_err(raised)
    }

    /// The bars of the newest day. Those that have left the ring are in the archive: in parts of an
    /// open day, or in the file of a closed one.
    pub(crate) fn newest(&self) -> PyResult<Bars> {
        let ring = self.in_ring()?;
        let Some(day) = ring.day else { return Ok(Bars::new(ring.schema, Vec::new(), false)) };
        let archive = self.archive();
        let mut archived = archive.part_metas(day).map_err(raised)?;
        archived.extend(archive.meta(day).map_err(raised)?);
        // The archive may also have rows that are still in the ring.
        if !ring.has_gap && archived.iter().all(|meta| ring.contains(meta)) {
            let schema = ring.batches.first().map_or(ring.schema, RecordBatch::schema);
            return Ok(Bars::new(schema, ring.batches, ring.pinned));
        }
        let schema = self.bus.settings().schema.archive_schema();
        let mut batches = Vec::new();
        let mut next_seq = 0;
        if let Some((meta, archived)) = archive.read(day).map_err(raised)? {
            // Sequence numbers of another ring have no meaning in this one.
            next_seq = if meta.lineage == ring.lineage { meta.through_seq } else { 0 };
            batches.push(archived);
        }
        for batch in &ring.batches {
            let newer = batch::skip_to_seq(batch, next_seq).map_err(raised)?;
            batches.push(batch::to_archive_columns(&newer, &schema).map_err(raised)?);
        }
        Ok(Bars::new(schema, batches, false))
    }

    /// The bars of a day of the archive, or of the newest day if it is `day`.
    pub(crate) fn of_date(&self, day: Date) -> PyResult<Bars> {
        let archive = self.archive();
        if archive.path(day).exists()
            && let Some((_, bars)) = archive.read(day).map_err(raised)?
        {
            return Ok(Bars::copied(bars));
        }
        // The day is still open, or its file is being written.
        if self.bus.ring().exists() && self.in_ring()?.day == Some(day) {
            return self.newest();
        }
        let (bus, folder) = (self.bus.path().display(), self.bus.archive());
        Err(Error::new_err(format!(
            "{bus}: no bars of {day}: it is neither the newest day in the ring nor in {}",
            folder.display()
        )))
    }

    fn archive(&self) -> Archive {
        let settings = self.bus.settings();
        Archive::open_existing(self.bus.archive(), settings.schema.clone(), settings.calendar.name())
    }

    fn in_ring(&self) -> PyResult<RingDay> {
        let reader = Reader::open(self.bus.path()).map_err(raised)?;
        RingDay::read(reader.anonymous().start_at(Start::Today).map_err(raised)?)
    }
}

/// The bars of the newest trading day that are in the ring.
struct RingDay {
    /// `None` where the ring has no bars.
    day: Option<Date>,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    /// Whether any batch lies in the ring itself.
    pinned: bool,
    /// Whether bars between the batches have left the ring.
    has_gap: bool,
    /// The lineage of the sequence numbers.
    lineage: u64,
}

impl RingDay {
    /// Reads from a reader that is at the start of the day to the newest bar: pinned where the
    /// columns have the bars, copied where only the tip has them.
    fn read(mut reader: Reader) -> PyResult<RingDay> {
        let settings = reader.bus().settings();
        let (calendar, schema) = (settings.calendar.clone(), batch::ring_schema(&settings.schema));
        let lineage = reader.lineage();
        let mut ring = RingDay { day: None, schema, batches: Vec::new(), pinned: false, has_gap: false, lineage };
        loop {
            for view in reader.views() {
                let view = view.map_err(raised)?;
                ring.pinned |= view.is_pinned();
                ring.day = ring.day.max(view.day());
                ring.batches.push(batch::without_metadata(view.into_batch().map_err(raised)?).map_err(raised)?);
            }
            match reader.poll().map_err(raised)? {
                None => break,
                Some(Event::DayClosed(_)) => {}
                // The writer reused blocks before they were pinned. A block before them may remain:
                // another reader may have pinned it.
                Some(Event::Lapped { .. }) => ring.has_gap = true,
                Some(Event::Withdrawn(_)) => {}
                Some(Event::MinuteClosed(_)) => {}
                Some(Event::Bars(bars)) => {
                    let (names, rows): (Vec<&str>, Vec<Row>) = bars.iter().map(|bar| (bar.symbol, *bar)).unzip();
                    ring.batches.push(batch::from_rows(&ring.schema, &rows, &names).map_err(raised)?);
                    ring.day = ring.day.max(reader.day());
                }
            }
        }
        ring.drop_other_days(&calendar)?;
        Ok(ring)
    }

    /// Removes late bars of other days.
    fn drop_other_days(&mut self, calendar: &Calendar) -> PyResult<()> {
        let Some(day) = self.day else { return Ok(()) };
        // The span of the day, once a bar has shown it: a calendar takes longer than a comparison.
        let mut span = None::<TradingDay>;
        let mut is_of_day = |frame: i64| {
            if span.is_some_and(|span| span.contains(frame)) {
                return true;
            }
            let found = calendar.trading_day(frame);
            let same = found.date == day;
            if same {
                span = Some(found);
            }
            same
        };
        let batches = std::mem::take(&mut self.batches);
        for batch in batches {
            let kept = batch::filter_frames(&batch, &mut is_of_day).map_err(raised)?;
            if kept.num_rows() > 0 {
                self.batches.push(kept);
            }
        }
        Ok(())
    }

    /// Whether the ring still has all rows of an archived file or part.
    fn contains(&self, meta: &DayMeta) -> bool {
        let rows = self.batches.iter().map(|batch| batch.num_rows() as u64).sum();
        let first = self.batches.first().map(|first| batch::read_row(first, 0).1.seq);
        meta.lineage == self.lineage && meta.rows <= rows && first.is_some_and(|first| first <= meta.first_seq)
    }
}
