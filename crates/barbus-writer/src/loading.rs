//! What the archive and the ring have for a day, read into a book: the ring's part by threads, while the writer takes new bars.

use barbus_archive::Archive;
use barbus_bars::Calendar;
use barbus_ring::{BlockRows, RingMaintenance, RingWriter, Row, SymbolId};

use crate::book::{DayBook, Standing, fingerprint};
use crate::filing::Filing;
use crate::symbols::Symbols;
use barbus::internal::ArchivedRows;
use barbus::{Bus, Result};
use barbus_bars::date_from_epoch_days;

/// Threads that read a ring for a book.
const MOST_LOADERS: usize = 4;
/// Blocks that such a thread may be ahead.
const LOADED_AHEAD: usize = 4;
/// Rows that are copied at once: few enough to stay in the nearest cache.
const LOADED_ROWS: u32 = 256;

/// What the archive and the ring have for a day. The archive is read first: what is archived meanwhile is still in the ring, because only
/// the writer lets blocks be overwritten, and not before the book is whole ([`crate::book::Books::finish_loading`]).
pub(crate) fn book(ring: &mut RingWriter, bus: &Bus, symbols: &mut Symbols, day: i64) -> Result<DayBook> {
    let settings = bus.settings();
    let mut book = DayBook::default();
    let archive = Archive::open_existing(bus.archive(), settings.schema.clone(), settings.calendar.name());
    let mut through = 0;
    // An archive that cannot be read does not stop the bus: what the ring has is known, and the archive itself keeps each bar once. The
    // flusher meets the same failure and shows it.
    if let Ok(Some((meta, rows))) = archive.read(date_from_epoch_days(day)) {
        if meta.lineage == ring.ring().geometry().lineage {
            through = meta.through_seq;
        }
        for (symbol, row) in ArchivedRows::new(&rows, &settings.schema).iter() {
            let known = symbols.get(symbol).or_else(|| {
                let id = ring.intern(symbol).ok()?;
                symbols.enter(symbol, id);
                Some(id)
            });
            // Without room for the symbol its bars cannot come either.
            if let Some(symbol) = known {
                book.enter_row(&Row { symbol, ..row });
            }
        }
    }
    let maintenance = ring.maintenance();
    let mut blocks = maintenance.blocks();
    // Rows come while their day is open, or late, in a block of a later day or of none: a day that has just begun has nothing to be read.
    blocks.retain(|block| block.rows > 0 && block.day.is_none_or(|of| of >= day));
    if blocks.is_empty() {
        return Ok(book);
    }
    // A bar behind all of its symbol's is new, whatever the rest of the book will say. Other days' rows do no harm to that.
    let mut last_ms = book.last_frames().to_vec();
    last_ms.resize(last_ms.len().max(ring.ring().symbol_count() as usize), i64::MIN);
    for block in &blocks {
        maintenance.raise_last_frames(block.block, block.rows, &mut last_ms);
    }
    let calendar = settings.calendar.clone();
    let read = move || enter_ring(book, &maintenance, &blocks, &calendar, day, through);
    Ok(DayBook::loading(last_ms, read))
}

/// Enters a day's rows from `through` on.
fn enter_ring(
    mut book: DayBook,
    maintenance: &RingMaintenance,
    blocks: &[BlockRows],
    calendar: &Calendar,
    day: i64,
    through: u64,
) -> DayBook {
    // A full ring is read by several threads, each every so many blocks, and entered in order by this one.
    let workers =
        std::thread::available_parallelism().map_or(1, |count| count.get()).min(MOST_LOADERS).min(blocks.len());
    std::thread::scope(|scope| {
        let loaded: Vec<_> = (0..workers)
            .map(|worker| {
                let (sender, receiver) = std::sync::mpsc::sync_channel(LOADED_AHEAD);
                let mut filing = Filing::new(calendar.clone());
                scope.spawn(move || {
                    for block in blocks.iter().skip(worker).step_by(workers) {
                        // The archive has no revisions: that of a bar which it has is known while the ring holds it too.
                        let of_day =
                            |row: &Row| (row.seq >= through || row.revision > 0) && filing.day(row.frame_ms) == day;
                        if sender.send(entries(maintenance, block, of_day)).is_err() {
                            return;
                        }
                    }
                });
                receiver
            })
            .collect();
        for number in 0..blocks.len() {
            let entries = loaded[number % workers].recv().expect("a thread that reads a block ends with its last one");
            for Loaded { seq, symbol, frame_ms, print, revision } in entries {
                if seq >= through || book.standing(symbol, frame_ms, || print) == Standing::Duplicate {
                    book.enter(symbol, frame_ms, print, revision);
                }
            }
        }
    });
    book
}

/// What a book keeps of a row, and its number.
struct Loaded {
    seq: u64,
    symbol: SymbolId,
    frame_ms: i64,
    print: u64,
    revision: u8,
}

/// Those rows of a block that are `wanted`.
fn entries(maintenance: &RingMaintenance, block: &BlockRows, mut wanted: impl FnMut(&Row) -> bool) -> Vec<Loaded> {
    let mut entries = Vec::with_capacity(block.rows as usize);
    let mut rows = Vec::with_capacity(LOADED_ROWS as usize);
    for from in (0..block.rows).step_by(LOADED_ROWS as usize) {
        rows.clear();
        maintenance.rows(block.block, from, block.rows.min(from + LOADED_ROWS), &mut rows);
        let wanted = rows.iter().filter(|row| wanted(row));
        entries.extend(wanted.map(|row| Loaded {
            seq: row.seq,
            symbol: row.symbol,
            frame_ms: row.frame_ms,
            print: fingerprint(row),
            revision: row.revision,
        }));
    }
    entries
}
