//! Which days retention keeps in a place.

use std::str::FromStr;

use barbus::{Bus, Date};
use jiff::{Span, SpanRelativeTo, Timestamp};

/// A number of days, such as `400d` or `52w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeepDays(i64);

impl FromStr for KeepDays {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let span: Option<Span> = text.parse().ok();
        let time = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
        let days = time.map(|time| time.as_hours() / 24).filter(|days| (1..=1_000_000).contains(days));
        days.map(Self).ok_or_else(|| format!("{text:?} is no number of days: give one such as 400d or 52w"))
    }
}

impl KeepDays {
    /// The first day that is kept, counted back from `newest`, or from today in the market if that
    /// is earlier: neither a wrong clock nor a bus that stands still removes a day.
    pub(super) fn first(self, newest: Date, bus: &Bus) -> Date {
        let today = Timestamp::now().to_zoned(bus.settings().calendar.zone().clone()).date();
        let from = newest.min(today);
        Span::new().try_days(self.0).ok().and_then(|span| from.checked_sub(span).ok()).unwrap_or(Date::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_days_and_nothing_else() {
        let keep = |text: &str| text.parse::<KeepDays>();
        assert_eq!((keep("400d"), keep("2w"), keep("48h")), (Ok(KeepDays(400)), Ok(KeepDays(14)), Ok(KeepDays(2))));
        for wrong in ["", "400", "0d", "1h", "-3d", "200GB", "1y", "9999999999d"] {
            assert!(keep(wrong).unwrap_err().contains("400d"), "{wrong}");
        }
    }
}
