//! Trading days: a table of the hard cases of every preset, and properties of any instant.

use std::collections::BTreeSet;

use barbus_bars::{Calendar, CalendarSpec, Date, PRESETS};
use jiff::ToSpan;
use jiff::civil::DateTime;
use proptest::prelude::*;

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

/// The instant at which the calendar's clock shows `wall`, such as `2024-03-01 21:01`.
fn instant(calendar: &Calendar, wall: &str) -> i64 {
    let wall: DateTime = wall.replacen(' ', "T", 1).parse().unwrap();
    let zoned = wall.to_zoned(calendar.zone().clone()).unwrap();
    zoned.timestamp().as_millisecond()
}

/// An instant in UTC.
fn utc(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

// Promise 7: the archive keeps a bar under its trading day, so the hard cases must be right.
#[test]
fn days_of_bars_that_end_at_a_wall_clock_time() {
    let cases = [
        // Shanghai and Shenzhen: the civil date, with trading or without.
        ("XSHG", "2022-03-01 09:31", "2022-03-01"),
        ("XSHG", "2022-03-01 15:00", "2022-03-01"),
        ("XSHG", "2022-03-02 00:00", "2022-03-01"), // exactly on the boundary
        ("XSHG", "2022-03-02 00:01", "2022-03-02"),
        ("XSHG", "2024-03-02 10:00", "2024-03-02"), // Saturday
        ("XSHG", "2024-10-01 10:00", "2024-10-01"), // National Day
        ("XSHE", "2022-03-01 13:01", "2022-03-01"),
        // Chinese futures: the night belongs to the next trading day.
        ("CN-FUTURES", "2024-03-01 09:01", "2024-03-01"),
        ("CN-FUTURES", "2024-03-01 15:15", "2024-03-01"),
        ("CN-FUTURES", "2024-03-01 18:00", "2024-03-01"), // exactly on the boundary
        ("CN-FUTURES", "2024-03-01 18:01", "2024-03-04"),
        ("CN-FUTURES", "2024-03-01 21:00", "2024-03-04"), // the opening auction, Friday night
        ("CN-FUTURES", "2024-03-02 02:30", "2024-03-04"), // the same night, now Saturday
        ("CN-FUTURES", "2024-03-03 12:00", "2024-03-04"), // stray, Sunday noon
        ("CN-FUTURES", "2024-03-04 09:01", "2024-03-04"),
        ("CN-FUTURES", "2024-03-04 21:01", "2024-03-05"), // Monday night
        ("CN-FUTURES", "2024-03-05 00:01", "2024-03-05"),
        ("CN-FUTURES", "2024-09-30 21:01", "2024-10-08"), // eve of National Day week
        ("CN-FUTURES", "2024-10-03 10:00", "2024-10-08"), // stray, within it
        ("CN-FUTURES", "2024-10-07 21:01", "2024-10-08"),
        ("CN-FUTURES", "2024-04-03 23:00", "2024-04-08"), // Qingming: Thursday, Friday, weekend
        ("CN-FUTURES", "2026-02-13 21:01", "2026-02-24"), // Spring Festival 2026
        // New York: extended hours within one civil date, in both halves of the year.
        ("XNYS", "2024-01-02 04:01", "2024-01-02"),
        ("XNYS", "2024-01-02 20:00", "2024-01-02"),
        ("XNYS", "2024-01-03 00:00", "2024-01-02"),
        ("XNYS", "2024-07-03 17:00", "2024-07-03"), // half-day
        ("XNYS", "2024-07-04 10:00", "2024-07-04"), // stray, holiday
        ("XNYS", "2024-03-08 19:59", "2024-03-08"), // around the change to summer time
        ("XNYS", "2024-03-10 10:00", "2024-03-10"),
        ("XNYS", "2024-03-11 04:01", "2024-03-11"),
        ("XNYS", "2024-11-01 20:00", "2024-11-01"), // around the change to winter time
        ("XNYS", "2024-11-03 12:00", "2024-11-03"),
        ("XNYS", "2024-11-04 04:01", "2024-11-04"),
        // CME: the day begins at 17:00 the evening before.
        ("CME", "2024-03-07 16:00", "2024-03-07"),
        ("CME", "2024-03-07 17:00", "2024-03-07"), // exactly on the boundary
        ("CME", "2024-03-07 17:01", "2024-03-08"),
        ("CME", "2024-03-08 16:00", "2024-03-08"),
        ("CME", "2024-03-10 17:01", "2024-03-11"), // Sunday evening, hours after the change to summer time
        ("CME", "2024-11-03 17:01", "2024-11-04"), // and to winter time
        ("CME", "2024-03-09 12:00", "2024-03-11"), // stray, Saturday
        ("CME", "2024-03-28 17:01", "2024-04-01"), // eve of Good Friday
        ("CME", "2024-03-29 10:00", "2024-04-01"), // stray, Good Friday
        ("CME", "2024-07-04 11:59", "2024-07-04"), // a shortened day is a trade date
        ("CME", "2024-07-04 17:01", "2024-07-05"),
        ("CME", "2024-11-28 10:00", "2024-11-28"), // Thanksgiving
        ("CME", "2024-12-24 17:01", "2024-12-26"), // Christmas
        ("CME", "2025-01-09 10:00", "2025-01-09"), // mourning stopped equities only
        ("CME", "2026-04-02 17:01", "2026-04-03"), // Good Friday with the payroll report
        ("CME", "2026-04-03 17:01", "2026-04-06"),
        // By trade dates, a session on a US holiday belongs to the next one.
        ("CME-TRADE-DATE", "2024-07-03 15:00", "2024-07-03"),
        ("CME-TRADE-DATE", "2024-07-03 17:01", "2024-07-05"),
        ("CME-TRADE-DATE", "2024-07-04 11:59", "2024-07-05"),
        ("CME-TRADE-DATE", "2024-07-04 17:01", "2024-07-05"),
        ("CME-TRADE-DATE", "2025-01-09 08:00", "2025-01-10"),
        // New York with overnight trading.
        ("XNYS-24", "2024-07-02 20:00", "2024-07-02"),
        ("XNYS-24", "2024-07-02 20:01", "2024-07-03"),
        ("XNYS-24", "2024-07-04 10:00", "2024-07-05"), // stray, holiday
        ("XNYS-24", "2024-07-07 20:01", "2024-07-08"), // Sunday evening
        // Midnight to midnight elsewhere; a stray bar has its own date.
        ("XHKG", "2024-09-06 10:00", "2024-09-06"),
        ("XHKG", "2024-09-07 10:00", "2024-09-07"),
        ("XTKS", "2024-11-05 15:30", "2024-11-05"),
        ("XLON", "2024-08-26 10:00", "2024-08-26"),
        ("XETR", "2024-12-30 14:00", "2024-12-30"),
        ("XNSE", "2024-11-01 18:30", "2024-11-01"),
        // All days alike.
        ("24x7", "2024-12-29 00:00", "2024-12-28"),
        ("24x7", "2024-12-29 00:01", "2024-12-29"), // Sunday
        ("24x7", "2024-12-25 23:59", "2024-12-25"),
    ];
    for (preset, wall, expected) in cases {
        let calendar = Calendar::preset(preset).unwrap();
        let frame = instant(&calendar, wall);
        let day = calendar.trading_day(frame);
        assert_eq!(day.date, date(expected), "{preset} {wall}");
        assert!(day.contains(frame), "{preset} {wall}");
    }
    for (preset, _) in PRESETS {
        assert!(cases.iter().any(|(name, ..)| name == preset), "{preset} has no case");
    }
}

#[test]
fn boundaries_and_closes_in_utc() {
    let cases = [
        // preset, a trading day, after, until, close
        ("XSHG", "2022-03-01", "2022-02-28T16:00:00Z", "2022-03-01T16:00:00Z", "2022-03-01T07:00:00Z"),
        // From Friday evening, over the weekend.
        ("CN-FUTURES", "2024-03-04", "2024-03-01T10:00:00Z", "2024-03-04T10:00:00Z", "2024-03-04T07:15:00Z"),
        // Winter, the day of the change (23 hours, a Sunday without trading), summer, the 25-hour
        // day.
        ("XNYS", "2024-03-08", "2024-03-08T05:00:00Z", "2024-03-09T05:00:00Z", "2024-03-09T01:00:00Z"),
        ("XNYS", "2024-03-10", "2024-03-10T05:00:00Z", "2024-03-11T04:00:00Z", "2024-03-11T04:00:00Z"),
        ("XNYS", "2024-03-11", "2024-03-11T04:00:00Z", "2024-03-12T04:00:00Z", "2024-03-12T00:00:00Z"),
        ("XNYS", "2024-11-03", "2024-11-03T04:00:00Z", "2024-11-04T05:00:00Z", "2024-11-04T05:00:00Z"),
        // Half-days: late trading ends at 17:00; CME stops at 12:15.
        ("XNYS", "2024-11-29", "2024-11-29T05:00:00Z", "2024-11-30T05:00:00Z", "2024-11-29T22:00:00Z"),
        ("CME", "2024-11-29", "2024-11-28T23:00:00Z", "2024-11-29T23:00:00Z", "2024-11-29T18:15:00Z"),
        // CME's Monday after each change starts on Friday evening, which has the other offset.
        ("CME", "2024-03-11", "2024-03-08T23:00:00Z", "2024-03-11T22:00:00Z", "2024-03-11T21:00:00Z"),
        ("CME", "2024-11-04", "2024-11-01T22:00:00Z", "2024-11-04T23:00:00Z", "2024-11-04T22:00:00Z"),
        ("24x7", "2024-02-29", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z", "2024-03-01T00:00:00Z"),
    ];
    for (preset, day, after, until, close) in cases {
        let calendar = Calendar::preset(preset).unwrap();
        let got = calendar.trading_day(utc(until));
        assert_eq!(got.date, date(day), "{preset}");
        assert_eq!((got.after_ms, got.until_ms), (utc(after), utc(until)), "{preset} {day}");
        assert_eq!(got.close_ms, utc(close), "{preset} {day} closes");
        assert_eq!(calendar.trading_day(utc(after) + 1), got, "{preset} {day}");
    }
}

#[test]
fn presets_have_their_holidays_and_names() {
    for (name, about) in PRESETS {
        let calendar = Calendar::preset(&name.to_lowercase()).unwrap();
        assert_eq!(calendar.name(), *name);
        assert!(!about.is_empty());
        assert_eq!(calendar.about(), *about);
        let expected = match *name {
            "24x7" => None,
            "XNYS" | "XNYS-24" => Some("2028-12-31"),
            "XSHG" | "XSHE" | "CN-FUTURES" | "XNSE" => Some("2026-12-31"),
            _ => Some("2027-12-31"),
        };
        assert_eq!(calendar.horizon(), expected.map(date), "{name}");
    }
    // Known numbers of trading days of whole years.
    let counts = [
        ("XSHG", 2015, 244),
        ("XSHG", 2024, 242),
        ("XSHG", 2025, 243),
        ("XNYS", 2008, 253),
        ("XNYS", 2012, 250), // Hurricane Sandy
        ("XNYS", 2024, 252),
        ("XNYS", 2025, 250),
        ("XNYS", 2027, 251),
        ("XNYS", 2028, 251),
        ("CME", 2024, 259),
        ("CME-TRADE-DATE", 2024, 252),
        ("24x7", 2024, 366),
    ];
    for (name, year, days) in counts {
        let calendar = Calendar::preset(name).unwrap();
        let year = Date::constant(year, 1, 1).series(1.day()).take_while(|d| d.year() == year);
        assert_eq!(year.filter(|d| calendar.is_trading_day(*d)).count(), days, "{name}");
    }
}

fn spec(text: &str) -> Result<Calendar, String> {
    let spec: CalendarSpec = toml::from_str(text).map_err(|e| e.message().to_owned())?;
    Calendar::from_spec(spec).map_err(|e| e.to_string())
}

#[test]
fn a_calendar_without_a_preset() {
    let gold = spec(
        r#"
        name = "gold"
        zone = "Asia/Shanghai"
        day_starts = "18:00"
        sessions = [["09:00", "15:30"], ["20:00", "02:30"]]
        weekend = ["friday", "Sat"]
        holidays = [2026-01-01, "2026-01-04"]
        half_days = { 2026-01-05 = "11:30" }
        "#,
    )
    .unwrap();
    assert_eq!((gold.name(), gold.zone_name()), ("gold", "Asia/Shanghai"));
    assert_eq!(gold.horizon(), Some(date("2026-01-04")));
    // Wednesday night to Monday: Thursday is a holiday, then the weekend and another holiday
    // follow.
    let day = gold.trading_day(instant(&gold, "2025-12-31 20:01"));
    assert_eq!(day.date, date("2026-01-05"));
    assert_eq!(day.close_ms, instant(&gold, "2026-01-05 11:30"));
    let day = gold.trading_day(instant(&gold, "2026-01-06 15:30"));
    assert_eq!(day.close_ms, instant(&gold, "2026-01-06 15:30"));

    // A day that starts in the morning belongs to its own date.
    let spec = spec("zone = \"UTC\"\nday_starts = \"08:00\"\nweekend = []\nsessions = [[\"08:00\", \"08:00\"]]");
    let morning = spec.unwrap();
    assert_eq!(morning.name(), "custom");
    assert_eq!(morning.horizon(), None);
    let day = morning.trading_day(utc("2026-01-05T08:00:00Z"));
    assert_eq!(day.date, date("2026-01-04"));
    assert_eq!(day.close_ms, day.until_ms);
    assert_eq!(morning.trading_day(utc("2026-01-05T08:01:00Z")).date, date("2026-01-05"));
}

#[test]
fn holidays_are_added_to_those_of_a_preset() {
    let next_year = spec(
        "preset = \"CN-FUTURES\"\nholidays = [2027-01-01]\nholidays_through = 2027-12-31\n[half_days]\n2027-02-05 = \"11:30\"",
    )
    .unwrap();
    assert_eq!(next_year.name(), "CN-FUTURES");
    assert_eq!(next_year.horizon(), Some(date("2027-12-31")));
    assert!(!next_year.is_trading_day(date("2026-10-01")), "the preset's own holidays remain");
    assert_eq!(next_year.trading_day(instant(&next_year, "2026-12-31 21:01")).date, date("2027-01-04"));
    let half = next_year.trading_day(instant(&next_year, "2027-02-05 09:01"));
    assert_eq!(half.close_ms, instant(&next_year, "2027-02-05 11:30"));
}

#[test]
fn impossible_settings_are_rejected_with_the_reason() {
    let sessions = "sessions = [[\"09:30\", \"16:00\"]]";
    let utc = |more: &str| format!("zone = \"UTC\"\n{more}");
    let cases = [
        (
            "preset = \"XNYSE\"".to_owned(),
            "unknown calendar \"XNYSE\": the known calendars are XSHG, XSHE, CN-FUTURES, XNYS, XNYS-24, XHKG, XTKS, XLON, XETR, XNSE, CME, CME-TRADE-DATE, 24x7: did you mean \"XNYS\"?",
        ),
        (
            "preset = \"moon\"".to_owned(),
            "unknown calendar \"moon\": the known calendars are XSHG, XSHE, CN-FUTURES, XNYS, XNYS-24, XHKG, XTKS, XLON, XETR, XNSE, CME, CME-TRADE-DATE, 24x7",
        ),
        (sessions.to_owned(), "the calendar has no zone: add the setting, or name a preset"),
        ("zone = \"UTC\"".to_owned(), "the calendar has no sessions: add the setting, or name a preset"),
        (utc("sessions = []"), "the calendar has no sessions: add the setting, or name a preset"),
        (
            format!("zone = \"Mars\"\n{sessions}"),
            "unknown time zone \"Mars\": give an IANA name such as \"Asia/Shanghai\" or \"UTC\"",
        ),
        (utc("sessions = [[\"9.30\", \"16:00\"]]"), "sessions: \"9.30\" is not a time of day such as \"09:30\""),
        (utc("sessions = [[\"09:30\", \"24:01\"]]"), "sessions: \"24:01\" is not a time of day such as \"09:30\""),
        (
            utc("sessions = [[\"21:00\", \"02:30\"]]"),
            "session 21:00 to 02:30 does not lie within one trading day, which starts at 00:00",
        ),
        (
            utc("sessions = [[\"09:30\", \"12:00\"], [\"11:00\", \"15:00\"]]"),
            "the session from 11:00 overlaps the one before it: correct one of them",
        ),
        (
            utc(&format!("{sessions}\nday_starts = \"24:00\"")),
            "day_starts: \"24:00\" is not a time of day such as \"09:30\"",
        ),
        (
            utc(&format!("{sessions}\nweekend = [\"saterday\"]")),
            "weekend: unknown day \"saterday\": did you mean \"saturday\"?",
        ),
        (
            utc(&format!("{sessions}\nweekend = [\"mon\",\"tue\",\"wed\",\"thu\",\"fri\",\"sat\",\"sun\"]")),
            "weekend has all days of the week: leave at least one for trading",
        ),
        (utc(&format!("{sessions}\nholidays = [1066-10-14]")), "holidays: 1066-10-14 is not between 1970 and 2200"),
        (utc(&format!("{sessions}\nholidays = [\"26-01-01\"]")), "\"26-01-01\" is not a date such as 2026-01-01"),
        (
            utc(&format!("{sessions}\nholidays = [2026-01-01T00:00:00]")),
            "\"2026-01-01T00:00:00\" is not a date such as 2026-01-01",
        ),
        (
            utc(&format!("{sessions}\n[half_days]\n2026-11-27 = \"1pm\"")),
            "half_days: \"1pm\" is not a time of day such as \"09:30\"",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(spec(&text).unwrap_err(), message, "{text}");
    }
    let unknown = spec("preset = \"XNYS\"\nholiday = []").unwrap_err();
    assert!(unknown.contains("unknown field `holiday`"), "{unknown}");
}

/// Calendars for the properties: every preset, and two whose days meet changes of the clock.
fn calendars() -> Vec<Calendar> {
    let mut all: Vec<Calendar> = PRESETS.iter().map(|(name, _)| Calendar::preset(name).unwrap()).collect();
    all.push(spec("zone = \"America/New_York\"\nday_starts = \"02:30\"\nsessions = [[\"03:00\", \"02:00\"]]").unwrap());
    // A zone that once skipped a whole date.
    all.push(spec("zone = \"Pacific/Apia\"\nday_starts = \"18:00\"\nsessions = [[\"18:00\", \"17:00\"]]").unwrap());
    all
}

/// Milliseconds from 1970-02 to 2200-11: the first and last days of the range are cut off.
const INSTANTS: std::ops::Range<i64> = 2_678_400_000..7_284_211_200_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    // Promise 7: days tile time: every bar has one day, and each day begins where the last one
    // ends.
    #[test]
    fn days_tile_time(frame_ms in INSTANTS) {
        for calendar in calendars() {
            let name = calendar.name();
            let day = calendar.trading_day(frame_ms);
            prop_assert!(day.contains(frame_ms), "{name}: {day:?}");
            prop_assert!(day.after_ms < day.close_ms && day.close_ms <= day.until_ms, "{name}: {day:?}");
            prop_assert_eq!(calendar.trading_day(day.after_ms + 1), day);
            prop_assert_eq!(calendar.trading_day(day.until_ms), day);
            let next = calendar.trading_day(day.until_ms + 1);
            prop_assert_eq!(next.after_ms, day.until_ms, "{}: {:?}", name, day);
            prop_assert!(next.date > day.date, "{name}: {day:?} {next:?}");
            let last = calendar.trading_day(day.after_ms);
            prop_assert_eq!(last.until_ms, day.after_ms);
            prop_assert!(last.date < day.date);
        }
    }

    #[test]
    fn later_bars_never_belong_to_earlier_days(a in INSTANTS, b in INSTANTS) {
        for calendar in calendars() {
            let (first, second) = (calendar.trading_day(a.min(b)), calendar.trading_day(a.max(b)));
            prop_assert!(first.date <= second.date);
            prop_assert!(first == second || first.until_ms <= second.after_ms);
        }
    }

    #[test]
    fn every_instant_has_a_day(frame_ms in any::<i64>()) {
        for calendar in calendars() {
            let day = calendar.trading_day(frame_ms);
            prop_assert!((1969..=2201).contains(&day.date.year()), "{day:?}");
        }
    }
}

#[test]
fn every_minute_around_the_changes_of_offset() {
    for calendar in calendars() {
        for noon in ["2011-12-30T12:00:00Z", "2024-03-10T12:00:00Z", "2024-11-03T12:00:00Z"] {
            let mut seen = BTreeSet::new();
            let mut before = calendar.trading_day(utc(noon) - 3 * 86_400_000);
            for minute in -3 * 1440..3 * 1440 {
                let frame = utc(noon) + minute * 60_000;
                let day = calendar.trading_day(frame);
                assert!(day.contains(frame));
                if day != before {
                    assert_eq!(day.after_ms, before.until_ms, "{} {day:?}", calendar.name());
                    assert!(seen.insert(day.date), "each day occurs once");
                    before = day;
                }
            }
            assert!(!seen.is_empty());
        }
    }
}
