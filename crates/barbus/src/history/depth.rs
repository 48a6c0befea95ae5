//! How far back a question for the last bars of each symbol goes.

use std::collections::HashMap;

use arrow::array::AsArray;
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
        let named = query.symbols.iter().flatten().cloned();
        let mut counts: HashMap<String, Count> = named.map(|symbol| (symbol, Count::default())).collect();
        let (mut days_read, mut period) = (0, None);
        for day in snapshot.days.keys().rev().copied() {
            // Of all symbols, or of those without enough bars so far.
            let symbols = match query.symbols.is_none() && days_read < UNIVERSE_DAYS {
                true => None,
                false => {
                    let open = counts.iter().filter(|(_, known)| known.start.is_none());
                    let mut open: Vec<String> = open.map(|(symbol, _)| symbol.clone()).collect();
                    open.sort_unstable();
                    Some(open)
                }
            };
            // The bar of a week or a month has all of its days.
            let start = Some(query.period_start(day));
            let is_same_period = std::mem::replace(&mut period, start) == start;
            if symbols.as_ref().is_some_and(Vec::is_empty) && !is_same_period {
                break;
            }
            let frames = match frames_of_day(query, snapshot, range, day, symbols.as_deref()) {
                Err(Error::Archive(_)) if query.skip_damaged => continue,
                frames => frames?,
            };
            days_read += usize::from(!frames.is_empty());
            depth.first_day = Some(day);
            for (symbol, frames) in frames {
                let entry = counts.entry(symbol);
                let periods = match query.interval {
                    Interval::MINUTE => None,
                    _ => Some(resampler.periods(entry.key())),
                };
                let known = entry.or_default();
                if known.start.is_none() {
                    known.add(periods, &frames, count);
                }
            }
        }
        let mut counts: Vec<(String, Count)> = counts.into_iter().collect();
        counts.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        for (symbol, known) in counts {
            match known.start {
                Some(start) => drop(depth.starts.insert(symbol.clone(), start)),
                None => {
                    let shortfall = Shortfall::FewerBars { symbol: symbol.clone(), found: known.bars, asked: count };
                    depth.shortfalls.push(shortfall);
                }
            }
            depth.symbols.push(symbol);
        }
        Ok(depth)
    }
}

/// The bars of a symbol that were counted.
#[derive(Debug, Default)]
struct Count {
    bars: usize,
    /// Where the oldest counted bar begins.
    oldest: Option<i64>,
    /// Where the first of the last bars that were asked for begins, if there are as many.
    start: Option<i64>,
}

impl Count {
    /// Adds the bars of a day, which is before all days added so far. Without `periods`, they are
    /// minutes.
    fn add(&mut self, mut periods: Option<&mut Periods>, frames: &[i64], count: usize) {
        let start = |frame_ms: &i64| match &mut periods {
            None => frame_ms - 1,
            Some(periods) => periods.of(*frame_ms).after_ms,
        };
        let mut starts: Vec<i64> = frames.iter().map(start).collect();
        starts.dedup();
        // A week or a month is counted on the newest of its days.
        starts.retain(|start| Some(*start) != self.oldest);
        self.oldest = starts.first().copied().or(self.oldest);
        self.bars += starts.len();
        self.start = self.bars.checked_sub(count).and_then(|beyond| starts.get(beyond)).copied();
    }
}

/// The frames of each symbol on a day, ascending and each once.
fn frames_of_day(
    query: &BarsQuery,
    snapshot: &Snapshot,
    range: Range,
    day: Date,
    symbols: Option<&[String]>,
) -> Result<Vec<(String, Vec<i64>)>> {
    let (from_ms, to_ms) = (range.from_ms, range.to_ms);
    let wanted = Wanted { symbols, from_ms, to_ms, columns: &[], last: query.last_minutes() };
    let stored = snapshot.with_scan(&query.bus, day, |scan| scan.read(&wanted))?;
    let mut found: Vec<(String, Vec<i64>)> = Vec::new();
    for batch in stored {
        let keys = batch.column(0).as_dictionary::<Int32Type>();
        let names = keys.values().as_string::<i32>();
        let mut frames = &batch.column(1).as_primitive::<TimestampMillisecondType>().values()[..];
        for of_symbol in keys.keys().values().chunk_by(|a, b| a == b) {
            let frames_of_symbol = frames.split_off(..of_symbol.len()).unwrap_or_default();
            let name = names.value(of_symbol[0] as usize);
            match found.last_mut() {
                // A symbol may be in two batches.
                Some((last, frames)) if last == name => frames.extend(frames_of_symbol),
                _ => found.push((name.to_owned(), frames_of_symbol.to_vec())),
            }
        }
    }
    let live = snapshot.days.get(&day).map(|source| &source.live[..]).unwrap_or_default();
    if live.is_empty() {
        return Ok(found);
    }
    let mut live_frames: Vec<Vec<i64>> = vec![Vec::new(); snapshot.names.len()];
    for row in live {
        live_frames[row.symbol.0 as usize].push(row.frame_ms);
    }
    let is_wanted = |name: &String| symbols.is_none_or(|symbols| symbols.binary_search(name).is_ok());
    let live = snapshot.names.iter().zip(live_frames).filter(|(name, frames)| !frames.is_empty() && is_wanted(name));
    found.extend(live.map(|(name, frames)| (name.clone(), frames)));
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found.dedup_by(|(name, frames), (before, all)| {
        let is_same = name == before;
        if is_same {
            all.append(frames);
        }
        is_same
    });
    for (_, frames) in &mut found {
        frames.sort_unstable();
        frames.dedup();
    }
    Ok(found)
}
