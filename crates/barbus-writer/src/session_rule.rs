//! The rule `bars.outside_sessions`: what becomes of bars that lie in no session of their symbol.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use barbus::{OutsideSessions, Settings};
use barbus_bars::{BarBatch, BarPlace, Fault, SessionCache};

use crate::trading_day::CurrentCalendar;

/// The most symbols whose product group is remembered: a producer may send any names.
const MAX_SYMBOLS: usize = 1 << 17;

/// Checks bars for one producer.
#[derive(Debug, Clone)]
pub(crate) struct SessionRule {
    /// Whether such bars are quarantined, and not only counted.
    quarantines: bool,
    calendar: CurrentCalendar,
    version: u64,
    /// The sessions of each product group.
    sessions: HashMap<Option<String>, SessionCache>,
    groups: HashMap<String, Option<String>>,
    /// Such bars of all producers.
    count: Arc<AtomicU64>,
}

impl SessionRule {
    /// `None` if bars outside the sessions are taken like any other.
    pub(crate) fn new(settings: &Settings, calendar: CurrentCalendar) -> Option<Self> {
        let quarantines = match settings.outside_sessions {
            OutsideSessions::Take => return None,
            OutsideSessions::Quarantine => true,
            OutsideSessions::Warn => false,
        };
        let (sessions, groups, count) = (HashMap::new(), HashMap::new(), Arc::default());
        Some(Self { quarantines, calendar, version: 0, sessions, groups, count })
    }

    /// How many bars were outside the sessions.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Checks the valid bars of a batch.
    pub(crate) fn check_batch(&mut self, bars: &mut BarBatch) {
        self.use_current_calendar();
        let quarantines = self.quarantines;
        let mut outside = 0;
        let mut check = |bars: &BarBatch, row: usize| {
            let is_outside = bars.symbol(row).is_some_and(|symbol| self.is_outside(symbol, bars.frames_ms()[row]));
            outside += u64::from(is_outside);
            is_outside
        };
        if quarantines {
            bars.reject(&Fault::OutsideSessions, check);
        } else {
            for row in bars.valid_rows() {
                check(bars, row);
            }
        }
        self.add(outside);
    }

    /// Checks one bar. Returns the fault with which it is quarantined.
    pub(crate) fn check(&mut self, symbol: &str, frame_ms: i64) -> Option<Fault> {
        self.use_current_calendar();
        let is_outside = self.is_outside(symbol, frame_ms);
        self.add(u64::from(is_outside));
        (is_outside && self.quarantines).then_some(Fault::OutsideSessions)
    }

    fn is_outside(&mut self, symbol: &str, frame_ms: i64) -> bool {
        if self.groups.len() >= MAX_SYMBOLS && !self.groups.contains_key(symbol) {
            self.groups.clear();
        }
        if !self.groups.contains_key(symbol) {
            let view = self.calendar.get().of_symbol(symbol);
            let group = view.group().map(str::to_owned);
            self.sessions.entry(group.clone()).or_insert_with(|| SessionCache::new(view));
            self.groups.insert(symbol.to_owned(), group);
        }
        let group = &self.groups[symbol];
        self.sessions.get_mut(group).is_some_and(|sessions| sessions.place(frame_ms) == BarPlace::Outside)
    }

    fn use_current_calendar(&mut self) {
        if self.calendar.newer_than(&mut self.version).is_some() {
            self.sessions.clear();
            self.groups.clear();
        }
    }

    /// Counts bars, and logs the first one, the tenth, the hundredth etc.
    fn add(&self, outside: u64) {
        if outside == 0 {
            return;
        }
        let before = self.count.fetch_add(outside, Ordering::Relaxed);
        let now = before + outside;
        if before == 0 || now.ilog10() > before.ilog10() {
            let done = if self.quarantines { "quarantined" } else { "published" };
            tracing::warn!(bars = now, "bars outside the sessions of their symbols are {done}: see barbus gaps");
        }
    }
}
