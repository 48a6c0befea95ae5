//! The rule: which source may revise which bar.

use barbus::Sources;
use barbus_ring::SymbolId;

use crate::dedup::{BarStatus, DayIndex};
use crate::sources::rank::Rank;

/// Decides by the ranks of the sources whether a bar with other values is a revision or a conflict.
///
/// The value of the highest source that gave a bar stands. A lower source revises it only in the
/// open day, and only while the higher one is silent. Silence is measured by the ends of bars and
/// not by a clock: a pause of the market is no silence, and a restart changes nothing.
#[derive(Debug)]
pub(crate) struct Arbiter {
    silence_ms: i64,
    /// The newest end of a bar that any source has sent.
    newest_ms: i64,
    /// For each rank the value of `newest_ms` when a source of it last sent a bar.
    sent_ms: [i64; Rank::COUNT],
}

impl Arbiter {
    /// The rule of `sources`; `None` if no source has a priority. `newest_ms` is the newest end of
    /// a bar on the bus: every source counts as having sent it.
    pub(crate) fn new(sources: &Sources, newest_ms: i64) -> Option<Self> {
        let silence_ms = i64::try_from(sources.silence.as_millis()).unwrap_or(i64::MAX);
        (!sources.priority.is_empty()).then_some(Self { silence_ms, newest_ms, sent_ms: [newest_ms; Rank::COUNT] })
    }

    /// Takes a bar of `source` into account, and corrects its `status`: a revision that the source
    /// may not make is a conflict. `index` is that of the bar's day, which may be the open one.
    pub(crate) fn judge(
        &mut self,
        status: BarStatus,
        index: &mut DayIndex,
        (symbol, frame_ms): (SymbolId, i64),
        source: Rank,
        day_is_open: bool,
    ) -> BarStatus {
        self.newest_ms = self.newest_ms.max(frame_ms);
        self.sent_ms[source.index()] = self.newest_ms;
        match status {
            // What two sources give alike is the value of the higher one.
            BarStatus::Duplicate => index.raise_giver(symbol, frame_ms, source),
            BarStatus::Revision(_) => {
                let giver = index.giver(symbol, frame_ms);
                // Unless it is known who gave it, the first source did: no other one may revise it.
                let owner = giver.max(Rank::FIRST);
                let is_silent = || day_is_open && self.is_silent(owner, index.last_frame(symbol));
                if source > owner && !is_silent() {
                    return BarStatus::Conflict(giver);
                }
            }
            BarStatus::New | BarStatus::Conflict(_) => {}
        }
        status
    }

    /// Whether sources of `rank` are silent for a symbol whose newest bar ends at `last_ms`.
    fn is_silent(&self, rank: Rank, last_ms: i64) -> bool {
        last_ms.saturating_sub(self.sent_ms[rank.index()]) >= self.silence_ms
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60_000;
    const A: Rank = Rank::FIRST;
    const B: Rank = Rank::UNLISTED;

    /// A day, its open state, and the rule.
    struct Bench {
        index: DayIndex,
        arbiter: Arbiter,
        is_open: bool,
    }

    impl Bench {
        fn new(silence_minutes: u64) -> Self {
            let sources = Sources { priority: vec!["a".into()], silence: Duration::from_secs(60 * silence_minutes) };
            let arbiter = Arbiter::new(&sources, 0).unwrap();
            Self { index: DayIndex::default(), arbiter, is_open: true }
        }

        /// `source` gives the bar of a symbol and a minute the value `value`.
        fn give(&mut self, source: Rank, symbol: u32, minute: i64, value: u64) -> BarStatus {
            let bar = (SymbolId(symbol), minute * MINUTE);
            let status = self.index.status(bar.0, bar.1, || value);
            let status = self.arbiter.judge(status, &mut self.index, bar, source, self.is_open);
            let revision = match status {
                BarStatus::New => 0,
                BarStatus::Revision(number) => number,
                BarStatus::Duplicate | BarStatus::Conflict(_) => return status,
            };
            self.index.insert_given(bar.0, bar.1, value, revision, source);
            status
        }

        /// The same bars after a restart, which forgets who gave them.
        fn restart(&mut self, bars: &HashMap<(u32, i64), u64>) {
            self.index = DayIndex::default();
            for (&(symbol, minute), &value) in bars {
                self.index.insert(SymbolId(symbol), minute * MINUTE, value, 0);
            }
            let newest = bars.keys().map(|(_, minute)| minute * MINUTE).max().unwrap_or(0);
            self.arbiter.newest_ms = newest;
            self.arbiter.sent_ms = [newest; Rank::COUNT];
        }
    }

    #[test]
    fn a_higher_source_revises_once_and_a_lower_one_never() {
        let mut bench = Bench::new(2);
        assert_eq!(bench.give(B, 0, 1, 20), BarStatus::New, "the first to come is published at once");
        assert_eq!(bench.give(A, 0, 1, 10), BarStatus::Revision(1));
        assert_eq!(bench.give(B, 0, 1, 20), BarStatus::Conflict(A));
        assert_eq!(bench.give(A, 0, 1, 10), BarStatus::Duplicate);
        assert_eq!(bench.give(B, 0, 1, 10), BarStatus::Duplicate);
        assert_eq!(bench.give(A, 0, 1, 11), BarStatus::Revision(2), "a source corrects itself");
        // A value that both gave is that of the higher one.
        assert_eq!(bench.give(B, 0, 2, 20), BarStatus::New);
        assert_eq!(bench.give(A, 0, 2, 20), BarStatus::Duplicate);
        assert_eq!(bench.give(B, 0, 2, 21), BarStatus::Conflict(A));
    }

    #[test]
    fn a_silent_source_is_one_without_which_the_symbol_went_on() {
        let mut bench = Bench::new(2);
        assert_eq!(bench.give(A, 0, 1, 10), BarStatus::New);
        assert_eq!(bench.give(B, 0, 2, 20), BarStatus::New);
        assert_eq!(bench.give(B, 0, 1, 11), BarStatus::Conflict(A), "a minute is not two");
        assert_eq!(bench.give(B, 1, 3, 20), BarStatus::New);
        assert_eq!(bench.give(B, 0, 1, 11), BarStatus::Conflict(A), "another symbol went on");
        assert_eq!(bench.give(B, 0, 3, 20), BarStatus::New);
        bench.is_open = false;
        assert_eq!(bench.give(B, 0, 1, 11), BarStatus::Conflict(A), "a closed day");
        bench.is_open = true;
        assert_eq!(bench.give(B, 0, 1, 11), BarStatus::Revision(1));
        assert_eq!(bench.give(B, 0, 1, 12), BarStatus::Revision(2), "it is the lower one's bar now");
        // The higher one is back: its value stands again, also while it lags behind.
        assert_eq!(bench.give(A, 0, 1, 10), BarStatus::Revision(3));
        assert_eq!(bench.give(B, 0, 1, 12), BarStatus::Conflict(A));
        assert_eq!(bench.give(B, 0, 4, 20), BarStatus::New);
        assert_eq!(bench.give(A, 1, 1, 10), BarStatus::New);
        assert_eq!(bench.give(B, 0, 5, 20), BarStatus::New);
        assert_eq!(bench.give(B, 0, 1, 12), BarStatus::Conflict(A), "it sent another bar a minute ago");
    }

    #[test]
    fn after_a_restart_each_bar_is_that_of_the_first_source() {
        let mut bench = Bench::new(2);
        bench.restart(&[((0, 1), 10), ((0, 5), 10)].into());
        assert_eq!(bench.give(B, 0, 1, 20), BarStatus::Conflict(Rank::UNKNOWN));
        assert_eq!(bench.give(B, 0, 1, 10), BarStatus::Duplicate);
        assert_eq!(bench.give(B, 0, 1, 20), BarStatus::Conflict(Rank::UNKNOWN), "a lower one's word proves nothing");
        assert_eq!(bench.give(A, 0, 5, 10), BarStatus::Duplicate);
        assert_eq!(bench.give(B, 0, 5, 20), BarStatus::Conflict(A));
        assert_eq!(bench.give(A, 0, 1, 11), BarStatus::Revision(1));
    }

    /// Who sends what, and restarts between.
    fn steps() -> impl Strategy<Value = Vec<(u8, u32, i64, u64)>> {
        // Source 3 stands for a restart.
        prop::collection::vec((0u8..=3, 0u32..2, 1i64..5, 0u64..3), 1..200)
    }

    proptest! {
        /// As long as no source is silent and the writer runs, the value of each bar is the last
        /// one of the highest source that gave it, whatever the order of the sources.
        #[test]
        fn the_order_of_the_sources_does_not_matter(steps in steps()) {
            let mut bench = Bench::new(1_000);
            let mut given: HashMap<(u32, i64), [Option<u64>; 3]> = HashMap::new();
            let mut standing: HashMap<(u32, i64), u64> = HashMap::new();
            for (source, symbol, minute, value) in steps {
                let source = source % 3;
                let rank = [A, Rank::listed(1), B][usize::from(source)];
                match bench.give(rank, symbol, minute, value) {
                    BarStatus::New | BarStatus::Revision(_) => drop(standing.insert((symbol, minute), value)),
                    BarStatus::Duplicate => prop_assert_eq!(standing[&(symbol, minute)], value),
                    BarStatus::Conflict(_) => prop_assert_ne!(standing[&(symbol, minute)], value),
                }
                given.entry((symbol, minute)).or_default()[usize::from(source)] = Some(value);
                for (bar, values) in &given {
                    prop_assert_eq!(Some(standing[bar]), values.iter().find_map(|value| *value));
                }
            }
        }

        /// A value that the first source gave is replaced by itself alone, also after restarts.
        #[test]
        fn nothing_but_silence_lets_a_lower_source_revise_the_first(steps in steps()) {
            let mut bench = Bench::new(1_000);
            let mut standing: HashMap<(u32, i64), u64> = HashMap::new();
            let mut first: HashMap<(u32, i64), u64> = HashMap::new();
            for (source, symbol, minute, value) in steps {
                let Some(&rank) = [A, Rank::listed(1), B].get(usize::from(source)) else {
                    bench.restart(&standing);
                    continue;
                };
                if matches!(bench.give(rank, symbol, minute, value), BarStatus::New | BarStatus::Revision(_)) {
                    standing.insert((symbol, minute), value);
                }
                if rank == A {
                    first.insert((symbol, minute), value);
                }
                prop_assert!(first.iter().all(|(bar, value)| standing[bar] == *value));
            }
        }
    }
}
