//! `barbus gaps`, and the rule on bars outside the sessions.

use serde_json::{Value, json};

use crate::support::bus::{Bus, Counts};
use crate::support::market;

/// 09:31 of Thursday 2024-07-04 in Shanghai.
const MORNING: &str = "2024-07-04T01:31:00Z";
/// 13:01 of that day.
const AFTERNOON: &str = "2024-07-04T05:01:00Z";
const DAY: &str = "2024-07-04";

/// Publishes the minutes of a whole day in Shanghai of `symbol`, without those that `is_missing`
/// by their number, 0 to 239.
fn publish_day(bus: &Bus, symbol: &str, is_missing: impl Fn(usize) -> bool) {
    let bars = [market::minutes(&[symbol], MORNING, 120), market::minutes(&[symbol], AFTERNOON, 120)].concat();
    let bars: Vec<_> = bars.into_iter().enumerate().filter(|(number, _)| !is_missing(*number)).collect();
    let bars: Vec<_> = bars.into_iter().map(|(_, bar)| bar).collect();
    let csv = bus.write(&format!("{symbol}.csv"), market::csv(&bars));
    assert_eq!(bus.publish(&csv, &[]), Counts::all_accepted(bars.len()));
}

fn gaps(bus: &Bus, arguments: &[&str]) -> Vec<Value> {
    bus.barbus("gaps", [arguments, &["--format", "json"]].concat()).json_lines()
}

#[test]
fn missing_minutes_are_told_apart_from_a_feed_that_was_down() {
    let bus = Bus::running("XSHG");
    // The feed is down from 10:01 to 10:05; the second symbol has no trade at 11:30 and 13:01.
    publish_day(&bus, "600000.XSHG", |number| (30..35).contains(&number));
    publish_day(&bus, "600001.XSHG", |number| (30..35).contains(&number) || number == 119 || number == 120);
    // An opening auction with a bar of its own, and a bar at lunch.
    let stray =
        ["2024-07-04T01:30:00Z", "2024-07-04T04:00:00Z"].map(|at| market::bar("600001.XSHG", at.parse().unwrap()));
    bus.publish(&bus.write("stray.csv", market::csv(&stray)), &[]);

    // Not archived yet: it says so, and reports what the ring has.
    let open = bus.barbus("gaps", [DAY]);
    assert!(open.stderr.contains("2024-07-04: not archived: these are the bars that the ring still has"), "{open}");
    bus.close_day();
    let lines = gaps(&bus, &[]);
    assert_eq!(lines.len(), 2);
    let down = json!(["2024-07-04T10:01:00+08:00", "2024-07-04T10:05:00+08:00"]);
    assert_eq!((&lines[0]["day"], &lines[0]["symbol"]), (&json!(DAY), &json!("600000.XSHG")));
    assert_eq!(
        (&lines[0]["expected"], &lines[0]["present"], &lines[0]["outside"]),
        (&json!(240), &json!(235), &json!(0))
    );
    assert_eq!(lines[0]["missing"], json!([down]));
    assert_eq!((&lines[0]["no_symbol"], &lines[0]["source"]), (&json!(5), &json!("archive")));
    assert_eq!(lines[0]["first"], "2024-07-04T09:31:00+08:00");
    assert_eq!(lines[0]["last"], "2024-07-04T15:00:00+08:00");
    let single = |at: &str| json!([format!("2024-07-04T{at}:00+08:00"), format!("2024-07-04T{at}:00+08:00")]);
    assert_eq!(lines[1]["missing"], json!([down, single("11:30"), single("13:01")]));
    assert_eq!((&lines[1]["no_symbol"], &lines[1]["outside"]), (&json!(5), &json!(2)), "{}", lines[1]);
    let sessions = json!([
        {"name": "morning", "expected": 120, "present": 114}, {"name": "afternoon", "expected": 120, "present": 119}
    ]);
    assert_eq!(lines[1]["sessions"], sessions);

    let table = bus.barbus("gaps", [DAY, "--symbol", "600001.XSHG"]);
    assert!(table.stdout.contains("10:01-10:05, 11:30, 13:01"), "{table}");
    assert!(table.stdout.contains("morning 114/120, afternoon 119/120"), "{table}");
    assert!(table.stderr.contains("no symbol has a bar at 10:01-10:05: perhaps the feed was down"), "{table}");
    let csv = bus.barbus("gaps", [DAY, "--format", "csv", "--symbol", "600000.XSHG"]).ok();
    let missing = "2024-07-04T10:01:00+08:00/2024-07-04T10:05:00+08:00";
    let expected = format!(
        "day,symbol,expected,present,missing,outside,first,last,no_symbol\n2024-07-04,600000.XSHG,240,235,{missing},0,\
         2024-07-04T09:31:00+08:00,2024-07-04T15:00:00+08:00,5\n"
    );
    assert_eq!(csv, expected);
    bus.barbus("gaps", [DAY, "--strict"]).fails(1, &["1 of 1 days have gaps"]);

    // Publishing the day again heals it, and duplicates are ignored.
    let all =
        [market::minutes(&["600000.XSHG"], MORNING, 120), market::minutes(&["600000.XSHG"], AFTERNOON, 120)].concat();
    let healed = bus.publish(&bus.write("all.csv", market::csv(&all)), &[]);
    assert_eq!((healed.accepted, healed.duplicate), (5, 235));
    let lines = gaps(&bus, &[DAY, "--symbol", "600000.XSHG"]);
    assert_eq!((&lines[0]["present"], &lines[0]["missing"]), (&json!(240), &json!([])));
    bus.barbus("gaps", [DAY, "--symbol", "600000.XSHG", "--strict"]).ok();
}

#[test]
fn days_and_symbols_without_a_bar_are_reported() {
    let bus = Bus::running("XSHG");
    let empty = bus.barbus("gaps", [] as [&str; 0]);
    empty.fails(1, &["no bars yet"]);
    publish_day(&bus, "600000.XSHG", |_| false);
    bus.close_day();
    // Friday has no bar at all; the weekend has no trading day.
    let days = bus.barbus("gaps", ["--from", DAY, "--to", "2024-07-07", "--strict"]);
    let text =
        days.fails(1, &["2024-07-05: no symbol has a bar, in the archive or in the ring", "1 of 2 days have gaps"]);
    assert!(!text.contains("2024-07-06"), "{text}");
    let lines = gaps(&bus, &[DAY, "--symbol", "000001.XSHE"]);
    assert_eq!(
        (&lines[0]["expected"], &lines[0]["present"], &lines[0]["no_symbol"]),
        (&json!(240), &json!(0), &json!(0))
    );
    // The future has no gaps.
    bus.barbus("gaps", ["2199-07-01"]).fails(1, &["no trading day of calendar XSHG up to today"]);
    bus.barbus("gaps", ["2024-07-06"]).fails(1, &["2024-07-06 to 2024-07-06: no trading day of calendar XSHG"]);
    bus.barbus("gaps", ["--from", DAY, "--to", "2024-07-01"]).fails(1, &["exchange them"]);
}

#[test]
fn groups_have_their_own_minutes() {
    let bus = Bus::running("CN-FUTURES");
    // Friday night to 23:00: all of it for rebar, a part of it for gold.
    let night = market::minutes(&["rb2410", "au2412"], "2024-07-05T13:01:00Z", 120);
    bus.publish(&bus.write("night.csv", market::csv(&night)), &[]);
    // A bar of rebar in gold's session.
    let late = [market::bar("rb2410", "2024-07-05T15:01:00Z".parse().unwrap())];
    bus.publish(&bus.write("late.csv", market::csv(&late)), &[]);
    let lines = gaps(&bus, &["2024-07-08"]);
    let found: Vec<_> = lines.iter().map(|line| (&line["group"], &line["expected"], &line["outside"])).collect();
    let expected = [(&json!("night-0230"), &json!(555), &json!(0)), (&json!("night-2300"), &json!(345), &json!(1))];
    assert_eq!(found, expected);
}

/// `bars.outside_sessions`, each way.
#[test]
fn bars_outside_the_sessions_are_taken_counted_or_quarantined() {
    let bars = |symbol| {
        let inside = market::minutes(&[symbol], MORNING, 3);
        [inside, vec![market::bar(symbol, "2024-07-04T04:00:00Z".parse().unwrap())]].concat()
    };
    for (rule, accepted, outside) in [("take", 4, json!(null)), ("warn", 4, json!(1)), ("quarantine", 3, json!(1))] {
        let mut bus = Bus::init("XSHG");
        bus.configure("# outside_sessions = \"take\"", &format!("outside_sessions = {rule:?}"));
        bus.start();
        let counts = bus.publish(&bus.write("bars.csv", market::csv(&bars("600000.XSHG"))), &[]);
        let quarantined = 4 - accepted;
        assert_eq!(counts, Counts { rows: 4, accepted, quarantined, ..Counts::default() }, "{rule}");
        let stat = bus.stat();
        assert_eq!(stat["outside_sessions"], outside, "{rule}: {stat}");
        assert_eq!(bus.log().contains("bars outside the sessions of their symbols are"), rule != "take");
        if rule == "quarantine" {
            assert_eq!(stat["quarantined"], json!({"outside-sessions": 1}));
            assert_eq!(bus.quarantine()[0]["code"], "outside-sessions");
            // The producer sends in other hours after the calendar was changed.
            let folder = bus.path().join("calendar.d");
            std::fs::create_dir(&folder).expect("ours");
            let extra = "[[extra_sessions]]\ndate = 2024-07-04\nstart = \"11:30\"\nend = \"12:30\"\n";
            let table = format!("name = \"XSHG\"\npreset = \"XSHG\"\n{extra}");
            std::fs::write(folder.join("1.toml"), table).expect("ours");
            bus.signal(nix::sys::signal::Signal::SIGHUP);
            crate::support::wait::until("the calendar", || {
                bus.log().contains("2024-07-04 has other sessions").then_some(())
            });
            let counts = bus.publish(&bus.write("bars.csv", market::csv(&bars("600001.XSHG"))), &[]);
            assert_eq!(counts, Counts::all_accepted(4));
        }
    }
}

/// The ring keeps withdrawn bars until their slots are reused: they are not there all the same.
#[test]
fn withdrawn_bars_are_missing() {
    let bus = Bus::running("XSHG");
    publish_day(&bus, "600000.XSHG", |_| false);
    publish_day(&bus, "600001.XSHG", |_| false);
    bus.close_day();
    let span = ["--from", "2024-07-04T10:01:00+08:00", "--to", "2024-07-04T10:05:00+08:00"];
    bus.barbus("withdraw", [&["--day", DAY, "--symbol", "600001.XSHG"][..], &span].concat()).ok();
    let lines = gaps(&bus, &[DAY]);
    let present: Vec<_> = lines.iter().map(|line| line["present"].as_u64().expect("a number")).collect();
    assert_eq!(present, [240, 235]);
    assert_eq!(lines[1]["missing"], json!([["2024-07-04T10:01:00+08:00", "2024-07-04T10:05:00+08:00"]]));
    // They may be published again, and are there then.
    publish_again(&bus, "600001.XSHG", 5);
    assert_eq!(gaps(&bus, &["--symbol", "600001.XSHG"])[0]["present"], 240);
}

/// Publishes all bars of a symbol, of which `accepted` are new.
fn publish_again(bus: &Bus, symbol: &str, accepted: u64) {
    let counts = bus.publish(&bus.beside(&format!("{symbol}.csv")), &[]);
    assert_eq!((counts.accepted, counts.duplicate), (accepted, 240 - accepted));
}
