//! Wall clocks of a time zone as instants.

use jiff::civil;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// Wall clocks within two days of a change of offset are looked up one by one: some occur twice,
/// some never.
const MARGIN_MS: i64 = 2 * 86_400_000;

/// When a clock shows a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WallTime {
    /// At one instant, milliseconds since 1970-01-01T00:00:00Z.
    Once(i64),
    /// At two instants, the earlier one first: clocks were set back.
    Twice(i64, i64),
    /// Never: clocks were set forward.
    Never,
}

/// Converts wall clocks of one zone to instants. Between two changes of offset it remembers the
/// offset: a look-up for each row would take most of a cast's time.
pub struct WallClock {
    zone: TimeZone,
    /// Wall clocks in this range, milliseconds, have `offset_ms`.
    known: std::ops::Range<i64>,
    offset_ms: i64,
}

impl WallClock {
    /// A clock that shows the time of `zone`.
    pub fn new(zone: TimeZone) -> WallClock {
        WallClock { zone, known: 0..0, offset_ms: 0 }
    }

    /// The instant at which the clock shows `wall_ms`; of two such instants the first.
    /// `None` where a change of offset skips this reading.
    pub fn utc_ms(&mut self, wall_ms: i64) -> Option<i64> {
        match self.read(wall_ms) {
            WallTime::Once(ms) | WallTime::Twice(ms, _) => Some(ms),
            WallTime::Never => None,
        }
    }

    /// The instants at which the clock shows `wall_ms`, milliseconds.
    pub fn read(&mut self, wall_ms: i64) -> WallTime {
        if self.known.contains(&wall_ms) {
            return WallTime::Once(wall_ms - self.offset_ms);
        }
        self.look_up(wall_ms).unwrap_or(WallTime::Never)
    }

    fn look_up(&mut self, wall_ms: i64) -> Option<WallTime> {
        let wall = civil_of(wall_ms)?;
        let ms_at = |offset: Offset| wall_ms - i64::from(offset.seconds()) * 1000;
        let offset = match self.zone.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Fold { before, after } => return Some(WallTime::Twice(ms_at(before), ms_at(after))),
            AmbiguousOffset::Gap { .. } => return None,
        };
        let offset_ms = i64::from(offset.seconds()) * 1000;
        let instant = Timestamp::from_millisecond(wall_ms - offset_ms).ok()?;
        // `preceding` does not return a change at the instant itself.
        let just_after = instant.checked_add(SignedDuration::from_secs(1)).ok()?;
        let before = self.zone.preceding(just_after).next();
        let after = self.zone.following(instant).next();
        let first = before.map_or(-i64::MAX, |t| t.timestamp().as_millisecond());
        let last = after.map_or(i64::MAX, |t| t.timestamp().as_millisecond());
        self.known = first.saturating_add(offset_ms + MARGIN_MS)..last.saturating_add(offset_ms - MARGIN_MS);
        self.offset_ms = offset_ms;
        Some(WallTime::Once(wall_ms - offset_ms))
    }
}

fn civil_of(wall_ms: i64) -> Option<civil::DateTime> {
    civil::date(1970, 1, 1).at(0, 0, 0, 0).checked_add(SignedDuration::from_millis(wall_ms)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds of an RFC 3339 time, by jiff.
    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
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
    fn agrees_with_jiff_on_every_half_hour_of_ten_years() {
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
