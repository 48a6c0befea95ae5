//! Examines bars in feed order and collects the doubts.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, Int32Type, TimestampMillisecondType};
use barbus_bars::{Calendar, Label};
use jiff::tz::TimeZone;

use super::Doubt;
use super::daily::{self, Recent};
use super::hours::Hours;
use super::intervals::Steps;
use super::labels::Labels;
use super::prices::Prices;

/// One minute.
const MINUTE_MS: i64 = 60_000;
/// A market is closed between two bars that are this far apart; lunch is shorter.
const PAUSE_MS: i64 = 3 * 3_600_000;
/// Most instruments whose bars are compared with the minutes around them.
const MAX_RECENT: usize = 20_000;

/// When bars may end, if no bus says so: from 1990 until ten minutes after the clock.
pub fn usual_ends_ms() -> RangeInclusive<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    631_152_000_000..=now.as_millis() as i64 + 600_000
}

/// What the bars are examined against.
#[derive(Debug, Clone)]
pub struct CheckOptions {
    /// The market's calendar, if it is known.
    pub calendar: Option<Calendar>,
    /// The zone in which messages show times.
    pub zone: TimeZone,
    /// When bars may end, milliseconds since 1970-01-01T00:00:00Z: before is long ago, after it the
    /// future.
    pub ends_ms: RangeInclusive<i64>,
    /// Which end of a bar the times of the inputs mark, and why; `None` where the inputs differ.
    pub label: Option<(Label, String)>,
}

/// What the bars are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    /// The number of bars.
    pub bars: u64,
    /// The number of instruments.
    pub symbols: u64,
    /// Some of the instruments.
    pub examples: Vec<String>,
    /// The first and the last end of a bar, milliseconds.
    pub span_ms: Option<(i64, i64)>,
    /// The usual step between bars, minutes.
    pub step: Option<u64>,
    /// Why the bars should not be stored.
    pub doubts: Vec<Doubt>,
}

/// What is known of one instrument.
#[derive(Debug, Default)]
struct Instrument {
    steps: Steps,
    last: Option<(i64, [u64; 5])>,
    close: Option<f64>,
    /// The first bar since the last pause and the number of bars since then.
    run: Option<(i64, u64)>,
    recent: Recent,
}

/// Examines bars in feed order.
#[derive(Debug)]
pub struct Checker {
    options: CheckOptions,
    instruments: Vec<Instrument>,
    names: HashMap<Arc<str>, usize>,
    /// The dictionary of the last batch and the instrument of each of its keys.
    dictionary: Option<(StringArray, Vec<usize>)>,
    all: Steps,
    hours: Hours,
    labels: Labels,
    prices: Prices,
    bars: u64,
    revised: u64,
    off_minute: u64,
    old: u64,
    ahead: u64,
    summed: Option<(u64, Arc<str>, i64)>,
    span_ms: Option<(i64, i64)>,
}

impl Checker {
    /// A checker for bars in feed order.
    pub fn new(options: CheckOptions) -> Checker {
        Checker {
            hours: Hours::new(options.calendar.clone()),
            options,
            instruments: Vec::new(),
            names: HashMap::new(),
            dictionary: None,
            all: Steps::default(),
            labels: Labels::default(),
            prices: Prices::default(),
            bars: 0,
            revised: 0,
            off_minute: 0,
            old: 0,
            ahead: 0,
            summed: None,
            span_ms: None,
        }
    }

    /// Examines bars of a batch under [`barbus_bars::BarSchema::wire_schema`].
    pub fn observe(&mut self, batch: &RecordBatch) {
        let symbols = batch.column(0).as_dictionary::<Int32Type>();
        let map = self.map(symbols.values().as_string::<i32>());
        let frames = batch.column(1).as_primitive::<TimestampMillisecondType>();
        let numbers: [&[f64]; 5] =
            std::array::from_fn(|i| &batch.column(i + 2).as_primitive::<Float64Type>().values()[..]);
        for (row, key) in symbols.keys().values().iter().enumerate() {
            let values = std::array::from_fn(|i| numbers[i][row]);
            self.bar(map[*key as usize], frames.value(row), values);
        }
        self.dictionary = Some((symbols.values().as_string::<i32>().clone(), map));
    }

    /// The instrument of each key of a dictionary.
    fn map(&mut self, names: &StringArray) -> Vec<usize> {
        if let Some((known, map)) = self.dictionary.take()
            && known.to_data().ptr_eq(&names.to_data())
        {
            return map;
        }
        let index = |name: Option<&str>| {
            let name = name.unwrap_or_default();
            if let Some(index) = self.names.get(name) {
                return *index;
            }
            self.instruments.push(Instrument::default());
            self.names.insert(name.into(), self.instruments.len() - 1);
            self.instruments.len() - 1
        };
        names.iter().map(index).collect()
    }

    fn bar(&mut self, index: usize, frame_ms: i64, values: [f64; 5]) {
        self.bars += 1;
        let (first, last) = self.span_ms.unwrap_or((frame_ms, frame_ms));
        self.span_ms = Some((first.min(frame_ms), last.max(frame_ms)));
        self.off_minute += u64::from(frame_ms.rem_euclid(MINUTE_MS) != 0);
        self.old += u64::from(frame_ms < *self.options.ends_ms.start());
        self.ahead += u64::from(frame_ms > *self.options.ends_ms.end());
        self.hours.add(frame_ms);
        let minute = frame_ms.div_euclid(MINUTE_MS).unsigned_abs();
        self.all.add(minute);
        let keep_recent = self.instruments.len() <= MAX_RECENT;
        let instrument = &mut self.instruments[index];
        instrument.steps.add(minute);
        let [open, high, low, close, volume] = values;
        self.prices.add([open, high, low, close], instrument.close);
        instrument.close = Some(close);
        let bits = values.map(f64::to_bits);
        match instrument.last {
            Some((last, before)) if last == frame_ms => self.revised += u64::from(before != bits),
            _ if keep_recent => {
                if let Some(at) = instrument.recent.add(frame_ms, low, high, volume) {
                    let name = self.names.iter().find(|(_, found)| **found == index).map(|(name, _)| name.clone());
                    let (count, ..) = self.summed.get_or_insert((0, name.unwrap_or_default(), at));
                    *count += 1;
                }
            }
            _ => {}
        }
        let before = instrument.last.replace((frame_ms, bits));
        match (&mut instrument.run, before) {
            (Some((_, bars)), Some((last, _))) if frame_ms - last < PAUSE_MS => *bars += 1,
            (run, before) => {
                if let (Some((first, bars)), Some((last, _))) = (run.replace((frame_ms, 1)), before) {
                    self.labels.add(first, last, bars);
                }
            }
        }
    }

    /// The doubts, and what the bars are.
    pub fn finish(mut self) -> Findings {
        let zone = self.options.zone.clone();
        let shown = |ms: i64| show(ms, &zone);
        for instrument in &self.instruments {
            if let (Some((first, bars)), Some((last, _))) = (instrument.run, instrument.last) {
                self.labels.add(first, last, bars);
            }
        }
        let mut doubts = Vec::new();
        doubts.extend(self.all.doubt(None));
        if doubts.is_empty() && self.instruments.len() > 1 {
            let mut names: Vec<(&Arc<str>, &usize)> = self.names.iter().collect();
            names.sort();
            let of_one = names.iter().find_map(|(name, index)| self.instruments[**index].steps.doubt(Some(name)));
            doubts.extend(of_one);
        }
        let longer = !doubts.is_empty();
        if !longer {
            if let Some((label, why)) = &self.options.label {
                doubts.extend(self.labels.doubt(*label, why, shown));
            }
            if let Some((count, symbol, at)) = &self.summed {
                doubts.push(daily::doubt(*count, symbol, shown(*at)));
            }
        }
        doubts.extend(self.hours.doubt(shown));
        doubts.extend(self.prices.doubts());
        self.counted(&mut doubts, shown);
        let mut examples: Vec<String> = self.names.keys().map(ToString::to_string).collect();
        examples.sort();
        examples.truncate(5);
        Findings {
            bars: self.bars,
            symbols: self.names.len() as u64,
            examples,
            span_ms: self.span_ms,
            step: self.all.usual(),
            doubts,
        }
    }

    /// Adds the doubts about counts of bars.
    fn counted(&self, doubts: &mut Vec<Doubt>, shown: impl Fn(i64) -> String) {
        let bars = self.bars;
        let mut add = |count: u64, most: u64, what: String, way_out: &str| {
            if count > most {
                doubts.push(Doubt { what, way_out: way_out.to_owned() });
            }
        };
        let hundredth = bars / 100;
        let (first, last) = self.span_ms.unwrap_or_default();
        add(
            self.revised,
            hundredth,
            format!("{} of {bars} bars revise another bar of the same minute with other values", self.revised),
            "name the column that tells the bars apart, such as --map symbol=NAME, or send the last one with --trust",
        );
        add(
            self.off_minute,
            bars / 2,
            format!(
                "{} of {bars} bars do not end on a minute: they are shorter than a minute, or trades",
                self.off_minute
            ),
            "take files of 1-minute bars; --trust sends them to the quarantine",
        );
        add(
            self.old,
            hundredth,
            format!(
                "{} of {bars} bars end long ago, the first one at {}: hardly times of this market",
                self.old,
                shown(first)
            ),
            "name the column of the time with --map frame=NAME, or its form with --date-format; --trust sends them",
        );
        add(
            self.ahead,
            hundredth,
            format!("{} of {bars} bars end in the future, the last one at {}", self.ahead, shown(last)),
            "give the zone of the times with --zone, or their form with --date-format; --trust sends them",
        );
    }
}

/// A time in the zone of the messages.
pub(crate) fn show(ms: i64, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(at) => at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => ms.to_string(),
    }
}
