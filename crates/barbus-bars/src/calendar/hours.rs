//! The hours of a market or of a product group: its sessions on each date.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;

/// A session on the wall clock, minutes from the midnight of its date; below zero on the evening
/// before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) name: Arc<str>,
    pub(super) start: i32,
    pub(super) end: i32,
    pub(super) extended: bool,
}

/// The sessions of each date.
#[derive(Debug, Clone, Default)]
pub(super) struct Hours {
    /// The usual sessions, in order.
    pub(super) usual: Vec<Span>,
    /// Those of former years, each with its last date, in order.
    pub(super) earlier: Vec<(Date, Vec<Span>)>,
    /// Dates with an earlier close, minutes from the date's midnight.
    pub(super) cuts: BTreeMap<Date, i32>,
    /// Dates whose sessions replace the usual ones.
    pub(super) special: BTreeMap<Date, Vec<Span>>,
    /// Sessions in addition.
    pub(super) extra: BTreeMap<Date, Vec<Span>>,
    /// Trading days without these hours.
    pub(super) holidays: BTreeSet<Date>,
}

impl Hours {
    /// The sessions of a date with trading as they usually are at that time.
    pub(super) fn usual_on(&self, date: Date) -> &[Span] {
        let earlier = self.earlier.iter().find(|(through, _)| date <= *through);
        earlier.map_or(&self.usual, |(_, spans)| spans)
    }

    /// The sessions of a date in order. `is_usual`: whether it has the usual sessions, too.
    pub(super) fn on(&self, date: Date, is_usual: bool) -> Vec<Span> {
        let usual = match self.special.get(&date) {
            Some(special) => special,
            None if is_usual && !self.holidays.contains(&date) => self.usual_on(date),
            None => &[],
        };
        let cut = self.cuts.get(&date).copied().unwrap_or(i32::MAX);
        let cut =
            usual.iter().filter(|span| span.start < cut).map(|span| Span { end: span.end.min(cut), ..span.clone() });
        let mut spans: Vec<Span> = cut.chain(self.extra.get(&date).into_iter().flatten().cloned()).collect();
        spans.sort_by_key(|span| span.start);
        spans
    }

    /// The end of the last session of a date; `None` without one.
    pub(super) fn close(&self, date: Date, is_usual: bool) -> Option<i32> {
        let cut = self.cuts.get(&date).copied().unwrap_or(i32::MAX);
        let usual = match self.special.get(&date) {
            Some(special) => special.last(),
            None if is_usual && !self.holidays.contains(&date) => self.usual_on(date).last(),
            None => None,
        };
        let usual = usual.map(|span| span.end.min(cut));
        let extra = self.extra.get(&date).and_then(|spans| spans.last()).map(|span| span.end);
        usual.max(extra)
    }

    /// Whether the regular hours of a date end before their usual end.
    pub(super) fn closes_early(&self, date: Date, is_usual: bool) -> bool {
        let last = |spans: &[Span]| spans.iter().filter(|span| !span.extended).map(|span| span.end).max();
        match (last(&self.on(date, is_usual)), last(self.usual_on(date))) {
            (Some(end), Some(usual)) => end < usual,
            _ => false,
        }
    }
}
