//! Gaps: the minutes of trading days without a bar, by symbol.
//!
//! The expected minutes are those of the calendar, with the hours of each symbol's product group.
//! Nothing is added to the bus: a gap is reported and never filled.

mod bars;
mod symbol;

use std::collections::{BTreeMap, BTreeSet};

use barbus_archive::Archive;
use barbus_bars::Date;
use jiff::Timestamp;

use crate::bus::Bus;
use crate::error::{Error, Result};
use bars::{DayBars, Frames};
use symbol::Expectation;
pub use symbol::{MinuteRange, SessionGaps, SymbolGaps};

/// The youngest minutes of a day that runs are not expected yet, milliseconds.
const ARRIVING_MS: i64 = 60_000;

/// Where the bars of a day were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapSource {
    /// In the day's file.
    Archive,
    /// In the day's file, and newer ones in the ring.
    ArchiveAndRing,
    /// In the ring and in parts only: the day is not archived, and earlier bars of it may be gone
    /// from the ring.
    Ring,
    /// Nowhere.
    Nowhere,
}

impl GapSource {
    /// A stable word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            GapSource::Archive => "archive",
            GapSource::ArchiveAndRing => "archive+ring",
            GapSource::Ring => "ring",
            GapSource::Nowhere => "nowhere",
        }
    }
}

/// The gaps of one trading day.
#[derive(Debug, Clone, PartialEq)]
pub struct DayGaps {
    /// The day.
    pub day: Date,
    /// Where its bars were found.
    pub source: GapSource,
    /// Whether the day's sessions have not ended: minutes up to a minute ago are expected.
    pub is_running: bool,
    /// Minutes that are expected of some symbol, and in which no symbol has a bar: the feed was
    /// perhaps down.
    pub without_bars: Vec<MinuteRange>,
    /// Each symbol that has a bar on the day, in order.
    pub symbols: Vec<SymbolGaps>,
}

impl DayGaps {
    /// Whether a minute is missing, or a bar is outside the sessions.
    pub fn has_gaps(&self) -> bool {
        !self.without_bars.is_empty()
            || self.symbols.iter().any(|symbol| symbol.present < symbol.expected || symbol.outside > 0)
    }
}

/// The gaps of trading days, in order: an iterator of [`Bus::gaps`].
#[derive(Debug)]
pub struct Gaps {
    bus: Bus,
    archive: Archive,
    days: std::collections::btree_set::IntoIter<Date>,
    in_ring: BTreeMap<Date, Frames>,
    symbol: Option<String>,
    now_ms: i64,
}

impl Bus {
    /// The gaps of the trading days from `from` to `through`, in order. The bars are those of the
    /// archive and of the ring. Days after today are left out unless they have bars.
    ///
    /// With `symbol` only that one is reported, also if it has no bar.
    ///
    /// # Errors
    /// [`Error::Start`] if there is no trading day between the two. The error of the ring or of the
    /// archive's directory if it cannot be read; a day's file is read by the iterator. A bus
    /// without a ring has the archive only.
    ///
    /// ```no_run
    /// use barbus::{Bus, Date};
    ///
    /// let bus = Bus::open("BUS")?;
    /// let (from, through) = (Date::constant(2024, 7, 1), Date::constant(2024, 7, 5));
    /// for gaps in bus.gaps(from, through, None)? {
    ///     for symbol in &gaps?.symbols {
    ///         println!("{}: {} of {}", symbol.symbol, symbol.present, symbol.expected);
    ///     }
    /// }
    /// # Ok::<(), barbus::Error>(())
    /// ```
    pub fn gaps(&self, from: Date, through: Date, symbol: Option<&str>) -> Result<Gaps> {
        let calendar = &self.settings().calendar;
        let now_ms = Timestamp::now().as_millisecond();
        let today = calendar.trading_day(now_ms).date;
        let mut days: BTreeSet<Date> = calendar.trading_days(from, through.min(today)).collect();
        let in_ring = bars::of_ring(self, from, through)?;
        // Bars on a date without trading are outside every session.
        let stray = self.archived_days()?.into_iter().filter(|day| (from..=through).contains(day));
        days.extend(stray.chain(in_ring.keys().copied()));
        if days.is_empty() {
            let what = format!("{from} to {through}: no trading day of calendar {} up to today", calendar.name());
            return Err(Error::Start { bus: self.path().to_owned(), what });
        }
        let archive = self.open_archive();
        let symbol = symbol.map(str::to_owned);
        Ok(Gaps { bus: self.clone(), archive, days: days.into_iter(), in_ring, symbol, now_ms })
    }

    /// The newest day with bars: in the ring, or else in the archive.
    ///
    /// # Errors
    /// The error of the ring or of the archive's directory.
    pub fn newest_day(&self) -> Result<Option<Date>> {
        let in_ring = bars::newest_in_ring(self)?;
        Ok(in_ring.max(self.archived_days()?.last().copied()))
    }
}

impl Iterator for Gaps {
    type Item = Result<DayGaps>;

    fn next(&mut self) -> Option<Result<DayGaps>> {
        let day = self.days.next()?;
        let in_ring = self.in_ring.remove(&day).unwrap_or_default();
        Some(DayBars::new(&self.bus, &self.archive, day, in_ring).map(|bars| self.of_day(day, &bars)))
    }
}

impl Gaps {
    fn of_day(&self, day: Date, bars: &DayBars) -> DayGaps {
        let calendar = &self.bus.settings().calendar;
        let close_ms = calendar.sessions(day).last().map_or(i64::MIN, |session| session.end_ms);
        let is_running = self.now_ms < close_ms.saturating_add(ARRIVING_MS);
        let until_ms = if is_running { self.now_ms - ARRIVING_MS } else { i64::MAX };
        let of_view = |view| Expectation::new(view, day, until_ms);
        // The hours of each product group, once.
        let mut hours: BTreeMap<Option<String>, Expectation> = BTreeMap::new();
        let mut groups: Vec<Option<String>> = Vec::new();
        for symbol in bars.symbols() {
            let view = calendar.of_symbol(symbol);
            let group = view.group().map(str::to_owned);
            hours.entry(group.clone()).or_insert_with(|| of_view(view));
            groups.push(group);
        }
        if bars.is_empty() {
            hours.insert(None, of_view(calendar.clone()));
        }
        let without_bars = bars.minutes_without(hours.values());
        let is_without = |frame_ms: i64| without_bars.binary_search(&frame_ms).is_ok();
        let is_wanted = |symbol: &str| self.symbol.as_deref().is_none_or(|only| only == symbol);
        let pairs = bars.iter().zip(&groups).filter(|((symbol, _), _)| is_wanted(symbol));
        let mut symbols: Vec<SymbolGaps> =
            pairs.map(|((symbol, frames), group)| hours[group].compare(symbol, frames, is_without)).collect();
        if let Some(only) = self.symbol.as_deref().filter(|_| symbols.is_empty()) {
            symbols.push(of_view(calendar.of_symbol(only)).compare(only, &[], is_without));
        }
        DayGaps { day, source: bars.source, is_running, without_bars: symbol::ranges(&without_bars), symbols }
    }
}
