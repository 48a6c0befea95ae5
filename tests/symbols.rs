//! The symbol table: what fits, how it grows while the bus runs, and what a full one leads to.

use std::collections::BTreeSet;

use crate::support::bus::{Bus, Counts};
use crate::support::command::{self, Running};
use crate::support::market;
use crate::support::oracle::{self, Published};
use crate::support::wait;

const BARS: Published<'static> = Published { market: "24x7", label: "end", price: "double" };

/// As many bars of one minute, each of another symbol of 64 bytes.
fn minute(symbols: std::ops::Range<usize>, minute: &str) -> Vec<market::Bar> {
    let names: Vec<String> = symbols.map(|number| format!("{number:064}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    market::minutes(&names, minute, 1)
}

/// A ring of 8,192 symbols has room for the text of as many, of any length that is valid. The next
/// symbol is refused in the quarantine, in the log, in `stat` and by the exit code, and each names
/// what is full. Bars of known symbols pass.
#[test]
fn as_many_symbols_fit_as_the_settings_state() {
    let mut bus = Bus::init("24x7");
    bus.configure("# max_symbols = 131072", "max_symbols = 8192");
    bus.start();
    let full = bus.write("full.csv", market::csv(&minute(0..8_192, "2024-03-04T00:01:00Z")));
    assert_eq!(bus.publish(&full, &[]), Counts::all_accepted(8_192));
    let stat = bus.stat();
    assert_eq!((&stat["symbols"], &stat["symbols_max"]), (&8_192.into(), &8_192.into()), "{stat}");
    assert!(stat["symbol_table_full"].is_null(), "{stat}");

    let more = bus.write("more.csv", market::csv(&minute(8_190..8_195, "2024-03-04T00:02:00Z")));
    for _ in 0..2 {
        let published = bus.barbus("publish", [more.to_str().expect("UTF-8"), "--format", "json"]);
        let summary: serde_json::Value = serde_json::from_str(&published.stdout).expect("a summary");
        assert_eq!((&summary["rows"], &summary["quarantined"]), (&5.into(), &3.into()), "{summary}");
        assert_eq!(summary["symbol_table_full"], 3, "{summary}");
        published.fails(1, &["the symbol table is full", "3 of them", "ring.max_symbols"]);
    }
    let reason = "all 8192 places for symbols are taken, and there may be 8192 (ring.max_symbols)";
    for entry in bus.quarantine() {
        assert_eq!(entry["code"], "symbol-table-full");
        assert!(entry["reason"].as_str().is_some_and(|found| found.contains(reason)), "{entry}");
    }
    let stat = bus.stat();
    assert_eq!((&stat["symbol_table_full"], &stat["quarantined"]["symbol-table-full"]), (&reason.into(), &6.into()));
    let table = bus.barbus("stat", [] as [&str; 0]).ok();
    assert!(table.contains("new symbols") && table.contains(reason), "{table}");
    assert_eq!(bus.log().matches(reason).count(), 1, "logged once\n{}", bus.log());
}

/// Promises 4, 7 and 8: a symbol table that is full while the bus runs is enlarged. Every bar of
/// every symbol is accepted, a reader that is attached misses none and knows all symbols, bars that
/// were sent before are duplicates, and a restart changes nothing.
#[test]
fn a_full_symbol_table_is_enlarged_while_the_bus_runs() {
    let mut bus = Bus::init("24x7");
    bus.configure_small_ring();
    bus.start();
    let mut tail = command::barbus();
    tail.arg("tail").arg(bus.path()).args(["--from", "oldest", "--format", "csv"]);
    let tail = Running::start(&mut tail, false);
    let first = bus.write("first.csv", market::csv(&minute(0..200, "2024-03-04T00:01:00Z")));
    assert_eq!(bus.publish(&first, &[]), Counts::all_accepted(200));
    assert_eq!(bus.stat()["symbols_max"], 256);
    wait::until("the reader", || (tail.lines_so_far() > 200).then_some(()));

    let more = minute(0..1_500, "2024-03-04T00:02:00Z");
    let second = bus.write("second.csv", market::csv(&more));
    assert_eq!(bus.publish(&second, &[]), Counts::all_accepted(1_500));
    let stat = bus.stat();
    assert_eq!((&stat["symbols"], &stat["rings_replaced"]), (&1_500.into(), &1.into()), "{stat}");
    assert_eq!((&stat["symbols_max"], &stat["quarantined"]), (&1_500.into(), &serde_json::json!({})), "{stat}");
    wait::until("the log", || bus.log().contains("room for more symbols").then_some(()));
    wait::until("every bar at the reader", || (tail.lines_so_far() > 1_700).then_some(()));
    tail.signal(nix::sys::signal::Signal::SIGTERM);
    let text = tail.finish().stdout;
    let seen: BTreeSet<&str> =
        text.lines().skip(1).filter_map(|line| line.split(',').find(|field| field.len() == 64)).collect();
    assert_eq!((text.lines().count(), seen.len()), (1_701, 1_500));

    for file in [&first, &second] {
        let counts = bus.publish(file, &[]);
        assert_eq!((counts.duplicate, counts.accepted), (counts.rows, 0), "{counts:?}");
    }
    bus.stop();
    bus.start();
    assert_eq!(bus.publish(&second, &[]).duplicate, 1_500);
    bus.close_day();
    // A ring that was enlarged stays as large as its symbols need.
    bus.stop();
    bus.start();
    assert_eq!(bus.stat()["symbols"], 1_500);
    oracle::assert_archive(&bus, &BARS, &[first, second]);
    bus.barbus("verify", [] as [&str; 0]).ok();
}
