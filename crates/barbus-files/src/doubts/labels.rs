//! Whether times mark the other end of a bar than they were taken for.
//!
//! Markets open and close on a half-hour: the first bar after a pause ends a minute after one, and
//! the last one on one. Bars from 09:30 to 14:59 are starts that were taken for ends.

use barbus_bars::Label;

use super::Doubt;

/// Fewest bars between two pauses that say something.
const MIN_BARS: u64 = 120;
const HALF_HOUR: u64 = 30;

/// What the first and the last bar between two pauses say.
#[derive(Debug, Clone, Default)]
pub(super) struct Labels {
    /// Runs of bars from a half-hour to the minute before one.
    starts: u64,
    /// Runs of bars from two minutes after a half-hour to the minute after one.
    shifted_twice: u64,
    /// Runs of bars as ends do, at one of their ends.
    ends: u64,
    /// An example: first and last end of a bar, milliseconds.
    example: Option<(i64, i64)>,
}

impl Labels {
    /// Adds the bars between two pauses.
    pub(super) fn add(&mut self, first_ms: i64, last_ms: i64, bars: u64) {
        if bars < MIN_BARS {
            return;
        }
        let of_half_hour = |ms: i64| (ms.div_euclid(60_000)).rem_euclid(HALF_HOUR as i64) as u64;
        match (of_half_hour(first_ms), of_half_hour(last_ms)) {
            (0, 29) => {
                self.starts += 1;
                self.example.get_or_insert((first_ms, last_ms));
            }
            (2, 1) => {
                self.shifted_twice += 1;
                self.example.get_or_insert((first_ms, last_ms));
            }
            (1, _) | (_, 0) => self.ends += 1,
            _ => {}
        }
    }

    /// The doubt, if the runs agree.
    pub(super) fn doubt(&self, label: Label, why: &str, shown: impl Fn(i64) -> String) -> Option<Doubt> {
        let wrong = self.starts.max(self.shifted_twice);
        if wrong == 0 || self.ends * 4 > wrong {
            return None;
        }
        let (first, last) = self.example?;
        let (taken, other) = match self.starts >= self.shifted_twice {
            true => (Label::End, Label::Start),
            false => (Label::Start, Label::End),
        };
        // Only a time that was taken for the other end can be shifted this way.
        (label == taken).then(|| Doubt {
            what: format!(
                "the times look like {other}s of bars and were taken for {taken}s ({why}): the first bar would end at {} and the last one at {}",
                shown(first),
                shown(last)
            ),
            way_out: format!("give --label {other}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(first: i64, last: i64) -> (i64, i64, u64) {
        (first * 60_000, last * 60_000, 300)
    }

    fn doubt(days: &[(i64, i64, u64)], label: Label) -> Option<String> {
        let mut labels = Labels::default();
        days.iter().for_each(|(first, last, bars)| labels.add(*first, *last, *bars));
        labels.doubt(label, "the default", |ms| (ms / 60_000).to_string()).map(|doubt| doubt.to_string())
    }

    /// Promise 9: starts are not silently stored as ends.
    #[test]
    fn days_that_run_as_starts_do_are_doubted() {
        let (open, close) = (570, 900);
        let starts = doubt(&[minutes(open, close - 1)], Label::End).unwrap();
        assert!(starts.contains("give --label start"), "{starts}");
        assert!(doubt(&[minutes(0, 1439)], Label::End).is_some());
        let twice = doubt(&[minutes(open + 2, close + 1)], Label::Start).unwrap();
        assert!(twice.contains("give --label end"), "{twice}");
        assert_eq!(doubt(&[minutes(open + 1, close)], Label::End), None);
        assert_eq!(doubt(&[minutes(open + 1, close)], Label::Start), None);
        // The bar of the opening auction, and the close.
        assert_eq!(doubt(&[minutes(open, close)], Label::End), None);
        assert_eq!(doubt(&[(open * 60_000, (close - 1) * 60_000, 30)], Label::End), None, "too few bars");
    }
}
