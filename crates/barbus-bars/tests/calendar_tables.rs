//! Tables in TOML: what they can change, and the line of a fault in them.

use barbus_bars::{Calendar, CalendarTables, Date};

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

/// The built-in tables and one more.
fn with(text: &str) -> CalendarTables {
    let mut tables = CalendarTables::built_in();
    tables.add("calendar.d/1.toml", text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    tables
}

/// The sessions of a day as `name start minutes`, the start in UTC.
fn sessions(calendar: &Calendar, day: &str) -> Vec<String> {
    let sessions = calendar.sessions(date(day));
    let time = |ms| jiff::Timestamp::from_millisecond(ms).unwrap().strftime("%H:%M").to_string();
    sessions.iter().map(|s| format!("{} {} {}", s.name, time(s.start_ms), s.minutes().count())).collect()
}

#[test]
fn a_file_extends_a_table_and_those_that_rest_on_it() {
    let text =
        "name = \"XSHG\"\npreset = \"XSHG\"\nholidays = [2027-02-05, 2027-02-08]\nholidays_through = 2027-12-31\n";
    let tables = with(text);
    for name in ["XSHG", "XSHE", "CN-FUTURES"] {
        let calendar = tables.calendar(name).unwrap();
        assert_eq!(calendar.name(), name);
        assert_eq!(calendar.horizon(), Some(date("2027-12-31")), "{name}");
        assert!(!calendar.is_trading_day(date("2027-02-08")), "{name}");
        assert!(!calendar.is_trading_day(date("2027-01-01")), "{name} keeps what was known");
    }
}

#[test]
fn a_file_replaces_a_table_or_adds_one() {
    let text = "name = \"XSHG\"\nzone = \"Asia/Shanghai\"\nsessions = [[\"10:00\", \"11:00\"]]\n";
    let tables = with(text);
    let calendar = tables.calendar("xshg").unwrap();
    assert_eq!(calendar.minutes(date("2026-10-01")).len(), 60, "the built-in holidays are gone");
    let mut tables = with("name = \"GOLD\"\npreset = \"CN-FUTURES\"\nabout = \"gold\"\n");
    assert!(tables.calendar("gold").unwrap().is_trading_day(date("2026-10-08")));
    assert!(tables.names().any(|(name, about)| name == "GOLD" && about == "gold"));
    // A second file extends the first one's table.
    tables.add("2.toml", "name = \"GOLD\"\npreset = \"GOLD\"\nholidays = [2026-10-08]\n").unwrap();
    assert!(!tables.calendar("gold").unwrap().is_trading_day(date("2026-10-08")));
}

#[test]
fn a_holiday_is_taken_back_and_declared() {
    let tables = with("name = \"CN-FUTURES\"\npreset = \"CN-FUTURES\"\ntrading_days = [2026-10-01, 2026-10-10]\n");
    let calendar = tables.calendar("CN-FUTURES").unwrap();
    assert!(calendar.is_trading_day(date("2026-10-01")));
    // The night before it takes place again, and a Saturday trades.
    assert_eq!(sessions(&calendar.of_symbol("au2612"), "2026-10-01")[0], "night 13:00 330");
    assert!(calendar.is_trading_day(date("2026-10-10")));
    // Mourning on a day that would have closed early.
    let tables = with("name = \"CME\"\npreset = \"CME\"\nholidays = [2026-12-24]\n");
    assert!(!tables.calendar("CME").unwrap().is_trading_day(date("2026-12-24")));
}

#[test]
fn single_dates_have_other_sessions() {
    let text = r#"
name = "XNSE"
preset = "XNSE"

[[extra_sessions]]
date = 2026-11-08              # Sunday: Muhurat
name = "muhurat"
start = "18:00"
end = "19:00"

[[extra_sessions]]
date = 2026-11-09
start = "18:00"
end = "18:30"

[[special_days]]
dates = [2026-11-11]
sessions = [["12:00", "13:00"]]

[half_days]
2026-11-12 = "12:15"
"#;
    let calendar = with(text).calendar("XNSE").unwrap();
    assert_eq!(sessions(&calendar, "2026-11-08"), ["muhurat 12:30 60"]);
    let expected = ["pre-open 03:30 15", "regular 03:45 375", "closing 10:10 20", "extra 12:30 30"];
    assert_eq!(sessions(&calendar, "2026-11-09"), expected);
    assert_eq!(sessions(&calendar, "2026-11-11"), ["session 1 06:30 60"]);
    assert_eq!(sessions(&calendar, "2026-11-12"), ["pre-open 03:30 15", "regular 03:45 180"]);
    let day = calendar.trading_day(jiff::Timestamp::from_second(1_794_141_000).unwrap().as_millisecond());
    assert_eq!(day.date, date("2026-11-08"), "the session's bars belong to its date");
}

#[test]
fn groups_have_hours_of_their_own() {
    let text = r#"
name = "CN-FUTURES"
preset = "CN-FUTURES"

[[groups]]
name = "day"
symbols = ["jd", "lh"]
sessions = [["09:00", "10:00"]]

[[groups]]
name = "new"
symbols = ["zz"]
sessions = [{ name = "all", start = "09:00", end = "15:00" }]
holidays = [2026-11-10]
half_days = { 2026-11-11 = "11:00" }
"#;
    let calendar = with(text).calendar("CN-FUTURES").unwrap();
    assert_eq!(calendar.of_symbol("jd2701").minutes(date("2026-11-12")).len(), 60);
    let group = calendar.of_symbol("zz2701");
    assert_eq!(group.group(), Some("new"));
    let minutes = ["2026-11-10", "2026-11-11", "2026-11-12"].map(|day| group.minutes(date(day)).len());
    assert_eq!(minutes, [0, 120, 360]);
    assert_eq!(calendar.of_symbol("rb2701").group(), Some("night-2300"), "the others remain");
}

#[test]
fn faults_name_their_line() {
    let own = "name = \"T\"\nzone = \"UTC\"\nsessions = [[\"09:30\", \"16:00\"]]\n";
    let extends = "name = \"XSHG\"\npreset = \"XSHG\"\n";
    let cases = [
        (format!("{own}holidays = [\n  2026-01-01,\n  2026-02-30,\n]\n"), "line 6: "),
        (format!("{own}holidays = [\n  2026-01-01,\n  \"2026-02-30\",\n]\n"), "\"2026-02-30\" is not a date"),
        (
            "name = \"T\"\nzone = \"UTC\"\nsessions = [\n  [\"09:30\", \"12:00\"],\n  [\"11:00\", \"15:00\"],\n]\n"
                .to_owned(),
            "line 5: the session from 11:00 overlaps the one before it: correct one of them",
        ),
        (
            "name = \"T\"\nzone = \"UTC\"\nsessions = [\n  [\"21:00\", \"02:30\"],\n]\n".to_owned(),
            "line 4: session 21:00 to 02:30 does not lie within one trading day, which starts at 00:00",
        ),
        (
            "name = \"T\"\nzone = \"UTC\"\nday_starts = \"18:00\"\nsessions = [[\"17:00\", \"19:00\"]]\n".to_owned(),
            "line 4: session 17:00 to 19:00 does not lie within one trading day, which starts at 18:00",
        ),
        ("name = \"T\"\npreset = \"XSHH\"\n".to_owned(), "line 2: unknown calendar \"XSHH\": the known calendars are "),
        (
            "name = \"T\"\n# The zone.\nzone = \"Asia/Shangai\"\nsessions = [[\"09:30\", \"16:00\"]]\n".to_owned(),
            "line 3: unknown time zone \"Asia/Shangai\": give an IANA name",
        ),
        (
            format!("{own}holidays_through = 2026-06-30\nholidays = [2026-01-01, 2026-10-01]\n"),
            "line 4: holidays_through = 2026-06-30 is before the holiday 2026-10-01: write the last date that the list covers",
        ),
        (
            format!("{extends}[half_days]\n2026-09-30 = \"11:30\"\n2026-10-01 = \"11:30\"\n"),
            "line 5: half_days: 2026-10-01 is no trading day: remove it there, or write trading_days = [2026-10-01]",
        ),
        (
            format!("{own}holidays = [2026-01-02]\nhalf_days = {{ 2026-01-02 = \"12:00\" }}\n"),
            "line 5: half_days: 2026-01-02 is no trading day",
        ),
        (format!("{own}[half_days]\n2026-11-27 = \"1pm\"\n"), "line 5: half_days: \"1pm\" is not a time of day"),
        (
            format!("{own}trading_days = [2026-01-02]\nholidays = [2026-01-02]\n"),
            "line 4: trading_days: 2026-01-02 is in holidays as well: remove one of them",
        ),
        (
            format!("{own}merged_dates = [2026-01-02]\n"),
            "line 4: merged_dates: 2026-01-02 is a trading day: add it to holidays",
        ),
        (
            format!("{own}[[groups]]\nname = \"a\"\nsymbols = [\"X\"]\nsessions = [[\"25:00\", \"26:00\"]]\n"),
            "line 7: group \"a\": sessions: \"25:00\" is not a time of day",
        ),
        (
            format!("{own}[[extra_sessions]]\ndate = 2026-11-09\nstart = \"15:00\"\nend = \"17:00\"\n"),
            "line 6: the session from 15:00 overlaps the one before it",
        ),
        ("name = \"T\"\npreset = \"T\"\n".to_owned(), "line 2: calendar \"T\" extends itself"),
        ("zone = \"UTC\"\n".to_owned(), "the table has no name: add one"),
        ("name = \"T\"\nholiday = []\n".to_owned(), "line 2: unknown field `holiday`"),
        ("name = \"T\"\nsessions = [[\"09:30\"]]\n".to_owned(), "line 2: a session is [\"09:30\", \"11:30\"] or {"),
        ("name = \"T\"\nsessions = [\n".to_owned(), "line 2: "),
    ];
    for (text, expected) in cases {
        let error = CalendarTables::built_in().add("calendar.d/1.toml", &text).unwrap_err().to_string();
        assert!(error.starts_with("calendar.d/1.toml: "), "{error}");
        assert!(error.contains(expected), "{error}\nexpected: {expected}\n{text}");
    }
}

#[test]
fn a_rejected_file_changes_nothing() {
    let mut tables = CalendarTables::built_in();
    tables.add("1.toml", "name = \"XSHG\"\nzone = \"Mars\"\nsessions = [[\"09:30\", \"16:00\"]]\n").unwrap_err();
    assert_eq!(tables.calendar("XSHG").unwrap().minutes(date("2026-11-10")).len(), 240);
}
