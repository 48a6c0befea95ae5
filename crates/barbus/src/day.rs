//! Trading dates as the ring counts them: days since 1970-01-01.

use barbus_bars::Date;
use jiff::Unit;

const EPOCH: Date = Date::constant(1970, 1, 1);

/// Days since 1970-01-01.
pub(crate) fn days_of(date: Date) -> i64 {
    date.since((Unit::Day, EPOCH)).map_or(0, |span| i64::from(span.get_days()))
}

/// The date so many days after 1970-01-01; the nearest possible one where there is none.
pub(crate) fn date_of(days: i64) -> Date {
    let days = days.clamp(-700_000, 2_900_000);
    EPOCH.saturating_add(jiff::Span::new().days(days))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for date in [Date::constant(1970, 1, 1), Date::constant(2024, 2, 29), Date::constant(1969, 12, 31)] {
            assert_eq!(date_of(days_of(date)), date);
        }
        assert_eq!(days_of(Date::constant(2024, 7, 4)), 19_908);
        assert!(date_of(i64::MIN) < date_of(i64::MAX));
    }
}
