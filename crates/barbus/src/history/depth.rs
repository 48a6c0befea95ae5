//! How far back a question for the last bars of each symbol goes.

use std::collections::{BTreeSet, HashMap};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, TimestampMillisecondType};
use barbus_archive::Wanted;
use barbus_bars::{Date, Interval, Periods};

use super::bound::Range;
use super::query::BarsQuery;
use super::resample::Resampler;
use super::shortfall::Shortfall;
use super::snapshot::Snapshot;
use crate::error::{Error, Result};

/// Newest days whose symbols are asked for if the question names none.
const UNIVERSE_DAYS: usize = 2;

/// Where the answer begins.
#[derive(Debug, Default)]
pub(super) struct Depth {
    /// The first day to read.
    pub(super) first_day: Option<Date>,
    /// The instants after which the first bar of each symbol ends, or begins if it is longer than a
    /// minute, milliseconds UTC. A symbol with fewer bars than were asked for has none.
    pub(super) starts: HashMap<String, i64>,
    /// The symbols of the answer, ascending.
    pub(super) symbols: Vec<String>,
    pub(super) shortfalls: Vec<Shortfall>,
}

impl Depth {
    /// Reads symbols and frames from the newest day backwards until each symbol has `count` bars.
    pub(super) fn find(query: &BarsQuery, snapshot: &Snapshot, range: Range, count: usize) -> Result<Self> {
        let settings = query.bus.settings();
        let mut resampler = Resampler::new(settings.calendar.clone(), query.interval, &[]);
        let mut depth = Self::default();
        let mut universe: BTreeSet<String> = query.symbols.iter().flatten().cloned().collect();
        let mut counts: HashMap<String, Count> = HashMap::new();
        let (mut days_read, mut period) = (0, None);
        for day in snapshot.days.keys().rev().copied() {
            let learns = query.symbols.is_none() && days_read < UNIVERSE_DAYS;
            let open: Vec<String> =
                universe.iter().filter(|symbol| !depth.starts.contains_key(*symbol)).cloned().collect();
            // The bar of a week or a month has all of its days.
            let start = Some(query.period_start(day));
            let is_same_period = std::mem::replace(&mut period, start) == start;
            if !learns && open.is_empty() && !is_same_period {
                break;
            }
            let frames = match frames_of_day(query, snapshot, range, day, (!learns).then_some(&open[..])) {
                Err(Error::Archive(_)) if query.skip_damaged => continue,
                frames => frames?,
            };
            days_read += usize::from(!frames.is_empty());
            depth.first_day = Some(day);
            for (symbol, frames) in frames {
                let known = counts.entry(symbol.clone()).or_default();
                if !depth.starts.contains_key(&symbol)
                    && let Some(start) = known.add(resampler.periods(&symbol), &frames, count)
                {
                    depth.starts.insert(symbol.clone(), start);
                }
                universe.insert(symbol);
            }
        }
        for symbol in universe.iter().filter(|symbol| !depth.starts.contains_key(*symbol)) {
            let found = counts.get(symbol).map_or(0, |known| known.bars);
            depth.shortfalls.push(Shortfall::FewerBars { symbol: symbol.clone(), found, asked: count });
        }
        depth.symbols = universe.into_iter().collect();
        Ok(depth)
    }
}

/// The bars of a symbol that were counted.
#[derive(Debug, Default)]
struct Count {
    bars: usize,
    /// Where the oldest counted bar begins.
    oldest: Option<i64>,
}

impl Count {
    /// Adds the bars of a day, which is before all days added so far. Returns where the first of
    /// the last `count` bars begins, if there are as many.
    fn add(&mut self, periods: &mut Periods, frames: &[i64], count: usize) -> Option<i64> {
        let is_minute = periods.interval() == Interval::MINUTE;
        let start = |frame_ms: &i64| if is_minute { frame_ms - 1 } else { periods.of(*frame_ms).after_ms };
        let mut starts: Vec<i64> = frames.iter().map(start).collect();
        starts.dedup();
        // A week or a month is counted on the newest of its days.
        starts.retain(|start| Some(*start) != self.oldest);
        self.oldest = starts.first().copied().or(self.oldest);
        self.bars += starts.len();
        self.bars.checked_sub(count).and_then(|beyond| starts.get(beyond)).copied()
    }
}

/// The frames of each symbol on a day, ascending and each once.
fn frames_of_day(
    query: &BarsQuery,
    snapshot: &Snapshot,
    range: Range,
    day: Date,
    symbols: Option<&[String]>,
) -> Result<HashMap<String, Vec<i64>>> {
    let (from_ms, to_ms) = (range.from_ms, range.to_ms);
    let wanted = Wanted { symbols, from_ms, to_ms, columns: &[], last: query.last_minutes() };
    let stored = snapshot.with_scan(&query.bus, day, |scan| scan.read(&wanted))?;
    let mut found: HashMap<String, Vec<i64>> = HashMap::new();
    for batch in stored {
        let keys = batch.column(0).as_dictionary::<Int32Type>();
        let names = keys.values().as_string::<i32>();
        let mut by_key: Vec<Vec<i64>> = vec![Vec::new(); names.len()];
        let frames = batch.column(1).as_primitive::<TimestampMillisecondType>().values();
        for (key, frame_ms) in keys.keys().values().iter().zip(frames) {
            by_key[*key as usize].push(*frame_ms);
        }
        for (key, frames) in by_key.into_iter().enumerate().filter(|(_, frames)| !frames.is_empty()) {
            found.entry(names.value(key).to_owned()).or_default().extend(frames);
        }
    }
    for row in snapshot.days.get(&day).map(|source| &source.live[..]).unwrap_or_default() {
        let name = &snapshot.names[row.symbol.0 as usize];
        if symbols.is_none_or(|symbols| symbols.binary_search(name).is_ok()) {
            found.entry(name.clone()).or_default().push(row.frame_ms);
        }
    }
    for frames in found.values_mut() {
        frames.sort_unstable();
        frames.dedup();
    }
    Ok(found)
}
