//! Reads the times of records as the ends of bars.
//!
//! A time is in one cell, or a date and a time of day are in two.
//! An offset in the value decides over every zone.

use barbus_bars::{
    FRAME, Fault, Moment, ParsedTime, WallClock, WallTime, end_of_last_second, is_valid_frame, parse_time,
    parse_time_integer,
};
use jiff::civil;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;

use crate::layout::description::Unit;
use crate::text::shortened;
use crate::values::cell::Cell;
use crate::values::clock_text::{DAY_MS, DateOrder, TimeDigits, date_ms, time_of_day, usual_time_of_day};
use crate::values::zone;

/// The length of a date such as `2023-05-09`.
const DATE_BYTES: usize = 10;
/// A longer text is no time.
const MAX_TEXT_BYTES: usize = 256;
/// Most characters of a value shown in a reason.
const MAX_VALUE_CHARS: usize = 80;

/// How times are read.
#[derive(Debug, Clone)]
pub(crate) struct FrameRule {
    /// The column with the time, or those with the date and the time of day.
    pub(crate) columns: Vec<usize>,
    /// Formats as of strftime, tried in their order; without one, every usual form.
    pub(crate) formats: Vec<String>,
    /// The order of dates with the year last.
    pub(crate) order: DateOrder,
    /// How times of day without colons are read.
    pub(crate) digits: TimeDigits,
    /// The unit of numbers; without one, their size decides.
    pub(crate) unit: Option<Unit>,
    /// The midnight from which numbers and times of day count, on the clock of the zone.
    pub(crate) midnight_ms: Option<i64>,
    /// The zone of times that carry none; `None` refuses them.
    pub(crate) zone: Option<TimeZone>,
    /// Epochs are of a wall clock in this zone.
    pub(crate) epoch_zone: Option<TimeZone>,
    /// Added to a time to get the end of its bar.
    pub(crate) shift_ms: i64,
    /// Length of a bar.
    pub(crate) interval_ms: i64,
    /// Whether a time in the last second of an interval means its end.
    pub(crate) last_second: bool,
}

/// The end of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame {
    /// At one instant.
    At(i64),
    /// At one of two instants, between which the wall clock does not decide.
    Twice(i64, i64),
}

/// Reads times by a rule.
pub(crate) struct FrameParser {
    rule: FrameRule,
    clock: Option<WallClock>,
    epoch_clock: Option<WallClock>,
    /// The last text of one column and its frame: many records have the same minute.
    last: (Vec<u8>, Option<(Frame, bool)>),
    /// The last date of two columns.
    last_date: (Vec<u8>, Option<i64>),
    /// The last date of a time in a usual form.
    usual_date: ([u8; DATE_BYTES], Option<i64>),
}

impl FrameParser {
    pub(crate) fn new(rule: FrameRule) -> FrameParser {
        FrameParser {
            clock: rule.zone.clone().map(WallClock::new),
            epoch_clock: rule.epoch_zone.clone().map(WallClock::new),
            rule,
            last: (Vec::new(), None),
            last_date: (Vec::new(), None),
            usual_date: ([0; DATE_BYTES], None),
        }
    }

    /// The end of the bar of a time in a usual form, which [`FrameParser::read`] reads too: `None`
    /// for any other, and for one that a clock did not show exactly once.
    #[inline]
    pub(crate) fn usual(&mut self, text: &[u8]) -> Option<i64> {
        if !self.rule.formats.is_empty() || self.rule.midnight_ms.is_some() {
            return None;
        }
        let (date, rest) = text.split_first_chunk::<DATE_BYTES>()?;
        if !date[4].is_ascii_digit() {
            let (between, time) = rest.split_first()?;
            if !matches!(between, b' ' | b'T' | b't') {
                return None;
            }
            if self.usual_date.0 != *date || self.usual_date.1.is_none() {
                self.usual_date = (*date, usual_date(date));
            }
            let midnight = self.usual_date.1?;
            return match time.strip_suffix(b"Z") {
                Some(time) => self.end(midnight + usual_time_of_day(time)?),
                None => self.end_of_wall(midnight + usual_time_of_day(time)?),
            };
        }
        // Seconds or milliseconds since 1970.
        let is_ms = match (text.len(), self.rule.unit) {
            (10, None | Some(Unit::S)) => false,
            (13, None | Some(Unit::Ms)) => true,
            _ => return None,
        };
        if self.epoch_clock.is_some() || text[0] == b'0' || !text.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let value = text.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
        self.end(if is_ms { value } else { value * 1000 })
    }

    /// As [`FrameParser::usual`] for a time of day in a column of its own, on the date of the row
    /// before.
    #[inline]
    pub(crate) fn usual_pair(&mut self, date: &[u8], time: &[u8]) -> Option<i64> {
        match self.last_date {
            (ref last, Some(midnight)) if **last == *date => self.end_of_wall(midnight + usual_time_of_day(time)?),
            _ => None,
        }
    }

    fn end_of_wall(&mut self, wall_ms: i64) -> Option<i64> {
        match self.clock.as_mut()?.read(wall_ms) {
            WallTime::Once(ms) => self.end(ms),
            WallTime::Twice(..) | WallTime::Never => None,
        }
    }

    /// The end of the bar of a time; `None` if no bar ends there.
    fn end(&self, ms: i64) -> Option<i64> {
        let rule = &self.rule;
        let ms = if rule.last_second { end_of_last_second(ms, rule.interval_ms) } else { ms };
        ms.checked_add(rule.shift_ms).filter(|ms| is_valid_frame(*ms))
    }

    /// The end of the bar whose time is in these cells, and whether they hold a date alone.
    ///
    /// # Errors
    /// A [`Fault`] for cells that are blank or no time.
    pub(crate) fn read(&mut self, cells: &[Cell<'_>]) -> Result<(Frame, bool), Fault> {
        if cells.iter().any(Cell::is_blank) {
            return Err(Fault::MissingValue { column: FRAME.to_owned() });
        }
        let parsed = match cells {
            [Cell::Text(text)] => {
                if let (known, Some(frame)) = &self.last
                    && **known == **text
                {
                    return Ok(*frame);
                }
                let frame = self.frame(self.parse_cell(&cells[0]), cells)?;
                self.last.0.clear();
                self.last.0.extend_from_slice(text);
                self.last.1 = Some(frame);
                return Ok(frame);
            }
            [cell] => self.parse_cell(cell),
            [date, time] => self.parse_pair(date, time),
            _ => None,
        };
        self.frame(parsed, cells)
    }

    fn frame(&mut self, parsed: Option<Found>, cells: &[Cell<'_>]) -> Result<(Frame, bool), Fault> {
        let found = parsed.ok_or_else(|| unreadable(cells))?;
        let frame = match (found.time.moment, found.zone) {
            (Moment::Instant(ms), _) => match &mut self.epoch_clock {
                Some(clock) if found.is_epoch => clock.read(ms),
                _ => WallTime::Once(ms),
            },
            (Moment::WallClock(ms), Some(zone)) => WallClock::new(zone).read(ms),
            (Moment::WallClock(ms), None) => match &mut self.clock {
                Some(clock) => clock.read(ms),
                None => return Err(no_zone(cells)),
            },
        };
        if found.time.sub_millisecond && !self.rule.last_second {
            return Err(Fault::OffInterval);
        }
        let frame = match frame {
            WallTime::Once(ms) => self.end(ms).map(Frame::At),
            WallTime::Twice(first, second) => self.end(first).zip(self.end(second)).map(|(a, b)| Frame::Twice(a, b)),
            WallTime::Never => None,
        };
        Ok((frame.ok_or_else(|| unreadable(cells))?, found.time.date_only))
    }

    fn parse_cell(&self, cell: &Cell<'_>) -> Option<Found> {
        match cell {
            Cell::Missing | Cell::Truth(_) => None,
            Cell::Time(time) => Some(Found::plain(*time)),
            Cell::Integer(value) => self.parse_number(*value),
            Cell::Float(value) => self.parse_float(*value),
            Cell::Text(bytes) => {
                if bytes.len() > MAX_TEXT_BYTES {
                    return None;
                }
                self.parse_text(std::str::from_utf8(bytes).ok()?.trim())
            }
        }
    }

    fn parse_number(&self, value: i64) -> Option<Found> {
        if let Some(midnight) = self.rule.midnight_ms {
            let in_unit = match self.rule.unit {
                Some(unit) => in_ms(value, unit)?,
                None => ParsedTime::exact(Moment::WallClock(time_of_day(&value.to_string(), self.rule.digits)?.0)),
            };
            let (Moment::Instant(ms) | Moment::WallClock(ms)) = in_unit.moment;
            return Some(Found::plain(ParsedTime { moment: Moment::WallClock(midnight.checked_add(ms)?), ..in_unit }));
        }
        let time = match self.rule.unit {
            Some(unit) => in_ms(value, unit)?,
            None => parse_time_integer(value)?,
        };
        Some(Found { time, zone: None, is_epoch: true })
    }

    /// A float that is an epoch with or without a fraction.
    fn parse_float(&self, value: f64) -> Option<Found> {
        if !value.is_finite() || value.abs() >= 9.2e18 {
            return None;
        }
        if value.fract() == 0.0 {
            return self.parse_number(value as i64);
        }
        // Only seconds have fractions that a float can hold.
        let ms = (value * 1000.0).round();
        (value.abs() < 1e11 && self.rule.midnight_ms.is_none()).then(|| Found {
            time: ParsedTime {
                sub_millisecond: (ms / 1000.0 - value).abs() > 1e-6,
                ..ParsedTime::exact(Moment::Instant(ms as i64))
            },
            zone: None,
            is_epoch: true,
        })
    }

    fn parse_text(&self, text: &str) -> Option<Found> {
        if !self.rule.formats.is_empty() {
            return self.rule.formats.iter().find_map(|format| by_format(format, text));
        }
        let all_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        if all_digits && (self.rule.unit.is_some() || self.rule.midnight_ms.is_some()) {
            return self.parse_number(text.parse().ok()?);
        }
        if let Some(midnight) = self.rule.midnight_ms {
            let (ms, sub_millisecond) = time_of_day(text, self.rule.digits)?;
            let time = ParsedTime { sub_millisecond, ..ParsedTime::exact(Moment::WallClock(midnight + ms)) };
            return Some(Found::plain(time));
        }
        if let Some(time) = parse_time(text) {
            return Some(Found { time, zone: None, is_epoch: all_digits });
        }
        if text.starts_with(|letter: char| letter.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_digit() || b".eE+".contains(&byte))
            && let Ok(value) = text.parse::<f64>()
            && value >= 1e8
        {
            return self.parse_float(value);
        }
        self.parse_loose(text)
    }

    /// Dates with the year last, months as words, and zones by name behind the time.
    fn parse_loose(&self, text: &str) -> Option<Found> {
        // As Java writes an instant: 2023-05-09T09:30-04:00[America/New_York].
        if let Some((time, _)) = text.strip_suffix(']').and_then(|text| text.split_once('[')) {
            return parse_time(time).map(Found::plain);
        }
        let Some(colon) = text.find(':') else {
            return Some(Found::plain(ParsedTime::midnight(date_ms(text, self.rule.order)?)));
        };
        let start = text[..colon].rfind([' ', 'T', ','])?;
        let (date, rest) = (&text[..start], text[start + 1..].trim_start());
        let date = date_ms(date.trim_end_matches([' ', ',']), self.rule.order)?;
        let mut words = rest.split(' ').filter(|word| !word.is_empty());
        let mut time = words.next()?.to_owned();
        let mut next = words.next();
        if let Some(half) = next.filter(|word| word.eq_ignore_ascii_case("AM") || word.eq_ignore_ascii_case("PM")) {
            time.push_str(half);
            next = words.next();
        }
        let (ms, sub_millisecond) = time_of_day(&time, self.rule.digits)?;
        let wall = ParsedTime { sub_millisecond, ..ParsedTime::exact(Moment::WallClock(date + ms)) };
        if words.next().is_some() {
            return None;
        }
        match next {
            None => Some(Found::plain(wall)),
            Some(word) => Some(Found { time: wall, zone: Some(zone::named(word)?), is_epoch: false }),
        }
    }

    fn parse_pair(&mut self, date: &Cell<'_>, time: &Cell<'_>) -> Option<Found> {
        let (date, time) = (text_of_date(date)?, time.text()?);
        if self.last_date.0 != date.as_bytes() || self.last_date.1.is_none() {
            // A date may come with a midnight that says nothing: 2023-05-09 00:00:00.
            let day = date.trim().trim_end_matches(" 00:00:00").trim_end_matches("T00:00:00");
            self.last_date = (date.as_bytes().to_vec(), Some(self.date(day)?));
        }
        let day = self.last_date.1?;
        let time = time.trim();
        let (time, zone) = match time.split_once(' ') {
            Some((_, half)) if half.eq_ignore_ascii_case("AM") || half.eq_ignore_ascii_case("PM") => (time, None),
            Some((time, name)) => (time, Some(zone::named(name)?)),
            None => (time, None),
        };
        // Programs that know no times print 09:31 as 931 and, as a float, as 931.0.
        let time = time.strip_suffix(".0").filter(|time| !time.contains(':')).unwrap_or(time);
        let (ms, sub_millisecond) = time_of_day(time, self.rule.digits)?;
        let wall = ParsedTime { sub_millisecond, ..ParsedTime::exact(Moment::WallClock(day + ms)) };
        Some(Found { time: wall, zone, is_epoch: false })
    }

    /// The midnight of the date in a column of its own.
    fn date(&self, text: &str) -> Option<i64> {
        let date_format = self.rule.formats.iter().find_map(|format| by_format(format, text));
        let by_format = date_format.map(|found| match found.time.moment {
            Moment::WallClock(ms) | Moment::Instant(ms) => ms.div_euclid(DAY_MS) * DAY_MS,
        });
        by_format.or_else(|| date_ms(text, self.rule.order))
    }
}

/// The midnight of a date such as `2023-05-09`, as [`parse_time`] reads it.
fn usual_date(date: &[u8; DATE_BYTES]) -> Option<i64> {
    let is_usual = |(i, byte): (usize, &u8)| match i {
        4 | 7 => b"-/.".contains(byte) && *byte == date[4],
        _ => byte.is_ascii_digit(),
    };
    if !date.iter().enumerate().all(is_usual) {
        return None;
    }
    match parse_time(std::str::from_utf8(date).ok()?)? {
        ParsedTime { moment: Moment::WallClock(ms), date_only: true, .. } => Some(ms),
        _ => None,
    }
}

/// A time that was read.
struct Found {
    time: ParsedTime,
    /// The zone in the value.
    zone: Option<TimeZone>,
    /// Whether the value is a number since 1970.
    is_epoch: bool,
}

impl Found {
    fn plain(time: ParsedTime) -> Found {
        Found { time, zone: None, is_epoch: false }
    }
}

/// The text of a date; a typed date as `YYYY-MM-DD`.
fn text_of_date<'a>(cell: &'a Cell<'_>) -> Option<std::borrow::Cow<'a, str>> {
    match cell {
        Cell::Time(time) => {
            let (Moment::Instant(ms) | Moment::WallClock(ms)) = time.moment;
            let days = ms.div_euclid(DAY_MS);
            Some(barbus_bars::date_from_epoch_days(days).to_string().into())
        }
        other => other.text(),
    }
}

fn in_ms(value: i64, unit: Unit) -> Option<ParsedTime> {
    let (ms, rest) = match unit {
        Unit::S => (value.checked_mul(1000)?, 0),
        Unit::Ms => (value, 0),
        Unit::Us => (value.div_euclid(1000), value.rem_euclid(1000)),
        Unit::Ns => (value.div_euclid(1_000_000), value.rem_euclid(1_000_000)),
    };
    Some(ParsedTime { sub_millisecond: rest != 0, ..ParsedTime::exact(Moment::Instant(ms)) })
}

/// The time in a text of this format.
fn by_format(format: &str, text: &str) -> Option<Found> {
    let broken = BrokenDownTime::parse(format, text).ok()?;
    let ms_of = |time: civil::DateTime| {
        let since = civil::date(1970, 1, 1).at(0, 0, 0, 0).duration_until(time);
        (since.as_millis() as i64, since.subsec_nanos() % 1_000_000 != 0)
    };
    if broken.offset().is_some()
        && let Ok(instant) = broken.to_timestamp()
    {
        let sub_millisecond = instant.subsec_nanosecond() % 1_000_000 != 0;
        let time = ParsedTime { sub_millisecond, ..ParsedTime::exact(Moment::Instant(instant.as_millisecond())) };
        return Some(Found::plain(time));
    }
    if broken.hour().is_none() {
        let (ms, _) = ms_of(broken.to_date().ok()?.at(0, 0, 0, 0));
        return Some(Found::plain(ParsedTime::midnight(ms)));
    }
    let (ms, sub_millisecond) = ms_of(broken.to_datetime().ok()?);
    Some(Found::plain(ParsedTime { sub_millisecond, ..ParsedTime::exact(Moment::WallClock(ms)) }))
}

fn shown(cells: &[Cell<'_>]) -> String {
    let texts: Vec<String> = cells
        .iter()
        .map(|cell| match cell {
            Cell::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Cell::Time(time) => {
                let (Moment::Instant(ms) | Moment::WallClock(ms)) = time.moment;
                jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| at.to_string())
            }
            other => other.text().unwrap_or_default().into_owned(),
        })
        .collect();
    shortened(&texts.join(" "), MAX_VALUE_CHARS)
}

fn unreadable(cells: &[Cell<'_>]) -> Fault {
    Fault::Unparseable { column: FRAME.to_owned(), text: shown(cells) }
}

fn no_zone(cells: &[Cell<'_>]) -> Fault {
    let text = format!("{}, a time without a zone (give --zone),", shown(cells));
    Fault::Unparseable { column: FRAME.to_owned(), text }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;

    fn rule(zone: &str) -> FrameRule {
        FrameRule {
            columns: vec![0],
            formats: Vec::new(),
            order: DateOrder::YearMonthDay,
            digits: TimeDigits::HoursMinutes,
            unit: None,
            midnight_ms: None,
            zone: TimeZone::get(zone).ok(),
            epoch_zone: None,
            shift_ms: 0,
            interval_ms: 60_000,
            last_second: false,
        }
    }

    fn text(text: &str) -> Cell<'_> {
        Cell::Text(Cow::Borrowed(text.as_bytes()))
    }

    fn utc(ms: i64) -> String {
        jiff::Timestamp::from_millisecond(ms).unwrap().to_string()
    }

    fn one(rule: FrameRule, value: Cell<'_>) -> Option<String> {
        match FrameParser::new(rule).read(&[value]) {
            Ok((Frame::At(ms), _)) => Some(utc(ms)),
            _ => None,
        }
    }

    #[test]
    fn times_of_vendors_are_read() {
        let expected = Some("2023-05-09T13:30:00Z".to_owned());
        for value in [
            "2023-05-09 09:30",
            "1683639000",
            "1683639000.0",
            "1.683639e9",
            "20230509 09:30:00 US/Eastern",
            "20230509  09:30:00",
            "9-May-2023 9:30 AM",
            "2023-05-09T09:30-04:00[America/New_York]",
            "2023.05.09 09:30",
            "20230509 093000",
            "2023-05-09 15:30:00 GMT+0200",
        ] {
            assert_eq!(one(rule("America/New_York"), text(value)), expected, "{value}");
        }
        assert_eq!(one(rule("America/New_York"), Cell::Float(1_683_639_000.0)), expected);
        assert_eq!(one(rule("America/New_York"), Cell::Integer(1_683_639_000_000)), expected);
        let month = FrameRule { order: DateOrder::MonthDayYear, ..rule("America/New_York") };
        assert_eq!(one(month, text("05/09/2023 9:30:00 AM")), expected);
        for wrong in ["05/09/2023 09:30", "9:30", "311.52", "2023-05-09 09:30 Mars/Phobos", "word", "-"] {
            assert_eq!(one(rule("UTC"), text(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn formats_midnights_units_and_epochs_of_a_wall_clock_are_obeyed() {
        let formats = vec!["%d/%m/%Y %H:%M".to_owned()];
        let by_format = FrameRule { formats, ..rule("UTC") };
        assert_eq!(one(by_format.clone(), text("09/05/2023 09:31")).as_deref(), Some("2023-05-09T09:31:00Z"));
        assert_eq!(one(by_format, text("2023-05-09 09:31")), None);
        let midnight_ms = Some(1_683_590_400_000);
        let lean = FrameRule { midnight_ms, unit: Some(Unit::Ms), ..rule("America/New_York") };
        assert_eq!(one(lean, text("34200000")).as_deref(), Some("2023-05-09T13:30:00Z"));
        let athens = FrameRule { epoch_zone: TimeZone::get("Europe/Athens").ok(), ..rule("UTC") };
        assert_eq!(one(athens.clone(), text("1683639000")).as_deref(), Some("2023-05-09T10:30:00Z"));
        assert_eq!(one(athens, text("2023-05-09T10:30:00Z")).as_deref(), Some("2023-05-09T10:30:00Z"));
        let closes = FrameRule { last_second: true, ..rule("UTC") };
        assert_eq!(one(closes, text("1683639059999")).as_deref(), Some("2023-05-09T13:31:00Z"));
    }

    /// Promise 9: a time that a clock showed twice is not silently one of the two instants.
    #[test]
    fn dates_and_times_apart_and_repeated_hours_are_read() {
        let mut parser = FrameParser::new(rule("Europe/Berlin"));
        let mut pair = |date, time| parser.read(&[text(date), text(time)]).map(|(frame, _)| frame);
        assert_eq!(pair("2023-05-09", "09:31"), Ok(Frame::At(1_683_617_460_000)));
        assert_eq!(pair("2023-05-09 00:00:00", "931"), Ok(Frame::At(1_683_617_460_000)));
        assert_eq!(pair("2023-10-29", "02:30"), Ok(Frame::Twice(1_698_539_400_000, 1_698_543_000_000)));
        assert!(pair("2023-03-26", "02:30").is_err(), "clocks skipped this time");
        assert!(pair("2023-05-09", "").is_err() && pair("2023-05-09", "25:00").is_err());
    }

    proptest! {
        /// Promise 9: a time in a usual form is read as any other time.
        #[test]
        fn usual_times_are_read_alike(
            texts in proptest::collection::vec(
                "(2023|1969|0000)[-/.](03|10|02|13)[-/.](26|29|30)[ Tt](0[0-4]|2[0-5]):[0-6][0-9](:[0-6][0-9])?Z?|[0-9]{9,14}|[0-9:Z -]{10,20}",
                1..4,
            ),
            unit in prop_oneof![Just(None), Just(Some(Unit::S)), Just(Some(Unit::Ms)), Just(Some(Unit::Ns))],
            midnight_ms in prop_oneof![5 => Just(None), 1 => Just(Some(1_683_590_400_000))],
            athens in any::<bool>(),
            last_second in any::<bool>(),
        ) {
            let epoch_zone = if athens { TimeZone::get("Europe/Athens").ok() } else { None };
            let rule = FrameRule { unit, midnight_ms, epoch_zone, last_second, shift_ms: 60_000, ..rule("Europe/Berlin") };
            let mut parser = FrameParser::new(rule.clone());
            for value in texts {
                if let Some(ms) = parser.usual(value.as_bytes()) {
                    let read = FrameParser::new(rule.clone()).read(&[text(&value)]);
                    prop_assert_eq!(read, Ok((Frame::At(ms), false)), "{}", value);
                }
            }
        }
    }

    #[test]
    fn usual_forms_are_read_in_fewer_steps() {
        let mut parser = FrameParser::new(rule("UTC"));
        for value in ["2023-05-09 09:31", "2023-05-09T09:31:00Z", "2023.05.09 09:31:00", "1683624660", "1683624660000"]
        {
            assert_eq!(parser.usual(value.as_bytes()), Some(1_683_624_660_000), "{value}");
        }
        assert_eq!(parser.usual_pair(b"2023-05-09", b"09:31"), None, "the date is not known yet");
        parser.read(&[text("2023-05-09"), text("09:30")]).unwrap();
        assert_eq!(parser.usual_pair(b"2023-05-09", b"09:31"), Some(1_683_624_660_000));
    }

    #[test]
    fn a_date_alone_is_marked() {
        let mut parser = FrameParser::new(rule("UTC"));
        for (value, date_only) in [("2023-05-09", true), ("20230509", true), ("2023-05-09 00:00", false)] {
            assert_eq!(parser.read(&[text(value)]).unwrap().1, date_only, "{value}");
        }
    }
}
