//! Finds the bars that stand where others are in conflict with them.
//!
//! The index of the writer has no values. They are read from the ring, the newest block first, and
//! from the archive for bars that the ring has lost.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use barbus::Bus;
use barbus::internal::ArchivedRows;
use barbus_archive::{Archive, Footers, Wanted};
use barbus_bars::{BarSchema, Date};
use barbus_ring::{Row, SymbolId};

use crate::current_ring::CurrentRing;
use crate::trading_day::CurrentCalendar;

/// Rows that are copied at once: few enough to stay in the L1 cache.
const ROWS_AT_ONCE: usize = 256;

/// The bar that stands; `None` if it cannot be read.
pub(super) type Standing = Option<Row>;

/// A symbol and a frame.
type Key<'a> = (&'a str, i64);

/// Where the bars of a bus are.
#[derive(Debug)]
pub(super) struct StandingBars {
    bus: Bus,
    ring: CurrentRing,
    calendar: CurrentCalendar,
    footers: Footers,
}

impl StandingBars {
    pub(super) fn new(bus: &Bus, ring: CurrentRing, calendar: CurrentCalendar) -> Self {
        Self { bus: bus.clone(), ring, calendar, footers: Footers::default() }
    }

    /// The newest bar of each symbol, id of the symbol, and frame.
    pub(super) fn find<'a>(&self, bars: impl Iterator<Item = (&'a str, SymbolId, i64)>) -> Vec<Standing> {
        let bars: Vec<_> = bars.collect();
        let ids: HashMap<SymbolId, &str> = bars.iter().map(|(symbol, id, _)| (*id, *symbol)).collect();
        let mut wanted: HashSet<Key<'_>> = bars.iter().map(|(symbol, _, frame_ms)| (*symbol, *frame_ms)).collect();
        let mut found = HashMap::new();
        self.search_ring(&ids, &mut wanted, &mut found);
        self.search_archive(&wanted, &mut found);
        bars.iter().map(|(symbol, _, frame_ms)| found.get(&(*symbol, *frame_ms)).copied()).collect()
    }

    /// Moves what the ring has from `wanted` to `found`.
    fn search_ring<'a>(
        &self,
        ids: &HashMap<SymbolId, &'a str>,
        wanted: &mut HashSet<Key<'a>>,
        found: &mut HashMap<Key<'a>, Row>,
    ) {
        let ring = self.ring.get();
        // The ring may be another one than that of the ids.
        let ids: HashMap<SymbolId, &str> = ids
            .iter()
            .filter(|(id, symbol)| ring.ring().symbol(**id).as_deref() == Some(symbol))
            .map(|(id, symbol)| (*id, *symbol))
            .collect();
        let frames: HashSet<i64> = wanted.iter().map(|(_, frame_ms)| *frame_ms).collect();
        let (mut of_block, mut rows) = (Vec::new(), Vec::new());
        for block in ring.blocks().iter().rev() {
            of_block.clear();
            // The frames come first: most blocks have no wanted one.
            if !ring.frames(block.block, 0, block.rows, &mut of_block) {
                continue;
            }
            for (chunk, chunk_frames) in of_block.chunks(ROWS_AT_ONCE).enumerate().rev() {
                if wanted.is_empty() {
                    return;
                }
                rows.clear();
                let from = (chunk * ROWS_AT_ONCE) as u32;
                if !chunk_frames.iter().any(|frame_ms| frames.contains(frame_ms))
                    || !ring.rows(block.block, from, from + chunk_frames.len() as u32, &mut rows)
                {
                    continue;
                }
                for row in rows.iter().rev() {
                    if let Some(symbol) = ids.get(&row.symbol)
                        && let Some(key) = wanted.take(&(*symbol, row.frame_ms))
                    {
                        found.insert(key, *row);
                    }
                }
            }
        }
    }

    /// Adds what the archive has of `wanted` to `found`.
    fn search_archive<'a>(&self, wanted: &HashSet<Key<'a>>, found: &mut HashMap<Key<'a>, Row>) {
        if wanted.is_empty() {
            return;
        }
        let calendar = self.calendar.get();
        let mut days: BTreeMap<Date, Vec<Key<'a>>> = BTreeMap::new();
        for key in wanted {
            days.entry(calendar.trading_day(key.1).date).or_default().push(*key);
        }
        let (archive, schema) = (self.bus.open_archive(), &self.bus.settings().schema);
        for (day, keys) in days {
            let known: HashMap<&str, &'a str> = keys.iter().map(|(symbol, _)| (*symbol, *symbol)).collect();
            // A file that cannot be read is reported where it is relied on.
            for rows in read(&archive, &self.footers, schema, day, &keys).unwrap_or_default() {
                for (symbol, row) in rows.iter() {
                    if let Some(symbol) = known.get(symbol)
                        && wanted.contains(&(*symbol, row.frame_ms))
                    {
                        found.insert((*symbol, row.frame_ms), row);
                    }
                }
            }
        }
    }
}

/// The bars of a day with these symbols, and about these frames.
fn read(
    archive: &Archive,
    footers: &Footers,
    schema: &BarSchema,
    day: Date,
    keys: &[Key<'_>],
) -> Option<Vec<ArchivedRows>> {
    let mut symbols: Vec<String> = keys.iter().map(|(symbol, _)| (*symbol).to_owned()).collect();
    symbols.sort_unstable();
    symbols.dedup();
    let frames = || keys.iter().map(|(_, frame_ms)| *frame_ms);
    let columns: Vec<usize> = (2..schema.column_names().count()).collect();
    let wanted = Wanted {
        symbols: Some(&symbols),
        from_ms: frames().min()?,
        to_ms: frames().max()?,
        columns: &columns,
        last: None,
    };
    let batches = archive.scan(day, footers).ok()?.read(&wanted).ok()?;
    batches.iter().map(|batch| Some(ArchivedRows::new(&with_plain_symbols(batch)?, schema))).collect()
}

/// The batch with its symbols as text instead of a dictionary.
fn with_plain_symbols(batch: &RecordBatch) -> Option<RecordBatch> {
    let symbols: ArrayRef = cast(batch.column(0), &DataType::Utf8).ok()?;
    let columns = std::iter::once(symbols).chain(batch.columns()[1..].iter().cloned());
    let schema = batch.schema();
    let names = schema.fields().iter().map(|field| field.name().as_str());
    RecordBatch::try_from_iter(names.zip(columns)).ok()
}
