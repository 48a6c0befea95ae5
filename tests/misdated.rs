//! A misdated bar cannot take the day away: bars of the future and of the distant past are
//! quarantined, by every way into a bus.

use serde_json::json;

use crate::support::bus::{Bus, Counts};
use crate::support::fake_clock::FakeClock;

const HEADER: &str = "symbol,frame,open,high,low,close,volume";

/// Publishes one bar; `frame` is a time in Shanghai, or anything else that a producer may send.
pub(crate) fn publish(bus: &Bus, symbol: &str, frame: &str) -> Counts {
    let name = format!("{symbol}-{}.csv", frame.replace([':', ' '], "-"));
    let csv = bus.write(&name, format!("{HEADER}\n{symbol},{frame},10,11,9,10,1\n"));
    bus.publish(&csv, &[])
}

fn is_quarantined(counts: Counts) -> bool {
    counts == Counts { rows: 1, quarantined: 1, ..Counts::default() }
}

/// Promise 9: a bar of next year would close today, and every real bar after it would be late.
#[test]
fn a_bar_of_the_future_is_quarantined_and_the_day_stays_open() {
    let mut bus = Bus::init("XSHG");
    // 09:36 in Shanghai.
    let Some(clock) = FakeClock::showing("2026-11-27T01:36:00Z", bus.beside("clock")) else { return };
    bus.set_clock(&clock);
    bus.start();
    assert_eq!(publish(&bus, "A", "2026-11-27 09:31").accepted, 1);
    assert!(is_quarantined(publish(&bus, "BAD", "2027-11-29 09:34")));
    assert_eq!(publish(&bus, "A", "2026-11-27 09:35").accepted, 1);
    // Ten minutes ahead are accepted: the clocks of producers differ.
    assert_eq!(publish(&bus, "A", "2026-11-27 09:45").accepted, 1);
    assert!(is_quarantined(publish(&bus, "A", "2026-11-27 09:47")));
    let stat = bus.stat();
    assert_eq!((&stat["day"], &stat["days_archived"]), (&json!("2026-11-27"), &json!(0)));
    assert_eq!(stat["quarantined"]["future"], 2, "{stat}");
    let kept = bus.quarantine();
    assert_eq!((&kept[0]["code"], &kept[0]["row"]["symbol"]), (&json!("future"), &json!("BAD")));
}

/// Promise 9: a zero instead of a time is a bar of 1970.
#[test]
fn a_bar_of_the_distant_past_is_quarantined() {
    let mut bus = Bus::init("XSHG");
    bus.configure("# oldest = \"1990-01-01\"", "oldest = \"2000-01-04\"");
    bus.start();
    let bar = json!({"symbol": "A", "frame": 0, "open": 10, "high": 11, "low": 9, "close": 10, "volume": 1});
    assert!(is_quarantined(bus.publish(&bus.write("zero.ndjson", bar.to_string()), &[])));
    // The bar that ends at midnight belongs to the day before.
    assert!(is_quarantined(publish(&bus, "A", "2000-01-04 00:00")));
    assert_eq!(publish(&bus, "A", "2000-01-04 00:01").accepted, 1);
    let stat = bus.stat();
    assert_eq!((&stat["quarantined"]["past"], &stat["day"]), (&json!(2), &json!("2000-01-04")), "{stat}");
}

/// Promise 9: a replay is a producer like any other.
#[test]
fn replayed_bars_of_the_future_are_quarantined() {
    let mut bus = Bus::init("XSHG");
    bus.configure("# max_ahead = \"10m\"", "max_ahead = \"876000h\"");
    bus.start();
    for day in ["2024-03-04", "2100-03-04"] {
        assert_eq!(publish(&bus, "A", &format!("{day} 09:31")).accepted, 1);
    }
    bus.close_day();
    let lab = Bus::running("XSHG");
    let into = lab.path();
    let replay = ["--from", "2024-03-04", "--to", "2100-03-04", "--speed", "max", "--into"];
    bus.barbus("replay", replay.iter().map(|word| word.as_ref()).chain([into.as_os_str()])).ok();
    let stat = lab.stat();
    assert_eq!((&stat["accepted"], &stat["quarantined"]["future"]), (&json!(1), &json!(1)), "{stat}");
    assert_eq!(stat["day"], "2024-03-04");
}
