//! The trading day of a bar, and the close of a day (promise 7: in *that* day's file).

use crate::support::bus::Bus;
use crate::support::market;
use crate::support::wait;

/// Publishes one bar ending at each of `frames` and returns the days that have a file afterwards.
fn days(calendar: &str, frames: &[&str]) -> Vec<String> {
    let bus = Bus::running(calendar);
    let bars: Vec<_> = frames.iter().map(|frame| market::bar("X", frame.parse().expect("a time"))).collect();
    let csv = bus.write("bars.csv", market::csv(&bars));
    bus.publish(&csv, &[]);
    bus.close_day();
    bus.archived_days()
}

#[test]
fn a_night_session_belongs_to_the_next_trading_day() {
    // Friday 2024-03-08, 21:01 in Shanghai, and the early hours of Saturday belong to Monday.
    let friday_night = ["2024-03-08T13:01:00Z", "2024-03-08T18:30:00Z"];
    assert_eq!(days("CN-FUTURES", &friday_night), ["2024-03-11"]);
    // The afternoon of Friday belongs to Friday.
    assert_eq!(days("CN-FUTURES", &["2024-03-08T07:00:00Z", "2024-03-11T01:01:00Z"]), ["2024-03-08", "2024-03-11"]);
}

#[test]
fn the_end_of_a_day_belongs_to_it() {
    let around_midnight = ["2024-12-31T23:59:00Z", "2025-01-01T00:00:00Z"];
    assert_eq!(days("24x7", &around_midnight), ["2024-12-31"]);
    assert_eq!(days("24x7", &["2025-01-01T00:00:00Z", "2025-01-01T00:01:00Z"]), ["2024-12-31", "2025-01-01"]);
}

#[test]
fn extended_hours_follow_both_clock_changes_of_new_york() {
    // 19:59 in New York is 00:59 UTC of the next date in winter and 23:59 UTC in summer.
    let winter = ["2024-03-08T09:01:00Z", "2024-03-09T00:59:00Z"];
    assert_eq!(days("XNYS", &winter), ["2024-03-08"]);
    let summer = ["2024-03-11T08:01:00Z", "2024-03-11T23:59:00Z"];
    assert_eq!(days("XNYS", &summer), ["2024-03-11"]);
    let winter_again = ["2024-11-01T23:59:00Z", "2024-11-05T00:59:00Z"];
    assert_eq!(days("XNYS", &winter_again), ["2024-11-01", "2024-11-04"]);
}

#[test]
fn globex_opens_on_the_evening_before() {
    // Sunday 2024-03-10, 17:01 in Chicago: Monday's trading day, which ends at 16:00.
    assert_eq!(days("CME", &["2024-03-10T22:01:00Z", "2024-03-11T21:00:00Z"]), ["2024-03-11"]);
    assert_eq!(days("CME", &["2024-03-11T21:00:00Z", "2024-03-11T22:01:00Z"]), ["2024-03-11", "2024-03-12"]);
}

#[test]
fn the_first_bar_of_the_next_day_closes_a_day() {
    let mut bus = Bus::init("24x7");
    // Days in the future, so that the clock cannot close them.
    bus.configure("# max_ahead = \"10m\"", "max_ahead = \"876000h\"");
    bus.start();
    let first = market::minutes(&["X"], "2040-03-04T12:00:00Z", 30);
    bus.publish(&bus.write("1.csv", market::csv(&first)), &[]);
    assert_eq!(bus.stat()["day"], "2040-03-04");
    assert_eq!(bus.archived_days(), [] as [&str; 0]);
    let second = market::minutes(&["X"], "2040-03-05T00:01:00Z", 1);
    bus.publish(&bus.write("2.csv", market::csv(&second)), &[]);
    wait::until("the file of the first day", || (bus.archived_days() == ["2040-03-04"]).then_some(()));
    assert_eq!(bus.stat()["day"], "2040-03-05");
}

#[test]
fn a_day_of_the_past_closes_by_the_clock() {
    let mut bus = Bus::init("24x7");
    bus.configure("# grace = \"5m\"", "grace = \"1s\"");
    bus.start();
    let bars = market::minutes(&["X"], "2024-03-04T12:00:00Z", 30);
    bus.publish(&bus.write("1.csv", market::csv(&bars)), &[]);
    // Without another day's bar and without a command, the day closes after the grace.
    wait::until("the file of the day", || (bus.archived_days() == ["2024-03-04"]).then_some(()));
}
