//! The days, sessions and minutes of the presets: the facts that a market publishes, one by one.

use std::io::Write;

use barbus_bars::{Calendar, CalendarSpec, Date};
use jiff::Timestamp;
use jiff::civil::DateTime;

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn preset(name: &str) -> Calendar {
    Calendar::preset(name).unwrap()
}

/// The instant at which the calendar's clock shows `wall`, such as `2024-03-01 21:01`.
fn instant(calendar: &Calendar, wall: &str) -> i64 {
    let wall: DateTime = wall.replacen(' ', "T", 1).parse().unwrap();
    wall.to_zoned(calendar.zone().clone()).unwrap().timestamp().as_millisecond()
}

/// `MM-DD HH:MM` on the calendar's clock.
fn wall(calendar: &Calendar, ms: i64) -> String {
    let zoned = Timestamp::from_millisecond(ms).unwrap().to_zoned(calendar.zone().clone());
    zoned.strftime("%m-%d %H:%M").to_string()
}

/// The sessions of a day as `MM-DD HH:MM to MM-DD HH:MM`.
fn sessions(calendar: &Calendar, day: &str) -> Vec<String> {
    let sessions = calendar.sessions(date(day));
    sessions.iter().map(|s| format!("{} to {}", wall(calendar, s.start_ms), wall(calendar, s.end_ms))).collect()
}

/// The time at which a day's regular hours end.
fn regular_end(calendar: &Calendar, day: &str) -> String {
    let sessions = calendar.regular().sessions(date(day));
    let last = sessions.last().unwrap_or_else(|| panic!("{day} has sessions"));
    wall(calendar, last.end_ms).split_off(6)
}

/// All weekdays without trading and all early closes of a year.
fn year(calendar: &Calendar, year: i16) -> (Vec<String>, Vec<String>) {
    let (first, last) = (Date::constant(year, 1, 1), Date::constant(year, 12, 31));
    let all = first.series(jiff::ToSpan::days(1)).take_while(|day| *day <= last);
    let is_weekend = |day: &Date| day.weekday().to_monday_zero_offset() >= 5;
    let closed = all.filter(|day| !is_weekend(day) && !calendar.is_trading_day(*day));
    let early = calendar.trading_days(first, last).filter(|day| calendar.closes_early(*day));
    let text = |day: Date| day.strftime("%m-%d").to_string();
    (closed.map(text).collect(), early.map(text).collect())
}

#[test]
fn new_york_in_2027_and_2028() {
    let calendar = preset("XNYS");
    let (closed, early) = year(&calendar, 2027);
    let expected =
        ["01-01", "01-18", "02-15", "03-26", "05-31", "06-18", "07-05", "09-06", "11-25", "12-24"].map(str::to_owned);
    assert_eq!((closed, early), (expected.to_vec(), vec!["11-26".to_owned()]));
    let (closed, early) = year(&calendar, 2028);
    let expected = ["01-17", "02-21", "04-14", "05-29", "06-19", "07-04", "09-04", "11-23", "12-25"].map(str::to_owned);
    assert_eq!((closed, early), (expected.to_vec(), vec!["07-03".to_owned(), "11-24".to_owned()]));
    assert_eq!(regular_end(&calendar, "2028-07-03"), "13:00");
}

#[test]
fn new_york_keeps_its_extended_hours_apart() {
    let calendar = preset("XNYS");
    let expected = ["11-25 04:00 to 11-25 09:30", "11-25 09:30 to 11-25 16:00", "11-25 16:00 to 11-25 20:00"];
    assert_eq!(sessions(&calendar, "2026-11-25"), expected);
    let expected = ["11-27 04:00 to 11-27 09:30", "11-27 09:30 to 11-27 13:00", "11-27 13:00 to 11-27 17:00"];
    assert_eq!(sessions(&calendar, "2026-11-27"), expected);
    assert_eq!(calendar.minutes(date("2026-11-25")).len(), 390);
    assert_eq!(calendar.minutes(date("2026-11-27")).len(), 210);
    assert_eq!(sessions(&calendar.regular(), "2026-11-27"), ["11-27 09:30 to 11-27 13:00"]);
    assert!(calendar.closes_early(date("2026-11-27")) && !calendar.closes_early(date("2026-11-25")));

    let all_day = preset("XNYS-24");
    let expected = [
        "11-26 20:00 to 11-27 04:00",
        "11-27 04:00 to 11-27 09:30",
        "11-27 09:30 to 11-27 13:00",
        "11-27 13:00 to 11-27 17:00",
    ];
    assert_eq!(sessions(&all_day, "2026-11-27"), expected);
    assert_eq!(sessions(&all_day, "2024-07-08")[0], "07-07 20:00 to 07-08 04:00");
    assert_eq!(all_day.minutes(date("2026-11-25")).len(), 390);
    assert_eq!(year(&all_day, 2027), year(&calendar, 2027));
}

#[test]
fn globex_in_2027() {
    let (closed, early) = year(&preset("CME"), 2027);
    assert_eq!(closed, ["01-01", "03-26", "12-24"]);
    assert_eq!(early, ["01-18", "02-15", "05-31", "06-18", "07-05", "09-06", "11-25", "11-26"]);
}

#[test]
fn globex_trades_on_good_friday_when_the_payroll_report_is_published() {
    let calendar = preset("CME");
    for day in ["2015-04-03", "2021-04-02", "2023-04-07", "2026-04-03"] {
        for name in ["CME", "CME-TRADE-DATE"] {
            assert!(preset(name).is_trading_day(date(day)), "{name} {day}");
        }
        let equity = calendar.of_group("equity").unwrap();
        assert_eq!(regular_end(&equity, day), "08:15", "{day}");
        let morning = calendar.trading_day(instant(&calendar, &format!("{day} 08:00")));
        assert_eq!(morning.date, date(day));
        assert!(calendar.of_group("metals-energy").unwrap().sessions(date(day)).is_empty(), "{day}");
    }
    for day in ["2014-04-18", "2016-03-25", "2022-04-15", "2024-03-29", "2025-04-18", "2027-03-26"] {
        assert!(!calendar.is_trading_day(date(day)), "{day}");
    }
}

#[test]
fn trade_dates_differ_from_session_dates_on_holidays_only() {
    let (by_session, by_trade) = (preset("CME"), preset("CME-TRADE-DATE"));
    let days = by_session.trading_days(date("2015-01-01"), date("2026-12-31"));
    let differ: Vec<Date> = days.filter(|day| !by_trade.is_trading_day(*day)).collect();
    assert_eq!(differ.len(), 77 + 2);
    for mourning in ["2018-12-05", "2025-01-09"] {
        assert!(differ.contains(&date(mourning)), "{mourning}");
    }
    assert!(by_trade.trading_days(date("2015-01-01"), date("2026-12-31")).all(|day| by_session.is_trading_day(day)));
    // Independence Day 2024 was a Thursday: its session belongs to Friday, before Friday's own.
    let expected = ["07-03 17:00 to 07-04 12:00", "07-04 17:00 to 07-05 16:00"];
    assert_eq!(sessions(&by_trade, "2024-07-05"), expected);
    assert!(sessions(&by_trade, "2024-07-04").is_empty());
    // Over a weekend: Martin Luther King's day was a Monday.
    let expected = ["01-18 17:00 to 01-19 12:00", "01-19 17:00 to 01-20 16:00"];
    assert_eq!(sessions(&by_trade, "2026-01-20"), expected);
    assert_eq!(by_trade.minutes(date("2026-01-20")).len(), (19 + 23) * 60);
    // The grains do not trade on the holiday.
    assert_eq!(by_trade.of_group("grains").unwrap().sessions(date("2026-01-20")).len(), 2);
}

#[test]
fn globex_closes_early() {
    let calendar = preset("CME");
    let equity = calendar.of_group("equity").unwrap();
    for day in ["2022-06-20", "2023-06-19", "2024-06-19", "2025-06-19", "2026-06-19"] {
        assert_eq!(regular_end(&calendar, day), "12:00", "Juneteenth {day}");
        assert_eq!(regular_end(&equity, day), "12:00", "Juneteenth {day}");
        assert!(calendar.of_symbol("ZCZ4").sessions(date(day)).is_empty(), "grains rest on {day}");
    }
    for day in ["2017-07-03", "2018-07-03", "2019-07-03", "2023-07-03", "2024-07-03", "2025-07-03"] {
        assert_eq!(regular_end(&equity, day), "12:15", "before Independence Day, {day}");
        assert!(equity.closes_early(date(day)));
        assert_eq!(regular_end(&calendar.of_group("rates").unwrap(), day), "16:00", "only equities, {day}");
    }
    for (thanksgiving, eve) in
        [("2023-11-24", "2024-12-24"), ("2024-11-29", "2025-12-24"), ("2026-11-27", "2026-12-24")]
    {
        assert_eq!(regular_end(&equity, thanksgiving), "12:15");
        assert_eq!(regular_end(&equity, eve), "12:15");
    }
    for mourning in ["2018-12-05", "2025-01-09"] {
        assert_eq!(regular_end(&equity, mourning), "08:30");
        assert_eq!(regular_end(&calendar.of_group("fx").unwrap(), mourning), "16:00");
    }
}

#[test]
fn globex_groups() {
    let calendar = preset("CME");
    let names: Vec<&str> = calendar.groups().collect();
    assert_eq!(names, ["equity", "rates", "fx", "metals-energy", "grains", "livestock"]);
    let cases = [
        ("ESZ4", Some("equity")),
        ("MESH2025", Some("equity")),
        ("ES.c.0", Some("equity")),
        ("ZNH25", Some("rates")),
        ("SR3H25", Some("rates")),
        ("6EZ24", Some("fx")),
        ("/6E", Some("fx")),
        ("CME:6EZ24", Some("fx")),
        ("GC=F", Some("metals-energy")),
        ("CLF5", Some("metals-energy")),
        ("ZCH25.CBOT", Some("grains")),
        ("LEJ25", Some("livestock")),
        ("ESTX50", None),
        ("AAPL", None),
    ];
    for (symbol, group) in cases {
        assert_eq!(calendar.of_symbol(symbol).group(), group, "{symbol}");
    }
    let grains = calendar.of_symbol("ZCH25");
    assert_eq!(sessions(&grains, "2024-12-03"), ["12-02 19:00 to 12-03 07:45", "12-03 08:30 to 12-03 13:20"]);
    assert_eq!(sessions(&calendar.of_symbol("LEJ25"), "2024-12-03"), ["12-03 08:30 to 12-03 13:05"]);
    // The halt of equities until June 2021.
    assert_eq!(sessions(&calendar.of_symbol("ESM1"), "2021-06-25").len(), 2);
    assert_eq!(sessions(&calendar.of_symbol("ESU1"), "2021-06-28").len(), 1);
}

#[test]
fn shanghai_knows_new_year_2027_and_ends_in_2026() {
    for name in ["XSHG", "XSHE", "CN-FUTURES"] {
        let calendar = preset(name);
        assert_eq!(calendar.horizon(), Some(date("2026-12-31")), "{name}");
        assert!(calendar.is_announced_late());
        assert!(!calendar.is_trading_day(date("2027-01-01")), "{name}");
        assert!(calendar.is_trading_day(date("2027-01-04")), "{name}");
    }
    // The night before the holiday: its bars belong to Monday, and there is no session in it.
    let futures = preset("CN-FUTURES");
    assert_eq!(futures.trading_day(instant(&futures, "2026-12-31 21:01")).date, date("2027-01-04"));
    assert_eq!(sessions(&futures, "2027-01-04"), ["01-04 09:00 to 01-04 11:30", "01-04 13:00 to 01-04 15:15"]);
    assert!(!futures.is_open(instant(&futures, "2026-12-31 21:30")));
    assert!(futures.is_open(instant(&futures, "2026-12-30 21:30")));
}

#[test]
fn shanghai_has_240_or_241_minutes() {
    let calendar = preset("XSHG");
    let minutes = calendar.minutes(date("2024-07-04"));
    let (first, last) = (minutes[0], minutes[minutes.len() - 1]);
    assert_eq!(
        (minutes.len(), wall(&calendar, first), wall(&calendar, last)),
        (240, "07-04 09:31".into(), "07-04 15:00".into())
    );
    let spec: CalendarSpec = toml::from_str("preset = \"XSHG\"\nopening_auction = \"own-bar\"").unwrap();
    let own_bar = Calendar::from_spec(spec).unwrap();
    let minutes = own_bar.minutes(date("2024-07-04"));
    assert_eq!((minutes.len(), wall(&own_bar, minutes[0])), (241, "07-04 09:30".into()));
    assert_eq!(calendar.minutes(date("2024-07-06")), [] as [i64; 0]);
}

#[test]
fn chinese_futures_groups() {
    let calendar = preset("CN-FUTURES");
    let cases = [
        ("rb2410", "night-2300", 345),
        ("SHFE.cu2409", "night-0100", 465),
        ("au2412.SHF", "night-0230", 555),
        ("AP410", "day", 225),
        ("lg2505", "day", 225),
        ("IF2407.CFX", "index", 240),
        ("T2409", "treasury", 255),
        ("TF2409", "treasury", 255),
        ("TA409", "night-2300", 345),
        ("m2409-C-3000", "night-2300", 345),
    ];
    for (symbol, group, minutes) in cases {
        let hours = calendar.of_symbol(symbol);
        assert_eq!(hours.group(), Some(group), "{symbol}");
        assert_eq!(hours.minutes(date("2024-07-04")).len(), minutes, "{symbol}");
    }
    // A product that no group has is not taken for one with a shorter code.
    assert_eq!(calendar.of_symbol("mz2409").group(), None);
    // Friday night belongs to Monday, and is on Friday.
    let gold = calendar.of_symbol("au2412");
    assert_eq!(sessions(&gold, "2024-07-08")[0], "07-05 21:00 to 07-06 02:30");
    // The eve of National Day has none.
    assert_eq!(sessions(&gold, "2024-10-08")[0], "10-08 09:00 to 10-08 10:15");
    // Nights were suspended in the epidemic.
    assert_eq!(gold.minutes(date("2020-04-01")).len(), 225);
    assert_eq!(sessions(&gold, "2020-05-07")[0], "05-06 21:00 to 05-07 02:30");
    assert_eq!(gold.minutes(date("2013-07-05")).len(), 225);
}

#[test]
fn other_exchanges() {
    let cases = [
        ("XHKG", "2024-09-09", vec!["09-09 09:30 to 09-09 12:00", "09-09 13:00 to 09-09 16:00"], 330),
        ("XHKG", "2024-12-24", vec!["12-24 09:30 to 12-24 12:00"], 150),
        ("XTKS", "2024-11-05", vec!["11-05 09:00 to 11-05 11:30", "11-05 12:30 to 11-05 15:30"], 330),
        ("XTKS", "2024-11-01", vec!["11-01 09:00 to 11-01 11:30", "11-01 12:30 to 11-01 15:00"], 300),
        ("XLON", "2024-12-24", vec!["12-24 08:00 to 12-24 12:30"], 270),
        ("XETR", "2024-12-30", vec!["12-30 09:00 to 12-30 14:00"], 300),
        ("XNSE", "2024-10-31", vec!["10-31 09:15 to 10-31 15:30"], 375),
        ("XNSE", "2024-11-01", vec!["11-01 18:00 to 11-01 19:00"], 60),
        ("XNSE", "2025-02-01", vec!["02-01 09:15 to 02-01 15:30"], 375),
        ("24x7", "2024-02-29", vec!["02-29 00:00 to 03-01 00:00"], 1440),
    ];
    for (name, day, expected, minutes) in cases {
        let calendar = preset(name);
        assert_eq!(sessions(&calendar.regular(), day), expected, "{name} {day}");
        assert_eq!(calendar.minutes(date(day)).len(), minutes, "{name} {day}");
    }
    assert_eq!(preset("24x7").next_open(0), None);
    assert_eq!(preset("24x7").previous_close(0), None);
}

#[test]
fn open_and_close() {
    let calendar = preset("XNYS");
    let regular = calendar.regular();
    let at = |wall: &str| instant(&calendar, wall);
    // Friday evening.
    assert_eq!(calendar.next_open(at("2024-07-05 20:00")), Some(at("2024-07-08 04:00")));
    assert_eq!(regular.next_open(at("2024-07-05 20:00")), Some(at("2024-07-08 09:30")));
    assert_eq!(calendar.previous_close(at("2024-07-07 12:00")), Some(at("2024-07-05 20:00")));
    assert_eq!(regular.previous_close(at("2024-07-07 12:00")), Some(at("2024-07-05 16:00")));
    // The regular session follows the early one without a pause.
    assert_eq!(calendar.next_open(at("2024-07-08 05:00")), Some(at("2024-07-09 04:00")));
    assert!(calendar.is_open(at("2024-07-08 09:30")) && regular.is_open(at("2024-07-08 09:30")));
    assert!(calendar.is_open(at("2024-07-08 04:00")) && !regular.is_open(at("2024-07-08 04:00")));
    assert!(!regular.is_open(at("2024-07-08 16:00")));
    assert_eq!(&*calendar.session_at(at("2024-07-08 16:00")).unwrap().name, "post");

    let globex = preset("CME");
    let at = |wall: &str| instant(&globex, wall);
    assert!(!globex.is_open(at("2024-07-08 16:59")) && globex.is_open(at("2024-07-08 17:00")));
    assert_eq!(globex.previous_close(at("2024-07-08 17:00")), Some(at("2024-07-08 16:00")));
    assert_eq!(globex.next_open(at("2024-07-08 17:00")), Some(at("2024-07-09 17:00")));
}

/// Promise 7: the bars that are expected of a day belong to it.
#[test]
fn every_expected_minute_belongs_to_its_day() {
    for (name, _) in barbus_bars::PRESETS {
        let market = preset(name);
        let groups: Vec<String> = market.groups().map(str::to_owned).collect();
        let views = groups.iter().filter_map(|group| market.of_group(group)).chain([market.clone()]);
        for calendar in views {
            for day in calendar.trading_days(date("2019-12-20"), date("2021-01-20")) {
                let span = calendar.trading_day(
                    calendar
                        .day_of_date(day)
                        .at(12, 0, 0, 0)
                        .to_zoned(calendar.zone().clone())
                        .unwrap()
                        .timestamp()
                        .as_millisecond(),
                );
                let sessions = calendar.sessions(day);
                for session in &sessions {
                    assert!(session.start_ms < session.end_ms, "{name} {day}");
                    assert!(span.contains(session.start_ms + 1) && span.contains(session.end_ms), "{name} {day}");
                }
                assert!(sessions.windows(2).all(|pair| pair[0].end_ms <= pair[1].start_ms), "{name} {day}");
                assert!(calendar.minutes(day).is_sorted_by(|a, b| a < b), "{name} {day}");
            }
        }
    }
}

/// Fails while there is still time to publish the next table.
#[test]
fn no_table_is_about_to_end() {
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    for (name, _) in barbus_bars::PRESETS {
        let calendar = preset(name);
        let Some(horizon) = calendar.horizon() else { continue };
        let days = (horizon - today).get_days();
        if calendar.is_announced_late() {
            if days <= 45 {
                // Not by a macro, whose output a passing test does not show.
                let warning = format!("warning: {name} ends in {days} days: extend it when its holidays are out\n");
                let _ = std::io::stderr().write_all(warning.as_bytes());
            }
        } else {
            assert!(days > 45, "{name} ends on {horizon}: extend calendars/{name}.toml");
        }
    }
}

/// The table of calendars in OPERATING.md says of each preset what the code does with a bar on a
/// date without trading, and when its table ends.
#[test]
fn the_document_agrees_with_the_tables() {
    let text = include_str!("../../../docs/OPERATING.md");
    let rows: Vec<Vec<&str>> = text
        .lines()
        .skip_while(|line| *line != "## Calendars and holidays")
        .take_while(|line| *line != "### Sessions and minutes")
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    for (name, _) in barbus_bars::PRESETS {
        let quoted = format!("`{name}`");
        let row = rows.iter().find(|row| row[0].split(", ").any(|found| found == quoted));
        let row = row.unwrap_or_else(|| panic!("OPERATING.md has no {name}"));
        let calendar = preset(name);
        // New Year's Day of 2025 was a Wednesday, and a holiday everywhere but on a 24x7 market.
        let holiday = instant(&calendar, "2025-01-01 10:00");
        let day = calendar.trading_day(holiday).date;
        let expected = match row[2] {
            "its own date" => date("2025-01-01"),
            "the next trading day" => calendar.next_trading_day(date("2025-01-01")),
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(day, expected, "{name}");
        assert_eq!(calendar.days_begin_in_evening(), row[2] == "the next trading day", "{name}");
        let horizon = calendar.horizon().map_or("no end".to_owned(), |horizon| horizon.to_string());
        assert_eq!(row[3], horizon, "{name}");
    }
}
