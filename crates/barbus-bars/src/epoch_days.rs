//! Trading dates as day numbers: days since 1970-01-01, the form in which the ring stores them.

use jiff::Unit;
use jiff::civil::Date;

const EPOCH: Date = Date::constant(1970, 1, 1);

/// The days from 1970-01-01 to `date`; negative before it.
///
/// ```
/// use barbus_bars::{Date, date_from_epoch_days, epoch_days};
/// assert_eq!(epoch_days(Date::constant(2024, 7, 4)), 19_908);
/// assert_eq!(date_from_epoch_days(19_908), Date::constant(2024, 7, 4));
/// ```
pub fn epoch_days(date: Date) -> i64 {
    date.since((Unit::Day, EPOCH)).map_or(0, |span| i64::from(span.get_days()))
}

/// The date `days` days after 1970-01-01, clamped to the dates that [`Date`] can represent.
pub fn date_from_epoch_days(days: i64) -> Date {
    let days = days.clamp(-700_000, 2_900_000);
    EPOCH.saturating_add(jiff::Span::new().days(days))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_survive_the_round_trip() {
        for date in [Date::constant(1970, 1, 1), Date::constant(2024, 2, 29), Date::constant(1969, 12, 31)] {
            assert_eq!(date_from_epoch_days(epoch_days(date)), date);
        }
        assert_eq!(epoch_days(Date::constant(2024, 7, 4)), 19_908);
        assert!(date_from_epoch_days(i64::MIN) < date_from_epoch_days(i64::MAX));
    }
}
