//! The symbols of a feed, and which of them are expected in a minute.

use std::collections::HashMap;

use barbus_bars::{Calendar, TradingDay};
use barbus_ring::SymbolId;

use crate::symbol_filter::SymbolFilter;
use crate::symbol_table::{SymbolNames, SymbolTable};

/// Where the members of a universe come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Members {
    /// The program has listed them.
    Listed,
    /// Those of the last trading day and of the closed minutes of the present one.
    Seen,
}

/// The symbols of a feed. Their ids are not those of the feed, whose ring may be replaced.
#[derive(Debug)]
pub(super) struct Universe {
    calendar: Calendar,
    members: Members,
    /// Whether a trading day before the present one is known.
    has_last_day: bool,
    table: SymbolTable,
    states: Vec<SymbolState>,
    /// The ids here of the feed's ids.
    of_feed: Vec<u32>,
    /// All ids in the order of their texts' bytes, as far as they are sorted.
    order: Vec<SymbolId>,
    groups: Vec<Group>,
    group_by_name: HashMap<Option<String>, usize>,
    /// The day whose minutes the groups have.
    day: TradingDay,
    /// Changes with the members.
    version: u64,
}

#[derive(Debug, Clone, Copy)]
struct SymbolState {
    group: u32,
    is_member: bool,
    /// Whether it has a bar in a closed minute of the present day.
    is_of_today: bool,
}

/// The symbols with the hours of one product group.
#[derive(Debug)]
struct Group {
    calendar: Calendar,
    /// The ends of the expected bars of the day.
    minutes: Vec<i64>,
    members: usize,
}

/// In place of an id of a symbol: the id here is not known.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// Which symbols are expected in a minute.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// For each group, whether its minutes have the minute.
    groups: Vec<bool>,
    /// Bit i of word i / 64: the symbol with id i is expected.
    symbols: Vec<u64>,
    /// Number of expected symbols.
    pub(super) count: usize,
    version: u64,
}

impl Expected {
    #[inline(always)]
    pub(super) fn has(&self, SymbolId(id): SymbolId) -> bool {
        self.symbols.get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
    }

    /// Whether the universe has not changed since.
    pub(super) fn is_current(&self, universe: &Universe) -> bool {
        self.version == universe.version
    }
}

impl Universe {
    /// With the members that `listed` names, or with those that are seen.
    pub(super) fn new(calendar: Calendar, listed: Option<Vec<String>>) -> Self {
        let day = calendar.trading_day(0);
        let mut universe = Self {
            calendar,
            members: if listed.is_some() { Members::Listed } else { Members::Seen },
            has_last_day: false,
            table: SymbolTable::default(),
            states: Vec::new(),
            of_feed: Vec::new(),
            order: Vec::new(),
            groups: Vec::new(),
            group_by_name: HashMap::new(),
            day,
            version: 1,
        };
        for symbol in listed.into_iter().flatten() {
            let id = universe.id(&symbol);
            universe.set_member(id, true);
        }
        universe
    }

    /// Adds the symbols of earlier days and minutes that `wanted` lets pass.
    pub(super) fn add_seen(&mut self, last_day: &[String], today: &[String], wanted: Option<&SymbolFilter>) {
        self.has_last_day |= !last_day.is_empty();
        let passes = |symbol: &&String| wanted.is_none_or(|wanted| wanted.wants(symbol));
        for symbol in last_day.iter().filter(passes) {
            let id = self.id(symbol);
            self.see(id, false);
        }
        for symbol in today.iter().filter(passes) {
            let id = self.id(symbol);
            self.see(id, true);
        }
    }

    pub(super) fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// Number of symbols.
    pub(super) fn symbols(&self) -> usize {
        self.states.len()
    }

    /// The texts of all symbols, by id.
    pub(super) fn texts(&self) -> &SymbolNames {
        self.table.texts()
    }

    /// Forgets which ids the symbols have in the feed: another ring has other ids.
    pub(super) fn forget_feed_ids(&mut self) {
        self.of_feed.clear();
    }

    /// The id of a symbol that has the id `of_feed` in the feed; `name` gives its text.
    #[inline]
    pub(super) fn id_of<'n>(&mut self, of_feed: SymbolId, name: impl FnOnce() -> &'n str) -> SymbolId {
        match self.of_feed.get(of_feed.0 as usize) {
            Some(&id) if id != UNKNOWN => SymbolId(id),
            _ => self.learn(of_feed, name()),
        }
    }

    /// The ids here by the ids of the feed, or [`UNKNOWN`].
    pub(super) fn ids_of_feed(&self) -> &[u32] {
        &self.of_feed
    }

    /// Whether [`Universe::id_of`] finds the id without the text of the symbol.
    pub(super) fn knows(&self, of_feed: SymbolId) -> bool {
        self.of_feed.get(of_feed.0 as usize).is_some_and(|id| *id != UNKNOWN)
    }

    #[cold]
    fn learn(&mut self, of_feed: SymbolId, name: &str) -> SymbolId {
        let (id, at) = (self.id(name), of_feed.0 as usize);
        if at >= self.of_feed.len() {
            self.of_feed.resize(at + 1, UNKNOWN);
        }
        self.of_feed[at] = id.0;
        id
    }

    fn id(&mut self, name: &str) -> SymbolId {
        if let Some(id) = self.table.find(name) {
            return id;
        }
        let hours = self.calendar.of_symbol(name);
        let key = hours.group().map(str::to_owned);
        let group = *self.group_by_name.entry(key).or_insert_with(|| {
            let minutes = hours.minutes(self.day.date);
            self.groups.push(Group { calendar: hours, minutes, members: 0 });
            self.groups.len() - 1
        });
        self.states.push(SymbolState { group: group as u32, is_member: false, is_of_today: false });
        self.table.push(name.to_owned())
    }

    /// A symbol has a bar of the last trading day, or in a closed minute of the present one.
    pub(super) fn see(&mut self, id: SymbolId, is_of_today: bool) {
        // A listed universe does not change.
        if self.members == Members::Seen {
            self.states[id.0 as usize].is_of_today |= is_of_today;
            self.set_member(id, true);
        }
    }

    fn set_member(&mut self, id: SymbolId, is_member: bool) {
        let state = &mut self.states[id.0 as usize];
        if state.is_member == is_member {
            return;
        }
        state.is_member = is_member;
        let members = &mut self.groups[state.group as usize].members;
        *members = if is_member { *members + 1 } else { *members - 1 };
        self.version += 1;
    }

    /// The present day is over: the members are its symbols. If bars of it were missed, the members
    /// of before are kept.
    pub(super) fn end_day(&mut self, was_lapped: bool) {
        // A reader that has seen no bar of the day knows nothing new.
        if self.members == Members::Seen && self.states.iter().any(|state| state.is_of_today) {
            self.has_last_day = true;
            for id in 0..self.states.len() {
                let state = self.states[id];
                self.set_member(SymbolId(id as u32), state.is_of_today || was_lapped && state.is_member);
            }
        }
        self.states.iter_mut().for_each(|state| state.is_of_today = false);
    }

    /// Whether a minute with all members is complete. On the first trading day of a bus the members
    /// are only those that have traded so far.
    pub(super) fn is_known(&self) -> bool {
        self.members == Members::Listed || self.has_last_day
    }

    /// The symbols that are expected in the minute that ends at `frame_ms`.
    pub(super) fn expected_at(&mut self, frame_ms: i64) -> Expected {
        let mut expected = Expected::default();
        self.update_expected(&mut expected, frame_ms);
        expected
    }

    /// The same; most minutes expect the symbols of another one.
    pub(super) fn update_expected(&mut self, expected: &mut Expected, frame_ms: i64) {
        self.load_day(frame_ms);
        let groups = self.groups.iter().map(|group| group.minutes.binary_search(&frame_ms).is_ok());
        if expected.is_current(self) && expected.groups.iter().copied().eq(groups.clone()) {
            return;
        }
        let groups: Vec<bool> = groups.collect();
        let is_expected = |state: &SymbolState| state.is_member && groups[state.group as usize];
        expected.count = self.states.iter().filter(|state| is_expected(state)).count();
        let word = |states: &[SymbolState]| {
            states.iter().zip(0..).fold(0, |word, (state, bit)| word | u64::from(is_expected(state)) << bit)
        };
        expected.symbols = self.states.chunks(64).map(word).collect();
        (expected.groups, expected.version) = (groups, self.version);
    }

    /// The first minute after `after_ms` and of the same day as `in_day_ms` in which a member is
    /// expected.
    pub(super) fn next_expected(&mut self, after_ms: i64, in_day_ms: i64) -> Option<i64> {
        self.load_day(in_day_ms);
        let next = |group: &Group| {
            let at = group.minutes.partition_point(|minute| *minute <= after_ms);
            group.minutes.get(at).copied()
        };
        self.groups.iter().filter(|group| group.members > 0).filter_map(next).min()
    }

    fn load_day(&mut self, frame_ms: i64) {
        if !self.day.contains(frame_ms) {
            self.day = self.calendar.trading_day(frame_ms);
            for group in &mut self.groups {
                group.minutes = group.calendar.minutes(self.day.date);
            }
        }
    }

    /// All ids in the order of the bytes of their texts.
    pub(super) fn in_order(&mut self) -> &[SymbolId] {
        if self.order.len() < self.states.len() {
            self.order = (0..self.states.len() as u32).map(SymbolId).collect();
            let names = self.table.names();
            self.order.sort_unstable_by_key(|id| &names[id.0 as usize]);
        }
        &self.order
    }

    /// The texts of the expected symbols that `has` no bar of, in the order of their bytes.
    pub(super) fn missing(&mut self, expected: &Expected, has: impl Fn(SymbolId) -> bool) -> Vec<String> {
        self.in_order();
        let is_missing = |id: &&SymbolId| expected.has(**id) && !has(**id);
        self.order.iter().filter(is_missing).map(|id| self.table.names()[id.0 as usize].clone()).collect()
    }
}
