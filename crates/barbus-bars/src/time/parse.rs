//! Times in the forms in which people and programs write them: texts and whole numbers.
//!
//! Each value is read independently: no format is guessed for a whole file. A value that has no
//! known form gives `None`.

use jiff::civil;

const DAY_MS: i64 = 86_400_000;
/// The largest offset from UTC that a zone has had since 1970, in either direction, minutes.
const MAX_OFFSET_MINUTES: i64 = 14 * 60;

/// What a producer's value states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Instant(i64),
    /// The reading of a wall clock, milliseconds since 1970-01-01T00:00:00 on that clock.
    WallClock(i64),
}

/// A value that was read, cut to milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParsedTime {
    /// What the value states.
    pub moment: Moment,
    /// Whether the cut removed something.
    pub sub_millisecond: bool,
    /// Whether the value is a date without a time of day.
    pub date_only: bool,
}

impl ParsedTime {
    /// A date without a time of day: the midnight at which it begins.
    pub fn midnight(wall_ms: i64) -> ParsedTime {
        ParsedTime { date_only: true, ..ParsedTime::exact(Moment::WallClock(wall_ms)) }
    }

    /// A time that is a whole number of milliseconds.
    pub fn exact(moment: Moment) -> ParsedTime {
        ParsedTime { moment, sub_millisecond: false, date_only: false }
    }
}

/// Milliseconds of a wall clock; `None` for a date or time that does not exist, or a year outside
/// 1970 to 2200.
fn wall_ms(date: [i64; 3], time: [i64; 4]) -> Option<i64> {
    let [year, month, day] = date;
    let [hour, minute, second, milli] = time;
    if !(1970..=2200).contains(&year) || hour > 23 || minute > 59 || second > 59 || milli > 999 {
        return None;
    }
    let part = |n: i64| i8::try_from(n).ok();
    let date = civil::Date::new(i16::try_from(year).ok()?, part(month)?, part(day)?).ok()?;
    let days = i64::from(civil::date(1970, 1, 1).duration_until(date).as_hours() as i32 / 24);
    Some(days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + milli)
}

/// Reads a whole number: as a date and time without separators if it has the digits of one,
/// otherwise as an epoch in the unit that its size suggests.
pub fn parse_integer(value: i64) -> Option<ParsedTime> {
    let compact = match value {
        19_700_101..=22_001_231 => Some(compact_ms(value, 0, 0)),
        197_001_010_000..=220_012_312_359 => Some(compact_ms(value / 10_000, value % 10_000 * 100, 0)),
        19_700_101_000_000..=22_001_231_235_959 => Some(compact_ms(value / 1_000_000, value % 1_000_000, 0)),
        19_700_101_000_000_000..=22_001_231_235_959_999 => {
            Some(compact_ms(value / 1_000_000_000, value / 1000 % 1_000_000, value % 1000))
        }
        _ => None,
    };
    // A date that does not exist, such as 20240230, must not become an epoch in 1970.
    if let Some(ms) = compact {
        let date_only = value <= 22_001_231;
        return ms.map(|ms| ParsedTime { date_only, ..ParsedTime::exact(Moment::WallClock(ms)) });
    }
    let size = value.unsigned_abs();
    let per_ms = if size < 100_000_000_000 {
        return Some(ParsedTime::exact(Moment::Instant(value * 1000)));
    } else if size < 100_000_000_000_000 {
        1
    } else if size < 100_000_000_000_000_000 {
        1000
    } else {
        1_000_000
    };
    Some(ParsedTime {
        moment: Moment::Instant(value.div_euclid(per_ms)),
        sub_millisecond: value.rem_euclid(per_ms) != 0,
        date_only: false,
    })
}

/// The wall clock of `YYYYMMDD` and `HHMMSS` as numbers.
fn compact_ms(date: i64, time: i64, milli: i64) -> Option<i64> {
    let date = [date / 10_000, date / 100 % 100, date % 100];
    wall_ms(date, [time / 10_000, time / 100 % 100, time % 100, milli])
}

/// Reads a text: RFC 3339 and its usual variations, compact forms, or an epoch.
pub fn parse(text: &str) -> Option<ParsedTime> {
    let mut rest = Scanner(text.trim().as_bytes());
    let all_digits = rest.0.iter().all(u8::is_ascii_digit);
    if all_digits && (8..=19).contains(&rest.0.len()) {
        return parse_integer(text.trim().parse().ok()?);
    }
    let date = rest.date()?;
    if rest.0.is_empty() {
        return Some(ParsedTime::midnight(wall_ms(date, [0; 4])?));
    }
    rest.take_one(b"Tt ")?;
    rest.skip_blanks();
    let (time, sub_millisecond) = rest.time()?;
    let wall = wall_ms(date, time)?;
    rest.skip_blanks();
    let moment = match rest.0 {
        [] => Moment::WallClock(wall),
        b"Z" | b"z" | b"UTC" | b"GMT" => Moment::Instant(wall),
        _ => {
            let _ = rest.0.strip_prefix(b"GMT").or(rest.0.strip_prefix(b"UTC")).map(|offset| rest.0 = offset);
            let offset_ms = rest.offset_ms()?;
            if !rest.0.is_empty() {
                return None;
            }
            Moment::Instant(wall - offset_ms)
        }
    };
    Some(ParsedTime { moment, sub_millisecond, date_only: false })
}

/// The rest of a text that is read from left to right.
struct Scanner<'a>(&'a [u8]);

impl Scanner<'_> {
    /// The next byte, if it is one of `any_of`.
    fn take_one(&mut self, any_of: &[u8]) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        any_of.contains(&first).then(|| self.0 = rest)?;
        Some(first)
    }

    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_ascii_start();
    }

    /// A number of `least` to `most` digits.
    fn digits(&mut self, least: usize, most: usize) -> Option<i64> {
        let count = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        let count = count.min(most);
        if count < least {
            return None;
        }
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        Some(digits.iter().fold(0, |n, b| n * 10 + i64::from(b - b'0')))
    }

    /// `YYYY-MM-DD`, `YYYY/M/D`, `YYYY.MM.DD` or `YYYYMMDD`.
    fn date(&mut self) -> Option<[i64; 3]> {
        let year = self.digits(4, 4)?;
        let Some(separator) = self.take_one(b"-/.") else {
            return Some([year, self.digits(2, 2)?, self.digits(2, 2)?]);
        };
        let month = self.digits(1, 2)?;
        self.take_one(&[separator])?;
        Some([year, month, self.digits(1, 2)?])
    }

    /// Hour, minute, second and millisecond of `HH:MM[:SS[.fraction]]` or `HHMM[SS[.fraction]]`,
    /// and whether the fraction is finer than a millisecond.
    fn time(&mut self) -> Option<([i64; 4], bool)> {
        let hour = self.digits(1, 2)?;
        let colon = self.take_one(b":").is_some();
        let minute = self.digits(2, 2)?;
        let has_seconds =
            if colon { self.take_one(b":").is_some() } else { self.0.first().is_some_and(u8::is_ascii_digit) };
        if !has_seconds {
            return Some(([hour, minute, 0, 0], false));
        }
        let second = self.digits(2, 2)?;
        if self.take_one(b".,").is_none() {
            return Some(([hour, minute, second, 0], false));
        }
        let before = self.0.len();
        let milli = self.digits(1, 3)?;
        let milli = milli * [100, 10, 1][before - self.0.len() - 1];
        let mut sub_millisecond = false;
        while let Some(digit) = self.take_one(b"0123456789") {
            sub_millisecond |= digit != b'0';
        }
        Some(([hour, minute, second, milli], sub_millisecond))
    }

    /// `+HH`, `+HHMM` or `+HH:MM` as milliseconds east of Greenwich.
    fn offset_ms(&mut self) -> Option<i64> {
        let sign = if self.take_one(b"+-")? == b'-' { -1 } else { 1 };
        let hours = self.digits(2, 2)?;
        let minutes = if self.0.is_empty() {
            0
        } else {
            let _ = self.take_one(b":");
            self.digits(2, 2)?
        };
        let offset = hours * 60 + minutes;
        (minutes <= 59 && offset <= MAX_OFFSET_MINUTES).then_some(sign * offset * 60_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_integers_are_parsed() {
        let at = "2024-03-01T09:31:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let wall = |add: i64| Some(ParsedTime::exact(Moment::WallClock(at + add)));
        let instant = |add: i64| Some(ParsedTime::exact(Moment::Instant(at + add)));
        let cases = [
            ("2024-03-01T09:31:00Z", instant(0)),
            ("2024-03-01t09:31:00z", instant(0)),
            ("2024-03-01 09:31 UTC", instant(0)),
            ("2024-03-01 17:31:00+08:00", instant(0)),
            ("2024-03-01 17:31:00.000 +0800", instant(0)),
            ("2024-03-01T04:31:00-05", instant(0)),
            ("20240301T093100Z", instant(0)),
            ("1709285460", instant(0)),
            ("1709285460000", instant(0)),
            ("1709285460000000", instant(0)),
            ("1709285460000000000", instant(0)),
            ("2024-03-01 09:31", wall(0)),
            ("2024-03-01  9:31:00", wall(0)),
            ("2024/3/1 9:31", wall(0)),
            ("2024-03-01T09:31:00.250", wall(250)),
            ("2024-03-01T09:31:00.5", wall(500)),
            ("2024.03.01 09:31:00", wall(0)),
            ("2024-03-01 17:31 GMT+0800", instant(0)),
            ("20240301 09:31:00", wall(0)),
            ("20240301 0931", wall(0)),
            ("202403010931", wall(0)),
            ("20240301093100", wall(0)),
            ("20240301093100250", wall(250)),
            ("2024-03-01", Some(ParsedTime::midnight(at - (9 * 60 + 31) * 60_000))),
            ("20240301", Some(ParsedTime::midnight(at - (9 * 60 + 31) * 60_000))),
            ("2024-02-29 24:00", None),
            ("2023-02-29 09:31", None),
            ("2024-13-01 09:31", None),
            ("2024-03-01 09:60", None),
            ("2024-03/01 09:31", None),
            ("2024-03-01 09:31 PM", None),
            ("2024-03-01 09:31:00+8", None),
            ("2024-03-01 09:31:00+25:00", None),
            ("2024-03-01 09:31:00-14:01", None),
            ("2024-03-01 23:31:00+14:00", instant(0)),
            ("2024-03-01T09:31:00Zz", None),
            ("1969-03-01 09:31", None),
            ("09:31", None),
            ("20240230", None),
            ("20240280", None),
            ("202402300931", None),
            ("20240230093100", None),
            ("yesterday", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text:?}");
        }
        let finer = parse("2024-03-01T09:31:00.000001Z");
        assert_eq!(finer, Some(ParsedTime { sub_millisecond: true, ..ParsedTime::exact(Moment::Instant(at)) }));
    }
}
