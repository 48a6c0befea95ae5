//! The first and the newest factor of each symbol in a question.

use std::collections::HashMap;

use barbus_archive::Wanted;
use barbus_bars::{Date, FIXED_COLUMNS};

use super::adjust::{FactorEnds, is_usable};
use super::bound::Range;
use super::query::BarsQuery;
use super::row_batch::rows_of_batch;
use super::snapshot::Snapshot;
use crate::error::{Error, Result};

/// Reads the optional column `factor` of all days from `first_day` on.
pub(super) fn factor_ends(
    query: &BarsQuery,
    snapshot: &Snapshot,
    range: Range,
    first_day: Option<Date>,
    symbols: Option<&[String]>,
    factor: usize,
) -> Result<HashMap<String, FactorEnds>> {
    let column = [FIXED_COLUMNS.len() + factor];
    let wanted = Wanted { symbols, from_ms: range.from_ms, to_ms: range.to_ms, columns: &column, last: None };
    let mut ends: HashMap<String, FactorEnds> = HashMap::new();
    let mut add = |symbol: &str, factor: f64| match ends.get_mut(symbol) {
        Some(ends) => ends.newest = factor,
        None => drop(ends.insert(symbol.to_owned(), FactorEnds { first: factor, newest: factor })),
    };
    for (day, source) in snapshot.days.range(first_day.unwrap_or(Date::MIN)..) {
        match snapshot.with_scan(&query.bus, *day, |scan| scan.read(&wanted)) {
            Err(Error::Archive(_)) if query.skip_damaged => continue,
            stored => {
                for batch in stored? {
                    let names = super::dictionary::dictionary_of(&batch);
                    for row in rows_of_batch(&batch, &column) {
                        if let Some(found) = row.optional(factor).filter(|factor| is_usable(*factor)) {
                            add(names.value(row.symbol.0 as usize), found);
                        }
                    }
                }
            }
        }
        let mut live: Vec<_> = source.live.iter().collect();
        live.sort_by_key(|row| row.frame_ms);
        for row in live {
            if let Some(found) = row.optional(factor).filter(|factor| is_usable(*factor)) {
                add(&snapshot.names[row.symbol.0 as usize], found);
            }
        }
    }
    Ok(ends)
}
