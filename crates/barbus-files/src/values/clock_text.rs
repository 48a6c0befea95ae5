//! Dates and times of day as people write them, in one text or in two columns.

use jiff::civil;

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// The order of the parts of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DateOrder {
    /// `2023-05-09`, and what has no order, such as `9-May-2023`.
    YearMonthDay,
    /// `09.05.2023`.
    DayMonthYear,
    /// `05/09/2023`.
    MonthDayYear,
}

/// How the digits of a time without colons are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeDigits {
    /// `931` is 09:31.
    HoursMinutes,
    /// `93100` is 09:31:00.
    HoursMinutesSeconds,
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// The parts of a date that is not `YYYYMMDD`: three numbers or a month's name, and separators.
fn parts(text: &str) -> Option<[&str; 3]> {
    // 2020/1/2 星期四
    let text = text.split_once(" 星期").map_or(text, |(date, _)| date);
    let mut parts = text.split(['-', '/', '.', ' ']).filter(|part| !part.is_empty());
    let found = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(found)
}

fn number(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

fn month(text: &str) -> Option<i64> {
    let name = text.get(..3)?.to_ascii_lowercase();
    let index = MONTHS.iter().position(|month| *month == name)?;
    text.chars().all(char::is_alphabetic).then_some(index as i64 + 1)
}

/// The midnight of a date on the clock that showed it, milliseconds; `None` for no date.
pub(crate) fn date_ms(text: &str, order: DateOrder) -> Option<i64> {
    let text = text.trim();
    if text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let whole: i64 = text.parse().ok()?;
        return midnight(whole / 10_000, whole / 100 % 100, whole % 100);
    }
    let [a, b, c] = parts(text)?;
    if a.len() == 4 {
        return midnight(number(a)?, number(b).or_else(|| month(b))?, number(c)?);
    }
    let year = if c.len() == 2 { 2000 + number(c)? } else { number(c)? };
    match (month(a), month(b), order) {
        (_, Some(month), _) => midnight(year, month, number(a)?),
        (Some(month), _, _) => midnight(year, month, number(b)?),
        (_, _, DateOrder::MonthDayYear) => midnight(year, number(a)?, number(b)?),
        (_, _, DateOrder::DayMonthYear) => midnight(year, number(b)?, number(a)?),
        (_, _, DateOrder::YearMonthDay) => None,
    }
}

fn midnight(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1970..=2200).contains(&year) {
        return None;
    }
    let part = |value: i64| i8::try_from(value).ok();
    let date = civil::Date::new(i16::try_from(year).ok()?, part(month)?, part(day)?).ok()?;
    Some(i64::from(civil::date(1970, 1, 1).duration_until(date).as_hours() as i32 / 24) * DAY_MS)
}

/// Whether a text has the form of a date with the year last and numbers only, whose order is open.
pub(crate) fn has_open_order(text: &str) -> bool {
    parts(text.trim()).is_some_and(|[a, b, c]| {
        a.len() <= 2 && number(a).is_some() && number(b).is_some() && matches!(c.len(), 2 | 4) && number(c).is_some()
    })
}

/// The order of dates with the year last; `None` where the texts fit both.
///
/// A number above 12 is a day. Points separate day, month and year in this order.
pub(crate) fn order_of<'a>(texts: impl Iterator<Item = &'a str>) -> Option<DateOrder> {
    let (mut first_is_day, mut second_is_day, mut points) = (false, false, true);
    for text in texts {
        let Some([a, b, _]) = parts(text.trim()) else { continue };
        first_is_day |= number(a)? > 12;
        second_is_day |= number(b)? > 12;
        points &= text.contains('.');
    }
    match (first_is_day, second_is_day) {
        (true, false) => Some(DateOrder::DayMonthYear),
        (false, true) => Some(DateOrder::MonthDayYear),
        (false, false) if points => Some(DateOrder::DayMonthYear),
        _ => None,
    }
}

/// A time of day in milliseconds, and whether it has a part finer than that; `None` for no time.
pub(crate) fn time_of_day(text: &str, digits: TimeDigits) -> Option<(i64, bool)> {
    if let Some(ms) = usual_time_of_day(text.as_bytes()) {
        return Some((ms, false));
    }
    let text = text.trim();
    let (text, afternoon) = match text.len().checked_sub(2).and_then(|at| text.split_at_checked(at)) {
        Some((time, half)) if half.eq_ignore_ascii_case("AM") => (time.trim_end(), Some(false)),
        Some((time, half)) if half.eq_ignore_ascii_case("PM") => (time.trim_end(), Some(true)),
        _ => (text, None),
    };
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let (mut hour, minute, second) = if whole.contains(':') {
        let mut parts = whole.split(':');
        let found = (parts.next()?, parts.next()?, parts.next().unwrap_or("0"));
        let two = |part: &str| (part.len() <= 2).then(|| number(part))?;
        parts.next().is_none().then_some((two(found.0)?, two(found.1)?, two(found.2)?))?
    } else {
        split_digits(whole, digits)?
    };
    if let Some(afternoon) = afternoon {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if afternoon { 12 } else { 0 };
    }
    let (milli, finer) = milliseconds(fraction)?;
    let valid = hour < 24 && minute < 60 && second < 60;
    valid.then_some((((hour * 60 + minute) * 60 + second) * 1000 + milli, finer))
}

/// The milliseconds of `HH:MM` and `HH:MM:SS`, as most times are written.
pub(crate) fn usual_time_of_day(text: &[u8]) -> Option<i64> {
    let (hour, minute, second) = match *text {
        [a, b, b':', c, d] => ([a, b], [c, d], *b"00"),
        [a, b, b':', c, d, b':', e, f] => ([a, b], [c, d], [e, f]),
        _ => return None,
    };
    let two = |digits: [u8; 2], below: i64| {
        let value = 10 * i64::from(digits[0].wrapping_sub(b'0')) + i64::from(digits[1].wrapping_sub(b'0'));
        (digits.iter().all(u8::is_ascii_digit) && value < below).then_some(value)
    };
    Some(((two(hour, 24)? * 60 + two(minute, 60)?) * 60 + two(second, 60)?) * 1000)
}

/// Hour, minute and second of a time without colons; a leading zero may be missing.
fn split_digits(text: &str, digits: TimeDigits) -> Option<(i64, i64, i64)> {
    if text.is_empty() || text.len() > 9 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: i64 = text.parse().ok()?;
    match (text.len(), digits) {
        (7.., _) => {
            // HHMMSSmmm
            let seconds = value / 1000;
            (value % 1000 == 0).then_some((seconds / 10_000, seconds / 100 % 100, seconds % 100))
        }
        (..=4, TimeDigits::HoursMinutes) => Some((value / 100, value % 100, 0)),
        _ => Some((value / 10_000, value / 100 % 100, value % 100)),
    }
}

fn milliseconds(fraction: &str) -> Option<(i64, bool)> {
    if fraction.is_empty() {
        return Some((0, false));
    }
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) || fraction.len() > 12 {
        return None;
    }
    let padded = format!("{fraction:0<3}");
    let (milli, finer) = padded.split_at(3);
    Some((milli.parse().ok()?, finer.bytes().any(|digit| digit != b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 1_683_590_400_000; // 2023-05-09

    #[test]
    fn dates_of_every_order_are_read() {
        for text in ["2023-05-09", "2023/5/9", "2023.05.09", "20230509", "2023-May-09", "2023/5/9 星期二"] {
            assert_eq!(date_ms(text, DateOrder::YearMonthDay), Some(DAY), "{text}");
        }
        for text in ["09.05.2023", "9/5/2023", "09-May-2023", "9 May 2023", "09/05/23"] {
            assert_eq!(date_ms(text, DateOrder::DayMonthYear), Some(DAY), "{text}");
        }
        assert_eq!(date_ms("05/09/2023", DateOrder::MonthDayYear), Some(DAY));
        for wrong in ["2023-02-30", "09/05/2023", "1", "", "x-y-z", "05/09", "1969-01-01", "2023-05-09-1"] {
            assert_eq!(date_ms(wrong, DateOrder::YearMonthDay), None, "{wrong}");
        }
    }

    /// Promise 9: 05/09/2023 alone may be two days, and none is guessed.
    #[test]
    fn the_order_is_found_in_the_dates_or_left_open() {
        let order = |texts: &[&str]| order_of(texts.iter().copied());
        assert_eq!(order(&["05/09/2023", "05/13/2023"]), Some(DateOrder::MonthDayYear));
        assert_eq!(order(&["05/09/2023", "13/05/2023"]), Some(DateOrder::DayMonthYear));
        assert_eq!(order(&["09.05.2023"]), Some(DateOrder::DayMonthYear));
        assert_eq!(order(&["05/09/2023", "05/10/2023"]), None);
        assert_eq!(order(&["05/13/2023", "13/05/2023"]), None);
        assert!(has_open_order("05/09/2023") && !has_open_order("2023-05-09") && !has_open_order("9-May-2023"));
    }

    #[test]
    fn times_of_day_are_read() {
        let minute = (9 * 60 + 31) * 60_000;
        for text in ["09:31", "9:31:00", "09:31:00.000", "9:31 AM", "931", "0931", "09:31:00.000000000"] {
            assert_eq!(time_of_day(text, TimeDigits::HoursMinutes), Some((minute, false)), "{text}");
        }
        for text in ["93100", "093100", "093100000", "093100.000"] {
            assert_eq!(time_of_day(text, TimeDigits::HoursMinutesSeconds), Some((minute, false)), "{text}");
        }
        assert_eq!(time_of_day("9:31 PM", TimeDigits::HoursMinutes), Some((minute + 43_200_000, false)));
        assert_eq!(time_of_day("12:00 AM", TimeDigits::HoursMinutes), Some((0, false)));
        assert_eq!(time_of_day("09:31:00.0005", TimeDigits::HoursMinutes), Some((minute, true)));
        for wrong in ["", "24:00", "09:60", "13:00 PM", "x", "9:31:00:00", "PM", "é", "2023-05-09"] {
            assert_eq!(time_of_day(wrong, TimeDigits::HoursMinutes), None, "{wrong}");
        }
    }
}
