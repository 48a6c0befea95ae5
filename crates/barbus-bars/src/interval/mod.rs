//! Intervals longer than a minute, and the periods of market time that they divide a day into.

mod periods;

use std::fmt;
use std::str::FromStr;

pub use periods::{Period, Periods};

/// The longest interval in minutes: four hours.
const MAX_MINUTES: u32 = 240;

/// The length of a bar: minutes, a trading day, a week or a month.
///
/// ```
/// use barbus_bars::Interval;
///
/// let interval: Interval = "90m".parse()?;
/// assert_eq!(interval, Interval::Minutes(90));
/// assert_eq!("4h".parse(), Ok(Interval::Minutes(240)));
/// assert_eq!(Interval::Minutes(120).to_string(), "2h");
/// assert!("7h".parse::<Interval>().is_err());
/// # Ok::<(), barbus_bars::IntervalError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interval {
    /// From 1 to 240 minutes. They are counted from the beginning of each session, so that no bar
    /// reaches over a break; the last bar of a session may be shorter.
    Minutes(u32),
    /// One trading day.
    Day,
    /// The trading days of a week, which begins on Monday.
    Week,
    /// The trading days of a month.
    Month,
}

/// A text that is no [`Interval`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no interval: write 1m to 240m, 1h to 4h, 1d, 1w or 1M")]
pub struct IntervalError(String);

impl Interval {
    /// The interval of the bars on the bus.
    pub const MINUTE: Interval = Interval::Minutes(1);
}

impl FromStr for Interval {
    type Err = IntervalError;

    /// A number and a unit: `m` minutes, `h` hours, `d` days, `w` weeks, `M` months.
    fn from_str(text: &str) -> Result<Self, IntervalError> {
        let wrong = || IntervalError(text.to_owned());
        let at = text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?;
        let (digits, unit) = text.split_at(at);
        // A sign, a leading zero or a fraction is not an interval that somebody means.
        let count: u32 = digits.parse().ok().filter(|_| !digits.starts_with('0')).ok_or_else(wrong)?;
        let minutes = |count: Option<u32>| {
            let count = count.filter(|count| *count <= MAX_MINUTES).ok_or_else(wrong)?;
            Ok(Interval::Minutes(count))
        };
        match (unit, count) {
            ("m", _) => minutes(Some(count)),
            ("h", _) => minutes(count.checked_mul(60)),
            ("d", 1) => Ok(Interval::Day),
            ("w", 1) => Ok(Interval::Week),
            ("M", 1) => Ok(Interval::Month),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Interval::Minutes(minutes) if minutes % 60 == 0 => write!(f, "{}h", minutes / 60),
            Interval::Minutes(minutes) => write!(f, "{minutes}m"),
            Interval::Day => f.write_str("1d"),
            Interval::Week => f.write_str("1w"),
            Interval::Month => f.write_str("1M"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interval_is_read_as_it_is_written() {
        let all = (1..=MAX_MINUTES).map(Interval::Minutes);
        for interval in all.chain([Interval::Day, Interval::Week, Interval::Month]) {
            assert_eq!(interval.to_string().parse(), Ok(interval));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let bad =
            ["", "5", "m", "0m", "05m", "241m", "5h", "2d", "1.5h", "-5m", "5 m", "5min", "1D", "1y", "99999999999m"];
        for text in bad {
            assert!(text.parse::<Interval>().is_err(), "{text}");
        }
    }
}
