//! The pace of a replay: when recorded bars are due.

use std::str::FromStr;
use std::time::Duration;

/// Longest time without bars that a replay waits for, milliseconds of frame time: longer than a
/// lunch break, shorter than a night.
const LONGEST_GAP_MS: i64 = 2 * 3_600_000;

/// How fast recorded bars are delivered. It can be parsed from `max`, `1x` or `60x`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Pace {
    /// As fast as the program takes them.
    #[default]
    Max,
    /// By their frames, this many times faster than the market. A gap of more than two hours, such
    /// as a night or a weekend, passes like one bar.
    Times(f64),
}

impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Pace, String> {
        if text.eq_ignore_ascii_case("max") {
            return Ok(Pace::Max);
        }
        let factor = text.strip_suffix(['x', 'X']).unwrap_or(text);
        match factor.parse::<f64>() {
            Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(Pace::Times(factor)),
            _ => Err(format!("cannot read {text:?} as a speed: give max, 1x or 60x")),
        }
    }
}

impl Pace {
    /// The schedule of bars with an interval of `interval_ms` milliseconds at this pace.
    pub fn schedule(self, interval_ms: i64) -> Schedule {
        Schedule { pace: self, interval_ms, newest_ms: None, elapsed_ms: 0 }
    }
}

/// When recorded bars are due. [`Pace::schedule`] makes it.
#[derive(Debug, Clone)]
pub struct Schedule {
    pace: Pace,
    interval_ms: i64,
    newest_ms: Option<i64>,
    /// Frame time from the first bar to the newest, without the long gaps.
    elapsed_ms: i64,
}

impl Schedule {
    /// The pace.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// When the bars of a frame (milliseconds UTC) are due, as the time since the bars of the first
    /// frame. Frames are passed in the order of delivery; one that is older than an earlier one is
    /// due at once.
    pub fn due(&mut self, frame_ms: i64) -> Duration {
        let Pace::Times(factor) = self.pace else {
            return Duration::ZERO;
        };
        let newest_ms = *self.newest_ms.get_or_insert(frame_ms);
        if frame_ms > newest_ms {
            let gap_ms = frame_ms.saturating_sub(newest_ms);
            self.elapsed_ms += if gap_ms > LONGEST_GAP_MS { self.interval_ms } else { gap_ms };
            self.newest_ms = Some(frame_ms);
        }
        // A factor that is very small, or not above 0, could give more seconds than a Duration
        // holds.
        Duration::try_from_secs_f64(self.elapsed_ms as f64 / 1000.0 / factor).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paces_are_factors_or_max() {
        assert_eq!("max".parse(), Ok(Pace::Max));
        assert_eq!("60x".parse(), Ok(Pace::Times(60.0)));
        assert_eq!("1.5".parse(), Ok(Pace::Times(1.5)));
        for text in ["", "x", "0x", "-1x", "nanx", "infx", "fast"] {
            let error = text.parse::<Pace>().unwrap_err();
            assert_eq!(error, format!("cannot read {text:?} as a speed: give max, 1x or 60x"));
        }
    }

    #[test]
    fn nights_are_skipped_and_old_bars_are_due_at_once() {
        let minute = 60_000;
        let mut schedule = Pace::Times(1.0).schedule(minute);
        let mut due = |frame: i64| schedule.due(frame * minute).as_secs();
        assert_eq!(due(1000), 0);
        assert_eq!(due(1001), 60);
        assert_eq!(due(1091), 91 * 60, "a lunch break passes at the pace");
        assert_eq!(due(3000), 92 * 60, "a night is skipped");
        assert_eq!(due(1000), 92 * 60, "an old bar is due at once");
        assert_eq!(due(3001), 93 * 60);
        let mut slow = Pace::Times(f64::MIN_POSITIVE).schedule(minute);
        slow.due(0);
        assert_eq!(slow.due(minute), Duration::MAX);
    }
}
