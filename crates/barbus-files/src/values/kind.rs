//! What the texts of a column are: epochs, dates, numbers.

use barbus_bars::{Moment, parse_time};

use super::clock_text::{DateOrder, TimeDigits, date_ms, has_open_order, time_of_day};
use super::number::has_decimal_comma;

/// The kind of the values of a column, as a layout states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An epoch between 1990 and 2100, in any unit.
    Epoch,
    /// Any number.
    Number,
    /// A number without a fraction.
    Integer,
    /// A date without a time of day.
    Date,
    /// A time of day.
    Time,
    /// A date and a time of day in one text.
    DateTime,
    /// Any text.
    Text,
}

impl Kind {
    /// The kind of this name.
    pub(crate) fn named(name: &str) -> Option<Kind> {
        Some(match name {
            "epoch" => Kind::Epoch,
            "number" => Kind::Number,
            "integer" => Kind::Integer,
            "date" => Kind::Date,
            "time" => Kind::Time,
            "datetime" => Kind::DateTime,
            "text" => Kind::Text,
            _ => return None,
        })
    }

    /// Whether `text` is of this kind.
    pub(crate) fn fits(self, text: &str) -> bool {
        let text = text.trim();
        let is_number = || text.parse::<f64>().is_ok();
        match self {
            Kind::Epoch => is_epoch(text),
            Kind::Number => is_number() || has_decimal_comma(text),
            Kind::Integer => is_number() && !text.trim_end_matches(".0").contains('.'),
            Kind::Date => date_ms(text, DateOrder::YearMonthDay).is_some() || has_open_order(text),
            Kind::Time => time_of_day(text, TimeDigits::HoursMinutesSeconds).is_some(),
            Kind::DateTime => is_date_time(text),
            Kind::Text => true,
        }
    }
}

/// Whether a text is an epoch between 1990 and 2100 in seconds, milliseconds or smaller units.
pub(crate) fn is_epoch(text: &str) -> bool {
    let whole = text.split_once('.').map_or(text, |(whole, fraction)| match fraction.trim_matches('0') {
        "" => whole,
        _ => text,
    });
    let Ok(value) = whole.parse::<i64>() else { return false };
    [1, 1000, 1_000_000, 1_000_000_000].iter().any(|per| (631_152_000..4_102_444_800).contains(&(value / per)))
        && matches!(whole.len(), 9 | 10 | 12 | 13 | 15 | 16 | 18 | 19)
}

/// Whether a text has a date and a time of day.
pub(crate) fn is_date_time(text: &str) -> bool {
    if is_epoch(text) {
        return false;
    }
    if let Some(time) = parse_time(text) {
        // Any number is an epoch of some time: only one that reads as a date and a time counts.
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        return !time.date_only && (!is_number || matches!(time.moment, Moment::WallClock(_)));
    }
    text.split_once([' ', 'T', ',']).is_some_and(|(date, time)| {
        let is_date = date_ms(date, DateOrder::YearMonthDay).is_some() || has_open_order(date);
        let time = time.trim().split(' ').next().unwrap_or_default();
        is_date && time_of_day(time, TimeDigits::HoursMinutesSeconds).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_values_are_told() {
        for (kind, fits, other) in [
            (Kind::Epoch, "1683662400", "20230509"),
            (Kind::Epoch, "1683601200.0", "311.5"),
            (Kind::Epoch, "1683662400000", "12"),
            (Kind::Number, "-1.5", "x"),
            (Kind::Number, "10,25", "1,2,3"),
            (Kind::Integer, "17", "1.5"),
            (Kind::Integer, "17", "1,5"),
            (Kind::Date, "2023.05.09", "2023-05-09 09:31"),
            (Kind::Date, "05/09/2023", "1683662400"),
            (Kind::Time, "09:31", "09:61"),
            (Kind::DateTime, "20230509 170000", "2023-05-09"),
            (Kind::DateTime, "05/09/2023 9:31", "1683662400"),
        ] {
            assert!(kind.fits(fits), "{kind:?} {fits}");
            assert!(!kind.fits(other), "{kind:?} {other}");
        }
    }
}
