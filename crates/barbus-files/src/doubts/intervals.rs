//! Whether bars are longer than a minute: every step between them is a multiple of their length.
//!
//! An instrument that trades rarely has steps of any number of minutes, so a few bars are enough to
//! tell it from longer bars.

use std::collections::HashMap;

use super::Doubt;
use crate::values::interval::in_words;

/// How sure all bars together must make: one chance in a thousand that minutes look like this.
const SURE_OF_ALL: f64 = 6.9;
/// How sure the bars of one of many instruments must make.
const SURE_OF_ONE: f64 = 20.0;
/// Lengths of bars, minutes. Other distances between a few times are chance.
const LENGTHS: [u64; 16] = [10_080, 1440, 720, 480, 360, 240, 180, 120, 60, 30, 20, 15, 10, 5, 3, 2];
/// Fewest different times that say something.
const MIN_TIMES: u64 = 3;
/// Most different steps that are counted.
const MAX_STEPS: usize = 64;

/// The steps between different times of bars.
#[derive(Debug, Clone, Default)]
pub(super) struct Steps {
    first: Option<u64>,
    last: u64,
    /// The greatest common divisor of the distances from the first time, minutes.
    divisor: u64,
    /// The number of different times.
    pub(super) times: u64,
    /// How often each step occurs.
    steps: HashMap<u64, u64>,
}

impl Steps {
    /// Adds a time in minutes, not before the last one.
    pub(super) fn add(&mut self, minute: u64) {
        let Some(first) = self.first else {
            (self.first, self.last, self.times) = (Some(minute), minute, 1);
            return;
        };
        if minute == self.last {
            return;
        }
        self.times += 1;
        self.divisor = greatest_common_divisor(self.divisor, minute.abs_diff(first));
        let step = minute.abs_diff(self.last);
        if self.steps.len() < MAX_STEPS || self.steps.contains_key(&step) {
            *self.steps.entry(step).or_default() += 1;
        }
        self.last = minute;
    }

    /// The length of the bars in minutes, if they are surely longer than one.
    fn length(&self, sure: f64) -> Option<u64> {
        if self.times < MIN_TIMES {
            return None;
        }
        let marks = *LENGTHS.iter().find(|length| self.divisor.is_multiple_of(**length))?;
        let evidence = (self.times - 1) as f64 * (marks as f64).ln();
        (evidence >= sure).then(|| self.usual().unwrap_or(marks))
    }

    /// The usual step in minutes.
    pub(super) fn usual(&self) -> Option<u64> {
        self.steps.iter().max_by_key(|(step, count)| (**count, u64::MAX - **step)).map(|(step, _)| *step)
    }

    /// The doubt about all bars, or those of one of several instruments.
    pub(super) fn doubt(&self, symbol: Option<&str>) -> Option<Doubt> {
        let length = self.length(if symbol.is_some() { SURE_OF_ONE } else { SURE_OF_ALL })?;
        let (words, divisor) = (in_words(length), self.divisor);
        let whose = symbol.map_or_else(|| "the bars".to_owned(), |symbol| format!("the bars of {symbol}"));
        Some(Doubt {
            what: format!(
                "{whose} are bars of {words} and not of 1 minute: all {} times are multiples of {divisor} minutes apart",
                self.times
            ),
            way_out: "take files of 1-minute bars; --trust stores each as one minute".to_owned(),
        })
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(minutes: impl IntoIterator<Item = u64>) -> Steps {
        let mut steps = Steps::default();
        minutes.into_iter().for_each(|minute| steps.add(minute));
        steps
    }

    /// Promise 9: longer bars are not stored as minutes.
    #[test]
    fn longer_bars_are_named_with_their_length() {
        for (length, words) in [(5, "5 minutes"), (60, "1 hour"), (1440, "1 day"), (2, "2 minutes")] {
            let doubt = steps((0..40).map(|i| i * length)).doubt(None).unwrap();
            assert!(doubt.what.contains(&format!("bars of {words} ")), "{doubt}");
        }
        // Hours with a pause of one and a half.
        let hours = [630, 690, 840, 900, 2070, 2130, 2280, 2340];
        assert!(steps(hours).doubt(None).unwrap().what.contains("1 hour"));
    }

    #[test]
    fn an_instrument_that_trades_rarely_is_not_longer_bars() {
        assert_eq!(steps([589, 592, 596, 608, 623, 640]).doubt(None), None);
        assert_eq!(steps((0..300).map(|i| i * 15 + u64::from(i == 150))).doubt(None), None);
        // A few times say nothing.
        for few in [&[600][..], &[600, 600, 600], &[600, 615], &[600, 2040], &[600, 4561], &[571, 2011, 2012]] {
            assert_eq!(steps(few.iter().copied()).doubt(None), None, "{few:?}");
        }
        assert_eq!(steps((0..300).map(|i| i / 100)).doubt(None), None);
    }
}
