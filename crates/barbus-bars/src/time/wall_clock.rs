//! Times as people and files write them: text and digits, and wall clocks in a zone.
//!
//! No format is guessed per file: each value is read by itself, and a value that fits no form is `None`.

use jiff::civil;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

const DAY_MS: i64 = 86_400_000;
/// How near to a change of offset each wall clock is looked up by itself.
const MARGIN_MS: i64 = 2 * DAY_MS;

/// A moment as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Milliseconds UTC, and whether something finer was left.
    Instant(i64, bool),
    /// Milliseconds of a wall clock, as if it were UTC.
    Wall(i64),
}

/// Wall clocks of one zone as instants. Remembers the offset between two changes of it.
pub(crate) struct WallClock {
    zone: TimeZone,
    /// Wall clocks in this range have this offset, milliseconds.
    known: std::ops::Range<i64>,
    offset_ms: i64,
}

impl WallClock {
    pub(crate) fn new(zone: TimeZone) -> WallClock {
        WallClock { zone, known: 0..0, offset_ms: 0 }
    }

    pub(crate) fn into_zone(self) -> TimeZone {
        self.zone
    }

    /// The instant; the first one when the clock shows this twice, `None` when it never does.
    pub(crate) fn utc_ms(&mut self, wall_ms: i64) -> Option<i64> {
        if self.known.contains(&wall_ms) {
            return Some(wall_ms - self.offset_ms);
        }
        let wall = civil_of(wall_ms)?;
        let offset = match self.zone.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Fold { before, .. } => before,
            AmbiguousOffset::Gap { .. } => return None,
        };
        let offset_ms = i64::from(offset.seconds()) * 1000;
        let instant = Timestamp::from_millisecond(wall_ms - offset_ms).ok()?;
        // `preceding` leaves out a change at the very instant.
        let just_after = instant.checked_add(SignedDuration::from_secs(1)).ok()?;
        let before = self.zone.preceding(just_after).next();
        let after = self.zone.following(instant).next();
        let first = before.map_or(-i64::MAX, |t| t.timestamp().as_millisecond());
        let last = after.map_or(i64::MAX, |t| t.timestamp().as_millisecond());
        self.known = first.saturating_add(offset_ms + MARGIN_MS)..last.saturating_add(offset_ms - MARGIN_MS);
        self.offset_ms = offset_ms;
        Some(wall_ms - offset_ms)
    }
}

fn civil_of(wall_ms: i64) -> Option<civil::DateTime> {
    civil::date(1970, 1, 1).at(0, 0, 0, 0).checked_add(SignedDuration::from_millis(wall_ms)).ok()
}

/// Milliseconds of a wall clock; `None` for a date or time that does not exist.
fn wall_ms(date: [i64; 3], time: [i64; 4]) -> Option<i64> {
    let [year, month, day] = date;
    let [hour, minute, second, milli] = time;
    if !(1970..=2200).contains(&year) || hour > 23 || minute > 59 || second > 59 || milli > 999 {
        return None;
    }
    let small = |n: i64| i8::try_from(n).ok();
    let date = civil::Date::new(i16::try_from(year).ok()?, small(month)?, small(day)?).ok()?;
    let days = i64::from(civil::date(1970, 1, 1).duration_until(date).as_hours() as i32 / 24);
    Some(days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + milli)
}

/// A whole number: a date and time written without separators if it reads as one, otherwise an epoch whose unit
/// its size suggests.
pub(crate) fn of_digits(value: i64) -> Option<Moment> {
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
        return ms.map(Moment::Wall);
    }
    let size = value.unsigned_abs();
    Some(if size < 100_000_000_000 {
        Moment::Instant(value * 1000, false)
    } else if size < 100_000_000_000_000 {
        Moment::Instant(value, false)
    } else if size < 100_000_000_000_000_000 {
        Moment::Instant(value.div_euclid(1000), value.rem_euclid(1000) != 0)
    } else {
        let finer = value.rem_euclid(1_000_000) != 0;
        Moment::Instant(value.div_euclid(1_000_000), finer)
    })
}

/// `YYYYMMDD` and `HHMMSS` as numbers.
fn compact_ms(date: i64, time: i64, milli: i64) -> Option<i64> {
    let date = [date / 10_000, date / 100 % 100, date % 100];
    wall_ms(date, [time / 10_000, time / 100 % 100, time % 100, milli])
}

/// Reads one text; the flag says whether something finer than a millisecond was left.
pub(crate) fn parse(text: &str) -> Option<(Moment, bool)> {
    let mut rest = Rest(text.trim().as_bytes());
    let all_digits = rest.0.iter().all(u8::is_ascii_digit);
    if all_digits && (8..=19).contains(&rest.0.len()) {
        return of_digits(text.trim().parse().ok()?).map(|moment| (moment, false));
    }
    let date = rest.date()?;
    if rest.0.is_empty() {
        return Some((Moment::Wall(wall_ms(date, [0; 4])?), false));
    }
    rest.take_one(b"Tt ")?;
    rest.skip_blanks();
    let (time, finer) = rest.time()?;
    let wall = wall_ms(date, time)?;
    rest.skip_blanks();
    match rest.0 {
        [] => Some((Moment::Wall(wall), finer)),
        b"Z" | b"z" | b"UTC" | b"GMT" => Some((Moment::Instant(wall, false), finer)),
        _ => {
            let offset_ms = rest.offset_ms()?;
            rest.0.is_empty().then_some((Moment::Instant(wall - offset_ms, false), finer))
        }
    }
}

/// What is left of a text.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take_one(&mut self, any_of: &[u8]) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        any_of.contains(&first).then(|| self.0 = rest)?;
        Some(first)
    }

    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_ascii_start();
    }

    /// A number of at least `least` and at most `most` digits.
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

    /// `YYYY-MM-DD`, `YYYY/M/D` or `YYYYMMDD`.
    fn date(&mut self) -> Option<[i64; 3]> {
        let year = self.digits(4, 4)?;
        let Some(separator) = self.take_one(b"-/") else {
            return Some([year, self.digits(2, 2)?, self.digits(2, 2)?]);
        };
        let month = self.digits(1, 2)?;
        self.take_one(&[separator])?;
        Some([year, month, self.digits(1, 2)?])
    }

    /// `HH:MM[:SS[.fraction]]` or `HHMM[SS[.fraction]]`; the flag says whether the fraction is finer than a millisecond.
    fn time(&mut self) -> Option<([i64; 4], bool)> {
        let hour = self.digits(1, 2)?;
        let colon = self.take_one(b":").is_some();
        let minute = self.digits(2, 2)?;
        let more = if colon { self.take_one(b":").is_some() } else { self.0.first().is_some_and(u8::is_ascii_digit) };
        if !more {
            return Some(([hour, minute, 0, 0], false));
        }
        let second = self.digits(2, 2)?;
        if self.take_one(b".,").is_none() {
            return Some(([hour, minute, second, 0], false));
        }
        let written = self.0.len();
        let milli = self.digits(1, 3)?;
        let milli = milli * [100, 10, 1][written - self.0.len() - 1];
        let mut finer = false;
        while let Some(digit) = self.take_one(b"0123456789") {
            finer |= digit != b'0';
        }
        Some(([hour, minute, second, milli], finer))
    }

    /// `+HH`, `+HHMM`, `+HH:MM`, milliseconds east.
    fn offset_ms(&mut self) -> Option<i64> {
        let sign = if self.take_one(b"+-")? == b'-' { -1 } else { 1 };
        let hours = self.digits(2, 2)?;
        let minutes = if self.0.is_empty() {
            0
        } else {
            let _ = self.take_one(b":");
            self.digits(2, 2)?
        };
        (hours <= 26 && minutes <= 59).then_some(sign * (hours * 60 + minutes) * 60_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds of an RFC 3339 time, by jiff.
    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn texts_and_digits() {
        let at = ms("2024-03-01T09:31:00Z");
        let wall = |add: i64| Some((Moment::Wall(at + add), false));
        let instant = |add: i64| Some((Moment::Instant(at + add, false), false));
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
            ("20240301 09:31:00", wall(0)),
            ("20240301 0931", wall(0)),
            ("202403010931", wall(0)),
            ("20240301093100", wall(0)),
            ("20240301093100250", wall(250)),
            ("2024-03-01", wall(-(9 * 60 + 31) * 60_000)),
            ("20240301", wall(-(9 * 60 + 31) * 60_000)),
            ("2024-02-29 24:00", None),
            ("2023-02-29 09:31", None),
            ("2024-13-01 09:31", None),
            ("2024-03-01 09:60", None),
            ("2024-03/01 09:31", None),
            ("2024-03-01 09:31 PM", None),
            ("2024-03-01 09:31:00+8", None),
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
        assert_eq!(finer, Some((Moment::Instant(at, false), true)));
    }

    #[test]
    fn wall_clocks_near_a_change_of_offset() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let mut clock = WallClock::new(zone);
        let cases = [
            ("2024-03-10T01:59:00Z", Some("2024-03-10T06:59:00Z")),
            ("2024-03-10T02:30:00Z", None),
            ("2024-03-10T03:00:00Z", Some("2024-03-10T07:00:00Z")),
            ("2024-07-01T09:30:00Z", Some("2024-07-01T13:30:00Z")),
            ("2024-11-03T00:59:00Z", Some("2024-11-03T04:59:00Z")),
            ("2024-11-03T01:30:00Z", Some("2024-11-03T05:30:00Z")),
            ("2024-11-03T02:00:00Z", Some("2024-11-03T07:00:00Z")),
            ("2024-12-02T09:30:00Z", Some("2024-12-02T14:30:00Z")),
        ];
        for (wall, instant) in cases.iter().chain(cases.iter().rev()) {
            assert_eq!(clock.utc_ms(ms(wall)), instant.map(ms), "{wall}");
        }
    }

    #[test]
    fn every_half_hour_of_ten_years_as_jiff_has_it() {
        for name in ["America/New_York", "Asia/Shanghai", "Europe/London", "UTC"] {
            let zone = TimeZone::get(name).unwrap();
            let mut clock = WallClock::new(zone.clone());
            for half_hour in 0..48 * 366 * 10 {
                let wall = ms("2005-01-01T00:00:00Z") + half_hour * 1_800_000;
                let ambiguous = zone.to_ambiguous_timestamp(civil_of(wall).unwrap());
                let expected = match ambiguous.offset() {
                    AmbiguousOffset::Gap { .. } => None,
                    _ => Some(ambiguous.earlier().unwrap().as_millisecond()),
                };
                assert_eq!(clock.utc_ms(wall), expected, "{name}, half-hour {half_hour}");
            }
        }
    }
}
