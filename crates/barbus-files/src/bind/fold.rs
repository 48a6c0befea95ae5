//! Times that a clock showed twice because it was set back: which of the two instants each is.
//!
//! The rows of one instrument go forward in time, or backward in files with the newest row first.
//! Therefore the wall clock steps the other way once in such an hour, and that step tells the two
//! passes apart. Without exactly one such step nothing does: these rows are doubted.

use std::collections::HashMap;

use crate::options::Ambiguous;
use crate::rows::{NUMBERS, Rows};

/// Rows of one instrument that are further apart belong to two years.
const SAME_NIGHT_MS: i64 = 12 * 3_600_000;

/// Most rows that are held for one instrument.
const MAX_HELD: usize = 10_000;

/// A row whose time a clock showed twice.
#[derive(Debug, Clone)]
pub(crate) struct HeldRow {
    /// The two instants.
    pub(crate) frames_ms: (i64, i64),
    pub(crate) numbers: [f64; NUMBERS],
    pub(crate) optional: Vec<Option<f64>>,
}

/// A row that a fold of another part of the input takes.
#[derive(Debug, Clone)]
pub(crate) struct Postponed {
    /// The number of rows of its part before it.
    pub(crate) rows_before: usize,
    pub(crate) symbol: String,
    pub(crate) row: HeldRow,
}

/// Rows of one instrument in one night whose order decides nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided {
    /// The instrument.
    pub symbol: String,
    /// The end of the first of the bars, if it is of the first pass.
    pub frame_ms: i64,
    /// The number of rows.
    pub rows: u64,
}

/// The rows that wait for the end of their night.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    held: HashMap<String, Vec<HeldRow>>,
    /// The last frame of each instrument that has rows here, to tell the direction of the file.
    before: HashMap<String, i64>,
    policy: Ambiguous,
    undecided: Vec<Undecided>,
    /// Rows that are left to another fold, if this one sees a part of the input only.
    postponed: Option<Vec<Postponed>>,
}

impl Fold {
    pub(crate) fn new(policy: Ambiguous) -> Fold {
        Fold { policy, ..Fold::default() }
    }

    /// A fold that leaves rows whose order decides to that of the whole input.
    pub(crate) fn of_a_part(policy: Ambiguous) -> Fold {
        Fold { postponed: Some(Vec::new()), ..Fold::new(policy) }
    }

    /// The rows that were left to another fold since the last call.
    pub(crate) fn take_postponed(&mut self) -> Vec<Postponed> {
        self.postponed.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Whether rows are waiting.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Takes a row whose time a clock showed twice; appends it where the policy decides.
    pub(crate) fn add(&mut self, symbol: &str, row: HeldRow, before: Option<i64>, rows: &mut Rows) {
        match self.policy {
            Ambiguous::First => rows.push(symbol, row.frames_ms.0, row.numbers, &row.optional),
            Ambiguous::Last => rows.push(symbol, row.frames_ms.1, row.numbers, &row.optional),
            Ambiguous::Infer | Ambiguous::Refuse => {
                if let Some(postponed) = &mut self.postponed {
                    postponed.push(Postponed { rows_before: rows.len(), symbol: symbol.to_owned(), row });
                    return;
                }
                let last = self.held.get(symbol).and_then(|held| held.last());
                let other_night = last.is_some_and(|last| (last.frames_ms.0 - row.frames_ms.0).abs() > SAME_NIGHT_MS);
                let full = self.held.get(symbol).is_some_and(|held| held.len() >= MAX_HELD);
                if other_night || full {
                    self.settle(symbol, None, rows);
                }
                if let Some(before) = before {
                    self.before.entry(symbol.to_owned()).or_insert(before);
                }
                self.held.entry(symbol.to_owned()).or_default().push(row);
            }
        }
    }

    /// Appends the waiting rows of an instrument, of which a row at `after` follows.
    pub(crate) fn settle(&mut self, symbol: &str, after: Option<i64>, rows: &mut Rows) {
        let Some(held) = self.held.remove(symbol) else { return };
        let before = self.before.remove(symbol);
        let split = split(&held, before, after);
        if split.is_none() {
            let (frame_ms, count) = (held[0].frames_ms.0, held.len() as u64);
            self.undecided.push(Undecided { symbol: symbol.to_owned(), frame_ms, rows: count });
        }
        let (at, first_pass_first) = split.unwrap_or((held.len(), true));
        for (i, row) in held.into_iter().enumerate() {
            let first = (i < at) == first_pass_first;
            let frame_ms = if first { row.frames_ms.0 } else { row.frames_ms.1 };
            rows.push(symbol, frame_ms, row.numbers, &row.optional);
        }
    }

    /// Appends all waiting rows.
    pub(crate) fn settle_all(&mut self, rows: &mut Rows) {
        let mut symbols: Vec<String> = self.held.keys().cloned().collect();
        symbols.sort();
        for symbol in symbols {
            self.settle(&symbol, None, rows);
        }
    }

    /// The rows since the last call whose order decided nothing.
    pub(crate) fn take_undecided(&mut self) -> Vec<Undecided> {
        std::mem::take(&mut self.undecided)
    }
}

/// Where the rows of the second pass begin, and whether those of the first pass come first; `None`
/// if the order decides nothing.
fn split(held: &[HeldRow], before: Option<i64>, after: Option<i64>) -> Option<(usize, bool)> {
    let walls: Vec<i64> = held.iter().map(|row| row.frames_ms.0).collect();
    let falls: Vec<usize> = (1..walls.len()).filter(|&i| walls[i] < walls[i - 1]).collect();
    let rises: Vec<usize> = (1..walls.len()).filter(|&i| walls[i] > walls[i - 1]).collect();
    let forward = match (before, after) {
        (Some(before), _) => Some(before < walls[0]),
        (None, Some(after)) => Some(after > walls[0]),
        (None, None) => None,
    };
    let forward = forward.or(match rises.len().cmp(&falls.len()) {
        std::cmp::Ordering::Greater => Some(true),
        std::cmp::Ordering::Less => Some(false),
        std::cmp::Ordering::Equal => None,
    })?;
    match (forward, &falls[..], &rises[..]) {
        (true, [at], _) => Some((*at, true)),
        (false, _, [at]) => Some((*at, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use barbus_bars::BarSchema;

    use super::*;

    const HOUR: i64 = 3_600_000;

    /// The frames that rows at these minutes of a repeated hour get, and the undecided groups.
    fn frames(minutes: &[i64], before: Option<i64>, after: Option<i64>) -> (Vec<i64>, Vec<Undecided>) {
        let mut rows = Rows::new(&BarSchema::in_zone("UTC").unwrap());
        let mut fold = Fold::new(Ambiguous::Infer);
        for minute in minutes {
            let ms = minute * 60_000;
            let row = HeldRow { frames_ms: (ms, ms + HOUR), numbers: [1.0; NUMBERS], optional: vec![None, None] };
            fold.add("A", row, before, &mut rows);
        }
        fold.settle("A", after, &mut rows);
        (rows.frames_ms().iter().map(|ms| ms / 60_000).collect(), fold.take_undecided())
    }

    #[test]
    fn one_step_back_tells_the_two_passes_apart() {
        assert_eq!(frames(&[1, 2, 58, 1, 2], Some(-60_000), None).0, [1, 2, 58, 61, 62]);
        assert_eq!(frames(&[58, 2, 1, 58, 1], Some(3 * HOUR), None).0, [118, 62, 61, 58, 1]);
        assert_eq!(frames(&[1, 2, 1, 2], None, None).0, [1, 2, 61, 62]);
    }

    /// Promise 9: an hour that is there once is not silently the first one.
    #[test]
    fn without_exactly_one_step_nothing_is_decided() {
        for minutes in [&[1, 2, 3][..], &[1, 1, 2, 2], &[1, 2, 1, 2, 1], &[30]] {
            let (_, undecided) = frames(minutes, Some(-60_000), Some(3 * HOUR));
            assert_eq!(undecided.len(), 1, "{minutes:?}");
            assert_eq!(undecided[0].rows, minutes.len() as u64);
        }
    }
}
