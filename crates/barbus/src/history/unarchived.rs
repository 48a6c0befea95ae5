//! The rows of the ring that the archive does not have, in the archive's columns.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray, UInt64Array};
use arrow::error::ArrowError;
use barbus_archive::ArchiveError;
use barbus_bars::{BarSchema, Date, SEQ};
use barbus_ring::Row;

use super::bound::Range;
use super::live_rows::{Caught, LiveRows};
use super::row_batch::{frame_column, stored_column, symbol_column};
use crate::attach::attach;
use crate::bus::Bus;
use crate::error::{Error, Result};

/// Attempts to read a ring that is replaced meanwhile.
const MAX_ATTEMPTS: usize = 20;

/// The rows of the ring that were in no file of the archive when it was read.
#[derive(Debug)]
pub(crate) struct Unarchived {
    /// The lineage of their numbers.
    pub(crate) lineage: u64,
    /// Every row below this number is here, or is in the archive by now.
    pub(crate) next_seq: u64,
    /// By trading day, as the archive takes them.
    pub(crate) days: BTreeMap<Date, RecordBatch>,
}

impl Unarchived {
    /// Reads the ring of `bus`; `None` if there is none.
    ///
    /// Rows that the writer overwrites meanwhile are in the archive. So every row is in the result
    /// or in the files of the archive that are opened after this returns.
    ///
    /// # Errors
    /// The ring cannot be read: see [`attach`]. A damaged file of the archive is none: its rows in
    /// the ring count as not archived.
    pub(crate) fn read(bus: &Bus) -> Result<Option<Self>> {
        let archive = bus.open_archive();
        for _ in 0..MAX_ATTEMPTS {
            let ring = match attach(bus) {
                Ok(ring) => ring,
                Err(Error::NoRing { .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            let lineage = ring.geometry().lineage;
            let mut live = LiveRows::new(bus, &ring, Range::new(None, None, &bus.settings().calendar), None)?;
            let mut covered = BTreeMap::new();
            let mut covered = |day: Date| {
                let scan = || archive.scan(day, bus.footers()).and_then(|scan| scan.through_seq(lineage));
                *covered.entry(day).or_insert_with(|| scan().unwrap_or_default())
            };
            while live.catch_up(bus, &ring, &mut covered)? == Caught::Lapped {}
            if ring.superseded() && !ring.is_at_its_path() {
                continue;
            }
            let names: ArrayRef = Arc::new(StringArray::from_iter_values(&live.names));
            let batch = |(day, rows): (Date, Vec<Row>)| Ok((day, batch(&rows, &names, &bus.settings().schema)?));
            let days = std::mem::take(&mut live.days).into_iter().map(batch);
            let days = days.collect::<Result<_, ArrowError>>().map_err(ArchiveError::Merge)?;
            return Ok(Some(Self { lineage, next_seq: live.next_seq(), days }));
        }
        let what = format!("its ring was replaced {MAX_ATTEMPTS} times while it was read: try again");
        Err(Error::Changing { bus: bus.path().to_owned(), what })
    }
}

fn batch(rows: &[Row], names: &ArrayRef, schema: &BarSchema) -> Result<RecordBatch, ArrowError> {
    let archive = schema.archive_schema();
    let keys = Int32Array::from_iter_values(rows.iter().map(|row| row.symbol.0 as i32));
    let columns = archive.fields().iter().enumerate().map(|(number, field)| {
        let column = match number {
            0 => symbol_column(keys.clone(), names)?,
            1 => frame_column(rows, field.data_type()),
            _ => stored_column(rows, number, field.data_type()),
        };
        Ok((field.name().as_str(), column))
    });
    let mut columns = columns.collect::<Result<Vec<_>, ArrowError>>()?;
    columns.push((SEQ, Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.seq)))));
    RecordBatch::try_from_iter(columns)
}
